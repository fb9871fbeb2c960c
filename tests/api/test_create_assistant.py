"""createAssistant. Contract: docs/behaviour.md, sections 2.3 and 4.1."""

import pytest
from msgspec.structs import replace

from treadle.settings import Settings

FUNCTION = {"type": "function", "function": {"name": "get_weather"}}
FILE_SEARCH = {"type": "file_search"}
CODE_INTERPRETER = {"type": "code_interpreter"}


async def test_only_the_model_is_required_and_the_rest_has_defaults(api, clock):
    """A-1, I-4."""
    before = int(clock())

    made = await api.created("/assistants", {"model": "gpt-4o"})

    assert made.pop("id").startswith("asst_")
    assert before <= made.pop("created_at") <= int(clock())
    assert made == {
        "object": "assistant",
        "name": None,
        "description": None,
        "model": "gpt-4o",
        "instructions": None,
        "tools": [],
        "tool_resources": {},
        "metadata": {},
        "temperature": 1.0,
        "top_p": 1.0,
        "response_format": "auto",
        "reasoning_effort": None,
    }


async def test_null_means_the_default_too(api):
    """A-1."""
    plain = await api.created("/assistants", {"model": "gpt-4o"})
    nulls = dict.fromkeys(set(plain) - {"id", "object", "created_at", "model", "tools"})

    made = await api.created("/assistants", {"model": "gpt-4o", **nulls})

    assert made | {"id": "", "created_at": 0} == plain | {"id": "", "created_at": 0}


async def test_what_is_given_is_stored_and_comes_back(api):
    given = {
        "model": "gpt-4o",
        "name": "Tutor",
        "description": "Teaches maths",
        "instructions": "Be brief.\nÜben! 🎲 \u0000",
        "metadata": {"k": "v", "": ""},
        "temperature": 0.2,
        "top_p": 0.9,
        "reasoning_effort": "high",
    }

    made = await api.created("/assistants", given)

    assert {name: made[name] for name in given} == given
    assert await api.found(f"/assistants/{made['id']}") == made


async def test_zero_and_empty_are_values_and_not_absent(api):
    """Trap 8: 0, "" and [] are kept."""
    given = {"model": "m", "temperature": 0, "top_p": 0, "name": "", "description": "", "instructions": "", "tools": []}

    made = await api.created("/assistants", given)

    assert {name: made[name] for name in given} == given


async def test_tools_are_echoed_normalised(api):
    """A-2."""
    made = await api.created("/assistants", {"model": "gpt-4o", "tools": [FUNCTION, FILE_SEARCH, CODE_INTERPRETER]})

    ranking = {"ranker": "default_2024_08_21", "score_threshold": 0.0}
    assert made["tools"] == [
        {"type": "function", "function": {"name": "get_weather", "strict": False}},
        {"type": "file_search", "file_search": {"ranking_options": ranking}},
        {"type": "code_interpreter"},
    ]


async def test_the_ranker_auto_is_resolved_and_other_options_are_kept(api):
    """A-2."""
    options = {"max_num_results": 7, "ranking_options": {"ranker": "auto", "score_threshold": 0.5}}

    made = await api.created("/assistants", {"model": "m", "tools": [{**FILE_SEARCH, "file_search": options}]})

    ranking = {"ranker": "default_2024_08_21", "score_threshold": 0.5}
    assert made["tools"][0]["file_search"] == {"max_num_results": 7, "ranking_options": ranking}


async def test_the_parameters_of_a_function_come_back_as_they_were_given(api):
    parameters = {"type": "object", "properties": {"b": {"x-mine": [1.5, None, {"ü": True}]}, "a": {}}}
    function = {"name": "f", "description": "d", "parameters": parameters, "strict": True}

    made = await api.created("/assistants", {"model": "m", "tools": [{"type": "function", "function": function}]})

    assert made["tools"][0]["function"] == function
    assert list(made["tools"][0]["function"]["parameters"]["properties"]) == ["b", "a"]


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([FUNCTION, FILE_SEARCH, FUNCTION], "tools[2].function.name"),
        ([CODE_INTERPRETER, FUNCTION, CODE_INTERPRETER], "tools[2]"),
        ([FILE_SEARCH, FILE_SEARCH], "tools[1]"),
    ],
)
async def test_a_tool_that_occurs_twice_is_refused(api, tools, param):
    """A-3."""
    answer = await api.post("/assistants", {"model": "m", "tools": tools})

    assert answer.refusal == (400, "invalid_value", param)


