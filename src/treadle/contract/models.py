"""Models. Contract: docs/behaviour.md, section 11."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from treadle.contract.fields import UnixSeconds


class Model(Struct, kw_only=True):
    """A model that requests may name."""

    id: str
    created: UnixSeconds
    object: Literal["model"] = "model"
    owned_by: str
    shutdown_date: Annotated[str, Meta(extra_json_schema={"format": "date"})] | UnsetType | None = UNSET


class ModelList(Struct, kw_only=True):
    """All models, without paging (MD-1)."""

    object: Literal["list"] = "list"
    data: list[Model]


class ModelDeleted(Struct, kw_only=True):
    """Published, but no model here is the caller's to delete (MD-2)."""

    id: str
    object: Literal["model"] = "model"
    deleted: bool = True
