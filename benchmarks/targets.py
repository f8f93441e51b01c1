"""The rows of the table, and what a figure of ours must reach at each size, beside another figure of the same run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from measures import BATCHES
from workload import CONDITIONS, Condition

OURS = "chroma_nb"
#: Ours of an earlier run, which a report takes as a system of this name.
BEFORE = "before"
TEN, HUNDRED, MILLION = 10_000, 100_000, 1_000_000
#: How many times as long still counts as the same time.
SAME = 1.25
#: What one is, in seconds or bytes.
UNITS = {"ms": 1e-3, "s": 1.0, "MB": 2.0**20}

#: A row, a system and a size -> the figure, in seconds or bytes; None where there is none.
Lookup = Callable[[str, str, int], float | None]


@dataclass(frozen=True)
class Target:
    """Ours must be contained ``factor`` times in the figure of ``system``, or in another row or size of our own."""

    factor: float
    system: str = OURS
    row: str | None = None
    n: int | None = None
    stretch: float | None = None

    def reached(self, row: Row, n: int, ours: float, lookup: Lookup) -> float | None:
        """What ``met`` judges; None when what to compare with was not measured."""
        other = lookup(self.row or row.key, self.system, self.n or n)
        return None if other is None else other / ours

    def met(self, reached: float) -> bool:
        return reached >= self.factor

    def text(self, row: Row) -> str:
        reference = "its own" if self.system == OURS else self.system
        reference += f" “{LABELS[self.row]}”" if self.row else ""
        reference += f" at {self.n:,}" if self.n else ""
        return f"{self.factor:.2g} × {reference}" + (f" (stretch {self.stretch:g})" if self.stretch else "")


@dataclass(frozen=True)
class Limit:
    """Ours may be ``most``, in the unit of the row."""

    most: float
    stretch: float | None = None

    def reached(self, row: Row, n: int, ours: float, lookup: Lookup) -> float | None:
        return ours / UNITS[row.unit]

    def met(self, reached: float) -> bool:
        return reached <= self.most

    def text(self, row: Row) -> str:
        return f"≤ {self.most:g} {row.unit}"


@dataclass(frozen=True)
class Row:
    """A row of the table.

    ``part``: which number of our figure the targets look at. ``others``: the figure of others to show in this row,
    where they have one for what we have two.
    """

    key: str
    label: str
    unit: str = "ms"
    targets: dict[int, tuple[Target | Limit, ...]] = field(default_factory=dict)
    part: str = "wall"
    others: str | None = None

    def key_of(self, system: str) -> str:
        return self.key if self.others is None or system in (OURS, BEFORE) else self.others


def chromadb(factor: float, stretch: float | None = None) -> Target:
    return Target(factor, "chromadb", stretch=stretch)


def lancedb(factor: float) -> Target:
    return Target(factor, "lancedb")


def as_at_100_000(times: float = 1) -> Target:
    """No longer than ``times`` as long as with 100,000 records."""
    return Target(1 / (times * SAME), n=HUNDRED)


def both(*targets: Target | Limit) -> dict[int, tuple[Target | Limit, ...]]:
    return {TEN: targets, HUNDRED: targets}


#: Filters with a target of their own at 100,000.
FILTER_FLOORS = {("correlated", 0.1): 50, ("random", 0.5): 50, ("correlated", 0.5): 50}


def filter_row(condition: Condition) -> Row:
    floor = chromadb(FILTER_FLOORS.get((condition.kind, condition.share), 25))
    return Row(
        condition.name,
        f"query, {condition.kind} filter allows {condition.share:.1%}",
        targets={
            TEN: (Target(1 / SAME, BEFORE), chromadb(25)),
            HUNDRED: (floor,),
            MILLION: (Target(1, row="query_1"),),
        },
    )


def queries(batch: int) -> str:
    return "one query" if batch == 1 else f"{batch} queries in one call"


#: Queries right after adding, by the size of the batch.
QUERY_TARGETS: dict[int, dict[int, tuple[Target | Limit, ...]]] = {
    1: {TEN: (chromadb(2.8, 3.5),), HUNDRED: (chromadb(0.7, 1.2), lancedb(12)), MILLION: (Target(3, "numpy"),)},
    200: {TEN: (chromadb(2.2, 3),), HUNDRED: (chromadb(1.5, 3),), MILLION: (Target(3, "numpy"),)},
}
AT_ONCE = Limit(100)  # milliseconds: a person does not notice

ROWS = [
    Row("import", "import", "s", {TEN: (chromadb(7),)}),
    Row("add", "add", "s", both(chromadb(30))),
    Row("add", "add: our CPU time against the time of others", "s", both(lancedb(1 / 1.3)), part="cpu"),
    Row("add_relaxed", "add, durability “process”", "s", both(lancedb(1)), others="add"),
    Row("add_longest", "add, longest call"),
    Row("add_first_tenth", "add, first tenth", "s"),
    Row("add_last_tenth", "add, last tenth", "s", {MILLION: (Target(0.8, row="add_first_tenth"),)}),
    Row("first_query", "first query after adding", targets=dict.fromkeys((TEN, HUNDRED, MILLION), (AT_ONCE,))),
    *(Row(f"query_{batch}", queries(batch), targets=QUERY_TARGETS.get(batch, {})) for batch in BATCHES),
    *map(filter_row, CONDITIONS),
    Row("index_wait", "until an index is built", "s"),
    Row("index_size", "index", "MB"),
    *(Row(f"indexed_{batch}", f"{queries(batch)}, HNSW built", others=f"query_{batch}") for batch in BATCHES),
    Row("get_1", "get one id", targets={TEN: (chromadb(25),), HUNDRED: (chromadb(20),), MILLION: (as_at_100_000(),)}),
    Row(
        "get_100", "get 100 ids", targets={TEN: (chromadb(15),), HUNDRED: (chromadb(10),), MILLION: (as_at_100_000(),)}
    ),
    Row("get_where", "get where, limit 10", targets=both(chromadb(25))),
    Row("to_df", "to_df", targets=both(lancedb(1 / 1.3))),
    Row("to_arrow", "to_arrow", targets=both(lancedb(1 / 1.3))),
    Row("get_all", "get everything", targets={TEN: (chromadb(25),), HUNDRED: (Limit(130),)}),
    Row("parquet", "to_parquet", "s"),
    Row("parquet_memory", "to_parquet, memory", "MB", {MILLION: (as_at_100_000(),)}),
    Row(
        "update",
        "update 1 %",
        targets={TEN: (chromadb(20),), HUNDRED: (chromadb(20), lancedb(1)), MILLION: (as_at_100_000(10),)},
    ),
    Row(
        "delete",
        "delete where, 1 %",
        targets={TEN: (chromadb(20),), HUNDRED: (chromadb(20), lancedb(1)), MILLION: (as_at_100_000(10),)},
    ),
    Row("start", "new process: import, open, first query", "s", {TEN: (chromadb(10),), HUNDRED: (chromadb(5),)}),
    Row(
        "open",
        "open and first query, loaded",
        "s",
        {TEN: (lancedb(1),), HUNDRED: (lancedb(1 / 1.5),), MILLION: (Limit(0.4),)},
    ),
    Row("start_get", "new process: import, open, get one id", "s"),
    Row("open_get", "open and get one id, loaded", targets={MILLION: (Limit(20),)}),
    Row("memory_open", "private memory after opening", "MB", {MILLION: (Limit(150),)}),
    Row("disk", "disk, less cache/", "MB", both(chromadb(2))),
]
LABELS = {row.key: row.label for row in reversed(ROWS)}
