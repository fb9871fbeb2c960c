"""The OpenAPI 3.1 document, made from the operation table and the types.

A request's schema requires the fields that have no default. A response's schema requires every field that is always
emitted, which is all but those that are UNSET by default (I-7); so one type may give two schemas.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias

from msgspec import NODEFAULT, Struct, inspect

from treadle.contract import events, violations
from treadle.contract.errors import ErrorEnvelope
from treadle.contract.ids import PREFIXES
from treadle.contract.operations import Operation

Json: TypeAlias = dict[str, Any]
_Use: TypeAlias = Literal["request", "response"]

EVENT_STREAM: Final = "text/event-stream"
_EVENT_SCHEMA: Final = "AssistantStreamEvent"

# What a field or parameter of this name means, wherever it occurs.
NOTES: Final = {
    "additional_instructions": "Appended to the instructions for this run only.",
    "additional_messages": "Added to the thread before the run starts.",
    "after": "Show what comes after this id in the requested order.",
    "assistant_id": "The assistant's id.",
    "attachments": "Files for the thread's tools.",
    "attributes": "Up to 16 pairs to filter searches by: keys of up to 64 characters, values of up to 512.",
    "batch_id": "The batch's id.",
    "before": "Show the page that ends before this id in the requested order.",
    "bytes": "Size in bytes.",
    "cancelled_at": "When it was cancelled.",
    "chunking_strategy": "How files are cut for search.",
    "completed_at": "When it was completed.",
    "created_at": "When it was created.",
    "expires_after": "How long it lives.",
    "expires_at": "When it expires or expired.",
    "failed_at": "When it failed.",
    "file_id": "The file's id.",
    "file_ids": "Ids of files.",
    "filter": "Only files with this status.",
    "first_id": "Id of the first item on this page; null if there is none.",
    "has_more": "Whether more items follow in this direction.",
    "include": "What to show in addition: the text of file_search results.",
    "instructions": "What the assistant is told before anything else.",
    "last_error": "What went wrong, if something did.",
    "last_id": "Id of the last item on this page; null if there is none.",
    "limit": "How many items a page holds at most.",
    "max_completion_tokens": "Budget of completion tokens over all turns of the run.",
    "max_prompt_tokens": "Budget of prompt tokens over all turns of the run.",
    "message_id": "The message's id.",
    "metadata": "Up to 16 pairs of your own: keys of up to 64 characters, values of up to 512.",
    "model": "The model's name.",
    "order": "By time of creation: newest first (desc) or oldest first (asc).",
    "parallel_tool_calls": "Whether one turn may call several tools.",
    "purpose": "What the file is for.",
    "reasoning_effort": "How much the model is to think, if it is one that does.",
    "response_format": "The form of the model's answers.",
    "run_id": "The run's id.",
    "started_at": "When it was last taken up.",
    "step_id": "The run step's id.",
    "stream": "Whether to answer with a stream of events.",
    "temperature": "How freely the model picks its words, from 0 to 2.",
    "thread_id": "The thread's id.",
    "tool_choice": "Which tool the first turn has to call, if any.",
    "tool_resources": "The files and vector stores that the tools work on.",
    "tools": "The tools that may be called.",
    "top_p": "The share of probability that the model picks its words from.",
    "truncation_strategy": "Which messages the model sees.",
    "upload_id": "The upload's id.",
    "usage": "Tokens used; null until they are known.",
    "usage_bytes": "Bytes of the search index.",
    "vector_store_id": "The vector store's id.",
}


def document(operations: Iterable[Operation], server_version: str) -> Json:
    """The document that describes exactly these operations."""
    table = list(operations)
    schemas = _Schemas()
    schemas.of(ErrorEnvelope, "response")
    # Answers come first: of a type that differs between the two uses, the one in requests gets another name.
    answers = {operation.id: _responses(operation, schemas) for operation in table}
    if any(operation.streams and operation.chunk is None for operation in table):
        schemas.components[_EVENT_SCHEMA] = _events(schemas)
    paths: dict[str, Json] = {}
    for operation in table:
        described = _operation(operation, schemas) | {"responses": answers[operation.id]}
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Treadle",
            "version": server_version,
            "description": "A self-hosted server for the OpenAI Assistants API v2.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/v1"}],
        "security": [{"ApiKey": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in table)],
        "paths": paths,
        "components": _components(schemas),
    }


def _operation(operation: Operation, schemas: "_Schemas") -> Json:
    described: Json = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": list(_parameters(operation, schemas)),
    }
    if operation.body is not None:
        form = operation.media_type == "multipart/form-data"
        schema = schemas.form(operation.body) if form else schemas.of(operation.body, "request")
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {operation.media_type: {"schema": schema}},
        }
    return described


def _parameters(operation: Operation, schemas: "_Schemas") -> Iterator[Json]:
    if operation.needs_beta:
        yield {"$ref": "#/components/parameters/Beta"}
    for name, kind in operation.path_kinds.items():
        schema = {"type": "string"} | ({"pattern": f"^{PREFIXES[kind]}"} if kind else {})  # E-42
        yield {"name": name, "in": "path", "required": True, "description": NOTES[name], "schema": schema}
    for field in fields_of(operation.query):
        types = [member for member in violations.alternatives(field.type) if not isinstance(member, inspect.NoneType)]
        if types:  # a field that can only be None is not a parameter
            schema = schemas.of_members(types, "request") | _default(field)
            name = f"{field.encode_name}[]" if schema["type"] == "array" else field.encode_name  # P-12
            yield {"name": name, "in": "query", "description": NOTES[field.encode_name], "schema": schema}


def _responses(operation: Operation, schemas: "_Schemas") -> Json:
    if operation.result is bytes:
        content: Json = {operation.result_media_type: {"schema": {"type": "string", "format": "binary"}}}
    else:
        content = {operation.result_media_type: {"schema": schemas.of(operation.result, "response")}}
    if operation.streams:
        stream = {"$ref": f"#/components/schemas/{_EVENT_SCHEMA}"}
        if operation.chunk is not None:
            stream = schemas.of(operation.chunk, "response")
        content[EVENT_STREAM] = {"schema": stream}
    return {
        "200": {"description": operation.summary, "content": content},
        "429": {"$ref": "#/components/responses/TooManyRequests"},
        "4XX": {"$ref": "#/components/responses/Error"},
        "5XX": {"$ref": "#/components/responses/Error"},
    }


def _events(schemas: "_Schemas") -> Json:
    """One variant for each event of a stream, as `event:` and `data:` lines (W-2)."""
    done = {"type": "string", "enum": [events.DONE_DATA]}
    variants = [
        {
            "type": "object",
            "properties": {
                "event": {"type": "string", "enum": [name.value]},
                "data": schemas.of(events.DATA[name], "response") if name in events.DATA else done,
            },
            "required": ["event", "data"],
        }
        for name in events.EventName
    ]
    return {"description": "One event of a stream.", "oneOf": variants}


def _error_response(description: str) -> Json:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}}},
    }


def _components(schemas: "_Schemas") -> Json:
    retry_after = {"description": "Seconds to wait, if known.", "schema": {"type": "integer", "minimum": 1}}
    beta = {
        "name": "OpenAI-Beta",
        "in": "header",
        "required": True,
        "description": "Chooses version 2 of the Assistants API.",
        "schema": {"type": "string", "enum": ["assistants=v2"]},
    }
    return {
        "schemas": dict(sorted(schemas.components.items())),
        "parameters": {"Beta": beta},
        "responses": {
            "Error": _error_response("The request failed."),
            "TooManyRequests": _error_response("A limit was reached.") | {"headers": {"Retry-After": retry_after}},
        },
        "securitySchemes": {"ApiKey": {"type": "http", "scheme": "bearer"}},
    }


class _Schemas:
    """JSON Schemas of types. Structs go to `components`, each under its class's name."""

    def __init__(self) -> None:
        self.components: dict[str, Json] = {}
        self._names: dict[tuple[type, _Use], str] = {}

    def of(self, type_: type, use: _Use) -> Json:
        return self._of(violations.described(type_), use)

    def of_members(self, members: Sequence[inspect.Type], use: _Use) -> Json:
        """The schema of a union, or of its only member."""
        if len(members) == 1:
            return self._of(members[0], use)
        structs = [member for member in members if isinstance(violations.bare(member), inspect.StructType)]
        tagged = [self._of(member, use) for member in structs]
        rest = [self._of(member, use) for member in members if member not in structs]
        if len(structs) < 2:
            return {"anyOf": tagged + rest}
        union = {"oneOf": tagged, "discriminator": self._discriminator(structs, tagged)}
        return {"anyOf": [union, *rest]} if rest else union

    def form(self, type_: type[Struct]) -> Json:
        """A multipart form is flat: the field `seconds` of `expires_after` is called `expires_after[seconds]` (F-1)."""
        properties: Json = {}
        for field in fields_of(type_):
            name = field.encode_name
            inner = [member for member in violations.alternatives(field.type) if isinstance(member, inspect.StructType)]
            for part in inner[0].fields if inner else ():
                properties[f"{name}[{part.encode_name}]"] = self._of(part.type, "request")
            if not inner:
                properties[name] = self._of(field.type, "request")
        required = [field.encode_name for field in fields_of(type_) if field.required]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    def _of(self, node: inspect.Type, use: _Use) -> Json:
        match node:
            case inspect.Metadata(type=inner, extra_json_schema=extra):
                extra = extra or {}
                return dict(extra) if "type" in extra else self._of(inner, use) | extra
            case inspect.UnionType():
                return self.of_members(list(violations.alternatives(node)), use)
            case inspect.StructType():
                return {"$ref": f"#/components/schemas/{self._name(node, use)}"}
            case inspect.LiteralType():
                return {"type": "string", "enum": list(violations.choices(node))}
            case inspect.EnumType(cls=cls):
                return {"type": "string", "enum": [member.value for member in cls]}
            case inspect.ListType() | inspect.VarTupleType():
                limits = _limits(minItems=node.min_length, maxItems=node.max_length)
                return {"type": "array", "items": self._of(node.item_type, use)} | limits
            case inspect.DictType():
                return self._map(node, use)
            case _:
                return _scalar(node)

    def _map(self, node: inspect.DictType, use: _Use) -> Json:
        values = self._of(node.value_type, use) or True
        schema = {"type": "object", "additionalProperties": values} | _limits(maxProperties=node.max_length)
        longest = getattr(violations.bare(node.key_type), "max_length", None)
        return schema | ({"propertyNames": {"maxLength": longest}} if longest else {})

    def _discriminator(self, structs: Sequence[inspect.Type], schemas: Sequence[Json]) -> Json:
        nodes = [node for node in map(violations.bare, structs) if isinstance(node, inspect.StructType)]
        mapping = {str(node.tag): schema["$ref"] for node, schema in zip(nodes, schemas, strict=True)}
        return {"propertyName": nodes[0].tag_field, "mapping": mapping}

    def _name(self, node: inspect.StructType, use: _Use) -> str:
        key = node.cls, use
        if key not in self._names:
            self._names[key] = name = node.cls.__name__  # known before its fields are: a type may contain itself
            schema = self._struct(node, use)
            if self.components.setdefault(name, schema) != schema:
                self._names[key] = name = f"{name}Input"
                self.components[name] = schema
        return self._names[key]

    def _struct(self, node: inspect.StructType, use: _Use) -> Json:
        properties: Json = {}
        required: list[str] = []
        if node.tag_field is not None:
            properties[node.tag_field] = {"type": "string", "enum": [node.tag]}
            required.append(node.tag_field)
        for field in node.fields:
            name = field.encode_name
            note = {"description": NOTES[name]} if name in NOTES else {}
            properties[name] = self._of(field.type, use) | (_default(field) if use == "request" else {}) | note
            if field.required or (use == "response" and _is_always_emitted(field)):
                required.append(name)
        schema: Json = {"type": "object", "description": _description(node.cls), "properties": properties}
        if required:
            schema["required"] = required
        if node.forbid_unknown_fields:
            schema["additionalProperties"] = False
        return schema


