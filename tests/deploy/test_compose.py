"""compose.yaml: what starts, in which order, with which rights and secrets."""

import re

import pytest

from tests.deploy.files import compose, example_environment
from tools.docs import ROOT

SERVICES = compose()["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("treadle")}


def test_there_are_two_apis_and_two_workers_and_one_of_each_other():
    replicas = {name: service.get("deploy", {}).get("replicas", 1) for name, service in SERVICES.items()}

    assert replicas == {"postgres": 1, "migrate": 1, "api": 2, "worker": 2, "proxy": 1}


def test_the_schema_is_migrated_once_before_anything_uses_it():
    assert SERVICES["migrate"]["restart"] == "no"
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("api", "worker"):
        assert SERVICES[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_only_the_migration_has_the_role_that_owns_the_schema():
    roles = {name: service["environment"]["TREADLE_DATABASE"].split(":")[1] for name, service in OURS.items()}

    assert roles == {"migrate": "//treadle_owner", "api": "//treadle", "worker": "//treadle"}
    for role in roles.values():
        assert f"CREATE ROLE {role[2:]} LOGIN" in (ROOT / "deploy/roles.sql").read_text()


@pytest.mark.parametrize("name", OURS)
def test_our_processes_have_no_rights_that_they_do_not_need(name):
    service = OURS[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service, "the image's"
    assert "ports" not in service


@pytest.mark.parametrize("name", OURS)
def test_our_processes_have_time_to_stop_and_places_to_write(name):
    service = OURS[name]

    assert int(service["stop_grace_period"].removesuffix("s")) > 7
    assert [mount.split(":")[0] for mount in service["tmpfs"]] == ["/tmp", "/var/lib/treadle"]
    assert "uid=10001,gid=10001,mode=0700" in service["tmpfs"][1]


def test_every_long_running_service_is_watched_and_started_again():
    for name, service in SERVICES.items():
        if name != "migrate":
            assert service["restart"] == "unless-stopped"
    assert "--host=127.0.0.1" in SERVICES["postgres"]["healthcheck"]["test"]
    assert "healthcheck" not in SERVICES["api"], "the image's"
    assert SERVICES["worker"]["healthcheck"] == {"disable": True}


def test_the_database_has_no_way_out_and_the_proxy_none_to_it():
    assert compose()["networks"]["database"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == ["database"]
    assert "database" not in SERVICES["proxy"]["networks"]


def test_images_of_others_are_of_a_version():
    for name in SERVICES.keys() - OURS.keys():
        assert re.fullmatch(r"[a-z]+:\d[\w.-]*", SERVICES[name]["image"]), name


def test_an_env_file_is_all_it_needs_and_the_example_has_every_name():
    text = (ROOT / "compose.yaml").read_text()
    used = dict(re.findall(r"\$\{([A-Z_]+)(:[?-])", text))

    assert example_environment().keys() <= used.keys()
    assert used.keys() - example_environment().keys() == {"SITE_ADDRESS"}
    assert {name for name, mark in used.items() if mark == ":?"} == {
        "POSTGRES_PASSWORD",
        "OWNER_PASSWORD",
        "RUNTIME_PASSWORD",
        "TREADLE_API_KEY",
        "TREADLE_UPSTREAM_URL",
    }


def test_the_example_holds_no_secret():
    assert {name: value for name, value in example_environment().items() if re.search("PASSWORD|KEY", name)} == {
        "POSTGRES_PASSWORD": "",
        "OWNER_PASSWORD": "",
        "RUNTIME_PASSWORD": "",
        "TREADLE_API_KEY": "",
        "TREADLE_UPSTREAM_API_KEY": "",
    }


def test_only_the_proxy_is_published_and_only_here_unless_told_otherwise():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert SERVICES["proxy"]["ports"] == ["${PUBLISH:-127.0.0.1:8000}:8080"]


@pytest.mark.parametrize(
    ("file", "needed"),
    [
        ("Caddyfile", ["flush_interval -1", "least_conn", "name api", "port 8000"]),
        ("nginx.conf", ["proxy_buffering off;", "least_conn;", 'Connection "";', "client_max_body_size 0;"]),
    ],
)
def test_a_proxy_balances_and_does_not_hold_streams_back(file, needed):
    text = (ROOT / "deploy" / file).read_text()

    assert [words for words in needed if words not in text] == []
