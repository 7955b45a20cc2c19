"""`sluice invoke`: run the handler of a Lambda app here, or what is built of it, with an event from a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.common.errors import Misconfigured, SluiceError, unknown
from src.cli.app import verb
from src.cli.outcome import Exit, exit_code
from src.cli.screen import Screen, spoken

if TYPE_CHECKING:
    from src.invoke import Invocation

Run = Callable[[Any], "Invocation"]


@verb(
    "invoke",
    "sluice invoke ingest events/ingest.json",
    'echo \'{"source": "recurly"}\' | sluice invoke ingest -',
    "sluice invoke ingest events/ingest.json --timeout 20 --until-done",
    "make layers package && sluice invoke ingest events/ingest.json --artifact",
)
@click.argument("app")
@click.argument("event", type=click.Path(path_type=Path))
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=900.0,
    show_default=True,
    help="Seconds of an invocation.",
)
@click.option(
    "--until-done", is_flag=True, help='Feed the answer back as the next event while it says "done": false.'
)
@click.option(
    "--artifact",
    is_flag=True,
    help="Run the built zips as Lambda lays them out, and nothing else of this machine.",
)
@click.option(
    "--memory", type=click.IntRange(128, 10240), default=512, show_default=True, help="MB; needs --artifact."
)
@click.option("--arch", help="arm64 or x86_64, by default this machine's; needs --artifact.")
@click.option("--python", help="Version of Python, by default the one that is deployed; needs --artifact.")
@click.pass_context
def invoke(
    context: click.Context,
    app: str,
    event: Path,
    timeout: float,
    until_done: bool,
    artifact: bool,
    memory: int,
    arch: str | None,
    python: str | None,
) -> None:
    """Run the handler of src/APP/app.py with the JSON file EVENT, as Lambda would.

    EVENT may be - for standard input. The answer is the last line of stdout; logs go to stderr.

    With --artifact it is the zips of `make layers package` that run, under Lambda's own runtime interface client, with
    no packages but those in them: what is missing in them shows here. Memory and time have limits then. The settings
    are those of this shell and of .env.
    """
    from src.invoke import apps, read_event

    screen: Screen = context.obj
    if app not in apps():
        raise unknown("app", app, apps())
    document = read_event(event) if str(event) != "-" else _read_stdin()
    if not artifact and (arch or python):
        raise Misconfigured("--arch and --python choose among built zips", hint="say --artifact, too")
    opened = (
        _built(screen, app, timeout=timeout, memory=memory, arch=arch, python=python)
        if artifact
        else _here(app, timeout)
    )
    with opened as run:
        _until_done(context, app, run, document, until_done=until_done)


def _until_done(context: click.Context, app: str, run: Run, document: Any, *, until_done: bool) -> None:
    screen: Screen = context.obj
    while True:
        done = run(document)
        screen.warn(f"{app}: {'failed' if done.error else 'answered'} in {spoken(done.seconds)}")
        click.echo(json.dumps(done.payload, ensure_ascii=False))
        if done.error is not None:
            failed = done.exception
            context.exit(exit_code([failed]) if isinstance(failed, SluiceError) else Exit.FAILED)
        again = isinstance(done.result, dict) and done.result.get("done") is False
        if not (until_done and again):
            return
        if done.result.get("retry_after"):
            screen.warn(
                f"{app}: asks to be called again in {spoken(done.result['retry_after'])}; not waiting for that"
            )
            return
        document = done.result


@contextmanager
def _here(app: str, timeout: float) -> Iterator[Run]:
    """The handler in this process."""
    from src.invoke import invoke as run_app

    yield lambda event: run_app(app, event, timeout_s=timeout)


@contextmanager
def _built(
    screen: Screen, app: str, *, timeout: float, memory: int, arch: str | None, python: str | None
) -> Iterator[Run]:
    """The handler in its built zips, in a process of its own; a second event finds it warm."""
    import tempfile

    from src.packaging.room import lay_out
    from src.packaging.target import DEPLOYED, Target, machine_arch
    from src.sandbox import Sandbox, environ_here

    target = Target(python or DEPLOYED, arch or machine_arch())
    with tempfile.TemporaryDirectory(prefix="sluice-invoke-") as folder:
        room = lay_out(app, target, Path(folder), tell=screen.warn)
        with Sandbox(room, app, environ_here(), _to_stderr, timeout_s=timeout, memory_mb=memory) as sandbox:

            def run(event: Mapping[str, Any]) -> Invocation:
                done, report = sandbox.invoke(event)
                _to_stderr(str(report))
                return done

            yield run


def _to_stderr(line: str) -> None:
    click.echo(line, err=True)


def _read_stdin() -> dict[str, object]:
    from shared.common.documents import read_json_document

    data = read_json_document(sys.stdin.read(), file="standard input").data
    if not isinstance(data, dict):
        raise Misconfigured("the event is no object", hint='such as {"source": "recurly"}')
    return data
