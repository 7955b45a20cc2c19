"""The API under `/api`: lets requests in, finds their operation, and turns errors into problems."""

from __future__ import annotations

from dataclasses import dataclass

from shared.common.errors import Misconfigured, SluiceError, Superseded, Transient
from shared.orchestrator.http_door import Request, Response
from src.dispatch.answers import Problem, problem_of
from src.dispatch.changing import CHANGES
from src.dispatch.gate import Gate
from src.dispatch.house import House
from src.dispatch.looking import LOOKS
from src.dispatch.operation import Operation

ROOT = "/api"
OPERATIONS = (*LOOKS, *CHANGES)


@dataclass(frozen=True)
class Api:
    """The handler of all paths below `/api/`."""

    house: House
    gate: Gate

    def __call__(self, request: Request) -> Response:
        try:
            self.gate.check(request)
            return self._answer(request)
        except Problem as problem:
            return problem.to_response(self.house.mask)
        except SluiceError as error:
            return _problem(error, request).to_response(self.house.mask)

    def _answer(self, request: Request) -> Response:
        operation, path = found(request)
        return operation.handler(self.house, operation.read(request, path))


def found(request: Request) -> tuple[Operation, dict[str, str]]:
    """The operation of a request, and the parts of its path. Raises `Problem`."""
    path = request.path.removeprefix(ROOT)
    method = "GET" if request.method == "HEAD" else request.method
    matches = [(one, parts) for one in OPERATIONS if (parts := one.match(path)) is not None]
    for one, parts in matches:
        if one.method == method:
            return one, parts
    if matches:
        allowed = ", ".join(sorted({one.method for one, _ in matches}))
        raise Problem(405, f"{request.method} is not for {request.path}", hint=f"it takes {allowed}",
                      headers={"Allow": allowed})  # fmt: skip
    raise Problem(
        404,
        f"there is nothing at {request.path[:200]}",
        hint="docs/dispatch.openapi.json lists what there is",
    )


def _problem(error: SluiceError, request: Request) -> Problem:
    match error:
        case Superseded():
            return problem_of(error, 412 if "if-match" in request.headers else 409)
        case Transient():
            problem = problem_of(error, 503)
            problem.headers["Retry-After"] = str(int(error.retry_after or 5))
            return problem
        case Misconfigured():
            return problem_of(error, 422)
    return problem_of(error, 400)
