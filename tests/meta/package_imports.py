"""Every import of the package that happens when it runs: at the top of a module, inside functions, and by string.

Imports for types alone are left out. A string counts where it names a module of the package ("chroma_nb.schema", also
followed by ":Name" or ".Name"), and an f-string names every module that begins as it does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "chroma_nb"


def modules(package: Path = ROOT / PACKAGE) -> dict[str, str]:
    """Name -> text of every module."""
    return {_name(path.relative_to(package.parent)): path.read_text() for path in sorted(package.rglob("*.py"))}


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imports(source: str, known: Iterable[str]) -> set[str]:
    """The modules among ``known`` that ``source`` imports."""
    names = set(known)
    tree = ast.parse(source)
    return {name for node in _at_run_time(tree) for name in _named(node, names)} & names


def _at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for other in node.orelse:
                yield other
                yield from _at_run_time(other)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):  # a docstring
            yield node
            yield from _at_run_time(node)


def _named(node: ast.AST, known: set[str]) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (name.name for name in names)
        case ast.ImportFrom(module=str(module), names=names):
            found = {f"{module}.{name.name}" for name in names} & known
            yield from found
            if len(found) < len(names):  # a package is loaded before its modules anyway: taking one asks it for nothing
                yield module
        case ast.Constant(value=str(text)) if text.startswith(f"{PACKAGE}."):
            module, _, name = text.rpartition(".")
            yield module if text not in known and name.isidentifier() and module != PACKAGE else text.partition(":")[0]
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]) if start.startswith(f"{PACKAGE}."):
            yield from (name for name in known if name.startswith(start))
        case ast.Call(func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"), args=[argument]):
            if getattr(argument, "value", None) == PACKAGE:
                yield PACKAGE


def upward(edges: Iterable[tuple[str, str]], layers: list[str], container: str) -> list[tuple[str, str]]:
    """The edges inside ``container`` that do not lead to a lower row of ``layers``, nor stay in one of its parts.

    The container itself is above its parts.
    """
    rows = {name.strip(): row for row, names in enumerate(layers, 1) for name in names.split("|")}

    def part(module: str) -> str | None:
        if module != container and not module.startswith(f"{container}."):
            return None
        return module.removeprefix(container).removeprefix(".").partition(".")[0]

    found = []
    for source, target in edges:
        ours, theirs = part(source), part(target)
        if ours is None or theirs is None or ours == theirs:
            continue
        if rows.get(ours, 0) >= rows.get(theirs, 0):
            found.append((source, target))
    return sorted(found)


def cycles(edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The groups of modules that import one another, directly or through others."""
    below: dict[str, set[str]] = {}
    for source, target in edges:
        below.setdefault(source, set()).add(target)
    reached = {module: _reached(module, below) for module in below}
    together = {
        tuple(sorted(other for other in found if module in reached.get(other, ())))
        for module, found in reached.items()
        if module in found
    }
    return sorted(map(list, together))


def _reached(module: str, below: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    open_ends = list(below[module] - {module})
    while open_ends:
        one = open_ends.pop()
        if one not in found:
            found.add(one)
            open_ends.extend(below.get(one, ()))
    return found
