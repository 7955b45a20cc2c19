"""Which calls of AWS a function makes: every request of every client of this process, as IAM sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.handlers

from shared.aws.clients import _make
from tests.deploy.infra.policy import Call

ON_BEHALF = {
    "logs:CreateLogStream": "Lambda writes the log on behalf of the function",
    "logs:PutLogEvents": "Lambda writes the log on behalf of the function",
    "xray:PutTraceSegments": "Lambda sends the traces on behalf of the function",
    "xray:PutTelemetryRecords": "Lambda sends the traces on behalf of the function",
    "sqs:ReceiveMessage": "Lambda takes the messages on behalf of the function",
    "sqs:DeleteMessage": "Lambda takes the messages on behalf of the function",
    "sqs:GetQueueAttributes": "Lambda looks at the queue on behalf of the function",
}
"""What no recording of a function's calls can show, and why its role may do it all the same."""

#: Operation -> the action that IAM asks for, and what S3 does with the key of the bucket on behalf of the caller.
ACTIONS = {
    ("s3", "GetObject"): ("s3:GetObject", "kms:Decrypt"),
    ("s3", "HeadObject"): ("s3:GetObject", "kms:Decrypt"),
    ("s3", "PutObject"): ("s3:PutObject", "kms:GenerateDataKey"),
    ("s3", "DeleteObject"): ("s3:DeleteObject", ""),
    ("s3", "ListObjectsV2"): ("s3:ListBucket", ""),
    ("secretsmanager", "GetSecretValue"): ("secretsmanager:GetSecretValue", "kms:Decrypt"),
    ("sqs", "SendMessage"): ("sqs:SendMessage", "kms:GenerateDataKey"),
    ("sqs", "ChangeMessageVisibility"): ("sqs:ChangeMessageVisibility", ""),
    ("lambda", "Invoke"): ("lambda:InvokeFunction", ""),
    ("stepfunctions", "StartExecution"): ("states:StartExecution", ""),
    ("stepfunctions", "DescribeExecution"): ("states:DescribeExecution", ""),
    ("dynamodb", "PutItem"): ("dynamodb:PutItem", "kms:Decrypt"),
    ("dynamodb", "UpdateItem"): ("dynamodb:UpdateItem", "kms:Decrypt"),
    ("dynamodb", "DeleteItem"): ("dynamodb:DeleteItem", "kms:Decrypt"),
}

_ARN = "arn:aws:{}:us-east-1:123456789012"


@contextmanager
def recorded(key_arn: str) -> Iterator[list[Call]]:
    """The calls within the block, in order. An operation that is not in `ACTIONS` is an error."""
    calls: list[Call] = []

    def note(params: Any, model: Any, **_: Any) -> None:
        service = model.service_model.service_name
        action, of_key = ACTIONS[service, model.name]
        calls.append(_call(action, service, params))
        if of_key:
            calls.append(Call(of_key, key_arn))

    handler = ("before-parameter-build", note)
    botocore.handlers.BUILTIN_HANDLERS.append(handler)
    _make.cache_clear()  # clients that are there already do not tell
    try:
        yield calls
    finally:
        botocore.handlers.BUILTIN_HANDLERS.remove(handler)
        _make.cache_clear()


def _call(action: str, service: str, params: Any) -> Call:
    if service == "secretsmanager":
        return Call(action, params["SecretId"])
    if service == "sqs":
        return Call(action, f"{_ARN.format('sqs')}:{params['QueueUrl'].rpartition('/')[2]}")
    if service == "dynamodb":
        return Call(action, f"{_ARN.format('dynamodb')}:table/{params['TableName']}")
    if service == "lambda":
        return Call(action, f"{_ARN.format('lambda')}:function:{params['FunctionName']}")
    if service == "stepfunctions":
        return Call(action, params.get("executionArn") or params["stateMachineArn"])
    bucket = f"arn:aws:s3:::{params['Bucket']}"
    context = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
    if action == "s3:ListBucket":
        return Call(action, bucket, {**context, "s3:prefix": params.get("Prefix", "")})
    if "IfNoneMatch" in params:
        context["s3:if-none-match"] = params["IfNoneMatch"]
    return Call(action, f"{bucket}/{params['Key']}", context)
