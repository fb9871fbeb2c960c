"""Which calls are tried again. H-23."""

import time

import pytest

from treadle import AsyncClient, Client
from treadle.client import ConnectionFailed, UnexpectedAnswer, retries
from treadle.contract.errors import ApiError, InvalidRequest, QuotaExceeded, RateLimited, ServerFault, Unavailable

PAGE = b'{"object":"list","data":[]}'
SOON = {"retry-after-ms": "1"}


def envelope(message: str = "No.", type: str = "server_error") -> bytes:
    return b'{"error":{"message":"%s","type":"%s","param":null,"code":null}}' % (message.encode(), type.encode())


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_h_23_a_passing_fault_is_tried_again(told, connect, status):
    told.answer(status, SOON, envelope())
    told.answer(status, SOON, envelope())
    told.answer(200, body=PAGE)

    assert connect().list_assistants().data == []
    assert len(told.seen) == 3


def test_after_two_retries_the_last_error_is_raised(told, connect):
    told.answer(503, {**SOON, "x-request-id": "req_1"}, envelope("Starting."))

    with pytest.raises(Unavailable, match="Starting") as caught:
        connect().list_assistants()

    assert len(told.seen) == 3
    assert caught.value.request_id == "req_1"


@pytest.mark.parametrize(
    ("status", "headers"),
    [(400, {}), (404, {}), (409, {}), (500, {"x-should-retry": "false"}), (429, {"retry-after": "121"})],
)
def test_h_23_and_h_24_what_trying_again_cannot_help_is_raised_at_once(told, connect, status, headers):
    told.answer(status, headers, envelope())

    with pytest.raises(ApiError) as caught:
        connect().list_assistants()

    assert caught.value.http_status == status
    assert len(told.seen) == 1


def test_h_23_the_server_may_ask_for_a_retry_of_anything(told, connect):
    told.answer(400, {**SOON, "x-should-retry": "true"}, envelope())
    told.answer(200, body=PAGE)

    assert connect().list_assistants().data == []


def test_no_retries_when_none_are_wanted(told, connect):
    told.answer(500, SOON, envelope())

    with pytest.raises(ServerFault):
        connect(max_retries=0).list_assistants()

    assert len(told.seen) == 1


def test_a_post_that_was_sent_and_got_no_answer_is_not_sent_twice(told, connect):
    told.answer(0)

    with pytest.raises(ConnectionFailed, match=f"No answer from {told.base_url}"):
        connect().create_thread()

    assert len(told.seen) == 1


def test_a_get_whose_connection_broke_is_tried_again(told, connect):
    told.answer(0)
    told.answer(200, body=PAGE)

    assert connect().list_assistants().data == []


async def test_the_asynchronous_client_follows_the_same_rules(told):
    told.answer(500, SOON, envelope())
    told.answer(200, body=PAGE)
    told.answer(400, body=envelope(type="invalid_request_error"))

    async with AsyncClient(told.base_url, "sk-test") as client:
        assert (await client.list_assistants()).data == []
        with pytest.raises(InvalidRequest):
            await client.list_assistants()

    assert len(told.seen) == 3


def test_a_server_that_is_not_there_is_named():
    with (
        Client("http://127.0.0.1:1/v1", "sk-test", max_retries=0) as client,
        pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:1/v1"),
    ):
        client.list_assistants()


@pytest.mark.parametrize(
    ("tried", "least", "most"), [(1, 0.375, 0.5), (2, 0.75, 1.0), (3, 1.5, 2.0), (5, 6.0, 8.0), (9, 6.0, 8.0)]
)
def test_h_23_waits_double_up_to_eight_seconds_with_a_quarter_of_jitter(tried, least, most):
    waits = [retries.wait_seconds(ServerFault.unexpected(), tried=tried) for _ in range(50)]

    assert least <= min(waits) <= max(waits) <= most


@pytest.mark.parametrize(("headers", "seconds"), [({"retry-after": "3"}, 3), ({"retry-after-ms": "1500.5"}, 1.5005)])
def test_h_23_the_wait_that_the_server_asks_for_is_kept(headers, seconds):
    assert retries.wait_seconds(RateLimited("Slow down.", headers=headers), tried=1) == pytest.approx(seconds)


def test_h_23_the_wait_may_be_a_date():
    soon = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60))

    assert 50 < retries.wait_seconds(RateLimited("Slow down.", headers={"retry-after": soon}), tried=1) <= 60


@pytest.mark.parametrize(
    ("status", "type", "kind"),
    [
        (429, "insufficient_quota", QuotaExceeded),
        (429, "tokens", RateLimited),
        (409, "invalid_request_error", InvalidRequest),
        (504, "server_error", ServerFault),
    ],
)
def test_an_error_beyond_the_contract_is_a_kind_of_its_nearest_and_keeps_status_and_type(
    told, connect, status, type, kind
):
    told.answer(status, {"x-should-retry": "false"}, envelope(type=type))

    with pytest.raises(kind) as caught:
        connect().list_assistants()

    assert (caught.value.http_status, caught.value.type) == (status, type)


def test_an_error_page_of_a_proxy_is_quoted(told, connect):
    told.answer(502, {"x-should-retry": "false", "content-type": "text/html"}, b"<h1>Bad gateway</h1>")

    with pytest.raises(ServerFault, match="The server answered 502: <h1>Bad gateway</h1>"):
        connect().list_assistants()


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (200, b'{"data":[{}]}'), (302, b"")])
def test_an_answer_that_is_neither_result_nor_error_is_told_as_such(told, connect, status, body):
    told.answer(status, {"location": "/elsewhere"}, body)

    with pytest.raises(UnexpectedAnswer):
        connect().list_assistants()
