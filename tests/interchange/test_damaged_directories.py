"""Twenty-nine ways in which a Chroma directory is damaged or hostile: what is whole comes back, the rest is named."""

import hashlib
import io
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from chroma_fixtures import expected, unpack

from chroma_nb.interchange import chroma_sqlite
from chroma_nb.interchange.chroma_directory import read_directory
from chroma_nb.interchange.chroma_sqlite import ChromaDirectoryError

#: The largest collection of the fixture: 1,000 of its 1,328 records were in the index, the rest in the log.
DOCS, COSINE, TINY = "docs-l2", "cos.small-threshold", "ip_tiny"
WHOLE = {DOCS: 1328, COSINE: 660, TINY: 59}


def segment(folder, which=DOCS):
    """The folder with the synced vectors of a collection."""
    connection = sqlite3.connect(f"file:{folder}/chroma.sqlite3?mode=ro", uri=True)
    [(name,)] = connection.execute(
        "SELECT s.id FROM segments s JOIN collections c ON c.id = s.collection JOIN databases d ON d.id = c.database_id"
        " WHERE s.scope = 'VECTOR' AND c.name = ? AND d.name = 'default_database'",
        (which,),
    ).fetchall()
    connection.close()
    return folder / name


def cut(file, share, which=DOCS):
    def damage(folder):
        path = segment(folder, which) / file if file != "chroma.sqlite3" else folder / file
        os.truncate(path, int(path.stat().st_size * share))

    return damage


