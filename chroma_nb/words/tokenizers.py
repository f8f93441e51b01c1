"""Tokenizers: which words a text has, and which term stands in an index for a word.

Two: Chroma's, for English, equal to chromadb's to the letter; and one of our own for every language. A term is what
words have in common that should find each other; a word without a term (a stop word) is not indexed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import chain, islice, pairwise
from typing import Final, Protocol

from chroma_nb._optional import require

#: The words that Chroma leaves out. Those with an apostrophe match nothing: a text is split there before.
STOP_WORDS: Final = tuple(  # a paragraph, not 180 lines
    """
    a about above after again against ain all am an and any are aren aren't as at be because been before being
    below between both but by can couldn couldn't d did didn didn't do does doesn doesn't doing don don't down
    during each few for from further had hadn hadn't has hasn hasn't have haven haven't having he her here hers
    herself him himself his how i if in into is isn isn't it it's its itself just ll m ma me mightn mightn't
    more most mustn mustn't my myself needn needn't no nor not now o of off on once only or other our ours
    ourselves out over own re s same shan shan't she she's should should've shouldn shouldn't so some such t
    than that that'll the their theirs them themselves then there these they this those through to too under
    until up ve very was wasn wasn't we were weren weren't what when where which while who whom why will with
    won won't wouldn wouldn't y you you'd you'll you're you've your yours yourself yourselves
    """.split()  # noqa: SIM905
)
_ENGLISH: Final = frozenset(STOP_WORDS)
_NOT_A_WORD: Final = re.compile(r"[^\w\s]+")
#: Words that are longer (a checksum, a line of base64) seldom come again, and would fill the memory.
_LONGEST_KEPT: Final = 40


def stem(word: str) -> str:
    """The stem of an English word in lower case: the part that its forms share, seldom a word itself.

    >>> [stem(word) for word in ("running", "organization", "skies", "dying")]
    ['run', 'organiz', 'sky', 'die']
    """
    return _kept_stem(word) if len(word) <= _LONGEST_KEPT else _stem(word)


def _stem(word: str) -> str:
    # A stemmer works on attributes of its own, so each word gets a new one (0.6 μs of 40): threads and signal
    # handlers do not meet in it.
    stemmer = require("snowballstemmer", feature="search by words").stemmer("english")
    return str(stemmer.stemWord(word)).strip()


_kept_stem = lru_cache(maxsize=1 << 17)(_stem)


class Tokenizer(Protocol):
    """Splits texts into words, and says which term is indexed for a word."""

    def words(self, text: str) -> Sequence[str]:
        """The words of a document in order, each as often as it occurs."""
        ...

    def query_words(self, text: str) -> Sequence[str]:
        """The words that a question looks for."""
        ...

    def term(self, word: str) -> str:
        """What is indexed for a word that ``words`` or ``query_words`` returned; "" when it is not indexed."""
        ...


class ChromaTokenizer:
    """Chroma's tokenizer of English: words in lower case without stop words, by their stems.

    Words longer than ``longest`` characters are left out. Text that is written without spaces is one long word.

    >>> tokenizer = ChromaTokenizer()
    >>> [tokenizer.term(word) for word in tokenizer.words("The foxes don't run!")]
    ['', 'fox', '', '', 'run']
    """

    def __init__(self, stop_words: Iterable[str] = STOP_WORDS, longest: int = 40) -> None:
        known = stop_words is STOP_WORDS
        self._stop_words = _ENGLISH if known else frozenset(word.lower() for word in stop_words)
        self._longest = longest

    def words(self, text: str) -> Sequence[str]:
        """The words of a text in order, each as often as it occurs."""
        return _NOT_A_WORD.sub(" ", text).lower().split()

    def query_words(self, text: str) -> Sequence[str]:
        """As ``words``."""
        return self.words(text)

    def term(self, word: str) -> str:
        """The word's stem; "" for a stop word and one that is too long."""
        return "" if word in self._stop_words or len(word) > self._longest else stem(word)


#: Scripts that are written without spaces between words, or whose words carry endings that nothing here cuts off
#: (Hangul): Han, Hiragana and Katakana, Hangul, Thai, Lao, Myanmar, Khmer.
_HAN: Final = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED: Final = (
    f"{_HAN}\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uac00-\ud7a3"
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ec0-\u0ec6"
    "\u1000-\u102a\u103f\u1050-\u1055\uaa60-\uaa7a\u1780-\u17b3"
)
#: Pictures: a pair of letters that is a flag, or one character.
_PICTURE: Final = "[\U0001f1e6-\U0001f1ff]{2}|[\u2600-\u27bf\u2b50\u2b55\U0001f300-\U0001f3fa\U0001f400-\U0001faff]"
#: Left out before a text is split, for they are written or not as one likes: soft hyphens and joiners, variation
#: selectors, the vowel signs of Hebrew and Arabic, the Arabic stretching.
_OPTIONAL: Final = re.compile(
    "[\u00ad\u200c\u200d\u2060\ufe00-\ufe0f\ufeff\u0591-\u05bd\u05bf\u05c1-\u05c7\u0610-\u061a\u0640\u064b-\u065f"
    "\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed]"
)
_IS_HAN: Final = re.compile(f"[{_HAN}]")
_ASCII_WORD: Final = re.compile("[a-z0-9]+")


