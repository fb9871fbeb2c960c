"""Headers of requests and answers. Contract: docs/behaviour.md, sections 1.2 and 1.3."""

import httpx2
import pytest
from msgspec.structs import replace

from tests.support.server import KEY
from tests.support.sockets import exchange
from treadle.contract import errors
from treadle.http.routes import BINDINGS

OPERATIONS = [bound.operation for bound in BINDINGS]


@pytest.fixture
async def http(server):
    """A client that sends nothing but the key."""
    async with httpx2.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {KEY}"}) as plain:
        yield plain


def some_path(operation):
    return operation.path.replace("{", "").replace("}", "")


def code(response):
    return response.json()["error"]["code"]


async def test_the_beta_header_is_required_below_assistants_and_threads(http):
    """H-2, E-12."""
    for operation in OPERATIONS:
        if operation.path.startswith(("/assistants", "/threads")):
            response = await http.request(operation.method, some_path(operation))

            assert (response.status_code, code(response)) == (400, "invalid_beta"), operation.id
            assert response.json()["error"]["message"] == (
                "You must provide the 'OpenAI-Beta' header to access the Assistants API. "
                "Please try again by setting the header 'OpenAI-Beta: assistants=v2'."
            )


async def test_the_beta_header_is_required_nowhere_else(http):
    """H-3."""
    for operation in OPERATIONS:
        if not operation.path.startswith(("/assistants", "/threads")):
            response = await http.request(operation.method, some_path(operation))

            assert response.status_code == 200 or code(response) != "invalid_beta", operation.id


@pytest.mark.parametrize(
    "value", ["assistants=v2", "realtime=v1, assistants=v2", "assistants=v2,x=y", " assistants=v2 ,"]
)
async def test_the_beta_header_is_a_comma_list(server, value):
    """H-4."""
    answer = await exchange(server.root, asking_for_assistants(f"OpenAI-Beta: {value}"))

    assert answer.status == 200


@pytest.mark.parametrize("value", ["assistants=v1", "assistants", "assistants=v20", "v2", "x=y", "", "responses=v2"])
async def test_any_other_version_is_refused_with_the_hint(server, value):
    """H-4."""
    answer = await exchange(server.root, asking_for_assistants(f"OpenAI-Beta: {value}"))

    assert (answer.status, answer.error["code"]) == (400, "invalid_beta")
    assert "assistants=v2" in answer.error["message"]


def asking_for_assistants(header):
    return (
        f"GET /v1/assistants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n{header}\r\nAccept: */*\r\n\r\n"
    ).encode()


class TestWithoutEnforcement:
    @pytest.fixture
    def settings(self, settings):
        return replace(settings, require_beta_header=False)

    @pytest.mark.parametrize("headers", [{}, {"OpenAI-Beta": "assistants=v1"}])
    async def test_the_beta_header_may_be_left_out(self, http, headers):
        """H-4."""
        assert (await http.get("/assistants", headers=headers)).status_code == 200


@pytest.mark.parametrize("name", ["OpenAI-Organization", "OpenAI-Project"])
async def test_names_left_over_from_the_vendor_are_ignored(api, assistant, name):
    """H-5."""
    answer = await api.get("/assistants", headers={name: "org-somebody"})

    assert [item["id"] for item in answer.json["data"]] == [assistant["id"]]


