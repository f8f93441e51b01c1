"""Colours of records on a map, by the type of their column: a scale has codes of one byte and their meanings.

Values of one kind that differ are never one entry: 1, "1" and True are three. Code 0 is missing. Twenty categories
have a colour of their own, the others share one; numbers and dates have a ramp of ``STEPS`` colours.
"""

from __future__ import annotations

import calendar
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import takewhile
from types import NoneType
from typing import Any, Final, Literal, TypeAlias, TypeGuard

import numpy as np

from chroma_nb import dates
from chroma_nb.types import Float64, Indices, Mask

#: Of records without a value, and of values without a colour of their own.
MISSING: Final = "#a1a1a1"
OTHER: Final = "#7a7a7a"
#: Found by calculation: as far apart as they can be for all eyes (Machado et al., 2009), and to be seen on white and on
#: dark pages. The first are the farthest apart.
PALETTE: Final = (
    *("#2a6fdb", "#f28e2b", "#1b9e77", "#e4b4ff", "#8f1a08", "#5f3584", "#87576c", "#c85418", "#89a2cf", "#3234bf"),
    *("#bad78c", "#7c80b7", "#733652", "#725ca4", "#f3be00", "#ab3c2e", "#f5525f", "#6dc8c1", "#5396fa", "#c7ab83"),
)
#: From little to much: evenly lighter, so that no eye mistakes the order, and never as light or dark as a page.
_RAMP: Final = ("#4a2f9e", "#3f55b4", "#3377b0", "#2f95a3", "#43b08d", "#7cc574", "#b9d465", "#f0dc66")
STEPS: Final = 64
#: Whole numbers, or texts with a number in them, of as few kinds are ordered values.
_FEW: Final = 12
#: Values that are looked at before all are.
_SOME: Final = 1_000
#: A scale is divided evenly where the middle half of the values takes at least this share of it.
_EVEN: Final = 0.2
_BOOLEANS: Final = {True: "true", False: "false"}
#: Texts whose order is known.
_ORDERS: Final = (
    ("very low", "low", "medium", "high", "very high", "critical"),
    ("trivial", "minor", "normal", "major", "critical", "blocker"),
    ("low", "normal", "high", "urgent"),
    ("xxs", "xs", "s", "m", "l", "xl", "xxl", "xxxl"),
    ("tiny", "small", "medium", "large", "huge"),
    ("very negative", "negative", "neutral", "positive", "very positive"),
    ("poor", "fair", "good", "very good", "excellent"),
    ("never", "rarely", "sometimes", "often", "always"),
    tuple(day.lower() for day in calendar.day_name),
    tuple(day.lower() for day in calendar.day_abbr),
    tuple(month.lower() for month in calendar.month_name[1:]),
    tuple(month.lower() for month in calendar.month_abbr[1:]),
)

#: What a column holds, where its values do not say: dates as ISO texts, as seconds or as milliseconds since 1970.
Moments: TypeAlias = Literal["date", "epoch_s", "epoch_ms"]
Codes: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint8]]


@dataclass(frozen=True)
class Entry:
    """A value of the legend, its code, and how many records have it."""

    text: str
    code: int
    records: int

    #: The value itself.
    value: Any = None


@dataclass(frozen=True)
class Tick:
    """A value on a ramp, at a share of its length."""

    at: float
    text: str


@dataclass(frozen=True)
class Scale:
    """Codes by record, and the colour of each code; ``entries`` are values, or ``ticks`` stand along a ramp.

    ``note`` names a scale that is not even: "log", "quantiles". ``others`` is how many values share one code.
    """

    kind: Literal["categories", "ordered", "booleans", "items", "numbers", "dates"]
    codes: Codes
    colours: tuple[str, ...]
    entries: tuple[Entry, ...] = ()
    ticks: tuple[Tick, ...] = ()
    note: str = ""
    missing: int = 0
    others: int = 0
    #: By code of an entry: which records have the value, where they may have several.
    members: tuple[Mask, ...] = ()
    #: By code: the value that has it, also one that no record has any more.
    order: tuple[object, ...] = ()


