"""A dispatcher made from a document: started, changed while it runs, every version kept in the journal.

A change is validated as a whole, then written as the next version, then put into effect; `after` is the version that
it was made on, so that of two changes at once one is refused. The document that comes back is the one that was given.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from shared.common.documents import Document, read_json_document
from shared.common.errors import Misconfigured, SluiceError, Transient
from shared.orchestrator import change
from shared.orchestrator.configuration import Configuration, Kinds
from shared.orchestrator.faults import Outdated
from shared.orchestrator.http_server import HttpServer
from shared.orchestrator.journal import Store, Versioned, Written
from shared.orchestrator.settings import Surroundings
from shared.orchestrator.supervisor import Supervisor

LOG = logging.getLogger("sluice.dispatch")
FROM_FILE = "from the file"
Edit = Callable[[Mapping[str, Any]], dict[str, Any]]


class Dispatcher:
    """`start`, then `edit` and `replace` as often as one likes, then `stop`."""

    def __init__(self, kinds: Kinds, journal: Store, around: Surroundings) -> None:
        self.kinds = kinds
        self.journal = journal
        self.around = around
        self._lock = threading.Lock()
        self.configuration = Configuration()
        self.version = 0
        """The version of the document that runs."""
        self.supervisor = Supervisor(journal, around=around, clock=around.clock)
        self.http: HttpServer | None = None

    def start(
        self,
        document: Document | None = None,
        *,
        replace: bool = False,
        written: Written | None = None,
        served: Callable[[Configuration], bool] = lambda configuration: False,
    ) -> Versioned:
        """Begin with the document of a file, or with the journal's own; the version that runs.

        A file that has changed since it was read last makes a new version. Where the document was changed at run time
        since, both cannot hold: raises `Misconfigured` unless `replace` says that the file does. `served` says whether
        something else than webhooks is mounted on the routes. A port that cannot be had is told (`Misconfigured`), as
        what `served` raises, before anything is stored or begun.
        """
        current = self.journal.document()
        is_new = document is not None and self._is_new(document, current, replace=replace)
        if document is not None and is_new:
            made = self.kinds.parse(document)
        elif current.number:
            made = self.parse(current.document)
        else:
            raise Misconfigured("there is no document to run", hint="name a file")
        if served(made) or _has_webhook(made):
            self.http = self._bound(made)
        try:
            if document is not None and is_new:
                current = self._stored(document, written, after=current.number)
            self.configuration, self.version = made, current.number
            self.supervisor.limits = made.dispatcher
            self.supervisor.start(made.graph())
        except BaseException:
            if self.http is not None:
                self.http.close()
            raise
        if self.http is not None:
            self.http.begin()
        return current

    def _stored(self, document: Document, written: Written | None, *, after: int) -> Versioned:
        at = self.around.clock.now().timestamp()
        number = self.journal.put_document(document.data, after=after, at=at, note=FROM_FILE, written=written)
        return self.journal.document(number)

    def listen(self) -> HttpServer:
        """Serve webhooks, and whatever else is mounted on the routes."""
        if self.http is None:
            self.http = self._bound(self.configuration).begin()
        return self.http

    def _bound(self, made: Configuration) -> HttpServer:
        return HttpServer(self.around.routes, host=made.http.host, port=made.http.port)

    def document(self) -> Versioned:
        """The document that runs, exactly as it was given."""
        return self.journal.document()

    def replace(
        self, document: Mapping[str, Any], *, after: int, note: str = "", written: Written | None = None
    ) -> Versioned:
        """Put a whole document into effect; `written` is the text that it was read from.

        Raises `Misconfigured` (all stays as it was) or `Superseded`.
        """
        with self._lock:
            made = self.parse(document)
            current = self.journal.document().number
            if current != after:
                raise Outdated(current, after=after)
            graph = made.graph()
            self.supervisor.check(graph)
            at = self.around.clock.now().timestamp()
            number = self.journal.put_document(document, after=after, at=at, note=note, written=written)
            self.configuration, self.version = made, number
            self.supervisor.change(graph)
            if _has_webhook(made):
                self.listen()
            return self.journal.document(number)

    def follow(self) -> bool:
        """Take over what another replica has changed; whether there was something. To be called now and then."""
        with self._lock:
            try:
                current = self.journal.document()
                if current.number == self.version:
                    return False
                self.version = current.number
                made = self.parse(current.document)
                self.supervisor.change(made.graph())
            except Transient:
                return False
            except SluiceError as error:
                LOG.error("version %d of the document cannot be taken over here: %s", self.version, error)
                return False
            self.configuration = made
            if _has_webhook(made):
                self.listen()
        LOG.info("version %d of the document was taken over", current.number)
        return True

    def edit(self, how: Edit, *, after: int | None = None, note: str = "") -> Versioned:
        """Change the document by a function of `change`; without `after`, whatever version it is at.

        What changes nothing makes no version.
        """
        current = self.journal.document()
        if after is not None and after != current.number:
            current = Versioned(after, current.document)
        made = how(current.document)
        if made == current.document and after in (None, self.version):
            return current
        return self.replace(made, after=current.number, note=note)

    def pause(self, name: str) -> Versioned:
        return self.edit(lambda document: change.pause(document, name, paused=True), note=f"pause {name}")

    def resume(self, name: str) -> Versioned:
        return self.edit(lambda document: change.pause(document, name, paused=False), note=f"resume {name}")

    def stop(self, grace: float | None = None) -> bool:
        """Drain and leave; see `Supervisor.drain`. Meanwhile the port tells that it ends, and takes nothing in."""
        self.around.routes.drain()
        try:
            return self.supervisor.drain(grace)
        finally:
            if self.http is not None:
                self.http.close()

    def parse(self, document: Mapping[str, Any]) -> Configuration:
        """Raises `Misconfigured` with the line of each fault in the document written as JSON."""
        text = json.dumps(document, indent=2, ensure_ascii=False)
        return self.kinds.parse(read_json_document(text, file="document"))

    def _is_new(self, document: Document, current: Versioned, *, replace: bool) -> bool:
        """Whether the file says something that the journal does not know."""
        if document.data == current.document:
            return False
        if current.number == 0 or current.note == FROM_FILE or replace:
            return True
        if self._last_file() == document.data:
            LOG.info("the document was changed at run time (version %d) and goes on so", current.number)
            return False
        raise Misconfigured(
            f"{document.file} has changed, and so has the document at run time (version {current.number})",
            hint="start with --replace to let the file hold, or write the changes into the file",
        )

    def _last_file(self) -> Mapping[str, Any] | None:
        """What the file held when it was read last."""
        before = 0
        while page := self.journal.versions(limit=100, before=before):
            for one in page:
                if one.note == FROM_FILE:
                    return one.document
            before = page[-1].number
        return None


def _has_webhook(made: Configuration) -> bool:
    return any(one.type == "webhook" for one in made.input)
