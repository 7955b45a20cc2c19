"""The transport over TLS, and what it does before the first byte is sent."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shared.common.errors import Misconfigured, Transient
from shared.common.fakes import FakeClock
from shared.rest.address import AddressRefused, Guard
from shared.rest.message import Request
from shared.rest.transport import HttpTransport, Timeout

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\n\r\n[]"


def certificate(folder: Path) -> Path:
    """A self-signed certificate for localhost, with its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "localhost.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return file


@dataclass
class TinyServer:
    """Answers every request with an empty list and keeps what it was sent."""

    port: int
    certificate: Path
    connections: int = 0
    received: list[bytes] = field(default_factory=list)


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tiny(scheme: str, tmp_path: Path) -> Iterator[TinyServer]:
    file = certificate(tmp_path)
    listener = socket.create_server(("127.0.0.1", 0))
    server = TinyServer(listener.getsockname()[1], file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    def serve(connection: socket.socket) -> None:
        try:
            talk = context.wrap_socket(connection, server_side=True) if scheme == "https" else connection
            with talk:
                while data := talk.recv(65536):
                    server.received.append(data)
                    talk.sendall(ANSWER)
        except OSError:
            connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield server
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_one_connection_serves_many_requests_and_keeps_no_cookie(scheme: str, tiny: TinyServer) -> None:
    base = f"{scheme}://localhost:{tiny.port}"
    transport = HttpTransport(Guard(base), FakeClock(), verify=str(tiny.certificate))

    bodies = [transport.send(Request(f"{base}/x"), timeout=Timeout(2, 2, 5)).body for _ in range(3)]
    transport.close()

    assert [b"[]"] * 3 == bodies
    assert 1 == tiny.connections
    assert not any(b"cookie" in data.lower() for data in tiny.received)


@pytest.mark.parametrize("scheme", ["https"], indirect=True)
def test_a_certificate_that_is_not_trusted_is_a_mistake_of_the_setup(scheme: str, tiny: TinyServer) -> None:
    base = f"{scheme}://localhost:{tiny.port}"
    transport = HttpTransport(Guard(base), FakeClock())

    with pytest.raises(Misconfigured, match="certificate is not trusted"):
        transport.send(Request(base), timeout=Timeout(2, 2, 5))

    assert [] == tiny.received


@pytest.mark.parametrize("scheme", ["https"], indirect=True)
def test_a_name_that_resolves_otherwise_a_moment_later_gets_no_byte(scheme: str, tiny: TinyServer) -> None:
    """DNS rebinding: the check sees a public address, the connection reaches this machine."""
    guard = Guard("https://api.test", resolve=lambda host, port: ["93.184.216.34"])
    transport = HttpTransport(guard, FakeClock(), verify=str(tiny.certificate))
    request = Request(f"{scheme}://localhost:{tiny.port}/x", headers=(("x-secret", "hunter22"),))

    with pytest.raises(AddressRefused, match=r"loopback address 127\.0\.0\.1"):
        transport.send(request, timeout=Timeout(2, 2, 5))

    assert [] == tiny.received


@pytest.mark.parametrize("scheme", ["https"], indirect=True)
def test_a_name_behind_which_is_this_machine_is_not_even_connected_to(scheme: str, tiny: TinyServer) -> None:
    guard = Guard(
        "https://api.test", resolve=lambda host, port: ["127.0.0.1" if host == "localhost" else "8.8.8.8"]
    )
    transport = HttpTransport(guard, FakeClock(), verify=str(tiny.certificate))

    with pytest.raises(AddressRefused, match="loopback address"):
        transport.send(Request(f"{scheme}://localhost:{tiny.port}/x"), timeout=Timeout(2, 2, 5))

    assert 0 == tiny.connections


def test_a_host_without_an_address_is_transient() -> None:
    transport = HttpTransport(Guard("https://nobody.invalid"), FakeClock())

    with pytest.raises(Transient, match="the connection failed: gaierror"):
        transport.send(Request("https://nobody.invalid/x"), timeout=Timeout(2, 2, 5))


@pytest.mark.parametrize(
    "request_",
    [
        Request("http://127.0.0.1:9/x", headers=(("a", "b\r\nc: hunter22"),)),
        Request("https://[broken/hunter22"),
    ],
)
def test_a_request_that_cannot_be_sent_is_a_mistake_that_shows_no_value(request_: Request) -> None:
    guard = Guard("http://127.0.0.1:9")
    transport = HttpTransport(guard, FakeClock())

    with pytest.raises(Misconfigured, match="cannot be sent") as caught:
        transport.send(request_, timeout=Timeout(2, 2, 5))

    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("value", ["hunter22\n", "hunter22\r", "a\r\nc: hunter22", "hunter22 €"])
@pytest.mark.parametrize("scheme", ["http"], indirect=True)
def test_a_header_that_cannot_be_sent_is_named_without_its_value(tiny: TinyServer, value: str) -> None:
    base = f"http://localhost:{tiny.port}"
    transport = HttpTransport(Guard(base), FakeClock())
    request = Request(f"{base}/x", headers=(("accept", "*/*"), ("x-tenant", value)))

    with pytest.raises(Misconfigured, match='the header "x-tenant" cannot be sent') as caught:
        transport.send(request, timeout=Timeout(2, 2, 5))

    assert "hunter22" not in str(caught.value)
    assert "line break" in str(caught.value)
    assert [] == tiny.received


@pytest.mark.parametrize("name", ["x tenant:", "x-té€nant", ""])
@pytest.mark.parametrize("scheme", ["http"], indirect=True)
def test_a_header_whose_name_is_none_is_named(tiny: TinyServer, name: str) -> None:
    base = f"http://localhost:{tiny.port}"
    transport = HttpTransport(Guard(base), FakeClock())

    with pytest.raises(Misconfigured, match=f'the header "{name}" cannot be sent'):
        transport.send(Request(f"{base}/x", headers=((name, "1"),)), timeout=Timeout(2, 2, 5))