@dataclass(frozen=True)
class Group:
    """Records of one colour: what they are called ("" on a ramp) and their rows, in the order of the map."""

    text: str
    colour: str
    rows: Indices
    #: Whether these have a value at all.
    known: bool = True


def groups(found: Scale) -> list[Group]:
    """The records by colour: values in the order of the legend, then the others, then those without one.

    >>> [(group.text, group.rows.tolist()) for group in groups(scale(["a", "b", None, "a"]))]
    [('a', [0, 3]), ('b', [1]), ('missing', [2])]
    """
    texts = {entry.code: entry.text for entry in found.entries}
    if found.others:
        texts[len(found.colours) - 1] = f"other ({found.others} values)"
    order = [*texts, *(code for code in range(1, len(found.colours)) if code not in texts)]
    made = [Group(texts.get(code, ""), found.colours[code], np.flatnonzero(found.codes == code)) for code in order]
    missing = Group("missing", MISSING, np.flatnonzero(found.codes == 0), known=False)
    return [group for group in [*made, missing] if len(group.rows)]


def is_ramp(found: Scale) -> bool:
    """Whether colours run from little to much, and have ticks instead of entries."""
    return found.kind in ("numbers", "dates")


def of_given(values: Sequence[object], key: str = "") -> Scale:
    """The scale for values as Python has them: numpy's, pandas', dates; ``key`` tells whether numbers are dates.

    >>> of_given(np.array([0.5, 1.5])).kind, of_given(["2024-05-01", "2024-06-01"]).kind
    ('numbers', 'dates')
    """
    plain = list(values) if set(map(type, values)) <= _PLAIN else [_given(value) for value in values]
    different = {value for value in plain if value is not None and not isinstance(value, list)}
    return scale(plain, dates.stored_as(key, different) if different else None)


#: pandas' empty cells and what numpy masks, by the names of their types: pandas is not loaded for this.
#: Types whose values are as metadata have them.
_PLAIN: Final = frozenset({str, int, bool, NoneType})
_EMPTY: Final = ("NAType", "NaTType", "MaskedConstant")


def _given(value: object) -> object:
    """A value as metadata have it; dates become ISO texts, what has no number or name is missing."""
    if type(value).__name__ in _EMPTY or value is None:
        return None
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, str | bool | int):
        return value
    if isinstance(value, date):  # a moment too, pandas' as well
        return value.isoformat()
    return [_given(one) for one in value] if isinstance(value, list | tuple | np.ndarray) else str(value)


def is_number(value: object) -> TypeGuard[float | np.number]:
    """Whether a value is a finite number, Python's or numpy's; a bool is not.

    >>> is_number(np.float32(1)), is_number(True), is_number(float("nan"))
    (True, False, False)
    """
    kinds = (int, float, np.integer, np.floating)
    return isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)


