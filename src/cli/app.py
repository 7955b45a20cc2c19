"""The tree of commands: `python -m src.cli`, `pipenv run sluice`.

Commands are imported when they are called, and each imports what it works with inside its function, so that
`sluice --help` is there at once.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from shared.common.errors import SluiceError
from src.cli.outcome import EXIT_CODES, STOPPED, Exit, exit_code
from src.cli.screen import Screen

#: The commands in the order of --help: where each is found.
COMMANDS = {
    "run": "src.cli.run:run",
    "backfill": "src.cli.backfill:backfill",
    "load": "src.cli.load:load",
    "ingest-file": "src.cli.ingest_file:ingest_file",
    "reconcile": "src.cli.reconcile:reconcile",
    "sweep": "src.cli.sweep:sweep",
    "check": "src.cli.check:check",
    "checks": "src.cli.checks:checks",
    "profile": "src.cli.profile:profile",
    "status": "src.cli.status:status",
    "state": "src.cli.state:state",
    "sources": "src.cli.sources:sources",
    "contract": "src.cli.contract:contract",
    "validate": "src.cli.validate:validate",
    "warehouse": "src.cli.warehouse:warehouse",
    "dispatch": "src.cli.dispatch:dispatch",
    "lint": "src.cli.pipeline:lint",
    "graph": "src.cli.pipeline:graph",
    "pipeline": "src.cli.pipeline:pipeline",
    "generate": "src.cli.generate:generate",
    "plan": "src.cli.plan:plan",
    "weave": "src.cli.weave:weave",
    "new": "src.cli.new:new",
    "invoke": "src.cli.invoke:invoke",
    "deploy": "src.cli.deploy:deploy",
}
DEBUG = click.Option(
    ["--debug"], is_flag=True, expose_value=False, help="Show tracebacks of errors.",
    callback=lambda context, _, value: _set(context, "debug", value),
)  # fmt: skip


class Commands(click.Group):
    """The top group: imports a command when it is named, and tells errors as text with an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found: click.Command = getattr(import_module(module), name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            guess = f'Did you mean "{near[0]}"? ' if near else ""
            ctx.fail(f'No such command "{args[0]}". {guess}Known: {", ".join(COMMANDS)}')
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        screen = ctx.ensure_object(Screen)
        try:
            return super().invoke(ctx)
        except SluiceError as error:
            _tell(screen, error)
            ctx.exit(exit_code([error]))
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click ends quietly when nobody reads on, as behind `| head`
        except OSError as error:
            _tell(screen, _of_a_file(error))
            ctx.exit(Exit.FAILED)
        except Exception as error:  # noqa: BLE001 - the top: whatever comes up here ends as a message and a code
            _tell(screen, _unexpected(error))
            ctx.exit(Exit.FAILED)


def _tell(screen: Screen, error: SluiceError) -> None:
    screen.fail(error)
    screen.answer({"error": {"type": type(error).__name__, "message": str(error)}})


def _of_a_file(error: OSError) -> SluiceError:
    """The error of a file or folder that cannot be used: no fault of Sluice where the system says which it is."""
    if not isinstance(error.filename, str | bytes):
        return _unexpected(error)
    return SluiceError(f"{os.fsdecode(error.filename)}: {error.strerror}")


def _unexpected(error: Exception) -> SluiceError:
    return SluiceError(
        f"unexpected {type(error).__name__}: {str(error) or 'no message'}",
        hint="this is a fault of Sluice: please report it with the output of the same command with --debug",
    )


def _set(context: click.Context, name: str, value: bool) -> None:
    if value:
        setattr(context.ensure_object(Screen), name, True)


def examples(*lines: str) -> str:
    """The end of a --help page: commands to copy.

    >>> print(examples("sluice run recurly").replace(chr(8), "<as is>"))
    <as is>
    Examples:
      sluice run recurly
    """
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def verb(name: str, *lines: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A command with `--debug` and with examples at the end of its --help."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        made = click.command(name, epilog=examples(*lines))(function)
        made.params.append(DEBUG)
        return made

    return decorate


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--json`: one JSON object on the last line of stdout, text for people on stderr."""
    return click.option(
        "--json", is_flag=True, expose_value=False, is_eager=True,
        callback=lambda context, _, value: _set(context, "json", value),
        help="Write one JSON object as the last line of stdout; all other text goes to stderr.",
    )(function)  # fmt: skip


def _codes() -> str:
    return "\n".join(
        ["\b", "Exit codes:", *(f"  {code:d}  {text}" for code, text in EXIT_CODES.items()), f"  {STOPPED}"]
    )


@click.group(
    "sluice",
    cls=Commands,
    epilog=examples(
        "sluice new source acme       make src/acme/source.yml and its test",
        "sluice check acme            can it be reached, are the credentials right?",
        "sluice run acme              land what is new and load it",
        "sluice status                where every stream stands",
        "sluice run --help            all options of a command",
    )
    + "\n\n"
    + _codes(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.pass_context
def sluice(context: click.Context) -> None:
    """Move data from an API into a landing zone and from there into a warehouse.

    A source is a file: src/SOURCE/source.yml. Settings come from the environment and from .env; env.example lists them.
    """
    context.ensure_object(Screen)


sluice.params.append(DEBUG)


def main() -> None:
    """The entry point of `python -m src.cli`."""
    sluice(prog_name="sluice")