@pytest.mark.parametrize(
    "response_format",
    [
        "auto",
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True}},
    ],
)
async def test_the_response_format_is_echoed_as_given(api, response_format):
    """A-8."""
    made = await api.created("/assistants", {"model": "m", "response_format": response_format})

    assert made["response_format"] == response_format


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh", "max"])
async def test_every_reasoning_effort_is_taken(api, effort):
    """A-9."""
    assert (await api.created("/assistants", {"model": "m", "reasoning_effort": effort}))["reasoning_effort"] == effort


async def test_a_vector_store_is_named_or_made_and_not_both(api):
    """A-4."""
    search = {"vector_store_ids": ["vs_1"], "vector_stores": [{}]}

    answer = await api.post("/assistants", {"model": "m", "tool_resources": {"file_search": search}})

    assert answer.refusal == (400, "invalid_value", "tool_resources.file_search.vector_stores")


async def test_an_unknown_vector_store_is_not_found(api):
    """E-64."""
    resources = {"file_search": {"vector_store_ids": ["vs_nowhere"]}}

    answer = await api.post("/assistants", {"model": "m", "tool_resources": resources})

    assert answer.status == 404
    assert answer.error["message"] == "No vector store found with id 'vs_nowhere'."


async def test_missing_files_are_named(api):
    """A-5, E-70."""
    resources = {"code_interpreter": {"file_ids": ["file-a", "file-b"]}}

    answer = await api.post("/assistants", {"model": "m", "tool_resources": resources})

    assert answer.refusal == (400, None, "tool_resources.code_interpreter.file_ids")
    assert answer.error["message"] == "The following files were not found: file-a, file-b."


@pytest.mark.parametrize(
    ("field", "fits", "too_much", "code"),
    [
        ("name", "🎲" * 256, "🎲" * 257, "string_above_max_length"),
        ("description", "d" * 512, "d" * 513, "string_above_max_length"),
        ("instructions", "i" * 256_000, "i" * 256_001, "string_above_max_length"),
        ("temperature", 2, 2.01, "decimal_above_max_value"),
        ("temperature", 0, -0.01, "decimal_below_min_value"),
        ("top_p", 1, 1.01, "decimal_above_max_value"),
        ("top_p", 0, -1, "decimal_below_min_value"),
        ("metadata", {f"k{n}": "" for n in range(16)}, {f"k{n}": "" for n in range(17)}, "object_above_max_properties"),
        ("metadata", {"k" * 64: ""}, {"k" * 65: ""}, "property_name_above_max_length"),
    ],
)
async def test_limits_are_inclusive_and_one_more_is_refused(api, field, fits, too_much, code):
    """E-34 to E-39; lengths are in code points."""
    assert (await api.created("/assistants", {"model": "m", field: fits}))[field] == fits

    answer = await api.post("/assistants", {"model": "m", field: too_much})

    assert answer.refusal == (400, code, field)


async def test_an_assistant_has_up_to_128_tools(api):
    """E-37."""
    tools = [{"type": "function", "function": {"name": f"f{n}"}} for n in range(129)]
    assert len((await api.created("/assistants", {"model": "m", "tools": tools[:128]}))["tools"]) == 128

    answer = await api.post("/assistants", {"model": "m", "tools": tools})

    assert answer.refusal == (400, "array_above_max_length", "tools")


