"""Which error an unsuccessful answer becomes (R-60), and which of them are worth another try."""

import socket
import time
from collections.abc import Iterator

import pytest

from tests.upstream.conftest import Asker
from treadle.upstream import (
    NoUpstream,
    UpstreamAuthentication,
    UpstreamError,
    UpstreamModelNotFound,
    UpstreamRateLimited,
    UpstreamRefusedPrompt,
    UpstreamRefusedRequest,
    UpstreamSettings,
    UpstreamUnavailable,
    failures,
)
from treadle.upstream.scripted import ScriptedUpstream, cut, fail, hang, raw, say

UPSTREAM = UpstreamSettings(name="local-gpu", base_url="http://127.0.0.1:1/v1", api_key="sk-upstream-secret")


def told(message: str, code: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, told("Rate limit reached", "rate_limit_exceeded"), UpstreamRateLimited),
        (429, "", UpstreamRateLimited),
        (429, told("You exceeded your current quota", "insufficient_quota"), UpstreamRateLimited),
        (401, told("Incorrect API key provided", "invalid_api_key"), UpstreamAuthentication),
        (403, "Forbidden", UpstreamAuthentication),
        (403, told("Project has no access to model `x`", "model_not_found"), UpstreamModelNotFound),
        (404, told("The model `x` does not exist.", "model_not_found"), UpstreamModelNotFound),
        (404, {"object": "error", "message": "The model `x` does not exist.", "code": 404}, UpstreamModelNotFound),
        (404, {"error": "model 'x' not found, try pulling it first"}, UpstreamModelNotFound),
        (404, {"detail": "Not Found"}, UpstreamRefusedRequest),
        (400, told("Unsupported parameter: 'top_k'", "unsupported_parameter"), UpstreamRefusedRequest),
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, UpstreamRefusedRequest),
        (501, "", UpstreamRefusedRequest),
        (400, told("Flagged", "content_filter"), UpstreamRefusedPrompt),
        (400, told("The response was filtered due to Azure's content management policy."), UpstreamRefusedPrompt),
        (408, "", UpstreamUnavailable),
        (500, [told("Internal error")], UpstreamUnavailable),
        (503, "<html>Service Unavailable</html>", UpstreamUnavailable),
        (500, told("crashed while filling the context window"), UpstreamUnavailable),
    ],
)
async def test_a_failed_answer_becomes_the_error_that_says_what_to_do(
    ask: Asker, server: ScriptedUpstream, status: int, body: object, kind: type[UpstreamError]
):
    server.will_say(fail(status, body=body))

    with pytest.raises(UpstreamError) as raised:
        await ask()

    assert type(raised.value) is kind
    assert raised.value.status == status
    assert raised.value.message.startswith(f"The model server 'local-gpu' answered {status}: ")


@pytest.mark.parametrize(
    "body",
    [
        told("Too many cooks"),
        [told("Too many cooks")],
        {"error": "Too many cooks"},
        {"object": "error", "message": "Too many cooks", "code": 500},
        {"detail": "Too many cooks"},
        "Too many\n\tcooks",
    ],
)
async def test_the_servers_own_words_are_found_wherever_they_are(ask: Asker, server: ScriptedUpstream, body: object):
    server.will_say(fail(500, body=body))

    with pytest.raises(UpstreamUnavailable) as raised:
        await ask()

    assert raised.value.message == "The model server 'local-gpu' answered 500: Too many cooks."


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (400, "Please reduce the length of the messages.", "context_length_exceeded"),
        (400, "This model's maximum context length is 8192 tokens. However, you requested 9001.", None),
        (400, "the request exceeds the available context size, try increasing it", "exceed_context_size_error"),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", None),
        (422, "The input is too long: too many input tokens", None),
        (413, "Request body too large", None),
    ],
)
async def test_a_prompt_that_does_not_fit_is_told_apart(
    ask: Asker, server: ScriptedUpstream, status: int, message: str, code: str | None
):
    server.will_say(fail(status, body=told(message, code)))

    with pytest.raises(UpstreamRefusedPrompt) as raised:
        await ask()

    assert raised.value.too_long
    assert message in raised.value.message