def scale(
    values: Sequence[object],
    moments: Moments | None = None,
    first: Sequence[object] = (),
    order: Sequence[object] = (),
) -> Scale:
    """The scale for the values of a column, None or NaN where a record has none.

    ``first`` are values that have a colour of their own however rare they are. ``order`` are those that had one before,
    in the order of their codes: they keep it, however frequent they are by now.

    >>> scale(["a", "b", None, "a"]).codes.tolist(), scale(["a", "b"]).kind
    ([1, 2, 0, 1], 'categories')
    >>> [entry.text for entry in scale([1, "1", True, 1.0]).entries]
    ['1 (number)', 'true', '"1" (text)']
    >>> scale([5, 1, 4, None]).kind, [entry.text for entry in scale([5, 1, 4]).entries]
    ('ordered', ['1', '4', '5'])
    """
    if moments is not None and (times := _times(values, moments)) is not None:
        return _dates(times)
    kinds = set(map(type, values)) - {NoneType}
    if float in kinds and not kinds <= {int, float}:
        kinds = {type(value) for value in values if not _missing(value)}
    if kinds <= {int, float} and kinds:
        numbers = _as_numbers(values)
        if not _few_whole(numbers):
            return _numbers(np.where(np.isfinite(numbers), numbers, np.nan))
    if not kinds <= {str, bool, int, float}:
        return _items(values, order)
    # Each different value is looked at once; its type is part of it, where there are several.
    if len(kinds) == 1:
        pairs: Sequence[Any] = values
        often = Counter(pairs)
        keys = {value: None if _missing(value) else _key(value) for value in often}
    else:
        pairs = list(zip(map(type, values), values, strict=True))
        often = Counter(pairs)
        keys = {pair: None if _missing(pair[1]) else _key(pair[1]) for pair in often}
    counts: Counter[_Key] = Counter()
    for pair, key in keys.items():
        if key is not None:
            counts[key] += often[pair]
    if kinds == {bool}:
        return _listed("booleans", pairs, keys, sorted(counts, reverse=True), counts, PALETTE)
    if (ordered := _in_order(counts)) is not None:
        return _listed("ordered", pairs, keys, ordered, counts, steps(len(ordered)))
    wanted = [key for key in map(_key, first) if key in counts]
    frequent = sorted(counts, key=lambda key: (-counts[key], key))
    if kept := _kept(order, wanted, frequent):
        return _listed("categories", pairs, keys, kept, counts, PALETTE)
    chosen = list(dict.fromkeys([*wanted, *frequent]))[: len(PALETTE)]
    return _listed("categories", pairs, keys, sorted(chosen, key=frequent.index), counts, PALETTE)


def _kept(order: Sequence[object], wanted: Sequence[_Key], frequent: Sequence[_Key]) -> list[_Key]:
    """The values that had a colour, each at its place, then others while there are colours.

    Those that are ``wanted`` take the places of the last where there is no other.
    """
    chosen = list(dict.fromkeys(map(_key, order)))[: len(PALETTE)]
    for key in [*wanted, *frequent] if chosen else []:
        if key in chosen:
            continue
        if len(chosen) < len(PALETTE):
            chosen.append(key)
        elif key in wanted and (rest := [place for place, one in enumerate(chosen) if one not in wanted]):
            chosen[rest[-1]] = key
    return chosen


def _as_numbers(values: Sequence[Any]) -> Float64:
    """As float64, NaN where nothing is."""
    try:
        return np.array(values, np.float64)
    except OverflowError:
        return np.array([np.nan if value is None else _float(value) for value in values])


# --- Categories ---
_Key: TypeAlias = tuple[str, Any]


