"""The page's half: the modules of ``front/``, joined to one module that a page loads once, and the style sheet.

A module there imports by ``import { a, b } from "./name.js";`` and exports by ``export`` before a function, class or
const, nothing else. Joined, each is a function that returns what it exports, so that no two get in each other's way.
"""

from __future__ import annotations

import functools
import hashlib
import re
from importlib import resources
from typing import Final

#: The module that has ``render``; what it imports is found from there.
_ENTRY: Final = "shell"
_IMPORT: Final = re.compile(r'^import \{ ([\w, ]+) \} from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
#: Comments that have a line of their own, and indentation.
_NEEDLESS: Final = re.compile(r"^\s*//.*\n|^[ \t]+(?=\S)|^\s*\n", re.MULTILINE)


def _source(name: str) -> str:
    return (resources.files("chroma_nb.workbench") / "front" / name).read_text(encoding="utf-8")


@functools.cache
def script() -> str:
    """The ES module with the default export ``{render}``."""
    joined: dict[str, str] = {}
    _join(_ENTRY, joined)
    return "\n".join([*joined.values(), f"export default {{ render: {_ENTRY}_js.render }};\n"])


def exported(name: str) -> list[str]:
    """What the module ``name`` exports."""
    return _EXPORT.findall(_source(f"{name}.js"))


def _join(name: str, joined: dict[str, str]) -> None:
    """Add the module ``name`` behind those that it imports."""
    text = _source(f"{name}.js")
    for _, imported in _IMPORT.findall(text):
        if imported not in joined:
            _join(imported, joined)
    names = ", ".join(exported(name))
    text = _IMPORT.sub(r"const { \1 } = \2_js;", text)
    text = _NEEDLESS.sub("", _EXPORT.sub("", text))
    joined[name] = f"const {name}_js = (() => {{\n{text}return {{ {names} }};\n}})();"


@functools.cache
def loader() -> str:
    """The ES module that each widget carries: it asks for ``script`` where the page does not have it yet."""
    text = (resources.files("chroma_nb.workbench") / "loader.js").read_text(encoding="utf-8")
    return _NEEDLESS.sub("", text).replace("VERSION", hashlib.sha256(script().encode()).hexdigest()[:16])


@functools.cache
def style() -> str:
    """The style sheet: one file for each part that has one, in alphabetical order."""
    names = sorted(file.name for file in (resources.files("chroma_nb.workbench") / "front").iterdir())
    return "".join(_source(name) for name in names if name.endswith(".css"))
