"""`treadle doctor`: looks at everything a server needs, and says what to do about what is wrong."""

import asyncio
import os
import platform
import shutil
import socket
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

import aiohttp
import click
import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from treadle import app, settings
from treadle.cli import doctor_database
from treadle.cli.finding import Finding, State
from treadle.settings import Settings, SettingsError
from treadle.store import health
from treadle.upstream import connection
from treadle.upstream.local import install
from treadle.upstream.models import ModelMap, UpstreamSettings

MIN_FREE_BYTES: Final = 100 * 1024**2
LOW_FREE_BYTES: Final = 1024**3
REQUEST_TIMEOUT_SECONDS: Final = 5.0
_MAX_LISTING_BYTES: Final = 4 * 1024**2
_COLOURS: Final = {"ok": "green", "warning": "yellow", "broken": "red"}


@click.command("doctor")
@click.option("--host", help="As for serve.  [TREADLE_HOST; 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="As for serve.  [TREADLE_PORT; 8000]")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="As for serve.  [TREADLE_DATA_DIR]")
@click.option("--database", metavar="URL", help="As for serve.  [TREADLE_DATABASE]")
@click.option("--upstream", metavar="URL", help="As for serve.  [TREADLE_UPSTREAM_URL]")
@click.option("--model", metavar="NAME", help="As for serve.  [TREADLE_DEFAULT_MODEL]")
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="As for serve.")
def command(
    host: str | None,
    port: int | None,
    data_dir: Path | None,
    database: str | None,
    upstream: str | None,
    model: str | None,
    config: Path | None,
) -> None:
    """Look at everything a server needs, and say what to do about what is wrong.

    Give it the options that serve is given. A table on a terminal, a line of JSON for each finding in a pipe; the exit
    code is 1 when something is broken.
    """
    problem = None
    try:
        chosen = settings.read(
            os.environ,
            host=host,
            port=port,
            data_dir=data_dir,
            database=database,
            upstream=upstream,
            model=model,
            config=config,
        )
    except SettingsError as error:
        problem, chosen = error, Settings(data_dir=data_dir or settings.default_data_dir(os.environ))

    async def findings() -> list[Finding]:
        return [finding async for finding in examine(chosen, problem)]

    found = asyncio.run(findings())
    _show(found)
    sys.exit(any(finding.state == "broken" for finding in found))


async def examine(chosen: Settings, problem: SettingsError | None = None) -> AsyncIterator[Finding]:
    """All findings. `problem` is why `chosen` could not be read whole."""
    yield _version()
    model_map = ModelMap()
    try:
        model_map = app.model_map(chosen)
        configuration = problem
    except ValueError as error:
        configuration = problem or SettingsError(str(error))
    yield _configuration(configuration)
    yield _data_folder(chosen.data_dir)
    yield _disk_space(chosen.data_dir)
    is_served = chosen.database is None and _holds_folder(chosen.data_dir)
    yield await _address(chosen, is_served=is_served)
    if chosen.database is not None or health.has_database(chosen.data_dir):
        async for finding in doctor_database.examine(chosen, is_served=is_served):
            yield finding
    elif problem is None:
        yield Finding(check="database", state="ok", found="None yet; the first `treadle serve` makes it.")
    if problem is None:
        async for finding in _models(chosen, model_map):
            yield finding


def _version() -> Finding:
    return Finding(check="version", state="ok", found=f"treadle {app.VERSION}, Python {platform.python_version()}")


def _configuration(problem: SettingsError | None) -> Finding:
    if problem is None:
        return Finding(check="configuration", state="ok", found="It can be read and agrees with itself.")
    advice = f"Correct {settings.FILE_NAME}, the TREADLE_ variable or the option that is named."
    return Finding(check="configuration", state="broken", found=str(problem), advice=advice)


def _data_folder(folder: Path) -> Finding:
    if not folder.is_dir():
        if folder.exists():
            advice = "Name a folder with --data-dir or TREADLE_DATA_DIR."
            return Finding(check="data folder", state="broken", found=f"{folder} is a file.", advice=advice)
        found = f"{folder} is not there yet; the first `treadle serve` makes it."
        return Finding(check="data folder", state="ok", found=found)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        advice = f"Give it to the user that runs treadle: chown -R USER {folder}"
        return Finding(check="data folder", state="broken", found=f"{folder} cannot be written.", advice=advice)
    if sys.platform != "win32" and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        found = f"{folder} can be entered by other users of this machine."
        return Finding(check="data folder", state="warning", found=found, advice=f"chmod 700 {folder}")
    return Finding(check="data folder", state="ok", found=str(folder))


def _disk_space(folder: Path) -> Finding:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    state: State = "ok" if free >= LOW_FREE_BYTES else "warning" if free >= MIN_FREE_BYTES else "broken"
    advice = "" if state == "ok" else "Make room: a full disk fails every request that writes."
    return Finding(check="disk space", state=state, found=f"{free / 1024**3:.1f} GiB free", advice=advice)


def _holds_folder(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK) and health.is_served(folder)


