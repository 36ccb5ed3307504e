"""The base of all payloads."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Payload(BaseModel):
    """The base of all payloads: frozen, unknown fields refused, camelCase names accepted too."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        loc_by_alias=False,
        ser_json_inf_nan="constants",
        allow_inf_nan=False,
    )

    event_type: ClassVar[str]
    schema_version: ClassVar[int] = 1
