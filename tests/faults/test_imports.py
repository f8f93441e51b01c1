"""Importing a Chroma directory, whatever stops it: what was there before is there, or what was imported, whole."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import signal
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from child_process import finish, start
from test_interrupts import interrupted_after, interrupted_at_line

import chroma_nb
from chroma_nb.backends import chroma_import
from chroma_nb.client.shared_system_client import SharedSystemClient
from chroma_nb.errors import InternalError

FIXTURES = Path(__file__).parents[1] / "interchange" / "fixtures"
#: The collections in the directory that is imported.
IMPORTED = ["configured", "never-filled", "only-in-the-log", "synced-cosine"]
#: What an import does to files, apart from SQLite's own calls.
CALLS = ("rename", "mkdir", "rmdir", "unlink", "open", "pwrite", "fsync", "fdatasync")


@dataclass(frozen=True)
class Place:
    """A directory that shall be imported into, what imports, and what is there before."""

    source: Path
    target: Path
    replace: bool
    before: list[str] | None

    def do(self) -> None:
        """The import."""
        if self.source == self.target:
            chroma_nb.PersistentClient(self.target).close()
        else:
            chroma_nb.import_chroma(self.source, self.target, replace=self.replace)


def collections(directory: Path) -> list[str]:
    """Who is in a directory, when it is opened; everything in it is as it should be."""
    SharedSystemClient.clear_system_cache()
    with chroma_nb.PersistentClient(directory) as client:
        assert client.verify() == []
        names = sorted(one.name for one in client.list_collections())
        if "precious" in names:
            got = client.get_collection("precious", embedding_function=None).get(include=["embeddings", "documents"])
            assert (got["ids"], got["documents"]) == (["a", "b"], ["one", "two"])
            assert got["embeddings"].tolist() == [[1, 2], [3, 4]]
    return names


def check(place: Place, *, returned: bool = False, again: bool = True) -> None:
    """After something happened: the state of before or of after, and nothing is left over; ``again``: it works then."""
    dead = list(place.target.glob("chroma_nb-*ing-*"))
    if dead and place.before == [] and not (place.target / "chroma_nb.sqlite3").exists():
        assert not returned
        with pytest.raises(InternalError, match=r"was interrupted\. Run it again"):
            chroma_nb.PersistentClient(place.target)
    else:
        found = collections(place.target)
        assert found in ([IMPORTED] if returned or place.before is None else [place.before, IMPORTED])
        left = [path.name for path in place.target.iterdir() if path.name.startswith("chroma_nb-")]
        asides = [name for name in left if name.startswith("chroma_nb-replaced-")]
        assert set(left) <= {*asides, "chroma_nb-import"}
        if place.replace and found == IMPORTED:
            [aside] = asides
            assert collections(place.target / aside) == ["precious"]
        else:
            assert asides == []
        if place.before == []:  # an empty database has been made here now
            return
    if again:
        place.do()
        assert collections(place.target) == IMPORTED


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of Chroma."""
    directory = tmp_path_factory.mktemp("chroma")
    with tarfile.open(FIXTURES / "chroma-1.0.20.tar.xz") as archive:
        archive.extractall(directory, filter="data")
    return directory / "chroma-1.0.20"


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMA_NB_PROGRESS", "0")
    SharedSystemClient.clear_system_cache()


@pytest.fixture(params=["replaced", "fresh", "in place"])
def places(request: pytest.FixtureRequest, tmp_path: Path, unpacked: Path) -> Callable[[], Place]:
    """Makes such places, each as if nothing had happened."""
    made = 0
    precious = tmp_path / "precious"
    with chroma_nb.PersistentClient(precious) as client:
        client.create_collection("precious", embedding_function=None).add(
            ids=["a", "b"], embeddings=[[1, 2], [3, 4]], documents=["one", "two"]
        )

    def place() -> Place:
        nonlocal made
        made += 1
        target = tmp_path / f"target{made}"
        if request.param == "replaced":
            shutil.copytree(precious, target)
            return Place(unpacked, target, replace=True, before=["precious"])
        if request.param == "fresh":
            return Place(unpacked, target, replace=False, before=[])
        shutil.copytree(unpacked, target)
        return Place(target, target, replace=False, before=None)

    return place