@pytest.mark.parametrize(
    ("chunk", "kind"),
    [
        ({"error": {"message": "Rate limited", "code": 429}}, UpstreamRateLimited),
        ({"error": {"message": "Bad gateway", "code": 502}, "choices": []}, UpstreamUnavailable),
        ({"error": {"message": "Flagged", "code": "content_filter"}}, UpstreamRefusedPrompt),
        ({"error": {"message": "This model's maximum context length is 10 tokens"}}, UpstreamRefusedPrompt),
        ({"error": "out of memory"}, UpstreamUnavailable),
        ({"object": "error", "message": "Too many requests", "code": 429}, UpstreamRateLimited),
    ],
)
async def test_an_error_inside_the_stream_counts_like_one_in_the_status(
    ask: Asker, server: ScriptedUpstream, chunk: dict[str, object], kind: type[UpstreamError]
):
    server.will_say(raw({"choices": [{"delta": {"content": "Hi"}}]}, chunk))

    with pytest.raises(UpstreamError, match="broke off its answer: ") as raised:
        await ask(tries=3)

    assert type(raised.value) is kind
    assert ask.text == "Hi"
    assert len(server.requests) == 1


async def test_a_redirect_is_not_followed_and_its_target_is_named_without_secrets(ask: Asker, server: ScriptedUpstream):
    target = server.base_url.replace("//", "//user:password@") + "/chat/completions?token=abc"
    server.will_say(fail(307, {"Location": target}), say("Reached"))

    with pytest.raises(UpstreamRefusedRequest) as raised:
        await ask(tries=3)

    assert f"redirects to '{server.base_url}/chat/completions'" in raised.value.message
    assert len(server.requests) == 1


async def test_a_server_that_repeats_our_key_does_not_get_it_into_the_message(ask: Asker, server: ScriptedUpstream):
    server.will_say(fail(401, body=told("Incorrect API key provided: sk-upstream-secret")))

    with pytest.raises(UpstreamAuthentication) as raised:
        await ask()

    assert raised.value.message == "The model server 'local-gpu' answered 401: Incorrect API key provided: ***."


async def test_a_huge_explanation_is_cut(ask: Asker, server: ScriptedUpstream):
    server.will_say(fail(500, body="no " * 3_000_000))

    with pytest.raises(UpstreamUnavailable) as raised:
        await ask()

    assert len(raised.value.message) < 600


async def test_a_wrong_path_points_at_the_base_url(ask: Asker, server: ScriptedUpstream):
    with pytest.raises(UpstreamRefusedRequest, match=r"no /chat/completions below .*/elsewhere .*ends in /v1"):
        await ask(base_url=server.base_url.replace("/v1", "/elsewhere"))


def test_without_a_model_server_the_message_says_how_to_add_one():
    message = NoUpstream().message

    assert "--upstream URL" in message
    assert "treadle model install" in message


def test_settings_do_not_show_their_key():
    assert "secret" not in repr(UPSTREAM)


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:28:30 -0000", 30.0),
        ("Wed, 21 Oct 2020 07:28:30 GMT", 0.0),
        ("soon", None),
        ("inf", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None):
    at_seven_twenty_eight = 1792567680.0

    assert failures.retry_after_seconds({"Retry-After": value}, now=at_seven_twenty_eight) == seconds


