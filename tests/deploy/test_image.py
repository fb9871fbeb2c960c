"""The Dockerfile: what the image that runs is, and is not."""

import http.server
import json
import re
import subprocess
import sys
import threading

import pytest

from tests.deploy.files import final_stage, instructions
from tools.docs import ROOT


def values(name: str) -> list[str]:
    """What the final stage's instructions of this name say."""
    return [instruction.words for instruction in final_stage() if instruction.name == name]


def test_it_runs_as_a_fixed_number_that_is_not_root():
    [user] = values("USER")
    uid, gid = map(int, user.split(":"))

    assert uid == gid >= 10000
    assert f"useradd --uid {uid} " in " ".join(values("RUN"))


def test_the_base_is_one_version_of_python_that_we_support():
    [default] = [words for name, words in instructions() if name == "ARG"]
    version = re.fullmatch(r"PYTHON=(\d+\.\d+)-slim-\w+", default)

    assert version is not None
    assert tuple(map(int, version[1].split("."))) >= (3, 11)
    assert all("${PYTHON}" in words for name, words in instructions() if name == "FROM")


def test_everything_that_is_installed_is_pinned_by_its_hash_or_is_ours():
    commands = re.split(r"&&", " ".join(words for name, words in instructions() if name == "RUN"))
    installs = [command for command in commands if " install " in command and "pip" in command]

    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or "--no-index --" in command or "--no-index dist/" in command
        assert "--no-deps" in command


def test_the_locked_build_tools_are_those_that_the_project_names():
    locked = re.findall(r"^([\w-]+)==", (ROOT / "requirements/build.txt").read_text(), re.M)

    assert "hatchling" in locked
    assert 'requires = ["hatchling"]' in (ROOT / "pyproject.toml").read_text()


def test_no_installer_and_no_compiler_stay():
    final = " ".join(words for _, words in final_stage())

    assert "pip uninstall --yes pip" in final
    assert "apt" not in final
    assert "python -m venv --without-pip" in " ".join(words for name, words in instructions() if name == "RUN")


def test_it_serves_until_sigterm_on_all_addresses_with_its_data_in_a_volume():
    environment = dict(pair.split("=", 1) for words in values("ENV") for pair in words.split())

    assert values("ENTRYPOINT") == ['["treadle"]']
    assert values("CMD") == ['["serve"]']
    assert values("STOPSIGNAL") == ["SIGTERM"]
    assert environment["TREADLE_HOST"] == "0.0.0.0"
    assert values("VOLUME") == [environment["TREADLE_DATA_DIR"]] == ["/var/lib/treadle"]
    assert values("EXPOSE") == ["8000"]


@pytest.mark.parametrize(("status", "code"), [(200, 0), (500, 1), (None, 1)])
def test_the_health_check_asks_healthz(status, code):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    if status is None:
        server.server_close()
    else:
        threading.Thread(target=server.serve_forever, daemon=True).start()

    port = {"TREADLE_PORT": str(server.server_port)}
    done = subprocess.run(health_check(), check=False, env=port, stderr=subprocess.DEVNULL)
    if status is not None:
        server.shutdown()
        server.server_close()

    assert done.returncode == code
    assert asked == ([] if status is None else ["/healthz"])


def health_check() -> list[str]:
    """The command of the image, with this Python for the image's."""
    [words] = values("HEALTHCHECK")
    program, *arguments = json.loads(words.partition(" CMD ")[2])
    assert program == "python"
    return [sys.executable, *arguments]
