"""Every name of Chroma's client modules is at the same path here; what is not, is written down with its reason."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import chromadb
import pytest

from chroma_nb import drop_in
from chroma_nb.client import not_offered

CHROMA = Path(next(iter(importlib.util.find_spec("chromadb").submodule_search_locations)))
#: What of Chroma's package is for those who use it; the rest is its engine, server and command line.
PARTS = {"api", "auth", "base_types", "config", "errors", "execution", "types", "utils"}

#: Path:name -> why it is not here; the patterns are those of a shell.
EXCEPTIONS = {
    "*:T": "a type variable for the module's own annotations",
    "*:C": "a type variable for the module's own annotations",
    "*:S": "a type variable for the module's own annotations",
    "*:ClientT": "a type variable for the module's own annotations",
    "*:logger": "the module's own logger",
    "*:trace_method": "telemetry; there is none",
    "*:OpenTelemetry*": "telemetry; there is none",
    "*:ProductTelemetryClient": "telemetry; there is none",
    "*:add_attributes_to_current_span": "telemetry; there is none",
    "*:*Event": "telemetry; there is none",
    "api.async_fastapi:async_to_sync": "a decorator of Chroma's own tests",
    "api.segment:SysDB": "the inside of Chroma's former engine",
    "api.segment:QuotaEnforcer": "the inside of Chroma's former engine",
    "api.segment:Action": "the inside of Chroma's former engine",
    "api.segment:RateLimitEnforcer": "the inside of Chroma's former engine",
    "api.segment:SegmentManager": "the inside of Chroma's former engine",
    "api.segment:Executor": "the inside of Chroma's former engine",
    "api.segment:Producer": "the inside of Chroma's former engine",
    "api.segment:check_index_name": "the inside of Chroma's former engine",
    "api.segment:rate_limit": "the inside of Chroma's former engine",
    "utils.embedding_functions.*:[A-Z]*_*": "a constant inside one provider's function",
    "utils.embedding_functions.*:ENDPOINT": "a constant inside one provider's function",
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(CHROMA.rglob("*.py")):
        parts = path.relative_to(CHROMA).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        absent = any(".".join(parts[: n + 1]) in drop_in._ABSENT for n in range(len(parts)))
        if parts and parts[0] in PARTS and not absent:
            yield ".".join(parts), path


MODULES = dict(modules())


def names_in(body: Iterable[ast.stmt], *, defined_only: bool) -> Iterator[str]:
    """The names that a module binds at its top level, those of Chroma's other modules among them."""
    for statement in body:
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.ImportFrom(module=str(module), names=aliases) if module.startswith("chromadb"):
                if not defined_only:
                    yield from (alias.asname or alias.name for alias in aliases)
            case ast.If(body=then, orelse=otherwise) | ast.Try(body=then, orelse=otherwise):
                yield from names_in([*then, *otherwise], defined_only=defined_only)


def names_of(module: str) -> set[str]:
    """A provider's module is asked for what it defines: the rest are the words of every embedding function."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    provider = module.startswith("utils.embedding_functions.")
    names = names_in(tree.body, defined_only=provider)
    return {name for name in names if not name.startswith("_") and name != "*"}


def excused(module: str, name: str) -> bool:
    return any(fnmatchcase(f"{module}:{name}", pattern) for pattern in EXCEPTIONS)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_of_chroma_s_offers_its_names_here(module: str) -> None:
    ours = importlib.import_module(f"chroma_nb.{module}")
    missing = {name for name in names_of(module) if not hasattr(ours, name) and not excused(module, name)}
    assert missing == set()


def test_every_exception_is_needed() -> None:
    missing = {
        f"{module}:{name}"
        for module in MODULES
        for name in names_of(module)
        if not hasattr(importlib.import_module(f"chroma_nb.{module}"), name)
    }
    assert {pattern for pattern in EXCEPTIONS if not any(fnmatchcase(entry, pattern) for entry in missing)} == set()


@pytest.mark.parametrize("path", sorted(drop_in._ABSENT))
def test_a_path_that_is_said_to_be_absent_is_one_of_chroma_s_and_not_of_ours(path: str) -> None:
    there = CHROMA.joinpath(*path.split("."))
    assert there.is_dir() or there.with_suffix(".py").is_file()
    if path.split(".")[0] in PARTS:
        assert importlib.util.find_spec(f"chroma_nb.{path}") is None


#: Whether a certain notebook service runs Chroma, which then changes its SQLite; and the module's own logger.
NOT_AT_THE_TOP = {"IN_COLAB", "is_in_colab", "logger"}


def test_the_top_module_offers_chroma_s_names_under_the_drop_in() -> None:
    tree = ast.parse((CHROMA / "__init__.py").read_text(encoding="utf-8"))
    names = {name for name in names_in(tree.body, defined_only=False) if not name.startswith("_")}
    offered = {name for name in names if hasattr(chromadb, name)}  # some are imports that fail
    top = drop_in._TopModule("chromadb")
    assert {name for name in offered if not hasattr(top, name)} == NOT_AT_THE_TOP


# --- Names that cannot mean anything here ------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(not_offered.INSTEAD))
def test_a_name_without_meaning_is_a_class_that_says_so_when_used(name: str) -> None:
    kind = getattr(not_offered, name)
    assert kind is getattr(not_offered, name)
    assert not isinstance("anything", kind)
    derived = type(kind)("Mine", (kind,), {})
    for use in (kind, derived, lambda: kind.anything):
        with pytest.raises(NotImplementedError, match=rf"chromadb\.{name} belongs to the internals of Chroma.*: .+"):
            use()


def test_a_name_without_meaning_can_be_written_in_a_type() -> None:
    assert (not_offered.Segment | None) is not None
    assert not hasattr(not_offered.Segment, "_is_protocol")


def test_no_other_name_is_found() -> None:
    with pytest.raises(AttributeError, match="Nonsense"):
        not_offered.Nonsense
    with pytest.raises(AttributeError, match="Nonsense"):
        importlib.import_module("chroma_nb.types").Nonsense


def test_chroma_s_types_has_what_lives_above_it() -> None:
    types = importlib.import_module("chroma_nb.types")
    assert types.Schema is importlib.import_module("chroma_nb.schema").Schema
    assert types.Segment is not_offered.Segment


def test_the_errors_of_the_older_configurations_can_be_caught() -> None:
    for module in ("chroma_nb", "chromadb"):
        configuration = importlib.import_module(f"{module}.api.configuration")
        assert issubclass(configuration.InvalidConfigurationError, ValueError)
        assert issubclass(configuration.StaticParameterError, Exception)
        assert issubclass(importlib.import_module(f"{module}.auth").AuthError, Exception)
