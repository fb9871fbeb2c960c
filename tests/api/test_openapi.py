"""The document at /openapi.json: what is served, no more and no less."""

import json
import subprocess
import sys
from pathlib import Path

import httpx2
import jsonschema
import pytest

from treadle.http.routes import BINDINGS

CHECK = Path(__file__).parents[3] / "shared" / "contract" / "check"
OPERATIONS = [bound.operation for bound in BINDINGS]


@pytest.fixture
async def document(server):
    async with httpx2.AsyncClient(base_url=server.root) as http:
        response = await http.get("/openapi.json")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    return response.json()


async def test_it_describes_exactly_the_operations_that_are_served(document):
    described = {
        (item["operationId"], method.upper(), path)
        for path, methods in document["paths"].items()
        for method, item in methods.items()
    }

    assert described == {(row.id, row.method, row.path) for row in OPERATIONS}


async def test_every_described_operation_answers_at_its_url(api, document):
    """None of them is an unknown URL or a wrong method (E-13, E-14)."""
    (base,) = [entry["url"] for entry in document["servers"]]
    assert base == "/v1"

    for path, methods in document["paths"].items():
        for method in methods:
            answer = await api.request(method.upper(), path.replace("{", "").replace("}", ""))
            assert answer.status != 405
            assert "Invalid URL" not in str(answer.json), path


async def test_the_beta_header_and_the_key_are_described_where_they_are_needed(document):
    """H-2, H-3."""
    assert document["security"] == [{"ApiKey": []}]
    for row in OPERATIONS:
        parameters = document["paths"][row.path][row.method.lower()]["parameters"]
        assert ({"$ref": "#/components/parameters/Beta"} in parameters) is row.path.startswith(
            ("/assistants", "/threads")
        )


async def test_all_its_schemas_are_schemas_and_all_its_references_lead_somewhere(document):
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for reference in references(document):
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def references(node):
    if isinstance(node, dict):
        yield from [node["$ref"]] if "$ref" in node else []
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from references(child)


# The published description is at hand in the team's own checkouts only.
if CHECK.exists():

    async def test_the_published_description_asks_for_nothing_that_is_missing(document, tmp_path):
        file = tmp_path / "openapi.json"
        file.write_text(json.dumps(document))
        served = {row.id for row in OPERATIONS} | {"document"}

        result = subprocess.run([sys.executable, CHECK, file, "--json"], capture_output=True, text=True, check=False)

        findings = json.loads(result.stdout)["findings"]
        assert [finding for finding in findings if finding["operation"] in served] == []
