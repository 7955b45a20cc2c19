"""Opens the desk that deliveries arrive at."""

from __future__ import annotations

from shared.common.errors import Misconfigured
from src.hook.receive import Desk
from src.weave.place import weaving
from src.workplace import Workplace


def aws_desk(place: Workplace) -> Desk:
    """Where deliveries arrive in AWS."""
    from shared.aws.queue import FifoQueue
    from shared.aws.remember import Remembered

    settings = place.settings
    for name in ("weave_queue_url", "weave_table"):
        if getattr(settings, name) is None:
            raise Misconfigured(
                f"{name.upper()} is not set", hint="the template sets it (docs/infrastructure.md)"
            )
    queue, table = FifoQueue(settings.weave_queue_url or ""), Remembered(settings.weave_table or "")
    return Desk(weaving(place), place.configuration.secrets, queue, table, place.clock)
