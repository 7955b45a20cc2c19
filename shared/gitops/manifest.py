"""What was made of which definition: a small JSON document that lies with the artifacts and travels with them.

In a repository it is part of the same commit as the artifacts, in a bucket it is written last; so what it says and what
is there cannot disagree, and a worker that died leaves nothing behind that must be repaired by hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from shared.common.errors import Misconfigured

NAME = ".sluice.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Woven:
    """What one definition became: the SHA-256 of each artifact by path, and the files that it was made from besides."""

    artifacts: Mapping[str, str]
    reads: tuple[str, ...] = ()
    name: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All definitions by path, as of the commit `sha`, made by the compiler `compiler`.

    `failed` are those that could not be compiled then; what they had been before is still in `definitions`. `pending`
    are artifacts that were about to be written or deleted: nobody knows what is there until it is done again. `written`
    are those that came with this manifest: at `sha` itself they were not there yet, or others.
    """

    sha: str = ""
    compiler: str = ""
    definitions: Mapping[str, Woven] = field(default_factory=lambda: MappingProxyType({}))
    failed: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    written: tuple[str, ...] = ()

    @property
    def artifacts(self) -> dict[str, str]:
        """The SHA-256 of every artifact by path; empty where it is pending."""
        known = [pair for woven in self.definitions.values() for pair in woven.artifacts.items()]
        return {**dict(known), **dict.fromkeys(self.pending, "")}

    def makers(self, artifacts: Collection[str]) -> set[str]:
        """The definitions that these artifacts were made of."""
        some = frozenset(artifacts)
        return {path for path, woven in self.definitions.items() if some & woven.artifacts.keys()}

    def to_bytes(self) -> bytes:
        """The same manifest is the same bytes."""
        definitions = {
            path: {
                "name": woven.name,
                "digest": woven.digest,
                "reads": list(woven.reads),
                "artifacts": dict(woven.artifacts),
            }
            for path, woven in self.definitions.items()
        }
        document = {
            "version": VERSION,
            "sha": self.sha,
            "compiler": self.compiler,
            "definitions": definitions,
            "failed": sorted(self.failed),
            "written": sorted(self.written),
            **({"pending": sorted(self.pending)} if self.pending else {}),
        }
        return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True).encode() + b"\n"

    @classmethod
    def of(cls, body: bytes | None, *, file: str = NAME) -> Manifest:
        """Read what `to_bytes` wrote; None is the manifest of nothing. Raises `Misconfigured` when it is none."""
        if body is None:
            return cls()
        try:
            document = json.loads(body)
            if document["version"] != VERSION:
                raise ValueError(f"version {document['version']}")
            definitions = {path: _woven(one) for path, one in document["definitions"].items()}
            failed = tuple(document["failed"])
            pending, written = (tuple(document.get(name, ())) for name in ("pending", "written"))
            return cls(document["sha"], document["compiler"], definitions, failed, pending, written)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Misconfigured(
                f"the manifest cannot be read: {error}",
                hint="delete it, and everything is compiled anew",
                file=file,
            ) from None


def is_foreign(there: bytes | None, made: bytes) -> bool:
    """Whether the content that lies where an artifact shall go was written by somebody else."""
    from shared.pipelines.targets.target import says_who_made_it  # the webhook reads no artifacts

    return there is not None and there != made and not says_who_made_it(there)


def digest(content: bytes) -> str:
    """The SHA-256 of an artifact, in hex."""
    return hashlib.sha256(content).hexdigest()


def _woven(document: Mapping[str, Any]) -> Woven:
    artifacts = {str(path): str(value) for path, value in document["artifacts"].items()}
    return Woven(artifacts, tuple(document["reads"]), document["name"], document["digest"])
