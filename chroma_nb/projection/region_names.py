"""Names for the regions of a map: the phrases of their documents that distinguish them from all others.

A phrase is good when many documents of the region have it and few elsewhere, and when its meaning *fits*: it lies
nearer to the records of the region than to others. The fit of a name is the area under the curve with which that tells
them apart, from 0.5 (not at all) to 1. ``labels.py`` finds the regions.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from chroma_nb.types import Float64, Indices, Int32, Ints, Mask, Matrix, Metadata

#: Texts -> their vectors, by the model of the collection.
Embed: TypeAlias = Callable[[list[str]], Matrix]

_TERMS: Final = 3
#: Words of a phrase, and documents that must have it.
_WORDS, _FEWEST = 3, 3
#: Documents that are read of a region, of all regions, and letters of all of them; of one at most, and at least.
_OF_REGION, _OF_ALL, _LETTERS = 400, 40_000, 6_000_000
_LONGEST, _SHORTEST = 2_000, 200
#: Phrases of a region whose meaning is looked at, and records of it and of others that they are compared with.
_SHORTLIST, _INSIDE, _OUTSIDE = 28, 300, 2_000
#: Another term must add as much to the separation; one that means nearly the same as another is no gain.
_GAIN, _SAME = 1.02, 0.8
#: Of a phrase by how often it is there: the separation by its meaning counts for more.
_BY_MEANING: Final = 2.0
#: Words of three letters or more that say nothing; what is frequent everywhere loses by its score anyway.
EMPTY: Final = frozenset(
    re.findall(
        r"\w+",
        """
    about after all also and any are because been before being but can certain characterized consisting containing
    could can did does either especially etc for from had has have having her hers him his how including into its just
    like make makes made more most not now off often one only other others our out over own per pertaining quality
    relating same several she should some somebody someone something sometimes state such than that the their them then
    there these they this those through too two under until upon use used usually using various very via was were what
    when where which while who whom whose why will with within without would you your
