"""What comes out of a streamed answer, whatever kind of server sends it."""

import asyncio
import contextlib
import time

import msgspec
import pytest

from tests.upstream.conftest import HELLO, Answering, Asker
from treadle.upstream import (
    ChatRequest,
    ChatUsage,
    ModelMap,
    ModelSettings,
    Route,
    Upstream,
    UpstreamBadAnswer,
    UpstreamSettings,
    UpstreamUnavailable,
)
from treadle.upstream.scripted import (
    ScriptedUpstream,
    broken_arguments,
    cut,
    empty_choice,
    fail,
    function_call,
    hang,
    invalid_json,
    raw,
    refuse,
    say,
)
from treadle.upstream.stream import encode

EVENT_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def delta(**fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields}]}


def tool_call(**fields: object) -> dict[str, object]:
    return delta(tool_calls=[fields])


END = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


async def test_a_text_comes_in_pieces_then_its_finish_reason_then_its_usage(ask: Asker, server: ScriptedUpstream):
    usage = {
        "prompt_tokens": 20,
        "completion_tokens": 7,
        "total_tokens": 27,
        "prompt_tokens_details": {"cached_tokens": 16},
        "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": None},
    }
    server.will_say(say("It is sunny.", chunk_size=5, usage=usage))

    chunks = await ask()

    assert [chunk.content for chunk in chunks] == ["It is", " sunn", "y.", "", ""]
    assert [chunk.finish_reason for chunk in chunks] == [None, None, None, "stop", None]
    assert chunks[-1].usage == ChatUsage(prompt_tokens=20, completion_tokens=7, cached_tokens=16, reasoning_tokens=4)
    assert chunks[-1].usage.total_tokens == 27


async def test_chunks_that_come_late_are_not_held_back(server: ScriptedUpstream, ask: Asker):
    server.will_say(hang(say("It is sunny.", chunk_size=5), after_chunks=2))

    async with Upstream(ModelMap([ask.settings()]), clock=time.time) as upstream:
        answer = upstream.stream_chat("any", HELLO)
        async with contextlib.aclosing(answer):
            first = await anext(answer)

    assert [chunk.content for chunk in first] == ["It is"]


async def test_parallel_calls_come_as_a_head_each_and_fragments_of_arguments(ask: Asker, server: ScriptedUpstream):
    server.will_say(
        say("Let me look.")
        + function_call("get_weather", {"city": "Kyiv"}, id="call_1")
        + function_call("get_time", {"zone": "Europe/Kyiv"}, id="call_2")
    )

    await ask()

    assert ask.text == "Let me look."
    assert ask.calls == [
        ("call_1", "get_weather", '{"city":"Kyiv"}'),
        ("call_2", "get_time", '{"zone":"Europe/Kyiv"}'),
    ]
    assert ask.finish_reasons == ["tool_calls"]


async def test_arguments_that_are_no_json_come_as_the_model_wrote_them(ask: Asker, server: ScriptedUpstream):
    server.will_say(broken_arguments("get_weather"))

    await ask()

    assert [arguments for _, _, arguments in ask.calls] == ['{"city": "Ky']


async def test_a_refusal_is_not_content(ask: Asker, server: ScriptedUpstream):
    server.will_say(refuse("I will not."))

    await ask()

    assert "".join(chunk.refusal for chunk in ask.chunks) == "I will not."
    assert ask.text == ""


