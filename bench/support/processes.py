"""Servers as processes of their own: started, pinned to a core, measured by their CPU clock, and ended."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

# The server under test has a core to itself; clients and model servers are on another one, where there is one.
CORES: Final = sorted(os.sched_getaffinity(0))
SERVER_CORE: Final = CORES[0]
CLIENT_CORE: Final = CORES[-1]

# Not pinned: where several servers and workers share what there is.
ANY_CORE: Final = -1

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0


class Home(NamedTuple):
    """What a server is started on: its data folder, and its PostgreSQL database unless the rows are in the folder."""

    folder: Path
    url: str | None = None


class Process:
    """A process that runs; a server listens at `port`."""

    def __init__(self, popen: "subprocess.Popen[bytes]", port: int = 0) -> None:
        self._popen, self.port = popen, port

    @property
    def pid(self) -> int:
        return self._popen.pid

    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        return cpu_seconds(self.pid)

    def resident_megabytes(self) -> float:
        """Memory it really occupies (RSS)."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        kilobytes = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
        return int(kilobytes) / 1024

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self._popen.kill()
        self._popen.wait()


@contextlib.contextmanager
def running(command: Sequence[str | Path], *, core: int, wait: bool = True) -> Iterator[Process]:
    """Run `command --port PORT` on `core` to the end of the block; `wait` until it takes connections.

    Raises RuntimeError with the end of its output when it does not start.
    """
    port = free_port()
    ready = _listens(port) if wait else _at_once
    with _started([*command, "--port", str(port)], core, port, ready) as process:
        yield process


@contextlib.contextmanager
def working(command: Sequence[str | Path], *, core: int) -> Iterator[Process]:
    """Run a `treadle worker` on `core` to the end of the block, which begins when it says that it works.

    Raises as `running`.
    """
    with _started(command, core, 0, _says(b" works on ")) as process:
        yield process


@contextlib.contextmanager
def serving(home: Home, *, upstream: str, workers: int = 0, core: int) -> Iterator[tuple[Process, list[Process]]]:
    """A server that executes its runs itself, or one that leaves them to `workers` beside it; all on `core`."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running(treadle(home, upstream=upstream, work=not workers), core=core))
        command = treadle_worker(home, upstream=upstream)
        yield server, [stack.enter_context(working(command, core=core)) for _ in range(workers)]


def treadle(home: Home, *, upstream: str | None = None, work: bool = True) -> list[str | Path]:
    """The command that a user starts; log lines go to a file, at the default level."""
    return [*_treadle("serve", home, upstream), *([] if work else ["--no-worker"])]


def treadle_worker(home: Home, *, upstream: str, lease_seconds: float = 10.0) -> list[str | Path]:
    """A worker beside a server on the same database."""
    return ["env", f"TREADLE_LEASE_SECONDS={lease_seconds}", *_treadle("worker", home, upstream)]


def steady_upstream(*, tokens: int, interval_milliseconds: float) -> list[str]:
    """The scripted model server: every answer is `tokens` equal chunks, one each interval."""
    module = [sys.executable, "-m", "treadle.upstream.scripted"]
    return [*module, "--tokens", str(tokens), "--interval", str(interval_milliseconds)]


def app(name: str, *arguments: str) -> list[str]:
    """One of the applications in `bench/apps`."""
    return [sys.executable, "-m", f"bench.apps.{name}", *arguments]


def pin_to_client_core() -> None:
    """Keep this process, which is the load client, off the server's core."""
    os.sched_setaffinity(0, {CLIENT_CORE})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    # What clock_getcpuclockid(3) makes of a process id: nanoseconds, where /proc/<pid>/stat has hundredths.
    return time.clock_gettime(~pid << 3 | 2)


def _treadle(command: str, home: Home, upstream: str | None) -> list[str | Path]:
    program = Path(sys.executable).with_name("treadle")
    options: list[str | Path] = ["--data-dir", home.folder]
    if home.url is not None:
        options += ["--database", home.url]
    if upstream is not None:
        options += ["--upstream", upstream]
    return [program, command, *options]


@contextlib.contextmanager
def _started(
    command: Sequence[str | Path], core: int, port: int, is_ready: Callable[[IO[bytes]], bool]
) -> Iterator[Process]:
    with tempfile.TemporaryFile() as output:
        popen = subprocess.Popen(command, stdout=output, stderr=output)
        os.sched_setaffinity(popen.pid, CORES if core == ANY_CORE else {core})
        process = Process(popen, port)
        try:
            give_up = time.monotonic() + START_SECONDS
            while not is_ready(output):
                if popen.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(f"{command} did not start:\n{_end_of(output)}")
                time.sleep(0.002)
            yield process
        finally:
            popen.terminate()
            try:
                popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _at_once(output: IO[bytes]) -> bool:
    return True


def _listens(port: int) -> Callable[[IO[bytes]], bool]:
    def is_ready(output: IO[bytes]) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    return is_ready


def _says(words: bytes) -> Callable[[IO[bytes]], bool]:
    return lambda output: words in os.pread(output.fileno(), 10_000, 0)


def _end_of(output: IO[bytes]) -> str:
    size = os.fstat(output.fileno()).st_size
    return os.pread(output.fileno(), 2000, max(0, size - 2000)).decode(errors="replace")
