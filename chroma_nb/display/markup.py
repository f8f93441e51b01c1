"""HTML for people: escaped text, tables, chips, bars, thumbnails. What is shown is decided in ``formatters.py``.

Text of a collection becomes HTML through ``escape`` and nowhere else. The same values give the same
bytes: no ids, no times, no addresses.
"""

from __future__ import annotations

import base64
import html
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np

from chroma_nb.errors import ChromaError
from chroma_nb.types import Array, Fields, as_sparse_vector
from chroma_nb.words.tokenizers import UnicodeTokenizer

#: Text that is HTML already. Everything else goes through ``escape``.
Html: TypeAlias = str

#: Longest side of a thumbnail, in pixels.
THUMBNAIL = 96
_SHOWN, _UNFOLDED = 240, 2_000
#: Words of a sparse vector that are shown.
_LABELS = 12
#: From this many documents on, words that most of them share are not marked.
_MANY = 8
#: Words of a text that are marked.
_ASKED = 50
_TOKENIZER = UnicodeTokenizer(english=True)

#: Colours come from JupyterLab, VS Code, or what surrounds the output; marks do not rely on colour alone.
#: A class named twice counts twice: JupyterLab's own rules for tables align everything to the right.
STYLE = """<style>
.chroma-nb{--c-text:var(--jp-ui-font-color1,var(--vscode-foreground,inherit));
--c-dim:var(--jp-ui-font-color2,var(--vscode-descriptionForeground,inherit));
--c-line:var(--jp-border-color2,var(--vscode-panel-border,rgba(128,128,128,.4)));
--c-fill:var(--jp-layout-color2,var(--vscode-editorWidget-background,rgba(128,128,128,.15)));
--c-mark:var(--jp-brand-color1,var(--vscode-focusBorder,#1976d2));
color:var(--c-text);font-family:var(--jp-ui-font-family,var(--vscode-font-family,sans-serif));font-size:13px;
line-height:1.4;max-width:100%;overflow-x:auto}
.chroma-nb .side{display:flex;flex-wrap:wrap;gap:1.5em;align-items:flex-start}
.chroma-nb .side>*{flex:1 1 24em;min-width:0}
.chroma-nb table{border-collapse:collapse;margin:.3em 0 .8em;width:auto}
.chroma-nb caption{caption-side:top;text-align:left;font-weight:600;padding:.2em 0;color:var(--c-text)}
.chroma-nb.chroma-nb th,.chroma-nb.chroma-nb td{border-bottom:1px solid var(--c-line);padding:.25em .6em .25em 0;
text-align:left;color:var(--c-text);vertical-align:top;overflow-wrap:anywhere;white-space:pre-wrap;background:none}
.chroma-nb.chroma-nb th{font-weight:600;white-space:nowrap}
.chroma-nb.chroma-nb tbody th{white-space:pre-wrap;min-width:7em}
.chroma-nb.chroma-nb tbody th.number{min-width:0}
.chroma-nb.chroma-nb tbody td:not(.number){min-width:6em}
.chroma-nb.chroma-nb .number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.chroma-nb .dim{color:var(--c-dim)}
.chroma-nb .chip{display:inline-block;border:1px solid var(--c-line);border-radius:.8em;background:var(--c-fill);
padding:0 .6em;margin:0 .3em .2em 0}
.chroma-nb .bar{display:block;height:4px;min-width:5em;background:var(--c-fill)}
.chroma-nb .bar>span{display:block;height:4px;background:var(--c-mark)}
.chroma-nb mark{background:none;color:inherit;font-weight:700;border-bottom:2px solid var(--c-mark)}
.chroma-nb summary{cursor:pointer}
.chroma-nb details:not([open]) summary::after{content:"…"}
.chroma-nb img{max-width:96px;max-height:96px}
</style>"""

#: Notebooks typeset what stands between dollars, and prices are not formulas: these classes keep MathJax 2 and 3 out.
CLASSES = "chroma-nb tex2jax_ignore mathjax_ignore"

#: How Chroma says that a collection object's collection was deleted; the number in it tells people nothing.
_GONE = re.compile(r"Collection \[[^\]]*\] does not exist")

_CONTROL = {
    **{code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)},
    **{code: f"‹U+{code:04X}›" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)},
    # These turn the direction of what follows: text could pretend to be other text.
    **{code: f"‹U+{code:04X}›" for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}


def visible(value: object) -> str:
    r"""``value`` as text in which control characters are seen and do nothing. Not HTML yet.

    >>> visible("a\x1b[31m")
    'a␛[31m'
    """
    return str(value).translate(_CONTROL)


