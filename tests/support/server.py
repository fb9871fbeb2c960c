"""A live server in a thread of its own: real sockets, real uvicorn, a real database."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import uvicorn

from treadle import app, store
from treadle.engine.engine import Engine
from treadle.http.protocol import BoundedHttp
from treadle.settings import Settings
from treadle.store import Database

KEY = "sk-treadle-test-key-of-the-default-project-0001"


class LiveServer:
    """`url` is the base URL that an OpenAI client is given. `engine` is for looking at, from its own loop only."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float], **parts) -> None:
        self.settings = settings
        self._application = app.build(settings, clock=clock, **parts)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._application,
                host="127.0.0.1",
                port=0,
                loop="uvloop",
                http=BoundedHttp,
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=2,
            )
        )
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-server", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    @property
    def root(self) -> str:
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    @property
    def engine(self) -> Engine:
        api = self._application._api
        assert api is not None
        return api._engine

    def call(self, function: Callable[[], object]) -> object:
        """Run a function, or a coroutine function, on the server's loop and return its result."""

        async def on_loop() -> object:
            result = function()
            return await result if asyncio.iscoroutine(result) else result

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(30)

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(30), "the server did not start"
        if self._application.failure is not None:
            raise self._application.failure

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive(), "the server did not stop"

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._new_loop) as runner:
                runner.run(self._serve())
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        serving = asyncio.ensure_future(self._serve_until_stopped())
        while not self._server.started and not serving.done():
            await asyncio.wait({serving}, timeout=0.005)
        self._started.set()
        await serving

    async def _serve_until_stopped(self) -> None:
        # uvicorn exits when the application cannot start; `start` raises the reason.
        with contextlib.suppress(SystemExit):
            await self._server.serve()

    @staticmethod
    def _new_loop() -> asyncio.AbstractEventLoop:
        import uvloop

        return uvloop.new_event_loop()


@contextlib.contextmanager
def running(settings: Settings, *, clock: Callable[[], float], **parts) -> Iterator[LiveServer]:
    """A server from here to the end of the block."""
    server = LiveServer(settings, clock=clock, **parts)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.asynccontextmanager
async def database_of(settings: Settings) -> AsyncIterator[Database]:
    """The server's database, from here to the end of the block; also beside the running server."""
    database = await store.open_database(settings.data_dir, settings.database, exclusive=False)
    try:
        yield database
    finally:
        await database.close()
