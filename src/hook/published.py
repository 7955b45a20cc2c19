"""What is published about the webhook and weave.yml in `docs/`: `python -m src.hook.published` writes it all.

The OpenAPI document is that of the routes themselves, the Postman collection is made of it, and the JSON Schema is that
of the model that reads weave.yml. A test compares them with the files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared.gitops.configuration import Weaving
from shared.gitops.news import Host
from src.hook.app import DESCRIPTION, TITLE, api
from src.hook.receive import Answer

DOCS = Path(__file__).parents[2] / "docs"

_NAMES = {Host.GITHUB: "GitHub", Host.GITLAB: "GitLab", Host.BITBUCKET: "Bitbucket Cloud"}

PUSHES: dict[Host, tuple[dict[str, str], dict[str, Any]]] = {
    Host.GITHUB: (
        {
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": "{{$guid}}",
            "X-Hub-Signature-256": "sha256={{signature}}",
        },
        {"ref": "refs/heads/main", "repository": {"full_name": "acme/flows"}},
    ),
    Host.GITLAB: (
        {"X-Gitlab-Event": "Push Hook", "Idempotency-Key": "{{$guid}}", "X-Gitlab-Token": "{{secret}}"},
        {"ref": "refs/heads/main", "project": {"path_with_namespace": "acme/flows"}},
    ),
    Host.BITBUCKET: (
        {
            "X-Event-Key": "repo:push",
            "X-Request-UUID": "{{$guid}}",
            "X-Hub-Signature": "sha256={{signature}}",
        },
        {
            "repository": {"full_name": "acme/flows"},
            "push": {"changes": [{"new": {"type": "branch", "name": "main"}, "old": None}]},
        },
    ),
}
"""The headers and the body of a push by host, as little as is looked at."""

_SIGN = (
    "pm.variables.set('signature', CryptoJS.HmacSHA256(pm.request.body.raw, pm.variables.get('secret'))"
    ".toString(CryptoJS.enc.Hex));"
)


def openapi() -> dict[str, Any]:
    """The document of the webhook's API."""
    app = api(lambda headers, body: Answer(204), page=False)
    text = app.get_openapi_json_schema(title=TITLE, version="1", description=DESCRIPTION)
    document: dict[str, Any] = json.loads(text)
    examples = {host.value: {"summary": _NAMES[host], "value": body} for host, (_, body) in PUSHES.items()}
    document["paths"]["/webhook"]["post"]["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}, "examples": examples}},
    }
    document["servers"] = [{"url": "http://127.0.0.1:8088", "description": "sluice weave serve"}]
    return document


def postman() -> dict[str, Any]:
    """A collection to try the API with: a push of each host, signed with the variable `secret`."""
    items = []
    for path, methods in openapi()["paths"].items():
        for method, operation in methods.items():
            if method == "post":
                items += [_push(host, path) for host in PUSHES]
            else:
                request = {"method": method.upper(), "url": f"{{{{url}}}}{path}"}
                items.append({"name": operation["summary"], "request": request})
    return {
        "info": {
            "name": TITLE,
            "description": DESCRIPTION,
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "variable": [
            {"key": "url", "value": "http://127.0.0.1:8088"},
            {"key": "secret", "value": "", "type": "string"},
        ],
        "item": items,
    }


def schema() -> dict[str, Any]:
    """The JSON Schema of weave.yml, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "weave.schema.json",
        **Weaving.model_json_schema(),
        "title": "weave.yml of Sluice",
    }


PUBLISHED = {"hook.openapi.json": openapi, "hook.postman.json": postman, "weave.schema.json": schema}


def text(document: dict[str, Any]) -> str:
    """As it stands in the file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _push(host: Host, path: str) -> dict[str, Any]:
    headers, body = PUSHES[host]
    described = {**headers, "Content-Type": "application/json"}
    item: dict[str, Any] = {
        "name": f"A push at {_NAMES[host]}",
        "request": {
            "method": "POST",
            "url": f"{{{{url}}}}{path}",
            "header": [{"key": name, "value": value} for name, value in described.items()],
            "body": {"mode": "raw", "raw": json.dumps(body)},
        },
    }
    if host is not Host.GITLAB:
        item["event"] = [{"listen": "prerequest", "script": {"type": "text/javascript", "exec": [_SIGN]}}]
    return item


if __name__ == "__main__":
    for name, made in PUBLISHED.items():
        (DOCS / name).write_text(text(made()), encoding="utf-8")