async def _address(chosen: Settings, *, is_served: bool) -> Finding:
    """Whether a server runs, and whether its address is its own."""
    where = f"{chosen.host}:{chosen.port}"
    occupant = await _who_answers(chosen)
    if chosen.database is not None and occupant == "treadle":
        return Finding(check="server", state="ok", found=f"Treadle answers at {where}.")
    if is_served:
        if occupant == "treadle":
            return Finding(
                check="server", state="ok", found=f"Treadle runs on this data folder and answers at {where}."
            )
        return Finding(
            check="server",
            state="warning",
            found=f"A server runs on this data folder, but does not answer at {where}.",
            advice="If it was given --host or --port, give them to doctor too; if not, see what it logs.",
        )
    if occupant == "treadle":
        advice = "Choose another --port, or give doctor the --data-dir of that server."
        found = f"At {where} a Treadle with another data folder answers."
        return Finding(check="server", state="broken", found=found, advice=advice)
    if not _can_listen(chosen.host, chosen.port):
        found = f"No server runs, and it could not listen at {where}: the address is taken or not ours."
        return Finding(check="server", state="broken", found=found, advice="Choose another --port, or another --host.")
    return Finding(check="server", state="ok", found=f"None runs; {where} is free.")


async def _who_answers(chosen: Settings) -> Literal["treadle", "other"] | None:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(chosen.host, chosen.host)  # noqa: S104 - not to listen there
    url = f"http://{f'[{host}]' if ':' in host else host}:{chosen.port}/healthz"
    try:
        async with (
            asyncio.timeout(REQUEST_TIMEOUT_SECONDS),
            connection.new_session() as session,
            session.get(url, allow_redirects=False) as response,
        ):
            body = await response.read()
        return "treadle" if {"status", "version"} <= msgspec.json.decode(body).keys() else "other"
    except (*connection.FAILURES, msgspec.DecodeError, AttributeError):
        return None


def _can_listen(host: str, port: int) -> bool:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            trial.bind(address)
    except OSError:
        return False
    return True


async def _models(chosen: Settings, model_map: ModelMap) -> AsyncIterator[Finding]:
    """The model servers, each asked once for its list, and the embedded model."""
    local = install.installed(chosen.data_dir)
    if model_map.is_empty:
        yield Finding(
            check="model server",
            state="broken",
            found="None is configured, so runs will fail.",
            advice="treadle serve --upstream URL (any OpenAI-compatible server), or: treadle model install",
        )
    async with connection.new_session() as session:
        for upstream in model_map.upstreams.values():
            if not upstream.is_local:
                yield await _model_server(session, upstream, list(_asked_of(model_map, upstream)))
    yield _local_model(local is not None, in_use=any(one.is_local for one in model_map.upstreams.values()))


def _asked_of(model_map: ModelMap, upstream: UpstreamSettings) -> Iterator[str]:
    """The names that we would ask this server for."""
    for name in model_map.names:
        route = model_map.route(name)
        if route is not None and route.upstream.name == upstream.name:
            yield route.model


async def _model_server(session: aiohttp.ClientSession, upstream: UpstreamSettings, asked: list[str]) -> Finding:
    check, where = f"model server '{upstream.name}'", upstream.base_url
    try:
        async with (
            asyncio.timeout(REQUEST_TIMEOUT_SECONDS),
            session.get(
                connection.endpoint(upstream, "/models"), headers=connection.headers(upstream), allow_redirects=False
            ) as response,
        ):
            status, body = response.status, await connection.read_at_most(response, _MAX_LISTING_BYTES)
    except connection.FAILURES as error:
        found = f"{where} does not answer: {str(error) or 'no answer in time'}"
        return Finding(check=check, state="broken", found=found, advice="Start it, or correct its URL.")
    if status in (401, 403):
        advice = "Give its key as TREADLE_UPSTREAM_API_KEY, or as api_key in treadle.toml."
        return Finding(check=check, state="broken", found=f"{where} refuses our key ({status}).", advice=advice)
    try:
        names = [model.id for model in msgspec.json.decode(body, type=_Listing).data] if status == 200 else None
    except msgspec.MsgspecError:
        names = None
    if names is None:
        found = f"{where} answers, but lists no models ({status})."
        return Finding(
            check=check, state="warning", found=found, advice="Check that its URL ends where its API begins."
        )
    if missing := [model for model in asked if model not in names]:
        found = f"{where} does not list {', '.join(missing)}. It lists: {_some(names)}"
        return Finding(
            check=check, state="warning", found=found, advice="Correct --model or the [models] of treadle.toml."
        )
    return Finding(check=check, state="ok", found=f"{where} lists {_some(names)}")


class _Named(Struct):
    id: str


class _Listing(Struct):
    data: list[_Named]


def _some(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}" if names else "nothing"


def _local_model(is_installed: bool, *, in_use: bool) -> Finding:
    if not is_installed:
        return Finding(check="embedded model", state="ok", found="Not installed; `treadle model install` fetches it.")
    if in_use and find_spec("xllamacpp") is None:
        advice = "pip install 'treadle[local]'"
        found = "Its file is there, the library that runs it is not."
        return Finding(check="embedded model", state="broken", found=found, advice=advice)
    use = "answers every run: a demo model" if in_use else "not used, since a model server is configured"
    return Finding(check="embedded model", state="ok", found=f"Installed; {use}.")


def _show(findings: list[Finding]) -> None:
    if not sys.stdout.isatty():
        for finding in findings:
            click.echo(msgspec.json.encode(finding))
        return
    table = Table("check", "state", Column("found", overflow="fold"), Column("what to do", overflow="fold"))
    for finding in findings:
        state = Text(finding.state, style=_COLOURS[finding.state])
        table.add_row(Text(finding.check), state, Text(finding.found), Text(finding.advice))
    Console().print(table)
