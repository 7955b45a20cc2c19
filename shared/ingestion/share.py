"""A part of a source's limits, for one of several processes that work on it side by side."""

from __future__ import annotations

from dataclasses import replace

from shared.ingestion.source import Source


def share_of(source: Source, parts: int) -> Source:
    """The source with one part of `parts` of its requests per time and of its requests at once, of each at least one.

    The parts together keep to the source's limit as long as there are not more of them than it has requests.
    """
    if parts <= 1:
        return source
    limit = source.spec.rate_limit
    requests = None if limit.requests is None else max(1, limit.requests // parts)
    smaller = limit.model_copy(
        update={"requests": requests, "concurrency": max(1, limit.concurrency // parts)}
    )
    return replace(source, spec=source.spec.model_copy(update={"rate_limit": smaller}))
