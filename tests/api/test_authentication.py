"""Who gets in, and that nobody sees another project. Contract: docs/behaviour.md, H-1, H-5, E-10, E-11."""

import base64
import stat
import time

import httpx2
import pytest
from msgspec.structs import replace

from tests.support.api import Api
from tests.support.rows import row_counts
from tests.support.server import KEY, database_of, running
from tests.support.sockets import exchange
from treadle import store
from treadle.app import NoKey
from treadle.contract.ids import PREFIXES
from treadle.http.routes import BINDINGS
from treadle.upstream.scripted import function_call

ASSISTANTS = "/assistants"
OPERATIONS = [bound.operation for bound in BINDINGS]
# A request by hand, up to the value of its Authorization header.
MODELS, END = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: ", b"\r\n\r\n"


@pytest.fixture
async def nobody(server):
    """A client without a key."""
    async with httpx2.AsyncClient(base_url=server.url, headers={"OpenAI-Beta": "assistants=v2"}) as http:
        yield http


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_no_operation_answers_without_a_key(nobody):
    """E-10, before anything else is looked at (O-1)."""
    for operation in OPERATIONS:
        response = await nobody.request(operation.method, operation.path.replace("{", "").replace("}", ""))

        assert response.status_code == 401, operation.id
        error = response.json()["error"]
        assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", None, None)
        assert error["message"].startswith("You didn't provide an API key. You need to provide your API key in an Auth")
        assert "treadle keys create" in error["message"]


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "bearer   ", KEY, f"Token {KEY}", "Basic", basic("", "")])
async def test_what_carries_no_key_is_no_key(server, header):
    """E-10."""
    answer = await exchange(server.root, MODELS + header.encode() + END)

    assert answer.status == 401
    assert answer.error["message"].startswith("You didn't provide an API key.")


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("sk-proj-abcdefghijklmnop1234", "sk-proj-" + "*" * 16 + "1234"),
        ("12345678901234567890", "12345678********7890"),
        ("1234567890123456789", "*" * 19),
        ("x", "*"),
    ],
)
async def test_a_wrong_key_is_shown_masked(nobody, key, shown):
    """E-11."""
    response = await nobody.get(ASSISTANTS, headers={"Authorization": f"Bearer {key}"})

    assert response.status_code == 401
    error = response.json()["error"]
    assert (error["message"], error["code"]) == (f"Incorrect API key provided: {shown}.", "invalid_api_key")


@pytest.mark.parametrize("key", [KEY[:-1], KEY + "0", KEY.upper(), KEY + " " + KEY, "ü" * 30])
async def test_only_the_exact_key_opens(server, key):
    """E-11, for any bytes that a header can carry."""
    answer = await exchange(server.root, MODELS + b"Bearer " + key.encode() + END)

    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    "header",
    [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER   {KEY}  ", basic("", KEY), basic("anyone", KEY)],
)
async def test_bearer_and_basic_both_open(server, header):
    """H-1: with Basic the key is the password."""
    assert (await exchange(server.root, MODELS + header.encode() + END)).status == 200


@pytest.mark.parametrize("credentials", [b"!!!!", b"\xc3\xbc", b"Og", b"c2s=", b"/w=="])
async def test_basic_credentials_that_are_none_are_no_key(server, credentials):
    """E-10: not base64, not ASCII, no colon in them."""
    answer = await exchange(server.root, MODELS + b"Basic " + credentials + END)

    assert (answer.status, answer.error["code"]) == (401, None)


async def test_a_revoked_key_stops_working_within_a_second(server, stranger, until):
    assert (await stranger.get(ASSISTANTS)).status == 200

    async with database_of(server.settings) as database:
        await store.keys.revoke(database, "stranger", now=int(time.time()))
        started = time.monotonic()

    async def is_refused():
        return (await stranger.get(ASSISTANTS)).status == 401

    await until(is_refused)
    assert time.monotonic() - started <= 1.0


