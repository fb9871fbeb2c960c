"""Bodies that are refused, and with which words. Rules E-15, E-16, E-20, E-30 to E-43 and those of each resource."""

import json

import pytest

from treadle.contract.assistants import CreateAssistantRequest, ModifyAssistantRequest
from treadle.contract.errors import InvalidRequest
from treadle.contract.files import CreateFileRequest
from treadle.contract.messages import CreateMessageRequest, ModifyMessageRequest
from treadle.contract.runs import CreateRunRequest, CreateThreadAndRunRequest, SubmitToolOutputsRequest
from treadle.contract.threads import CreateThreadRequest
from treadle.contract.tools import FunctionTool
from treadle.contract.uploads import CreateUploadRequest
from treadle.contract.validation import MAX_DEPTH, check_id, decode_body, decode_form
from treadle.contract.vector_store_file_batches import CreateVectorStoreFileBatchRequest
from treadle.contract.vector_store_files import CreateVectorStoreFileRequest, UpdateVectorStoreFileAttributesRequest
from treadle.contract.vector_store_search import VectorStoreSearchRequest
from treadle.contract.vector_stores import CreateVectorStoreRequest

NOT_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
    "correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have trouble "
    "figuring out how to fix this, please contact us through our help center at help.openai.com.)"
)
THREE_TOOLS = "Supported values are: 'code_interpreter', 'file_search', and 'function'."


def assistant(**fields):
    return CreateAssistantRequest, {"model": "m", **fields}


def message(content="hi", **fields):
    return CreateMessageRequest, {"role": "user", "content": content, **fields}


def run(**fields):
    return CreateRunRequest, {"assistant_id": "asst_1", **fields}


def function(name="f", **fields):
    return {"type": "function", "function": {"name": name, **fields}}


def static_chunks(size, overlap):
    return {"type": "static", "static": {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}}


def text(value):
    return {"type": "text", "text": value}


def image(url):
    return {"type": "image_url", "image_url": {"url": url}}


