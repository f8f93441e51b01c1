"""Settings of a client, Chroma's names and defaults; nothing is read at import.

How one collection is indexed is ``schema/``. Precedence: arguments, environment variables (any
case), the file given as ``_env_file`` (never asked for by itself), defaults.
"""

from __future__ import annotations

import builtins
import copy
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar, cast

from chroma_nb import _hints
from chroma_nb._optional import require

C = TypeVar("C")

DEFAULT_TENANT: Final = "default_tenant"
DEFAULT_DATABASE: Final = "default_database"


class APIVersion(str, Enum):
    """The first part of a server's paths."""

    V1 = "/api/v1"
    V2 = "/api/v2"


class RoutingMode(Enum):
    """How a distributed Chroma assigns segments; kept because its settings name it."""

    NODE = "node"
    ID = "id"


# --- Values -> the type of their field -----------------------------------------------------------------
_WORDS: Final = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}


def _to_str(value: object) -> str:
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    raise ValueError("a str")


def _to_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = _WORDS.get(str(value).strip().lower()) if isinstance(value, str | int) else None
    if word is None:
        raise ValueError("a bool (true or false)")
    return word


def _to_bool_or_str(value: object) -> bool | str:
    """A switch, or a path: the certificates that a TLS connection is checked with."""
    try:
        return _to_bool(value)
    except ValueError:
        return _to_str(value)


def _to_int(value: object) -> int:
    if isinstance(value, str | int) or (isinstance(value, float) and value.is_integer()):
        try:
            return int(value)
        except ValueError:
            pass
    raise ValueError("an int")


def _to_float(value: object) -> float:
    if isinstance(value, str | int | float):
        try:
            return float(value)
        except ValueError:
            pass
    raise ValueError("a float")


