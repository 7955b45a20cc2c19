"""The kinds of the dispatcher as this program knows them, and docs/dispatch.md, which must be true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from shared.common.errors import Misconfigured
from shared.orchestrator.configuration import Http, Limits, LinkSettings, read_configuration, type_of
from shared.orchestrator.sqlite_journal import SqliteJournal
from src.cli.app import sluice
from src.dispatching import kinds, open_journal

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/dispatch.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_document_of_the_page_is_good() -> None:
    (text,) = blocks("toml")
    found = kinds().parse(read_configuration(text, file="dispatch.toml"))

    assert ("raw_to_cleansed", "tell") == found.graph().reachable("raw_writes")


def test_the_program_of_the_page_runs(tmp_path: Path) -> None:
    (program,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert (
        '{"location": "the ether", "operation": "delete", "id": "an-id", "trigger": "tests"}\n' == done.stdout
    )


def test_every_kind_and_every_setting_is_on_the_page() -> None:
    known = kinds()
    names = set[str]()
    every: list[type[BaseModel]] = [*known.inputs, *known.processes, Limits, Http, LinkSettings]
    for kind in every:
        names |= {field.alias or name for name, field in kind.model_fields.items()}
    for process in known.processes:
        names |= set(getattr(process.model_fields["execution_context"].annotation, "model_fields"))  # noqa: B009
    names |= {type_of(kind) for kind in [*known.inputs, *known.processes]}

    assert [] == sorted(name for name in names if not re.search(rf"\b{name}\b", PAGE))


def test_journals_are_named_by_a_url(tmp_path: Path) -> None:
    found = open_journal(f"sqlite:///{tmp_path}/j.db")

    assert isinstance(found, SqliteJournal)
    assert f"{tmp_path}/j.db" == found.path
    with pytest.raises(Misconfigured, match="there is no journal"):
        found.counts()
    assert 0 == open_journal(f"sqlite:///{tmp_path}/j.db", new=True).document().number
    assert 0 == found.document().number
    with pytest.raises(Misconfigured, match='unknown kind of journal "redis"'):
        open_journal("redis://x")


def test_a_path_is_one_webhooks_and_never_the_dispatchers_own() -> None:
    text = "input:\n" + "".join(
        f"  - {{ name: {name}, type: webhook, connection_string: '{where}' }}\n"
        for name, where in {
            "a": "/in",
            "b": "https://h/in?x=1",
            "c": "/api/graph",
            "d": "/health",
            "e": "/page",
        }.items()
    )
    with pytest.raises(Misconfigured) as raised:
        kinds().parse(read_configuration(text, file="d.yml"))

    assert [
        "d.yml:3:50 the path /in is taken; the first is at d.yml:2:50",
        *(
            f"d.yml:{line}:50 the path {path} is the dispatcher's own"
            for line, path in ((4, "/api/graph"), (5, "/health"), (6, "/page"))
        ),
    ] == [line.partition(", as")[0] for line in raised.value.message.splitlines()]


@pytest.mark.parametrize("words", ["status", "events", "logs p", "dead list", "dead retry 1", "dead drop 1"])
def test_a_command_that_looks_makes_no_journal(words: str, tmp_path: Path) -> None:
    """A mistake in `--journal` does not look like a dispatcher that has nothing to do."""
    file = tmp_path / "not" / "there.db"
    done = CliRunner().invoke(sluice, ["dispatch", *words.split(), "--journal", f"sqlite:///{file}"])

    assert 2 == done.exit_code
    assert "there is no journal" in done.output
    assert not file.parent.exists()
