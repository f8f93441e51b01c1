"""The configuration a collection keeps about its embedding function, as a table of keys: checked before it is used.

A stored configuration is text from a file somebody may have sent. It names keys that a class knows, of the types it
expects, and nothing that would run code or carry a secret elsewhere; whatever is refused here the user may still pass
to the class directly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, Self, TypeVar
from urllib.parse import urlsplit

from chroma_nb._http import is_loopback
from chroma_nb.embedding_functions.base import Config, EmbeddingFunction, SparseEmbeddingFunction
from chroma_nb.types import Json, Space

D = TypeVar("D", contravariant=True)

_WORDS = {str: "a str", int: "an int", bool: "a bool", dict: "an object", float: "a number", list: "a list"}


@dataclass(frozen=True)
class Key:
    """One key of a configuration; also the name of the attribute and the parameter."""

    kind: type
    required: bool = False
    #: Whether a collection that has one value may not change to another.
    fixed: bool = False
    #: Whether it is left out of the configuration when it is None.
    omitted_if_none: bool = False

    def accepts(self, value: object) -> bool:
        """Whether a configuration may have this value here."""
        if value is None:
            return not self.required
        if self.kind is float:
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        return isinstance(value, self.kind) and (self.kind is bool or not isinstance(value, bool))


def check_config(config: object, keys: Mapping[str, Key], owner: str) -> None:
    """Raise ValueError unless ``config`` holds every required key, no unknown one, and values of the right types."""
    if not isinstance(config, Mapping):
        raise ValueError(f"Expected the configuration of {owner} to be an object, got {type(config).__name__}")
    unknown = sorted(set(map(str, config)) - set(keys))
    if unknown:
        raise ValueError(f"Expected the configuration of {owner} to have only the keys {list(keys)}, got {unknown}")
    missing = [name for name, key in keys.items() if key.required and name not in config]
    if missing:
        raise ValueError(f"Expected the configuration of {owner} to have {missing}")
    for name, value in config.items():
        if not keys[name].accepts(value):
            raise ValueError(
                f"Expected {name} in the configuration of {owner} to be {_WORDS[keys[name].kind]}, "
                f"got {type(value).__name__}"
            )


#: A word of an argument's name that says that it is a secret: aws_secret_access_key, use_auth_token.
_SECRET: Final = frozenset({"auth", "credential", "credentials", "key", "passwd", "password", "secret", "token"})


def _without_secrets(arguments: object) -> object:
    """Arguments for another library, without those that are secrets: a collection stores none, nothing shows one.

    >>> _without_secrets({"region_name": "eu-west-1", "aws_session_token": "hush", "model_kwargs": {"token": "hush"}})
    {'region_name': 'eu-west-1', 'model_kwargs': {}}
    """
    if not isinstance(arguments, Mapping):
        return arguments
    return {
        name: _without_secrets(value)
        for name, value in arguments.items()
        if not _SECRET.intersection(str(name).lower().split("_"))
    }


class _Table:
    """A configuration that is the table ``keys``: attributes out, parameters in."""

    keys: ClassVar[Mapping[str, Key]]

    def get_config(self) -> Config:
        """Return what is needed to build this function again, as JSON. It contains no secret."""
        values = {
            name: _without_secrets(getattr(self, name)) if key.kind is dict else getattr(self, name)
            for name, key in self.keys.items()
        }
        omitted = {name for name, key in self.keys.items() if key.omitted_if_none and values[name] is None}
        return {name: value for name, value in values.items() if name not in omitted}

    @classmethod
    def build_from_config(cls, config: Config) -> Self:
        """Build the function from what ``get_config`` returned. Raise a ValueError if it does not fit this class."""
        cls.validate_config(config)
        cls.check_stored(config)
        arguments = dict(config)
        more = (arguments.pop("kwargs", None) or {}) if "kwargs" in cls.keys else {}
        return cls(**more, **arguments)

    @classmethod
    def validate_config(cls, config: Config) -> None:
        """Raise a ValueError if ``config`` does not fit this class."""
        check_config(config, cls.keys, cls.__name__)

    @classmethod
    def check_stored(cls, config: Config) -> None:
        """Raise a ValueError for values that are accepted from you, but not from a stored configuration."""

    def validate_config_update(self, old_config: Config, new_config: Config) -> None:
        """Raise a ValueError if the update changes a value that is fixed, such as the model."""
        for name, key in self.keys.items():
            if key.fixed and name in new_config and new_config[name] != old_config.get(name, getattr(self, name)):
                what = name.replace("_", " ")
                raise ValueError(f"The {what} cannot be changed after the embedding function has been initialized.")

    def __getstate__(self) -> Json:
        """All but a model that was loaded, which is loaded again."""
        return {
            name: value
            for name, value in vars(self).items()
            if not isinstance(getattr(type(self), name, None), cached_property)
        }

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items() if value is not None)
        return f"{type(self).__name__}({shown})"


class Configured(_Table, EmbeddingFunction[D]):
    """An embedding function whose configuration is the table ``keys``."""

    def default_space(self) -> Space:
        """Return the distance that a new collection uses if you do not choose one: ``"cosine"``."""
        return "cosine"

    def is_legacy(self) -> bool:
        """Return False: a collection can store this function."""
        return False


class ConfiguredSparse(_Table, SparseEmbeddingFunction[D]):
    """As ``Configured``, for sparse vectors."""


def check_hosts(url: str | None, allowed: Iterable[str], owner: str) -> None:
    """Raise ValueError when a stored ``url`` would carry an API key to a host that is not the provider's own.

    Allowed are this machine, the hosts in ``allowed`` and their subdomains, and those always by https.
    """
    if url is None:
        return
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if is_loopback(host):
        return
    if parts.scheme == "https" and any(host == name or host.endswith(f".{name}") for name in allowed):
        return
    raise ValueError(
        f"The stored configuration would send an API key to {parts.scheme}://{host}, which is not a host "
        f"of {owner}'s provider. If you trust the collection, pass embedding_function={owner}(...) when "
        "you get it."
    )


def check_local(url: str, owner: str) -> None:
    """Raise ValueError when a stored ``url`` would carry texts to another machine, of which only the file tells."""
    parts = urlsplit(url)
    if not is_loopback((parts.hostname or "").lower()):
        raise ValueError(
            f"The stored configuration would send your texts to {parts.scheme}://{parts.hostname}, which is "
            f"not this machine. If you trust the collection, pass embedding_function={owner}(url=...) when you "
            "get it."
        )
