"""The static twin: the map and the first records as plain HTML in an output of its own, hidden by the live workbench.

It is what a saved notebook shows where no kernel runs. One output with both forms would show neither after
reopening: the front end takes the widget.
"""

from __future__ import annotations

import itertools
import zlib
from typing import Final

from chroma_nb.display.markup import Html
from chroma_nb.results import GetResult
from chroma_nb.workbench.seen import Seen

#: Records of the static table.
ROWS: Final = 20
#: Displays so far; it tells one twin from the next, and is the same from run to run.
_DISPLAYS = itertools.count(1)


def new_name(about: str) -> str:
    """A CSS class for the next twin."""
    return f"chroma-nb-static-{zlib.crc32(about.encode()):08x}-{next(_DISPLAYS)}"


def html(seen: Seen, name: str, picture: Html = "") -> Html:
    """The picture of the map, if any, and the first records that the question finds, in its order."""
    found = seen.source.records(seen.question, 0, ROWS)
    result = GetResult(
        ids=found.ids, documents=list(found.column("documents")), metadatas=list(found.column("metadatas"))
    )
    return f'<div class="{name}">{picture}{result._repr_html_()}</div>'