def _key(value: object) -> _Key:
    """A value with its kind: True is not 1, and "1" is neither."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, int | float):
        return ("number", value)
    return ("text", value if isinstance(value, str) else str(value))


def _listed(
    kind: Literal["categories", "ordered", "booleans"],
    pairs: Sequence[Any],
    keys: dict[Any, _Key | None],
    shown: Sequence[_Key],
    counts: Counter[_Key],
    palette: Sequence[str],
) -> Scale:
    """These values in their order with a colour each, the others with one together.

    ``pairs`` are the values of the records, and ``keys`` has each of them; of several types they stand behind theirs.
    """
    other = len(shown) + 1
    code = {key: number for number, key in enumerate(shown, 1)}
    by_pair = {pair: 0 if key is None else code.get(key, other) for pair, key in keys.items()}
    codes = np.fromiter(map(by_pair.__getitem__, pairs), np.uint8, len(pairs))
    others = len(counts) - sum(key in counts for key in shown)
    texts = _texts(shown)
    return Scale(
        kind,
        codes,
        (MISSING, *palette[: len(shown)], *([OTHER] if others else [])),
        _entries(texts, shown, code, counts),
        missing=int(np.count_nonzero(codes == 0)),
        others=others,
        order=tuple(value for _, value in shown) if kind == "categories" else (),
    )


def _entries(
    texts: Sequence[str], shown: Sequence[_Key], code: Mapping[_Key, int], counts: Counter[_Key]
) -> tuple[Entry, ...]:
    """What the codes mean; a value that no record has any more keeps its code and is not listed."""
    named = zip(texts, shown, strict=True)
    return tuple(Entry(text, code[key], counts[key], key[1]) for text, key in named if counts[key])


def _texts(keys: Sequence[_Key]) -> list[str]:
    """How values are called; those that would be called the same say their kind too."""
    plain = [_plain(key) for key in keys]
    twice = {text for text, count in Counter(plain).items() if count > 1}
    quoted = {"text": '"{}"', "number": "{}", "boolean": "{}"}
    return [
        f"{quoted[kind].format(text)} ({kind})" if text in twice else text or '""'
        for text, (kind, _) in zip(plain, keys, strict=True)
    ]


def others(values: Sequence[object], text: str, most: int) -> list[Entry]:
    """Values, or items of lists, that have ``text`` in them: the most frequent ones, whatever their colour.

    >>> [(entry.value, entry.records) for entry in others(["heron", "wren", "wren", ["crow"]], "R", 2)]
    [('wren', 2), ('crow', 1)]
    """
    counts = Counter(key for value in values for key in _elements(value) or ())
    wanted = text.casefold()
    found = sorted((key for key in counts if wanted in _plain(key).casefold()), key=lambda key: (-counts[key], key))[
        :most
    ]
    return [Entry(called, 0, counts[key], key[1]) for called, key in zip(_texts(found), found, strict=True)]


def shortened(texts: Sequence[str], letters: int = 40) -> list[str]:
    """Texts cut in the middle; those that would then read alike are cut where they begin to differ.

    >>> shortened(["x" * 50, "x" * 25 + "y" + "x" * 50, "short"], 10)
    ['…xxxxxxxx…', '…xxxyxxxx…', 'short']
    """
    head, tail = (letters - 1) // 2, letters // 2
    cut = [text if len(text) <= letters else f"{text[:head]}…{text[-tail:]}" for text in texts]
    alike, found = Counter(cut), list(cut)
    for n, text in enumerate(texts):
        if alike[cut[n]] > 1 and len(text) > letters:
            same = [other for m, other in enumerate(texts) if m != n and cut[m] == cut[n]]
            start = max(_common(text, other) for other in same) - (letters - 2) // 2 + 1
            if start > 0:
                piece = text[start : start + letters - 2]
                found[n] = f"…{piece}{'…' if start + letters - 2 < len(text) else ''}"
    return found


def _common(one: str, other: str) -> int:
    """How many letters both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _plain(key: _Key) -> str:
    kind, value = key
    if kind == "boolean":
        return _BOOLEANS[value]
    return number_text(value) if kind == "number" else str(value)


def _few_whole(numbers: Float64) -> bool:
    """Whether these are few whole numbers: stars, levels, clusters."""
    if len(np.unique(numbers[:_SOME])) > _FEW + 1:  # one may be NaN, and to sort all of many takes its time
        return False
    found = np.unique(numbers[~np.isnan(numbers)])
    return len(found) <= _FEW and bool(np.all(found == np.floor(found)))


_NUMBERED: Final = re.compile(r"^(\D*)(\d{1,4})(\D*)$")