@pytest.mark.parametrize(
    ("told", "calls", "expected"),
    [
        ("stop", False, "stop"),
        ("length", False, "length"),
        ("length", True, "length"),
        ("content_filter", False, "content_filter"),
        ("max_tokens", False, "length"),
        ("eos", False, "stop"),
        ("stop", True, "tool_calls"),  # OpenAI itself, after a forced call
        ("function_call", True, "tool_calls"),
        ("tool_calls", False, "stop"),
    ],
)
async def test_finish_reasons_say_the_same_for_every_server(
    ask: Asker, server: ScriptedUpstream, told: str, calls: bool, expected: str
):
    said = tool_call(index=0, id="call_1", function={"name": "f", "arguments": "{}"}) if calls else delta(content="x")
    server.will_say(raw(said, {"choices": [{"index": 0, "delta": {}, "finish_reason": told}]}))

    await ask()

    assert ask.finish_reasons == [expected]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param(
            [tool_call(index=0, id="call_1", type="function", function={"name": "f", "arguments": '{"a":1}'})],
            [("call_1", "f", '{"a":1}')],
            id="whole call in one chunk",
        ),
        pytest.param(
            [tool_call(id="call_1", function={"name": "f", "arguments": ""}), tool_call(function={"arguments": "{}"})],
            [("call_1", "f", "{}")],
            id="no index",
        ),
        pytest.param(
            [
                tool_call(id="call_1", function={"name": "f", "arguments": "{"}),
                tool_call(id="call_2", function={"name": "g", "arguments": "["}),
                tool_call(id="call_1", function={"arguments": "}"}),
                tool_call(id="call_2", function={"arguments": "]"}),
            ],
            [("call_1", "f", "{}"), ("call_2", "g", "[]")],
            id="no index but ids",
        ),
        pytest.param(
            [
                tool_call(index=0, id="call_1", function={"name": "f", "arguments": "{}"}),
                tool_call(index=0, id="call_2", function={"name": "f", "arguments": "[]"}),
            ],
            [("call_1", "f", "{}"), ("call_2", "f", "[]")],
            id="parallel calls all with index 0",
        ),
        pytest.param(
            [
                tool_call(index=0, id="call_1", function={"name": "f", "arguments": "{"}),
                tool_call(index=0, id="call_1", function={"name": "f", "arguments": "}"}),
            ],
            [("call_1", "f", "{}")],
            id="id and name in every fragment",
        ),
        pytest.param(
            [
                tool_call(index=0, id="call_1", function={"name": "f", "arguments": "{"}),
                tool_call(index=0, id="chatcmpl-tool-77", function={"arguments": "}"}),
            ],
            [("call_1", "f", "{}")],
            id="another id in every fragment",
        ),
        pytest.param(
            [tool_call(index=0, id=None, function={"name": "f", "arguments": None}), tool_call(index=0, id="")],
            [(None, "f", "")],
            id="no id at all",
        ),
        pytest.param(
            [
                tool_call(index=0, id="call_1", function=None),
                tool_call(index=0, function={"arguments": "{"}),
                tool_call(index=0, function={"name": "f", "arguments": "}"}),
            ],
            [("call_1", "f", "{}")],
            id="name after the arguments",
        ),
        pytest.param(
            [tool_call(index=1, id="call_1", function={"name": "f", "arguments": {"a": 1}})],
            [("call_1", "f", '{"a":1}')],
            id="arguments as an object and an index from 1",
        ),
        pytest.param(
            [delta(function_call={"name": "f", "arguments": "{"}), delta(function_call={"arguments": "}"})],
            [(None, "f", "{}")],
            id="the older function_call",
        ),
    ],
)
async def test_tool_calls_of_odd_servers_come_out_alike(
    ask: Asker,
    server: ScriptedUpstream,
    chunks: list[dict[str, object]],
    expected: list[tuple[str | None, str, str]],
):
    server.will_say(raw(*chunks, END))

    await ask()

    assert ask.calls == expected
    assert ask.finish_reasons == ["tool_calls"]


async def test_nulls_extra_fields_reasoning_and_filter_reports_are_passed_over(ask: Asker, server: ScriptedUpstream):
    server.will_say(
        raw(
            {"id": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}], "usage": None},
            {"id": None, "choices": None, "usage": {"prompt_tokens": None}},
            delta(role="assistant", content=None, reasoning_content="Hmm", tool_calls=None, function_call=None),
            delta(content=[{"type": "reasoning", "text": "Hmm"}, {"type": "text", "text": "Hi"}]),
            {
                "choices": [{"index": 0, "delta": {"content": "!"}, "finish_reason": "", "logprobs": None}],
                "error": None,
            },
            {"choices": [{"index": 0, "delta": None, "finish_reason": "stop", "matched_stop": 2}]},
            {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]},
        )
    )

    await ask()

    assert [(chunk.content, chunk.finish_reason) for chunk in ask.chunks] == [("Hi", None), ("!", None), ("", "stop")]


