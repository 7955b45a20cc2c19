"""Tells people how steps and runs ended, where a local run was asked to: Slack, e-mail and webhooks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shared.common.errors import Misconfigured, SluiceError, Transient
from shared.pipelines.step import Method, Notifications, Target
from src.pipeline.http import request

if TYPE_CHECKING:
    from src.workplace import Workplace

_SECONDS = 10.0


def tell(place: Workplace, told: Notifications, text: str, *, well: bool) -> list[SluiceError]:
    """Tell everybody whom this concerns; what could not be delivered is returned and changes nothing else."""
    failed = []
    for target in told.on_success if well else told.on_failure:
        try:
            _send(place, target, text)
        except SluiceError as error:
            failed.append(error)
    return failed


def _send(place: Workplace, target: Target, text: str) -> None:
    match target.method:
        case Method.WEBHOOK:
            for url in target.recipients:
                _post(url, {"text": text}, {})
        case Method.SLACK:
            token = place.settings.slack_token
            if token is None:
                raise Misconfigured("Slack cannot be told", hint="set SLACK_TOKEN", channel=target.channel)
            mentions = " ".join(target.recipients)
            message = {
                "channel": target.channel or target.recipients[0],
                "text": f"{mentions} {text}" if mentions and target.channel else text,
            }
            base = (place.settings.slack_api_url or "https://slack.com/api").rstrip("/")
            _post(
                f"{base}/chat.postMessage", message, {"Authorization": f"Bearer {token.get_secret_value()}"}
            )
        case Method.EMAIL:
            if place.settings.smtp_url is None:
                raise Misconfigured(
                    f"no e-mail can be sent to {', '.join(target.recipients)}", hint="set SMTP_URL"
                )
            from src.pipeline.mail import Mail

            mail = Mail.of(place.settings.smtp_url.get_secret_value(), sender=place.settings.smtp_from or "")
            mail.send(target.recipients, text.partition("\n")[0][:200], text)


def _post(url: str, body: dict[str, str], headers: dict[str, str]) -> None:
    data = json.dumps(body, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json; charset=utf-8", **headers}
    status, answer = request("POST", url, headers=headers, data=data, seconds=_SECONDS)
    if not 200 <= status < 300 or (isinstance(answer, dict) and answer.get("ok") is False):
        reason = answer.get("error") if isinstance(answer, dict) else ""
        raise Transient(f"a notification was not taken: status {status} {reason}")
