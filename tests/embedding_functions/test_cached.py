"""A cached function pays for a text once, across handles and processes, and fails no call."""

import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chroma_nb.embedding_functions.cache as cache_module
from chroma_nb.embedding_functions.base import EmbeddingFunction
from chroma_nb.embedding_functions.cache import cached, default_path
from chroma_nb.embedding_functions.default import DefaultEmbeddingFunction
from chroma_nb.embedding_functions.registry import known_embedding_functions, register_embedding_function


class Counting(EmbeddingFunction[list[str]]):
    """Remembers what it was asked."""

    def __init__(self, model: str = "m") -> None:
        self.model = model
        self.asked: list[str] = []

    def __call__(self, input: Any) -> Any:
        self.asked.extend(map(str, input))
        return [[float(len(str(item))), 0.1] for item in input]

    @staticmethod
    def name() -> str:
        return "counting"

    def get_config(self) -> dict[str, Any]:
        return {"model": self.model}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> "Counting":
        return Counting(**config)


class Asymmetric(Counting):
    def embed_query(self, input: Any) -> Any:
        return [np.array([-1.0, float(len(text))], np.float32) for text in input]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vectors.sqlite3"


def test_a_text_is_embedded_once_even_by_another_handle(path: Path) -> None:
    first, second = Counting(), Counting()
    once = cached(first, path=path)(["a", "bb", "a"])
    again = cached(second, path=path)(["bb", "ccc", "a"])
    assert first.asked == ["a", "bb"]
    assert second.asked == ["ccc"]
    assert np.array_equal(once[1], again[0])
    assert [vector.dtype for vector in again] == [np.float32] * 3


def test_another_model_or_configuration_is_another_vector(path: Path) -> None:
    cached(Counting("m"), path=path)(["a"])
    other = Counting("n")
    cached(other, path=path)(["a"])
    assert other.asked == ["a"]


def test_questions_share_vectors_with_documents_only_where_the_model_does(path: Path) -> None:
    same, different = Counting(), Asymmetric("other")
    cached(same, path=path)(["a"])
    cached(same, path=path).embed_query(["a"])
    assert same.asked == ["a"]
    function = cached(different, path=path)
    assert function(["a"])[0].tolist() == pytest.approx([1.0, 0.1])
    assert function.embed_query(["a"])[0].tolist() == [-1.0, 1.0]
    assert function.embed_query(["a"])[0].tolist() == [-1.0, 1.0]


def test_variants_of_the_default_model_do_not_share_vectors(path: Path) -> None:
    int8 = DefaultEmbeddingFunction()
    assert cache_module.model_hash(int8, "document") != cache_module.model_hash(_Fp32(), "document")
    vectors = cached(int8, path=path)(["a cat"])
    assert np.array_equal(cached(int8, path=path)(["a cat"])[0], vectors[0])


class _Fp32(DefaultEmbeddingFunction):
    embedding_model = "fp32"  # type: ignore[assignment]


def test_a_collection_stores_it_as_the_function_inside(path: Path) -> None:
    inner = Counting()
    function = cached(inner, path=path)
    assert (function.name(), type(function).name()) == ("counting", "counting")
    assert function.get_config() == {"model": "m"}
    assert isinstance(type(function).build_from_config({"model": "m"}), Counting)
    assert (function.default_space(), function.supported_spaces()) == ("l2", ["cosine", "l2", "ip"])
    assert not function.is_legacy()
    function.validate_config_update({}, {})
    assert repr(function).startswith("cached(")
    register_embedding_function(type(function))
    try:
        assert known_embedding_functions["counting"] is Counting
    finally:
        del known_embedding_functions["counting"]


def test_it_is_bounded_and_drops_the_oldest(path: Path) -> None:
    inner = Counting()
    function = cached(inner, path=path, max_vectors=10)
    for number in range(25):
        function([f"text {number}"])
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM vectors").fetchone() == (10,)
    connection.close()
    inner.asked.clear()
    function([f"text {number}" for number in range(15, 25)])
    assert inner.asked == []
    function([f"new {number}" for number in range(40)])
    assert len(inner.asked) == 40


def test_what_was_embedded_before_an_interrupt_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "KEPT_AT_ONCE", 2)

    class Interrupted(Counting):
        def __call__(self, input: Any) -> Any:
            if len(self.asked) >= 4:
                raise KeyboardInterrupt
            return super().__call__(input)

    texts = [f"text {number}" for number in range(7)]
    with pytest.raises(KeyboardInterrupt):
        cached(Interrupted(), path=path)(texts)
    inner = Counting()
    cached(inner, path=path)(texts)
    assert inner.asked == texts[4:]


def test_it_holds_no_text(path: Path) -> None:
    function = cached(Counting(), path=path)
    function(["an unmistakable sentence"])
    for file in path.parent.iterdir():
        if file.is_file():
            assert b"unmistakable" not in file.read_bytes()