class UnicodeTokenizer:
    """Our tokenizer for every language: words by Unicode's letters and digits, whatever their case or form.

    Words end where letters, digits and the marks on them end; "_" is no letter. Full-width, composed and capital forms
    are one (NFKC, casefold), ё is е, ß is ss; signs that may be left out (the vowels of Hebrew and Arabic) are. Runs
    of a script without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese), and Korean, become all pairs of
    neighbouring characters, a Chinese character also a word of its own, so that a question of one character finds it.
    A picture (🐦) is a word. No word is left out, none is cut to a stem; with ``english=True`` words of ASCII letters
    are, as in English, up to 40 of them.

    >>> UnicodeTokenizer().words("Größe: snake_case, 東京都!")
    ['grösse', 'snake', 'case', '東京', '京都', '東', '京', '都']
    >>> UnicodeTokenizer().query_words("東京都"), UnicodeTokenizer().query_words("都")
    (['東京', '京都'], ['都'])
    """

    def __init__(self, *, english: bool = False) -> None:
        self.english = english

    def words(self, text: str) -> Sequence[str]:
        """The words of a document in order; behind the pairs of a run of characters stand its Chinese ones."""
        return self._split(text, single=True)

    def query_words(self, text: str) -> Sequence[str]:
        """The words that a question looks for: pairs of characters, and single ones only where they stand alone."""
        return self._split(text, single=False)

    def spans(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Where words stand in a text as it is written: start, end, and the word as ``words`` has it.

        Where folding changes how long a run of letters is, each of its words is said to be the whole run.

        >>> list(UnicodeTokenizer().spans("Größe 東京都"))
        [(0, 5, 'grösse'), (6, 8, '東京'), (7, 9, '京都'), (6, 7, '東'), (7, 8, '京'), (8, 9, '都')]
        """
        if text.isascii():
            yield from ((*found.span(), found[0]) for found in _ASCII_WORD.finditer(text.lower()))
            return
        for run in _written_run().finditer(text):
            start, folded = run.start(), _folded(run[0])
            if len(folded) != len(run[0]):
                yield from ((*run.span(), word) for word in self._split(folded, single=True))
                continue
            for found in _word().finditer(folded):
                first, last = found.span()
                if found.lastgroup != "unspaced":
                    yield start + first, start + last, found[0]
                    continue
                parts = [part.span() for part in _character().finditer(folded, first, last)]
                pairs = [(before[0], after[1]) for before, after in pairwise(parts)] or parts
                pairs += [part for part in parts if len(parts) > 1 and _IS_HAN.match(folded, part[0])]
                yield from ((start + begin, start + end, folded[begin:end]) for begin, end in pairs)

    def term(self, word: str) -> str:
        """The word itself; of an English one, where that is asked for, its stem, or "" for a stop word."""
        if not self.english or not word.isascii() or len(word) > _LONGEST_KEPT:
            return word
        return "" if word in _ENGLISH else stem(word)

    def _split(self, text: str, *, single: bool) -> Sequence[str]:
        if text.isascii():
            return _ASCII_WORD.findall(text.lower())
        found: list[str] = []
        characters = _character()
        for word in _word().finditer(_folded(text)):
            if word.lastgroup != "unspaced":
                found.append(word[0])
                continue
            run = characters.findall(word[0])
            pairs = [before + after for before, after in pairwise(run)]
            found += pairs or run
            if single and pairs:
                found += filter(_IS_HAN.match, run)
        return found


def _folded(text: str) -> str:
    """The text in the form in which words are compared."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return _OPTIONAL.sub("", unicodedata.normalize("NFKC", text)).replace("ё", "е")


@cache
def _marks() -> str:
    """Unicode's marks as ranges of a character class; Python's ``re`` counts none of them as part of a word."""
    marks = [code for code in range(0x300, 0x1F000) if unicodedata.category(chr(code))[0] == "M"]
    starts = [code for before, code in pairwise([0, *marks]) if code != before + 1]
    ends = [code for code, after in pairwise([*marks, 0]) if after != code + 1]
    return "".join(f"{chr(start)}-{chr(end)}" for start, end in zip(starts, ends, strict=True))


@cache
def _character() -> re.Pattern[str]:
    """A character of a script without spaces, with its marks."""
    return re.compile(f"[{_UNSPACED}][{_marks()}]*")


@cache
def _word() -> re.Pattern[str]:
    unspaced, spaced = f"(?:[{_UNSPACED}][{_marks()}]*)+", rf"(?:[^\W_{_UNSPACED}][{_marks()}]*)+"
    return re.compile(f"(?P<unspaced>{unspaced})|{spaced}|{_PICTURE}")


@cache
def _written_run() -> re.Pattern[str]:
    """Letters and digits with their marks and what may be left out between them, or another character."""
    return re.compile(rf"(?:[^\W_]|[{_marks()}]|{_OPTIONAL.pattern})+|[\U0001f1e6-\U0001f1ff]{{2}}|[^\x00-\x7f\s]")


#: Words that every English text repeats, and hardly any other ("in", "was" and "so" are words of many languages).
ENGLISH_MARKS: Final = frozenset("the of and to that with for from this which are by is".split())  # noqa: SIM905
#: The stop words of English, each once.
ENGLISH_STOP_WORDS: Final = tuple(dict.fromkeys(STOP_WORDS))
#: What share of an English text's words they are at least.
_ENGLISH_SHARE: Final = 0.1
#: How many texts are looked at.
_SAMPLE: Final = 1000


def is_english(texts: Iterable[str]) -> bool:
    """Whether texts read as English, by the first thousand of them: by how often "the", "of" and their like occur.

    >>> is_english(["the cat sat on the mat"]), is_english(["die Katze saß auf der Matte"])
    (True, False)
    """
    words = list(chain.from_iterable(map(UnicodeTokenizer().words, islice(texts, _SAMPLE))))
    return reads_as_english(sum(map(ENGLISH_MARKS.__contains__, words)), len(words))


def reads_as_english(marks: float, words: float) -> bool:
    """Whether texts of so many words read as English, so many of which are ``ENGLISH_MARKS``."""
    return marks > _ENGLISH_SHARE * words