""",
    )
)
#: Two letters of what is written without spaces; letters with marks, apostrophes and hyphens between them.
_WORD: Final = re.compile(
    r"[\u3040-\u30ff\u4e00-\u9fff]{2}|[^\W\d_](?:[^\W\d_]|[\u0300-\u036f\u093e-\u094d]|['’-](?=[^\W\d_]))*"
)
#: From here on letters are of scripts in which words of two are no particles: of India, China, Korea, Japan.
_SHORT_WORDS: Final = "\u0900"
_BETWEEN_UNSPACED: Final = re.compile(r"(?<=[\u3040-\u30ff\u4e00-\u9fff]) (?=[\u3040-\u30ff\u4e00-\u9fff])")
#: Where a phrase ends: at whatever is no word, no space, apostrophe or hyphen.
_BREAK: Final = re.compile(r"[^\w\s'’\-\u0300-\u036f\u093e-\u094d]+|\n\s*\n")


@dataclass(frozen=True)
class Meaning:
    """Vectors of some records, in which angles are compared; and what embeds a phrase, if known.

    Where nothing embeds, a phrase means what the records that have it mean together.
    """

    vectors: Matrix
    embed: Embed | None = None


def looked_at(levels: Sequence[Int32], most: int = _OF_REGION, seed: int = 42) -> Indices:
    """The rows whose documents and vectors are read: some of each region of any level, and some of no region."""
    finest = np.zeros(len(levels[0]), np.int64)
    for clusters in levels:
        finest = finest * (int(clusters.max(initial=-1)) + 2) + clusters + 1
    groups, place = np.unique(finest, return_inverse=True)
    most = int(np.clip(_OF_ALL // max(len(groups), 1), 20, most))
    order = np.random.default_rng(seed).permutation(len(place))
    order = order[np.argsort(place[order], kind="stable")]
    starts = np.searchsorted(place[order], np.arange(len(groups)))
    within = np.arange(len(order)) - starts[place[order]]
    return np.sort(order[within < most])


def named(
    levels: Sequence[Int32],
    documents: Sequence[str | None],
    metadatas: Sequence[Metadata | None],
    rows: Indices,
    meaning: Meaning | None = None,
) -> list[list[str]]:
    """A name for each region of each level, the coarsest level first: the numbers of regions by row, -1 for none.

    The documents at ``rows`` are read, whose vectors ``meaning`` has.

    >>> clusters = np.repeat(np.array([0, 1], np.int32), 20)
    >>> named([clusters], ["whales swim"] * 20 + ["engines burn fuel"] * 20, [None] * 40, np.arange(40))
    [['whales swim', 'engines burn fuel']]
    """
    phrases = _Phrases.of(documents, rows)
    terms: dict[int, list[list[int]]] = {}
    shortlists = [_shortlists(clusters[rows], phrases) for clusters in levels]
    known = None if meaning is None else _Vectors.of(meaning, phrases, shortlists)
    for level in reversed(range(len(levels))):  # the finest first: what parts are called may name the whole
        clusters, chosen = levels[level][rows], []
        for number, short in enumerate(shortlists[level]):
            inside = clusters == number
            more = _of_parts(levels, rows, level, number, terms)
            chosen.append(_chosen(short, more, inside, phrases, known))
        terms[level] = chosen
    result = []
    for level, clusters in enumerate(levels):
        texts = [[phrases.texts[term] for term in found] for found in terms[level]]
        sizes = [len(found) for found in texts]
        if known is not None and known.embed is not None:
            sizes = known.best(texts, clusters[rows])
        names = _told_apart(texts, sizes)
        result.append(unlike([name or _by_value(n, clusters, documents, metadatas) for n, name in enumerate(names)]))
    return result


# --- Phrases --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Phrases:
    """The phrases of some documents: ``rows`` and ``numbers`` are which document has which, by number of phrase."""

    texts: list[str]
    rows: Int32
    numbers: Int32
    #: Where the documents of each phrase begin, in the order of ``numbers``.
    starts: Indices
    #: By phrase: how many documents have it. ``count`` documents were read.
    often: Indices
    count: int

    @classmethod
    def of(cls, documents: Sequence[str | None], rows: Indices) -> _Phrases:
        """The phrases that several of these documents have."""
        letters = int(np.clip(_LETTERS // max(len(rows), 1), _SHORTEST, _LONGEST))
        known: dict[str, int] = {}
        numbers: list[int] = []
        sizes = []
        for row in rows.tolist():
            found = set(phrases((documents[row] or "")[:letters]))
            sizes.append(len(found))
            numbers += [known.setdefault(phrase, len(known)) for phrase in sorted(found)]
        by_document = np.array(numbers, np.int64)
        owners = np.repeat(np.arange(len(rows)), sizes)
        often = np.bincount(by_document, minlength=len(known))
        kept = often >= _FEWEST if (often >= _FEWEST).any() else often >= 2
        place = np.cumsum(kept) - 1
        mask = kept[by_document] if len(by_document) else np.zeros(0, np.bool_)
        by_document, owners = place[by_document[mask]], owners[mask]
        order = np.argsort(by_document, kind="stable")
        texts = [text for text, is_kept in zip(known, kept.tolist(), strict=True) if is_kept]
        starts = np.searchsorted(by_document[order], np.arange(len(texts) + 1))
        return cls(
            texts,
            owners[order].astype(np.int32),
            by_document[order].astype(np.int32),
            starts,
            often[kept],
            len(rows),
        )

    def holders(self, number: int) -> Int32:
        """The documents that have a phrase."""
        return self.rows[self.starts[number] : self.starts[number + 1]]


def phrases(text: str) -> Iterator[str]:
    """The phrases of a text: up to three words that stand together, none at an end of which says nothing.

    >>> sorted(phrases("The heart of a blue whale, at sea."))
    ['blue', 'blue whale', 'heart', 'sea', 'whale']
    """
    for part in _BREAK.split(text.lower()):
        words = _WORD.findall(part)
        telling = [len(word) > (1 if word[0] >= _SHORT_WORDS else 2) and word not in EMPTY for word in words]
        for start, word in enumerate(words):
            if not telling[start]:
                continue
            yield word
            for size in range(2, _WORDS + 1):
                if start + size <= len(words) and telling[start + size - 1]:
                    yield _BETWEEN_UNSPACED.sub("", " ".join(words[start : start + size]))


def _stem(word: str) -> str:
    """A word without the ending of its plural, so that "tree" and "trees" are not two terms."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


@dataclass(frozen=True)
class _Shortlist:
    """Phrases of a region that may name it, and how telling each is by how often it is there."""

    phrases: list[int]
    scores: Float64