async def test_a_server_that_ignores_stream_is_translated_to_chunks(ask: Asker, server: ScriptedUpstream):
    turn = say("Both:", plain=True) + function_call("f", {}, id="call_1") + function_call("g", "[1]", id="call_2")
    server.will_say(turn)

    await ask()

    assert server.requests[0].body["stream"] is True
    assert ask.text == "Both:"
    assert ask.calls == [("call_1", "f", "{}"), ("call_2", "g", "[1]")]
    assert ask.finish_reasons == ["tool_calls"]
    assert ask.chunks[0].usage is not None


async def test_a_stream_that_says_done_without_a_finish_reason_has_ended(ask: Asker, server: ScriptedUpstream):
    server.will_say(raw(delta(content="Hi")))

    await ask()

    assert (ask.text, ask.finish_reasons) == ("Hi", ["stop"])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_bytes_may_arrive_one_by_one_with_comments_and_either_line_end(answering: Answering, end: str):
    said = [delta(content="Grüße, "), delta(content="🌍"), END]
    lines = [": keep-alive", ""]
    for chunk in said:
        lines += ["event: message", f"data: {msgspec.json.encode(chunk).decode()}", ""]
    body = end.join([*lines, "data:[DONE]", "", ""]).encode()

    async def let_the_client_read() -> None:
        await asyncio.sleep(0)

    pieces = [body[at : at + 1] for at in range(len(body))]
    async with answering(EVENT_STREAM, *pieces, before_each=let_the_client_read) as base_url:
        ask = Asker(base_url)
        await ask()

    assert (ask.text, ask.finish_reasons) == ("Grüße, 🌍", ["stop"])


async def test_a_last_line_without_a_line_end_counts(answering: Answering):
    async with answering(EVENT_STREAM, b"data: " + msgspec.json.encode(END | {"usage": None})) as base_url:
        ask = Asker(base_url)
        await ask()

    assert ask.finish_reasons == ["stop"]


async def test_silence_after_the_finish_reason_only_loses_the_usage(ask: Asker, server: ScriptedUpstream):
    server.will_say(hang(say("Hi"), after_chunks=3))

    await ask(silence_timeout_seconds=0.05)

    assert (ask.text, ask.finish_reasons) == ("Hi", ["stop"])
    assert not any(chunk.usage for chunk in ask.chunks)


async def test_a_finished_answer_leaves_its_connection_for_the_next(server: ScriptedUpstream, ask: Asker):
    server.will_say(say("One"), say("Two"))

    async with Upstream(ModelMap([ask.settings()]), clock=time.time) as upstream:
        for _ in range(2):
            async for _chunks in upstream.stream_chat("any", HELLO):
                pass

    assert server.requests[0].client_port == server.requests[1].client_port