async def test_a_key_that_is_made_meanwhile_works_at_once(server, nobody):
    """A key that was refused is not remembered."""
    key = "sk-treadle-a-key-that-is-made-while-the-server-runs"
    headers = {"Authorization": f"Bearer {key}"}
    assert (await nobody.get(ASSISTANTS, headers=headers)).status_code == 401

    async with database_of(server.settings) as database:
        await store.keys.create(database, key, name="late", project="default", now=1)

    assert (await nobody.get(ASSISTANTS, headers=headers)).status_code == 200


async def test_keys_of_one_project_see_the_same(server, api, assistant):
    async with database_of(server.settings) as database:
        await store.keys.create(database, "sk-treadle-second-key", name="second", project="default", now=1)
    second = Api(server.root, "sk-treadle-second-key")

    assert await second.found(f"/assistants/{assistant['id']}") == assistant
    await second.close()


@pytest.fixture
async def theirs(api, assistant, thread, upstream, until):
    """Ids of one of each kind in the project of `api`; the run waits for an output."""
    upstream.will_say(function_call("get_weather", {}, id="call_1"))
    run = await api.created(f"/threads/{thread['id']}/runs", {"assistant_id": assistant["id"]})
    path = f"/threads/{thread['id']}/runs/{run['id']}"

    async def is_waiting():
        return (await api.found(path))["status"] == "requires_action"

    await until(is_waiting)
    step = (await api.found(f"{path}/steps"))["data"][0]
    message = (await api.found(f"/threads/{thread['id']}/messages"))["data"][0]
    return {
        "assistant": assistant["id"],
        "thread": thread["id"],
        "message": message["id"],
        "run": run["id"],
        "run_step": step["id"],
    }


NOWHERE = {kind: f"{prefix}nowhere" for kind, prefix in PREFIXES.items()}


def path_of(operation, ids):
    path = operation.path
    for name, kind in operation.path_kinds.items():
        path = path.replace(f"{{{name}}}", (NOWHERE | ids)[kind])
    return path


def told(answer, ids):
    """The status and the message, with these ids made alike."""
    message = answer.error["message"]
    for id in ids.values():
        message = message.replace(id, "ID")
    return answer.status, message


# Bodies that would be right for whoever owns the object in the path.
BODIES = {
    "createMessage": {"role": "user", "content": "hi"},
    "createRun": {"assistant_id": "one of the asker's own"},
    "submitToolOuputsToRun": {"tool_outputs": [{"tool_call_id": "call_1", "output": "x"}]},
}


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if any(operation.path_kinds.values())],
    ids=lambda operation: operation.id,
)
async def test_another_projects_objects_are_not_found_and_not_touched(server, api, stranger, theirs, operation):
    """H-5: the same answer as for an id that nobody has."""
    own = await stranger.created("/assistants", {"model": "gpt-4o"})
    body = BODIES.get(operation.id, {})
    if "assistant_id" in body:
        body = {**body, "assistant_id": own["id"]}
    before = await row_counts(server.settings)
    objects = await all_of(api, theirs)

    answer = await stranger.request(operation.method, path_of(operation, theirs), body=body or None)
    unknown = await stranger.request(operation.method, path_of(operation, NOWHERE), body=body or None)

    assert answer.status == 404
    assert told(answer, theirs) == told(unknown, NOWHERE)
    assert await row_counts(server.settings) == before
    assert await all_of(api, theirs) == objects


async def all_of(api, ids):
    thread = f"/threads/{ids['thread']}"
    run = f"{thread}/runs/{ids['run']}"
    paths = [f"/assistants/{ids['assistant']}", thread, f"{thread}/messages", run, f"{run}/steps"]
    return [await api.found(path) for path in paths]


async def test_lists_show_ones_own_project_only(api, stranger, assistant):
    own = await stranger.created("/assistants", {"model": "gpt-4o"})

    assert (await stranger.found("/assistants"))["data"] == [own]
    assert (await api.found("/assistants"))["data"] == [assistant]


