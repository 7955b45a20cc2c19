"""The client of one source: every request goes through credentials, limits, address checks, redirects and retries.

One client is shared by all threads and streams of a source; `scoped` gives a view of it that counts for one caller,
knows that caller's deadline and names its stream in errors. An answer that is returned is a success (2xx); everything
else is an error that says who must act (`Refused`, `Transient`, `Violation`, `Misconfigured`).
"""

from __future__ import annotations

import copy
import logging
import math
import random as chance
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import BinaryIO, NoReturn, TypeVar

from shared.common.errors import SluiceError, Transient
from shared.common.ports import Clock, Deadline, Secrets
from shared.common.redaction import Redactor
from shared.rest.address import AddressRefused, Guard
from shared.rest.auth import ApiKey, Auth, ClientCredentials, NoAuth, RefreshToken, Wallet
from shared.rest.body import PageShape, head_of
from shared.rest.download import DownloadResult, fetch
from shared.rest.limit import LONG, Limiter, RateLimit
from shared.rest.message import Page, Pairs, Request, Response
from shared.rest.redirect import MAX_REDIRECTS, neutral, redirected
from shared.rest.refusal import ErrorPaths, Unsuccessful, refused
from shared.rest.retry import GiveUp, Retry, Wait, retry_after
from shared.rest.tally import Tally
from shared.rest.transport import LEAST, Caps, HttpTransport, Stream, Timeout, Transport

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Client:
    """Sends the requests of one source. Build it with `connect`, or here with a transport of your own (a fake).

    `say` is told in one sentence when a wait is long; by default it goes to the log of this process as a warning.
    """

    def __init__(
        self,
        base_url: str,
        transport: Transport,
        *,
        clock: Clock,
        secrets: Secrets,
        auth: Auth | None = None,
        retry: Retry | None = None,
        limit: RateLimit | Limiter | None = None,
        errors: ErrorPaths | None = None,
        headers: Pairs = (),
        timeout: Timeout | None = None,
        guard: Guard | None = None,
        redactor: Redactor | None = None,
        random: Callable[[], float] = chance.random,
        say: Callable[[str], None] = _log.warning,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.redactor = redactor or Redactor()
        self.tally = Tally()
        self._retry = retry or Retry()
        self.limiter = (
            limit
            if isinstance(limit, Limiter)
            else Limiter(limit or RateLimit(), clock, patience=self._retry.budget, say=say)
        )
        self._auth = auth or NoAuth()
        self._guard = guard or guard_for(base_url, self._auth, redactor=self.redactor)
        self._key_in_query = isinstance(self._auth, ApiKey) and self._auth.place == "query"
        self._transport = transport
        self._clock = clock
        self._wallet = Wallet(secrets, clock, self.redactor)
        self._errors = errors
        self._headers = tuple((name.lower(), value) for name, value in headers)
        self._timeout = timeout or Timeout()
        self._random = random
        self._say = say
        self._deadline: Deadline | None = None
        self._where: dict[str, object] = {}

    def scoped(
        self, *, tally: Tally | None = None, deadline: Deadline | None = None, **where: object
    ) -> Client:
        """The same client (connections, limits, tokens) for one caller.

        Its requests count in `tally` (given, or a new one), its waits end before `deadline`, and its errors name
        `where` (`stream="accounts"` …).
        """
        view = copy.copy(self)
        view.tally = tally or Tally()
        view._deadline = deadline or self._deadline
        view._where = {**self._where, **where}
        return view

    def apart(self) -> Client:
        """The same client for a part of the API that counts its requests for itself, as GitHub's queries do."""
        view = copy.copy(self)
        view.limiter = Limiter(self.limiter.limit, self._clock, patience=self._retry.budget, say=self._say)
        return view

    def request(self, path: str, *, params: Pairs = (), headers: Pairs = ()) -> Request:
        """A GET request for a path below the base URL."""
        return Request(f"{self.base_url}/{path.lstrip('/')}", params=params, headers=headers)

    def send(self, request: Request) -> Response:
        """The answer to `request`, which is a success.

        Raises `Refused` (the API says no), `Transient` (given up for now; `retry_after` where known), `Violation` (a
        link that leads where it must not, or an answer beyond the caps).
        """
        return self.insist(request, lambda: self._success(request))

    def page(self, request: Request, shape: PageShape) -> Page:
        """The page that answers `request`. A body that is not a whole page is retried as a 503 would be.

        Raises as `send` does; `IncompleteBody` (a `Transient`) when no answer was a page.
        """
        return self.insist(request, lambda: self._page(request, shape))

    def head(self, request: Request) -> Response:
        """The answer to the same request with the method HEAD. Raises as `send` does."""
        return self.send(replace(request, method="HEAD"))

    def download(
        self, request: Request, target: BinaryIO, *, md5: str | None = None, sha256: str | None = None
    ) -> DownloadResult:
        """Write the answer's body, as it was sent, to `target` (seekable, from its present position on).

        A download that breaks off goes on where it stopped when the server can, else begins again. `md5` and `sha256`
        are hex digests that the file must have. Raises as `send` does, `Violation` when the digest differs each time.
        """
        return fetch(self, request, target, md5=md5, sha256=sha256, clock=self._clock)

    def close(self) -> None:
        self._transport.close()

    def insist(
        self, request: Request, once: Callable[[], T], *, progress: Callable[[], int] | None = None
    ) -> T:
        """Call `once` until it succeeds or the source's `retry` gives up; the errors say what was asked.

        Where `progress` has grown by `LEAST` bytes since the last failure, attempts and time are counted anew.
        """
        began = self._clock.monotonic()
        attempt = furthest = 0
        while True:
            attempt += 1
            if self._remaining() <= 0:
                raise Transient("the time of this run is over", url=self._shown(request)).at(**self._where)
            outcome: Response | Transient
            try:
                return once()
            except Unsuccessful as error:
                outcome = error.response
            except Transient as error:
                outcome = error
            except SluiceError as error:
                error.at(**self._where, url=self._shown(request))
                raise
            if progress is not None and progress() - furthest >= LEAST:
                attempt, furthest, began = 1, progress(), self._clock.monotonic()
            decision = self._retry.decide(
                attempt,
                outcome,
                spent=self._clock.monotonic() - began,
                remaining=self._remaining(),
                now=self._clock.now(),
                random=self._random,
            )
            if isinstance(decision, GiveUp):
                self._give_up(decision, outcome, request, attempt)
            self._all_wait(outcome, request)
            self.tally.add(retries=1, waited=decision.seconds)
            self._tell(decision, request)
            self._clock.sleep(decision.seconds)

    @contextmanager
    def open(self, request: Request) -> Iterator[Stream]:
        """One try at an answer whose body is read piece by piece; `insist` on what is done with it."""
        with ExitStack() as held:
            streams: list[Stream] = []

            def transmit(outgoing: Request, own: bool) -> Response:
                held.close()
                if own:
                    self.tally.add(waited=held.enter_context(self.limiter.slot(remaining=self._remaining())))
                self.tally.add(api_calls=1)
                timeout = replace(self._timeout, total=math.inf).within(self._remaining())
                streams.append(held.enter_context(self._transport.stream(outgoing, timeout=timeout)))
                return streams[-1].response

            response = self._walk(request, transmit)
            if not 200 <= response.status < 300:
                body = next(streams[-1].pieces, b"")
                raise Unsuccessful(replace(response, body=body))
            yield Stream(response, streams[-1].pieces)

    def _success(self, request: Request) -> Response:
        response = self._walk(request, self._transmit)
        if not 200 <= response.status < 300:
            raise Unsuccessful(response)
        return response

    def _page(self, request: Request, shape: PageShape) -> Page:
        page = shape.parse(request, self._success(request), redactor=self.redactor)
        response = replace(page.response, body=b"")
        link = response.headers.get("link", "")
        if (clean_link := self._auth.clean(link)) != link:
            response = replace(response, headers={**response.headers, "link": clean_link})
        cleaned = {n: self._auth.clean(v) if isinstance(v, str) else v for n, v in page.markers.items()}
        return replace(page, response=response, markers=cleaned)

    def _walk(self, request: Request, transmit: Callable[[Request, bool], Response]) -> Response:
        """One try: the request and the redirects that its answer leads through. Credentials go to the own host only."""
        current, trusted = request, True
        for _ in range(MAX_REDIRECTS + 1):
            self._guard.check(current.url)
            trusted = trusted and self._guard.own(current.url)
            if trusted:
                response = self._drive(self._auth.flow(self._dressed(current), self._wallet), transmit)
            else:
                response = transmit(neutral(current), False)
            target = redirected(current, response)
            if target is None:
                # The key in a query is the only credential that the answer's URL could show.
                return replace(response, url=current.full_url()) if self._key_in_query else response
            if not self._guard.own(target.url) and self.redactor.reveals(target.url):
                raise AddressRefused(
                    "a redirect carries our credential to another host", url=self.redactor.url(target.url)
                )
            current = target
        raise AddressRefused(
            f"more than {MAX_REDIRECTS} redirects followed one another", url=self._shown(current)
        )

    def _drive(
        self, flow: Generator[Request, Response, None], transmit: Callable[[Request, bool], Response]
    ) -> Response:
        try:
            outgoing = next(flow)
            while True:
                response = transmit(outgoing, self._guard.own(outgoing.url))
                try:
                    outgoing = flow.send(response)
                except StopIteration:
                    return response
        finally:
            flow.close()  # It may hold the wallet's lock.

    def _transmit(self, outgoing: Request, own: bool) -> Response:
        if not own:
            return self._exchange(outgoing)
        with self.limiter.slot(remaining=self._remaining()) as waited:
            response = self._exchange(outgoing)
        if waited:
            self.tally.add(waited=waited)
        self.limiter.observe(response)
        return response

    def _exchange(self, outgoing: Request) -> Response:
        self.tally.add(api_calls=1)
        response = self._transport.send(outgoing, timeout=self._timeout.within(self._remaining()))
        self.tally.add(bytes=len(response.body))
        return response

    def _dressed(self, request: Request) -> Request:
        """With the source's own headers, where the request does not set them itself."""
        if not self._headers:
            return request
        set_already = {name.lower() for name, _ in request.headers}
        missing = tuple(pair for pair in self._headers if pair[0] not in set_already)
        return replace(request, headers=(*request.headers, *missing))

    def _all_wait(self, outcome: Response | Transient, request: Request) -> None:
        """When the API says that we are too fast and until when, that holds for all threads."""
        if isinstance(outcome, Response) and self._retry.throttled(outcome) and self._guard.own(request.url):
            told = retry_after(outcome.headers, self._clock.now())
            if told:
                self.limiter.pause(told)

    def _tell(self, wait: Wait, request: Request) -> None:
        """A wait that somebody who looks on would take for a standstill."""
        if wait.seconds >= LONG:
            place = {**self._where, "url": self._shown(request)}
            shown = ", ".join(f"{name} {value}" for name, value in place.items())
            reason = self.redactor.text(wait.reason)
            self._say(f"{reason}: asking again in {wait.seconds:.0f} s [{shown}]")

    def _give_up(
        self, decision: GiveUp, outcome: Response | Transient, request: Request, attempt: int
    ) -> NoReturn:
        if isinstance(outcome, Transient):
            if outcome.retry_after is None:
                outcome.retry_after = decision.retry_after
            outcome.at(**self._where, url=self._shown(request), attempts=attempt)
            raise outcome
        if decision.final:
            raise refused(outcome, errors=self._errors, redactor=self.redactor).at(**self._where)
        raise Transient(
            f"the API did not answer with success: {decision.reason}",
            hint=f"its last answer begins with: {head_of(outcome.body, self.redactor)}",
            retry_after=decision.retry_after,
            status=outcome.status,
            url=self._shown(request),
            attempts=attempt,
        ).at(**self._where)

    def _remaining(self) -> float:
        return math.inf if self._deadline is None else self._deadline.remaining()

    def _shown(self, request: Request) -> str:
        return self.redactor.url(request.full_url())


def guard_for(base_url: str, auth: Auth, *, redactor: Redactor | None = None) -> Guard:
    """The rule about addresses for a source; its token endpoint is named by its own document, so it is trusted."""
    trusted = (auth.token_url,) if isinstance(auth, ClientCredentials | RefreshToken) else ()
    return Guard(base_url, trusted, redactor=redactor or Redactor())


def connect(
    base_url: str,
    *,
    clock: Clock,
    secrets: Secrets,
    auth: Auth | None = None,
    retry: Retry | None = None,
    limit: RateLimit | None = None,
    errors: ErrorPaths | None = None,
    headers: Pairs = (),
    timeout: Timeout | None = None,
    caps: Caps | None = None,
    redactor: Redactor | None = None,
) -> Client:
    """A client over HTTP, with as many kept connections as requests may be under way at once."""
    limit = limit or RateLimit()
    redactor = redactor or Redactor()
    guard = guard_for(base_url, auth or NoAuth(), redactor=redactor)
    transport = HttpTransport(guard, clock, connections=limit.concurrency, caps=caps)
    return Client(
        base_url,
        transport,
        clock=clock,
        secrets=secrets,
        auth=auth,
        retry=retry,
        limit=limit,
        errors=errors,
        headers=headers,
        timeout=timeout,
        guard=guard,
        redactor=redactor,
    )