def _in_order(counts: Counter[_Key]) -> list[_Key] | None:
    """The values in the order that they have by themselves; None where they have none."""
    if len(counts) < 2 or len({kind for kind, _ in counts}) != 1 or len(counts) > _FEW:
        return None
    ((kind, _), *_) = counts
    if kind == "number":
        return sorted(counts, key=lambda key: key[1])
    if kind != "text":
        return None
    words = {key: str(key[1]).strip().casefold() for key in counts}
    if len(set(words.values())) == len(words):
        for order in _ORDERS:
            if set(words.values()) <= set(order):
                return sorted(counts, key=lambda key: order.index(words[key]))
    found = {key: _NUMBERED.match(str(key[1])) for key in counts}
    matches = [match for match in found.values() if match is not None]
    # "1 star" and "2 stars" are of one shape.
    if len(matches) < len(counts) or len({(m[1], m[3].rstrip("s")) for m in matches}) != 1:
        return None
    return sorted(counts, key=lambda key: int(_NUMBERED.sub(r"\2", str(key[1]))))


def _items(values: Sequence[object], order: Sequence[object] = ()) -> Scale:
    """Lists: each item counts. A record has the colour of its rarest item that has one."""
    lists, places = _different(values)
    often = np.bincount(places, minlength=len(lists)).tolist()
    counts: Counter[_Key] = Counter()
    for keys, records in zip(lists, often, strict=True):
        counts.update(dict.fromkeys(keys, records))
    frequent = sorted(counts, key=lambda key: (-counts[key], key))
    shown = _kept(order, [], frequent) or frequent[: len(PALETTE)]
    code = {key: number for number, key in enumerate(shown, 1)}
    other = len(shown) + 1
    found = [[code[key] for key in keys if key in code] for keys in lists]
    rarity = {code[key]: place for place, key in enumerate(frequent) if key in code}
    rarest = [max(own, key=rarity.__getitem__, default=other) for own in found]
    codes = np.array([one if keys else 0 for one, keys in zip(rarest, lists, strict=True)], np.uint8)
    members = np.zeros((len(shown), len(lists)), np.bool_)
    for place, own in enumerate(found):
        members[[number - 1 for number in own], place] = True
    others = len(counts) - sum(key in counts for key in shown)
    by_record = codes[places]
    return Scale(
        "items",
        by_record,
        (MISSING, *PALETTE[: len(shown)], *([OTHER] if others else [])),
        _entries(_texts(shown), shown, code, counts),
        note="a record with several has the colour of the rarest" if any(len(keys) > 1 for keys in lists) else "",
        missing=int(np.count_nonzero(by_record == 0)),
        others=others,
        members=tuple(members[:, places]),
        order=tuple(value for _, value in shown),
    )


def _different(values: Sequence[object]) -> tuple[list[set[_Key]], Indices]:
    """The sets of items there are, and for each value which of them it is."""
    known: dict[object, int] = {}
    lists: list[set[_Key]] = []
    places = np.empty(len(values), np.intp)
    for row, value in enumerate(values):
        # Lists of 1 and of True are equal for Python.
        name = (*value, *map(type, value)) if isinstance(value, list | tuple) else (type(value), str(value))
        place = known.setdefault(name, len(lists))
        if place == len(lists):
            lists.append(_elements(value) or set())
        places[row] = place
    return lists, places


def _elements(value: object) -> set[_Key] | None:
    if _missing(value):
        return None
    return {_key(one) for one in value} if isinstance(value, list | tuple) else {_key(value)}


# --- Numbers ---
def _numbers(numbers: Float64) -> Scale:
    """Even, by logarithm or by quantiles: whichever first spreads the values over the colours."""
    finite = np.isfinite(numbers)
    known = numbers[finite]
    low, high, note = _ends(known)
    if not len(known) or low == high:
        shares = np.where(finite, 0.5, np.nan)
        return _ramp("numbers", shares, [Tick(0.5, number_text(low))] if len(known) else [])
    inner = np.clip(known, low, high)
    if _middle(inner) >= _EVEN:
        return _ramp("numbers", (numbers - low) / (high - low), _even_ticks(low, high), note)
    if known.min() > 0 and _middle(np.log(inner)) >= _EVEN:
        a, b = math.log(low), math.log(high)
        with np.errstate(invalid="ignore"):
            shares = (np.log(np.where(finite, numbers, np.nan)) - a) / (b - a)
        return _ramp("numbers", shares, _log_ticks(low, high), "log scale" + (note and f", {note}"))
    order = np.sort(known)
    # Equal values have one place, in the middle of theirs.
    left, right = np.searchsorted(order, numbers, "left"), np.searchsorted(order, numbers, "right")
    shares = np.where(finite, (left + right - 1) / 2 / max(1, len(order) - 1), np.nan)
    ends = [0.0, 0.25, 0.5, 0.75, 1.0]
    ticks = tuple(
        Tick(at, number_text(float(v))) for at, v in zip(ends, np.quantile(order, ends, method="nearest"), strict=True)
    )
    return _ramp("numbers", shares, ticks, "quantiles")


