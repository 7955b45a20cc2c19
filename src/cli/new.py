"""`sluice new source`: a source.yml and its test to start from."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

import click

from shared.common.errors import Misconfigured
from src.cli.app import DEBUG, examples, verb
from src.cli.screen import Screen

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

SOURCE = """\
# What Sluice reads from {title}. Every key is explained in docs/add-a-source.md.
source: {name}
base_url: {url}
auth: {{type: bearer, token: {setting}_TOKEN}} # the name of a secret, never the secret itself: put it into .env
defaults: # for all streams
  records: data # where the list is in an answer
  primary_key: id
  pagination: {{type: next_link, path: next}} # or cursor, link_header, offset, page_number, last_record_id
streams:
  customers:
    path: /customers
    params: {{sort: updated_at}}
    cursor_field: updated_at # the field of a record that says when it changed
    incremental: {{since: updated_since, start: 2024-01-01}} # only what changed: `since` is the API's parameter
    columns: # the contract; records that break it go to quarantine
      id: string
      name: {{type: string, nullable: true}}
      updated_at: timestamp
"""

TEST = '''\
"""The standard tests of a source, with answers of the {title} API as it gave them."""

from __future__ import annotations

from src.testing import SourceSuite


class Test{camel}(SourceSuite):
    source = "{name}"
    recorded = {{
        "/customers": {{"data": [{{"id": "c1", "name": "Ada", "updated_at": "2024-03-01T10:00:00Z"}}], "next": None}},
    }}
'''


def write_source(root: Path, name: str, *, url: str) -> tuple[Path, Path]:
    """Write both files of a new source below `root`, the repository; returns them.

    Raises `Misconfigured` when the name cannot be one, or when anything of that name is already there.
    """
    from shared.ingestion.source_name import free

    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise Misconfigured(
            f'"{name}" cannot be the name of a source',
            hint="use lower-case letters, digits and _, begin with a letter: it becomes a folder and a schema",
        )
    try:
        free(name)
    except ValueError as error:
        raise Misconfigured(str(error)) from None
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
        raise Misconfigured(
            f'"{url}" is not the URL of an API', hint="write it like https://api.example.com/v1"
        )
    if not (root / "src").is_dir():
        raise Misconfigured(f"there is no src/ in {root}", hint="run this in the root of the repository")
    source, test = root / "src" / name / "source.yml", root / "tests" / "src" / name / f"test_{name}.py"
    for path in (source.parent, test):
        if path.exists():
            raise Misconfigured(
                f"{path.relative_to(root)} is already there", hint="choose another name, or edit that one"
            )
    words = {"name": name, "url": url, "setting": name.upper(), "title": name.replace("_", " ").title()}
    words["camel"] = words["title"].replace(" ", "")
    for path, text in ((source, SOURCE), (test, TEST)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(**words), encoding="utf-8")
    return source, test


@click.group("new", epilog=examples("sluice new source acme"), no_args_is_help=True)
def new() -> None:
    """Make the files of something new."""


@verb(
    "source",
    "sluice new source acme",
    "sluice new source acme --url https://api.acme.com/v2",
)
@click.argument("name")
@click.option("--url", default="https://api.example.com/v1", show_default=True, help="Base URL of the API.")
@click.pass_obj
def new_source(screen: Screen, name: str, url: str) -> None:
    """Write src/NAME/source.yml and its test, to start from. Nothing is overwritten."""
    root = Path.cwd()
    source, test = (path.relative_to(root) for path in write_source(root, name, url=url))
    screen.say(f"{source}\n{test}\n")
    screen.say(f"next: say in {source} what the API is like (docs/add-a-source.md), then")
    screen.say(f"  sluice check {name}")
    screen.say(f"  make test ARGS={test}")


new.add_command(new_source)
new.params.append(DEBUG)
