"""Errors: shown by Chroma's names, and the same after a copy, a pickle, or another process."""

from __future__ import annotations

import concurrent.futures
import copy
import importlib
import multiprocessing
import pickle
import pkgutil
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import chroma_nb
from chroma_nb import _optional, errors
from chroma_nb.backends.http import codec, transport
from chroma_nb.errors import ChromaError, NotFoundError
from chroma_nb.jupyter.where_sql import WhereTextError
from chroma_nb.server import app, auth

#: Classes that are made when they are needed.
MADE = [transport._kind("ReadError"), transport._kind("ReadTimeout"), transport._kind("ConnectError", ValueError)]
#: Exceptions whose constructor takes something else than values to be shown.
ARGUMENTS: dict[type[BaseException], tuple[Any, ...]] = {
    WhereTextError: ("unexpected word", "year ~ 2020", 5),
    app._StatusError: (404, "no such path"),
    **dict.fromkeys(MADE, ("the server broke the connection",)),
}


def classes() -> Iterator[type[BaseException]]:
    """Every exception class that a module of the package defines."""
    for module in pkgutil.walk_packages(chroma_nb.__path__, "chroma_nb."):
        if module.name.endswith("__main__"):
            continue
        for kind in vars(importlib.import_module(module.name)).values():
            if isinstance(kind, type) and issubclass(kind, BaseException) and home(kind) == module.name:
                yield kind
    yield from MADE


def home(kind: type) -> str:
    """The module that defines a class, whatever module it shows."""
    _, place = vars(kind).get("_found", (None, (kind.__module__,)))
    return str(place[0])


ALL = list(dict.fromkeys(classes()))


def an_error(kind: type[BaseException]) -> BaseException:
    """One as it may be when it is raised, with all that somebody may have put on it."""
    error = kind(*ARGUMENTS.get(kind, ("Collection [x] does not exist", 7)))
    error.trace_id = "abc"  # type: ignore[attr-defined]
    error.add_note("while the records were written")
    return error


def described(error: BaseException) -> tuple[Any, ...]:
    own = {name: value for name, value in vars(error).items() if not name.startswith("__")}
    notes = [note for note in getattr(error, "__notes__", ()) if "Traceback" not in note]
    told = (error.code(), error.message(), error.name()) if isinstance(error, ChromaError) else ()
    return type(error), error.args, str(error), repr(error), own, notes, told, getattr(error, "status", None)


# --- What is shown -------------------------------------------------------------------------------------------
def shown(error: BaseException) -> str:
    return traceback.format_exception_only(error)[0].strip()


@pytest.mark.parametrize(
    ("kind", "public", "ancestors"),
    [
        (errors._MissingError, "chroma_nb.errors.NotFoundError", {NotFoundError, ValueError}),
        (errors._InvalidNameError, "chroma_nb.errors.InvalidArgumentError", {errors.InvalidArgumentError, ValueError}),
        (
            errors._AlreadyExistsError,
            "chroma_nb.errors.InternalError",
            {errors.InternalError, errors.UniqueConstraintError, ValueError},
        ),
        (errors._ReadOnlyError, "chroma_nb.errors.InternalError", {errors.InternalError}),
        (errors._DamagedError, "chroma_nb.errors.InternalError", {errors.InternalError}),
        (errors._ClosedError, "AttributeError", {AttributeError}),
        (
            errors._ResetRefusedError,
            "chroma_nb.errors.AuthorizationError",
            {errors.AuthorizationError},
        ),
        (_optional._NotInstalledError, "ValueError", {ImportError, ValueError}),
        (errors._NotOfferedError, "NotImplementedError", {NotImplementedError}),
        (auth._ForeignHostError, "chroma_nb.errors.ChromaAuthError", {errors.ChromaAuthError}),
        (app._StatusError, "chroma_nb.errors.ChromaError", {ChromaError}),
        (transport._kind("ConnectError", ValueError), "httpx.ConnectError", {httpx.ConnectError, ValueError}),
        (transport._kind("ReadTimeout"), "httpx.ReadTimeout", {httpx.ReadTimeout}),
    ],
)
def test_a_traceback_shows_the_public_name_and_the_ancestry_is_kept(
    kind: type[BaseException], public: str, ancestors: set[type]
) -> None:
    error = an_error(kind)
    assert shown(error).startswith(f"{public}: ")
    assert repr(kind) == f"<class '{public}'>"
    name = public.rpartition(".")[2]
    assert (kind.__name__, kind.__qualname__) == (name, name)
    assert repr(error).startswith(f"{name}(")
    assert all(issubclass(kind, one) for one in ancestors)
    assert issubclass(kind, (ChromaError, _optional.MissingPackageError))


