"""A Snowflake account on this machine: fakesnow's server behind a door that adds what fakesnow lacks.

The real connector signs in over HTTP and runs every statement of the loader. Added here: sign-in by key pair, COPY with
a transform, MATCH_BY_COLUMN_NAME and INCLUDE_METADATA, ALTER STAGE, temporary tables in a schema, the lock that an
UPDATE of Snowflake holds until its transaction ends, requests that are repeated under their id, and faults on the wire.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import jwt
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.shared.warehouse.snowflake.copying import CopyError, copy_into
from tests.shared.warehouse.snowflake.fixes import put_right
from tests.shared.warehouse.snowflake.naming import described, upper_case

# `fakesnow.server` is a function as well, by which mypy knows it.
serving: Any = import_module("fakesnow.server")

LOADER = "LOADER"

_NOTHING = re.compile(
    r"\s*(ALTER\s+(SESSION|WAREHOUSE|USER|FILE\s+FORMAT|STORAGE\s+INTEGRATION)|GRANT|USE\s+ROLE"
    r"|CREATE\s+((OR\s+\w+|TEMPORARY)\s+)*(STORAGE\s+INTEGRATION|PIPE|WAREHOUSE|ROLE|USER))\b",
    re.I,
)
_ALTER_STAGE = re.compile(r"\s*ALTER\s+STAGE\s+(?:IF\s+EXISTS\s+)?(\S+)\s+SET\s+URL\s*=\s*'([^']*)'", re.I)
_COPY = re.compile(r"\s*COPY\s+INTO\s", re.I)
# DuckDB knows temporary tables in a catalogue of their own only.
_TEMPORARY = re.compile(r'_sluice\.("(?:load|raw):)', re.I)
_DESCRIBE = re.compile(r"DESCRIBE TABLE (.*)", re.S)
# Snowflake notes keys and enforces none.
_ENFORCED = re.compile(r", PRIMARY KEY \([^)]*\)")
_MACROS = ("CREATE OR REPLACE TEMP MACRO as_double(x) AS TRY_CAST(x AS DOUBLE)",)


@dataclass
class Fault:
    """What happens at the next statement that `pattern` is found in.

    before: the session ends, and the statement was never run.  after: it was run, and the session ends instead of an
    answer.  lost: it was run, the answer is lost, and the connector asks again.  busy: Snowflake gives up on a lock.
    """

    pattern: str
    kind: str
    skip: int = 0


@dataclass
class Session:
    """A signed-in client."""

    token: str
    parameters: dict[str, Any]
    begun: bool = False
    locked: bool = False
    ended: bool = False


@dataclass
class Account:
    """The account, and what a test may ask of it."""

    read: Callable[[str], bytes] = lambda url: b""
    port: int = 0
    users: dict[str, list[Any]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    sessions: dict[str, Session] = field(default_factory=dict)
    logins: list[dict[str, Any]] = field(default_factory=list)
    _answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    _databases: set[str] = field(default_factory=set)
    _ledger: threading.Lock = field(default_factory=threading.Lock)

    def url(self, database: str, **more: str) -> str:
        options = {"user": LOADER, "warehouse": "LOAD_WH", "host": "127.0.0.1", "port": str(self.port)}
        asked = "&".join(f"{name}={value}" for name, value in {**options, "protocol": "http", **more}.items())
        return f"snowflake://test-account/{database}/PUBLIC?{asked}"

    def reset(self) -> None:
        """As between two tests: no faults, nothing seen, nobody signed in."""
        for session in list(self.sessions.values()):
            self.end(session)
        for name in self._databases:  # in each database that there is, fakesnow looks for tables and columns
            with suppress(Exception):
                serving.shared_fs.duck_conn.execute(f'DETACH "{name}"')
        for seen in (
            self.faults,
            self.seen,
            self.tags,
            self.logins,
            self.users,
            self._answers,
            self.sessions,
            self._databases,
        ):
            seen.clear()

    def end(self, session: Session) -> None:
        """End a session as Snowflake ends one whose client is gone: what was open is undone."""
        session.ended = True
        if connection := serving.sessions.get(session.token):
            with suppress(Exception):
                connection._duck_conn.execute("ROLLBACK")
            connection._duck_conn.close()
        self._unlock(session)

    def cut(self) -> None:
        """All clients die at once: nothing of what they send arrives any more."""
        for session in self.sessions.values():
            self.end(session)

    async def login(self, request: Request) -> Response:
        body = await _body(request)
        data = json.loads(body)["data"]
        self.logins.append(data)
        if self.users and (refused := self._refused(data)):
            return _error("390144", refused)
        answer = await serving.login_request(_with_body(request, body))
        token = json.loads(bytes(answer.body))["data"]["token"]
        self.sessions[token] = Session(token, data.get("SESSION_PARAMETERS", {}))
        connection = serving.sessions[token]
        self._databases.add(connection.database)
        for macro in _MACROS:
            connection._duck_conn.execute(macro)
        # fakesnow takes the $ of a quoted name for a variable.
        connection.variables.inline_variables = lambda sql: sql
        return answer

    def _refused(self, data: dict[str, Any]) -> str:
        if data.get("AUTHENTICATOR") != "SNOWFLAKE_JWT":
            return "Only key pairs sign in here."
        for public in self.users.get(data.get("LOGIN_NAME", ""), []):
            with suppress(jwt.InvalidTokenError):
                jwt.decode(data["TOKEN"], public, algorithms=["RS256"])
                return ""
        return "JWT token is invalid."

    async def query(self, request: Request) -> Response:
        session = self.sessions.get(serving.to_token(request))
        number = request.query_params.get("requestId", "")
        if session is None or session.ended:
            return _error("390111", "Session no longer exists. New login required to access the service.")
        if number in self._answers:  # the connector asks again, and Snowflake knows the request
            status, content = self._answers[number]
            return Response(content, status, media_type="application/json")
        document = json.loads(await _body(request))
        sql = document["sqlText"]
        self.seen.append(sql)
        fault = self._due(sql)
        if fault is not None and fault.kind == "busy":
            return _error(
                "000625", "Statement was aborted because the number of waiters for this lock is too high."
            )
        if fault is not None and fault.kind == "before":
            self.end(session)
            return _error("390111", "Session no longer exists. New login required to access the service.")
        answer = await self._run(session, sql, document, request)
        if fault is not None and fault.kind == "after":
            self.end(session)
            return _error("390111", "Session no longer exists. New login required to access the service.")
        self._answers[number] = answer.status_code, bytes(answer.body)
        return Response("gone", 503) if fault is not None else answer

    def _due(self, sql: str) -> Fault | None:
        for fault in self.faults:
            if re.search(fault.pattern, sql):
                if fault.skip:
                    fault.skip -= 1
                    return None
                self.faults.remove(fault)
                return fault
        return None

    async def _run(self, session: Session, sql: str, document: dict[str, Any], request: Request) -> Response:
        duck = serving.sessions[session.token]
        if found := re.match(r"\s*ALTER SESSION SET QUERY_TAG = '(.*)'", sql):
            self.tags.append(found[1])
        verb = sql.split(maxsplit=1)[0].upper()
        if verb == "BEGIN":
            session.begun = True  # begins with the first statement behind it, as READ COMMITTED would see it
            sql = "SELECT 'Statement executed successfully.' AS status"
        elif verb in ("COMMIT", "ROLLBACK"):
            session.begun = False
        elif "_sluice.ledger SET" in sql and not await run_in_threadpool(self._lock, session):
            return _error("000625", "Statement timed out waiting for a lock.")
        if session.begun and verb != "BEGIN":
            session.begun = False
            duck._duck_conn.execute("BEGIN")
        try:
            sql = await run_in_threadpool(self._shimmed, session, duck, sql)
        except CopyError as error:
            return _error(error.number, error.text, error.state)
        except Exception as error:  # noqa: BLE001 - as an answer it reaches the test; else the connector asks again
            return _error("009999", f"the account failed: {error!r} at {sql}", "0A000")
        body = json.dumps({**document, "sqlText": sql}).encode()
        answer = await serving.query_request(_with_body(request, body))
        if answer.status_code != 200:  # fakesnow does not know it: the connector would ask for minutes
            answer = _error("009999", f"fakesnow cannot run this: {bytes(answer.body).decode()}", "0A000")
        if verb in ("COMMIT", "ROLLBACK"):
            self._unlock(session)
        return answer

    def _shimmed(self, session: Session, connection: Any, sql: str) -> str:
        """The statement as fakesnow can run it; what it cannot is done here, and a SELECT says so."""
        if _NOTHING.match(sql):
            return "SELECT 'Statement executed successfully.' AS status"
        if sql.startswith("DESC STORAGE INTEGRATION"):
            user = "('STORAGE_AWS_IAM_USER_ARN', 'String', 'arn:aws:iam::1:user/x')"
            trust = f"{user}, ('STORAGE_AWS_EXTERNAL_ID', 'String', 'XY_1')"
            return f"SELECT column1, column2, column3 FROM VALUES ('ENABLED', 'Boolean', 'true'), {trust}"
        if found := _ALTER_STAGE.match(sql):
            name = found[1].split(".")[-1].strip('"')
            connection._duck_conn.execute(
                "UPDATE _fs_global._fs_information_schema._fs_stages SET url = ? "
                "WHERE lower(name) = lower(?) AND database_name = ?",
                (found[2], name, connection.database),
            )
            return "SELECT 'Statement executed successfully.' AS status"
        sql = _ENFORCED.sub("", _TEMPORARY.sub(r"\1", sql))
        if session.parameters.get("QUOTED_IDENTIFIERS_IGNORE_CASE"):
            sql = upper_case(sql)
        if _COPY.match(sql):
            return copy_into(connection, sql, self.read)
        if found := _DESCRIBE.match(sql):
            return described(connection, found[1])
        return sql

    def _lock(self, session: Session) -> bool:
        if not session.locked:
            session.locked = self._ledger.acquire(timeout=20)
        return session.locked

    def _unlock(self, session: Session) -> None:
        if session.locked:
            session.locked = False
            self._ledger.release()

    async def end_session(self, request: Request) -> Response:
        session = self.sessions.pop(serving.to_token(request), None)
        if session is not None and request.query_params.get("delete"):
            self.end(session)
            serving.sessions.pop(session.token, None)
        return JSONResponse({"data": None, "code": None, "message": None, "success": True})


@contextmanager
def running(read: Callable[[str], bytes]) -> Iterator[Account]:
    """An account that answers on a port of this machine; `read` opens the objects that its stages point at."""
    put_right()
    account = Account(read)
    routes = [
        Route("/session/v1/login-request", account.login, methods=["POST"]),
        Route("/session", account.end_session, methods=["POST"]),
        Route("/queries/v1/query-request", account.query, methods=["POST"]),
        *serving.routes,
    ]
    # With the protocol said, asyncio sends small answers at once: else each takes 40 ms.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        account.port = listening.getsockname()[1]
        door = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="critical", lifespan="off"))
        thread = threading.Thread(target=asyncio.run, args=(door.serve(sockets=[listening]),), daemon=True)
        thread.start()
        until = time.monotonic() + 30
        while not door.started and time.monotonic() < until:
            time.sleep(0.02)
        try:
            yield account
        finally:
            door.should_exit = True
            thread.join(timeout=10)


async def _body(request: Request) -> bytes:
    body = await request.body()
    return gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body


def _with_body(request: Request, body: bytes) -> Request:
    """The same request with another body, which is not compressed."""
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"content-encoding"]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({**request.scope, "headers": headers}, receive)


def _error(code: str, message: str, state: str = "") -> JSONResponse:
    data = {"errorCode": code, "sqlState": state or None}
    return JSONResponse({"data": data, "code": code, "message": message, "success": False})
