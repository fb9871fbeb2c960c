"""Where settings come from and which wins; what is told when one cannot be used."""

import re
from pathlib import Path

import pytest

from treadle import settings
from treadle.settings import Settings, SettingsError
from treadle.upstream.models import ModelSettings

FILE = """
default_upstream = "big"
default_model = "from-the-file"
max_runs = 7

[upstreams.big]
base_url = "http://big.example/v1/"
api_key = "sk-big"

[upstreams.default]
base_url = "http://small.example/v1"

[models."gpt-4o"]
upstream = "big"
model = "llama3.1:70b"
context_tokens = 131072
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working folder, so that no treadle.toml of the developer's is read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(environment=(), **flags):
    return settings.read({"HOME": "/home/ada", **dict(environment)}, **flags)


def test_with_nothing_set_it_listens_on_this_machine_only():
    chosen = read()

    assert (chosen.host, chosen.port, chosen.is_loopback) == ("127.0.0.1", 8000, True)
    assert chosen.data_dir == Path("/home/ada/.local/share/treadle")
    assert (chosen.upstreams, chosen.models, chosen.api_key, chosen.log_level) == ((), {}, None, "info")


@pytest.mark.parametrize(
    ("variable", "value", "flag", "flagged", "field"),
    [
        ("TREADLE_HOST", "10.0.0.1", "host", "10.0.0.2", "host"),
        ("TREADLE_PORT", "9000", "port", 9001, "port"),
        ("TREADLE_DATA_DIR", "/var/a", "data_dir", Path("/var/b"), "data_dir"),
        ("TREADLE_DEFAULT_MODEL", "a", "model", "b", "default_model"),
        ("TREADLE_LOG_LEVEL", "debug", "log_level", "error", "log_level"),
        ("TREADLE_DATABASE", "postgresql://a/x", "database", "postgres://b/y", "database"),
    ],
)
def test_a_flag_wins_over_its_variable(variable, value, flag, flagged, field):
    by_variable = read({variable: value})
    by_flag = read({variable: value}, **{flag: flagged})

    assert str(getattr(by_variable, field)) == value
    assert getattr(by_flag, field) == flagged


def test_port_0_is_a_port_and_not_the_default():
    assert read({"TREADLE_PORT": "9000"}, port=0).port == 0
    assert read({"TREADLE_PORT": "0"}).port == 0


@pytest.mark.parametrize(
    "variable",
    [
        "TREADLE_HOST",
        "TREADLE_PORT",
        "TREADLE_DATA_DIR",
        "TREADLE_DATABASE",
        "TREADLE_UPSTREAM_URL",
        "TREADLE_UPSTREAM_API_KEY",
        "TREADLE_DEFAULT_MODEL",
        "TREADLE_API_KEY",
        "TREADLE_LEASE_SECONDS",
        "TREADLE_LOG_LEVEL",
    ],
)
def test_an_empty_variable_is_none(variable):
    """Compose files pass on what is not set as an empty text; an empty host would listen everywhere."""
    assert read({variable: ""}) == read()


def test_the_data_folder_follows_the_desktops_convention():
    assert read({"XDG_DATA_HOME": "/data"}).data_dir == Path("/data/treadle")


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_loopback_is_this_machine_only(host, loopback):
    assert read(host=host).is_loopback is loopback


def test_the_upstream_of_the_variables():
    chosen = read({"TREADLE_UPSTREAM_URL": "http://localhost:11434/v1/", "TREADLE_UPSTREAM_API_KEY": "sk-up"})

    (upstream,) = chosen.upstreams
    assert (upstream.name, upstream.base_url, upstream.api_key) == ("default", "http://localhost:11434/v1", "sk-up")
    assert chosen.default_upstream == "default"


def test_the_file_gives_upstreams_a_model_map_and_switches(folder):
    (folder / "treadle.toml").write_text(FILE)

    chosen = read()

    assert [(one.name, one.base_url, one.api_key) for one in chosen.upstreams] == [
        ("big", "http://big.example/v1/", "sk-big"),
        ("default", "http://small.example/v1", None),
    ]
    assert chosen.models == {"gpt-4o": ModelSettings(upstream="big", model="llama3.1:70b", context_tokens=131072)}
    assert (chosen.default_upstream, chosen.default_model, chosen.max_runs) == ("big", "from-the-file", 7)


def test_flags_and_variables_win_over_the_file_and_keep_the_rest_of_it(folder):
    (folder / "treadle.toml").write_text(FILE)

    chosen = read({"TREADLE_UPSTREAM_URL": "http://other.example/v1", "TREADLE_DEFAULT_MODEL": "from-the-variable"})

    assert [(one.name, one.base_url) for one in chosen.upstreams] == [
        ("big", "http://big.example/v1/"),
        ("default", "http://other.example/v1"),
    ]
    assert (chosen.default_upstream, chosen.default_model) == ("default", "from-the-variable")
    assert set(chosen.models) == {"gpt-4o"}


def test_the_file_is_the_named_one_else_that_of_this_folder_else_that_of_the_data_folder(folder):
    for place in ("data", "named"):
        (folder / place).mkdir()
        (folder / place / "treadle.toml").write_text(f'default_model = "{place}"')

    assert read(data_dir=folder / "data").default_model == "data"
    (folder / "treadle.toml").write_text('default_model = "here"')
    assert read(data_dir=folder / "data").default_model == "here"
    assert read(data_dir=folder / "data", config=folder / "named" / "treadle.toml").default_model == "named"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models = ", "treadle.toml"),
        ("max_run = 5", "max_run"),
        ("max_runs = 0", "max_runs"),
        ("max_runs = '5'", "max_runs"),
        ("lease_seconds = 0.5", "lease_seconds"),
        ("[upstreams.a]", "upstreams.a"),
        ("[upstreams.a]\nbase_url = 'http://x/v1'\nkey = 'sk'", "key"),
        ("[upstreams.a]\nbase_url = 'localhost:11434'", "http://127.0.0.1:8080/v1"),
        ("[upstreams.a]\nbase_url = 'http://me:secret@x/v1'", "api_key"),
        ("[models.m]\nmax_tokens_parameter = 'x'", "max_tokens_parameter"),
        ("[models]\nm = 'llama'", "$.models[...]"),
    ],
)
def test_what_cannot_be_used_of_the_file_is_named(folder, text, told):
    (folder / "treadle.toml").write_text(text)

    with pytest.raises(SettingsError) as caught:
        read()

    assert "treadle.toml" in str(caught.value)
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_text_is_named(folder):
    (folder / "treadle.toml").write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsError, match=r"treadle\.toml"):
        read()


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("TREADLE_PORT", "http", "0 to 65535"),
        ("TREADLE_PORT", "65536", "0 to 65535"),
        ("TREADLE_PORT", "-1", "0 to 65535"),
        ("TREADLE_UPSTREAM_URL", "localhost:11434/v1", "http://"),
        ("TREADLE_UPSTREAM_URL", "ftp://x", "http://"),
        ("TREADLE_LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("TREADLE_DATABASE", "mysql://x/y", "postgresql://USER:PASSWORD@HOST/NAME"),
        ("TREADLE_DATABASE", "x.db", "postgresql://USER:PASSWORD@HOST/NAME"),
        ("TREADLE_LEASE_SECONDS", "soon", "a number of seconds, 1 or more"),
        ("TREADLE_LEASE_SECONDS", "0.9", "a number of seconds, 1 or more"),
        ("TREADLE_LEASE_SECONDS", "inf", "a number of seconds, 1 or more"),
        ("TREADLE_LEASE_SECONDS", "nan", "a number of seconds, 1 or more"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_with_what_is_allowed(variable, value, allowed):
    with pytest.raises(SettingsError) as caught:
        read({variable: value})

    assert allowed in str(caught.value)


def test_an_upstream_with_a_password_in_its_url_is_refused_without_repeating_it():
    with pytest.raises(SettingsError) as caught:
        read(upstream="http://me:secret@example.org/v1")

    assert "api_key" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_lease_is_10_seconds_long_unless_the_file_or_the_variable_says_otherwise(folder):
    assert read().lease_seconds == 10
    (folder / "treadle.toml").write_text("lease_seconds = 30")
    assert read().lease_seconds == 30
    assert read({"TREADLE_LEASE_SECONDS": "2.5"}).lease_seconds == 2.5


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:hush@db/treadle", "postgresql://ada:***@db/treadle"),
        ("postgres://ada:@db", "postgres://ada:***@db"),
        ("postgresql://ada@db:5432/treadle", "postgresql://ada@db:5432/treadle"),
        ("postgresql://one:5432,two:5433/treadle", "postgresql://one:5432,two:5433/treadle"),
        ("postgresql://ada:hush@[::1]:5432/treadle", "postgresql://ada:***@[::1]:5432/treadle"),
        ("postgresql://ada@%2Frun%2Fpostgresql/treadle", "postgresql://ada@%2Frun%2Fpostgresql/treadle"),
        ("postgresql:///treadle?host=/run/x&user=ada", "postgresql:///treadle?host=/run/x&user=ada"),
        ("postgresql://db:5432/x?password=hush&ssl=on", "postgresql://db:5432/x?password=***&ssl=on"),
        ("postgresql://db/x?user=ada&sslpassword=hush", "postgresql://db/x?user=ada&sslpassword=***"),
    ],
)
def test_the_url_of_a_database_is_shown_without_its_password(url, shown):
    chosen = read(database=url)

    assert (chosen.database, chosen.masked_database) == (url, shown)
    assert shown in repr(chosen)
    assert "hush" not in repr(chosen)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:hu@sh@db/x",
        "postgresql://ada:hu/sh@db/x",
        "postgresql://ada:hu?sh@db/x",
        "postgresql://ada:hu#sh@db/x",
        "postgresql://ada:hu#sh",
        "postgresql://ada:hush/x",
        "postgresql://db/x?hush",
        "mysql://ada:hush@db/x",
        "ada:hu:sh@db/x",
        "postgresql://db:5432/x?password=hu@sh",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_repeating_its_password(url):
    with pytest.raises(SettingsError) as caught:
        read(database=url)

    assert "--database" in str(caught.value)
    assert not {"hu", "sh", "hush"} & set(re.split(r"\W+", str(caught.value)))


def test_settings_do_not_show_their_keys():
    chosen = read(
        {"TREADLE_API_KEY": "sk-secret", "TREADLE_UPSTREAM_URL": "http://x", "TREADLE_UPSTREAM_API_KEY": "sk-up"}
    )

    shown = f"{chosen!r} {chosen.upstreams!r} {Settings(api_key='sk-secret')}"
    assert "sk-" not in shown
