"""What ``%chroma`` remembers between cells: clients, the collection in use, named queries.

And how a name of the notebook is found: a variable that holds a client or collection (ours or
chromadb's), or a collection of the current client.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from IPython.core.error import StdinNotImplementedError, UsageError

from chroma_nb.jupyter.command_line import suggestion

_CLIENT = ("list_collections", "get_or_create_collection", "delete_collection", "heartbeat")
_COLLECTION = ("count", "get", "query", "add", "upsert", "peek", "modify")


class Settings(Protocol):
    """What ``%config ChromaMagics`` sets."""

    n_results: int
    limit: int
    result: str
    variables: bool
    confirm: bool


class Session:
    """The state of the magics in one notebook."""

    def __init__(
        self,
        variables: dict[str, Any],
        settings: Settings,
        say: Callable[[str], object] = lambda text: sys.stdout.write(text),  # the stdout of the moment
        ask: Callable[[str], str] = lambda question: input(question),
    ) -> None:
        #: The variables of the notebook. What a command writes goes here.
        self.notebook = variables
        self._seen: ContextVar[Mapping[str, Any] | None] = ContextVar("chroma_nb_variables", default=None)
        self.settings = settings
        self._say, self._ask = say, ask
        self.clients: dict[str, Any] = {}
        #: Those of them that connect opened, and therefore closes.
        self.opened: set[str] = set()
        self.current_client: str | None = None
        self.current_collection: Any = None
        #: Name -> the words of a saved command and the text of its cell.
        self.saved: dict[str, tuple[list[str], str | None]] = {}

    # --- Speaking with the person ---
    def say(self, text: str) -> None:
        """One line below the cell."""
        self._say(text + "\n")

    def confirm(self, question: str, yes: bool) -> None:
        """Go on when ``yes`` or when the person says so; UsageError otherwise."""
        if yes or not self.settings.confirm:
            return
        try:
            answer = self._ask(f"{question} [y/N] ")
        except (StdinNotImplementedError, EOFError):
            raise UsageError(f"{question} Nobody can be asked here; add --yes") from None
        if answer.strip().lower() not in ("y", "yes"):
            raise UsageError("nothing was changed")

    # --- Names ---
    @property
    def variables(self) -> Mapping[str, Any]:
        """The variables that are seen: in a function its own first, elsewhere those of the notebook."""
        seen = self._seen.get()
        return self.notebook if seen is None else seen

    @contextmanager
    def seeing(self, variables: Mapping[str, Any]) -> Iterator[None]:
        """Commands inside see these variables."""
        token = self._seen.set(variables)
        try:
            yield
        finally:
            self._seen.reset(token)

    def assign(self, name: str, value: Any) -> None:
        """Set a variable of the notebook; UsageError where it would not be the one that is seen."""
        if name in getattr(self.variables, "local", ()):
            raise UsageError(
                f"--out sets a variable of the notebook, and {name!r} is one of the function; write {name} = %chroma …"
            )
        self.notebook[name] = value

    def variable(self, name: str) -> Any:
        """The value of a variable of the notebook."""
        if name not in self.variables:
            if name in getattr(self.variables, "local", ()):
                raise UsageError(f"the variable {name!r} of the function has no value yet")
            raise UsageError(f"there is no variable {name!r} in the notebook{suggestion(name, self.variables)}")
        return self.variables[name]

    def client(self) -> Any:
        """The client in use: the connected one, else the only one among the variables."""
        if self.current_client is not None:
            return self.clients[self.current_client]
        near = {id(value): (name, value) for name, value in self._of_functions().items() if is_client(value)}
        found = {id(value): name for name, value in self._shown_variables() if is_client(value)}
        if len(near) == 1:
            return next(iter(near.values()))[1]
        if len(found) == 1:
            return self.named()[next(iter(found.values()))]
        if found:
            names = ", ".join(sorted(found.values()))
            raise UsageError(f"there are several clients: {names}; choose one: %chroma connect {min(found.values())}")
        raise UsageError("no database is open; %chroma connect PATH, or %chroma connect memory")

    def collection(self, name: str | None = None) -> Any:
        """The collection in a variable or of the client by that name; without name the one in use."""
        if name is None:
            if self.current_collection is None:
                raise UsageError("which collection? name one, or choose it once: %chroma use NAME")
            return self.current_collection
        if is_collection(found := self.named().get(name)):
            return found
        client = self.client()
        names = self.collection_names(client)
        if name not in names:
            hint = suggestion(name, [*self.collection_variables(), *names]) or (
                f"; there are: {', '.join(names[:10])}" if names else "; there is none yet"
            )
            raise UsageError(f"there is no collection {name!r}{hint}")
        return client.get_collection(name)

    def collection_names(self, client: Any) -> list[str]:
        """The names of a client's collections, in alphabetical order."""
        return sorted(one if isinstance(one, str) else one.name for one in client.list_collections())

    def collection_variables(self) -> list[str]:
        """The variables of the notebook that hold a collection."""
        return [name for name, value in self._shown_variables() if is_collection(value)]

    def client_variables(self) -> list[str]:
        """The variables of the notebook that hold a client."""
        return [name for name, value in self._shown_variables() if is_client(value)]

    def _of_functions(self) -> dict[str, Any]:
        """The variables of the function that a command stands in, and of those around it."""
        return getattr(self.variables, "of_functions", {})

    def _shown_variables(self) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in sorted(self.named().items()) if not name.startswith("_")]

    def named(self) -> dict[str, Any]:
        """What a bare word may name. Not the globals of a module that calls a magic: these are meant by ``:name``."""
        return {**self.notebook, **self._of_functions()}


def is_client(value: object) -> bool:
    """Whether this is a client, ours or chromadb's, by what it can do; not one that is awaited."""
    return _can(value, _CLIENT)


def is_collection(value: object) -> bool:
    """Whether this is a collection, ours or chromadb's, by what it can do; not one that is awaited."""
    return _can(value, _COLLECTION)


def _can(value: object, methods: tuple[str, ...]) -> bool:
    found = [getattr(type(value), name, None) for name in methods]
    return all(callable(method) and not inspect.iscoroutinefunction(method) for method in found)


def metadata_keys(collection: Any, sample: int = 100) -> Mapping[str, list[Any]]:
    """The metadata keys of the first records, each with its distinct values there, for completion."""
    keys: dict[str, list[Any]] = {}
    for metadata in collection.get(limit=sample, include=["metadatas"])["metadatas"] or ():
        for key, value in (metadata or {}).items():
            values = keys.setdefault(key, [])
            if value not in values:
                values.append(value)
    return {key: keys[key] for key in sorted(keys)}