async def test_another_projects_cursor_is_unknown_also_once_it_is_deleted(api, stranger, assistant):
    """P-8."""
    await stranger.created("/assistants", {"model": "gpt-4o"})
    deleted = await api.created("/assistants", {"model": "gpt-4o"})
    await api.delete(f"/assistants/{deleted['id']}")

    for cursor in (assistant["id"], deleted["id"]):
        for name in ("after", "before"):
            answer = await stranger.get("/assistants", {name: cursor})
            assert answer.status == 404
            assert answer.error["message"] == f"No assistant found with id '{cursor}'."


async def test_another_projects_assistant_cannot_be_run(api, stranger, assistant, server):
    """Ids in bodies: E-60, and nothing is created (R-32)."""
    own = await stranger.created("/threads")
    before = await row_counts(server.settings)

    run = await stranger.post(f"/threads/{own['id']}/runs", {"assistant_id": assistant["id"]})
    both = await stranger.post("/threads/runs", {"assistant_id": assistant["id"], "thread": {"messages": []}})

    for answer in (run, both):
        assert answer.status == 404
        assert answer.error["message"] == f"No assistant found with id '{assistant['id']}'."
    assert await row_counts(server.settings) == before


class TestWithoutAKeyFromOutside:
    @pytest.fixture
    def settings(self, settings):
        return replace(settings, api_key=None)

    async def test_the_first_start_writes_a_key_for_the_owner_only(self, server):
        file = server.settings.data_dir / "api-key"

        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        client = Api(server.root, file.read_text().strip())
        assert (await client.get(ASSISTANTS)).status == 200
        await client.close()

    async def test_the_next_start_makes_no_other(self, settings, clock):
        made = []

        for _ in range(2):
            with running(settings, clock=clock, show_key=made.append) as live:
                client = Api(live.root, made[0])
                assert (await client.get(ASSISTANTS)).status == 200
                await client.close()

        assert len(made) == 1
        assert not (settings.data_dir / "api-key").exists()

    async def test_beyond_this_machine_a_key_has_to_be_made_first(self, settings, clock):
        with pytest.raises(NoKey, match="treadle keys create"), running(replace(settings, host="0.0.0.0"), clock=clock):
            pass

    async def test_with_a_key_made_beforehand_it_listens_anywhere(self, settings, clock):
        async with database_of(settings) as database:
            await store.keys.create(database, "sk-treadle-made-beforehand", name="a", project="default", now=1)

        with running(replace(settings, host="0.0.0.0"), clock=clock) as live:
            client = Api(live.root, "sk-treadle-made-beforehand")
            assert (await client.get(ASSISTANTS)).status == 200
            await client.close()

    async def test_a_revoked_key_does_not_count_as_one(self, settings, clock):
        async with database_of(settings) as database:
            await store.keys.create(database, "sk-treadle-made-beforehand", name="a", project="default", now=1)
            await store.keys.revoke(database, "a", now=2)

        with pytest.raises(NoKey), running(replace(settings, host="0.0.0.0"), clock=clock):
            pass


class TestOfServersThatStartAtOnce:
    @pytest.fixture
    def database_url(self, postgres):
        return postgres

    @pytest.fixture
    def settings(self, settings):
        return replace(settings, api_key=None)

    async def test_one_makes_the_first_key(self, settings, clock):
        made = []

        def let_another_be_faster(_phase):
            if not made:
                with running(settings, clock=clock, show_key=made.append):
                    pass

        with running(settings, clock=clock, show_key=made.append, observe_commit=let_another_be_faster) as live:
            client = Api(live.root, made[0])
            assert (await client.get(ASSISTANTS)).status == 200
            await client.close()
        assert len(made) == 1


async def test_a_key_from_outside_opens_the_default_project_and_is_not_stored(server, api, assistant):
    """`settings.api_key`, which `serve` takes from TREADLE_API_KEY."""
    async with database_of(server.settings) as database:
        assert await store.keys.list_all(database) == []
        await store.keys.create(database, "sk-treadle-of-default", name="d", project="default", now=1)
    second = Api(server.root, "sk-treadle-of-default")

    assert await second.found(f"/assistants/{assistant['id']}") == assistant
    await second.close()
    assert not (server.settings.data_dir / "api-key").exists()
