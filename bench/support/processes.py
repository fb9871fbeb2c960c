"""Servers as processes of their own: started, pinned to a core, measured by their CPU clock, and ended."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

# The server under test has a core to itself; clients and model servers are on another one, where there is one.
CORES: Final = sorted(os.sched_getaffinity(0))
SERVER_CORE: Final = CORES[0]
CLIENT_CORE: Final = CORES[-1]

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0


class Process:
    """A server that runs and listens at `port`."""

    def __init__(self, popen: "subprocess.Popen[bytes]", port: int) -> None:
        self._popen, self.port = popen, port

    @property
    def pid(self) -> int:
        return self._popen.pid

    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far."""
        # What clock_getcpuclockid(3) makes of a process id: nanoseconds, where /proc/<pid>/stat has hundredths.
        return time.clock_gettime(~self.pid << 3 | 2)

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
    with tempfile.TemporaryFile() as output:
        popen = subprocess.Popen([*command, "--port", str(port)], stdout=output, stderr=output)
        os.sched_setaffinity(popen.pid, {core})
        process = Process(popen, port)
        try:
            if wait and not _listens(process, popen):
                output.seek(0)
                raise RuntimeError(f"{command} did not start:\n{output.read()[-2000:].decode(errors='replace')}")
            yield process
        finally:
            popen.terminate()
            try:
                popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def treadle(data_dir: Path, *, upstream: str | None = None) -> list[str | Path]:
    """The command that a user starts; log lines go to a file, at the default level."""
    program = Path(sys.executable).with_name("treadle")
    return [program, "serve", "--data-dir", data_dir, *(["--upstream", upstream] if upstream else [])]


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


def _listens(process: Process, popen: "subprocess.Popen[bytes]") -> bool:
    give_up = time.monotonic() + START_SECONDS
    while popen.poll() is None and time.monotonic() < give_up:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", process.port), timeout=1):
            return True
        time.sleep(0.002)
    return False
