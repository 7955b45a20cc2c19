"""The world around examples over HTTP and SMTP, as Airflow's own hooks ask: Lambda, Glue, ECS, Slack, mail, hosts."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.shared.pipelines.targets.cells.example import SECRET, Broken, Example, Seen
from tests.shared.pipelines.targets.cells.world import World


@dataclass
class Served:
    """One run after the other: `/begin/NAME` says whose world it is from then on."""

    url: str = ""
    smtp: int = 0
    world: World = field(default_factory=World)
    seen: dict[str, Seen] = field(default_factory=dict)
    examples: dict[str, Example] = field(default_factory=dict)

    def begin(self, name: str) -> None:
        self.world.begin(self.examples[name])
        self.seen[name] = Seen(asked=self.world.asked, told=self.world.told)

    def answer(self, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        match path.strip("/").split("/"):
            case ["begin", name]:
                self.begin(name)
                return {}
            case ["2015-03-31", "functions", function, "invocations"]:
                return self.world.invoke(function, body)
            case ["podman"]:
                return self.world.ask("train", body, {})
            case ["step"]:
                return {"output": self.world.invoke("sluice-step", body)}
        if "X-Amz-Target" in headers:
            return self._service(headers["X-Amz-Target"].rpartition(".")[2], body)
        return self.world.http(path, body, headers)

    def _service(self, action: str, sent: Mapping[str, Any]) -> Any:
        match action:
            case "StartJobRun":
                self.world.ask(sent["JobName"], sent["Arguments"], {})
                return {"JobRunId": "j1"}
            case "GetJobRun":
                answer = self.world.ask(f"{sent['JobName']}?", sent["RunId"], "SUCCEEDED")
                state = answer["state"] if isinstance(answer, dict) else answer
                return {"JobRun": {"Id": "j1", "JobRunState": state}}
            case "RunTask":
                self.world.ask(
                    sent["taskDefinition"],
                    {k[0].upper() + k[1:]: v for k, v in sent["overrides"].items()},
                    {},
                )
                return {"tasks": [{"taskArn": sent["taskDefinition"]}], "failures": []}
        answer = self.world.ask(f"{sent['tasks'][0]}?", sent["cluster"], {})
        over = isinstance(answer, dict)
        status = {"lastStatus": "STOPPED" if over else "RUNNING", "containers": [{"exitCode": 0}]}
        return {"tasks": [status], "failures": []}

    def environment(self) -> dict[str, str]:
        """Connections, variables and commands by which Airflow finds this world."""
        aws = {"region_name": "us-east-1", "endpoint_url": self.url}
        mail = {"disable_ssl": True, "disable_tls": True, "from_email": "sluice@example.com"}
        connections: dict[str, dict[str, Any]] = {
            "AWS_DEFAULT": {"conn_type": "aws", "login": "k", "password": "s", "extra": aws},
            "SLACK_API_DEFAULT": {
                "conn_type": "slack",
                "password": "t",
                "extra": {"base_url": f"{self.url}/api/"},
            },
            "SMTP_DEFAULT": {"conn_type": "smtp", "host": "127.0.0.1", "port": self.smtp, "extra": mail},
        }
        made = {f"AIRFLOW_CONN_{name}": json.dumps(one) for name, one in connections.items()}
        return {**made, "AIRFLOW_VAR_TOKEN": SECRET, "WORLD": self.url}


class Host(BaseHTTPRequestHandler):
    """One request; a failure is a 500, or what Lambda answers then."""

    served: Served

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(data) if data else None
        except ValueError:
            body = data.decode()
        status, more = 200, {"Content-Type": "application/json"}
        try:
            answer = self.served.answer(self.path.partition("?")[0], body, dict(self.headers))
        except Broken as error:
            answer = {"errorMessage": str(error)}
            if self.path.startswith("/2015-03-31"):
                more["X-Amz-Function-Error"] = "Unhandled"
            else:
                status = 500
        text = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in (more | {"Content-Length": str(len(text))}).items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):  # who asked has given up
            self.wfile.write(text)

    do_GET = do_POST  # noqa: N815 - the name that the server looks for

    def log_message(self, *_: Any) -> None:
        """Nothing: a test says what it saw."""


class Mail(socketserver.StreamRequestHandler):
    """As little of SMTP as it takes to be sent a message; its subject is what was told."""

    served: Served

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        inside = False
        for line in self.rfile:
            text = line.decode().rstrip("\r\n")
            if inside and text.lower().startswith("subject:"):
                self.served.world.told.append(f"email {text[8:].strip()}")
            if inside and text != ".":
                continue
            inside = text[:4].upper() == "DATA"
            over = text[:4].upper() == "QUIT"
            self.wfile.write(b"354 go on\r\n" if inside else b"221 bye\r\n" if over else b"250 well\r\n")
            if over:
                return


@contextmanager
def served() -> Iterator[Served]:
    """The world until the end of the block."""
    made = Served()
    host: Any = type("Host", (Host,), {"served": made})
    mail: Any = type("Mail", (Mail,), {"served": made})
    servers = (
        ThreadingHTTPServer(("127.0.0.1", 0), host),
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), mail),
    )
    made.url, made.smtp = f"http://127.0.0.1:{servers[0].server_port}", servers[1].server_address[1]
    threads = [threading.Thread(target=one.serve_forever, args=(0.05,), daemon=True) for one in servers]
    for thread in threads:
        thread.start()
    yield made
    for one in servers:
        one.shutdown()
        one.server_close()
    for thread in threads:
        thread.join()