def overwrite(file, at, data, which=DOCS):
    def damage(folder):
        path = segment(folder, which) / file if file != "chroma.sqlite3" else folder / file
        with path.open("r+b") as out:
            out.seek(at if at >= 0 else path.stat().st_size // 2)
            out.write(data)

    return damage


def remove(file, which=DOCS):
    return lambda folder: (segment(folder, which) / file).unlink()


def noise(size):
    return np.random.default_rng(3).bytes(size)


def run_sql(*statements):
    def damage(folder):
        connection = sqlite3.connect(folder / "chroma.sqlite3")
        for statement in statements:
            connection.executescript(statement)
        connection.close()

    return damage


def die_while_writing(script):
    """What a process leaves behind that is killed in the middle of this."""

    def damage(folder):
        code = f"import sqlite3, os\nc = sqlite3.connect({str(folder / 'chroma.sqlite3')!r})\n{script}\nos._exit(9)\n"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
        assert [path for path in folder.glob("chroma.sqlite3-*") if path.stat().st_size]

    return damage


def link_away(file):
    def damage(folder):
        path = segment(folder) / file
        path.rename(folder.parent / "elsewhere")
        path.symlink_to(folder.parent / "elsewhere")

    return damage


def link_folder_away(folder):
    path = segment(folder)
    path.rename(folder.parent / "elsewhere")
    path.symlink_to(folder.parent / "elsewhere", target_is_directory=True)


def replace_by_pipe(folder):
    path = segment(folder) / "data_level0.bin"
    path.unlink()
    os.mkfifo(path)


class _Hostile:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def hostile_pickle(folder):
    import pickle

    out = io.BytesIO()
    pickle.dump(_Hostile(), out)
    (segment(folder) / "index_metadata.pickle").write_bytes(out.getvalue())


def flip_a_name(folder):
    """One letter of one id, in the first of the pickle's two tables."""
    path = segment(folder) / "index_metadata.pickle"
    path.write_bytes(path.read_bytes().replace(b"doc-0664", b"doc-\x20664", 1))


def flip_unit_vectors(folder):
    """Ten vectors of a cosine collection are overwritten with noise."""
    path = segment(folder, COSINE) / "data_level0.bin"
    data = bytearray(path.read_bytes())
    for row in range(100, 110):
        data[row * 204 + 132 : row * 204 + 196] = np.full(16, 7.5, "<f4").tobytes()
    path.write_bytes(data)


@dataclass
class Variant:
    """A damage, what is still whole per collection, and a sentence of the report."""

    damage: object
    whole: dict = field(default_factory=dict)
    says: str = ""
    records: dict = field(default_factory=dict)
    unit_length: tuple = ()


ABSURD_HEADER = (1).to_bytes(4, "little") + b"\x00" * 8 + b"\xff" * 7 + b"\x00" + b"\xff" * 7 + b"\x00" + b"\x10" * 72

VARIANTS = {
    "header cut": Variant(cut("header.bin", 0.5), says="header.bin is missing or damaged; the layout was computed"),
    "header gone": Variant(remove("header.bin"), says="header.bin is missing or damaged"),
    "header of absurd sizes": Variant(
        overwrite("header.bin", 0, ABSURD_HEADER), says="header.bin is missing or damaged"
    ),
    "vectors cut in half": Variant(
        cut("data_level0.bin", 0.5), {DOCS: 851}, "data_level0.bin ends after 500 of 1,000 vectors"
    ),
    "vectors cut to nothing": Variant(cut("data_level0.bin", 0), {DOCS: 376}, "without a vector: 'doc-0002'"),
    "vectors gone": Variant(remove("data_level0.bin"), {DOCS: 376}, "without a vector: 'doc-0002'"),
    "vectors overwritten with noise": Variant(
        overwrite("data_level0.bin", -1, noise(2000)), {DOCS: 1320}, "without a vector"
    ),
    "unit vectors overwritten": Variant(flip_unit_vectors, {COSINE: 650}, "10 vectors that were overwritten"),
    "links cut": Variant(cut("link_lists.bin", 0.3)),
    "links gone": Variant(remove("link_lists.bin")),
    "lengths cut": Variant(cut("length.bin", 0.4, COSINE), says="recovered with length 1", unit_length=(COSINE,)),
    "lengths gone": Variant(remove("length.bin", COSINE), says="recovered with length 1", unit_length=(COSINE,)),
    "names cut early": Variant(
        cut("index_metadata.pickle", 0.3), {DOCS: 1306}, "359 vectors got their ids back by the order of insertion"
    ),
    "names cut late": Variant(
        cut("index_metadata.pickle", 0.7), says="in the middle of a value; 1,000 ids could be read"
    ),
    "names gone": Variant(
        remove("index_metadata.pickle"),
        {DOCS: 376},
        "index_metadata.pickle, which holds the id of each vector, is missing",
    ),
    "a name flipped": Variant(flip_a_name),
    "names of absurd length": Variant(
        overwrite("index_metadata.pickle", 1000, b"X\xff\xff\xff\xff" * 4), {DOCS: 535}, "ids could be read from it"
    ),
    "hostile names": Variant(hostile_pickle, {DOCS: 376}, "posix.system, which does not belong there; nothing"),
    "folder gone": Variant(
        lambda folder: shutil.rmtree(segment(folder)), {DOCS: 376}, "could not be opened: No such file or directory"
    ),
    "folder is a link": Variant(link_folder_away, {DOCS: 376}, "could not be opened"),
    "vectors are a link": Variant(link_away("data_level0.bin"), {DOCS: 376}, "links are not followed"),
    "vectors are a pipe": Variant(replace_by_pipe, {DOCS: 376}, "it is not a plain file"),
    "a segment that climbs out": Variant(
        run_sql("UPDATE segments SET id = '../../etc/' || id WHERE scope = 'VECTOR'"),
        {DOCS: 376, COSINE: 1},
        "no valid id",
    ),
    "a trigger and a view": Variant(
        run_sql(
            "CREATE VIEW sly AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT x FROM n",
            "CREATE TRIGGER evil AFTER DELETE ON embeddings BEGIN DELETE FROM embedding_metadata; END",
        ),
        says="trigger 'evil', view 'sly', which Chroma does not write; none of it was executed",
    ),
    "garbage in the middle of SQLite": Variant(
        overwrite("chroma.sqlite3", -1, noise(40000)), {DOCS: 1318}, "chroma.sqlite3 is damaged"
    ),
    "first page of SQLite gone": Variant(overwrite("chroma.sqlite3", 0, bytes(4096)), says="file is not a database"),
    "tenth of SQLite missing": Variant(
        cut("chroma.sqlite3", 0.9),
        {DOCS: 1328, TINY: 6},
        "342 records without a row were restored from the index and the log",
        records={TINY: 7},
    ),
    "journal left behind": Variant(
        die_while_writing(
            "c.execute('PRAGMA cache_size=2'); c.execute('BEGIN')\n"
            "c.execute('DELETE FROM embedding_metadata'); c.execute('DELETE FROM embeddings_queue')\n"
            "c.execute('UPDATE embeddings SET embedding_id = embedding_id || hex(randomblob(500))')"
        ),
        says="chroma.sqlite3-journal was left behind by a process that did not finish",
    ),
    "write-ahead log left behind": Variant(
        die_while_writing(
            "c.execute('PRAGMA journal_mode=WAL'); c.execute('PRAGMA wal_autocheckpoint=0')\n"
            "c.execute(\"UPDATE collections SET name = 'ip_tiny' WHERE name = 'ip_tiny'\"); c.commit()"
        ),
        says="chroma.sqlite3-wal was left behind",
    ),
}

#: Half a file: an answer may be older than the last write, and the report says so.
HALF = Variant(cut("chroma.sqlite3", 0.5), says="may be older than the last writes")
OLDER = (VARIANTS["tenth of SQLite missing"], HALF)


def files_of(folder):
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file() and not path.is_symlink()
        else "other"
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def truth():
    """Per collection (its first 8 id digits as well as its name) the records by id."""
    found = {}
    for one in expected("chroma-1.5.9")["collections"]:
        if one["database"] == "default_database":
            found[one["id"]] = {record["id"]: record for record in one["records"]}
    return found


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_whole_comes_back_and_the_rest_is_named(name, tmp_path, truth, monkeypatch):
    monkeypatch.chdir(tmp_path)
    variant = VARIANTS[name]
    folder = unpack("chroma-1.5.9", tmp_path)
    variant.damage(folder)
    before = files_of(folder)
    whole = {}
    with read_directory(folder) as directory:
        for collection in directory.collections:
            if str(collection.id) in truth:
                count, records = compare(collection, truth[str(collection.id)], variant)
                whole[collection.name] = count
                if collection.name in variant.records:
                    assert records == variant.records[collection.name]
        report = directory.report()
    assert {key: whole[key] for key in WHOLE} == {**WHOLE, **variant.whole}
    assert variant.says in report
    assert directory.complete == (not variant.says) or name == "a name flipped"
    assert files_of(folder) == before
    assert not (tmp_path / "pwned").exists()


def compare(collection, records, variant):
    """Every vector that is given is the right one; the answer is how many, and how many records there are."""
    count = total = 0
    for batch in collection.batches(300):
        there = np.ones(len(batch), bool) if batch.has_embedding is None else batch.has_embedding
        total += len(batch)
        for place, one in enumerate(batch.ids):
            if one not in records:
                assert "some may be deleted records" in " ".join(collection.problems)
                continue
            if there[place]:
                count += 1
                wanted = np.asarray(records[one]["embedding"], np.float32)
                if collection.name in variant.unit_length:
                    assert np.allclose(unit(batch.embeddings[place]), unit(wanted), atol=1e-6)
                elif not np.allclose(batch.embeddings[place], wanted, rtol=3e-7, atol=0):
                    # Noise over numbers without a checksum cannot be seen, nor that a lost page held a newer version.
                    assert variant in (VARIANTS["vectors overwritten with noise"], *OLDER)
    assert count <= total == len(collection)
    return count, total


def unit(vector):
    return vector / np.linalg.norm(vector)


def test_half_an_sqlite_file_gives_what_its_pages_hold(tmp_path, truth):
    folder = unpack("chroma-1.5.9", tmp_path)
    HALF.damage(folder)
    with read_directory(folder) as directory:
        assert len(directory) > 1500
        assert HALF.says in directory.report()
        assert "it was imported as 'recovered-" in directory.report()
        for collection in directory.collections:
            compare(collection, truth.get(str(collection.id), {}), HALF)


@pytest.mark.parametrize("content", [b"", b"not a database at all", b"SQLite format 3\x00" + b"\x00" * 5000])
def test_a_file_of_which_nothing_is_left_is_an_error_that_says_so(content, tmp_path):
    (tmp_path / "chroma.sqlite3").write_bytes(content)
    with pytest.raises(ChromaDirectoryError, match=r"chroma\.sqlite3|collections"), read_directory(tmp_path):
        pass


def test_an_sqlite_file_that_is_a_link_is_not_followed(tmp_path):
    folder = unpack("chroma-1.0.20", tmp_path)
    (folder / "chroma.sqlite3").rename(tmp_path / "elsewhere")
    (folder / "chroma.sqlite3").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ChromaDirectoryError, match=r"(?i)links are not followed"), read_directory(folder):
        pass


