"""Text of a collection for plotly, whose labels understand a little HTML: escaped, short, on few lines."""

from __future__ import annotations

import html
from typing import Final

#: Characters of a document that a hover shows.
SHOWN: Final = 120
_LINE: Final = 60

_SILENT: Final = {
    # plotly hands $…$ to MathJax where the page has it
    ord("$"): "&#36;",
    **dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), " "),
    # these turn the direction of what follows
    **dict.fromkeys((0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}


def escaped(value: object, limit: int = SHOWN) -> str:
    """Any value as plotly text that shows what it is and does nothing.

    >>> escaped("<b>5 $</b>")
    '&lt;b&gt;5 &#36;&lt;/b&gt;'
    """
    text = str(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return html.escape(text, quote=False).translate(_SILENT)  # plotly would show &quot; as it is


def folded(value: object, limit: int = SHOWN) -> str:
    """As ``escaped``, on lines of about sixty characters."""
    text = str(value)
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    lines = []
    while len(text) > _LINE:
        at = text.rfind(" ", _LINE // 2, _LINE)
        at = _LINE if at < 0 else at
        lines.append(text[:at])
        text = text[at:].lstrip()
    return "<br>".join(escaped(line, limit) for line in [*lines, text])
