"""What ``%chroma`` remembers between cells: clients, the collection in use, named queries.

It also finds what a name of the notebook means: a variable that holds a client or collection (ours or
chromadb's), or a collection of the current client.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from IPython.core.error import StdinNotImplementedError, UsageError

from chroma_nb.collection import (
    Client,
    Collection,
    collection_names,
    first_metadatas,
    is_client,
    is_collection,
    opened,
    values_by_key,
)
from chroma_nb.jupyter.command_line import suggestion
from chroma_nb.plain import shown
from chroma_nb.types import Fields

#: Records whose metadata keys are offered.
_SAMPLE = 100


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
        variables: dict[str, object],
        settings: Settings,
        say: Callable[[str], object] = lambda text: sys.stdout.write(text),  # the stdout of the moment
        ask: Callable[[str], str] = lambda question: input(question),
    ) -> None:
        #: The variables of the notebook. What a command writes goes here.
        self.notebook = variables
        self._seen: ContextVar[Fields | None] = ContextVar("chroma_nb_variables", default=None)
        self.settings = settings
        self._say, self._ask = say, ask
        self.clients: dict[str, Client] = {}
        #: Those of them that connect opened, and therefore closes.
        self.opened: set[str] = set()
        self.current_client: str | None = None
        self.current_collection: Collection | None = None
        #: Name -> the words of a saved command and the text of its cell.
        self.saved: dict[str, tuple[list[str], str | None]] = {}

    # --- Speaking with the person ---
    def say(self, text: str) -> None:
        """One line below the cell."""
        self._say(text + "\n")

    def confirm(self, question: str, yes: bool) -> None:
        """Return if ``yes``, or if the person agrees; UsageError otherwise."""
        if yes or not self.settings.confirm:
            return
        try:
            answer = self._ask(f"{question} [y/N] ")
        except (StdinNotImplementedError, EOFError):
            raise UsageError(f"{question} This needs a confirmation: add --yes") from None
        if answer.strip().lower() not in ("y", "yes"):
            raise UsageError("nothing was changed")

    # --- Names ---
    @property
    def variables(self) -> Fields:
        """The variables that are seen: in a function its own first, elsewhere those of the notebook."""
        seen = self._seen.get()
        return self.notebook if seen is None else seen

    @contextmanager
    def seeing(self, variables: Fields) -> Iterator[None]:
        """Commands inside see these variables."""
        token = self._seen.set(variables)
        try:
            yield
        finally:
            self._seen.reset(token)

    def assign(self, name: str, value: object) -> None:
        """Set a variable of the notebook; UsageError where it would not be the one that is seen."""
        if name in getattr(self.variables, "local", ()):
            raise UsageError(
                f"--out sets a variable of the notebook, but {name!r} is a variable of the function. Write {name} "
                "= %chroma …"
            )
        self.notebook[name] = value

    def variable(self, name: str) -> object:
        """The value of a variable of the notebook."""
        if name not in self.variables:
            if name in getattr(self.variables, "local", ()):
                raise UsageError(f"the variable {name!r} of the function has no value yet")
            raise UsageError(f"no variable {name!r} in the notebook{self._like(name)}")
        return self.variables[name]

    def client(self) -> Client:
        """The client in use: the connected one, else the only one among the variables."""
        if self.current_client is not None:
            return self.clients[self.current_client]
        near = {id(value): value for value in self._of_functions().values() if is_client(value)}
        found = {id(value): (name, value) for name, value in self._shown_variables() if is_client(value)}
        if len(near) == 1:
            return next(iter(near.values()))
        if len(found) == 1:
            return next(iter(found.values()))[1]
        if found:
            names = sorted(name for name, _ in found.values())
            raise UsageError(f"there are several clients: {', '.join(names)}. Choose one: %chroma connect {names[0]}")
        raise UsageError("no database is open. Open one with %chroma connect PATH, or %chroma connect memory")

    def collection(self, name: str | None = None) -> Collection:
        """The collection in a variable or of the client by that name; without name the one in use, or the only one."""
        if name is None:
            return self.current_collection or self.said_only_collection()
        if is_collection(found := self.named().get(name)):
            return found
        client = self.client()
        names = collection_names(client)
        if name not in names:
            hint = suggestion(name, [*self.collection_variables(), *names]) or (
                f"; the collections are: {', '.join(names[:10])}" if names else "; this database has no collections"
            )
            raise UsageError(f"no collection {name!r}{hint}")
        return client.get_collection(name)

    def said_only_collection(self, instead: str = "") -> Collection:
        """As ``only_collection``, and the person is told which it is."""
        collection = self.only_collection(instead)
        self.say(f"Using {collection.name}, the only collection.")
        return collection

    def only_collection(self, instead: str = "") -> Collection:
        """The database's one collection, where none is in use and none is named.

        UsageError where there are several or none; ``instead`` is the word that names none. A variable that holds it
        comes first: it may have been given an embedding function that the database does not know.
        """
        held = {value.id: value for _, value in self._shown_variables() if is_collection(value)}
        try:
            client = self.client()
        except UsageError:
            if len(held) == 1:
                return next(iter(held.values()))
            raise
        names = collection_names(client)
        if len(names) == 1:
            return held.get(opened(client, names[0]).id) or client.get_collection(names[0])
        asked = f"no collection {shown(instead, 60, repr)}, and none is in use" if instead else ""
        if not names:
            raise UsageError(f"{asked or 'this database has no collections'}. Create one with %chroma create NAME")
        raise UsageError(
            f"{asked or 'no collection is named'}. Name one of {', '.join(names[:10])}, or choose it for all "
            f"commands: %chroma use {names[0]}"
        )

    def collection_variables(self) -> list[str]:
        """The variables of the notebook that hold a collection."""
        return [name for name, value in self._shown_variables() if is_collection(value)]

    def client_variables(self) -> list[str]:
        """The variables of the notebook that hold a client."""
        return [name for name, value in self._shown_variables() if is_client(value)]

    def _like(self, name: str) -> str:
        """The variable that was perhaps meant: none that IPython or Python itself has."""
        return suggestion(name, [known for known, _ in self._shown_variables() if not hasattr(builtins, known)])

    def _of_functions(self) -> dict[str, object]:
        """The variables of the function that a command stands in, and of those around it."""
        return getattr(self.variables, "of_functions", {})

    def _shown_variables(self) -> list[tuple[str, object]]:
        return [(name, value) for name, value in sorted(self.named().items()) if not name.startswith("_")]

    def named(self) -> dict[str, object]:
        """What a bare word may name. Not the globals of a module that calls a magic: these are meant by ``:name``."""
        return {**self.notebook, **self._of_functions()}


def metadata_keys(collection: Collection) -> Mapping[str, list[object]]:
    """The metadata keys of the first records in alphabetical order, each with its distinct values there."""
    found = values_by_key(first_metadatas(collection, _SAMPLE))
    return {key: _distinct(found[key]) for key in sorted(found)}


def _distinct(values: Iterable[object]) -> list[object]:
    distinct: list[object] = []
    for value in values:  # by equality: some are lists
        if value not in distinct:
            distinct.append(value)
    return distinct
