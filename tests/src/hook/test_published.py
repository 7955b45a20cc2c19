"""What is published about the webhook and weave.yml is true, and is what the code says today."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from shared.common.clock import SystemClock
from shared.common.documents import read_yaml
from shared.common.errors import Misconfigured
from shared.common.fakes import DictSecrets, FakeClock
from shared.gitops.configuration import Hosted, Plain, ToBucket, ToCommit, ToFolder, ToPullRequest, Weaving
from src.hook.app import api
from src.hook.published import DOCS, PUBLISHED, text
from src.hook.receive import Desk
from src.invoke import LocalContext

SECRET = "a long random secret"
PAGE = (DOCS / "weave.md").read_text(encoding="utf-8")
DOCUMENTS = [block for block in re.findall(r"```yaml\n(.+?)```", PAGE, re.DOTALL) if "repositories:" in block]
ALL = """
repositories:
  - {host: github, repository: acme/flows, credential: T, webhook_secrets: [HOOK]}
  - {host: gitlab, repository: acme/flows, credential: T, webhook_secrets: [HOOK]}
  - {host: bitbucket, repository: acme/flows, credential: T, webhook_secrets: [HOOK]}
"""


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_is_up_to_date(name: str) -> None:
    """`python -m src.hook.published` writes it."""
    assert (DOCS / name).read_text(encoding="utf-8") == text(PUBLISHED[name]())


class Line(list[str]):
    """A queue."""

    def put(self, message: str, *, identity: str, group: str) -> None:
        self.append(group)

    def once(self, identity: str, act: Any) -> bool:
        act()
        return True


def test_every_request_of_the_collection_is_answered_as_it_should() -> None:
    line = Line()
    weaving = read_yaml(ALL, file="weave.yml").parse(Weaving)
    desk = Desk(weaving, DictSecrets({"HOOK": SECRET}), line, line, FakeClock())
    routes = api(desk.receive, page=False)
    statuses = []
    for item in json.loads((DOCS / "hook.postman.json").read_text())["item"]:
        request = item["request"]
        body = request.get("body", {}).get("raw", "")
        signature = hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
        known = {"{{signature}}": signature, "{{secret}}": SECRET, "{{$guid}}": "1"}
        headers = {one["key"].lower(): _filled(one["value"], known) for one in request.get("header", [])}
        path = request["url"].removeprefix("{{url}}")
        event = {
            "version": "2.0", "rawPath": path, "rawQueryString": "", "headers": headers, "body": body,
            "isBase64Encoded": False,
            "requestContext": {"http": {"method": request["method"], "path": path}, "stage": "$default"},
        }  # fmt: skip
        context: Any = LocalContext("hook", "r-1", 256, 10, SystemClock())
        answer = routes.resolve(event, context)
        statuses.append((request["method"], answer["statusCode"]))

    assert [("POST", 202)] * 3 + [("GET", 200)] == statuses
    assert ["github:acme/flows:main", "gitlab:acme/flows:main", "bitbucket:acme/flows:main"] == line


def test_the_page_names_every_key_and_every_delivery() -> None:
    keys = {*Hosted.model_fields, *Plain.model_fields}
    told = set(re.findall(r"^\| `([a-z_]+)` \| ", PAGE, re.MULTILINE))
    deliveries = {
        model.model_fields["to"].annotation.__args__[0]  # type: ignore[union-attr]
        for model in (ToPullRequest, ToCommit, ToBucket, ToFolder)
    }

    assert keys | deliveries == told


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_the_page_shows_is_read_and_fits_the_schema(document: str) -> None:
    assert read_yaml(document, file="weave.yml").parse(Weaving).repositories
    jsonschema.validate(yaml.safe_load(document), PUBLISHED["weave.schema.json"]())
    assert 2 == len(DOCUMENTS)


@pytest.mark.parametrize(
    "wrong",
    [
        "host: git, repository: a, url: 'ext::sh -c whoami'",
        "host: git, repository: a, url: '-oProxyCommand=x'",
        "host: git, repository: a, url: 'https://me:pw@example.org/a'",
        "host: git, repository: a, url: 'http://example.org/a'",
        "host: git, repository: a, url: /x, webhook_secrets: [A]",
        "host: git, repository: a",
        "host: github, repository: a/b, url: /x, credential: A, webhook_secrets: [A]",
        "host: github, repository: a/b, webhook_secrets: [A]",
        "host: svn, repository: a/b",
    ],
)
def test_an_entry_that_is_wrong_is_refused_with_its_line(wrong: str) -> None:
    with pytest.raises(Misconfigured, match=r"weave\.yml:\d+:\d+") as told:
        read_yaml(f"repositories: [{{{wrong}}}]", file="weave.yml").parse(Weaving)

    assert "pw@" not in str(told.value)


@pytest.mark.parametrize(
    "url", ["/x", "./x", "../x", "https://h/a.git", "ssh://git@h/a", "git@h:a/b", "file:///x"]
)
def test_remotes_that_git_knows_are_taken(url: str) -> None:
    found = read_yaml(f"repositories: [{{host: git, repository: a, url: '{url}'}}]", file="w").parse(Weaving)

    assert [url] == [one.url for one in found.repositories if isinstance(one, Plain)]
    assert Path("weave.schema.json") == Path(PUBLISHED["weave.schema.json"]()["$id"])


def _filled(text: str, known: dict[str, str]) -> str:
    """Text with Postman's variables replaced."""
    return re.sub(r"\{\{.+?\}\}", lambda match: known[match[0]], text)
