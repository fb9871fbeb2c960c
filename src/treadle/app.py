"""Composition root: settings -> store, upstream, engine -> ASGI application. Concrete parts are chosen here only."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import structlog

from treadle import store
from treadle.contract import ids
from treadle.engine import expiry, hearing
from treadle.engine.commands.threads import remove_all_remains
from treadle.engine.engine import Engine
from treadle.engine.parts import Clock, Limits
from treadle.http.application import Application
from treadle.http.auth import Authenticator
from treadle.http.bind import Api
from treadle.http.routes import BINDINGS
from treadle.settings import KEY_FILE, Settings
from treadle.store import Database
from treadle.store.database import CommitObserver
from treadle.upstream.local import install
from treadle.upstream.local.process import CONTEXT_TOKENS, LocalModel
from treadle.upstream.models import ModelMap, ModelSettings, UpstreamSettings
from treadle.upstream.upstream import Upstream

log = structlog.get_logger(__name__)

VERSION: Final = metadata.version("treadle")
FIRST_KEY: Final = "first"
LOCAL_UPSTREAM: Final = "local"
# The engine counts with another tokenizer, so it must not count to the last token.
LOCAL_CONTEXT_TOKENS: Final = CONTEXT_TOKENS * 7 // 8


class NoKey(Exception):
    """The server would listen beyond this machine without any key made beforehand."""


def build(
    settings: Settings,
    *,
    clock: Clock = time.time,
    new_id: ids.IdSource = ids.new_id,
    observe_commit: CommitObserver | None = None,
    show_key: Callable[[str], None] | None = None,
) -> Application:
    """The application, which opens its parts when the server starts. `show_key` is told a key that had to be made.

    At start-up it raises DataFolderInUse, DatabaseTooNew, NoKey, ValueError for a model map that contradicts itself.
    """

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[Api]:
        async with contextlib.AsyncExitStack() as stack:
            database = await _opened(settings, stack, observe_commit)
            authenticator = await _authenticator(settings, database, int(clock()), show_key)
            engine, upstream = await _engine(settings, database, stack, clock, new_id)
            await stack.enter_async_context(_working(engine))
            yield Api(
                BINDINGS,
                engine,
                upstream,
                authenticator,
                require_beta=settings.require_beta_header,
                log_requests=settings.log_level == "debug",
            )

    return Application(lifespan, BINDINGS, version=VERSION)


async def work(settings: Settings, *, ready: Callable[[str], None], clock: Clock = time.time) -> None:
    """Execute runs of a database that other processes serve, until cancelled. `ready` is told the worker's id.

    Raises what `build` says of its start-up, except NoKey.
    """
    async with contextlib.AsyncExitStack() as stack:
        database = await _opened(settings, stack, None)
        engine, _upstream = await _engine(settings, database, stack, clock, ids.new_id)
        await stack.enter_async_context(_working(engine))
        ready(engine.process_id)
        await asyncio.get_running_loop().create_future()


async def _opened(
    settings: Settings, stack: contextlib.AsyncExitStack, observe_commit: CommitObserver | None
) -> Database:
    database = await store.open_database(settings.data_dir, settings.database, observe_commit=observe_commit)
    stack.push_async_callback(database.close)
    return database


async def _engine(
    settings: Settings, database: Database, stack: contextlib.AsyncExitStack, clock: Clock, new_id: ids.IdSource
) -> tuple[Engine, Upstream]:
    local = _local_model(settings, clock)
    if local is not None:
        await stack.enter_async_context(local)
    upstream = await stack.enter_async_context(Upstream(model_map(settings), clock=clock, local=local))
    limits = Limits(
        max_runs=settings.max_runs,
        stop_seconds=settings.stop_seconds,
        keep_alive_seconds=settings.keep_alive_seconds,
        lease_seconds=settings.lease_seconds,
    )
    return Engine(database, upstream, clock=clock, new_id=new_id, limits=limits, work=settings.work), upstream


@contextlib.asynccontextmanager
async def _working(engine: Engine) -> AsyncIterator[None]:
    """The engine at work: runs left by a crash go on, and what is due is done, until the server stops."""
    await hearing.begin(engine)
    await engine.worker.begin()
    works = [
        ("worker", engine.worker.scan_until_stopped()),
        ("expiry", expiry.watch_until_stopped(engine)),
        ("clean-up", remove_all_remains(engine)),
    ]
    if engine.database.shared:
        works.append(("peers", engine.peers.look_until_stopped()))
        if engine.worker.is_enabled:
            works.append(("lease", engine.lease.renew_until_stopped(engine.now)))
    background = [asyncio.create_task(_named(name, work)) for name, work in works]
    try:
        yield
    finally:
        await engine.worker.close()
        engine.relay.close()
        for task in background:
            task.cancel()
        await asyncio.wait(background)
        for task in background:
            if not task.cancelled():
                task.result()  # if one broke, this tells why we stop


async def _named(name: str, work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        # Without it runs would wait for ever, in silence: better to stop, so that somebody restarts us.
        log.critical("background work broke", work=name, exc_info=True)
        os.kill(os.getpid(), signal.SIGTERM)
        raise


def model_map(settings: Settings) -> ModelMap:
    """The configured model servers; without any, the embedded model when it is installed. Raises ValueError."""
    upstreams, models, default_model = settings.upstreams, settings.models, settings.default_model
    if not upstreams and (local := install.installed(settings.data_dir)) is not None:
        upstreams = (UpstreamSettings(name=LOCAL_UPSTREAM, base_url="local:"),)
        models = {**models, local.package.name: ModelSettings(context_tokens=LOCAL_CONTEXT_TOKENS)}
        default_model = default_model or local.package.name
    return ModelMap(
        upstreams,
        models,
        default_upstream=settings.default_upstream,
        default_model=default_model,
        mapped_only=settings.mapped_only,
    )


def _local_model(settings: Settings, clock: Clock) -> LocalModel | None:
    """The embedded model, which starts with its first request; None unless it is what `model_map` chose."""
    found = None if settings.upstreams else install.installed(settings.data_dir)
    return LocalModel(found.path, clock=clock) if found else None


async def _authenticator(
    settings: Settings, database: Database, now: int, show_key: Callable[[str], None] | None
) -> Authenticator:
    """Keys of the database, and the environment's. Makes a first key on a loopback address if there is none."""
    fixed = {}
    keys = await store.keys.list_all(database)
    if settings.api_key is not None:
        project_id = await store.keys.project_id(database, store.keys.DEFAULT_PROJECT, now=now)
        fixed[store.keys.digest(settings.api_key)] = project_id
    elif all(key.revoked_at is not None for key in keys):
        if not settings.is_loopback:
            raise NoKey(
                f"To listen on {settings.host}, make a key first: treadle keys create NAME. "
                "(On a loopback address the first serve makes one by itself.)"
            )
        # Of several servers that start at once, each reads the same keys, so one of them takes the name.
        name = f"{FIRST_KEY}-{len(keys)}" if keys else FIRST_KEY
        with contextlib.suppress(store.keys.KeyExists):
            await _make_first_key(settings.data_dir, database, name, now, show_key)
    return Authenticator(database, monotonic=time.monotonic, fixed=fixed, strict_projects=settings.strict_projects)


async def _make_first_key(
    data_dir: Path, database: Database, name: str, now: int, show_key: Callable[[str], None] | None
) -> None:
    """Raises KeyExists."""
    # On PostgreSQL nobody needed the folder before. Better to fail now than with a key that nobody gets to know.
    os.makedirs(data_dir, mode=0o700, exist_ok=True)
    key = store.keys.new_key()
    await store.keys.create(database, key, name=name, project=store.keys.DEFAULT_PROJECT, now=now)
    if show_key is not None:
        show_key(key)
        return
    path = data_dir / KEY_FILE
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)
        file.write(key + "\n")
    log.info("a first API key was made", file=str(path))
