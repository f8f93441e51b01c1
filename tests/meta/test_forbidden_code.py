"""The package never unpickles, evaluates text, reads YAML, or builds SQL from pieces.

What holds locks and transactions leaves none open when it is interrupted.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "chroma_nb"
SOURCES = sorted(PACKAGE.rglob("*.py"))
MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "yaml"}
CALLS = {"eval", "exec", "compile", "__import__"}
SQL_METHODS = {"execute", "executemany", "executescript"}
SQL_NUMBERED = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|WHERE|VALUES|AND)\b.*\?\d", re.DOTALL)
#: Names of tables and columns cannot be bound. Where they come from a module's own constants, by these variables:
IDENTIFIERS = {"interchange/chroma_sqlite.py": frozenset({"asked", "table", "tail", "columns", "column", "marks"})}


def violations(source: str, identifiers: frozenset[str] = frozenset()) -> Iterator[str]:
    """What ``source`` does that no module of the package may do."""
    for node in ast.walk(ast.parse(source)):
        for problem in _problems(node, identifiers):
            yield f"line {getattr(node, 'lineno', '?')}: {problem}"


def _problems(node: ast.AST, identifiers: frozenset[str]) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (f"imports {name.name}" for name in names if name.name.split(".")[0] in MODULES)
        case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES:
            yield f"imports {module}"
        case ast.Call(func=ast.Name(id=name)) if name in CALLS:
            yield f"calls {name}"
        case ast.Call(func=ast.Attribute(attr=attr), args=[statement, *_]) if attr in SQL_METHODS:
            if isinstance(statement, ast.JoinedStr) and not _only_constants(statement, identifiers):
                yield "SQL in an f-string"
            if isinstance(statement, ast.BinOp) and isinstance(statement.op, ast.Mod):
                yield "SQL by %"
            if isinstance(statement, ast.Call) and getattr(statement.func, "attr", "") == "format":
                yield "SQL by format"
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL_NUMBERED.search(node.value):
        yield "numbers a parameter of SQL, which warns in Python 3.12.0 to 3.12.3"
    if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and getattr(node.value, "value", None) is not False:
        yield "allows pickle"
    if isinstance(node, ast.keyword) and node.arg == "shell" and getattr(node.value, "value", None) is not False:
        yield "runs a shell"


def _only_constants(statement: ast.JoinedStr, identifiers: frozenset[str]) -> bool:
    """Whether an f-string holds nothing but ``identifiers`` and module constants, which are CAPITALS."""
    values = [part.value for part in statement.values if isinstance(part, ast.FormattedValue)]
    names = {node.id for value in values for node in ast.walk(value) if isinstance(node, ast.Name)}
    return all(name in identifiers or name.lstrip("_").isupper() for name in names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_runs_data_as_code_or_builds_sql_from_pieces(path: Path) -> None:
    identifiers = IDENTIFIERS.get(path.relative_to(PACKAGE).as_posix(), frozenset())
    assert list(violations(path.read_text(), identifiers)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from yaml import load",
        "eval('1')",
        "connection.execute(f'SELECT * FROM {name}')",
        "connection.executemany('SELECT %s' % name, rows)",
        "connection.execute('SELECT {}'.format(name))",
        "numpy.load(path, allow_pickle=True)",
        "subprocess.run(command, shell=True)",
    ],
)
def test_the_check_sees_what_it_looks_for(source: str) -> None:
    assert len(list(violations(source))) == 1


@pytest.mark.parametrize(
    "source",
    ["connection.execute('SELECT 1 WHERE a = ?', (name,))", "connection.execute(f'SELECT {COLUMNS} FROM r')"],
)
def test_the_check_lets_bound_parameters_and_constants_pass(source: str) -> None:
    assert list(violations(source)) == []


def test_locks_are_those_that_no_interrupt_leaves_held() -> None:
    names = {"threading.Lock", "threading.RLock", "Lock", "RLock"}
    made = {
        str(path.relative_to(PACKAGE))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in names
    }
    assert made == set()


# --- Interrupts ------------------------------------------------------------------------------------------------
#: These hold locks or transactions.
HOLDING = sorted([*(PACKAGE / "engine").rglob("*.py"), PACKAGE / "embedding_functions" / "cache.py"])


def left_open(source: str) -> Iterator[str]:
    """What an interrupt may leave open for as long as somebody keeps its traceback, as every notebook does.

    Between a context manager written in Python and its block an interrupt is delivered; a cursor that is not read to
    its end holds a snapshot.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module="contextlib", names=names):
                yield from ("a context manager" for name in names if "contextmanager" in name.name)
            case ast.FunctionDef(name="__enter__"):
                yield "a context manager"
            case ast.Assign(value=ast.Call(func=ast.Attribute(attr="execute"))):
                yield "a cursor in a variable"
            case ast.comprehension(iter=ast.Call(func=ast.Attribute(attr="execute"))):
                yield "a cursor in a comprehension"


def test_nothing_that_holds_locks_or_transactions_is_left_open_by_an_interrupt() -> None:
    assert len(HOLDING) > 30
    assert {str(path): found for path in HOLDING if (found := list(left_open(path.read_text())))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "from contextlib import contextmanager",
        "class Lock:\n def __enter__(self): pass",
        "rows = connection.execute('SELECT 1')",
        "rows = [row for row in connection.execute('SELECT 1')]",
    ],
)
def test_the_check_sees_what_is_left_open(source: str) -> None:
    assert len(list(left_open(source))) == 1


def test_the_check_lets_rows_that_were_read_pass() -> None:
    assert list(left_open("rows = connection.execute('SELECT 1').fetchall()")) == []