def _scalar(node: inspect.Type) -> Json:
    match node:
        case inspect.StrType():
            pattern = node.pattern and violations.shown_pattern(node.pattern)
            return {"type": "string"} | _limits(minLength=node.min_length, maxLength=node.max_length, pattern=pattern)
        case inspect.IntType():
            return {"type": "integer"} | _limits(minimum=node.ge, maximum=node.le)
        case inspect.FloatType():
            return {"type": "number"} | _limits(minimum=node.ge, maximum=node.le)
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.NoneType():
            return {"type": "null"}
        case inspect.AnyType():
            return {}
    raise TypeError(f"no JSON Schema for {node}")


def fields_of(type_: type[Struct] | None) -> tuple[inspect.Field, ...]:
    node = violations.described(type_) if type_ is not None else None
    return node.fields if isinstance(node, inspect.StructType) else ()


def _is_always_emitted(field: inspect.Field) -> bool:
    """A field that is UNSET by default has neither a default nor a factory in the description."""
    return field.default is not NODEFAULT or field.default_factory is not NODEFAULT


def _default(field: inspect.Field) -> Json:
    return {"default": field.default} if isinstance(field.default, str | int | float) else {}


def _limits(**limits: Any) -> Json:
    return {name: limit for name, limit in limits.items() if limit is not None}


def _description(cls: type) -> str:
    """The docstring's first paragraph without rule ids and other words for our own eyes."""
    text = " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())
    return re.sub(r" \((UNSET|[A-Z]+-\d+[^)]*)\)", "", text)