# rule, (type, body), message, param, code
REFUSED = [
    ("E-30", assistant(colour="red"), "Unknown parameter: 'colour'.", "colour", "unknown_parameter"),
    (
        "E-30 nested",
        (CreateThreadRequest, {"messages": [{"role": "user", "content": "hi", "x": 1}]}),
        "Unknown parameter: 'messages[0].x'.",
        "messages[0].x",
        "unknown_parameter",
    ),
    (
        "E-31",
        (CreateAssistantRequest, {}),
        "Missing required parameter: 'model'.",
        "model",
        "missing_required_parameter",
    ),
    (
        "E-31 nested",
        assistant(tools=[{"type": "code_interpreter"}, {"type": "function", "function": {}}]),
        "Missing required parameter: 'tools[1].function.name'.",
        "tools[1].function.name",
        "missing_required_parameter",
    ),
    (
        "E-31 tag",
        assistant(tools=[{"function": {"name": "f"}}]),
        "Missing required parameter: 'tools[0].type'.",
        "tools[0].type",
        "missing_required_parameter",
    ),
    (
        "E-32 string",
        assistant(model=7),
        "Invalid type for 'model': expected a string, but got an integer instead.",
        "model",
        "invalid_type",
    ),
    (
        "E-32 null",
        assistant(model=None),
        "Invalid type for 'model': expected a string, but got null instead.",
        "model",
        "invalid_type",
    ),
    (
        "E-32 null allowed too",
        assistant(name=True),
        "Invalid type for 'name': expected a string, but got a boolean instead.",
        "name",
        "invalid_type",
    ),
    (
        "E-32 object",
        assistant(metadata=[]),
        "Invalid type for 'metadata': expected an object, but got an array instead.",
        "metadata",
        "invalid_type",
    ),
    (
        "E-32 array",
        assistant(tools={}),
        "Invalid type for 'tools': expected an array of objects, but got an object instead.",
        "tools",
        "invalid_type",
    ),
    (
        "E-32 item",
        assistant(tools=["code_interpreter"]),
        "Invalid type for 'tools[0]': expected an object, but got a string instead.",
        "tools[0]",
        "invalid_type",
    ),
    (
        "E-32 integer",
        run(max_prompt_tokens=300.5),
        "Invalid type for 'max_prompt_tokens': expected an integer, but got a decimal instead.",
        "max_prompt_tokens",
        "invalid_type",
    ),
    (
        "E-32 decimal",
        run(temperature="hot"),
        "Invalid type for 'temperature': expected a decimal, but got a string instead.",
        "temperature",
        "invalid_type",
    ),
    (
        "E-32 boolean",
        run(stream=1),
        "Invalid type for 'stream': expected a boolean, but got an integer instead.",
        "stream",
        "invalid_type",
    ),
    (
        "E-32 union",
        message(content=None),
        "Invalid type for 'content': expected one of a string or an array of objects, but got null instead.",
        "content",
        "invalid_type",
    ),
    (
        "E-32 union of an enum",
        run(tool_choice=3),
        "Invalid type for 'tool_choice': expected one of a string or an object, but got an integer instead.",
        "tool_choice",
        "invalid_type",
    ),
    (
        "E-32 union of four",
        (UpdateVectorStoreFileAttributesRequest, {"attributes": {"a": None}}),
        "Invalid type for 'attributes.a': expected one of a string, an integer, a decimal, or a boolean, "
        "but got null instead.",
        "attributes.a",
        "invalid_type",
    ),
    (
        "E-32 tag",
        assistant(tools=[{"type": 1}]),
        "Invalid type for 'tools[0].type': expected a string, but got an integer instead.",
        "tools[0].type",
        "invalid_type",
    ),
    (
        "E-33 two values",
        (CreateMessageRequest, {"role": "system", "content": "hi"}),
        "Invalid value: 'system'. Supported values are: 'user' and 'assistant'.",
        "role",
        "invalid_value",
    ),
    (
        "E-33 three values",
        run(tool_choice="any"),
        "Invalid value: 'any'. Supported values are: 'none', 'auto', and 'required'.",
        "tool_choice",
        "invalid_value",
    ),
    (
        "E-33 tag",
        assistant(tools=[{"type": "retrieval"}]),
        f"Invalid value: 'retrieval'. {THREE_TOOLS}",
        "tools[0].type",
        "invalid_value",
    ),
    (
        "E-34 below",
        run(max_prompt_tokens=255),
        "Invalid 'max_prompt_tokens': integer below minimum value. Expected a value >= 256, but got 255 instead.",
        "max_prompt_tokens",
        "integer_below_min_value",
    ),
    (
        "E-34 above",
        (VectorStoreSearchRequest, {"query": "q", "max_num_results": 51}),
        "Invalid 'max_num_results': integer above maximum value. Expected a value <= 50, but got 51 instead.",
        "max_num_results",
        "integer_above_max_value",
    ),
    (
        "E-35 above",
        run(temperature=200),
        "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 200 instead.",
        "temperature",
        "decimal_above_max_value",
    ),
    (
        "E-35 below",
        run(top_p=-0.5),
        "Invalid 'top_p': decimal below minimum value. Expected a value >= 0, but got -0.5 instead.",
        "top_p",
        "decimal_below_min_value",
    ),
    (
        "E-36",
        assistant(name="n" * 257),
        "Invalid 'name': string too long. Expected a string with maximum length 256, "
        "but got a string with length 257 instead.",
        "name",
        "string_above_max_length",
    ),
    (
        "E-36 short",
        assistant(tools=[function(name="")]),
        "Invalid 'tools[0].function.name': string too short. Expected a string with minimum length 1, "
        "but got a string with length 0 instead.",
        "tools[0].function.name",
        "string_below_min_length",
    ),
    (
        "E-37 long",
        assistant(tools=[function(name=f"f{n}") for n in range(129)]),
        "Invalid 'tools': array too long. Expected an array with maximum length 128, "
        "but got an array with length 129 instead.",
        "tools",
        "array_above_max_length",
    ),
    (
        "E-37 empty",
        message(content=[]),
        "Invalid 'content': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        "content",
        "empty_array",
    ),
    (
        "E-38",
        assistant(metadata={f"k{n}": "v" for n in range(17)}),
        "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, "
        "but got an object with 17 properties instead.",
        "metadata",
        "object_above_max_properties",
    ),
    (
        "E-39",
        assistant(metadata={"k" * 65: "v"}),
        f"Invalid property name in 'metadata': '{'k' * 65}' is too long. Expected a string with maximum length 64, "
        "but got a string with length 65 instead.",
        "metadata",
        "property_name_above_max_length",
    ),
    (
        "E-40",
        assistant(metadata={"key": "v" * 513}),
        "Invalid 'metadata.key': string too long. Expected a string with maximum length 512, "
        "but got a string with length 513 instead.",
        "metadata.key",
        "string_above_max_length",
    ),
    (
        "E-41",
        assistant(metadata={"key": 5}),
        "Invalid type for 'metadata.key': expected a string, but got an integer instead.",
        "metadata.key",
        "invalid_type",
    ),
    (
        "E-42",
        (CreateRunRequest, {"assistant_id": "undefined"}),
        "Invalid 'assistant_id': 'undefined'. Expected an ID that begins with 'asst'.",
        "assistant_id",
        "invalid_value",
    ),
    (
        "E-42 file",
        (CreateVectorStoreFileRequest, {"file_id": "file_1"}),
        "Invalid 'file_id': 'file_1'. Expected an ID that begins with 'file'.",
        "file_id",
        "invalid_value",
    ),
    (
        "E-42 nested",
        assistant(tool_resources={"file_search": {"vector_store_ids": ["vsfb_1"]}}),
        "Invalid 'tool_resources.file_search.vector_store_ids[0]': 'vsfb_1'. Expected an ID that begins with 'vs'.",
        "tool_resources.file_search.vector_store_ids[0]",
        "invalid_value",
    ),
    (
        "E-43",
        assistant(tools=[function(name="get weather")]),
        "Invalid 'tools[0].function.name': string does not match pattern. "
        "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
        "tools[0].function.name",
        "invalid_value",
    ),
    (
        "E-43 final newline",
        assistant(tools=[function(name="f\n")]),
        "Invalid 'tools[0].function.name': string does not match pattern. "
        "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
        "tools[0].function.name",
        "invalid_value",
    ),
    (
        "A-3 tool",
        assistant(tools=[{"type": "file_search"}, {"type": "file_search"}]),
        "Invalid 'tools[1]': the tool 'file_search' is given more than once.",
        "tools[1]",
        "invalid_value",
    ),
    (
        "A-3 function",
        run(tools=[function("f"), {"type": "code_interpreter"}, function("f")]),
        "Invalid 'tools[2].function.name': the function 'f' is defined more than once.",
        "tools[2].function.name",
        "invalid_value",
    ),
    (
        "A-4",
        assistant(tool_resources={"file_search": {"vector_store_ids": ["vs_1"], "vector_stores": [{}]}}),
        "Invalid 'tool_resources.file_search.vector_stores': 'vector_store_ids' and 'vector_stores' cannot be given "
        "together.",
        "tool_resources.file_search.vector_stores",
        "invalid_value",
    ),
    (
        "A-6 modify knows no inline store",
        (ModifyAssistantRequest, {"tool_resources": {"code_interpreter": {"file_ids": ["file-1"] * 21}}}),
        "Invalid 'tool_resources.code_interpreter.file_ids': array too long. Expected an array with maximum length 20, "
        "but got an array with length 21 instead.",
        "tool_resources.code_interpreter.file_ids",
        "array_above_max_length",
    ),
    (
        "A-8",
        assistant(response_format={"type": "json_schema", "json_schema": {"name": "a b"}}),
        "Invalid 'response_format.json_schema.name': string does not match pattern. "
        "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
        "response_format.json_schema.name",
        "invalid_value",
    ),
    (
        "R-27",
        run(tool_choice={"type": "function"}),
        "Missing required parameter: 'tool_choice.function'.",
        "tool_choice.function",
        "missing_required_parameter",
    ),
    (
        "R-29",
        run(truncation_strategy={"type": "last_messages"}),
        "Missing required parameter: 'truncation_strategy.last_messages'.",
        "truncation_strategy.last_messages",
        "missing_required_parameter",
    ),
    (
        "R-24",
        run(additional_messages=[{"role": "user", "content": "a"}, {"role": "user", "content": " "}]),
        "Message content must be non-empty.",
        "additional_messages[1].content",
        None,
    ),
    (
        "R-24 number",
        run(additional_messages=[{"role": "user", "content": "a"}] * 33),
        "Invalid 'additional_messages': array too long. Expected an array with maximum length 32, "
        "but got an array with length 33 instead.",
        "additional_messages",
        "array_above_max_length",
    ),
    (
        "R-32 path of the thread",
        (CreateThreadAndRunRequest, {"assistant_id": "asst_1", "thread": {"messages": [{"role": "x"}]}}),
        "Invalid value: 'x'. Supported values are: 'user' and 'assistant'.",
        "thread.messages[0].role",
        "invalid_value",
    ),
    (
        "R-32 check of the thread",
        (
            CreateThreadAndRunRequest,
            {"assistant_id": "asst_1", "thread": {"messages": [{"role": "user", "content": ""}]}},
        ),
        "Message content must be non-empty.",
        "thread.messages[0].content",
        None,
    ),
    (
        "R-42",
        (SubmitToolOutputsRequest, {"tool_outputs": [{"tool_call_id": "call_1", "output": {}}]}),
        "Invalid type for 'tool_outputs[0].output': expected a string, but got an object instead.",
        "tool_outputs[0].output",
        "invalid_type",
    ),
    (
        "R-42 length",
        (SubmitToolOutputsRequest, {"tool_outputs": [{"tool_call_id": "call_1", "output": "x" * (512 * 1024 + 1)}]}),
        "Invalid 'tool_outputs[0].output': string too long. Expected a string with maximum length 524288, "
        "but got a string with length 524289 instead.",
        "tool_outputs[0].output",
        "string_above_max_length",
    ),
    ("M-3 empty", message(content=""), "Message content must be non-empty.", "content", None),
    ("M-3 blank", message(content=" \n\t"), "Message content must be non-empty.", "content", None),
    ("M-3 blank parts", message(content=[text(""), text(" ")]), "Message content must be non-empty.", "content", None),
    (
        "M-3 scheme",
        message(content=[text("see"), image("ftp://host/a.png")]),
        "Invalid 'content[1].image_url.url': expected a URL that begins with 'http://', 'https://' or 'data:'.",
        "content[1].image_url.url",
        "invalid_value",
    ),
    (
        "E-80",
        message(content=[image("https://host/a.pdf?size=1")]),
        "Invalid 'content[0].image_url.url'. Expected url to end in a supported format: .jpeg, .jpg, .png, .gif, "
        ".webp.",
        "content[0].image_url.url",
        "invalid_value",
    ),
    (
        "M-9 tools missing",
        message(attachments=[{"file_id": "file-1"}]),
        "Missing required parameter: 'attachments[0].tools'.",
        "attachments[0].tools",
        "missing_required_parameter",
    ),
    (
        "M-9 tools empty",
        message(attachments=[{"file_id": "file-1", "tools": []}]),
        "Invalid 'attachments[0].tools': empty array. Expected an array with minimum length 1, "
        "but got an empty array instead.",
        "attachments[0].tools",
        "empty_array",
    ),
    (
        "M-9 file missing",
        message(attachments=[{"tools": [{"type": "file_search"}]}]),
        "Missing required parameter: 'attachments[0].file_id'.",
        "attachments[0].file_id",
        "missing_required_parameter",
    ),
    (
        "M-6 no function as an attachment's tool",
        message(attachments=[{"file_id": "file-1", "tools": [function()]}]),
        "Invalid value: 'function'. Supported values are: 'code_interpreter' and 'file_search'.",
        "attachments[0].tools[0].type",
        "invalid_value",
    ),
    (
        "E-51",
        message(attachments=[{"file_id": "file-1", "tools": [{"type": "file_search"}]}] * 21),
        "Invalid 'attachments': array too long. Expected an array with maximum length 20, "
        "but got an array with length 21 instead.",
        "attachments",
        "array_above_max_length",
    ),
    (
        "VS-11 overlap",
        (
            CreateVectorStoreRequest,
            {"chunking_strategy": static_chunks(100, 51)},
        ),
        "Invalid 'chunking_strategy.static.chunk_overlap_tokens': integer above maximum value. "
        "Expected a value <= 50, but got 51 instead.",
        "chunking_strategy.static.chunk_overlap_tokens",
        "integer_above_max_value",
    ),
    (
        "VS-11 overlap of an inline store",
        (
            CreateThreadRequest,
            {"tool_resources": {"file_search": {"vector_stores": [{"chunking_strategy": static_chunks(800, -1)}]}}},
        ),
        "Invalid 'tool_resources.file_search.vector_stores[0].chunking_strategy.static.chunk_overlap_tokens': "
        "integer below minimum value. Expected a value >= 0, but got -1 instead.",
        "tool_resources.file_search.vector_stores[0].chunking_strategy.static.chunk_overlap_tokens",
        "integer_below_min_value",
    ),
    (
        "VS-17 required",
        (UpdateVectorStoreFileAttributesRequest, {}),
        "Missing required parameter: 'attributes'.",
        "attributes",
        "missing_required_parameter",
    ),
    (
        "VS-21 neither",
        (CreateVectorStoreFileBatchRequest, {}),
        "Missing required parameter: 'file_ids'.",
        "file_ids",
        "missing_required_parameter",
    ),
    (
        "VS-21 both",
        (CreateVectorStoreFileBatchRequest, {"file_ids": ["file-1"], "files": [{"file_id": "file-1"}]}),
        "Invalid 'files': 'file_ids' and 'files' cannot be given together.",
        "files",
        "invalid_value",
    ),
    (
        "VS-33 nested filter",
        (
            VectorStoreSearchRequest,
            {"query": "q", "filters": {"type": "and", "filters": [{"type": "like", "key": "a", "value": "b"}]}},
        ),
        "Invalid value: 'like'. Supported values are: 'eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin', 'and', "
        "and 'or'.",
        "filters.filters[0].type",
        "invalid_value",
    ),
    (
        "U-1",
        (CreateUploadRequest, {"filename": "a", "purpose": "assistants", "mime_type": "text/plain", "bytes": 0}),
        "Invalid 'bytes': integer below minimum value. Expected a value >= 1, but got 0 instead.",
        "bytes",
        "integer_below_min_value",
    ),
]