class TestWithStrictProjects:
    @pytest.fixture
    def settings(self, settings):
        return replace(settings, strict_projects=True)

    @pytest.mark.parametrize("name", ["OpenAI-Organization", "OpenAI-Project"])
    async def test_a_name_that_the_key_does_not_belong_to_is_refused(self, api, name):
        """H-5."""
        answer = await api.get("/assistants", headers={name: "proj_somebody"})

        assert answer.refusal == (401, "mismatched_project", None)

    async def test_the_organization_that_answers_name_is_accepted(self, api):
        """H-5, H-20."""
        organization = (await api.get("/models")).headers["openai-organization"]

        assert (await api.get("/assistants", headers={"OpenAI-Organization": organization})).status == 200

    async def test_ones_own_project_is_accepted_by_its_name(self, api, stranger):
        """H-5: the name is what `treadle keys` shows."""
        assert (await api.get("/assistants", headers={"OpenAI-Project": "default"})).status == 200
        assert (await stranger.get("/assistants", headers={"OpenAI-Project": "another"})).status == 200
        assert (await stranger.get("/assistants", headers={"OpenAI-Project": "default"})).status == 401

    async def test_empty_names_are_no_names(self, api):
        """H-5."""
        headers = {"OpenAI-Organization": "", "OpenAI-Project": ""}

        assert (await api.get("/assistants", headers=headers)).status == 200


async def test_unknown_headers_are_never_refused(api):
    """H-6, H-7."""
    headers = {
        "X-Stainless-Lang": "python",
        "X-Stainless-Retry-Count": "x",
        "X-Stainless-Custom-Poll-Interval": "-1",
        "Idempotency-Key": "k",
        "X-Anything": "v" * 4000,
    }

    first = await api.post("/assistants", {"model": "m"}, headers=headers)
    second = await api.post("/assistants", {"model": "m"}, headers=headers)

    assert (first.status, second.status) == (200, 200)
    assert first.json["id"] != second.json["id"]


async def test_get_and_delete_need_no_content_type_and_a_body_is_not_read(server, api, assistant):
    """H-8."""
    head = f"Host: x\r\nAuthorization: Bearer {KEY}\r\nOpenAI-Beta: assistants=v2\r\n"
    path = f"/v1/assistants/{assistant['id']}"
    body = "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\n{[}"

    found = await exchange(server.root, f"GET {path} HTTP/1.1\r\n{head}{body}".encode())
    deleted = await exchange(server.root, f"DELETE {path} HTTP/1.1\r\n{head}{body}".encode())

    assert (found.status, deleted.status) == (200, 200)


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html", "text/event-stream", ""])
async def test_whatever_is_accepted_the_answer_is_json(api, accept):
    answer = await api.get("/assistants", headers={"Accept": accept, "Accept-Encoding": "gzip, deflate"})

    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/assistants", 200),
        ("GET", "/assistants/asst_nowhere", 404),
        ("GET", "/nowhere", 404),
        ("DELETE", "/assistants", 405),
        ("GET", "/assistants?limit=0", 400),
        ("DELETE", "/models/scripted", 403),
    ],
)
async def test_every_answer_says_who_answered_and_how_long_it_took(api, method, path, status):
    """H-20; the values are checked by `api` on each answer."""
    answer = await api.request(method, path)

    assert answer.status == status
    assert len(answer.headers["x-request-id"]) == len("req_") + 32
    assert answer.headers["openai-organization"]
    assert int(answer.headers["content-length"]) == len(answer.body)


async def test_a_refused_key_is_answered_with_these_headers_too(server):
    """H-20."""
    async with httpx2.AsyncClient(base_url=server.url) as http:
        response = await http.get("/assistants")

    assert response.status_code == 401
    assert {"x-request-id", "openai-processing-ms", "openai-version", "openai-organization"} <= set(response.headers)


async def test_every_request_has_an_id_of_its_own(api):
    """H-20."""
    ids = {(await api.get("/models")).headers["x-request-id"] for _ in range(20)}

    assert len(ids) == 20


async def test_the_official_client_shows_the_request_id(client):
    """H-20."""
    made = await client.beta.assistants.create(model="gpt-4o")

    assert made._request_id.startswith("req_")


def test_there_is_no_conflict_and_no_422_among_the_errors():
    """H-24, E-3: clients would retry a 409 and lose the fields of a 422."""

    def kinds(error):
        return [error, *(kind for child in error.__subclasses__() for kind in kinds(child))]

    statuses = {kind.http_status for kind in kinds(errors.ApiError) if hasattr(kind, "http_status")}

    assert statuses == {400, 401, 403, 404, 405, 413, 429, 500, 502, 503}