@contextmanager
def every_call(stop: Callable[[int, Callable[[], Any]], Any]) -> Iterator[None]:
    """Within the block, ``stop(number, call)`` stands for each call of ``os`` that changes something."""
    number, real = 0, {name: getattr(os, name) for name in CALLS}

    def standing_for(name: str) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            nonlocal number
            if name == "open" and not given[1] & os.O_CREAT:
                return real[name](*given, **more)
            number += 1
            return stop(number, lambda: real[name](*given, **more))

        return call

    try:
        for name in CALLS:
            setattr(os, name, standing_for(name))
        yield
    finally:
        for name in CALLS:
            setattr(os, name, real[name])


def killed_at(place: Place, step: int) -> bool:
    """Import in a process that is killed before its ``step``-th call; False when it came to its end."""
    child = os.fork()
    if not child:
        try:

            def stop(number: int, call: Callable[[], Any]) -> Any:
                if number == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call()

            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            with every_call(stop):
                place.do()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def test_killed_at_some_calls_an_import_leaves_what_was_there_or_is_done(places: Callable[[], Place]) -> None:
    check_killed_at_calls(places, 3)


@pytest.mark.long
def test_killed_at_every_call_an_import_leaves_what_was_there_or_is_done(places: Callable[[], Place]) -> None:
    check_killed_at_calls(places, 1)


def check_killed_at_calls(places: Callable[[], Place], stride: int) -> None:
    """At each ``stride``-th call that an import makes to the system."""
    step = 0
    killed = True
    while killed:
        step += stride
        place = places()
        killed = killed_at(place, step)
        if place.target.exists():
            check(place, returned=not killed, again=step % 4 == 0)
        shutil.rmtree(place.target, ignore_errors=True)
    assert step > 20