@pytest.mark.parametrize(("rule", "request_", "message", "param", "code"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_body_is_refused_with_the_contracts_words(rule, request_, message, param, code):
    type_, body = request_

    with pytest.raises(InvalidRequest) as refused:
        decode_body(type_, json.dumps(body).encode())

    error = refused.value
    assert (error.http_status, error.type) == (400, "invalid_request_error")
    assert (error.message, error.param, error.code) == (message, param, code)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"model": "m"} trailing',
        b'{"model": "m", "name": NaN}',
        b'{"model": 5, "name": ',  # the syntax is judged before the schema (O-1)
        b"\xef\xbb\xbf{}",
        b'{"model": "\xff"}',
        b'{"model": "m", "tools": [{"type": "code_interpreter", "ignored": "\xff"}]}',
        b'{"model": "\\ud800"}',
        b"null",
        b"[]",
        b'"text"',
        b"7",
    ],
)
def test_what_is_not_a_json_object_is_e15(body):
    with pytest.raises(InvalidRequest) as refused:
        decode_body(CreateAssistantRequest, body)

    assert (refused.value.message, refused.value.param, refused.value.code) == (NOT_JSON, None, None)


def nested(depth):
    value = '{"a":' * (depth - 4) + "1" + "}" * (depth - 4)
    tool = f'{{"type":"function","function":{{"name":"f","parameters":{value}}}}}'
    return f'{{"model":"m","tools":[{tool}]}}'.encode()


