"""Files of TREC, as trec_eval reads them: qrels (which ids a query should find) and runs (what a system found).

A line holds columns between spaces or tabs: ``query 0 id grade`` in qrels, ``query Q0 id rank score tag`` in a run.
Empty lines are passed over, and those that begin with #. Whatever else is not as expected is refused, with its line.
"""

from __future__ import annotations

import codecs
import math
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import orjson

from chroma_nb import cells
from chroma_nb._optional import require
from chroma_nb.projection.questions import as_id, is_id, query_ids, questions_of
from chroma_nb.tables.kinds import is_frame, to_pandas

if TYPE_CHECKING:
    import pandas

#: A file's name.
File: TypeAlias = str | os.PathLike[str]

_QRELS: Final = ("query id", "0", "id", "grade")
_RUN: Final = ("query id", "Q0", "id", "rank", "score", "tag")
#: The first line of BEIR's qrels, and the columns below it.
_BEIR_HEADER: Final = ["query-id", "corpus-id", "score"]
_BEIR: Final = ("query id", "id", "grade")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
#: What bytes.split() splits at, and what no file of texts holds.
_NOT_A_WORD: Final = re.compile("[\0\t\n\v\f\r \ud800-\udfff]|^$")


# --- Qrels ------------------------------------------------------------------------------------------------
def read_qrels(path: File, queries: Mapping[str, str] | File) -> pandas.DataFrame:
    r"""Read the questions and relevant ids of a TREC qrels file, for ``evaluate``.

    Parameters
    ----------
    path
        The qrels file: lines of ``query 0 id grade``. The three columns of BEIR, below their header, are read as well.
    queries
        The texts of the queries: a dict of query id to text, or a file. The file has lines of id, tab and text, or JSON
        objects with ``_id`` and ``text``, as BEIR has.

    Returns
    -------
    pandas.DataFrame
        The columns ``query_id``, ``query`` and ``expected`` (a dict of id to grade).

    Raises
    ------
    ValueError
        A line cannot be read, an id is judged twice, or a query has no text. The message names the line.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     file = pathlib.Path(directory, "qrels.txt")
    ...     _ = file.write_text("7 0 whale 2\n7 0 engine 0\n")
    ...     read_qrels(file, {"7": "the largest animal"})
      query_id               query                   expected
    0        7  the largest animal  {'whale': 2, 'engine': 0}
    """
    texts = _texts(queries)
    judged: dict[str, dict[str, int]] = {}
    for where, fields in _judgements(path):
        (query_id, id_, grade) = fields[0], fields[-2], _whole(where, "grade", fields[-1])
        if query_id not in texts:
            raise ValueError(f"expected {where} to name one of the queries, got {query_id!r}")
        if id_ in judged.setdefault(query_id, {}):
            raise ValueError(f"expected each id once for a query, got {id_!r} for {query_id!r} again in {where}")
        judged[query_id][id_] = grade
    if not judged:
        raise ValueError(f"expected judgements in {os.fspath(path)}, got none")
    pd = require("pandas", feature="a DataFrame")
    columns = {
        "query_id": list(judged),
        "query": [texts[query_id] for query_id in judged],
        "expected": list(judged.values()),
    }
    table: pandas.DataFrame = pd.DataFrame(columns)
    return table


def write_qrels(path: File, questions: object) -> dict[str, str]:
    """Write questions and relevant ids as a TREC qrels file.

    Parameters
    ----------
    path
        The file. An existing file is replaced.
    questions
        The questions, as ``evaluate`` takes them. An id without a grade gets grade 1.

    Returns
    -------
    dict
        Query id to text. Keep it for ``read_qrels``, since a qrels file holds no texts. Query ids come from the column
        ``query_id``; without it they are "1", "2", and so on.

    Raises
    ------
    ValueError
        An id contains a space, or a grade is not a whole number. The file is not written.
    """
    asked = questions_of(questions)
    ids = query_ids([question.id for question in asked])
    lines = []
    for query_id, question in zip(ids, asked, strict=True):
        _check_query_id(query_id)
        for id_, grade in question.judged.items():
            if grade != int(grade):
                raise ValueError(f"expected whole numbers as grades, as TREC files need them, got {grade} for {id_!r}")
            lines.append(f"{query_id} 0 {_word('ids', id_)} {int(grade)}\n")
    _write(path, lines)
    return {query_id: question.text for query_id, question in zip(ids, asked, strict=True)}


def _judgements(path: File) -> Iterator[tuple[str, list[str]]]:
    columns: tuple[str, ...] = _QRELS
    for row, (where, fields) in enumerate(_lines(path)):
        if row == 0 and fields == _BEIR_HEADER:
            columns = _BEIR
            continue
        yield where, _columns(where, columns, fields)