def test_images_pass_through(path: Path) -> None:
    inner = Counting()
    function = cached(inner, path=path)
    for _ in range(2):
        function([np.zeros((2, 2, 3), np.uint8)])  # type: ignore[list-item]
    assert len(inner.asked) == 2


def test_processes_share_a_file(path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys
        sys.path.insert(0, sys.argv[2])
        from test_cached import Counting, cached
        inner = Counting()
        function = cached(inner, path=sys.argv[1])
        for number in range(60):
            function([f"text {number}"])
        print(len(inner.asked))
        """
    )
    arguments = [sys.executable, "-c", script, str(path), str(Path(__file__).parent)]
    running = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    counts = [int(process.communicate(timeout=60)[0]) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert all(count <= 60 for count in counts)
    inner = Counting()
    cached(inner, path=path)([f"text {number}" for number in range(60)])
    assert inner.asked == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_makes_its_own_connection(path: Path) -> None:
    script = textwrap.dedent(
        """
        import os, sys
        sys.path.insert(0, sys.argv[2])
        from test_cached import Counting, cached
        inner = Counting()
        function = cached(inner, path=sys.argv[1])
        function(["parent"])
        if (child := os.fork()) == 0:
            function(["parent", "child"])
            os._exit(0 if inner.asked == ["parent", "child"] else 1)
        assert os.waitpid(child, 0)[1] == 0
        function(["child"])
        assert inner.asked == ["parent"], inner.asked
        """
    )
    subprocess.run([sys.executable, "-c", script, str(path), str(Path(__file__).parent)], check=True)


# --- When the file is of no use -----------------------------------------------------------------------------
def test_a_file_of_something_else_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("a letter to my grandmother, which is longer than a header of SQLite would be" * 3)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="to be a cache of embeddings"):
        cached(Counting(), path=path)
    assert path.read_bytes() == before
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE precious (a)")
    other.close()
    with pytest.raises(ValueError, match="another database"):
        cached(Counting(), path=path)


def test_a_place_that_cannot_be_written_is_said_once_and_texts_are_embedded(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    function = cached(Counting(), path=tmp_path / "file" / "vectors.sqlite3")
    with pytest.warns(UserWarning, match=r"cache of embeddings .* is not used"):
        assert len(function(["a"])) == 1
    assert len(function(["a"])) == 1  # a second warning would be an error


def test_a_file_damaged_later_is_said_once_and_texts_are_embedded(path: Path) -> None:
    function = cached(Counting(), path=path)
    function([f"text {number}" for number in range(300)])
    del function
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\xff" * (len(damaged) - 4096)
    path.write_bytes(damaged)
    for leftover in ("-wal", "-shm"):
        path.with_name(path.name + leftover).unlink(missing_ok=True)
    function = cached(Counting(), path=path)
    with pytest.warns(UserWarning, match="You can delete the file"):
        assert len(function(["a"])) == 1


def test_a_full_disk_is_said_once_and_what_is_remembered_is_still_found(path: Path) -> None:
    inner = Counting()
    function = cached(inner, path=path)
    function(["a", "b"])
    connection = function._vectors._connection
    connection.execute("PRAGMA journal_mode = DELETE")
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")  # what a full disk says is SQLITE_FULL as well
    more = [f"text {number}" for number in range(1000)]
    with pytest.warns(UserWarning, match="cannot be written now"):
        function(more)
    function(more)  # a second warning would be an error
    assert inner.asked == ["a", "b", *more, *more]
    function(["a", "b"])
    assert inner.asked[-1] == more[-1]
    connection.execute("PRAGMA max_page_count = 1000000")  # room again
    function(more)
    function(more)
    assert inner.asked.count("text 7") == 3


def test_a_cache_that_cannot_be_read_now_is_not_taken_for_another_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(Counting(), path=path)(["a"])

    def full(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error

    monkeypatch.setattr(sqlite3, "connect", full)
    function = cached(Counting(), path=path)
    with pytest.warns(UserWarning, match="is not used"):
        assert len(function(["a"])) == 1


def test_a_function_without_a_configuration_cannot_be_cached(path: Path) -> None:
    class Legacy(EmbeddingFunction[list[str]]):
        def __init__(self) -> None: ...

        def __call__(self, input: Any) -> Any:
            return [[1.0]]

    with pytest.raises(ValueError, match="Define name"):
        cached(Legacy(), path=path)
    with pytest.raises(ValueError, match="at least 1"):
        cached(Counting(), path=path, max_vectors=0)


def test_the_default_place_is_the_users_cache_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_path() == home / ".cache" / "chroma_nb" / "embeddings.sqlite3"
    cached(Counting())(["a"])
    assert default_path().is_file()