def test_json_may_nest_only_so_deep_that_it_can_be_encoded_again():
    assert decode_body(CreateAssistantRequest, nested(MAX_DEPTH)).model == "m"
    for depth in (MAX_DEPTH + 1, 5000, 1_000_000):
        with pytest.raises(InvalidRequest) as refused:
            decode_body(CreateAssistantRequest, nested(depth))
        assert refused.value.message == NOT_JSON


def test_brackets_inside_strings_are_not_depth():
    body = json.dumps({"model": "m", "instructions": '[{"\\' * 2000}).encode()

    assert decode_body(CreateAssistantRequest, body).instructions == '[{"\\' * 2000


def test_an_empty_body_is_an_empty_object():
    assert decode_body(CreateThreadRequest, b"") == CreateThreadRequest()


def test_the_first_violation_in_the_order_of_the_document_is_reported():
    for body, param in [
        ({"temperature": 9, "colour": 1, "model": 5}, "temperature"),
        ({"colour": 1, "model": 5, "temperature": 9}, "colour"),
        ({"name": "n", "top_p": 2}, "top_p"),  # a missing key comes after those that are there
        ({"name": "n"}, "model"),
    ]:
        with pytest.raises(InvalidRequest) as refused:
            decode_body(CreateAssistantRequest, json.dumps(body).encode())
        assert refused.value.param == param


