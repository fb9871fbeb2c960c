"""Whatever is sent: the error envelope with the right status, nothing written, and the server goes on.

Every operation that is served is tried, and what is wrong is derived from the served document. Contract:
docs/behaviour.md, sections 2.1 to 2.3.
"""

import json
import time

import pytest
from jsonschema import Draft202012Validator

from tests.support.api import Api
from tests.support.rows import row_counts
from tests.support.server import KEY, running
from tests.support.sockets import exchange
from tests.support.wrong import examples, wrong_values
from treadle.contract import openapi
from treadle.contract.ids import PREFIXES
from treadle.http.routes import BINDINGS
from treadle.settings import Settings

DOCUMENT = openapi.document([bound.operation for bound in BINDINGS], "0")
OPERATIONS = [bound.operation for bound in BINDINGS]
WITH_JSON = [row for row in OPERATIONS if row.body is not None and row.media_type == "application/json"]
# The bodies of the others are handed on unread, but for the model they name (MD-4).
WITH_OUR_JSON = [b.operation for b in BINDINGS if b.operation in WITH_JSON and not b.raw_body]
WITH_QUERY = [row for row in OPERATIONS if row.query is not None]
WITH_IDS = [row for row in OPERATIONS if any(row.path_kinds.values())]

NOT_JSON = "We could not parse the JSON body of your request. (HINT: "
DEEP = 10_000
MIB = 1024 * 1024


def each(operations):
    return pytest.mark.parametrize("operation", operations, ids=lambda operation: operation.id)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database_url(request):
    if request.param == "sqlite":
        yield None
    else:
        with request.getfixturevalue("databases").database() as url:
            yield url


@pytest.fixture(scope="module")
def server(database_url, tmp_path_factory):
    """One for all: nothing that is sent here may leave a trace."""
    folder = tmp_path_factory.mktemp("server") / "data"
    with running(
        Settings(data_dir=folder, database=database_url, api_key=KEY, stop_seconds=1.0), clock=time.time
    ) as live:
        yield live


@pytest.fixture(autouse=True)
async def nothing_is_written_and_the_server_goes_on(server, api: Api):
    before = await row_counts(server.settings)
    yield
    assert await row_counts(server.settings) == before
    assert (await api.get("/models")).status == 200


def path_of(operation, **ids):
    """The path with these parameters; the rest are ids of the right kind that nobody has."""
    path = operation.path
    for name, kind in operation.path_kinds.items():
        path = path.replace(f"{{{name}}}", ids.get(name, f"{PREFIXES[kind]}nowhere" if kind else "nothing"))
    return path


def described(operation):
    return DOCUMENT["paths"][operation.path][operation.method.lower()]


def schema_of(operation):
    return described(operation)["requestBody"]["content"]["application/json"]["schema"]


def raw(method, path, *headers, body=b""):
    """A request by hand, with our key and the beta header."""
    lines = [f"{method} /v1{path} HTTP/1.1", "Host: x", f"Authorization: Bearer {KEY}", "OpenAI-Beta: assistants=v2"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode("latin-1") + body


# Bodies.


@each(WITH_OUR_JSON)
async def test_every_violation_of_the_described_body_is_refused_at_its_place(api, operation):
    """E-30 to E-46: wrong types, unknown and missing fields, values outside of enums, limits passed by one."""
    schema = schema_of(operation)
    validator = Draft202012Validator({**DOCUMENT, **schema})
    tried = 0

    for body, wrong in wrong_values(schema, DOCUMENT):
        if validator.is_valid(body):  # another member of a union
            continue
        answer = await api.post(path_of(operation), body)
        tried += 1

        assert answer.refusal == (400, wrong.code, wrong.param), wrong
        assert len(answer.body) < 2000

    assert tried > 5


MALFORMED = {
    "cut": b'{"metadata": {"a": "b"',
    "no value": b'{"metadata": }',
    "comma": b'{"metadata": {},}',
    "two values": b"{} {}",
    "single quotes": b"{'metadata': {}}",
    "NaN": b'{"metadata": NaN}',
    "comment": b"{} // no",
    "a word": b"nul",
    "form": b"metadata=1",
    "control character": b'{"metadata": {"a": "\x01"}}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"metadata": {}}'.encode("utf-16"),
    "invalid UTF-8 in a value": b'{"metadata": {"a": "\xff"}}',
    "invalid UTF-8 in a key": b'{"\xc3\x28": 1}',
    "encoded surrogate": b'{"metadata": {"a": "\xed\xa0\x80"}}',
    "lone surrogate": b'{"metadata": {"a": "\\ud800"}}',
    "NUL bytes": b"\x00" * 100,
    "null": b"null",
    "array": b"[]",
    "string": b'"metadata"',
    "number": b"5",
    "true": b"true",
    "deep arrays": b"[" * DEEP + b"]" * DEEP,
    "deep arrays, cut": b"[" * DEEP,
    "deep objects": b'{"metadata":' * DEEP + b"{}" + b"}" * DEEP,
    "deep unknown value": b'{"unknown":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep behind an escape": b'{"a":"\\"","unknown":' + b"[" * DEEP + b"]" * DEEP + b"}",
}


@each(WITH_JSON)
async def test_what_is_no_json_object_is_refused(api, operation):
    """E-15, E-16; RecursionError never shows."""
    for name, content in MALFORMED.items():
        answer = await api.request("POST", path_of(operation), content=content)

        assert answer.refusal == (400, None, None), name
        assert answer.error["message"].startswith(NOT_JSON), name


@each([row for row in WITH_JSON if row.body_required])
@pytest.mark.parametrize("content", [None, b""])
async def test_a_body_that_is_required_cannot_be_empty(api, operation, content):
    """E-15; where nothing is required an empty body is {} (E-20)."""
    answer = await api.request("POST", path_of(operation), content=content)

    assert answer.refusal == (400, None, None)
    assert answer.error["message"].startswith(NOT_JSON)


@each(WITH_JSON)
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonl", "json"],
)
async def test_another_content_type_is_refused(api, operation, content_type):
    """E-17."""
    answer = await api.request("POST", path_of(operation), content=b"{}", headers={"Content-Type": content_type})

    assert answer.refusal == (400, "unsupported_content_type", None)
    assert answer.error["message"] == (
        f"Unsupported content type: '{content_type}'. This API method only accepts 'application/json' requests, but "
        f"you specified the header 'Content-Type: {content_type}'. Please try again with a supported content type."
    )