# Another try, or not.


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(fail(429), id="429"),
        pytest.param(fail(429, {"Retry-After": "0"}), id="429 with seconds"),
        pytest.param(fail(429, {"Retry-After": "Wed, 21 Oct 2020 07:28:30 GMT"}), id="429 with a date"),
        pytest.param(fail(500), id="500"),
        pytest.param(fail(503, {"Retry-After": "0"}), id="503 with seconds"),
        pytest.param(cut(after_chunks=1), id="cut"),
        pytest.param(hang(), id="silence before the headers"),
        pytest.param(hang(after_chunks=1), id="silence after the role"),
        pytest.param(raw({"error": {"message": "Bad gateway", "code": 502}}), id="502 in the stream"),
    ],
)
async def test_before_the_first_token_a_passing_failure_is_tried_again(ask: Asker, server: ScriptedUpstream, first):
    server.will_say(first, say("There you are."))

    await ask(tries=2, first_token_timeout_seconds=0.1)

    assert ask.text == "There you are."
    assert [attempt.error is None for attempt in ask.attempts] == [False, True]
    assert ask.attempts[1].status == 200


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(fail(400, body=told("no")), id="400"),
        pytest.param(fail(401), id="401"),
        pytest.param(fail(404), id="404"),
        pytest.param(fail(501), id="501"),
        pytest.param(fail(429, body=told("You exceeded your current quota", "insufficient_quota")), id="quota"),
    ],
)
async def test_what_will_not_change_is_not_tried_again(ask: Asker, server: ScriptedUpstream, refusal):
    server.will_say(refusal, say("Never heard."))

    with pytest.raises(UpstreamError):
        await ask(tries=3)

    assert len(server.requests) == 1


async def test_tries_end_with_the_last_failure_and_all_are_recorded(ask: Asker, server: ScriptedUpstream):
    server.will_say(fail(500), fail(429, body=told("Slow down")), fail(503, body=told("Overloaded")), say("Too late."))

    with pytest.raises(UpstreamUnavailable, match="Overloaded"):
        await ask(tries=3)

    assert [attempt.status for attempt in ask.attempts] == [500, 429, 503]
    assert ask.attempts[1].error == "The model server 'local-gpu' answered 429: Slow down."
    assert len(server.requests) == 3


async def test_retry_after_is_waited_for_instead_of_the_usual_back_off(ask: Asker, server: ScriptedUpstream):
    server.will_say(fail(429, {"Retry-After": "0.15"}), say("Hi"))

    await ask(tries=2, wait_initial_seconds=60.0, wait_max_seconds=60.0)

    first, second = ask.attempts
    assert second.started_at_ms - first.started_at_ms >= 150
    assert ask.text == "Hi"


async def test_a_server_that_wants_more_patience_than_we_have_is_not_waited_for(ask: Asker, server: ScriptedUpstream):
    server.will_say(fail(429, {"Retry-After": "3600"}, told("Rate limit reached.")), say("Much later."))

    with pytest.raises(UpstreamRateLimited) as raised:
        await ask(tries=3)

    assert raised.value.retry_after_seconds == 3600
    assert raised.value.message.endswith("Rate limit reached. It asks us to wait 3600 s.")
    assert len(server.requests) == 1


async def test_after_the_first_token_nothing_is_tried_again(ask: Asker, server: ScriptedUpstream):
    server.will_say(cut(say("Half of it"), after_chunks=2), say("Half of it"))

    with pytest.raises(UpstreamError):
        await ask(tries=3)

    assert ask.text == "Half of "
    assert len(server.requests) == 1


async def test_a_refused_connection_says_where_and_why():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        ask = Asker(f"http://127.0.0.1:{unused.getsockname()[1]}/v1")

        with pytest.raises(UpstreamUnavailable, match=r"'local-gpu' at http://127.0.0.1:\d+/v1 is not reachable"):
            await ask(tries=2)

    assert [attempt.status for attempt in ask.attempts] == [None, None]


async def test_a_host_that_does_not_exist_is_unavailable():
    with pytest.raises(UpstreamUnavailable, match="is not reachable: "):
        await Asker("http://treadle.invalid/v1")()


async def test_a_server_that_takes_no_connection_is_given_up():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with socket.create_connection(address), socket.socket() as waiting:
            # With its queue full the kernel drops what comes next, so that connecting takes for ever.
            waiting.setblocking(False)
            waiting.connect_ex(address)
            with pytest.raises(UpstreamUnavailable, match=r"took no connection for 0\.1 s"):
                await Asker(f"http://127.0.0.1:{address[1]}/v1")(connect_timeout_seconds=0.1)
