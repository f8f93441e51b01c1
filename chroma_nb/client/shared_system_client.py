"""The base of every client: a backend, which the clients of one place share."""

from __future__ import annotations

import copy
import re
from typing import Any, ClassVar, Self

from chroma_nb.backends.embedded import SYSTEMS, Systems
from chroma_nb.types import Json

_MADE_BY_CONNECT = ("_server", "_admin_client")


class SharedSystemClient:
    """A client whose backend may be shared; ``_system`` is that backend, ``_identifier`` the name of its place."""

    _identifier_to_system: ClassVar[Systems] = SYSTEMS
    _backend: Any
    _closed: bool = False

    def _connect(self) -> None:
        """Make what hands our calls to the backend."""
        raise NotImplementedError

    # --- Copies: clients of their own, whose close() is theirs. What a pickle keeps of a place, its backend says. ---

    def __getstate__(self) -> Json:
        return {name: value for name, value in vars(self).items() if name not in _MADE_BY_CONNECT}

    def __setstate__(self, state: Json) -> None:
        vars(self).update(state)
        if not self._closed:
            self._backend.share()
        self._connect()

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        twin.__setstate__({**self.__getstate__(), "_backend": copy.copy(self._backend)})
        return twin

    @property
    def _system(self) -> Any:
        return self._backend

    @property
    def _identifier(self) -> str:
        return str(self._backend.identifier)

    def __repr__(self) -> str:
        place = re.sub(r"//[^/@\s]+@", "//***@", self._identifier) if hasattr(self, "_backend") else "not open"
        names = [f"{name}={getattr(self, name)!r}" for name in ("tenant", "database") if hasattr(self, name)]
        return f"{type(self).__name__}({', '.join([repr(place), *names])})"

    def _repr_html_(self) -> str:
        from chroma_nb.display.formatters import client_html

        return client_html(self)  # type: ignore[arg-type]  # whatever of a client it does not have is left out

    @staticmethod
    def clear_system_cache() -> None:
        """Forget which databases are open.

        The next client of a directory opens it again. The next in-memory client starts with an empty
        database. Existing clients keep working.
        """
        SYSTEMS.clear()
