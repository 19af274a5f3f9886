"""The environment becomes one frozen object, or one clear line."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import HIDDEN, BadSettings, Settings

KEY = "k" * 32


def test_defaults_are_those_of_the_operations_page() -> None:
    """Nothing set gives the documented defaults."""
    assert Settings.load({}).described() == {
        "PROFILES_MONGO_URL": None,
        "PROFILES_MONGO_DATABASE": "profiles",
        "PROFILES_EMBEDDED": "auto",
        "PROFILES_DATA_DIR": ".profiles",
        "PROFILES_MONGOD": None,
        "PROFILES_HOST": "127.0.0.1",
        "PROFILES_PORT": 8000,
        "PROFILES_ADMIN_KEY": None,
        "PROFILES_SECRET": None,
        "PROFILES_DRIVER": "motor",
        "PROFILES_CRM_LOOPBACK": "0",
        "PROFILES_RATE_LIMIT": 1000,
        "PROFILES_ALLOWED_ORIGINS": "",
        "PROFILES_GRAPHIQL": "on",
        "PROFILES_INTROSPECTION": "keys",
        "PROFILES_BROKER_URL": None,
        "PROFILES_LOG": "auto",
        "PROFILES_SLOW_MS": 1000,
        "PROFILES_WORKERS": 1,
    }


def test_each_variable_is_read() -> None:
    """Every variable reaches its field, in its type."""
    settings = Settings.load(
        {
            "PROFILES_MONGO_URL": "mongodb://db/?replicaSet=rs",
            "PROFILES_DATA_DIR": "/data",
            "PROFILES_PORT": "9000",
            "PROFILES_ADMIN_KEY": KEY,
            "PROFILES_CRM_LOOPBACK": "1",
            "PROFILES_RATE_LIMIT": "0",
            "PROFILES_ALLOWED_ORIGINS": "https://a.example, http://localhost:3000/",
            "PROFILES_GRAPHIQL": "off",
            "PROFILES_WORKERS": "4",
            "PATH": "/bin",
        },
    )
    assert (settings.mongo_url, settings.data_dir, settings.port) == (
        "mongodb://db/?replicaSet=rs",
        Path("/data"),
        9000,
    )
    assert settings.admin_key is not None
    assert settings.admin_key.get_secret_value() == KEY
    assert (settings.crm_loopback, settings.graphiql, settings.rate_limit, settings.workers) == (True, False, 0, 4)
    assert settings.allowed_origins == ("https://a.example", "http://localhost:3000")


def test_what_is_described_can_be_loaded_again() -> None:
    """The description speaks the language of the environment."""
    settings = Settings.load(
        {"PROFILES_GRAPHIQL": "off", "PROFILES_CRM_LOOPBACK": "1", "PROFILES_ALLOWED_ORIGINS": "*"}
    )
    written = {name: str(value) for name, value in settings.described().items() if value is not None}
    assert Settings.load(written) == settings


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the settings are those of the process."""
    monkeypatch.setenv("PROFILES_PORT", "8123")
    assert Settings.load().port == 8123


def test_overrides_win_unless_they_are_none() -> None:
    """What the command line leaves out stays as the environment says."""
    settings = Settings.load({"PROFILES_PORT": "9000", "PROFILES_HOST": "::1"}, port=1234, host=None)
    assert (settings.port, settings.host) == (1234, "::1")


def test_an_empty_variable_counts_as_not_set() -> None:
    """Compose files and shells hand on empty variables for missing ones."""
    assert Settings.load({"PROFILES_MONGO_URL": "", "PROFILES_PORT": " "}) == Settings.load({})


