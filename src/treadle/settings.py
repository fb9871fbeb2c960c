"""All settings, read once from flags, environment and `treadle.toml`, and passed down as values."""

import math
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct, field

from treadle.upstream.models import ModelSettings, UpstreamSettings

FILE_NAME: Final = "treadle.toml"
KEY_FILE: Final = "api-key"  # in the data folder: the first key, when there was no terminal to show it on
DEFAULT_UPSTREAM: Final = "default"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
DATABASE_SCHEMES: Final = ("postgresql", "postgres")
MIN_LEASE_SECONDS: Final = 1.0

_HOST = r"(\[[^]]*]|[^][:,@/?#]*)(:\d+)?"
_OPTION = r"[^=&@#]+=[^&@#]*"
_DATABASE_URL = re.compile(rf"\w+://([^:@/?#]*(:[^@/?#]*)?@)?{_HOST}(,{_HOST})*(/[^@?#]*)?(\?{_OPTION}(&{_OPTION})*)?")


class SettingsError(Exception):
    """A setting cannot be used; the message says which one and what is allowed."""


class FileSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `treadle.toml` may hold: model servers and the model map, and rarely needed switches."""

    upstreams: dict[str, dict[str, Any]] = {}  # Any: read as UpstreamSettings once their names are in
    models: dict[str, ModelSettings] = {}
    default_upstream: str | None = None
    default_model: str | None = None
    mapped_only: bool = False
    require_beta_header: bool = True
    strict_projects: bool = False
    max_runs: Annotated[int, Meta(ge=1)] = 1000
    lease_seconds: Annotated[float, Meta(ge=MIN_LEASE_SECONDS)] = 10.0


class Settings(Struct, frozen=True, kw_only=True):
    """Everything a server needs to know. `api_key` is accepted as a key of the default project.

    `database` is the URL of a PostgreSQL database, with its password; show `masked_database` instead. Without it the
    data folder holds the database. The folder is used with a URL, too: for the first key's file and the embedded model.
    A worker that is silent for `lease_seconds` loses its runs to others.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    data_dir: Path = field(default_factory=lambda: default_data_dir(os.environ))
    database: str | None = None
    upstreams: tuple[UpstreamSettings, ...] = ()
    models: dict[str, ModelSettings] = {}
    default_upstream: str | None = None
    default_model: str | None = None
    mapped_only: bool = False
    api_key: str | None = None
    work: bool = True
    require_beta_header: bool = True
    strict_projects: bool = False
    max_runs: int = 1000
    lease_seconds: float = 10.0
    stop_seconds: float = 5.0
    keep_alive_seconds: float = 15.0
    log_level: str = "info"

    def __repr__(self) -> str:
        # The generated one would show the key and the database's password.
        shown = {"host": self.host, "port": self.port, "data_dir": str(self.data_dir), "database": self.masked_database}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def masked_database(self) -> str | None:
        return None if self.database is None else masked(self.database)

    @property
    def is_loopback(self) -> bool:
        return self.host in LOOPBACK