def test_a_key_that_occurs_twice_is_judged_twice():
    with pytest.raises(InvalidRequest) as refused:
        decode_body(CreateAssistantRequest, b'{"model": 5, "model": "m"}')

    assert refused.value.param == "model"
    assert refused.value.message == "Expected `str`, got `int`."


@pytest.mark.parametrize(
    ("type_", "body"),
    [
        assistant(
            name="n" * 256,
            description="d" * 512,
            instructions="i" * 256_000,
            temperature=2,
            top_p=1,
            metadata={f"{n:064}": "v" * 512 for n in range(16)},
            tools=[function(name=f"{n:064}") for n in range(128)],
            tool_resources={"code_interpreter": {"file_ids": ["file-1"] * 20}},
        ),
        assistant(temperature=0, top_p=0, tools=[{"type": "file_search", "file_search": {"max_num_results": 50}}]),
        message(content="x" * 256_000),
        message(content=[text("x" * 256_000)] * 3),
        message(content=[text(""), image("https://host/picture")]),
        message(content=[image("data:image/png;base64," + "A" * (256_000 - 22))]),
        message(content=[image("https://host/a.pdf/thumbnail.PNG")]),
        message(attachments=[{"file_id": "file-1", "tools": [{"type": "file_search"}]}] * 20),
        run(max_prompt_tokens=256, max_completion_tokens=256, tools=[function(name=f"f{n}") for n in range(128)]),
        run(additional_messages=[{"role": "assistant", "content": "a"}] * 32, parallel_tool_calls=None),
        run(truncation_strategy={"type": "last_messages", "last_messages": 1}),
        run(tool_choice={"type": "file_search"}),
        (SubmitToolOutputsRequest, {"tool_outputs": [{"tool_call_id": "call_1", "output": "é" * 512 * 1024}]}),
        (CreateThreadRequest, {"messages": [{"role": "user", "content": "a"}] * 32}),
        (CreateVectorStoreRequest, {"file_ids": ["file-1"] * 500}),
        (CreateVectorStoreRequest, {"expires_after": {"anchor": "last_active_at", "days": 365}}),
        (CreateVectorStoreFileBatchRequest, {"file_ids": ["file-1"] * 2000}),
        (CreateVectorStoreFileBatchRequest, {"files": [{"file_id": "file-1"}] * 2000}),
        (UpdateVectorStoreFileAttributesRequest, {"attributes": {"s": "v" * 512, "i": 1, "d": 1.5, "b": True}}),
        (UpdateVectorStoreFileAttributesRequest, {"attributes": None}),
        (VectorStoreSearchRequest, {"query": ["a", "b"], "ranking_options": {"ranker": "none", "score_threshold": 1}}),
    ],
)
def test_what_just_keeps_to_the_limits_is_accepted(type_, body):
    assert isinstance(decode_body(type_, json.dumps(body).encode()), type_)