def _ends(known: Float64) -> tuple[float, float, str]:
    """The ends of a scale, without the outermost hundredths where these take a fifth of it; then it is said."""
    low, high = float(known.min(initial=math.inf)), float(known.max(initial=-math.inf))
    if len(known) < 100:
        return low, high, ""
    a, b = np.quantile(known, [0.01, 0.99], method="nearest").tolist()
    with np.errstate(over="ignore"):
        far = b > a and (b - a) < 0.8 * (high - low)
    return (a, b, "1 to 99 %") if far else (low, high, "")


def _middle(known: Float64) -> float:
    """The share of the range in which the middle half lies; 0 where float64 has no such range."""
    with np.errstate(over="ignore"):
        span = float(known.max() - known.min())
    if not 0 < span < math.inf:
        return 0.0
    low, high = np.quantile(known, [0.25, 0.75])
    return float((high - low) / span)


def _float(value: Any) -> float:
    """As float64; integers beyond it are infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _ramp(kind: Literal["numbers", "dates"], shares: Float64, ticks: Iterable[Tick], note: str = "") -> Scale:
    known = np.isfinite(shares)
    steps_ = np.minimum(np.where(known, np.clip(shares, 0, 1), 0) * STEPS, STEPS - 1).astype(np.uint8)
    codes = np.where(known, steps_ + 1, 0).astype(np.uint8)
    colours = (MISSING, *steps(STEPS))
    return Scale(kind, codes, colours, ticks=tuple(ticks), note=note, missing=int(np.count_nonzero(codes == 0)))


def _even_ticks(low: float, high: float) -> list[Tick]:
    """Round numbers between the two, three to six of them."""
    raw = (high - low) / 4
    if raw < 1e-300:
        return [Tick(0.0, f"{low:g}"), Tick(1.0, f"{high:g}")]
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(step * size for step in (1, 2, 2.5, 5, 10) if step * size >= raw)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [Tick((n * step - low) / (high - low), number_text(round(n * step, 12))) for n in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[Tick]:
    """Powers of ten, and where these are few their halves; no more than six."""
    a, b = math.log10(low), math.log10(high)
    marks = [10.0**e * m for e in range(math.floor(a), math.ceil(b) + 1) for m in ((1, 3) if b - a < 3 else (1,))]
    inside = [mark for mark in marks if low <= mark <= high] or [low, high]
    every = -(-len(inside) // 6)
    return [Tick((math.log10(mark) - a) / (b - a), number_text(mark)) for mark in inside[::every]]


def number_text(value: float) -> str:
    """A number to read.

    >>> number_text(1234567.0), number_text(2020), number_text(0.1 + 0.2), number_text(1e-9)
    ('1,234,567', '2020', '0.3', '1e-09')
    """
    if not math.isfinite(value):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}" if abs(value) >= 10_000 else str(int(value))
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


# --- Dates ---
#: Seconds since 1970 of the years that have a calendar here, 2 to 9998.
_SPAN: Final = (-62_104_060_800.0, 253_370_764_800.0)


def _times(values: Sequence[object], moments: Moments) -> Float64 | None:
    """Seconds since 1970, NaN for what is missing; None where a value is no date after all."""
    factor = {"epoch_s": 1.0, "epoch_ms": 1e-3}.get(moments)
    try:
        if factor is not None:
            times = np.array([np.nan if _missing(value) else value for value in values], float) * factor
        else:
            known = {value: np.nan if _missing(value) else _seconds(str(value)) for value in set(values)}
            times = np.fromiter(map(known.__getitem__, values), np.float64, len(values))
    except (ValueError, TypeError, OverflowError):
        return None
    moments_ = times[~np.isnan(times)]
    return times if np.all((moments_ >= _SPAN[0]) & (moments_ < _SPAN[1])) else None


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text.replace(" Z", "Z").replace(",", "."))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


#: Lengths of a unit in seconds, how many of it are a step, how it is written.
_UNITS: Final[tuple[tuple[float, str, tuple[int, ...], str], ...]] = (
    (31_556_952, "year", (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000), "%Y"),
    (2_629_746, "month", (1, 2, 3, 6), "%Y-%m"),
    (86_400, "day", (1, 2, 5, 10, 15), "%Y-%m-%d"),
    (3_600, "hour", (1, 2, 3, 6, 12), "%m-%d %H:%M"),
    (60, "minute", (1, 2, 5, 10, 15, 30), "%H:%M"),
)


def _dates(times: Float64) -> Scale:
    """Along time, evenly."""
    known = times[np.isfinite(times)]
    if not len(known) or known.min() == known.max():
        ticks = [Tick(0.5, _moment_text(float(known[0]), "%Y-%m-%d %H:%M"))] if len(known) else []
        return _ramp("dates", np.where(np.isfinite(times), 0.5, np.nan), ticks)
    low, high = float(known.min()), float(known.max())
    return _ramp("dates", (times - low) / (high - low), _date_ticks(low, high))


def _date_ticks(low: float, high: float) -> list[Tick]:
    """Beginnings of years, months, days or hours: the longest unit of which there are at least three."""
    for length, name, counts, form in _UNITS:
        step = next((n for n in counts if (high - low) / (n * length) <= 5), counts[-1])
        found = [at for at in _beginnings(low, high, name, step, length) if low <= at <= high]
        if len(found) >= 3:
            return [Tick((at - low) / (high - low), _moment_text(at, form)) for at in found]
    return [Tick(at, _moment_text(low + at * (high - low), "%Y-%m-%d %H:%M:%S")) for at in (0.0, 1.0)]


def _beginnings(low: float, high: float, unit: str, step: int, length: float) -> Iterable[float]:
    start = _utc(low)
    if unit == "year":
        for year in range(start.year // step * step, min(9999, _utc(high).year) + 1, step):
            if year >= 1:
                yield _day(year, 1)
    elif unit == "month":
        end = _utc(high)
        for month in range((start.year * 12 + start.month - 1) // step * step, end.year * 12 + end.month, step):
            yield _day(month // 12, month % 12 + 1)
    else:
        size = step * length
        for number in range(math.floor(low / size), math.ceil(high / size) + 1):
            yield number * size


def _day(year: int, month: int) -> float:
    return (datetime(year, month, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _moment_text(seconds: float, form: str) -> str:
    try:
        return _utc(seconds).strftime(form)
    except (ValueError, OverflowError, OSError):
        return number_text(seconds)


# --- Colours ---
def steps(count: int) -> list[str]:
    """``count`` colours from little to much.

    >>> steps(2), len(steps(STEPS))
    (['#4a2f9e', '#f0dc66'], 64)
    """
    stops = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in _RAMP], float)
    places = np.linspace(0, len(stops) - 1, count) if count > 1 else np.array([(len(stops) - 1) / 2])
    channels = [np.interp(places, np.arange(len(stops)), stops[:, k]) for k in range(3)]
    return ["#" + "".join(f"{round(float(c)):02x}" for c in colour) for colour in zip(*channels, strict=True)]


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
