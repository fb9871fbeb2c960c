"""The document we serve: complete, consistent with itself, and with what we emit."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import msgspec
import pytest

from treadle.contract.assistants import Assistant
from treadle.contract.events import EventName
from treadle.contract.openapi import document
from treadle.contract.operations import OPERATIONS
from treadle.contract.run_steps import RunStepList
from treadle.contract.vector_stores import VectorStore, VectorStoreStatus

DOCUMENT = document(OPERATIONS.values(), "1.2.3")
SCHEMAS = DOCUMENT["components"]["schemas"]
CHECK = Path(__file__).parents[3] / "shared" / "contract" / "check"


def operation(id):
    row = OPERATIONS[id]
    return DOCUMENT["paths"][row.path][row.method.lower()]


def references(node):
    if isinstance(node, dict):
        yield from [node["$ref"]] if "$ref" in node else []
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from references(child)


def test_every_operation_is_described_under_its_path():
    described = {
        (method.upper(), path, item["operationId"])
        for path, methods in DOCUMENT["paths"].items()
        for method, item in methods.items()
    }

    assert described == {(row.method, row.path, row.id) for row in OPERATIONS.values()}


def test_every_reference_leads_somewhere():
    for reference in set(references(DOCUMENT)):
        target = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        assert isinstance(target, dict)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_component_is_a_json_schema_with_a_description(name):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["description"]
    assert "UNSET" not in SCHEMAS[name]["description"]


def test_an_answer_requires_what_is_always_emitted_and_a_request_what_has_no_default():
    assert set(SCHEMAS["VectorStore"]["properties"]) - set(SCHEMAS["VectorStore"]["required"]) == {"expires_after"}
    assert SCHEMAS["CreateAssistantRequest"]["required"] == ["model"]
    assert SCHEMAS["FunctionDefinition"]["required"] == ["name", "strict"]
    assert SCHEMAS["FunctionDefinitionInput"]["required"] == ["name"]


def test_lists_require_ids_that_may_be_null():
    schema = SCHEMAS["RunStepList"]

    assert schema["required"] == ["object", "data", "first_id", "last_id", "has_more"]
    assert schema["properties"]["first_id"]["anyOf"] == [{"type": "string"}, {"type": "null"}]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (RunStepList(data=[]), "RunStepList"),
        (Assistant(id="asst_1", created_at=1, model="m"), "Assistant"),
        (VectorStore(id="vs_1", created_at=1, status=VectorStoreStatus.COMPLETED), "VectorStore"),
    ],
)
def test_what_we_emit_fits_what_we_describe(value, name):
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}

    jsonschema.validate(msgspec.json.decode(msgspec.json.encode(value)), schema)


def test_request_bodies_are_closed_and_their_media_types_are_stated():
    assert SCHEMAS["CreateRunRequest"]["additionalProperties"] is False
    form = operation("createFile")["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert list(form["properties"]) == ["file", "purpose", "expires_after[anchor]", "expires_after[seconds]"]
    assert form["required"] == ["file", "purpose"]
    assert operation("createThread")["requestBody"]["required"] is False
    assert "requestBody" not in operation("cancelRun")


def test_queries_state_their_defaults_limits_and_the_brackets_of_include():
    parameters = {p["name"]: p["schema"] for p in operation("listRunSteps")["parameters"] if p.get("in") == "query"}

    assert list(parameters) == ["limit", "order", "after", "before", "include[]"]
    assert parameters["limit"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    assert parameters["order"] == {"type": "string", "enum": ["asc", "desc"], "default": "desc"}
    assert "before" not in {p.get("name") for p in operation("listFiles")["parameters"]}


def test_the_beta_header_is_a_parameter_where_it_is_needed():
    beta = {"$ref": "#/components/parameters/Beta"}

    for row in OPERATIONS.values():
        assert (beta in operation(row.id)["parameters"]) == row.needs_beta


def test_a_stream_is_described_with_all_its_events():
    content = operation("createRun")["responses"]["200"]["content"]
    events = SCHEMAS["AssistantStreamEvent"]["oneOf"]

    assert content["text/event-stream"]["schema"] == {"$ref": "#/components/schemas/AssistantStreamEvent"}
    assert [event["properties"]["event"]["enum"][0] for event in events] == [name.value for name in EventName]
    assert "text/event-stream" not in operation("getRun")["responses"]["200"]["content"]


def test_errors_have_the_envelope():
    assert SCHEMAS["ErrorEnvelope"]["required"] == ["error"]
    assert SCHEMAS["ErrorDetail"]["required"] == ["message", "type", "param", "code"]
    for row in OPERATIONS.values():
        assert operation(row.id)["responses"].keys() == {"200", "429", "4XX", "5XX"}


def test_a_part_of_the_table_gives_a_document_of_that_part():
    small = document([OPERATIONS["listRunSteps"]], "1.2.3")

    assert list(small["paths"]) == ["/threads/{thread_id}/runs/{run_id}/steps"]
    assert "Assistant" not in small["components"]["schemas"]
    assert set(references(small)) <= {
        f"#/components/{kind}/{name}" for kind in small["components"] for name in small["components"][kind]
    }


if CHECK.exists():

    def test_the_published_description_asks_for_nothing_that_is_missing(tmp_path):
        file = tmp_path / "openapi.json"
        file.write_text(json.dumps(DOCUMENT))

        result = subprocess.run([sys.executable, CHECK, file], capture_output=True, text=True, check=False)

        assert result.returncode == 0, result.stdout

    @pytest.mark.parametrize("id", ["listRunSteps", "createRun", "createFile", "searchVectorStore"])
    def test_a_document_of_one_operation_is_complete_too(tmp_path, id):
        file = tmp_path / "openapi.json"
        file.write_text(json.dumps(document([OPERATIONS[id]], "1.2.3")))

        result = subprocess.run(
            [sys.executable, CHECK, file, "--operation", id], capture_output=True, text=True, check=False
        )

        assert result.returncode == 0, result.stdout