@pytest.mark.parametrize(
    ("type_", "body", "param"),
    [
        (*assistant(description="d" * 513), "description"),
        (*assistant(instructions="i" * 256_001), "instructions"),
        (*assistant(temperature=2.01), "temperature"),
        (*assistant(top_p=1.01), "top_p"),
        (*assistant(tools=[function(name="f" * 65)]), "tools[0].function.name"),
        (
            *assistant(tools=[{"type": "file_search", "file_search": {"max_num_results": 0}}]),
            "tools[0].file_search.max_num_results",
        ),
        (
            *assistant(tools=[{"type": "file_search", "file_search": {"ranking_options": {"score_threshold": 1.1}}}]),
            "tools[0].file_search.ranking_options.score_threshold",
        ),
        (
            *assistant(tool_resources={"file_search": {"vector_store_ids": ["vs_1", "vs_2"]}}),
            "tool_resources.file_search.vector_store_ids",
        ),
        (
            *assistant(tool_resources={"file_search": {"vector_stores": [{}, {}]}}),
            "tool_resources.file_search.vector_stores",
        ),
        (*message(content="x" * 256_001), "content"),
        (*message(content=[text("x" * 256_001)]), "content[0].text"),
        (*message(content=[image("data:" + "A" * 256_000)]), "content[0].image_url.url"),
        (*run(max_completion_tokens=255), "max_completion_tokens"),
        (*run(truncation_strategy={"type": "last_messages", "last_messages": 0}), "truncation_strategy.last_messages"),
        (CreateThreadRequest, {"messages": [{"role": "user", "content": "a"}] * 33}, "messages"),
        (CreateVectorStoreRequest, {"file_ids": ["file-1"] * 501}, "file_ids"),
        (CreateVectorStoreRequest, {"expires_after": {"anchor": "last_active_at", "days": 366}}, "expires_after.days"),
        (CreateVectorStoreFileBatchRequest, {"file_ids": ["file-1"] * 2001}, "file_ids"),
        (CreateVectorStoreFileBatchRequest, {"files": []}, "files"),
        (UpdateVectorStoreFileAttributesRequest, {"attributes": {"a": "v" * 513}}, "attributes.a"),
        (UpdateVectorStoreFileAttributesRequest, {"attributes": {f"k{n}": 1 for n in range(17)}}, "attributes"),
    ],
)
def test_a_limit_passed_by_one_is_refused(type_, body, param):
    with pytest.raises(InvalidRequest) as refused:
        decode_body(type_, json.dumps(body).encode())

    assert refused.value.param == param


