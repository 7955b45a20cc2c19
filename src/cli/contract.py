"""`sluice contract`: compare, check, register and propose contracts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from shared.common.errors import Misconfigured, SluiceError
from src.cli.app import DEBUG, examples, json_option, verb
from src.cli.outcome import Exit, exit_code
from src.cli.screen import Screen, table

if TYPE_CHECKING:
    from shared.contracts.compatibility.difference import Difference
    from shared.contracts.registry import Registry, Version
    from src.contracts import Subject
    from src.workplace import Workplace

_MODES = (
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
    "NONE",
)
_WHERE = click.Choice(["git", "landing"])


@click.group(
    "contract",
    epilog=examples(
        "sluice contract check old.json new.json --mode FULL",
        "sluice contract infer recurly.accounts",
        "sluice contract register recurly.accounts",
        "sluice contract check-all",
    ),
    no_args_is_help=True,
)
def contract() -> None:
    """Compare the versions of contracts, keep them, and propose new ones.

    A schema is named by a file, by SOURCE.STREAM (its contract as it is written now) or by SOURCE.STREAM@2 (a
    registered version).
    """


@verb(
    "diff",
    "sluice contract diff recurly.accounts@1 recurly.accounts",
    "sluice contract diff old.json new.json --json",
)
@click.argument("old")
@click.argument("new")
@click.option(
    "--lenient", is_flag=True, help="Undeclared fields are nobody's: they may become declared ones."
)
@json_option
@click.pass_obj
def diff(screen: Screen, old: str, new: str, lenient: bool) -> None:
    """Show what changes from OLD to NEW, and what records that were valid before do not survive."""
    from shared.contracts.compatibility.verdict import check as judge
    from src.contracts import read_schema
    from src.workplace import Workplace

    place = Workplace.open()
    verdict = judge(read_schema(place, new), [read_schema(place, old)], lenient=lenient)
    _show(screen, verdict.differences)
    screen.answer(verdict.to_json())


@verb(
    "check",
    "sluice contract check old.json new.json",
    "sluice contract check v1.json v2.json v3.json --mode FULL_TRANSITIVE --json",
    "sluice contract check recurly.accounts@1 recurly.accounts --lenient",
)
@click.argument("old", nargs=-1, required=True)
@click.argument("new")
@click.option(
    "--mode", type=click.Choice(_MODES, case_sensitive=False), default="BACKWARD", show_default=True
)
@click.option(
    "--lenient", is_flag=True, help="Undeclared fields are nobody's: they may become declared ones."
)
@json_option
@click.pass_context
def check(context: click.Context, old: tuple[str, ...], new: str, mode: str, lenient: bool) -> None:
    """Say whether NEW may follow OLD (several: versions in their order). Exit code 4: it may not."""
    from shared.contracts.compatibility.verdict import Mode
    from shared.contracts.compatibility.verdict import check as judge
    from src.contracts import read_schema
    from src.workplace import Workplace

    screen: Screen = context.obj
    place = Workplace.open()
    verdict = judge(
        read_schema(place, new), [read_schema(place, one) for one in old], Mode(mode.upper()), lenient=lenient
    )
    _show(screen, verdict.differences)
    policy = f"{mode.upper()}{', lenient' if lenient else ''}"
    screen.say(f"{'compatible' if verdict.compatible else 'not compatible'} ({policy})")
    screen.answer(verdict.to_json())
    context.exit(Exit.DONE if verdict.compatible else Exit.VIOLATION)


@verb(
    "register",
    "sluice contract register recurly.accounts",
    "sluice contract register recurly",
    "sluice contract register --to landing recurly",
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--to", "where", type=_WHERE, default="git", show_default=True,
    help="git: files beside the source, to be committed. landing: where runs look, by conditional write.",
)  # fmt: skip
@json_option
@click.pass_context
def register(context: click.Context, names: tuple[str, ...], where: str) -> None:
    """Make the contracts of NAME (SOURCE or SOURCE.STREAM) versions, if they may follow the last ones.

    A contract that is a version already stays that version. `--to landing` publishes what is registered in git.
    """
    from src.contracts import subjects
    from src.workplace import Workplace

    screen: Screen = context.obj
    place = Workplace.open()
    told: list[dict[str, Any]] = []
    errors: list[SluiceError] = []
    for subject in subjects(place, names):
        try:
            version, made = (
                _publish(place, subject) if where == "landing" else _register(subject.registry, subject)
            )
        except SluiceError as error:
            errors.append(error)
            continue
        told.append(
            {"subject": subject.name, "version": version.number, "new": made, "digest": version.digest}
        )
        screen.say(f"{subject.name}: version {version.number}{'' if made else ' already'}")
    for failed in errors:
        screen.fail(failed)
    code = exit_code(errors, others=told)
    screen.answer({"registered": told, "errors": [str(error) for error in errors]})
    context.exit(code)


@verb(
    "list", "sluice contract list", "sluice contract list recurly --json", "sluice contract list --in landing"
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--in", "where", type=_WHERE, default="git", show_default=True)
@json_option
@click.pass_obj
def list_(screen: Screen, names: tuple[str, ...], where: str) -> None:
    """List the contracts of NAME (or of all sources) with their versions.

    In the landing zone there are more: those of files and databases, and SOURCE.STREAM__evolved, which would have held
    for what drifted.
    """
    from src.contracts import landed_subjects, subjects
    from src.workplace import Workplace

    place = Workplace.open()
    found: list[dict[str, Any]] = []
    known, others = (subjects(place, names), []) if where == "git" else landed_subjects(place, names)
    for subject in known:
        registry = subject.registry if where == "git" else _landing(place)
        versions = registry.versions(subject.name)
        same = next((one.number for one in versions if one.digest == subject.contract.digest), None)
        policy = f"{subject.mode}{' lenient' if subject.lenient else ''}"
        found.append({"subject": subject.name, "versions": len(versions), "current": same, "mode": policy})
    for name in others:
        count = len(_landing(place).versions(name))
        found.append({"subject": name, "versions": count, "current": None, "mode": "-"})
    rows = [(one["subject"], one["versions"], one["current"] or "-", one["mode"]) for one in found]
    screen.say(table(rows, head=("subject", "versions", "current", "mode"), right=[1, 2]))
    screen.answer({"contracts": found})


@verb(
    "show",
    "sluice contract show recurly.accounts",
    "sluice contract show recurly.accounts@2 --json",
    "sluice contract show recurly.accounts__evolved",
)
@click.argument("name")
@json_option
@click.pass_obj
def show(screen: Screen, name: str) -> None:
    """Print the schema of NAME: a file, SOURCE.STREAM or SOURCE.STREAM@2.

    SOURCE.STREAM__evolved is what runs have put down in the landing zone for what drifted: its last version.
    """
    from src.contracts import read_schema
    from src.workplace import Workplace

    schema = read_schema(Workplace.open(), name)
    screen.say(json.dumps(schema, indent=2, ensure_ascii=False))
    screen.answer(schema)


@verb(
    "infer",
    "sluice contract infer recurly.accounts",
    "sluice contract infer recurly.accounts --enums --examples > accounts.json",
    "sluice contract infer acme.orders --write",
)
@click.argument("name", metavar="SOURCE.STREAM")
@click.option("--enums", is_flag=True, help="List the values of fields that have few; they are data.")
@click.option("--examples", is_flag=True, help="Give examples; they are data.")
@click.option("--open", "opened", is_flag=True, help="Let fields pass that were never seen.")
@click.option("--limit", type=click.IntRange(min=1), help="Look at the first N records only.")
@click.option(
    "--write",
    is_flag=True,
    help="Write contracts/STREAM.json beside the source, which must not be there, and say what source.yml needs.",
)
@json_option
@click.pass_obj
def infer(
    screen: Screen, name: str, enums: bool, examples: bool, opened: bool, limit: int | None, write: bool
) -> None:
    """Propose a contract from what has landed: types, nulls, formats, what is always there.

    All landed records pass it. Read it before you rely on it: the next record need not be like those before.
    """
    from shared.contracts.infer import Asked
    from src.proposal import propose
    from src.workplace import Workplace

    place = Workplace.open()
    made = propose(place, name, Asked(enums, examples, closed=not opened), limit=limit)
    text = json.dumps(made.schema, indent=2, ensure_ascii=False)
    if write:
        made.write()
        screen.warn(f"{name}: {made.rows:,} records, written to {made.file}")
        for line in made.wiring:
            screen.warn(line)
    else:
        screen.say(text)
        screen.warn(f"{name}: {made.rows:,} records looked at")
    screen.answer({"subject": name, "rows": made.rows, "schema": made.schema})


@verb("check-all", "sluice contract check-all", "sluice contract check-all recurly --json")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@click.pass_context
def check_all(context: click.Context, names: tuple[str, ...]) -> None:
    """Check every contract against its registered versions: for `make lint` and before a deployment.

    Exit code 4: one may not follow its last version, or a version was changed. Exit code 2: one is not registered yet.
    """
    from src.contracts import standings, subjects
    from src.workplace import Workplace

    screen: Screen = context.obj
    found = list(standings(subjects(Workplace.open(), names)))
    errors = [one.error for one in found if one.error]
    counts = {
        state: sum(one.state == state for one in found) for state in dict.fromkeys(one.state for one in found)
    }
    for failed in errors:
        screen.fail(failed)
    screen.say(", ".join(f"{count} {state}" for state, count in counts.items()) or "there are no contracts")
    told = [
        {"subject": one.subject, "state": one.state.value, "versions": one.versions}
        | ({"error": str(one.error)} if one.error else {})
        for one in found
    ]
    screen.answer({"ok": not errors, "contracts": told})
    context.exit(exit_code(errors))


for one in (diff, check, infer, register, list_, show, check_all):
    contract.add_command(one)
contract.params.append(DEBUG)


def _show(screen: Screen, differences: tuple[Difference, ...]) -> None:
    for one in differences:
        version = f" (version {one.version})" if one.version else ""
        screen.say(f"{'ok    ' if one.compatible else 'breaks'}  {one.type}  {one.path}{version}")
        screen.say(f"        {one.message}")
    if not differences:
        screen.say("no differences")


def _register(registry: Registry, subject: Subject) -> tuple[Version, bool]:
    from shared.contracts.validate import Validator

    Validator.for_contract(subject.contract)
    return registry.register(subject.contract, subject.mode, lenient=subject.lenient)


def _publish(place: Workplace, subject: Subject) -> tuple[Version, bool]:
    """Take over the versions of git; without any, register the contract there and then."""
    versions = subject.registry.versions(subject.name)
    registry = _landing(place)
    if not versions:
        return _register(registry, subject)
    current = next((one for one in versions if one.digest == subject.contract.digest), None)
    if current is None:
        raise Misconfigured(
            f"the contract of {subject.name} is not registered in git",
            hint=f"sluice contract register {subject.name}, and commit the new version",
        )
    return current, bool(registry.adopt(versions))


def _landing(place: Workplace) -> Registry:
    from shared.contracts.registry import Registry
    from shared.contracts.shelves import StoreShelf

    return Registry(StoreShelf(place.store))
