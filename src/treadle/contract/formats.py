"""The form of a model's answer. Contract: docs/behaviour.md, rules A-8 and R-31: echoed as given."""

from typing import Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from treadle.contract.fields import FunctionName, JsonObject


class JsonSchema(Struct, kw_only=True):
    """`name` follows the rule for function names (A-8)."""

    description: str | UnsetType = UNSET
    name: FunctionName
    schema: JsonObject | UnsetType = UNSET
    strict: bool | UnsetType | None = UNSET


class ResponseFormatText(Struct, kw_only=True, tag_field="type", tag="text"):
    """Plain text."""


class ResponseFormatJsonObject(Struct, kw_only=True, tag_field="type", tag="json_object"):
    """Any JSON object."""


class ResponseFormatJsonSchema(Struct, kw_only=True, tag_field="type", tag="json_schema"):
    """JSON that follows a schema."""

    json_schema: JsonSchema


ResponseFormat: TypeAlias = Literal["auto"] | ResponseFormatText | ResponseFormatJsonObject | ResponseFormatJsonSchema