def _json_of(value: object, kind: type, name: str) -> Any:
    """The value itself, or what it says in JSON: environment variables are text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(f"{name}, or one in JSON") from None
    if not isinstance(value, kind):
        raise ValueError(f"{name}")
    return value


def _to_dict(value: object) -> dict[str, object]:
    return dict(_json_of(value, Mapping, "a dict"))


def _to_list(value: object) -> list[object]:
    return list(_json_of(value, list, "a list"))


def _one_of(*allowed: str) -> Callable[[object], str]:
    def convert(value: object) -> str:
        """The value as a str, when it is one of those allowed; ValueError otherwise."""
        if value in allowed:
            return str(value)
        raise ValueError(f"one of {', '.join(allowed)}")

    return convert


def _member_of(enum: type[Enum]) -> Callable[[object], Enum]:
    def convert(value: object) -> Enum:
        """The member of the enum that the value names; ValueError otherwise."""
        try:
            return enum(value)
        except ValueError:
            raise ValueError(f"one of {', '.join(str(member.value) for member in enum)}") from None

    return convert


@dataclass(frozen=True)
class _Field:
    """A setting: its default, how a value becomes its type, whether None is one."""

    default: object
    convert: Callable[[object], object]
    optional: bool = False


def _to_durability(value: object) -> str:
    """What an acknowledged call survives: the loss of power, or (faster for single records) of the process."""
    if value not in ("power", "process"):
        raise ValueError("'power' or 'process'")
    return str(value)


#: The classes of Chroma's insides, by name: kept, and never imported.
_IMPLEMENTATIONS: Final = {
    "chroma_segment_directory_impl": "chromadb.segment.impl.distributed.segment_directory."
    "RendezvousHashSegmentDirectory",
    "chroma_memberlist_provider_impl": "chromadb.segment.impl.distributed.segment_directory."
    "CustomResourceMemberlistProvider",
    **dict.fromkeys(
        ("chroma_sysdb_impl", "chroma_producer_impl", "chroma_consumer_impl"), "chromadb.db.impl.sqlite.SqliteDB"
    ),
    "chroma_segment_manager_impl": "chromadb.segment.impl.manager.local.LocalSegmentManager",
    "chroma_executor_impl": "chromadb.execution.executor.local.LocalExecutor",
    "chroma_quota_enforcer_impl": "chromadb.quota.simple_quota_enforcer.SimpleQuotaEnforcer",
    "chroma_rate_limit_enforcer_impl": "chromadb.rate_limit.simple_rate_limit.SimpleRateLimitEnforcer",
    "chroma_async_rate_limit_enforcer_impl": "chromadb.rate_limit.simple_rate_limit.SimpleAsyncRateLimitEnforcer",
    "chroma_collection_assignment_policy_impl": "chromadb.ingest.impl.simple_policy.SimpleAssignmentPolicy",
}


def _fields() -> dict[str, _Field]:
    def optional(convert: Callable[[object], object], default: object = None) -> _Field:
        """A field that may be None."""
        return _Field(default, convert, optional=True)

    open_paths = {f"{version}{path}": ["GET"] for version in APIVersion for path in ("", "/heartbeat", "/version")}
    return {
        "environment": _Field("", _to_str),
        "chroma_api_impl": _Field("chromadb.api.rust.RustBindingsAPI", _to_str),
        "chroma_server_nofile": optional(_to_int),
        "chroma_server_thread_pool_size": _Field(40, _to_int),
        "tenant_id": _Field("default", _to_str),
        "topic_namespace": _Field("default", _to_str),
        "chroma_server_host": optional(_to_str),
        "chroma_server_headers": optional(_to_dict),
        "chroma_server_http_port": optional(_to_int),
        "chroma_server_ssl_enabled": optional(_to_bool, False),
        "chroma_server_ssl_verify": optional(_to_bool_or_str),
        "chroma_server_api_default_path": optional(_member_of(APIVersion), APIVersion.V2),
        "chroma_server_cors_allow_origins": _Field([], _to_list),
        "chroma_http_keepalive_secs": optional(_to_float, 40.0),
        "chroma_http_max_connections": optional(_to_int),
        "chroma_http_max_keepalive_connections": optional(_to_int),
        "is_persistent": _Field(False, _to_bool),
        "persist_directory": _Field("./chroma", _to_str),
        "chroma_memory_limit_bytes": _Field(0, _to_int),
        "chroma_segment_cache_policy": optional(_to_str),
        "allow_reset": _Field(False, _to_bool),
        "chroma_nb_durability": _Field("power", _to_durability),
        "chroma_auth_token_transport_header": optional(_to_str),
        "chroma_client_auth_provider": optional(_to_str),
        "chroma_client_auth_credentials": optional(_to_str),
        "chroma_server_auth_ignore_paths": _Field(open_paths, _to_dict),
        "chroma_overwrite_singleton_tenant_database_access_from_auth": _Field(False, _to_bool),
        "chroma_server_authn_provider": optional(_to_str),
        "chroma_server_authn_credentials": optional(_to_str),
        "chroma_server_authn_credentials_file": optional(_to_str),
        "chroma_server_authz_provider": optional(_to_str),
        "chroma_server_authz_config": optional(_to_str),
        "chroma_server_authz_config_file": optional(_to_str),
        "chroma_product_telemetry_impl": _Field("chromadb.telemetry.product.posthog.Posthog", _to_str),
        "chroma_telemetry_impl": _Field("chromadb.telemetry.product.posthog.Posthog", _to_str),
        "anonymized_telemetry": _Field(True, _to_bool),
        "chroma_otel_collection_endpoint": optional(_to_str, ""),
        "chroma_otel_service_name": optional(_to_str, "chromadb"),
        "chroma_otel_collection_headers": _Field({}, _to_dict),
        "chroma_otel_granularity": optional(_to_str),
        "migrations": _Field("apply", _one_of("none", "validate", "apply")),
        "migrations_hash_algorithm": _Field("md5", _one_of("md5", "sha256")),
        "chroma_segment_directory_routing_mode": _Field(RoutingMode.ID, _member_of(RoutingMode)),
        "chroma_db_impl": optional(_to_str),
        **{name: _Field(value, _to_str) for name, value in _IMPLEMENTATIONS.items()},
        "worker_memberlist_name": _Field("query-service-memberlist", _to_str),
        "chroma_coordinator_host": _Field("localhost", _to_str),
        "chroma_logservice_host": _Field("localhost", _to_str),
        "chroma_logservice_port": _Field(50052, _to_int),
        "chroma_server_grpc_port": optional(_to_int),
        "chroma_query_replication_factor": _Field(2, _to_int),
        "chroma_logservice_request_timeout_seconds": _Field(3, _to_int),
        "chroma_sysdb_request_timeout_seconds": _Field(3, _to_int),
        "chroma_query_request_timeout_seconds": _Field(60, _to_int),
        "chroma_quota_provider_impl": optional(_to_str),
        "chroma_rate_limiting_provider_impl": optional(_to_str),
    }


_FIELDS: Final = _fields()

# --- Secrets ---------------------------------------------------------------------------------------------
_SECRET_NAME: Final = re.compile(r"credential|token|password|passwd|secret|(^|[_-])key|auth|cookie", re.IGNORECASE)
#: Names that only sound secret: where a secret is sent or read, not the secret.
_HARMLESS_NAME: Final = re.compile(r"(_header|_provider|_file|_paths|_config|_from_auth)$", re.IGNORECASE)
_USER_IN_URL: Final = re.compile(r"//[^/@\s]+@")
_MASK: Final = "**********"


def _masked(name: str, value: object) -> object:
    """The value as it may be shown."""
    if value is None or isinstance(value, bool) or value == "":
        return value
    if isinstance(value, dict) and name.endswith("headers"):
        return {header: _MASK if _SECRET_NAME.search(str(header)) else shown for header, shown in value.items()}
    if _SECRET_NAME.search(name) and not _HARMLESS_NAME.search(name):
        return _MASK
    return _USER_IN_URL.sub(f"//{_MASK}@", value) if isinstance(value, str) else value


def secret_names(settings: Settings) -> list[str]:
    """The settings that hold a secret; any header may be one, whatever it is called.

    >>> secret_names(Settings(chroma_client_auth_credentials="tiger", chroma_server_headers={"X-Team": "blue"}))
    ['chroma_server_headers', 'chroma_client_auth_credentials']
    """
    return [name for name, value in settings if value and (name.endswith("headers") or _masked(name, value) != value)]


def differences(there: Settings, here: Settings) -> str:
    """Which settings differ and how; a secret is not shown.

    >>> differences(Settings(), Settings(allow_reset=True, chroma_client_auth_credentials="tiger"))
    'allow_reset is False there and True here, chroma_client_auth_credentials differs (not shown)'
    """
    one, other = there.model_dump(), here.model_dump()
    secrets = {*secret_names(there), *secret_names(here)}
    return ", ".join(
        f"{name} differs (not shown)"
        if name in secrets
        else f"{name} is {one.get(name)!r} there and {other.get(name)!r} here"
        for name in {**one, **other}
        if one.get(name) != other.get(name)
    )


# --- Settings -----------------------------------------------------------------------------------------------
_LEGACY_VALUES: Final = {
    "duckdb",
    "duckdb+parquet",
    "clickhouse",
    "local",
    "rest",
    "chromadb.db.duckdb.DuckDB",
    "chromadb.db.duckdb.PersistentDuckDB",
    "chromadb.db.clickhouse.Clickhouse",
    "chromadb.api.local.LocalAPI",
}
#: Chroma's sentence; what follows it there names a tool that chroma_nb does not need.
LEGACY_ERROR: Final = (
    "You are using a deprecated configuration of Chroma.\n"
    "The setting {name} belongs to Chroma before 0.4. Leave it out and create the client with PersistentClient(path), "
    "EphemeralClient() or HttpClient(host). To read the files of such a Chroma, import them: "
    "chroma_nb.import_chroma(old_directory, new_directory)."
)


class Settings:
    """Settings of a client, with Chroma's names and defaults.

    Each setting is looked up in this order: the keyword argument, the environment variable of the same
    name (in upper or lower case), the file ``_env_file``, the default. Values are converted to the type
    of the setting. Names that Chroma does not know are ignored. Most of Chroma's settings are accepted
    for compatibility and have no effect.

    Parameters
    ----------
    _env_file
        A file with lines ``NAME=value``, or a list of files. By default no file is read.
    _env_file_encoding
        The encoding of these files, by default UTF-8.
    **values
        The settings, for example ``allow_reset=True``.

    Raises
    ------
    ValueError
        A value does not fit its setting.

    Examples
    --------
    >>> from chroma_nb import Settings
    >>> settings = Settings(allow_reset="true", chroma_client_auth_credentials="tiger")
    >>> settings.allow_reset
    True

    Credentials are not shown:

    >>> "tiger" in repr(settings)
    False
    """

    __hash__: ClassVar[None]  # type: ignore[assignment]  # mutable, so not hashable
    _values: dict[str, object]

    def __init__(
        self,
        *,
        _env_file: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
        _env_file_encoding: str | None = None,
        **values: object,
    ) -> None:
        asked = _read_env_files(_env_file, _env_file_encoding or "utf-8")
        asked |= {name.lower(): text for name, text in os.environ.items()}
        chosen = {name: copy.deepcopy(field.default) for name, field in _FIELDS.items()}
        for name, field in _FIELDS.items():
            text = asked.get(name)
            if text is not None and (text.strip() or field.convert is _to_str):
                chosen[name] = _converted(name, text)
        chosen |= {name: _converted(name, value) for name, value in values.items() if name in _FIELDS}
        for name in values.keys() - _FIELDS.keys():
            _hints.warn(f"Settings has no setting {name!r}, so it is ignored. {_hints.meant(name, _FIELDS)}".rstrip())
        object.__setattr__(self, "_values", chosen)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            try:
                return self._values[name]
            except KeyError:
                pass
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self._values:
            raise ValueError(f'"{type(self).__name__}" object has no field "{name}"')
        self._values[name] = _converted(name, value)

    def __getitem__(self, key: str) -> Any:
        value = getattr(self, key)
        if isinstance(value, str) and value in _LEGACY_VALUES:
            raise ValueError(LEGACY_ERROR.format(name=f"{key}={value!r}"))
        return value

    def require(self, key: str) -> Any:
        """Return a setting that must not be None.

        Parameters
        ----------
        key
            The name of the setting.

        Returns
        -------
        Any
            The value.

        Raises
        ------
        ValueError
            The setting is None, or its value belongs to Chroma before 0.4.
        """
        value = self[key]
        if value is None:
            raise ValueError(f"Missing required config value '{key}'")
        return value

    def __eq__(self, other: object) -> bool:
        return self._values == other._values if isinstance(other, Settings) else NotImplemented

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self._values.items())

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={_masked(name, value)!r}" for name, value in self._values.items())
        return f"{type(self).__name__}({shown})"

    __str__ = __repr__

    def model_dump(self) -> dict[str, Any]:
        """Return all settings as a dict, including credentials.

        Returns
        -------
        dict
            The settings by name. Do not log it.
        """
        return copy.deepcopy(self._values)

    dict = model_dump

    def copy(self, *, update: Mapping[str, object] | None = None) -> Settings:
        """Return a copy of these settings.

        Parameters
        ----------
        update
            Settings that are different in the copy.

        Returns
        -------
        Settings
            The copy.

        Raises
        ------
        ValueError
            A value does not fit its setting.
        """
        twin = object.__new__(type(self))
        changed = {name: _converted(name, value) for name, value in (update or {}).items()}
        object.__setattr__(twin, "_values", self.model_dump() | changed)
        return twin

    model_copy = copy

    def __copy__(self) -> Settings:
        return self.copy()

    def __deepcopy__(self, memo: object) -> Settings:
        return self.copy()

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (self.model_dump(),)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> object:
        """What pydantic asks about a field of this type, as of Chroma's: an object of it stays, a dict makes one."""
        schema = require("pydantic_core", feature="Settings in a pydantic model").core_schema
        made = schema.no_info_after_validator_function(
            lambda values: cls(**values), schema.dict_schema(schema.str_schema(), schema.any_schema())
        )
        return schema.json_or_python_schema(
            json_schema=made,
            python_schema=schema.union_schema([schema.is_instance_schema(cls), made]),
            serialization=schema.plain_serializer_function_ser_schema(cls.model_dump),
        )


