"""README, docs and tutorials: local links and anchors lead somewhere, the README runs, the version is said once."""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from test_public_names import methods

import chroma_nb
from chroma_nb import cli
from chroma_nb.client._sync.admin import AdminClient
from chroma_nb.client._sync.client import Client
from chroma_nb.config import _FIELDS, APIVersion
from chroma_nb.server.serving import ServerHandle

ROOT = Path(__file__).parents[2]
REFERENCE = sorted((ROOT / "docs/reference").glob("*.md"))
MARKDOWN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/how-to").glob("*.md"), *REFERENCE])
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", flags=re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", flags=re.MULTILINE)


def text_of(page: Path) -> str:
    """The Markdown of a page or of a notebook."""
    if page.suffix != ".ipynb":
        return page.read_text(encoding="utf-8")
    cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def anchors(page: Path) -> set[str]:
    """What stands behind the # in links to the headings of a page, as GitHub and MyST make it."""
    headings = HEADING.findall(re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def lead_nowhere(page: Path) -> list[str]:
    """The local links of a page whose file, or heading of it, is not there."""
    lost = []
    for target, anchor in LINK.findall(CODE.sub("", text_of(page))):
        file = page.parent / target if target else page
        if "://" in target or target.startswith("mailto:"):
            continue
        if not file.exists() or (anchor and anchor not in anchors(file)):
            lost.append(f"{target}#{anchor}" if anchor else target)
    return lost


@pytest.mark.parametrize("page", [*MARKDOWN, *NOTEBOOKS], ids=lambda page: str(page.relative_to(ROOT)))
def test_local_links_and_their_anchors_lead_somewhere(page: Path) -> None:
    assert lead_nowhere(page) == []


def test_a_lost_link_and_a_lost_anchor_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# What it's not, here\n[a](absent.md) [b](#what-its-not-here) [c](page.md#gone) `[d](code.md)`")
    assert lead_nowhere(page) == ["absent.md", "page.md#gone"]


def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    code = [sys.executable, "-c", "".join(blocks)]
    done = subprocess.run(
        code, cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    first, _, *table = done.stdout.splitlines()
    assert first == "Sourdough needs a day to rise."
    assert [row.split()[2] for row in table] == ["f2", "f3"]


def test_the_citation_names_this_version() -> None:
    assert f"\nversion: {chroma_nb.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_changelog_has_a_section_for_this_version() -> None:
    assert re.search(rf"^## .*\b{re.escape(chroma_nb.__version__)}\b", (ROOT / "docs/changelog.md").read_text(), re.M)


# --- The reference ---------------------------------------------------------------------------------------------------
REFERENCE_TEXT = "\n".join(page.read_text("utf-8") for page in REFERENCE)
DIRECTIVE = re.compile(r"^\.\. (currentmodule|auto\w+):: +([\w.]+)(?:\(.*\))?\n((?: +:.*\n)*)", re.MULTILINE)
#: What programs do not call: how an expression comes from a request, a map is drawn for a figure, and their like.
OWN = {"as_given", "draw", "from_dict", "model_dump", "sent", "stars", "to_dict"}
#: Classes that say which methods there are; what these do is said of the clients.
ABSTRACT = (chroma_nb.AdminAPI, chroma_nb.AsyncClientAPI, chroma_nb.ClientAPI)


def documented(text: str) -> Iterator[tuple[Any, dict[str, str]]]:
    """What autodoc is told to document, each with the options of the directive."""
    module = ""
    for kind, name, lines in DIRECTIVE.findall(text):
        if kind == "currentmodule":
            module = name
        elif kind != "automodule":
            yield found(name, module), dict(re.findall(r":([\w-]+): *(.*)", lines))


def found(name: str, module: str) -> Any:
    """The object of this full name, or of this name in the module."""
    names = (name if name.startswith("chroma_nb.") else f"{module}.{name}").split(".")
    value: Any = chroma_nb
    for place, part in enumerate(names[1:], start=2):
        try:
            value = inspect.getattr_static(value, part) if inspect.isclass(value) else getattr(value, part)
        except AttributeError:
            value = import_module(".".join(names[:place]))
    return value


def function_of(value: Any) -> Any:
    """The function behind a method or property."""
    return value.fget if isinstance(value, property) else getattr(value, "__func__", value)


def reached(text: str) -> set[Any]:
    """The functions, methods and properties that autodoc is told to document, by themselves or with their class."""
    functions: set[Any] = set()
    for value, options in documented(text):
        if not inspect.isclass(value):
            functions.add(function_of(value))
        elif "members" in options:
            listed = set(options["members"].replace(",", " ").split())
            left_out = set(options.get("exclude-members", "").replace(",", " ").split())
            own = set(vars(value)) if "inherited-members" not in options else set(dir(value))
            functions |= {body for name, body in methods(value) if name in (listed or own) - left_out}
    return functions


def test_the_reference_names_every_public_name() -> None:
    words = set(re.findall(r"\w+", REFERENCE_TEXT))
    assert set(chroma_nb.__all__) - {"__version__"} - words == set()


GUIDES = sorted([*(ROOT / "docs/how-to").glob("*.md"), *(ROOT / "docs").glob("quickstart.md")])


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_the_reference_has_what_a_guide_uses(guide: Path) -> None:
    used = set(re.findall(r"\bchroma_nb\.([A-Za-z]\w*)", guide.read_text("utf-8"))) - {"sqlite3", "reserve"}  # files
    assert used - set(re.findall(r"\w+", REFERENCE_TEXT)) == set()


def test_the_reference_documents_every_method_of_public_classes() -> None:
    functions = reached(REFERENCE_TEXT)
    classes = {value for name in chroma_nb.__all__ if inspect.isclass(value := getattr(chroma_nb, name))}
    missing = {
        f"{kind.__name__}.{name}"
        for kind in (classes - set(ABSTRACT)) | {AdminClient, Client, ServerHandle}
        for name, _ in methods(kind)
        # What a base class says of it holds for all.
        if functions.isdisjoint(function_of(vars(base)[name]) for base in kind.__mro__ if name in vars(base))
    }
    assert {method for method in missing if method.rpartition(".")[2] not in OWN} == set()


def test_a_method_without_a_directive_is_seen() -> None:
    text = ".. currentmodule:: chroma_nb\n\n.. autoclass:: Facet()\n\n.. autoclass:: Description()\n   :members:\n"
    assert chroma_nb.Facet.to_df not in reached(text)
    assert chroma_nb.Description.to_df in reached(text)
    assert chroma_nb.Collection.add in reached(".. automethod:: chroma_nb.Collection.add\n")


def test_the_table_of_settings_has_those_that_are_read_and_their_defaults() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text("utf-8")
    section = page.partition("## Settings that have an effect")[2].partition("\n## ")[0]
    table = dict(re.findall(r"^\| `(\w+)` \| `(.+?)` \|", section, flags=re.MULTILINE))
    assert table == {name: default.replace("'", '"') for name, default in read_settings().items()}


def read_settings() -> dict[str, str]:
    """The settings that the package reads, with their defaults; one of Chroma before 0.4 is only refused."""
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "chroma_nb").rglob("*.py"))
    names = [name for name in _FIELDS if re.search(rf"settings\.{name}\b", code) and name != "chroma_db_impl"]
    defaults = {name: _FIELDS[name].default for name in names}
    return {name: repr(value.value if isinstance(value, APIVersion) else value) for name, value in defaults.items()}


def test_the_reference_has_every_environment_variable_of_ours() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "chroma_nb").rglob("*.py"))
    named = set(re.findall(r"\bCHROMA_NB_[A-Z_]+", (ROOT / "docs/reference/settings.md").read_text("utf-8")))
    assert named == set(re.findall(r"\bCHROMA_NB_[A-Z_]+", code))


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_the_reference_has_every_option_of_the_command_line(command: str) -> None:
    page = (ROOT / "docs/reference/command-line.md").read_text("utf-8")
    section = page.partition(f"\n## {command}\n")[2].partition("\n## ")[0]
    own = cli.parser()._subparsers._group_actions[0].choices[command]  # type: ignore[union-attr, index]
    options = {name for action in own._actions for name in (action.option_strings or [action.metavar or action.dest])}
    assert {name for name in options - {"-h", "--help"} if f"`{name}" not in section} == set()
    assert f"chroma-nb {command}" in section
