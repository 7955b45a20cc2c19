"""Keeps the versions of each stream's contract: numbered from 1 without gaps, never changed, each a lawful successor.

A subject is `<source>.<stream>`. The same schema (as canonical JSON) is the same version. A version is made by one
write that fails when its number is taken, so of two registrars one comes first and the other looks again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from shared.common.errors import Misconfigured, Transient, Violation
from shared.contracts.compatibility.verdict import Mode, Verdict, check
from shared.contracts.contract import Contract

_SUBJECT = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\.[A-Za-z][A-Za-z0-9_-]{0,63}")
_ROUNDS = 50
"""Registrars of one subject that may come before us, one after the other."""


class Shelf(Protocol):
    """Where versions lie: a folder of the repository, the landing store, or (`DictShelf`) a dict."""

    def numbers(self, subject: str) -> list[int]:
        """The versions that are there, ascending."""

    def get(self, subject: str, number: int) -> bytes: ...

    def put_new(self, subject: str, number: int, body: bytes) -> None:
        """Raises `FileExistsError` when the number is taken."""

    def place(self, subject: str, number: int) -> str:
        """Where it lies, for messages."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a subject's contract. `digest` is the SHA-256 of its schema as canonical JSON."""

    subject: str
    number: int
    digest: str
    schema: Mapping[str, Any]

    def encode(self) -> bytes:
        """As it is kept: JSON that people can read and compare."""
        document = {
            "subject": self.subject,
            "version": self.number,
            "digest": self.digest,
            "schema": self.schema,
        }
        return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()

    @classmethod
    def decode(cls, body: bytes, subject: str, number: int, place: str) -> Version:
        """Raises `Violation` when it is not what was registered under this number."""
        try:
            document = json.loads(body)
            version = cls(document["subject"], document["version"], document["digest"], document["schema"])
        except (ValueError, KeyError, TypeError) as error:
            raise Violation(
                f"this is not a registered version: {type(error).__name__} {error}", file=place
            ) from None
        digest = Contract(subject, version.schema).digest
        if (version.subject, version.number, version.digest) != (subject, number, digest):
            raise Violation(
                f"version {number} of {subject} is not what was registered",
                hint="versions are never changed: restore the file, and register the change as a new version",
                file=place,
            )
        return version


class Registry:
    """The subjects on one shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def versions(self, subject: str) -> tuple[Version, ...]:
        """All versions of a subject, ascending. Raises `Violation` when one is missing or was changed."""
        numbers = self._shelf.numbers(_named(subject))
        for expected, number in enumerate(numbers, start=1):
            if number != expected:
                raise Violation(
                    f"version {expected} of {subject} is missing: the next one is {number}",
                    hint=f"restore {self._shelf.place(subject, expected)}",
                )
        return tuple(self._read(subject, number) for number in numbers)

    def version(self, subject: str, number: int) -> Version:
        """One version. Raises `Misconfigured` when there is none of that number."""
        numbers = self._shelf.numbers(_named(subject))
        if number not in numbers:
            known = ", ".join(map(str, numbers)) or "none"
            raise Misconfigured(f"{subject} has no version {number}", hint=f"known: {known}")
        return self._read(subject, number)

    def find(self, contract: Contract) -> Version | None:
        """The version that has this schema."""
        same = (one for one in self.versions(contract.name) if one.digest == contract.digest)
        return next(same, None)

    def check(self, contract: Contract, mode: Mode = Mode.BACKWARD, *, lenient: bool = False) -> Verdict:
        """Whether the contract may be the next version (or is one already)."""
        return _check(contract, self.versions(contract.name), mode, lenient)

    def register(
        self, contract: Contract, mode: Mode = Mode.BACKWARD, *, lenient: bool = False
    ) -> tuple[Version, bool]:
        """The version of this contract, made where there is none yet, and whether it was made.

        Raises `Violation` naming each difference when it may not follow the versions that are there.
        """
        for _ in range(_ROUNDS):
            known = self.versions(contract.name)
            same = next((one for one in known if one.digest == contract.digest), None)
            if same is not None:
                return same, False
            verdict = _check(contract, known, mode, lenient)
            if not verdict.compatible:
                raise refusal(contract.name, known[-1].number, mode, verdict)
            made = Version(contract.name, len(known) + 1, contract.digest, contract.schema)
            if self._put(made):
                return made, True
        raise Transient("other registrars were always faster", hint="try again", subject=contract.name)

    def adopt(self, versions: tuple[Version, ...]) -> list[Version]:
        """Take over versions that were registered elsewhere, under their numbers; those that were not here yet.

        Raises `Violation` when a number belongs to another schema here.
        """
        made = []
        for version in versions:
            if self._put(version):
                made.append(version)
            elif self._read(version.subject, version.number).digest != version.digest:
                raise Violation(
                    f"version {version.number} of {version.subject} is another schema here",
                    hint=f"compare it with {self._shelf.place(version.subject, version.number)}",
                )
        return made

    def _put(self, version: Version) -> bool:
        try:
            self._shelf.put_new(_named(version.subject), version.number, version.encode())
        except FileExistsError:
            return False
        return True

    def _read(self, subject: str, number: int) -> Version:
        place = self._shelf.place(subject, number)
        try:
            body = self._shelf.get(subject, number)
        except KeyError:
            raise Violation(f"version {number} of {subject} is missing", hint=f"restore {place}") from None
        return Version.decode(body, subject, number, place)


class DictShelf:
    """A shelf in memory, for tests."""

    def __init__(self) -> None:
        self.bodies: dict[tuple[str, int], bytes] = {}

    def numbers(self, subject: str) -> list[int]:
        return sorted(number for name, number in self.bodies if name == subject)

    def get(self, subject: str, number: int) -> bytes:
        return self.bodies[subject, number]

    def put_new(self, subject: str, number: int, body: bytes) -> None:
        if self.bodies.setdefault((subject, number), body) is not body:
            raise FileExistsError(f"{subject} {number}")

    def place(self, subject: str, number: int) -> str:
        return f"{subject}@{number}"


def refusal(subject: str, last: int, mode: Mode, verdict: Verdict) -> Violation:
    """The error for a contract that may not follow: every difference that stands in the way, with its path."""
    lines = [f"{one.type} {one.path}{_against(one.version, last)}: {one.message}" for one in verdict.breaking]
    return Violation(
        "\n".join([f"the contract of {subject} may not follow version {last} ({mode})", *lines]),
        hint="change the contract so that it may, or the stream's `compatibility` in source.yml, and say why there",
    )


def _against(version: int | None, last: int) -> str:
    return f" (version {version})" if version not in (None, last) else ""


def _check(contract: Contract, known: tuple[Version, ...], mode: Mode, lenient: bool) -> Verdict:
    return check(contract.schema, {one.number: one.schema for one in known}, mode, lenient=lenient)


def _named(subject: str) -> str:
    if not _SUBJECT.fullmatch(subject):
        raise Misconfigured(f'"{subject}" is no subject', hint="write SOURCE.STREAM")
    return subject