def test_no_error_of_the_package_shows_a_private_name_but_those_nobody_sees() -> None:
    inside = {"_Malformed", "_Refused", "_Damaged", "_NotNowError"}  # caught where they are raised
    assert {kind.__name__ for kind in ALL if kind.__name__.startswith("_")} <= inside


def test_what_calls_raise_is_shown_by_chromas_names(sync_client: Any) -> None:
    sync_client.create_collection("birds")
    for call, public in [
        (lambda: sync_client.get_collection("fish"), "chroma_nb.errors.NotFoundError: Collection [fish]"),
        (lambda: sync_client.create_collection("birds"), "chroma_nb.errors.InternalError: Collection [birds] already"),
        (lambda: sync_client.create_collection("b"), "chroma_nb.errors.InvalidArgumentError: Validation error: name"),
        (lambda: sync_client.get_collection("birds").get_attached_function("f"), "NotImplementedError: "),
    ]:
        with pytest.raises(Exception) as caught:  # noqa: PT011  # which, is the question
            call()
        assert shown(caught.value).startswith(public)
        assert described(pickle.loads(pickle.dumps(caught.value))) == described(caught.value)
    sync_client.close()
    with pytest.raises(AttributeError) as closed:
        sync_client.count_collections()
    assert shown(closed.value).startswith("AttributeError: ")


def test_the_public_classes_have_chromas_ancestry_only() -> None:
    assert not issubclass(NotFoundError, ValueError)
    assert type(errors._MissingError("x")) is not NotFoundError


# --- Copies and other processes ------------------------------------------------------------------------------
WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {protocol}": lambda error, p=protocol: pickle.loads(pickle.dumps(error, p)) for protocol in range(6)},
}


def test_the_walk_finds_the_classes() -> None:
    assert {NotFoundError, errors._MissingError, chroma_nb._optional.MissingPackageError, WhereTextError} <= {*ALL}
    assert len(ALL) > 35


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ALL, ids=lambda kind: f"{home(kind)}.{kind.__name__}")
def test_an_error_is_the_same_afterwards(kind: type[BaseException], way: str) -> None:
    error = an_error(kind)
    again = WAYS[way](error)
    assert again is not error
    assert described(again) == described(error)
    assert WAYS[way](kind) is kind


class Own(errors._MissingError):
    """What a program may derive from the class of an error it caught."""

    def __init__(self, name: str, *, hint: str) -> None:
        super().__init__(f"{name} is missing")
        self.hint = hint


@pytest.mark.parametrize("way", WAYS)
def test_a_class_derived_from_one_of_ours_has_its_own_name_and_survives_too(way: str) -> None:
    error = Own("the wren", hint="look again")
    again = WAYS[way](error)
    assert (type(again), Own.__name__, Own.__module__) == (Own, "Own", __name__)
    assert (str(again), again.hint) == ("the wren is missing", "look again")
    assert WAYS[way](Own) is Own


def raised(number: int) -> None:
    raise an_error(ALL[number])


def missing(path: str) -> None:
    with chroma_nb.PersistentClient(path) as client:
        client.get_collection("birds")


@pytest.fixture(scope="module", params=["spawn", "fork"])
def pool(request: pytest.FixtureRequest) -> Iterator[concurrent.futures.ProcessPoolExecutor]:
    context = multiprocessing.get_context(request.param)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        yield pool


def test_every_error_crosses_a_process_pool(pool: concurrent.futures.ProcessPoolExecutor) -> None:
    for number, kind in enumerate(ALL):
        error = pool.submit(raised, number).exception(timeout=60)
        assert error is not None
        assert described(error) == described(an_error(kind))


def test_a_missing_collection_in_another_process_is_a_not_found_error_here(
    pool: concurrent.futures.ProcessPoolExecutor, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError) as caught:
        pool.submit(missing, str(tmp_path)).result(timeout=60)
    assert isinstance(caught.value, ValueError)
    assert shown(caught.value).startswith("chroma_nb.errors.NotFoundError: Collection [birds]")


def test_the_trace_id_of_a_server_crosses_too() -> None:
    reply = codec.Reply(404, {"chroma-trace-id": "0af7"}, b'{"error":"NotFoundError","message":"Collection [x]"}')
    error = codec.error_of(reply)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.trace_id, again.code()) == (errors._MissingError, "0af7", 404)


def test_picklers_that_copy_classes_by_value_find_ours() -> None:
    """As joblib's and dask's do with a class that its name does not lead to."""
    function, arguments, _ = errors._MissingError("x").__reduce__()
    assert errors._MissingError not in arguments
    assert type(function(*arguments)) is errors._MissingError