@pytest.mark.parametrize("holds", [False, True], ids=["ends its body a little later", "never ends its body"])
async def test_a_connection_is_kept_if_its_body_ends_soon_after_done(holds: bool):
    connections = 0
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readuntil(b'"messages":[]}'):
                events = b"data: " + msgspec.json.encode(END) + b"\n\ndata: [DONE]\n\n"
                writer.write(EVENT_STREAM.replace(b"Connection: close", b"Transfer-Encoding: chunked"))
                writer.write(b"%x\r\n%s\r\n" % (len(events), events))
                await writer.drain()
                await heard.get()
                writer.write(b"0\r\n\r\n")

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    settings = UpstreamSettings(name="a", base_url=f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1")
    async with listener, Upstream(ModelMap([settings]), clock=time.time) as upstream:
        for _ in range(2):
            async with asyncio.timeout(5):
                async for _chunks in upstream.stream_chat("any", ChatRequest(messages=[])):
                    if not holds:
                        heard.put_nowait("the end of the answer")

    assert connections == (2 if holds else 1)


async def test_more_answers_may_come_at_once_than_aiohttp_allows_by_default(server: ScriptedUpstream, ask: Asker):
    server.will_say(*[hang(say("Hi"), after_chunks=2)] * 101)

    async def first(upstream: Upstream) -> str:
        async with contextlib.aclosing(upstream.stream_chat("any", HELLO)) as answer:
            chunks = await anext(answer)
            await server.request(100)
        return chunks[0].content

    async with Upstream(ModelMap([ask.settings()]), clock=time.time) as upstream, asyncio.timeout(10):
        heard = await asyncio.gather(*[first(upstream) for _ in range(101)])

    assert heard == ["Hi"] * 101


@pytest.mark.parametrize(
    ("turn", "text", "told"),
    [
        (cut(say("Half of it"), after_chunks=2), "Half of ", "in the middle of its answer"),
        (cut(say("Half of it"), after_chunks=2, inside=True), "Half of ", "in the middle of its answer"),
        (
            invalid_json(say("Half of it"), after_chunks=2),
            "Half of ",
            'cannot read (Input data was truncated): {"choices": [',
        ),
        (invalid_json(), "", "cannot read"),
        (empty_choice(), "", "without any choice"),
        (raw({"choices": "none"}), "", "Expected `array | null`, got `str`"),
        (raw(tool_call(index=0, function={"arguments": "{}"}), END), "", "without naming it"),
    ],
    ids=["cut", "cut inside a chunk", "broken JSON", "only broken JSON", "no choice", "wrong type", "nameless call"],
)
async def test_what_is_no_completion_is_a_bad_answer_after_what_was_good_in_it(
    ask: Asker, server: ScriptedUpstream, turn, text: str, told: str
):
    server.will_say(turn)

    with pytest.raises(UpstreamBadAnswer) as raised:
        await ask(tries=3)

    assert ask.text == text
    assert told in raised.value.message
    assert "The model server 'local-gpu'" in raised.value.message
    assert len(server.requests) == 1


async def test_a_stream_whose_body_just_ends_is_a_bad_answer(answering: Answering):
    async with answering(EVENT_STREAM, b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\ndata: {"cho') as base_url:
        ask = Asker(base_url)
        with pytest.raises(UpstreamBadAnswer, match="before a finish_reason"):
            await ask()

    assert ask.text == "Hi"


@pytest.mark.parametrize(
    ("turn", "told"),
    [
        (say("x" * 5_000_000, chunk_size=5_000_000), "a line of more than 4194304 bytes"),
        (say("x" * 34_000_000, plain=True), "bytes of application/json instead of a completion"),
    ],
    ids=["a line", "a whole answer"],
)
async def test_an_answer_without_end_does_not_fill_the_memory(ask: Asker, server: ScriptedUpstream, turn, told: str):
    server.will_say(turn)

    with pytest.raises(UpstreamBadAnswer, match=told):
        await ask()


async def test_what_had_arrived_when_the_connection_broke_counts(ask: Asker, answering: Answering):
    head = EVENT_STREAM.replace(b"\r\n\r\n", b"\r\nContent-Length: 9999\r\n\r\n")
    one, two = (b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % word for word in (b"One, ", b"two"))
    pieces, first_is_read = iter((0, 1, 2)), asyncio.Event()

    async def in_turn() -> None:
        if next(pieces) == 2:
            await first_is_read.wait()

    async with (
        answering(head, one, two, before_each=in_turn) as base_url,
        Upstream(ModelMap([ask.settings(base_url=base_url)]), clock=time.time) as upstream,
    ):
        answer = upstream.stream_chat("gpt-4o", HELLO)
        [first] = await anext(answer)
        [connection] = upstream._session.connector._acquired
        first_is_read.set()
        while not connection._connection_lost_called:
            await asyncio.sleep(0)

        [second] = await anext(answer)
        with pytest.raises(UpstreamBadAnswer, match="in the middle of its answer"):
            await anext(answer)

    assert (first.content, second.content) == ("One, ", "two")


async def test_another_content_type_is_a_bad_answer_that_quotes_it(answering: Answering):
    page = b"<html>Please log in</html>"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page)
    async with answering(head, page) as base_url:
        with pytest.raises(
            UpstreamBadAnswer, match="26 bytes of text/html instead of a completion: <html>Please log in"
        ):
            await Asker(base_url)()


async def test_what_is_no_http_is_a_bad_answer(answering: Answering):
    async with answering(b"SSH-2.0-OpenSSH_9.9\r\n") as base_url:
        with pytest.raises(UpstreamBadAnswer, match="no proper HTTP"):
            await Asker(base_url)()


async def test_silence_in_mid_answer_is_unavailable(ask: Asker, server: ScriptedUpstream):
    server.will_say(hang(say("Half of it"), after_chunks=2))

    with pytest.raises(UpstreamUnavailable, match=r"said nothing for 0\.05 s"):
        await ask(silence_timeout_seconds=0.05)

    assert ask.text == "Half of "


@pytest.mark.parametrize("after_chunks", [0, 1, 2], ids=["before the headers", "before a token", "in mid-answer"])
async def test_cancelling_closes_the_connection_at_once(ask: Asker, server: ScriptedUpstream, after_chunks: int):
    server.will_say(hang(say("Half of it"), after_chunks=after_chunks))
    reading = asyncio.create_task(ask())
    received = await server.request(0)

    reading.cancel()

    await asyncio.wait_for(received.dropped.wait(), 5)
    with pytest.raises(asyncio.CancelledError):
        await reading
    if after_chunks == 0:
        assert [attempt.error for attempt in ask.attempts] == ["abandoned"]


async def test_leaving_the_answer_early_closes_the_connection(ask: Asker, server: ScriptedUpstream):
    server.will_say(hang(say("Half of it"), after_chunks=2))

    async with Upstream(ModelMap([ask.settings()]), clock=time.time) as upstream:
        async with contextlib.aclosing(upstream.stream_chat("any", HELLO)) as answer:
            await anext(answer)

        await asyncio.wait_for(server.requests[0].dropped.wait(), 5)


async def test_the_request_carries_our_key_and_no_compression(ask: Asker, server: ScriptedUpstream):
    server.will_say(say("Hi"))

    await ask(headers={"HTTP-Referer": "https://example.org"})

    headers = server.requests[0].headers
    assert headers["Authorization"] == "Bearer sk-upstream-secret"
    assert headers["Accept-Encoding"] == "identity"
    assert headers["HTTP-Referer"] == "https://example.org"


async def test_a_query_in_the_base_url_stays_and_cookies_do_not(ask: Asker, server: ScriptedUpstream):
    server.will_say(fail(429, {"Set-Cookie": "a=b"}), say("Hi"))

    # Cookies of a bare address would be dropped in any case.
    base_url = server.base_url.replace("127.0.0.1", "localhost") + "?api-version=2024-10-21"
    await ask(base_url=base_url, tries=2)

    assert [request.query for request in server.requests] == ["api-version=2024-10-21"] * 2
    assert "Cookie" not in server.requests[1].headers


def test_only_set_fields_are_sent_and_a_zero_is_set():
    route = Route(upstream=UpstreamSettings(name="a", base_url="http://127.0.0.1/v1"), model="qwen")
    tools = [{"type": "function", "function": {"name": "f"}}]
    request = ChatRequest(messages=[msgspec.Raw(b'{"role":"user","content":"1"}')], tools=tools, temperature=0.0)

    sent = msgspec.json.decode(encode(route, request))

    assert sent == {
        "model": "qwen",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "1"}],
        "tools": tools,
        "temperature": 0.0,
    }