def refuse_legacy(settings: Settings) -> None:
    """ValueError for settings of a Chroma before 0.4, which say where its data is."""
    if settings.chroma_db_impl is not None:
        raise ValueError(LEGACY_ERROR.format(name=f"chroma_db_impl={settings.chroma_db_impl!r}"))


def _restored(values: dict[str, object]) -> Settings:
    return Settings().copy(update=values)


def _converted(name: str, value: object) -> object:
    field = _FIELDS.get(name)
    if field is None or (value is None and field.optional):
        return value
    try:
        return field.convert(value)
    except ValueError as error:
        got = type(value).__name__ if _masked(name, "shown") != "shown" else f"{value!r}"
        got = type(value).__name__ if isinstance(value, dict) or name.endswith("headers") else got
        raise ValueError(f"setting {name}: expected {error}, got {got}") from None


def _read_env_files(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None, encoding: str
) -> dict[str, str]:
    """What the files say, later ones winning; one that is absent says nothing."""
    if files is None:
        return {}
    paths = [files] if isinstance(files, str | os.PathLike) else list(files)
    said: dict[str, str] = {}
    for path in map(Path, paths):
        if path.is_file():
            said |= dict(_env_lines(path.read_text(encoding=encoding)))
    return said


def _env_lines(text: str) -> Iterator[tuple[str, str]]:
    """``NAME=value`` lines; ``export``, quotes, blank lines and comments as shells have them."""
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or name.lstrip().startswith("#"):
            continue
        value = value.strip()
        quoted = re.match(r"""(["'])(.*?)\1\s*(#.*)?$""", value)
        yield name.strip().lower(), quoted[2] if quoted else re.sub(r"\s+#.*$", "", value)


