"""Notifications of a Step Functions machine; telling never fails anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.common.errors import Misconfigured
from shared.pipelines.step import Method, Notifications, Place, Step, Target
from shared.pipelines.targets.stepfunctions_flow import Flow
from shared.pipelines.targets.target import Options

_BUSY = {
    "ErrorEquals": [
        "Lambda.TooManyRequestsException",
        "Lambda.ServiceException",
        "Lambda.SdkClientException",
        "SesV2.TooManyRequestsException",
    ],
    "IntervalSeconds": 5,
    "MaxAttempts": 5,
    "BackoffRate": 2.0,
}
"""What AWS did not take is sent again; what a receiver refused is not, as others may have it already."""


@dataclass(slots=True)
class Teller:
    """Makes the states that tell people. Slack and webhooks go through this product's function, e-mail through SES."""

    options: Options
    pipeline: str
    sender: str
    place: Place
    labels: Mapping[str, str]

    def tell(self, flow: Flow, told: Notifications, step: Step | None, *, well: bool) -> None:
        """Tell everybody whom the end of a step, or of the run, concerns."""
        what = f'step "{step.name}" of {self.pipeline}' if step else self.pipeline
        text = f"{what} {'succeeded' if well else 'failed'}"
        label = self.labels[step.name] if step else "(run)"
        for number, target in enumerate(told.on_success if well else told.on_failure, start=1):
            task = (
                self._mail(target, text, step) if target.method is Method.EMAIL else self._post(target, text)
            )
            name = f"{label} (tell {'well' if well else 'failed'} {number})"
            catcher = {"ErrorEquals": ["States.ALL"], "ResultPath": None}
            flow.add(name, {"Type": "Task", **task, "ResultPath": None, "Retry": [_BUSY], "Catch": [catcher]})
            flow.ends.append((catcher, "Next"))

    def _post(self, target: Target, text: str) -> dict[str, Any]:
        told = {
            "method": str(target.method),
            "recipients": list(target.recipients),
            "channel": target.channel,
        }
        payload = {"tell": told, "text": text, "execution.$": "$$.Execution.Id"}
        return {
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": f"{self.options.app}-step", "Payload": payload},
        }

    def _mail(self, target: Target, text: str, step: Step | None) -> dict[str, Any]:
        if not self.sender:
            place = step.at("notifications") if step else self.place
            raise Misconfigured(
                f"{place} an e-mail from Step Functions needs a sender; give the pipeline an owner with an email"
            )
        simple = {"Subject": {"Data": text[:200]}, "Body": {"Text": {"Data.$": "$$.Execution.Id"}}}
        return {
            "Resource": "arn:aws:states:::aws-sdk:sesv2:sendEmail",
            "Parameters": {
                "FromEmailAddress": self.sender,
                "Destination": {"ToAddresses": list(target.recipients)},
                "Content": {"Simple": simple},
            },
        }
