"""Records and filters for Hypothesis: few keys, few values, many collisions."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

KEYS = ("a", "b", "tags", "dot.ted", "ключ")
WORDS = ("", "x", "y", "xy", "1", "True", "é", "x" * 40, "'; DROP TABLE--")
EXTREMES = (2**53, 2**53 + 1, 2**53 - 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2.0**53, 2.0**63, -(2.0**63), 1e308, 5e-324)
FRACTIONS = (0.5, 1.5, -0.5, 2.000000001)
SMALL = (-1, 0, 1, 2, 3, -1.0, 0.0, -0.0, 1.0, 2.0)

keys = st.sampled_from(KEYS)
words = st.sampled_from(WORDS)
#: Numbers on which Chroma and arithmetic agree.
plain_numbers = st.sampled_from(SMALL)
numbers = (
    st.sampled_from(SMALL + FRACTIONS + EXTREMES)
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
needles = st.sampled_from(("x", "y", "xy", "é", "moon", "%", "_", "\n", "Moon landing"))
#: Patterns that mean the same to every engine.
patterns = st.sampled_from(("x", "^x", "y$", "x.y", "(?i)MOON", "[xy]+é", "mo{2}n|sun", r"\bx", "^$"))
documents = st.none() | st.sampled_from(
    ("", "x", "xy", "x y", "the moon", "Moon landing", "100% sun_shine", "x\ny", "yé xyé", "X")
)


def values(number: st.SearchStrategy[Any] = numbers) -> st.SearchStrategy[Any]:
    """A value that a record may hold."""
    return st.one_of(number, words, st.booleans(), lists(number))


def lists(number: st.SearchStrategy[Any] = numbers) -> st.SearchStrategy[list[Any]]:
    """A list value: not empty, of one type."""
    ints, floats = (number.filter(lambda value, kind=kind: type(value) is kind) for kind in (int, float))
    return st.one_of(*(st.lists(kind, min_size=1, max_size=3) for kind in (ints, floats, words, st.booleans())))


def metadatas(number: st.SearchStrategy[Any] = numbers) -> st.SearchStrategy[dict[str, Any] | None]:
    """A record's metadata; None where it has none."""
    return st.none() | st.dictionaries(keys, values(number), min_size=1, max_size=4)


def conditions(number: st.SearchStrategy[Any] = numbers) -> st.SearchStrategy[Any]:
    """What a key is asked."""
    scalars = st.one_of(number, words, st.booleans())
    ints, floats = (number.filter(lambda value, kind=kind: type(value) is kind) for kind in (int, float))
    several = st.one_of(*(st.lists(kind, min_size=1, max_size=4) for kind in (ints, floats, words, st.booleans())))

    def asked(names: tuple[str, ...], operand: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
        return st.builds(lambda name, value: {name: value}, st.sampled_from(names), operand)

    return st.one_of(
        scalars,
        asked(("$eq", "$ne", "$contains", "$not_contains"), scalars),
        asked(("$gt", "$gte", "$lt", "$lte"), number),
        asked(("$in", "$nin"), several),
    )


def _junctions(terms: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda name, members: {name: members},
        st.sampled_from(("$and", "$or")),
        st.lists(terms, min_size=2, max_size=3),
    )


document_tests = st.builds(
    lambda name, operand: {name: operand}, st.sampled_from(("$contains", "$not_contains")), needles
) | st.builds(lambda name, operand: {name: operand}, st.sampled_from(("$regex", "$not_regex")), patterns)
where_documents = st.recursive(document_tests, _junctions, max_leaves=4)


def wheres(number: st.SearchStrategy[Any] = numbers, *, ours: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """A filter on metadata, now and then on the document too; with ``ours`` also by operators that Chroma lacks."""
    of_document = st.builds(
        lambda name, needle: {"#document": {name: needle}}, st.sampled_from(("$contains", "$not_contains")), needles
    )
    comparison = st.builds(lambda key, condition: {key: condition}, keys, conditions(number))
    presence = st.builds(lambda key, there: {key: {"$exists": there}}, keys | st.just("#document"), st.booleans())
    terms = [comparison, comparison, comparison, of_document, *([presence] if ours else [])]
    return st.recursive(st.one_of(*terms), _junctions, max_leaves=6)
