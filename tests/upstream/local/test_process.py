"""The embedded model's process when it cannot run; `test_real_model.py` has the runs."""

import sys
import time
from pathlib import Path

import pytest

from treadle.upstream import LOCAL, ChatRequest, ModelMap, Upstream, UpstreamSettings, UpstreamUnavailable
from treadle.upstream.local.process import LocalModel

pytestmark = pytest.mark.slow  # needs treadle[local], as `make slow` has it

HELLO = ChatRequest(messages=[{"role": "user", "content": "Hello!"}])


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_a_file_that_is_no_model_is_named_in_the_error(tmp_path: Path, clock: Clock):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"not a model")

    async with LocalModel(path, clock=clock) as model:
        with pytest.raises(UpstreamUnavailable, match=r"broken\.gguf did not start: "):
            await model.settings()

        assert model.pid is None


async def test_an_eager_model_that_cannot_start_fails_on_entering(tmp_path: Path, clock: Clock):
    with pytest.raises(UpstreamUnavailable, match="did not start"):
        async with LocalModel(tmp_path / "missing.gguf", clock=clock, eager=True):
            pass


async def test_a_request_fails_like_one_to_any_upstream(tmp_path: Path, clock: Clock):
    models = ModelMap([UpstreamSettings(name="embedded", base_url=LOCAL)])

    async with (
        LocalModel(tmp_path / "missing.gguf", clock=clock) as local,
        Upstream(models, clock=clock, local=local) as upstream,
    ):
        with pytest.raises(UpstreamUnavailable, match="did not start"):
            await anext(upstream.stream_chat("any", HELLO))


async def test_a_model_that_keeps_dying_is_left_alone_for_a_while(tmp_path: Path, clock: Clock):
    async with LocalModel(tmp_path / "missing.gguf", clock=clock, deaths_max=2, deaths_period_seconds=60) as model:
        for _ in range(2):
            with pytest.raises(UpstreamUnavailable, match="did not start"):
                await model.settings()

        with pytest.raises(UpstreamUnavailable, match="stopped 2 times within 60 s"):
            await model.settings()

        clock.now += 61
        with pytest.raises(UpstreamUnavailable, match="did not start"):
            await model.settings()


async def test_a_model_that_is_not_ready_in_time_is_stopped(tmp_path: Path, clock: Clock):
    async with LocalModel(tmp_path / "missing.gguf", clock=clock, start_timeout_seconds=0.001) as model:
        began = time.monotonic()

        with pytest.raises(UpstreamUnavailable, match=r"not ready within 0\.001 s"):
            await model.settings()

        assert model.pid is None
        assert time.monotonic() - began < 5


async def test_without_the_runtime_the_error_says_what_to_install(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    # What an environment without the extra looks like to `import`.
    monkeypatch.setitem(sys.modules, "xllamacpp", None)

    async with LocalModel(tmp_path / "any.gguf", clock=clock) as model:
        with pytest.raises(UpstreamUnavailable, match=r"pip install 'treadle\[local\]'"):
            await model.settings()
