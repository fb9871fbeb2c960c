"""The processes: two that answer requests, of which one works, too, three workers, and the model server."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from tests.support.server import KEY
from treadle.upstream.scripted import Script

START_SECONDS = 30.0
_READY = re.compile(rb"Treadle (?:serves (?P<root>http://\S+)/v1|worker (?P<id>\S+) works)")
# A model server that fails is asked again soon.
CONFIG = """
[upstreams.scripted]
base_url = "{base_url}"
tries = 3
wait_initial_seconds = 0.05
wait_max_seconds = 0.1
"""


class Process:
    """A command in one life after the other, all in one log.

    `root` is where it serves, None while it does not. `worker_ids` are those of its lives, for one that only works.
    It is `well` from when it has started until somebody harms it.
    """

    def __init__(self, name: str, arguments: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.name, self.works = name, "--no-worker" not in arguments
        self.root: str | None = None
        self.worker_ids: list[str] = []
        self.is_well = False
        self.failed_starts = 0
        self._arguments, self._log, self._environment = arguments, folder / f"{name}.log", environment
        self._process: asyncio.subprocess.Process

    async def start(self) -> None:
        """Returns when it is ready. It may be harmed while it starts, and is then started again."""
        async with asyncio.timeout(START_SECONDS):
            while not await self._start():
                self.failed_starts += 1
        self.is_well = True

    async def _start(self) -> bool:
        with self._log.open("ab") as log:
            begins_at = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "treadle", *self._arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        while not (ready := _READY.search(self._log.read_bytes(), begins_at)):
            if self._process.returncode is not None:
                return False
            await asyncio.sleep(0.02)
        if ready["root"]:
            self.root = ready["root"].decode()
        else:
            self.worker_ids.append(ready["id"].decode())
        return True

    async def kill(self) -> None:
        """kill -9."""
        self.is_well, self.root = False, None
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    def pause(self) -> None:
        """It keeps its connections, and who asks it waits."""
        self.is_well = False
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        self.is_well = True

    @property
    def has_ended(self) -> bool:
        """By itself."""
        return self.is_well and self._process.returncode is not None


class Cluster:
    """`apis` answer requests, `workers` execute runs; one process does both."""

    def __init__(self, processes: list[Process]) -> None:
        self.processes = processes
        self.apis = [process for process in processes if not process.name.startswith("worker")]
        self.workers = [process for process in processes if process.works]

    def well_workers(self) -> list[Process]:
        return [process for process in self.workers if process.is_well]

    def may_be(self, worker_id: str, process: Process) -> bool:
        """Whether this worker is the process, in some life of it. The one that also serves does not say its id."""
        named = next((one for one in self.processes if worker_id in one.worker_ids), None)
        return process is named or (named is None and process in self.apis and process.works)


@asynccontextmanager
async def running(url: str, script: Script, folder: Path, *, lease_seconds: float) -> AsyncIterator[Cluster]:
    """All processes on the database at `url`. Their logs are in `folder`."""
    async with _model_server(script, folder) as base_url:
        config = folder / "treadle.toml"
        config.write_text(CONFIG.format(base_url=base_url))
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "TREADLE_DATABASE": url,
            "TREADLE_API_KEY": KEY,
            "TREADLE_DATA_DIR": str(folder / "data"),
            "TREADLE_LEASE_SECONDS": str(lease_seconds),
        }
        commands = {
            "api": ["serve", "--port", "0", "--no-worker"],
            "api-and-worker": ["serve", "--port", "0"],
            **{f"worker-{number}": ["worker"] for number in (1, 2, 3)},
        }
        options = ["--config", str(config), "--log-level", "info"]
        cluster = Cluster([Process(name, [*words, *options], folder, environment) for name, words in commands.items()])
        try:
            async with asyncio.TaskGroup() as starting:
                for process in cluster.processes:
                    starting.create_task(process.start())
            yield cluster
        finally:
            for process in cluster.processes:
                await process.kill()


@asynccontextmanager
async def _model_server(script: Script, folder: Path) -> AsyncIterator[str]:
    """Its base URL."""
    file = folder / "script.json"
    file.write_bytes(msgspec.json.encode(script))
    with (folder / "model-server.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "treadle.upstream.scripted", "--script", str(file)),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())["base_url"]
    finally:
        process.kill()
        await process.wait()
