"""What a `source.yml` says of records that leave their contract: `contract_mode` (docs/drift.md)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from shared.common.errors import unknown


class Mode(StrEnum):
    """What becomes of a field that the contract does not declare, or of a value of another type.

    `keep` is for fields only: they land, and are not loaded.
    """

    KEEP = "keep"
    EVOLVE = "evolve"
    FREEZE = "freeze"
    DISCARD_ROW = "discard_row"
    DISCARD_VALUE = "discard_value"


class ContractMode(BaseModel):
    """`columns` is for fields that the contract does not declare, `data_type` for values of another type.

    One word stands for both. Without `columns` the contract itself decides: a closed one (`additionalProperties:
    false`) refuses the record, an open one keeps the field.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    columns: Mode | None = None
    data_type: Literal[Mode.EVOLVE, Mode.FREEZE, Mode.DISCARD_ROW, Mode.DISCARD_VALUE] = Mode.DISCARD_ROW

    @model_validator(mode="before")
    @classmethod
    def _one_word(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value not in list(Mode):
            raise unknown("contract_mode", value, list(Mode))
        return {"columns": value} if value == Mode.KEEP else {"columns": value, "data_type": value}