# --- Runs -------------------------------------------------------------------------------------------------
def read_run(path: File) -> pandas.DataFrame:
    """Read a TREC run: what a system found.

    ``evaluate`` takes the table beside collections: ``{"mine": docs, "theirs": read_run("theirs.txt")}``. It orders ids
    by ``score``, the highest first, and ignores ``rank``. Of ids with equal scores, the last in alphabetical order
    comes first, as in trec_eval.

    Parameters
    ----------
    path
        The file: lines of ``query Q0 id rank score tag``.

    Returns
    -------
    pandas.DataFrame
        One row per line: ``query_id``, ``id``, ``rank``, ``score`` and ``tag``.

    Raises
    ------
    ValueError
        A line cannot be read, or a query found an id twice. The message names the line.
    """
    seen: set[tuple[str, str]] = set()
    rows = []
    for where, fields in _lines(path):
        query_id, _, id_, rank, score, tag = _columns(where, _RUN, fields)
        if (query_id, id_) in seen:
            raise ValueError(f"expected each id once for a query, got {id_!r} for {query_id!r} again in {where}")
        seen.add((query_id, id_))
        rows.append((query_id, id_, _whole(where, "rank", rank), _number(where, "score", score), tag))
    if not rows:
        raise ValueError(f"expected lines of a run in {os.fspath(path)}, got none")
    pd = require("pandas", feature="a DataFrame")
    table: pandas.DataFrame = pd.DataFrame(rows, columns=["query_id", "id", "rank", "score", "tag"])
    return table


def write_run(path: File, run: object, tag: str = "chroma_nb") -> None:
    """Write what a system found as a TREC run.

    Parameters
    ----------
    path
        The file. An existing file is replaced.
    run
        A table with the columns ``query_id``, ``id`` and ``score``, such as ``evaluate(…).run(name)``. Without a column
        ``rank``, ranks follow from the scores.
    tag
        The name of the run, if the table has no column ``tag``.

    Raises
    ------
    ValueError
        A column is missing or holds something else than expected, or an id contains a space. The file is not written.
    TypeError
        ``run`` is not a table.
    """
    table = _run_table(run)
    ranks = table["rank"].tolist() if "rank" in table else _ranks(table)
    tags = table["tag"].tolist() if "tag" in table else [tag] * len(table)
    rows = zip(table["query_id"], table["id"], ranks, table["score"], tags, strict=True)
    _write(
        path,
        [
            f"{_check_query_id(query_id)} Q0 {_word('ids', id_)} {int(rank)} {float(score)!r} {_word('a tag', name)}\n"
            for query_id, id_, rank, score, name in rows
        ],
    )


def ranked(run: object) -> dict[str, list[str]]:
    """Query id -> the ids found, the best first.

    >>> import pandas as pd
    >>> ranked(pd.DataFrame({"query_id": "7", "id": ["a", "b", "c"], "score": [1.0, 2.0, 2.0]}))
    {'7': ['c', 'b', 'a']}
    """
    table = _run_table(run).sort_values(["score", "id"], ascending=False)
    found: dict[str, list[str]] = {}
    for query_id, id_ in zip(table["query_id"], table["id"], strict=True):
        found.setdefault(query_id, []).append(id_)
    return found


def _ranks(table: pandas.DataFrame) -> list[int]:
    places = {(query_id, id_): rank for query_id, ids in ranked(table).items() for rank, id_ in enumerate(ids, 1)}
    return [places[pair] for pair in zip(table["query_id"], table["id"], strict=True)]


def _run_table(run: object) -> pandas.DataFrame:
    """A table of a run with its ids as texts, checked."""
    if not is_frame(run):
        raise TypeError(f"expected a table as read_run() returns it, got a {type(run).__name__}")
    table = to_pandas(run).reset_index(drop=True)
    if missing := [name for name in ("query_id", "id", "score") if name not in table]:
        raise ValueError(f"expected the columns 'query_id', 'id' and 'score', got no {missing[0]!r}")
    for name in ("query_id", "id"):
        for value in table[name].tolist():
            if not is_id(value):
                raise ValueError(f"expected texts or whole numbers in the column {name!r}, got {cells.short(value)}")
        table[name] = [as_id(value) for value in table[name].tolist()]
    for value in table["score"].tolist():
        if isinstance(value, str) or cells.is_missing(value) or not math.isfinite(value):
            raise ValueError(f"expected numbers in the column 'score', got {cells.short(value)}")
    for name, is_right, expected in (("rank", _is_whole, "whole numbers"), ("tag", _is_text, "texts")):
        for value in table[name].tolist() if name in table else ():
            if not is_right(value):
                raise ValueError(f"expected {expected} in the column {name!r}, got {cells.short(value)}")
    if (again := table.duplicated(["query_id", "id"])).any():
        query_id, id_ = table.loc[again, ["query_id", "id"]].iloc[0]
        raise ValueError(f"expected each id once for a query, got {id_!r} for {query_id!r} again")
    return table