def test_names_of_build_and_tests_are_let_through() -> None:
    """What the build and the tests read does not stop the service."""
    assert Settings.load({"PROFILES_SKIP_ASSETS": "1", "PROFILES_TEST_STORES": "memory"}) == Settings.load({})


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("PROFILES_MONGO_URI", "x", "PROFILES_MONGO_URI is not a setting; did you mean PROFILES_MONGO_URL?"),
        ("PROFILES_mongo_url", "x", "PROFILES_mongo_url is not a setting; did you mean PROFILES_MONGO_URL?"),
        ("PROFILES_XYZZY", "x", "PROFILES_XYZZY is not a setting; `profiles config` lists them."),
        (
            "PROFILES_PORT",
            "x",
            "PROFILES_PORT: it must be a valid integer, unable to parse string as an integer, not 'x'.",
        ),
        ("PROFILES_PORT", "70000", "PROFILES_PORT: it must be less than or equal to 65535, not '70000'."),
        ("PROFILES_WORKERS", "0", "PROFILES_WORKERS: it must be greater than or equal to 1, not '0'."),
        ("PROFILES_RATE_LIMIT", "-1", "PROFILES_RATE_LIMIT: it must be greater than or equal to 0, not '-1'."),
        ("PROFILES_EMBEDDED", "disk", "PROFILES_EMBEDDED: it must be 'auto', 'mongod' or 'memory', not 'disk'."),
        ("PROFILES_GRAPHIQL", "yes", "PROFILES_GRAPHIQL: it must be 'on' or 'off', not 'yes'."),
        ("PROFILES_CRM_LOOPBACK", "on", "PROFILES_CRM_LOOPBACK: it must be '1' or '0', not 'on'."),
        ("PROFILES_ADMIN_KEY", "short", "PROFILES_ADMIN_KEY: it needs at least 32 characters, and has 5."),
        ("PROFILES_MONGO_URL", "u:p@db", "PROFILES_MONGO_URL: it must begin with mongodb:// or mongodb+srv://."),
        ("PROFILES_BROKER_URL", "db", "PROFILES_BROKER_URL: it must begin with redis:// or rediss://."),
        (
            "PROFILES_ALLOWED_ORIGINS",
            "shop",
            "PROFILES_ALLOWED_ORIGINS: each one is * or like https://shop.example.com, without a path, not 'shop'.",
        ),
    ],
)
def test_a_bad_name_or_value_is_one_line_that_names_the_variable(name: str, value: str, line: str) -> None:
    """The operator reads which variable, what is wrong and what would be right; secrets are not repeated."""
    with pytest.raises(BadSettings) as caught:
        Settings.load({name: value})
    assert str(caught.value) == line


def test_workers_need_a_store_outside_the_process() -> None:
    """Memory can't be shared by processes; a database can."""
    with pytest.raises(BadSettings, match=r"^PROFILES_WORKERS: .*PROFILES_MONGO_URL\.$"):
        Settings.load({"PROFILES_WORKERS": "2", "PROFILES_EMBEDDED": "memory"})
    assert Settings.load({"PROFILES_WORKERS": "2", "PROFILES_MONGO_URL": "mongodb://db"}).workers == 2


def test_settings_are_frozen() -> None:
    """Nobody changes them under way."""
    with pytest.raises(ValidationError, match="frozen"):
        Settings.load({}).port = 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mongodb://db/?replicaSet=rs", "mongodb://db/?replicaSet=rs"),
        ("mongodb://me:pass@db1,db2/?w=majority", f"mongodb://{HIDDEN}@db1,db2/?w=majority"),
        ("mongodb+srv://me:p/a@ss@db", f"mongodb+srv://{HIDDEN}@db"),
        (
            "mongodb://db/?tlsCertificateKeyFilePassword=pass&w=1",
            f"mongodb://db/?tlsCertificateKeyFilePassword={HIDDEN}&w=1",
        ),
    ],
)
def test_secrets_are_hidden(url: str, shown: str) -> None:
    """Neither the description nor the repr shows a key or a password."""
    settings = Settings.load({"PROFILES_MONGO_URL": url, "PROFILES_SECRET": "hush", "PROFILES_ADMIN_KEY": KEY})
    described = settings.described()
    assert described["PROFILES_MONGO_URL"] == shown
    assert (described["PROFILES_SECRET"], described["PROFILES_ADMIN_KEY"]) == (HIDDEN, HIDDEN)
    assert not any(secret in repr(settings) + str(described) for secret in ("hush", KEY, "pass"))
