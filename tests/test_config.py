"""Settings: where values come from, what they become, what is shown of them."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

from chroma_nb import config
from chroma_nb.config import APIVersion, Settings, System

SECRET = "tiger-9f3"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in dict(Settings()):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("allow_reset", False),
        ("is_persistent", False),
        ("persist_directory", "./chroma"),
        ("anonymized_telemetry", True),
        ("chroma_server_host", None),
        ("chroma_server_http_port", None),
        ("chroma_server_ssl_enabled", False),
        ("chroma_server_ssl_verify", None),
        ("chroma_server_headers", None),
        ("chroma_server_api_default_path", APIVersion.V2),
        ("chroma_client_auth_provider", None),
        ("chroma_http_keepalive_secs", 40.0),
        ("chroma_overwrite_singleton_tenant_database_access_from_auth", False),
        ("migrations", "apply"),
    ],
)
def test_defaults_are_chromas(name: str, default: Any) -> None:
    assert getattr(Settings(), name) == default


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("chroma_server_http_port", "8000", 8000),
        ("allow_reset", "yes", True),
        ("allow_reset", 0, False),
        ("chroma_server_headers", '{"a": "b"}', {"a": "b"}),
        ("chroma_server_ssl_verify", "false", False),
        ("chroma_server_ssl_verify", "/etc/ca.pem", "/etc/ca.pem"),
        ("chroma_http_keepalive_secs", "1.5", 1.5),
        ("persist_directory", Path("somewhere"), "somewhere"),
        ("chroma_server_api_default_path", "/api/v1", APIVersion.V1),
    ],
)
def test_values_become_the_type_of_their_setting(name: str, given: Any, value: Any) -> None:
    assert getattr(Settings(**{name: given}), name) == value


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("chroma_server_http_port", "x", "expected an int, got 'x'"),
        ("allow_reset", "maybe", "expected a bool"),
        ("chroma_server_headers", 5, "expected a dict, got int"),
        ("migrations", "never", "expected one of none, validate, apply"),
        ("persist_directory", 5, "expected a str, got 5"),
    ],
)
def test_a_value_that_does_not_fit_names_its_setting(name: str, given: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"setting {name}: {said}"):
        Settings(**{name: given})


@pytest.mark.parametrize("name", ["ALLOW_RESET", "allow_reset", "Allow_Reset"])
def test_environment_variables_count_in_any_case(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "true")
    assert Settings().allow_reset is True
    assert Settings(allow_reset=False).allow_reset is False


def test_an_empty_environment_variable_is_none_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMA_SERVER_HTTP_PORT", "")
    assert Settings().chroma_server_http_port is None


def test_an_env_file_is_read_only_when_asked_for() -> None:
    Path(".env").write_text(
        "# comment\nexport ALLOW_RESET=true\nchroma_server_host='h' # mine\n\nCHROMA_SERVER_HTTP_PORT=81 # port\n"
    )
    assert Settings().allow_reset is False
    asked = Settings(_env_file=".env")
    assert (asked.allow_reset, asked.chroma_server_host, asked.chroma_server_http_port) == (True, "h", 81)
    assert Settings(_env_file="absent.env") == Settings()


def test_the_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("one.env").write_text("CHROMA_SERVER_HOST=file")
    monkeypatch.setenv("CHROMA_SERVER_HOST", "environment")
    assert Settings(_env_file="one.env").chroma_server_host == "environment"


def test_settings_of_chromas_insides_are_kept() -> None:
    settings = Settings(chroma_sysdb_impl="x.Y", worker_memberlist_name="w")
    assert settings.chroma_sysdb_impl == "x.Y"
    assert settings["worker_memberlist_name"] == "w"
    assert Settings().chroma_sysdb_impl == "chromadb.db.impl.sqlite.SqliteDB"
    with pytest.raises(ValueError, match="chroma_logservice_port"):
        Settings(chroma_logservice_port="x")


@pytest.mark.parametrize(
    "given",
    [
        {"chroma_client_auth_credentials": SECRET},
        {"chroma_server_authn_credentials": SECRET},
        {"chroma_server_headers": {"Authorization": f"Bearer {SECRET}"}},
        {"chroma_server_headers": {"X-Chroma-Token": SECRET}},
        {"chroma_server_host": f"https://me:{SECRET}@example.org"},
    ],
)
def test_secrets_are_never_shown(given: dict[str, Any]) -> None:
    settings = Settings(**given)
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)
    assert SECRET in str(settings.model_dump())


def test_what_is_no_secret_is_shown() -> None:
    shown = repr(Settings(chroma_auth_token_transport_header="X-Chroma-Token", chroma_server_headers={"a": "plain"}))
    assert "X-Chroma-Token" in shown
    assert "plain" in shown


def test_an_error_does_not_show_a_secret() -> None:
    for given in ({"chroma_client_auth_credentials": [SECRET]}, {"chroma_server_headers": SECRET}):
        with pytest.raises(ValueError, match="setting ") as caught:
            Settings(**given)
        assert SECRET not in str(caught.value)


def test_settings_are_equal_when_all_values_are() -> None:
    assert Settings() == Settings()
    assert Settings(allow_reset=True) != Settings()
    assert Settings() != "settings"


def test_two_settings_share_no_default() -> None:
    one, other = Settings(), Settings()
    one.chroma_server_cors_allow_origins.append("http://here")
    assert other.chroma_server_cors_allow_origins == []


def test_attributes_can_be_set_and_are_checked() -> None:
    settings = Settings()
    settings.chroma_server_http_port = "8001"
    assert settings.chroma_server_http_port == 8001
    with pytest.raises(ValueError, match="no field"):
        settings.alow_reset = True
    with pytest.raises(ValueError, match="expected a bool"):
        settings.allow_reset = "perhaps"


def test_a_missing_setting_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        Settings()["nope"]


def test_require_wants_a_value() -> None:
    assert Settings(chroma_server_host="h").require("chroma_server_host") == "h"
    with pytest.raises(ValueError, match="Missing required config value 'chroma_server_host'"):
        Settings().require("chroma_server_host")


@pytest.mark.parametrize(
    "twin", [copy.copy, copy.deepcopy, lambda s: s.copy(), lambda s: pickle.loads(pickle.dumps(s))]
)
def test_copies_are_equal_and_apart(twin: Any) -> None:
    settings = Settings(chroma_server_host="h", chroma_server_headers={"X-Team": "blue"})
    other = twin(settings)
    assert other == settings
    other.allow_reset = True
    assert settings.allow_reset is False


def test_a_setting_that_chroma_does_not_know_is_ignored() -> None:
    with pytest.warns(UserWarning, match="no setting 'unknown_setting', so it is ignored"):
        settings = Settings(chroma_server_host="h", unknown_setting=[1])
    assert settings == Settings(chroma_server_host="h")
    assert "unknown_setting" not in settings.model_dump()
    with pytest.raises(AttributeError, match="'Settings' object has no attribute 'unknown_setting'"):
        settings.unknown_setting
    with pytest.raises(ValueError, match='"Settings" object has no field "unknown_setting"'):
        settings.unknown_setting = 1


def test_a_copy_takes_an_update() -> None:
    assert Settings().model_copy(update={"allow_reset": "true"}).allow_reset is True


def test_a_pydantic_model_may_have_a_field_of_settings_as_of_chromas() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Config(pydantic.BaseModel):
        settings: Settings = pydantic.Field(default_factory=Settings)

    settings = Settings(allow_reset=True, chroma_client_auth_credentials="tiger")
    config = Config(settings=settings)
    assert config.settings is settings
    assert "tiger" not in repr(config)
    assert Config(settings={"allow_reset": "true"}).settings.allow_reset is True
    assert Config.model_validate_json(config.model_dump_json()).settings == settings
    assert Config(**config.model_dump()) == config
    assert Config.model_json_schema()["properties"]["settings"]["type"] == "object"
    for wrong in (3, {"allow_reset": []}):
        with pytest.raises(pydantic.ValidationError):
            Config(settings=wrong)


def test_what_belongs_to_a_chroma_before_0_4_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match="PersistentClient"):
        Settings(chroma_api_impl="rest")["chroma_api_impl"]
    with pytest.raises(ValueError, match="chroma_db_impl"):
        System(Settings(chroma_db_impl="duckdb+parquet"))


def test_a_system_holds_settings_and_no_components() -> None:
    system = System(Settings())
    system.start()
    system.stop()
    assert list(system.components()) == []
    with pytest.raises(NotImplementedError, match="EphemeralClient"):
        system.instance(dict)


def test_configure_sets_what_get_settings_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_configured", None)
    assert config.get_settings().allow_reset is False
    config.configure(allow_reset=True)
    assert config.get_settings().allow_reset is True
