"""Conditions: what a record must satisfy, as a tree. The dicts of ``where`` and ``K`` expressions build the same one.

The classes are Chroma's (``chromadb.execution.expression``). ``parsing.py`` reads the dicts of ``where`` and
``where_document``; ``Where.from_dict`` reads the dicts of ``Search``, with Chroma's messages for those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, cast

from chroma_nb.plain import plain
from chroma_nb.query.expression import MAX_DEPTH, Expression, Write, as_dict, joined, plain_dict, type_error
from chroma_nb.query.operators import OPERATORS, Operator, kind_names
from chroma_nb.types import Json, LiteralValue

#: The key under which a condition asks the document.
DOCUMENT_KEY: Final = "#document"


@dataclass(repr=False)
class Where(Expression):
    """A condition on a record. Combine conditions with ``&`` (and) and ``|`` (or).

    Examples
    --------
    >>> ((K("year") > 1960) & (K("topic") == "moon")).to_dict()
    {'$and': [{'year': {'$gt': 1960}}, {'topic': {'$eq': 'moon'}}]}
    """

    @staticmethod
    def from_dict(data: Json) -> Where:
        """Create a condition from a dict.

        Raises
        ------
        TypeError, ValueError
            The dict does not describe a condition.

        Examples
        --------
        >>> Where.from_dict({"year": {"$gt": 1960}})
        Gt(key='year', value=1960)
        """
        return _where_from_dict(plain_dict(data, "Where"), MAX_DEPTH)

    def __and__(self, other: Where) -> And:
        return joined(And, "conditions", (self, other))

    def __or__(self, other: Where) -> Or:
        return joined(Or, "conditions", (self, other))


@dataclass(repr=False)
class And(Where):
    """All of the conditions hold."""

    conditions: list[Where]

    def _form(self, write: Write) -> Json:
        return {"$and": [write(condition) for condition in self.conditions]}


@dataclass(repr=False)
class Or(Where):
    """At least one of the conditions holds."""

    conditions: list[Where]

    def _form(self, write: Write) -> Json:
        return {"$or": [write(condition) for condition in self.conditions]}


class Condition(Where):
    """A condition on one metadata key or on the document."""

    __match_args__: ClassVar[tuple[str, ...]]  # the names of the fields, as every dataclass has them
    key: str
    operator: str  # the name of its row in the table of operators

    @property
    def operand(self) -> Any:
        """The value that the condition compares with."""
        return getattr(self, self.__match_args__[1])

    def _form(self, write: Write) -> Json:
        key, operand = (getattr(self, name) for name in self.__match_args__[:2])
        return {key: {self.operator: operand}}


@dataclass(repr=False)
class Eq(Condition):
    """The value equals the operand."""

    operator = "$eq"
    key: str
    value: Any


@dataclass(repr=False)
class Ne(Condition):
    """The value does not equal the operand, or the record lacks the key."""

    operator = "$ne"
    key: str
    value: Any


@dataclass(repr=False)
class Gt(Condition):
    """The value is greater than the operand."""

    operator = "$gt"
    key: str
    value: Any


@dataclass(repr=False)
class Gte(Condition):
    """The value is greater than or equal to the operand."""

    operator = "$gte"
    key: str
    value: Any


@dataclass(repr=False)
class Lt(Condition):
    """The value is less than the operand."""

    operator = "$lt"
    key: str
    value: Any


@dataclass(repr=False)
class Lte(Condition):
    """The value is less than or equal to the operand."""

    operator = "$lte"
    key: str
    value: Any


@dataclass(repr=False)
class In(Condition):
    """The value is one of the operands."""

    operator = "$in"
    key: str
    values: list[Any]


@dataclass(repr=False)
class Nin(Condition):
    """The value is not one of the operands, or the record lacks the key."""

    operator = "$nin"
    key: str
    values: list[Any]


@dataclass(repr=False)
class Contains(Condition):
    """The document contains a text, or a metadata list contains an element."""

    operator = "$contains"
    key: str
    value: LiteralValue


@dataclass(repr=False)
class NotContains(Condition):
    """The document does not contain a text, or a metadata list does not contain an element."""

    operator = "$not_contains"
    key: str
    value: LiteralValue


@dataclass(repr=False)
class Regex(Condition):
    """The regular expression matches a part of the document."""

    operator = "$regex"
    key: str
    pattern: str


@dataclass(repr=False)
class NotRegex(Condition):
    """The regular expression matches no part of the document."""

    operator = "$not_regex"
    key: str
    pattern: str


@dataclass(repr=False)
class Exists(Condition):
    """The record has the key or, with the operand False, lacks it. Chroma has no such condition."""

    operator = "$exists"
    key: str
    value: bool


@dataclass(repr=False)
class Asked(Condition):
    """A condition with an operator that has no class of its own."""

    key: str
    value: Any
    operator: str


#: The classes that Chroma has for operators, by the operator.
_CLASSES: Final[dict[str, type[Any]]] = {
    kind.operator: kind for kind in (Eq, Ne, Gt, Gte, Lt, Lte, In, Nin, Contains, NotContains, Regex, NotRegex, Exists)
}


def condition(operator: str, key: str, operand: object) -> Condition:
    """The condition that ``{key: {operator: operand}}`` means.

    >>> condition("$in", "topic", ["moon", "mars"])
    In(key='topic', values=['moon', 'mars'])
    """
    kind = _CLASSES.get(operator)
    return Asked(key, operand, operator) if kind is None else kind(key, operand)


class Key:
    """A metadata key, or a field of the record, with which to build conditions. ``K`` is a short name for it.

    Comparisons (``==``, ``!=``, ``>``, ``>=``, ``<``, ``<=``) and the methods below return conditions. Combine
    conditions with ``&`` and ``|``, and put each comparison in parentheses. ``K.ID``, ``K.DOCUMENT``, ``K.EMBEDDING``,
    ``K.METADATA`` and ``K.SCORE`` are the fields of a record.

    Parameters
    ----------
    name
        The metadata key.

    Examples
    --------
    >>> (K("year") >= 1960).to_dict(), K.DOCUMENT.contains("moon").to_dict()
    ({'year': {'$gte': 1960}}, {'#document': {'$contains': 'moon'}})
    """

    ID: ClassVar[Key]
    DOCUMENT: ClassVar[Key]
    EMBEDDING: ClassVar[Key]
    METADATA: ClassVar[Key]
    SCORE: ClassVar[Key]

    def __init__(self, name: str) -> None:
        self.name = name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Key({self.name!r})"

    def __eq__(self, value: object) -> Eq:  # type: ignore[override]  # a condition, as Chroma's
        return Eq(self.name, value)

    def __ne__(self, value: object) -> Ne:  # type: ignore[override]  # a condition, as Chroma's
        return Ne(self.name, value)

    def __gt__(self, value: object) -> Gt:
        return Gt(self.name, value)

    def __ge__(self, value: object) -> Gte:
        return Gte(self.name, value)

    def __lt__(self, value: object) -> Lt:
        return Lt(self.name, value)

    def __le__(self, value: object) -> Lte:
        return Lte(self.name, value)

    def is_in(self, values: list[object]) -> In:
        """The value is one of ``values``."""
        return In(self.name, values)

    def not_in(self, values: list[object]) -> Nin:
        """The value is not one of ``values``, or the record lacks the key."""
        return Nin(self.name, values)

    def regex(self, pattern: str) -> Regex:
        """The regular expression matches a part of the document. For ``K.DOCUMENT`` only."""
        return Regex(self.name, pattern)

    def not_regex(self, pattern: str) -> NotRegex:
        """The regular expression matches no part of the document. For ``K.DOCUMENT`` only."""
        return NotRegex(self.name, pattern)

    def exists(self, wanted: bool = True) -> Exists:
        """The record has the key; with ``wanted=False``, it lacks the key.

        Chroma has no such condition, and its server refuses it.
        """
        return Exists(self.name, wanted)

    def contains(self, value: LiteralValue) -> Contains:
        """The document (``K.DOCUMENT``) or the list under this key contains ``value``.

        Raises
        ------
        TypeError
            The key is ``K.DOCUMENT`` and ``value`` is not a text.
        """
        _check_asked_of_document("$contains", self.name, value)
        return Contains(self.name, value)

    def not_contains(self, value: LiteralValue) -> NotContains:
        """The document (``K.DOCUMENT``) or the list under this key does not contain ``value``.

        Raises
        ------
        TypeError
            The key is ``K.DOCUMENT`` and ``value`` is not a text.
        """
        _check_asked_of_document("$not_contains", self.name, value)
        return NotContains(self.name, value)


def _check_asked_of_document(operator: str, key: str, operand: object) -> None:
    if key == DOCUMENT_KEY and not isinstance(operand, str):
        raise TypeError(f"{operator} on {DOCUMENT_KEY} requires a string pattern")


Key.ID = Key("#id")
Key.DOCUMENT = Key("#document")
Key.EMBEDDING = Key("#embedding")
Key.METADATA = Key("#metadata")
Key.SCORE = Key("#score")
K = Key


def name_of(key: Key | str) -> str:
    """The name of a key.

    >>> name_of(K("year")), name_of("year")
    ('year', 'year')
    """
    return cast(str, plain(key.name if isinstance(key, Key) else key))


# --- From the dicts of Search ----------------------------------------------------------------------
def _where_from_dict(data: Any, levels: int) -> Where:
    if levels <= 0:
        raise ValueError(f"Where dict is nested more than {MAX_DEPTH} levels deep")
    if not as_dict(data, "Where"):
        raise ValueError("Where dict cannot be empty")
    for name, kind in (("$and", And), ("$or", Or)):
        if name in data:
            return _junction_from_dict(data, name, kind, levels)
    if len(data) != 1:
        raise ValueError(f"Where dict must contain exactly one field, got {len(data)}")
    ((key, asked),) = data.items()
    if not isinstance(key, str):
        type_error("Field name", "must be a string", key)
    return _condition_from_dict(key, asked) if isinstance(asked, dict) else Key(key) == asked


def _junction_from_dict(data: Json, name: str, kind: type[And] | type[Or], levels: int) -> Where:
    terms = data[name]
    if not isinstance(terms, list):
        type_error(name, "must be a list", terms)
    if not terms:
        raise ValueError(f"{name} requires at least one condition")
    if len(data) > 1:
        raise ValueError(f"{name} cannot be combined with other fields in the same dict")
    conditions = [_where_from_dict(term, levels - 1) for term in terms]
    return conditions[0] if len(conditions) == 1 else joined(kind, "conditions", conditions)


def _condition_from_dict(key: str, asked: Json) -> Where:
    if not asked:
        raise ValueError(f"Operator dict for field '{key}' cannot be empty")
    if len(asked) != 1:
        raise ValueError(f"Operator dict for field '{key}' must contain exactly one operator")
    ((operator, operand),) = asked.items()
    row = OPERATORS.get(operator)
    if row is None:
        raise ValueError(f"Unknown operator: {operator}")
    kind, words = _taken(row)
    if not isinstance(operand, kind):
        type_error(operator, f"requires {words}", operand)
    if row.document:
        _check_asked_of_document(operator, key, operand)
    return condition(operator, key, operand)


def _taken(row: Operator) -> tuple[Any, str]:
    """What Chroma checks here of an operand, and its words for that; the rest it leaves to its engine."""
    if row.many:
        return list, "a list"
    if row.metadata is None:
        return str, "a string pattern"
    if row.ours:
        return tuple(row.kinds), f"a {kind_names(row)}"
    return (str | int | float, "a str, int, float, or bool") if row.document else (object, "")
