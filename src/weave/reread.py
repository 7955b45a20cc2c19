"""weave.yml as it is now: read again when it has changed, so that nobody has to start the process anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from shared.common.errors import SluiceError
from shared.gitops.configuration import Weaving
from src.weave.place import weaving
from src.workplace import Workplace


@dataclass
class Reread:
    """Asked now and then. A file that is wrong or gone changes nothing, and is told once.

    A change counts when it has stood from one question to the next: somebody may be in the middle of writing.
    """

    place: Workplace
    say: Callable[[str], None]
    _seen: tuple[int, ...] = field(init=False)
    _last: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._seen = self._last = self._look()

    def __call__(self) -> Weaving | None:
        """What is woven from now on; None where the file is as it was, or cannot be read."""
        seen, before = self._look(), self._last
        self._last = seen
        if seen == self._seen or seen != before:
            return None
        self._seen = seen
        try:
            return weaving(self.place)
        except SluiceError as error:
            self.say(f"what is woven stays as it was, for {self.place.settings.weave_file} is wrong: {error}")
            return None

    def _look(self) -> tuple[int, ...]:
        try:
            found = Path(self.place.settings.weave_file).stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino
