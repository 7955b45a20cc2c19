"""Small functions in the sandbox, under the real runtime interface client: what callers get, and what ends a call."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.common.errors import Transient
from src.packaging.interpreter import find_interpreter
from src.packaging.room import Room, runtime_client
from src.packaging.target import Target
from src.sandbox import OF_THE_TEMPLATE, Report, Sandbox, environ_here

ROOT = Path(__file__).parents[2]
CODE = """
import json, os, sys, time
print("loaded")
kept = []
def handler(event, context):
    match event.get("do"):
        case "fail": raise ValueError("no such thing")
        case "exit": os._exit(3)
        case "sleep": time.sleep(60)
        case "large": return "x" * 7_000_000
        case "grow":
            while True: kept.append(b"x" * 2**20); time.sleep(0.0005)
        case "context": return [context.aws_request_id, context.get_remaining_time_in_millis(), context.function_name]
        case "path": return sys.path
        case "environ": return dict(os.environ)
        case "json": return {1: object}
    kept.append(event)
    return {"got": event, "calls": len(kept)}
"""


@pytest.fixture(scope="session")
def runtime() -> Path:
    try:
        return runtime_client(Target.here(), tell=lambda line: None)
    except Transient as error:
        pytest.skip(f"awslambdaric cannot be had: {error}")


@pytest.fixture
def sandbox(tmp_path: Path, runtime: Path) -> Callable[..., Sandbox]:
    def make(
        code: str = CODE, handler: str = "app.handler", timeout_s: float = 20, memory_mb: int = 256
    ) -> Sandbox:
        task, opt = tmp_path / "var" / "task", tmp_path / "opt"
        task.mkdir(parents=True)
        opt.mkdir()
        (task / "app.py").write_text(code)
        interpreter = find_interpreter(Target.here().python)
        assert interpreter is not None
        room = Room(task, opt, runtime, interpreter, handler)
        return Sandbox(room, "app", {"SETTING": "1", "PYTHONPATH": "/x"}, lines.append, timeout_s, memory_mb)

    lines: list[str] = []
    make.lines = lines  # type: ignore[attr-defined]
    return make


def test_the_first_call_is_cold_and_the_next_finds_what_it_left(sandbox: Callable[..., Sandbox]) -> None:
    with sandbox() as box:
        (first, cold), (second, warm) = box.invoke({"a": 1}), box.invoke({"a": 2})

    assert [{"got": {"a": 1}, "calls": 1}, {"got": {"a": 2}, "calls": 2}] == [first.result, second.result]
    assert cold.init_s is not None
    assert warm.init_s is None
    assert ["loaded"] == sandbox.lines  # type: ignore[attr-defined]


def test_nothing_but_the_function_its_layers_and_the_standard_library_is_on_the_path(
    sandbox: Callable[..., Sandbox],
) -> None:
    with sandbox() as box:
        path = box.invoke({"do": "path"})[0].result

    assert str(box.room.task) == path[0]
    assert str(box.room.opt / "python") == path[2]
    assert str(box.room.runtime) == path[-1]
    assert [] == [
        entry for entry in path if "site-packages" in entry and not entry.startswith(str(box.room.opt))
    ]


def test_its_environment_is_lambdas_and_what_it_was_given(sandbox: Callable[..., Sandbox]) -> None:
    with sandbox(memory_mb=300) as box:
        environ = box.invoke({"do": "environ"})[0].result

    assert ("1", "300", "app.handler") == tuple(
        environ[name] for name in ("SETTING", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "_HANDLER")
    )
    assert {"HOME", "PYTHONPATH", "VIRTUAL_ENV"}.isdisjoint(environ)


def test_what_the_template_gives_every_function_is_given_here_too() -> None:
    text = (ROOT / "deploy" / "infra" / "template.yml").read_text(encoding="utf-8")

    assert [] == [f"{n}: {v}" for n, v in OF_THE_TEMPLATE.items() if f"{n}: {v}" not in text]
    assert "LogFormat: JSON" in text


def test_a_context_counts_down(sandbox: Callable[..., Sandbox]) -> None:
    with sandbox(timeout_s=20) as box:
        request, left, name = box.invoke({"do": "context"}, request="r-7")[0].result

    assert ("r-7", "app") == (request, name)
    assert 10_000 < left <= 20_000


def test_an_error_has_lambdas_form(sandbox: Callable[..., Sandbox]) -> None:
    with sandbox() as box:
        error = box.invoke({"do": "fail"}, request="r-1")[0].error

    assert error is not None
    assert ("ValueError", "no such thing", "r-1") == (
        error["errorType"],
        error["errorMessage"],
        error["requestId"],
    )
    assert "raise ValueError" in error["stackTrace"][0]


@pytest.mark.parametrize(
    ("do", "kind", "says"),
    [
        ("sleep", "Sandbox.Timedout", "RequestId: r-1 Error: Task timed out after 1.00 seconds"),
        ("exit", "Runtime.ExitError", "RequestId: r-1 Error: Runtime exited with error: exit status 3"),
        ("grow", "Runtime.OutOfMemory", "RequestId: r-1 Error: Runtime exited with error: signal: killed"),
        ("large", "Function.ResponseSizeTooLarge", "Response payload size (7000002 bytes) exceeded"),
        ("json", "Runtime.MarshalError", "Unable to marshal response"),
    ],
)
def test_what_ends_an_invocation_is_told_in_lambdas_words_and_the_next_one_is_well(
    sandbox: Callable[..., Sandbox], do: str, kind: str, says: str
) -> None:
    with sandbox(timeout_s=1 if do == "sleep" else 20, memory_mb=128) as box:
        error = box.invoke({"do": do}, request="r-1")[0].error
        after = box.invoke({"a": 1})[0]

    assert error is not None
    assert (kind, True) == (error["errorType"], error["errorMessage"].startswith(says))
    assert after.error is None


@pytest.mark.parametrize(
    ("code", "handler", "kind", "says"),
    [
        ("import nowhere", "app.handler", "Runtime.ImportModuleError", "No module named 'nowhere'"),
        ("", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("", "gone.handler", "Runtime.ImportModuleError", "Unable to import module 'gone'"),
        ("def (", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
    ],
)
def test_a_function_that_cannot_be_loaded_says_why(
    sandbox: Callable[..., Sandbox], code: str, handler: str, kind: str, says: str
) -> None:
    with sandbox(code, handler) as box:
        error = box.invoke({})[0].error

    assert error is not None
    assert (kind, True) == (error["errorType"], says in error["errorMessage"])


def test_the_report_is_lambdas_line() -> None:
    line = str(Report("r-1", 0.0123, 512, 80.4, init_s=0.25))

    assert (
        "REPORT RequestId: r-1\tDuration: 12.30 ms\tBilled Duration: 263 ms\tMemory Size: 512 MB\t"
        "Max Memory Used: 80 MB\tInit Duration: 250.00 ms"
    ) == line
    assert str(Report("r-1", 0.0123, 512, 80.4)).endswith("Max Memory Used: 80 MB")


def test_settings_of_this_shell_and_dotenv_go_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the landing zone that a command would use: the function's own folder is thrown away."""
    (tmp_path / ".env").write_text("API_KEY=from-file\nSETTING=from-file\n")
    monkeypatch.setenv("SETTING", "from-shell")
    monkeypatch.delenv("LANDING_URL", raising=False)
    monkeypatch.delenv("BUCKET_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    found = environ_here()

    assert ("from-file", "from-shell") == (found["API_KEY"], found["SETTING"])
    assert (tmp_path / ".sluice" / "landing").as_uri() == found["LANDING_URL"]


def test_the_answer_of_an_error_is_json(sandbox: Callable[..., Sandbox]) -> None:
    with sandbox() as box:
        done, _ = box.invoke({"do": "fail"})

    assert done.payload == json.loads(json.dumps(done.payload))