def test_a_view_in_the_place_of_a_table_is_not_read(tmp_path):
    folder = unpack("chroma-1.0.20", tmp_path)
    run_sql("ALTER TABLE embeddings RENAME TO hidden; CREATE VIEW embeddings AS SELECT * FROM hidden")(folder)
    with read_directory(folder) as directory:
        assert len(directory) == 0
        assert "the table embeddings is missing or not a plain table" in directory.report()


@pytest.mark.parametrize("seed", range(60))
def test_random_damage_never_breaks_the_reader(seed, tmp_path):
    rng = np.random.default_rng(seed)
    folder = unpack(["chroma-1.3.7", "chroma-0.5.23"][seed % 2], tmp_path)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    for path in rng.choice(files, 2):
        data = bytearray(path.read_bytes())
        for place in rng.integers(0, len(data), rng.integers(1, 40)):
            data[place] = rng.integers(0, 256)
        if rng.random() < 0.3:
            del data[rng.integers(0, len(data)) :]
        path.write_bytes(data)
    try:
        with read_directory(folder) as directory:
            assert sum(len(batch) for one in directory.collections for batch in one.batches()) == len(directory)
    except ChromaDirectoryError:
        # The only way in which it may give up: nothing at all can be read.
        pass


def test_a_file_that_others_hold_is_not_taken_for_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = chroma_sqlite._connect

    def impatient(path: Path, mode: str) -> sqlite3.Connection:
        connection = connect(path, mode)
        connection.execute("PRAGMA busy_timeout=0")
        return connection

    monkeypatch.setattr(chroma_sqlite, "_connect", impatient)
    monkeypatch.setattr(chroma_sqlite, "_salvaged", lambda *given: pytest.fail("read page by page"))
    holder = sqlite3.connect(tmp_path / chroma_sqlite.FILE_NAME, isolation_level=None)
    holder.execute("CREATE TABLE collections (id)")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(sqlite3.OperationalError) as caught, chroma_sqlite.open_chroma_sqlite(tmp_path):
            pass
    finally:
        holder.close()
    assert caught.value.sqlite_errorcode == sqlite3.SQLITE_BUSY
