"""A plain HTTP client for the API that checks every answer against the document the server itself serves."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx2
from jsonschema import Draft202012Validator

from treadle.contract.additions import ADDITIONS
from treadle.contract.operations import OPERATIONS
from treadle.http.router import Router

BETA = {"OpenAI-Beta": "assistants=v2"}
Json = Any


class Event(NamedTuple):
    """One event of a stream. `data` is decoded JSON, or the text itself of `done`."""

    name: str
    data: Json
    id: str | None = None


class Answer(NamedTuple):
    """`json` is None for a body that is no JSON."""

    status: int
    headers: Mapping[str, str]
    json: Json
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error of an error answer, whose envelope is checked here (E-1)."""
        assert self.status >= 400, self.body[:500]
        assert set(self.json) == {"error"}
        assert set(self.json["error"]) == {"message", "type", "param", "code"}
        return self.json["error"]

    @property
    def refusal(self) -> tuple[int, str | None, str | None]:
        """(status, code, param) of an error answer."""
        return self.status, self.error["code"], self.error["param"]


class Api:
    """Talks to a live server as the holder of `key`. Every 200 is validated against the schema of its operation."""

    def __init__(self, root: str, key: str | None) -> None:
        headers = dict(BETA)
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        self.root, self.key = root, key
        # Plain HTTP: without `verify=False` each client would load the certificates of the system first.
        self.http = httpx2.AsyncClient(base_url=root, headers=headers, timeout=30, verify=False)
        self._document: Json = None
        self._router = Router(
            (operation.method, operation.path, operation) for operation in [*OPERATIONS.values(), *ADDITIONS.values()]
        )
        self._validators: dict[str, Draft202012Validator] = {}

    async def close(self) -> None:
        await self.http.aclose()

    async def get(self, path: str, query: Any = None, **options: Any) -> Answer:
        return await self.request("GET", path, query=query, **options)

    async def post(self, path: str, body: Json = None, **options: Any) -> Answer:
        """POST JSON; `body` None sends no body at all."""
        return await self.request("POST", path, body=body, **options)

    async def delete(self, path: str, **options: Any) -> Answer:
        return await self.request("DELETE", path, **options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Any = None,
        body: Json = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`query` is a mapping or pairs, or a raw string; `content` is sent as it is, as application/json."""
        if query:
            path = f"{path}?{query if isinstance(query, str) else urlencode(query)}"
        sent = dict(headers or {})
        if body is not None:
            content = json.dumps(body).encode()
        if content is not None and not any(name.lower() == "content-type" for name in sent):
            sent["Content-Type"] = "application/json"
        response = await self.http.request(method, f"/v1{path}", content=content, headers=sent)
        answer = _answer(response)
        await self._check(method, path, answer)
        return answer

    async def created(self, path: str, body: Json = None) -> Json:
        """POST that must succeed; the object."""
        answer = await self.post(path, {} if body is None else body)
        assert answer.status == 200, answer.body
        return answer.json

    async def found(self, path: str, query: Any = None) -> Json:
        """GET that must succeed; the object."""
        answer = await self.get(path, query)
        assert answer.status == 200, answer.body
        return answer.json

    async def events(self, path: str, body: Json, *, headers: Mapping[str, str] | None = None) -> list[Event]:
        """POST with `stream: true`; all events to the end of the body."""
        async with self.stream("POST", path, body={**body, "stream": True}, headers=headers) as events:
            return [event async for event in events]

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, body: Json = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """The events of a stream while they come; leaving the block hangs up."""
        sent = {**(headers or {}), **({"Content-Type": "application/json"} if body is not None else {})}
        content = None if body is None else json.dumps(body).encode()
        async with self.http.stream(method, f"/v1{path}", content=content, headers=sent, timeout=30) as response:
            if response.status_code != 200:
                raise AssertionError(f"{response.status_code}: {await response.aread()}")
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            yield parsed(response)

    async def _check(self, method: str, path: str, answer: Answer) -> None:
        """H-20 on every answer, the served schema on every success, the envelope on every error."""
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"].startswith("req_")
        assert answer.headers["openai-version"] == "2020-10-01"
        assert int(answer.headers["openai-processing-ms"]) >= 0
        if answer.status >= 400:
            assert answer.error["message"]
            return
        operation, _ = self._router.match(method, path.partition("?")[0].encode(), shown=path)
        validator = await self._validator(operation.id)
        problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(answer.json)]
        assert not problems, problems

    async def _validator(self, operation_id: str) -> Draft202012Validator:
        if self._document is None:
            self._document = (await self.http.get("/openapi.json")).json()
        if operation_id not in self._validators:
            for item in self._document["paths"].values():
                for described in item.values():
                    if isinstance(described, dict) and described.get("operationId") == operation_id:
                        schema = described["responses"]["200"]["content"]["application/json"]["schema"]
            self._validators[operation_id] = Draft202012Validator({**self._document, **schema})
        return self._validators[operation_id]


async def parsed(response: httpx2.Response) -> AsyncIterator[Event]:
    """Events exactly as W-2 has them: an optional id, then event, then data, then an empty line; comments apart."""
    buffer = b""
    async for piece in response.aiter_raw():
        buffer += piece
        while b"\n\n" in buffer:
            block, _, buffer = buffer.partition(b"\n\n")
            if not block.startswith(b":"):
                yield _event(block.decode())
    assert buffer == b"", f"the body ended inside an event: {buffer!r}"


def _event(block: str) -> Event:
    lines = block.split("\n")
    id = lines.pop(0).removeprefix("id: ") if lines[0].startswith("id: ") else None
    assert len(lines) == 2, block
    assert lines[0].startswith("event: "), block
    assert lines[1].startswith("data: "), block
    name, data = lines[0].removeprefix("event: "), lines[1].removeprefix("data: ")
    return Event(name, data if name == "done" else json.loads(data), id)


def _answer(response: httpx2.Response) -> Answer:
    try:
        decoded = response.json()
    except ValueError:
        decoded = None
    return Answer(response.status_code, response.headers, decoded, response.content)
