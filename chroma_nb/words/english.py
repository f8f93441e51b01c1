"""English words: which say nothing, and which are forms of one (Porter's second stemmer, as Snowball 3 has it).

The stemmer is our own because indexes are kept: a stem must not change with the version of a package. The package
snowballstemmer, which Chroma uses, gives the same stems from its version 3 on; that is tested, here it is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

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

#: Words whose stem no rule gives.
_EXCEPTIONS: Final = MappingProxyType(
    {
        "skis": "ski",
        "skies": "sky",
        "idly": "idl",
        "gently": "gentl",
        "ugly": "ugli",
        "early": "earli",
        "only": "onli",
        "singly": "singl",
        **{word: word for word in ("sky", "news", "howe", "atlas", "cosmos", "bias", "andes")},
    }
)
#: Before -eed and -ing, where they belong to the word.
_WHOLE_EED: Final = frozenset(("succ", "proc", "exc"))
_WHOLE_ING: Final = frozenset(("even", "cann", "inn", "earr", "herr", "out"))

#: Ending -> what stands in its place.
_Endings: TypeAlias = Mapping[str, str]

_LONG: Final[_Endings] = {
    "tional": "tion",
    "enci": "ence",
    "anci": "ance",
    "abli": "able",
    "entli": "ent",
    "izer": "ize",
    "ization": "ize",
    "ational": "ate",
    "ation": "ate",
    "ator": "ate",
    "alism": "al",
    "aliti": "al",
    "alli": "al",
    "fulness": "ful",
    "fulli": "ful",
    "ousli": "ous",
    "ousness": "ous",
    "iveness": "ive",
    "iviti": "ive",
    "biliti": "ble",
    "bli": "ble",
    "ogi": "og",
    "ogist": "og",
    "lessli": "less",
    "li": "",
}
_LATIN: Final[_Endings] = {
    "tional": "tion",
    "ational": "ate",
    "alize": "al",
    "icate": "ic",
    "iciti": "ic",
    "ical": "ic",
    "ful": "",
    "ness": "",
    "ative": "",
}
_LAST: Final[_Endings] = dict.fromkeys(
    (
        *("al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ism", "ate", "iti"),
        *("ous", "ive", "ize", "ion"),
    ),
    "",
)


def _by_last_letters(endings: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Two last letters -> the endings with them, longest first: most words have none, and one look tells."""
    found: dict[str, tuple[str, ...]] = {}
    for ending in sorted(endings, key=len, reverse=True):
        found[ending[-2:]] = (*found.get(ending[-2:], ()), ending)
    return MappingProxyType(found)


_LONG_BY_LETTERS: Final = _by_last_letters(_LONG)
_LATIN_BY_LETTERS: Final = _by_last_letters(_LATIN)
_LAST_BY_LETTERS: Final = _by_last_letters(_LAST)

_VOWELS: Final = "aeiouy"
#: A y that begins the word or follows a vowel is a consonant; it is written Y meanwhile.
_CONSONANT_Y: Final = re.compile("(^|[aeiouy])y")
#: Past the first vowel and the consonant after it; the region behind is what a long ending may be taken from.
_REGION: Final = re.compile("[^aeiouy]*[aeiouy]+[^aeiouy]")
#: Beginnings after which the region starts, though the rule has it elsewhere.
_PREFIXES: Final = re.compile("univers|commun|emerg|arsen|gener|inter|later|organ|past")
_VOWEL: Final = re.compile("[aeiouy]")
#: What ends in a short syllable.
_SHORT: Final = re.compile(r".*[^aeiouy][aeiouy][^aeiouywxY]\Z|[aeiouy][^aeiouy]\Z|.*past\Z", re.DOTALL)