@each(WITH_OUR_JSON)
@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"]
)
async def test_the_content_type_may_have_parameters_and_any_case(api, operation, content_type):
    """E-17: the body is read, and its unknown field found."""
    content = b'{"unknown": 1}'

    answer = await api.request("POST", path_of(operation), content=content, headers={"Content-Type": content_type})

    assert answer.refusal == (400, "unknown_parameter", "unknown")


@each(WITH_OUR_JSON)
async def test_20_megabytes_are_read_and_refused_for_what_they_say(api, operation):
    """E-30; the answer does not repeat them."""
    answer = await api.request("POST", path_of(operation), content=b'{"' + b"x" * 20_000_000 + b'": 1}')

    assert (answer.status, answer.error["code"]) == (400, "unknown_parameter")
    assert len(answer.body) < 2000


@each(WITH_JSON)
async def test_more_than_32_mebibytes_are_refused_and_the_client_gets_to_read_it(api, operation):
    """E-18."""
    answer = await api.request("POST", path_of(operation), content=b" " * (32 * MIB + 1))

    assert answer.refusal == (413, None, None)
    assert answer.error["message"] == "Request body is too large."


async def test_32_mebibytes_are_not_too_many(api):
    """E-18."""
    content = b'{"unknown": 1}'

    answer = await api.request("POST", "/assistants", content=content + b" " * (32 * MIB - len(content)))

    assert answer.refusal == (400, "unknown_parameter", "unknown")


async def test_too_many_chunks_without_a_length_are_refused_too(server):
    """E-18."""
    chunk = b"%x\r\n" % MIB + b" " * MIB + b"\r\n"
    body = chunk * 33 + b"0\r\n\r\n"
    headers = ["Content-Type: application/json", "Transfer-Encoding: chunked"]

    answer = await exchange(server.root, raw("POST", "/assistants", *headers) + body)

    assert (answer.status, answer.error["message"]) == (413, "Request body is too large.")


@each([row for row in WITH_IDS if row.body is None])
async def test_a_large_body_where_none_belongs_is_not_read(api, operation):
    """H-8: the answer is what it is without."""
    alone = await api.request(operation.method, path_of(operation))

    answer = await api.request(operation.method, path_of(operation), content=b"[" * 40 * MIB)

    assert (answer.status, answer.json) == (404, alone.json)


async def test_a_stranger_cannot_make_us_read(server):
    """O-1: without a key a body is only thrown away."""
    body = b"[" * 40 * MIB
    head = f"POST /v1/assistants HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    answer = await exchange(server.root, head + body)

    assert answer.status == 401


# Queries.


@each(WITH_QUERY)
async def test_every_violation_of_the_described_query_is_refused_at_its_place(api, operation):
    """E-33, E-34, E-42, E-46."""
    tried = 0

    for parameter in described(operation)["parameters"]:
        if parameter.get("in") != "query":
            continue
        schema, name, param = parameter["schema"], parameter["name"], parameter["name"]
        if name.endswith("[]"):
            schema, param = schema["items"], name.replace("[]", "[0]")
        for value in bad_values(schema):
            answer = await api.request(
                operation.method, path_of(operation), query={name: value}, body=some_body(operation)
            )
            tried += 1

            assert answer.status == 400, (name, value)
            assert answer.error["param"] == param, value
            assert len(answer.body) < 2000

    assert tried > 0


def bad_values(schema):
    if schema["type"] == "integer":
        beyond = (schema["minimum"] - 1, schema["maximum"] + 1)
        return [*map(str, beyond), "abc", "", "1.5", "true", "null", "9" * 3000]
    return ["nonsense", "x" * 50_000, "\0", "ü"] if {"enum", "pattern"} & set(schema) else []


def some_body(operation):
    """A body that is right, so that only the query is wrong."""
    return None if operation.body is None else next(iter(examples(schema_of(operation), DOCUMENT)))