@pytest.mark.parametrize(
    ("resources", "code", "param"),
    [
        ({"code_interpreter": {"file_ids": ["file-1"] * 21}}, "array_above_max_length", "code_interpreter.file_ids"),
        ({"file_search": {"vector_store_ids": ["vs_1"] * 2}}, "array_above_max_length", "file_search.vector_store_ids"),
        ({"file_search": {"vector_stores": [{}] * 2}}, "array_above_max_length", "file_search.vector_stores"),
        ({"code_interpreter": {"file_ids": ["vs_1"]}}, "invalid_value", "code_interpreter.file_ids[0]"),
        ({"file_search": {"vector_store_ids": ["file-1"]}}, "invalid_value", "file_search.vector_store_ids[0]"),
    ],
)
async def test_tool_resources_are_few_and_of_the_right_kind(api, resources, code, param):
    """E-37, E-42."""
    answer = await api.post("/assistants", {"model": "m", "tool_resources": resources})

    assert answer.refusal == (400, code, f"tool_resources.{param}")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("a b", "invalid_value"),
        ("ä", "invalid_value"),
        ("f\n", "invalid_value"),
        ("f" * 65, "string_above_max_length"),
        ("", "string_below_min_length"),
    ],
)
async def test_the_name_of_a_function_has_a_pattern(api, name, code):
    """E-43, E-36."""
    answer = await api.post("/assistants", {"model": "m", "tools": [{"type": "function", "function": {"name": name}}]})

    assert answer.refusal == (400, code, "tools[0].function.name")


async def test_the_pattern_is_told(api):
    """E-43."""
    answer = await api.post("/assistants", {"model": "m", "tools": [{"type": "function", "function": {"name": "a b"}}]})

    assert answer.error["message"] == (
        "Invalid 'tools[0].function.name': string does not match pattern. "
        "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
    )


@pytest.mark.parametrize(
    ("body", "code", "param", "message"),
    [
        ({}, "missing_required_parameter", "model", "Missing required parameter: 'model'."),
        (
            {"model": 5},
            "invalid_type",
            "model",
            "Invalid type for 'model': expected a string, but got an integer instead.",
        ),
        (
            {"model": None},
            "invalid_type",
            "model",
            "Invalid type for 'model': expected a string, but got null instead.",
        ),
        (
            {"model": "m", "tools": {}},
            "invalid_type",
            "tools",
            "Invalid type for 'tools': expected an array of objects, but got an object instead.",
        ),
        ({"model": "m", "file_ids": []}, "unknown_parameter", "file_ids", "Unknown parameter: 'file_ids'."),
        (
            {"model": "m", "temperature": 200},
            "decimal_above_max_value",
            "temperature",
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 200 instead.",
        ),
        (
            {"model": "m", "reasoning_effort": "huge"},
            "invalid_value",
            "reasoning_effort",
            "Invalid value: 'huge'. Supported values are: 'none', 'minimal', 'low', 'medium', 'high', 'xhigh', "
            "and 'max'.",
        ),
        (
            {"model": "m", "tools": [{"type": "retrieval"}]},
            "invalid_value",
            "tools[0].type",
            "Invalid value: 'retrieval'. Supported values are: 'code_interpreter', 'file_search', and 'function'.",
        ),
        (
            {"model": "m", "metadata": {"k": 1}},
            "invalid_type",
            "metadata.k",
            "Invalid type for 'metadata.k': expected a string, but got an integer instead.",
        ),
        (
            {"model": "m", "metadata": {"k": "v" * 513}},
            "string_above_max_length",
            "metadata.k",
            "Invalid 'metadata.k': string too long. Expected a string with maximum length 512, "
            "but got a string with length 513 instead.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
async def test_a_wrong_field_is_named_with_what_was_expected(api, body, code, param, message):
    """E-30 to E-41."""
    answer = await api.post("/assistants", body)

    assert answer.refusal == (400, code, param)
    assert answer.error["message"] == message
    assert answer.error["type"] == "invalid_request_error"


class TestWithAModelMap:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, mapped_only=True, default_model=None, models={})

    async def test_a_model_that_is_not_served_is_refused(self, api):
        """E-44."""
        answer = await api.post("/assistants", {"model": "gpt-9"})

        assert answer.refusal == (400, "model_not_found", "model")
        assert answer.error["message"] == "The requested model 'gpt-9' does not exist."