def test_lengths_count_code_points_and_not_bytes():
    assert decode_body(CreateAssistantRequest, json.dumps({"model": "m", "name": "🧵" * 256}).encode())
    with pytest.raises(InvalidRequest, match="length 257"):
        decode_body(CreateAssistantRequest, json.dumps({"model": "m", "name": "🧵" * 257}, ensure_ascii=False).encode())


def test_zero_empty_and_false_are_values_and_not_absent():
    body = decode_body(CreateRunRequest, b'{"assistant_id":"asst_1","temperature":0,"instructions":"","tools":[]}')

    assert (body.temperature, body.instructions, body.tools) == (0.0, "", [])


def test_a_modification_tells_null_from_omitted():
    assert decode_body(ModifyMessageRequest, b"") == ModifyMessageRequest()
    assert decode_body(ModifyMessageRequest, b'{"metadata": null}') == ModifyMessageRequest(metadata=None)
    assert ModifyMessageRequest() != ModifyMessageRequest(metadata=None)


def test_unknown_keys_of_a_tool_are_tolerated_since_its_schema_is_open():
    raw = b'{"model": "m", "tools": [{"type": "function", "function": {"name": "f", "x": 1}}]}'

    body = decode_body(CreateAssistantRequest, raw)

    assert isinstance(body.tools[0], FunctionTool)


def test_a_form_nests_bracketed_names_and_reads_numbers():
    file = object()

    form = decode_form(
        CreateFileRequest,
        {
            "purpose": "assistants",
            "expires_after[anchor]": "created_at",
            "expires_after[seconds]": "3600",
            "file": file,
        },
    )

    assert form.file is file
    assert (form.purpose, form.expires_after.seconds) == ("assistants", 3600)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"purpose": "assistants"}, "file", "missing_required_parameter"),
        ({"file": b""}, "purpose", "missing_required_parameter"),
        ({"file": b"", "purpose": "fun"}, "purpose", "invalid_value"),
        ({"file": b"", "purpose": "vision", "colour": "red"}, "colour", "unknown_parameter"),
        (
            {"file": b"", "purpose": "vision", "expires_after[anchor]": "created_at", "expires_after[seconds]": "1"},
            "expires_after.seconds",
            "integer_below_min_value",
        ),
        (
            {"file": b"", "purpose": "vision", "expires_after[anchor]": "created_at", "expires_after[seconds]": "soon"},
            "expires_after.seconds",
            "invalid_type",
        ),
        ({"file": b"", "purpose": "vision", "expires_after": "x"}, "expires_after", "invalid_type"),
        (
            {"file": b"", "purpose": "vision", "expires_after": "x", "expires_after[seconds]": "3600"},
            "expires_after",
            "invalid_type",
        ),
    ],
)
def test_a_form_is_refused_like_a_body(fields, param, code):
    with pytest.raises(InvalidRequest) as refused:
        decode_form(CreateFileRequest, fields)

    assert (refused.value.param, refused.value.code) == (param, code)


def test_an_id_in_the_path_must_have_the_prefix_of_its_kind():
    check_id("run", "run_1", "run_id")
    with pytest.raises(InvalidRequest) as refused:
        check_id("run", "x", "run_id")

    assert refused.value.message == "Invalid 'run_id': 'x'. Expected an ID that begins with 'run'."
    assert (refused.value.param, refused.value.code) == ("run_id", "invalid_value")
