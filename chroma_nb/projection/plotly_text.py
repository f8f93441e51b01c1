"""Text of a collection for plotly, whose labels understand a little HTML: escaped, short, on few lines."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
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
    """A value as plotly text that shows what it is and does nothing.

    >>> escaped("<b>5 $</b>")
    '&lt;b&gt;5 &#36;&lt;/b&gt;'
    """
    text = str(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return html.escape(text, quote=False).translate(_SILENT)  # plotly would show &quot; as it is


def told_apart(values: Sequence[object], limit: int = SHOWN) -> list[str]:
    """Names that stand in one list, short and all different: those that would be cut to the same keep their ends.

    Not escaped yet.

    >>> told_apart(["/data/project/a.txt", "/data/project/b.txt", "c"], 10)
    ['/d…t/a.txt', '/d…t/b.txt', 'c']
    """
    texts = [str(value) for value in values]
    shown = [_cut(text, limit, limit - 1) for text in texts]
    often = Counter(shown)
    shown = [_cut(text, limit, limit // 4) if often[cut] > 1 else cut for text, cut in zip(texts, shown, strict=True)]
    seen: Counter[str] = Counter()
    for place, text in enumerate(shown):
        seen[text] += 1
        if seen[text] > 1:
            number = f" ({seen[text]})"
            shown[place] = _cut(text, limit - len(number), limit - len(number) - 1) + number
    return shown


def _cut(text: str, limit: int, start: int) -> str:
    """At most ``limit`` characters, ``start`` of them from the beginning and the others from the end."""
    return text if len(text) <= limit else f"{text[:start]}…{text[len(text) - (limit - start - 1) :]}"


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
