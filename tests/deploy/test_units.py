"""The units of systemd: who runs, with which rights, and what happens when it stops."""

import re
import shutil
import subprocess

import pytest

from tests.deploy.files import UNITS, Unit
from tools.docs import ROOT

HARDENED = {
    "CapabilityBoundingSet": "",
    "LockPersonality": "yes",
    "MemoryDenyWriteExecute": "yes",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "ProtectHome": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectSystem": "strict",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "StateDirectoryMode": "0700",
    "SystemCallFilter": "@system-service\n~@privileged @resources",
    "UMask": "0077",
}


@pytest.fixture(params=UNITS, ids=lambda path: path.name)
def service(request):
    return Unit(request.param.read_text())["Service"]


def test_there_is_one_for_the_server_and_one_for_any_number_of_workers():
    assert [path.name for path in UNITS] == ["treadle-worker@.service", "treadle.service"]


def test_it_is_confined(service):
    assert {key: service.get(key) for key in HARDENED} == HARDENED


def test_it_runs_as_the_user_that_the_other_file_makes(service):
    user, group = service["User"], service["Group"]

    assert user == group == "treadle"
    assert re.search(rf"^u {user} - ", (ROOT / "deploy/treadle.sysusers").read_text(), re.M)


def test_it_comes_back_whatever_ended_it_and_for_as_long_as_it_takes(service):
    assert service["Restart"] == "always"
    assert service.parser["Unit"]["StartLimitIntervalSec"] == "0"


def test_it_has_more_time_to_stop_than_it_takes(service):
    assert int(service["TimeoutStopSec"]) > 7


def test_secrets_come_from_files_that_only_root_reads(service):
    assert service["EnvironmentFile"].lstrip("-") == "/etc/treadle/environment"
    assert service["LoadCredential"] == "treadle.toml:/etc/treadle/treadle.toml"
    assert not re.search("KEY|PASSWORD|TREADLE_DATABASE=", service["Environment"])


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_understands_every_line(path, tmp_path):
    """With `systemd-analyze`, which needs no running systemd."""
    program = shutil.which("true")
    unit = tmp_path / path.name.replace("@", "@1")
    unit.write_text(path.read_text().replace("/opt/treadle/bin/treadle", str(program)))

    checked = subprocess.run(["systemd-analyze", "verify", unit], check=False, capture_output=True, text=True)

    assert (checked.returncode, checked.stderr) == (0, "")
