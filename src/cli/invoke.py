"""`sluice invoke`: run the handler of a Lambda app here, with an event from a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from shared.common.errors import Misconfigured, SluiceError
from src.cli.app import verb
from src.cli.outcome import Exit, exit_code
from src.cli.screen import Screen, spoken


@verb(
    "invoke",
    "sluice invoke ingest events/ingest.json",
    'echo \'{"source": "recurly"}\' | sluice invoke ingest -',
    "sluice invoke ingest events/ingest.json --timeout 20 --until-done",
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
@click.pass_context
def invoke(context: click.Context, app: str, event: Path, timeout: float, until_done: bool) -> None:
    """Run the handler of src/APP/app.py with the JSON file EVENT, as Lambda would.

    EVENT may be - for standard input. The answer is the last line of stdout; logs go to stderr.
    """
    from src.invoke import invoke as run_app

    screen: Screen = context.obj
    document = event if str(event) != "-" else _read_stdin()
    while True:
        done = run_app(app, document, timeout_s=timeout)
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


def _read_stdin() -> dict[str, object]:
    from shared.common.documents import read_json_document

    data = read_json_document(sys.stdin.read(), file="standard input").data
    if not isinstance(data, dict):
        raise Misconfigured("the event is no object", hint='such as {"source": "recurly"}')
    return data