def encoded_body(operation):
    return b"" if operation.body is None else json.dumps(some_body(operation)).encode()


ODD_QUERIES = {
    "long": "x=" + "a" * 60_000,
    "ampersands": "&" * 60_000,
    "many": "a=b&" * 15_000,
    "percents": "%" * 1000,
    "bad encodings": "%ZZ=%&%00=%FF&%ED%A0%80=1",
    "equals": "=" * 1000,
    "brackets": "[]=&[=&]=&limit[]=x&[limit]=0",
}


@each([row for row in WITH_QUERY if row.method == "GET"])
async def test_an_odd_query_is_ignored(server, operation):
    """P-14."""
    alone = await exchange(server.root, raw("GET", path_of(operation)))

    for odd, query in ODD_QUERIES.items():
        answer = await exchange(server.root, raw("GET", f"{path_of(operation)}?{query}"))

        assert (answer.status, answer.body) == (alone.status, alone.body), odd


async def test_a_url_of_more_than_64_kilobytes_is_refused(server):
    """Below the API: what reads the requests takes no longer ones, and says so without an envelope."""
    answer = await exchange(server.root, raw("GET", "/assistants?x=" + "a" * 70_000))

    assert answer.status == 400


# Paths.

ODD_ENDINGS = {
    "NUL": "%00",
    "slash": "%2F",
    "up": "%2e%2e%2fassistants",
    "invalid UTF-8": "%ff%fe",
    "surrogate": "%ed%a0%80",
    "quote": "'%20OR%20'1'='1",
    "percent": "%25s%25n",
    "no percent-encoding": "%zz",
    "line": "a%0d%0ax-evil:%201",
    "letters": "%C3%BC%F0%9F%8E%B2",
    "long": "x" * 30_000,
    "json": "%22%7D%5D",
}


@each(WITH_IDS)
async def test_an_id_may_hold_anything_and_names_nothing(server, operation):
    """E-60 to E-66: not found, with the id told back in part; and no header is made of it."""
    body = encoded_body(operation)

    for name in operation.path_kinds:
        kind = operation.path_kinds[name]
        for odd, ending in ODD_ENDINGS.items():
            path = path_of(operation, **{name: PREFIXES[kind] + ending})
            answer = await exchange(server.root, raw(operation.method, path, body=body))

            assert answer.status == 404, odd
            assert answer.error["message"].startswith("No "), odd
            assert "x-evil" not in answer.headers
            assert len(answer.body) < 1000


@each(WITH_IDS)
async def test_an_id_of_another_kind_is_refused(server, operation):
    """E-42."""
    body = encoded_body(operation)

    for name, kind in operation.path_kinds.items():
        prefix = PREFIXES[kind]
        for value in (
            "undefined",
            "null",
            "%00",
            "%ff",
            f"%20{prefix}x",
            prefix[:-1],
            prefix.upper() + "X",
            "x" * 30_000,
        ):
            answer = await exchange(server.root, raw(operation.method, path_of(operation, **{name: value}), body=body))

            assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "invalid_value", name), value
            assert answer.error["message"].endswith(f"Expected an ID that begins with '{prefix[:-1]}'.")
            assert len(answer.body) < 1000


@each(WITH_IDS)
async def test_an_empty_id_names_nothing(server, operation):
    """E-13, or E-14 where the path without its id is another one; with a body or without."""
    for name in operation.path_kinds:
        path = path_of(operation, **{name: ""})
        if path.endswith("/"):
            continue  # that is the list
        answer = await exchange(server.root, raw(operation.method, path))

        assert (answer.status, answer.error["message"]) == (404, f"Invalid URL ({operation.method} /v1{path})")


async def test_bytes_that_no_url_may_hold_get_an_answer(server):
    request = raw("GET", "/assistants/asst_PLACE").replace(b"PLACE", "ü".encode())

    answer = await exchange(server.root, request)

    assert answer.status in (400, 404)


# Headers.


@pytest.mark.parametrize(
    ("headers", "statuses"),
    [
        ([f"Authorization: Bearer {KEY}"], {200}),
        (["Authorization: Bearer sk-somebody-elses-key-123456"], {401}),
        (["OpenAI-Beta: assistants=v2"], {200}),
        (["Content-Type: application/json", "Content-Type: text/plain"], {200}),
        (["Accept: text/html"] * 50, {200}),
        ([f"X-{n}: {n}" for n in range(1000)], {200}),
        (["X-Long: " + "x" * 50_000], {200}),
        (["X-Odd: \xff\x80"], {200}),
    ],
)
async def test_headers_that_come_twice_or_in_masses_get_an_answer(server, headers, statuses):
    answer = await exchange(server.root, raw("GET", "/assistants", *headers))

    assert answer.status in statuses


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: -1"],
        ["Content-Length: x"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["bad header"],
    ],
)
async def test_a_message_without_clear_bounds_is_refused(server, lines):
    """Below the API: what is no HTTP gets no envelope, but an answer."""
    answer = await exchange(server.root, raw("POST", "/assistants", *lines) + b"abcde")

    assert answer.status == 400
