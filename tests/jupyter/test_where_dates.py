"""Dates in ``--where``, in a helper and in tables, as they are stored: ISO texts, seconds, milliseconds."""

import datetime

import numpy as np
import pandas as pd
import pytest
from emptied_client import emptied_client

from chroma_nb.dates import compared, date_range, stored_as
from chroma_nb.jupyter.where_sql import WhereTextError, compile_where

DAYS = [datetime.datetime(2024, 1, 1) + datetime.timedelta(days=3 * i, hours=i) for i in range(60)]
FORMS = {
    "iso": lambda day: day.isoformat() + "Z",
    "day": lambda day: day.date().isoformat(),
    "s_at": lambda day: day.replace(tzinfo=datetime.UTC).timestamp(),
    "ms_at": lambda day: int(day.replace(tzinfo=datetime.UTC).timestamp() * 1000),
}


@pytest.fixture(params=["chroma_nb", "chromadb"])
def tickets(request):
    with emptied_client(request.param) as client:
        made = client.create_collection("tickets", embedding_function=None)
        metadatas = [{name: form(day) for name, form in FORMS.items()} | {"year": 2024} for day in DAYS]
        made.add([f"t{i:02}" for i in range(60)], np.zeros((60, 2)), [*metadatas[:-1], {"year": 2024}])
        yield made


def days(found):
    return [DAYS[int(id_[1:])] for id_ in found["ids"]]


@pytest.mark.parametrize("key", FORMS)
@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
@pytest.mark.parametrize("negated", [False, True])
def test_dates_are_compared_by_the_whole_month_however_they_are_stored(tickets, key, operator, negated):
    text = f"{'not ' if negated else ''}{key} {operator} '2024-03'"
    found = days(tickets.get(where=compile_where(text, dated=lambda *asked: compared(tickets, *asked)).where))
    holds = {"<": lambda m: m < 3, "<=": lambda m: m <= 3, ">": lambda m: m > 3, ">=": lambda m: m >= 3}[operator]
    assert found == [day for day in DAYS[:-1] if holds(day.month) != negated]


@pytest.mark.parametrize("key", FORMS)
def test_a_range_includes_its_last_day(tickets, key):
    wanted = [day for day in DAYS[:-1] if datetime.datetime(2024, 2, 1) <= day < datetime.datetime(2024, 3, 14)]
    dated = lambda *asked: compared(tickets, *asked)  # noqa: E731
    between = compile_where(f"{key} between '2024-02' and '2024-03-13' and year = 2024", dated=dated).where
    for where in (between, date_range(tickets, key, "2024-02", datetime.date(2024, 3, 13))):
        assert days(tickets.get(where=where)) == wanted


def test_what_has_no_dates_is_refused_where_it_stands(tickets):
    dated = lambda *asked: compared(tickets, *asked)  # noqa: E731
    for text, sentence in {
        "year > '2020'": "'year' has no dates",
        "iso > 'last week'": "> compares numbers and dates, got 'last week'",
        "iso between 'May' and '2024-13'": "expected a number or a date, got 'May'",
    }.items():
        with pytest.raises(WhereTextError, match=sentence) as refused:
            compile_where(text, dated=dated)
        assert refused.value.position == text.index("'")
    with pytest.raises(WhereTextError, match="> compares numbers"):
        compile_where("iso > '2024'")
    with pytest.raises(ValueError, match="expected start or end"):
        date_range(tickets, "iso")


@pytest.mark.parametrize("key", FORMS)
def test_an_empty_range_is_a_part_of_a_filter_like_any_other(tickets, key):
    dated = lambda *asked: compared(tickets, *asked)  # noqa: E731
    later = compile_where(f"{key} > '2030' or year = 2024", dated=dated).where
    assert len(tickets.get(where=later)["ids"]) == len(DAYS)
    assert len(tickets.get(where=compile_where(f"not {key} > '2030'", dated=dated).where)["ids"]) == len(DAYS) - 1
    for where in (compile_where(f"{key} > '2030'", dated=dated).where, date_range(tickets, key, "2030", "2031")):
        assert tickets.get(where=where)["ids"] == []


@pytest.mark.parametrize(
    "values",
    [["2024-05-01", "2024-06-01", "soon"], [1714521600, 1717200000, 0], [1714521600000, 1717200000000, -1]],
    ids=["a text that is no date", "0 among seconds", "-1 among milliseconds"],
)
def test_values_that_are_no_dates_are_in_no_range(values):
    with emptied_client("chroma_nb") as client:
        made = client.create_collection("tickets", embedding_function=None)
        made.add(["may", "june", "never"], np.zeros((3, 2)), [{"seen": value} for value in values])
        dated = lambda *asked: compared(made, *asked)  # noqa: E731
        for where in (
            date_range(made, "seen", "2024-05", "2024-05"),
            compile_where("seen between '2024-05' and '2024-05'", dated=dated).where,
        ):
            assert made.get(where=where)["ids"] == ["may"]


def test_more_different_dates_than_one_look_gives():
    days = [datetime.date(2000, 1, 1) + datetime.timedelta(days=day) for day in range(1500)]
    with emptied_client("chroma_nb") as client:
        made = client.create_collection("tickets", embedding_function=None)
        seconds = [int(datetime.datetime(*day.timetuple()[:3], tzinfo=datetime.UTC).timestamp()) for day in days]
        metadatas = [{"day": day.isoformat(), "at": second} for day, second in zip(days, seconds, strict=True)]
        made.add([f"t{i}" for i in range(1500)], np.zeros((1500, 2)), metadatas)
        for key in ("day", "at"):
            assert len(made.get(where=date_range(made, key, "2003", "2003"))["ids"]) == 365


def test_numbers_are_dates_only_under_a_key_that_says_so():
    assert stored_as("created_at", [1.7e9]) == "epoch_s"
    assert stored_as("createdAt", [1.7e12]) == "epoch_ms"
    assert stored_as("price", [1.7e9]) is None
    assert stored_as("price", [1.7e9], named=True) == "epoch_s"
    assert stored_as("created_at", [12]) is None
    assert stored_as("seen", ["2024-05-01", "soon"]) is None


def test_dates_come_back_as_dates_when_that_is_asked():
    with emptied_client("chroma_nb") as client:
        made = client.create_collection("tickets", embedding_function=None)
        given = pd.DataFrame(
            {"id": ["a", "b"], "embedding": [[0, 1], [1, 0]], "opened_at": pd.to_datetime(["2024-05-01 10:30", None])}
        )
        made.add_df(given, dates="epoch")
        made.add(
            given.assign(id=["c", "d"], iso=["2024-05-01T12:00:00+02:00", "2024-05-02T00:00:00Z"])[
                ["id", "embedding", "iso"]
            ]
        )
        assert made.to_df()["opened_at"][0] == 1714559400.0
        for frame in (made.to_df(dates=True), made.get().to_df(dates=["opened_at", "iso"])):
            assert frame["opened_at"][0] == pd.Timestamp("2024-05-01 10:30")
            assert frame["opened_at"].isna().tolist() == [False, True, True, True]
            assert frame["iso"][2] == pd.Timestamp("2024-05-01 10:00", tz="UTC")
        with pytest.raises(ValueError, match="'id' has no dates"):
            made.to_df(dates="id")
