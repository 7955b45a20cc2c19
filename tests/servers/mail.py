"""A small mail server (RFC 5321) on a port of its own: EHLO, STARTTLS, AUTH PLAIN, and the messages that it took."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any


@dataclass
class Mailbox:
    """What a server took, as (recipients, message, was it encrypted), and how it behaves.

    `tls`: it offers STARTTLS, or with `at_once` speaks nothing else. `users`: without one of these nobody may send.
    `answers`: what it says to a word instead, such as {"RCPT": "550 no such user"}.
    """

    tls: ssl.SSLContext | None = None
    at_once: bool = False
    users: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Callable[[str], str | None]] = field(default_factory=dict)
    port: int = 0
    taken: list[tuple[list[str], EmailMessage, bool]] = field(default_factory=list)
    signed_in: list[str] = field(default_factory=list)


@contextmanager
def mail_server(box: Mailbox) -> Iterator[Mailbox]:
    """The server, until the end of the block."""

    class Session(_Session):
        mailbox = box

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up in the middle is what some tests are about."""

    with Server(("127.0.0.1", 0), Session) as server:
        box.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield box
        server.shutdown()


class _Session(socketserver.StreamRequestHandler):
    mailbox: Mailbox

    def handle(self) -> None:
        if self.mailbox.at_once:
            self._encrypt()
        self.say("220 here")
        to: list[str] = []
        user = ""
        while line := self.rfile.readline():  # another file from STARTTLS on
            text = line.decode().strip()
            word, _, rest = text.partition(" ")
            other = self.mailbox.answers.get(word.upper())
            if other and (answer := other(rest)):
                self.say(answer)
                continue
            match word.upper():
                case "EHLO" | "HELO":
                    self.say(*self._offers())
                case "STARTTLS":
                    self.say("220 go on")
                    self._encrypt()
                case "AUTH":
                    user = self._sign_in(rest)
                    self.say("235 welcome" if user else "535 unknown user or password")
                case "MAIL":
                    to = []
                    self.say("530 sign in first" if self.mailbox.users and not user else "250 ok")
                case "RCPT":
                    to.append(rest.partition("<")[2].partition(">")[0])
                    self.say("250 ok")
                case "DATA":
                    self.say("354 end with a dot")
                    self._take(to)
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 ok")

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # the encrypted one is not that of the server

    def say(self, *lines: str) -> None:
        for number, line in enumerate(lines, start=1):
            more = f"{line[:3]}-{line[4:]}" if number < len(lines) else line
            self.wfile.write(f"{more}\r\n".encode())
        self.wfile.flush()

    @property
    def is_encrypted(self) -> bool:
        return isinstance(self.connection, ssl.SSLSocket)

    def _offers(self) -> list[str]:
        offers = ["250 here", "250 8BITMIME", "250 SMTPUTF8"]
        if self.mailbox.tls and not self.is_encrypted:
            offers.append("250 STARTTLS")
        return [*offers, "250 AUTH PLAIN"] if self.mailbox.users else offers

    def _encrypt(self) -> None:
        assert self.mailbox.tls
        self.connection = self.mailbox.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")

    def _sign_in(self, rest: str) -> str:
        _, user, password = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
        if self.mailbox.users.get(user) != password:
            return ""
        self.mailbox.signed_in.append(user)
        return user

    def _take(self, to: list[str]) -> None:
        body = b""
        for line in self.rfile:
            if line == b".\r\n":
                break
            body += line.removeprefix(b".") if line.startswith(b"..") else line
        message = message_from_bytes(body.replace(b"\r\n", b"\n"), policy=policy.default)
        self.mailbox.taken.append((to, message, self.is_encrypted))
        with suppress(OSError):
            self.say("250 taken")


def certificate(folder: Path, *, host: str = "localhost") -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate for `host` that nobody signed, and its file, for who wants to trust it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, folder / "key.pem")
    return context, file