def _shortlists(clusters: Int32, phrases: _Phrases) -> list[_Shortlist]:
    """For each region the phrases that are frequent in it and seldom elsewhere."""
    count, kinds = int(clusters.max(initial=-1)) + 1, len(phrases.texts)
    if not count or not kinds:
        return [_Shortlist([], np.zeros(0))] * count
    owner = clusters[phrases.rows]
    inside = owner >= 0
    counts = np.bincount(owner[inside].astype(np.int64) * kinds + phrases.numbers[inside], minlength=count * kinds)
    counts = counts.reshape(count, kinds)
    sizes = np.bincount(clusters[clusters >= 0], minlength=count)
    said = np.array([_weight(text) for text in phrases.texts])
    found = []
    for number in range(count):
        there = np.flatnonzero(counts[number] >= min(_FEWEST, max(2, sizes[number] // 10)))
        share = counts[number][there] / sizes[number]
        elsewhere = (phrases.often[there] - counts[number][there]) / max(1, phrases.count - sizes[number])
        lift = np.clip(np.log((share + 1e-4) / (elsewhere + 1e-3)), 0, 3)
        scores = np.sqrt(share) * lift * said[there]
        if not scores.any():  # nothing is more frequent here than elsewhere: what is frequent
            scores = 0.01 * share
        best = np.lexsort((there, -scores))[:_SHORTLIST]
        best = best[scores[best] > 0]
        found.append(_Shortlist(there[best].tolist(), scores[best]))
    return found


def _weight(phrase: str) -> float:
    """Of phrases that are as frequent, the longer one says more; unless it is longer by what says nothing."""
    words = phrase.split()
    return 0.95 if not EMPTY.isdisjoint(words) or any(len(word) < 3 for word in words) else 0.9 + 0.1 * len(words)


def _of_parts(
    levels: Sequence[Int32], rows: Indices, level: int, number: int, terms: dict[int, list[list[int]]]
) -> list[int]:
    """The first terms of the parts of a region, on the next finer level."""
    if level + 1 not in terms:
        return []
    parts = np.unique(levels[level + 1][rows][levels[level][rows] == number])
    return [found[0] for part in parts.tolist() if part >= 0 and (found := terms[level + 1][part])]


# --- What they mean -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Vectors:
    """Vectors of records and of phrases, all of length one."""

    records: Matrix
    phrases: dict[int, Matrix]
    embed: Embed | None
    #: All records, by lot: neighbours in a collection are often alike.
    order: Indices

    @classmethod
    def of(cls, meaning: Meaning, phrases: _Phrases, shortlists: Sequence[Sequence[_Shortlist]]) -> _Vectors:
        """The vectors of all phrases that may name a region."""
        wanted = sorted({one for level in shortlists for short in level for one in short.phrases})
        records = _of_length_one(meaning.vectors)
        if meaning.embed is not None:
            found = meaning.embed([phrases.texts[number] for number in wanted]) if wanted else records[:0]
        else:
            means = [records[phrases.holders(number)].mean(axis=0) for number in wanted]
            found = np.array(means, np.float32).reshape(len(wanted), records.shape[1])
        order = np.random.default_rng(42).permutation(len(records))
        vectors = dict(zip(wanted, _of_length_one(found), strict=True))
        return cls(records, vectors, meaning.embed, order)

    def compared(self, inside: Mask) -> tuple[Indices, Indices]:
        """Some records of a region, and some of all others."""
        own = self.order[inside[self.order]][:_INSIDE]
        some = self.order[:_OUTSIDE]
        return own, some[~inside[some]]

    def best(self, texts: list[list[str]], clusters: Int32) -> list[int]:
        """Of each name how many terms fit best together, by the vector of the name itself."""
        several = [(number, size) for number, terms in enumerate(texts) for size in range(1, len(terms) + 1)]
        fits: dict[int, tuple[float, int]] = {}
        if several and self.embed is not None:
            vectors = _of_length_one(self.embed([", ".join(texts[number][:size]) for number, size in several]))
            for (number, size), vector in zip(several, vectors, strict=True):
                own, others = self.compared(clusters == number)
                found = fit(self.records[own] @ vector, self.records[others] @ vector)
                fits[number] = max(fits.get(number, (0.0, 0)), (found, size))
        return [fits.get(number, (0.0, len(terms)))[1] for number, terms in enumerate(texts)]


def _of_length_one(vectors: Matrix) -> Matrix:
    found = np.asarray(vectors, np.float32)
    lengths: Matrix = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.float32(1e-30))
    return lengths


def fit(inside: Matrix, outside: Matrix) -> float:
    """The area under the curve: how often one of the region is nearer than one of the others.

    >>> fit(np.array([3, 2]), np.array([1, 2])), fit(np.array([1]), np.array([1]))
    (0.875, 0.5)
    """
    order = np.sort(outside)
    below, above = np.searchsorted(order, inside, "left"), np.searchsorted(order, inside, "right")
    return float((below + above).mean() / (2 * max(len(outside), 1))) if len(inside) else 0.5


def _chosen(
    short: _Shortlist, more: Sequence[int], inside: Mask, phrases: _Phrases, known: _Vectors | None
) -> list[int]:
    """The terms of a name, the most telling first."""
    often = dict(zip(short.phrases, short.scores.tolist(), strict=True))
    least = min(often.values(), default=1.0)
    candidates = list(dict.fromkeys([*short.phrases, *more]))
    scores = np.array([often.get(one, least) for one in candidates])
    if not candidates:
        return []
    apart = None if known is None else _Separation.of(candidates, inside, known)
    has = np.array([_among(phrases.holders(one), inside) for one in candidates])
    covered = np.zeros(has.shape[1], np.bool_)
    got: list[int] = []
    reached = 0.0
    while len(got) < _TERMS:
        new = (has & ~covered).sum(axis=1) / np.maximum(1, has.sum(axis=1))
        value = np.sqrt(scores) * (0.3 + new)
        if apart is not None:
            value = value * np.maximum(apart.with_another(got), 1e-3) ** _BY_MEANING
        for place, one in enumerate(candidates):
            if any(_alike(phrases.texts[one], phrases.texts[candidates[other]]) for other in got):
                value[place] = 0
        if apart is not None and got:
            value[(apart.alike[:, got] > _SAME).any(axis=1)] = 0
        best = int(np.argmax(value))
        if value[best] <= 0:
            break
        if apart is None:
            if got and value[best] < 0.3 * reached:
                break
            reached = reached or float(value[best])
        else:
            separated = float(apart.with_another(got)[best])
            if len(got) > 1 and separated < _GAIN * reached:
                break
            reached = separated
        got.append(best)
        covered |= has[best]
    return [candidates[place] for place in got]


def _among(holders: Int32, inside: Mask) -> Mask:
    """Which records of a region have a phrase."""
    found = np.zeros(len(inside), np.bool_)
    found[holders] = True
    return found[inside]


def _alike(one: str, other: str) -> bool:
    """Whether two phrases share a word, or begin alike."""
    return one[:5] == other[:5] or bool(set(map(_stem, one.split())) & set(map(_stem, other.split())))


@dataclass(frozen=True)
class _Separation:
    """How far candidates part the records of a region from others, alone and together.

    The nearness to several terms is the sum of the nearness to each, so its mean and spread follow from those of all.
    """

    gaps: Float64
    spreads: Float64
    alike: Matrix

    @classmethod
    def of(cls, candidates: Sequence[int], inside: Mask, known: _Vectors) -> _Separation:
        """Of these phrases."""
        vectors = np.array([known.phrases[one] for one in candidates])
        own, others = known.compared(inside)
        near, far = known.records[own] @ vectors.T, known.records[others] @ vectors.T
        gaps = (near.mean(axis=0) - (far.mean(axis=0) if len(far) else 0)).astype(np.float64)
        spreads = _covariance(near) + _covariance(far)
        return cls(gaps, spreads, vectors @ vectors.T)

    def with_another(self, got: Sequence[int]) -> Float64:
        """In spreads, how far each candidate would part them together with those that are chosen."""
        chosen = list(got)
        gap = self.gaps + self.gaps[chosen].sum()
        variance = np.diag(self.spreads) + 2 * self.spreads[:, chosen].sum(axis=1)
        variance = variance + self.spreads[np.ix_(chosen, chosen)].sum()
        found: Float64 = gap / np.sqrt(np.maximum(variance, 1e-12))
        return found


def _covariance(values: Matrix) -> Float64:
    centred = values.astype(np.float64) - values.mean(axis=0) if len(values) else np.zeros(values.shape)
    found: Float64 = centred.T @ centred / max(len(values), 1)
    return found


# --- Names ----------------------------------------------------------------------------------------------
def _told_apart(texts: list[list[str]], sizes: list[int]) -> list[str]:
    """Names of so many terms; one that another region has already takes its next term, too."""
    taken: set[str] = set()
    names = []
    for terms, size in zip(texts, sizes, strict=True):
        longer = (", ".join(terms[:more]) for more in range(size, len(terms) + 1))
        name = next((one for one in longer if one not in taken), ", ".join(terms[:size]))
        taken.add(name)
        names.append(name)
    return names


def unlike(names: Sequence[str]) -> list[str]:
    """The same names, numbered where they are there already.

    >>> unlike(["sea", "road", "sea"])
    ['sea', 'road', 'sea (2)']
    """
    found: list[str] = []
    for name in names:
        shown, again = name, 2
        while shown in found:
            shown, again = f"{name} ({again})", again + 1
        found.append(shown)
    return found


def _by_value(
    number: int, clusters: Int32, documents: Sequence[str | None], metadatas: Sequence[Metadata | None]
) -> str:
    """What a region is called in which no phrase comes twice: by a metadata value that half of its records have."""
    rows = np.flatnonzero(clusters == number)[:_LONGEST].tolist()
    share = 0.5 if any(documents[row] for row in rows) else 0.0
    return _common([metadatas[row] for row in rows], share) or f"region {number + 1}"


def _common(metadatas: Sequence[Metadata | None], share: float) -> str:
    """The most frequent value, where this share of the records has it."""
    pairs: Counter[tuple[str, str]] = Counter(
        (key, value) for metadata in metadatas for key, value in (metadata or {}).items() if isinstance(value, str)
    )
    if not pairs or max(pairs.values()) < share * len(metadatas):
        return ""
    return str(min(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[0][1])[:60]


# --- Names as numbers -----------------------------------------------------------------------------------
#: Records that are noted of a term: one of them will still say it.
_WITNESSES: Final = 3
_NUMBERED: Final = re.compile(r" \(\d+\)$")


def spans(names: Sequence[str], clusters: Int32, documents: Sequence[str | None]) -> Ints:
    """Where the terms of names stand in documents: number of the name, place of the term, row, start, stop, checksum.

    So names can be kept without keeping text. A name that is not made of what documents say has no line.

    >>> found = spans(["sea"], np.array([0], np.int32), ["At sea"])
    >>> found[:, :5].tolist(), told(found, 1, ["At sea"]), told(found, 1, ["At land"])
    ([[0, 0, 0, 3, 6]], ['sea'], None)
    """
    lines: list[tuple[int, ...]] = []
    for number, name in enumerate(names):
        rows = np.flatnonzero(clusters == number).tolist()
        for place, term in enumerate(_NUMBERED.sub("", name).split(", ")):
            noted = 0
            for row in rows:
                start = (documents[row] or "").lower().find(term)
                if start >= 0:
                    lines.append((number, place, row, start, start + len(term), _checksum(term)))
                    noted += 1
                if noted == _WITNESSES:
                    break
    return np.array(lines, np.int64).reshape(-1, 6)


def told(lines: Ints, count: int, documents: Sequence[str | None], given: Container[int] = ()) -> list[str] | None:
    """The names of so many regions, read from the documents again; None where one of them is not to be had.

    Those that have a name that was ``given`` may have none.
    """
    terms: list[dict[int, str]] = [{} for _ in range(count)]
    places: list[set[int]] = [set() for _ in range(count)]
    for number, place, row, start, stop, checksum in lines.tolist():
        if not (0 <= number < count and row < len(documents)):
            return None
        places[number].add(place)
        text = (documents[row] or "").lower()[start:stop] if row >= 0 else ""  # below: the record is gone
        if text and _checksum(text) == checksum:
            terms[number].setdefault(place, text)
    for number, (own, wanted) in enumerate(zip(terms, places, strict=True)):
        if number in given:
            continue
        if not wanted or own.keys() != wanted or wanted != set(range(len(wanted))):
            return None
    return unlike([", ".join(own[place] for place in sorted(own)) for own in terms])


def _checksum(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=7).digest(), "big")
