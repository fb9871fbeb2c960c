"""What is not served. Contract: docs/behaviour.md, rules E-13 and E-14."""

import httpx2
import pytest

from treadle.contract.operations import OPERATIONS
from treadle.http.routes import BINDINGS

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
SERVED = {}
for _bound in BINDINGS:
    SERVED.setdefault(_bound.operation.path, set()).add(_bound.operation.method)


def some_path(path):
    return path.replace("{", "").replace("}", "")


async def test_a_known_path_names_its_methods_to_those_that_use_another(api):
    """E-14; there is no list of threads (T-3)."""
    for path, methods in SERVED.items():
        for method in METHODS - methods:
            answer = await api.request(method, some_path(path))

            assert answer.refusal == (405, None, None), path
            assert answer.error["message"] == f"Invalid method for URL ({method} /v1{some_path(path)})"
            assert answer.headers["allow"] == ", ".join(sorted(methods))


async def test_head_is_answered_without_a_body(server, api):
    """E-14."""
    response = await api.http.head("/v1/assistants")

    assert (response.status_code, response.content) == (405, b"")


async def test_an_unknown_path_is_told_back(api):
    """E-13."""
    for path in (
        "/",
        "/assistant",
        "/assistants/asst_1/files",
        "/threads/thread_1/run",
        "/threads/thread_1/runs/run_1/steps/step_1/x",
        "/threads/runs/x/y",
        "/completions",
        "/responses",
        "/engines",
        "/fine_tuning/jobs",
        "/v1/assistants",
        "/Assistants",
        "/assistants;x=y",
    ):
        answer = await api.get(path)

        assert answer.refusal == (404, None, None)
        assert answer.error["message"] == f"Invalid URL (GET /v1{path})"
        assert answer.error["type"] == "invalid_request_error"


NOT_SERVED = [row for row in OPERATIONS.values() if row.path not in SERVED]


async def test_an_operation_that_is_not_served_is_an_unknown_path(api):
    """E-13: never 501 and never a pretended answer."""
    for operation in NOT_SERVED:
        answer = await api.request(operation.method, some_path(operation.path))

        assert answer.refusal == (404, None, None)
        assert answer.error["message"] == f"Invalid URL ({operation.method} /v1{some_path(operation.path)})"


async def test_the_query_is_no_part_of_what_is_told(api):
    """E-13: a query may hold a secret."""
    answer = await api.get("/nowhere", {"api_key": "sk-secret"})

    assert answer.error["message"] == "Invalid URL (GET /v1/nowhere)"


async def test_a_long_path_is_told_back_in_part(api):
    answer = await api.get("/" + "x" * 5000)

    assert answer.status == 404
    assert len(answer.error["message"]) < 300


@pytest.mark.parametrize("path", ["/assistants/", "//assistants"])
async def test_a_slash_too_many_around_a_path_does_no_harm(api, assistant, path):
    """Base URLs come with and without their last slash."""
    answer = await api.get(path)

    assert [item["id"] for item in answer.json["data"]] == [assistant["id"]]


@pytest.mark.parametrize("path", ["/threads//messages", "/threads//runs/run_1", "/assistants//x"])
async def test_an_empty_segment_inside_a_path_names_nothing(api, path):
    """E-13; official clients refuse an empty id themselves (E-81)."""
    assert (await api.get(path)).status == 404


@pytest.mark.parametrize("path", ["/", "/v2/assistants", "/assistants", "/v1assistants", "/v1%2Fassistants"])
async def test_outside_the_api_nothing_is_served_either_and_no_key_is_needed_to_learn_it(server, path):
    """E-13."""
    async with httpx2.AsyncClient(base_url=server.root) as http:
        response = await http.get(path)

    assert response.status_code == 404
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


async def test_health_and_the_document_need_no_key(server):
    async with httpx2.AsyncClient(base_url=server.root) as http:
        health = await http.get("/healthz")
        document = await http.get("/openapi.json")
        wrong_method = await http.post("/healthz")

    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert document.json()["openapi"] == "3.1.0"
    assert wrong_method.status_code == 405