# --- The module's own settings ----------------------------------------------------------------------------
_configured: Settings | None = None


def configure(**kwargs: Any) -> None:
    """Set what ``get_settings`` returns.

    As in Chroma, this does not affect clients that you create without ``settings``.

    Parameters
    ----------
    **kwargs
        The settings, as for ``Settings``.

    Raises
    ------
    ValueError
        A value does not fit its setting.
    """
    global _configured
    _configured = Settings(**kwargs)


def get_settings() -> Settings:
    """Return the settings given to ``configure``, or the default settings.

    Returns
    -------
    Settings
        The settings.
    """
    global _configured
    if _configured is None:
        _configured = Settings()
    return _configured


#: Whether this is Chroma's package without an engine; it never is.
is_thin_client: Final = False


def get_class(fqn: str, type: type[C]) -> type[C]:
    """The class of this full name, imported. ``type`` is what the caller takes it for; nothing checks it.

    >>> get_class("chroma_nb.config.Settings", Settings) is Settings
    True
    """
    module, _, name = fqn.rpartition(".")
    return cast("builtins.type[C]", getattr(import_module(module), name))


def get_fqn(cls: type[object]) -> str:
    """The full name of a class.

    >>> get_fqn(Settings)
    'chroma_nb.config.Settings'
    """
    return f"{cls.__module__}.{cls.__name__}"