def stem(word: str) -> str:
    """The stem of an English word in lower case: the part that its forms share, seldom a word itself.

    >>> [stem(word) for word in ("running", "organization", "organs", "skies", "dying")]
    ['run', 'organiz', 'organ', 'sky', 'die']
    """
    if word in _EXCEPTIONS:
        return _EXCEPTIONS[word]
    if len(word) < 3:
        return word
    if "y" in word or "'" in word:
        word = _CONSONANT_Y.sub(r"\1Y", word.removeprefix("'"))
    first, second = _regions(word)
    word = _without_plural(word)
    word = _without_past(word, first)
    if len(word) > 2 and word[-1] in "yY" and word[-2] not in _VOWELS:
        word = word[:-1] + "i"
    word = _shorten_long(word, first)
    word = _shorten_latin(word, first, second)
    word = _without_last(word, second)
    word = _without_silent(word, first, second)
    return word.replace("Y", "y")


def _regions(word: str) -> tuple[int, int]:
    """Where the first and the second region start; the word's end where there is none."""
    start = _PREFIXES.match(word) or _REGION.match(word)
    if start is None:
        return len(word), len(word)
    after = _REGION.match(word, start.end())
    return start.end(), len(word) if after is None else after.end()


def _ending(word: str, endings: Mapping[str, tuple[str, ...]]) -> str:
    """The longest of the endings that the word has, or the empty text."""
    for ending in endings.get(word[-2:], ()):
        if word.endswith(ending):
            return ending
    return ""


def _is_short(word: str) -> bool:
    return _SHORT.match(word) is not None


def _without_plural(word: str) -> str:
    if word[-1:] == "'" or word.endswith("'s"):
        word = word.removesuffix("'").removesuffix("'s")
    if word[-1:] == "s":
        if word.endswith("sses"):
            return word[:-2]
        if word.endswith("ies"):
            return word[:-2] if len(word) > 4 else word[:-1]
        if word[-2:] not in ("us", "ss") and _VOWEL.search(word, 0, len(word) - 2):
            return word[:-1]
    elif word.endswith("ied"):
        return word[:-2] if len(word) > 4 else word[:-1]
    return word


def _without_past(word: str, first: int) -> str:
    """Without -ed, -ing, and their -ly; what they had changed is put back (hoping: hope, hopping: hop)."""
    base = word.removesuffix("ly")
    if base.endswith("eed"):
        root = base[:-3]
        return root + "ee" if len(root) >= first and root not in _WHOLE_EED else word
    if base.endswith("ed"):
        root = base[:-2]
    elif base.endswith("ing"):
        root = base[:-3]
        if base is word:  # without -ly
            if len(root) == 2 and root[1] == "y" and root[0] not in _VOWELS:
                return root[0] + "ie"
            if root in _WHOLE_ING:
                return word
    else:
        return word
    if _VOWEL.search(root) is None:
        return word
    if root.endswith(("at", "bl", "iz")):
        return root + "e"
    if root.endswith(("bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt")):
        return root if len(root) == 3 and root[0] in "aeo" else root[:-1]
    return root + "e" if len(root) == first and _is_short(root) else root


def _shorten_long(word: str, first: int) -> str:
    ending = _ending(word, _LONG_BY_LETTERS)
    root = word[: len(word) - len(ending)]
    if not ending or len(root) < first:
        return word
    if (ending == "ogi" and root[-1:] != "l") or (ending == "li" and root[-1:] not in tuple("cdeghkmnrt")):
        return word
    return root + _LONG[ending]


def _shorten_latin(word: str, first: int, second: int) -> str:
    ending = _ending(word, _LATIN_BY_LETTERS)
    root = word[: len(word) - len(ending)]
    if not ending or len(root) < (second if ending == "ative" else first):
        return word
    return root + _LATIN[ending]


def _without_last(word: str, second: int) -> str:
    ending = _ending(word, _LAST_BY_LETTERS)
    root = word[: len(word) - len(ending)]
    if not ending or len(root) < second or (ending == "ion" and root[-1:] not in ("s", "t")):
        return word
    return root


def _without_silent(word: str, first: int, second: int) -> str:
    root = word[:-1]
    if word[-1:] == "e":
        return root if len(root) >= second or (len(root) >= first and not _is_short(root)) else word
    return root if word[-2:] == "ll" and len(root) >= second else word