@pytest.mark.parametrize("stride", [3, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("how", ["fails", "is interrupted"])
def test_an_import_whose_every_call_fails_in_turn(
    how: str, stride: int, places: Callable[[], Place], tmp_path: Path
) -> None:
    step = 0
    raised = True
    while raised:
        step += stride
        place, raised = places(), False

        def stop(number: int, call: Callable[[], Any], step: int = step) -> Any:
            if number != step:
                return call()
            if how == "fails":
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            if step % 2:  # before it, or after it
                with suppress(OSError):
                    call()
            raise KeyboardInterrupt

        try:
            with every_call(stop):
                place.do()
        except KeyboardInterrupt:
            raised = True
        except (OSError, InternalError):
            raised = how == "fails"
            if place.before == ["precious"]:
                assert collections(place.target) == ["precious"]
        if place.target.exists():
            check(place, returned=not raised and how != "fails", again=step % 4 == 0)
        shutil.rmtree(place.target, ignore_errors=True)
        raised = raised or (how == "fails" and step < 20)  # what fails to be swept does not fail an import
    assert step > 20


PACKAGE = Path(chroma_nb.__file__).parent
#: What imports, and the context managers it may use.
SOURCES = (
    *(str(PACKAGE / name) for name in ("backends", "interchange", "engine/replacing", "engine/directory")),
    contextlib.__file__,
)


# An interrupt between the making of a temporary directory, or a connection, and its block leaves it to the collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("places", ["replaced", "in place"], indirect=True)
def test_an_interrupt_at_any_line_of_an_import_comes_out_as_one(places: Callable[[], Place]) -> None:
    lines = 0

    def count() -> None:
        nonlocal lines
        lines += 1

    for _ in range(2):  # the first time modules are loaded, too
        lines = 0
        with interrupted_at_line(0, count, SOURCES):
            places().do()
    chance = random.Random(6)
    # Many of the last lines, where files are moved; some of those before, where they are read.
    for number in [*range(lines - 100, lines, 8), *(chance.randint(1, lines) for _ in range(12))]:
        place = places()
        with pytest.raises(KeyboardInterrupt), interrupted_at_line(number, sources=SOURCES):
            place.do()
        if place.target.exists():
            check(place, again=number % 4 == 0)
        shutil.rmtree(place.target, ignore_errors=True)


@pytest.mark.parametrize("places", ["replaced", "in place"], indirect=True)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_moment_of_an_import_comes_out_as_one(places: Callable[[], Place]) -> None:
    chance, interrupted = random.Random(7), 0
    place, begun = places(), time.monotonic()
    place.do()
    seconds = time.monotonic() - begun
    shutil.rmtree(place.target, ignore_errors=True)
    for number in range(30):
        place = places()
        try:
            with interrupted_after(chance.uniform(0.001, seconds)):
                place.do()
        except KeyboardInterrupt:
            interrupted += 1
        if place.target.exists():
            check(place, again=number % 4 == 0)
        shutil.rmtree(place.target, ignore_errors=True)
    assert interrupted >= 10


OTHER = """
import chroma_nb
client = chroma_nb.PersistentClient(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
client.get_collection("precious", embedding_function=None).add(ids=["c"], embeddings=[[5, 6]])
print("written", flush=True)
"""


@pytest.mark.parametrize("places", ["replaced"], indirect=True)
def test_what_another_process_has_open_is_not_replaced(places: Callable[[], Place]) -> None:
    place = places()
    other = start(OTHER, place.target)
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline() == "open\n"
    for _ in range(2):
        with pytest.raises(InternalError, match="is in use by another process"):
            place.do()
    assert finish(other) == "written"
    with chroma_nb.PersistentClient(place.target) as client:
        assert client.get_collection("precious", embedding_function=None).count() == 3
    place.do()
    assert collections(place.target) == IMPORTED


@pytest.mark.parametrize("places", ["replaced", "in place"], indirect=True)
def test_whoever_is_called_during_an_import_is_refused_at_once(
    places: Callable[[], Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal handler, a finalizer or a progress bar that opens the same directory would wait for itself."""
    place, said, add = places(), [], chroma_import.Engine.adopt

    def adding(*given: Any) -> None:
        with pytest.raises(InternalError, match="is being opened or imported by this thread") as caught:
            chroma_import.SharedEngine.open(place.target)
        said.append(str(caught.value))
        add(*given)

    monkeypatch.setattr(chroma_import.Engine, "adopt", adding)
    place.do()
    monkeypatch.undo()
    assert len(said) > 1
    assert collections(place.target) == IMPORTED


@pytest.mark.parametrize("taken", ["a file", "a link to nowhere"])
def test_a_target_that_is_no_directory_is_refused_in_words(taken: str, unpacked: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    if taken == "a file":
        target.write_text("mine")
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(InternalError, match=r"expected a directory|cannot make the directory"):
        chroma_nb.import_chroma(unpacked, target)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(("call", "name"), [("open", "chroma.sqlite3"), ("mkdir", "target")])
def test_what_may_not_be_read_or_written_is_said_in_words(
    call: str, name: str, unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root may do everything, the system's refusal is made here."""
    target, real = tmp_path / "target", getattr(os, call)
    target.mkdir()

    def refusing(path: Any, *arguments: Any, **more: Any) -> Any:
        if name in (Path(path).name, Path(path).parent.name):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, *arguments, **more)

    monkeypatch.setattr(os, call, refusing)
    with pytest.raises(InternalError, match=f"cannot import .*Permission denied: .*{name}.*nothing was changed"):
        chroma_nb.import_chroma(unpacked, target)
    assert list(target.iterdir()) == []