def read(
    environment: Mapping[str, str],
    *,
    host: str | None = None,
    port: int | None = None,
    data_dir: Path | None = None,
    database: str | None = None,
    upstream: str | None = None,
    model: str | None = None,
    work: bool = True,
    config: Path | None = None,
    log_level: str | None = None,
) -> Settings:
    """A flag wins over its variable, which wins over the file; an empty variable is none. Raises SettingsError."""
    environment = {name: value for name, value in environment.items() if value}
    folder = data_dir or default_data_dir(environment)
    file = _read_file(config or _present(Path(FILE_NAME)) or _present(folder / FILE_NAME))
    url = upstream or environment.get("TREADLE_UPSTREAM_URL")
    upstreams = [_upstream(f"{FILE_NAME}: upstreams.{name}", name, given) for name, given in file.upstreams.items()]
    default_upstream = file.default_upstream
    if url is not None:
        given = {"base_url": _url(url), "api_key": environment.get("TREADLE_UPSTREAM_API_KEY")}
        upstreams = [one for one in upstreams if one.name != DEFAULT_UPSTREAM]
        upstreams.append(_upstream("--upstream", DEFAULT_UPSTREAM, given))
        default_upstream = DEFAULT_UPSTREAM
    return Settings(
        host=host or environment.get("TREADLE_HOST", "127.0.0.1"),
        port=port if port is not None else _port(environment.get("TREADLE_PORT", "8000")),
        data_dir=folder,
        database=database_url(environment, database),
        upstreams=tuple(upstreams),
        models=file.models,
        default_upstream=default_upstream,
        default_model=model or environment.get("TREADLE_DEFAULT_MODEL") or file.default_model,
        mapped_only=file.mapped_only,
        api_key=environment.get("TREADLE_API_KEY"),
        work=work,
        require_beta_header=file.require_beta_header,
        strict_projects=file.strict_projects,
        max_runs=file.max_runs,
        lease_seconds=_lease_seconds(environment.get("TREADLE_LEASE_SECONDS"), file),
        log_level=_log_level(log_level or environment.get("TREADLE_LOG_LEVEL", "info")),
    )


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """`TREADLE_DATA_DIR`, else the place for data of the user's programs."""
    if given := environment.get("TREADLE_DATA_DIR"):
        return Path(given)
    base = environment.get("XDG_DATA_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".local" / "share")
    return Path(base) / "treadle"


def database_url(environment: Mapping[str, str], given: str | None = None) -> str | None:
    """`given`, else `TREADLE_DATABASE`, else None. Raises SettingsError, which does not repeat the password."""
    if url := given:
        return checked_database("--database", url)
    url = environment.get("TREADLE_DATABASE")
    return checked_database("TREADLE_DATABASE", url) if url else None


def checked_database(where: str, url: str) -> str:
    """`url`, if it is one of a PostgreSQL database; `where` it was given. Raises SettingsError without its password."""
    if not url.startswith(tuple(f"{scheme}://" for scheme in DATABASE_SCHEMES)):
        raise SettingsError(
            f"{where} is '{masked(url)}'. Expected the URL of a PostgreSQL database, as in "
            "postgresql://USER:PASSWORD@HOST/NAME. Without one, the data folder holds the database."
        )
    # What would be taken for a host or a port is named in errors, and may be half of a password.
    if not _DATABASE_URL.fullmatch(url):
        raise SettingsError(
            f"{where} cannot be read. Expected postgresql://USER:PASSWORD@HOST:PORT/NAME?OPTION=VALUE. "
            "In names and passwords write @ as %40, / as %2F, ? as %3F, # as %23, : as %3A and % as %25."
        )
    return url


def masked(url: str) -> str:
    """`url` as it may be shown: without its password, in its query or before the last "@"."""
    url = re.sub(r"(?<=[?&])([^=&]*pass[^=&]*)=[^&]*", r"\1=***", url, flags=re.IGNORECASE)
    return re.sub(r"^((?:\w+://)?+[^:]*):.*@", r"\1:***@", url, flags=re.DOTALL)


def _present(path: Path) -> Path | None:
    return path if path.is_file() else None


def _read_file(path: Path | None) -> FileSettings:
    if path is None:
        return FileSettings()
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), FileSettings)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SettingsError(f"{path}: {error}") from error


def _upstream(where: str, name: str, given: dict[str, Any]) -> UpstreamSettings:
    try:
        settings = msgspec.convert({**given, "name": name}, UpstreamSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {error}") from error
    _url(settings.base_url)
    return settings


def _url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"The upstream '{url}' is no URL. Expected one that begins with http:// or https://.")
    return url.rstrip("/")


def _lease_seconds(text: str | None, file: FileSettings) -> float:
    if text is None:
        return file.lease_seconds
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not MIN_LEASE_SECONDS <= seconds < math.inf:
        raise SettingsError(
            f"TREADLE_LEASE_SECONDS is '{text}'. Expected a number of seconds, {MIN_LEASE_SECONDS:g} or more."
        )
    return seconds


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise SettingsError(f"TREADLE_PORT is '{text}'. Expected a number from 0 to 65535.")
    return int(text)


def _log_level(text: str) -> str:
    level = text.lower()
    if level not in LOG_LEVELS:
        raise SettingsError(f"TREADLE_LOG_LEVEL is '{text}'. Expected one of {', '.join(LOG_LEVELS)}.")
    return level