class Component:
    """What a ``System`` is made of, for code that derives from it: started and stopped, nothing more."""

    def __init__(self, system: System) -> None:
        self._dependencies: set[Component] = set()
        self._system = system
        self._running = False

    def require(self, type: type[C]) -> C:
        """The system's instance of ``type``, from then on one of ``dependencies``."""
        instance = self._system.instance(type)
        self._dependencies.add(cast(Component, instance))
        return instance

    def dependencies(self) -> set[Component]:
        """What was required."""
        return self._dependencies

    def start(self) -> None:
        """Mark as running."""
        self._running = True

    def stop(self) -> None:
        """Mark as stopped."""
        self._running = False

    def reset_state(self) -> None:
        """Nothing: there is no state."""


class System(Component):
    """Chroma's container of components, for code that constructs one: it holds the settings.

    Clients are not made from components here; ``instance`` gives those that a program derived itself.
    """

    def __init__(self, settings: Settings) -> None:
        refuse_legacy(settings)
        super().__init__(self)
        self.settings = settings
        self._instances: dict[builtins.type[Any], Any] = {}

    def instance(self, type: type[C]) -> C:
        """The one instance of ``type``, a class derived from Component; NotImplementedError for any other."""
        if type not in self._instances and issubclass(type, Component) and type is not Component:
            self._instances[type] = type(self)
        if type in self._instances:
            return cast(C, self._instances[type])
        raise NotImplementedError(
            f"chroma_nb has no component {type.__name__}. Create a client instead: EphemeralClient(), "
            "PersistentClient(path) or HttpClient(host) take these settings."
        )

    def components(self) -> Iterable[Any]:
        """The instances made so far."""
        return self._instances.values()

    def start(self) -> None:
        """Mark the system and its components as running."""
        super().start()
        for component in self.components():
            component.start()

    def stop(self) -> None:
        """Mark the system and its components as stopped."""
        super().stop()
        for component in self.components():
            component.stop()