def escape(value: object, limit: int | None = None) -> Html:
    """A value as HTML text that is safe between tags and in quoted attributes.

    >>> escape('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(shortened(visible(value), limit), quote=True)


def shortened(text: str, limit: int | None) -> str:
    """At most ``limit`` characters, the last one an ellipsis where something was cut off."""
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def failure(error: BaseException) -> str:
    """What went wrong, in words for the person at the widget. Not HTML yet.

    >>> failure(ValueError("expected words to search for, got none"))
    'expected words to search for, got none'
    >>> failure(KeyError("n"))
    "KeyError: 'n'"
    """
    text = str(error)
    if _GONE.search(text):
        return (
            "this collection does not exist any more: it was deleted, or created again, elsewhere. Get it and "
            "display it again"
        )
    if text and isinstance(error, (ChromaError, ValueError)):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def block(*parts: Html) -> Html:
    """The whole of one display, with its style."""
    return f'{STYLE}\n<div class="{CLASSES}">{"".join(parts)}</div>'


def fragment(*parts: Html) -> Html:
    """A piece of a live view, whose style is there once."""
    return f'<div class="{CLASSES}">{"".join(parts)}</div>'


def side_by_side(parts: Iterable[Html]) -> Html:
    """Parts next to each other where there is room."""
    return f'<div class="side">{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Html]], numbers: Iterable[str] = ()) -> Html:
    """A table; the first column names the row. Cells are HTML, caption and heads are not."""
    numeric = [' class="number"' if head in set(numbers) else "" for head in heads]
    head = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in zip(heads, numeric, strict=True))
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row"{kind}>{cell}</th>' if column == 0 else f"<td{kind}>{cell}</td>"
            for column, (cell, kind) in enumerate(zip(row, numeric, strict=True))
        )
        + "</tr>"
        for row in rows
    )
    return (
        f"<table><caption>{escape(caption, 200)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def facts(caption: str, pairs: Iterable[tuple[str, Html]]) -> Html:
    """Names and what they are, one a line."""
    rows = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{value}</td></tr>' for name, value in pairs)
    return f"<table><caption>{escape(caption, 200)}</caption><tbody>{rows}</tbody></table>"


def chips(values: Fields | None, limit: int = 12) -> Html:
    """Metadata as small labels, keys in alphabetical order."""
    if not values:
        return ""
    shown = "".join(
        f'<span class="chip"><b>{escape(key, 40)}</b> {escape(plain(value), 60)}</span>'
        for key, value in sorted(values.items())[:limit]
    )
    return shown + (f'<span class="dim">+{len(values) - limit}</span>' if len(values) > limit else "")


def plain(value: object) -> str:
    """A metadata value as one reads it: text without quotes, lists with commas, of sparse vectors the words.

    >>> from chroma_nb.types import SparseVector
    >>> plain([True, "a"]), plain(SparseVector([3, 7], [0.5, 1.0], ["cat", "sat"]))
    ('true, a', 'sparse vector of 2: cat, sat')
    """
    if isinstance(value, list):
        return ", ".join(map(plain, value))
    sparse = as_sparse_vector(value)
    if sparse is not None:
        labels = ", ".join(map(str, (sparse.labels or ())[:_LABELS]))
        return f"sparse vector of {len(sparse.indices)}" + (f": {labels}" if labels else "")
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def number(value: float) -> str:
    """A number in few digits.

    >>> number(0.123456), number(12345.678)
    ('0.1235', '12,345.7')
    """
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"


def precise(value: float) -> str:
    """A number that may be small, in four digits that count.

    >>> precise(-1 / 161), precise(12345.678)
    ('-0.006211', '12,345.7')
    """
    return f"{value:.4g}" if abs(value) < 1 else number(value)


def bar(share: float) -> Html:
    """A bar of a share between 0 and 1; the number beside it says the same to a screen reader."""
    return (
        f'<span class="bar" aria-hidden="true"><span style="width:{round(100 * min(max(share, 0), 1))}%"></span></span>'
    )


Marks: TypeAlias = Callable[[str], Iterable[tuple[int, int]]]


def shares(distances: Sequence[float]) -> list[float]:
    """Each distance as a share of the farthest; inner products may be below 0.

    >>> shares([0.5, 1.0])
    [0.5, 1.0]
    """
    low = min([0.0, *distances])
    span = max([0.0, *distances]) - low
    return [(distance - low) / span if span else 0.0 for distance in distances]


def words(texts: Iterable[str], among: Sequence[str | None] = (), *, every: bool = False) -> Marks | None:
    """Marks where the words of ``texts`` stand, in any case and form, as ``hybrid`` finds them; None without a word.

    ``among``: the documents shown together. A word that is in most of them tells them not apart and is passed over,
    unless these are few. So is a stop word, unless nothing else is asked for, or ``every`` word is one that brought
    the record.

    >>> marks = words(["running", "東京都"])
    >>> marks and list(marks("Runs in 東京都"))
    [(0, 4), (8, 11)]
    """
    split = (_TOKENIZER.query_words(text) for text in texts)
    asked = [word for found in split for word in found[:_ASKED]]
    telling = {form for word in asked if (form := _TOKENIZER.term(word))}
    wanted = telling if telling and not every else set(map(_form, asked))
    if len(among) >= _MANY:
        spoken = [set(map(_form, _TOKENIZER.words(text[:_UNFOLDED]))) for text in among if text]
        wanted = {form for form in wanted if 2 * sum(form in text for text in spoken) <= len(among)}
    if not wanted:
        return None
    initials = {form[0] for form in wanted}  # which stemming does not change: most words need no stem

    def marks(text: str) -> Iterable[tuple[int, int]]:
        """The stretches of the text; what overlaps is one."""
        found: list[tuple[int, int]] = []
        for start, end, word in sorted(_TOKENIZER.spans(text)):
            if word[0] in initials and _form(word) in wanted:
                if found and start < found[-1][1]:
                    start, end = found[-1][0], max(end, found.pop()[1])
                found.append((start, end))
        return found

    return marks


def _form(word: str) -> str:
    """What the forms of a word have in common; of a stop word the word itself, where somebody asks for it."""
    return _TOKENIZER.term(word) or word


def exact(text: str) -> Marks:
    """Marks where ``text`` stands."""
    return lambda whole: (match.span() for match in re.finditer(re.escape(text), whole))


def document(text: str | None, marks: Sequence[Marks] = ()) -> Html:
    """A document with its marks; a long one unfolds."""
    if text is None:
        return '<span class="dim">no document</span>'
    if len(text) <= _SHOWN:
        return _marked(text, marks)
    rest = _marked(text[_SHOWN:_UNFOLDED], marks) + ("…" if len(text) > _UNFOLDED else "")
    return f"<details><summary>{_marked(text[:_SHOWN], marks)}</summary>{rest}</details>"


def _marked(text: str, marks: Sequence[Marks]) -> Html:
    parts = stretches(text, marks)
    return "".join(f"<mark>{escape(part)}</mark>" if marked else escape(part) for part, marked in parts)


def stretches(text: str, marks: Sequence[Marks]) -> list[tuple[str, bool]]:
    """The text in pieces, each with whether it is marked.

    >>> stretches("a wren sings", [exact("wren")])
    [('a ', False), ('wren', True), (' sings', False)]
    """
    spans = sorted(span for mark in marks for span in mark(text) if span[0] < span[1])
    parts, at = [], 0
    for start, end in spans:
        if start >= at:
            parts += [(text[at:start], False), (text[start:end], True)]
            at = end
    return [(part, marked) for part, marked in [*parts, (text[at:], False)] if part]


def thumbnail(pixels: object, alt: str) -> Html:
    """An image (array of height, width and perhaps 1, 3 or 4 channels) in small; "" for anything else."""
    address = picture(pixels)
    return f'<img loading="lazy" alt="{escape(alt, 80)}" src="{address}">' if address else ""


def picture(pixels: object, longest: int = THUMBNAIL) -> str:
    """The data URI of an image (as ``thumbnail`` takes it), no side longer than ``longest``; "" for anything else."""
    array = np.asarray(pixels)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape or array.dtype.kind not in "uifb":
        return ""
    step = -(-max(array.shape[:2]) // longest)
    small = array[::step, ::step]
    if small.dtype.kind in "fb":
        small = small * 255.0
    png = base64.b64encode(_png(np.clip(np.nan_to_num(small), 0, 255).astype(np.uint8))).decode()
    return f"data:image/png;base64,{png}"


def _png(pixels: Array) -> bytes:
    """The few lines of PNG that are needed: the same bytes on every machine with the same zlib."""
    height, width, channels = pixels.shape
    colour = {1: 0, 3: 2, 4: 6}[channels]
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1).tobytes()

    def chunk(name: bytes, content: bytes) -> bytes:
        """One chunk of the file: length, name, content, checksum."""
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


def counted(count: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "record"), counted(1200, "hit")
    ('1 record', '1,200 hits')
    """
    return f"{count:,} {what}" + ("" if count == 1 else "s")