def _is_whole(value: object) -> bool:
    """Whether a rank; a column of floats may hold whole numbers."""
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _is_text(value: object) -> bool:
    return isinstance(value, str)


# --- The texts of queries ---------------------------------------------------------------------------------
def _texts(queries: Mapping[str, str] | File) -> dict[str, str]:
    if isinstance(queries, str | os.PathLike):
        return _texts_of(queries)
    if not isinstance(queries, Mapping):
        raise TypeError(f"expected queries to be a dict of query id -> text, or a file, got {cells.short(queries)}")
    found: dict[str, str] = {}
    for query_id, text in dict[object, object](queries).items():
        if not isinstance(text, str) or not is_id(query_id):
            raise ValueError(f"expected a text for the query {query_id!r}, got {cells.short(text)}")
        found[as_id(query_id)] = text
    return found


def _texts_of(path: File) -> dict[str, str]:
    """The queries of a file: JSON objects where its first character is a brace, else id, tab, text."""
    found: dict[str, str] = {}
    read = _of_columns
    for row, (where, line) in enumerate(_texts_by_line(path)):
        if row == 0 and line.startswith("{"):
            read = _of_json
        query_id, text = read(where, line)
        if query_id in found:
            raise ValueError(f"expected each query once, got {query_id!r} again in {where}")
        found[query_id] = text
    return found


def _of_json(where: str, line: str) -> tuple[str, str]:
    try:
        query = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"expected {where} to be a JSON object, got {cells.short(line)}: {error}") from error
    if not isinstance(query, dict) or not isinstance(query.get("text"), str) or not is_id(query.get("_id")):
        raise ValueError(f"expected {where} to be an object with '_id' and 'text', got {cells.short(line)}")
    return as_id(query["_id"]), query["text"]


def _of_columns(where: str, line: str) -> tuple[str, str]:
    query_id, tab, text = line.partition("\t")
    if not tab:
        raise ValueError(f"expected {where} to be a query id, a tab and a text, got {cells.short(line)}")
    return query_id.strip(), text


# --- Lines ------------------------------------------------------------------------------------------------
def _lines(path: File) -> Iterator[tuple[str, list[str]]]:
    """Where a line stands, and its columns, of every line that has any."""
    for where, line in _bytes(path):
        fields = line.split()  # of bytes: at ASCII's spaces alone, since an id may hold others
        if not fields[0].startswith(b"#"):
            yield where, [_decoded(where, field) for field in fields]


def _texts_by_line(path: File) -> Iterator[tuple[str, str]]:
    for where, line in _bytes(path):
        yield where, _decoded(where, line.rstrip(b"\r\n"))


def _bytes(path: File) -> Iterator[tuple[str, bytes]]:
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if line.strip():
                yield f"line {number} of {os.fspath(path)}", line


def _decoded(where: str, field: bytes) -> str:
    try:
        return field.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"expected {where} to be UTF-8, got {field[:40]!r}") from error


def _columns(where: str, names: tuple[str, ...], fields: list[str]) -> list[str]:
    if len(fields) != len(names):
        raise ValueError(f"expected {where} to have {len(names)} columns ({', '.join(names)}), got {len(fields)}")
    return fields


def _whole(where: str, what: str, field: str) -> int:
    if not _WHOLE.fullmatch(field):
        raise ValueError(f"expected {where} to have a whole number as its {what}, got {field!r}")
    return int(field)


def _number(where: str, what: str, field: str) -> float:
    if not _NUMBER.fullmatch(field) or not math.isfinite(number := float(field)):
        raise ValueError(f"expected {where} to have a number as its {what}, got {field!r}")
    return number


def _check_query_id(value: str) -> str:
    if value.startswith(("#", "\ufeff")):
        raise ValueError(f"expected query ids that do not look like a comment or the start of a file, got {value!r}")
    return _word("query ids", value)


def _word(what: str, value: str) -> str:
    if _NOT_A_WORD.search(value):
        raise ValueError(
            f"expected {what} without spaces, since spaces separate the columns in TREC's files, "
            f"got {cells.short(value)}"
        )
    return value


def _write(path: File, lines: Iterable[str]) -> None:
    """The file has its name only when it is complete."""
    written = Path(path)
    unfinished = written.with_name(f".{secrets.token_hex(4)}.{written.name}")
    try:
        unfinished.write_bytes("".join(lines).encode())
        unfinished.replace(written)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
