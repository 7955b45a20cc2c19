"""Where the steps of a thread lead: to the next one, to another one by NEXT or a choice, or out of the thread.
Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from shared.common.errors import unknown
from shared.common.places import Key

Complain: TypeAlias = Callable[[Sequence[Key], str], None]


@dataclass(frozen=True, slots=True)
class Jump:
    """What a step says of where it leads. `known`: the level and thread of every JOB_ID of the file."""

    job_id: str
    next: str | None
    true: str | None
    false: str | None
    is_branch: bool
    ends: bool
    path: tuple[Key, ...]
    known: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Exit:
    """A way out of a step: to the step of this index, or (None) out of the thread; `side` is set on a branch."""

    to: int | None
    side: bool | None = None


def exits_of(jumps: Sequence[Jump], *, complain: Complain) -> list[list[Exit]]:
    """The ways out of each step of a thread; none where the pipeline ends."""
    index_of = {jump.job_id: index for index, jump in reversed(list(enumerate(jumps)))}
    found: list[list[Exit]] = []
    for index, jump in enumerate(jumps):
        following = index + 1 if index + 1 < len(jumps) else None

        def to(
            wanted: str | None,
            key: str,
            *,
            here: int = index,
            one: Jump = jump,
            after: int | None = following,
        ) -> int | None:
            if wanted is None:
                return after
            return _target(wanted, key, here, one, index_of, complain)

        if jump.ends:
            found.append([])
        elif jump.is_branch:
            true, false = to(jump.true, "TRUE_JOB"), to(jump.false, "FALSE_JOB")
            found.append([Exit(true)] if true == false else [Exit(true, True), Exit(false, False)])
        else:
            found.append([Exit(to(jump.next, "NEXT"))])
    return found


def _target(
    wanted: str, key: str, here: int, jump: Jump, index_of: Mapping[str, int], complain: Complain
) -> int | None:
    place = (*jump.path, key)
    if wanted not in index_of:
        if wanted in jump.known:
            complain(place, f'job "{wanted}" is in another thread; a jump stays in its own')
        else:
            error = unknown("JOB_ID", wanted, index_of)
            complain(place, f"{error.message}; {error.hint}")
        return None
    found = index_of[wanted]
    if found <= here:
        complain(place, f'job "{wanted}" stands before this one; a jump back would never end')
        return None
    return found