def test_a_model_has_its_own_name_for_max_tokens_additions_and_omissions():
    settings = ModelSettings(
        max_tokens_parameter="max_completion_tokens",
        extra_body={"top_k": 20, "temperature": 0.6},
        omit=frozenset({"parallel_tool_calls", "stream_options"}),
    )
    route = Route(upstream=UpstreamSettings(name="a", base_url="http://127.0.0.1/v1"), model="o9", settings=settings)
    request = ChatRequest(messages=[], temperature=1.0, max_tokens=300, parallel_tool_calls=True)

    sent = msgspec.json.decode(encode(route, request))

    assert sent == {
        "model": "o9",
        "stream": True,
        "messages": [],
        "temperature": 0.6,
        "top_k": 20,
        "max_completion_tokens": 300,
    }


async def test_a_connection_that_the_server_closed_although_it_promised_to_keep_it_costs_no_try():
    """llama.cpp's server closes its connections after a stream; only the next request on one finds that out."""
    answer = b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(answer)
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for answers in (head + answer, b""):
            request = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(request.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
            writer.write(answers)
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        ask = Asker(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1")
        model_map = ModelMap([ask.settings(tries=1)], {})
        async with Upstream(model_map, clock=time.time) as upstream:
            for _ in range(2):
                async with contextlib.aclosing(upstream.stream_chat("gpt-4o", HELLO, ask.attempts)) as chunks:
                    ask.chunks += [chunk async for group in chunks for chunk in group]

    assert ask.text == "HiHi"
    assert [attempt.status for attempt in ask.attempts] == [200, 200]
    assert connections == 2
