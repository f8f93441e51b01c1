"""What a collection stores of its embedding function: a name and a configuration, never the function.

In JSON it is None, ``{"type": "legacy"}`` or ``{"type": "known", "name": …, "config": …}``; whoever needs the live
function hands in a way to build it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from chroma_nb._hints import warn
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.plain import shown
from chroma_nb.types import SPACES, Json, Space

#: Builds the live embedding function from ``{"name": …, "config": …}``.
Build: TypeAlias = Callable[[Json], Any]


@dataclass(frozen=True)
class StoredEmbeddingFunction:
    """An embedding function of which only the stored name and configuration are known.

    A Schema read from JSON holds these, so that reading one builds nothing.

    >>> StoredEmbeddingFunction("default").name()
    'default'
    """

    stored_name: str
    config: Json = field(default_factory=dict, hash=False)

    def __call__(self, input: object) -> Any:
        raise TypeError(
            f"the embedding function {self.stored_name!r} is only named by this schema; "
            "add documents through the collection, which builds it"
        )

    def name(self) -> str:
        """The stored name."""
        return self.stored_name

    def get_config(self) -> Json:
        """The stored configuration; a copy."""
        return dict(self.config)

    def is_legacy(self) -> bool:
        """False: it has a name and a configuration."""
        return False

    def default_space(self) -> Space | None:
        """Of Chroma's default function l2; of others unknown here."""
        return "l2" if self.stored_name == "default" else None

    def supported_spaces(self) -> list[Space]:
        """All spaces: which of them the function supports is unknown here."""
        return list(SPACES)


DEFAULT_EMBEDDING_FUNCTION: Final = StoredEmbeddingFunction("default")


def describe_embedding_function(function: Any, register: Callable[[type], Any] | None = None) -> Json:
    """What a collection stores of a live embedding function; "legacy" when it cannot be built again."""
    try:
        if function.is_legacy():
            return {"type": "legacy"}
        described = {"type": "known", "name": function.name(), "config": function.get_config()}
        if register is not None and not isinstance(function, StoredEmbeddingFunction):
            register(type(function))
    except Exception as error:  # noqa: BLE001  # whatever a user's class raises, its vectors still work
        warnings.warn(f"legacy embedding function config: {error}", DeprecationWarning, stacklevel=3)
        return {"type": "legacy"}
    return described


def warn_of_space(function: Any, space: object) -> None:
    """Warn when the function does not support the space."""
    supported = function.supported_spaces()
    if space not in supported:
        warn(f"space {shown(space)} is not supported by {function.name()}. Supported spaces: {supported}")


def parse_embedding_function(written: Any) -> Json | None:
    """The function that a configuration in JSON names, checked. Raises InvalidArgumentError for anything else."""
    if written is None:
        return None
    kind = written.get("type") if isinstance(written, Mapping) else None
    if kind in ("legacy", "unknown"):
        return {"type": kind}
    if kind == "known" and isinstance(written.get("name"), str):
        return {"type": "known", "name": written["name"], "config": written.get("config") or {}}
    raise InvalidArgumentError(
        "invalid embedding_function: expected null, legacy, or known with name and config, "
        f"got {shown(kind, show=repr)}"
    )
