"""A query that speaks of a day or a month finds what was said then."""

import datetime
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnkeep.context.dates import YEARS_BACK, day_at, day_terms, find_dates

MAY_10 = 1683720000.0  # Wednesday, 2023-05-10, noon
MONTHS_OF_2022 = [f"@2022-{month:02}" for month in range(1, 13)]


def dates(text, now=MAY_10):
    return find_dates(text.casefold(), now)


def test_a_text_is_indexed_under_its_day_and_month():
    assert day_terms(MAY_10) == ("@2023-05-10", "@2023-05")


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1e18, 1e300])
def test_a_time_that_no_calendar_has_has_no_day(seconds):
    assert day_at(seconds) is None
    assert day_terms(seconds) == ()
    assert find_dates("yesterday", seconds) == []


@pytest.mark.parametrize(
    "text",
    [
        "on 8 May 2023", "on May 8, 2023", "May 8th 2023", "the 8th of May, 2023", "the 8th of May of 2023",
        "on 2023-05-08", "on 2023-5-8", "in 2023-05-08", "08.05.2023", "8.5.2023", "am 8. Mai 2023", "le 8 mai 2023",
        "el 8 de mayo de 2023", "l'8 maggio 2023", "em 8 de maio de 2023", "op 8 mei 2023", "8 мая 2023 года",
        "2023年5月8日", "2023年5月8号", "２０２３年５月８日", "2023년 5월 8일", "2023년5월8일에",
    ],
)  # fmt: skip
def test_a_full_date_means_its_day_and_its_month(text):
    assert dates(text) == ["@2023-05-08", "@2023-05"]


@pytest.mark.parametrize(
    "text",
    [
        "in May 2023", "May, 2023", "in 2023-05", "im Mai 2023", "en mayo de 2023", "в мае 2023", "май 2023",
        "maio de 2023", "2023年5月", "2023년 5월",
    ],
)  # fmt: skip
def test_a_month_of_a_year_means_that_month_alone(text):
    assert dates(text) == ["@2023-05"]


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("in May", "05"), ("last march", "03"), ("im Mai", "05"), ("en mars", "03"), ("in december", "12"),
        ("em dezembro", "12"), ("в декабре", "12"), ("12月", "12"), ("12월에", "12"), ("in maart", "03"),
        ("en février", "02"), ("in Jan", "01"), ("a gennaio", "01"), ("en enero", "01"),
    ],
)  # fmt: skip
def test_a_month_without_a_year_is_looked_for_in_the_years_before(text, month):
    assert dates(text) == [f"@{2023 - back}-{month}" for back in range(YEARS_BACK)]


def test_a_day_without_a_year_is_looked_for_in_the_years_before():
    assert dates("on 3 June") == [f"@{2023 - back}-06-03" for back in range(YEARS_BACK)]
    assert dates("5月8日")[0] == "@2023-05-08"


@pytest.mark.parametrize(
    "text", ["in 2022", "since 2022", "2022年", "2022년에", "im 2022", "во весь год 2022", "last year"]
)
def test_a_year_means_its_months(text):
    assert dates(text) == MONTHS_OF_2022


@pytest.mark.parametrize(
    "text",
    [
        "", "May I ask?", "it may rain", "march on", "flights to Mars", "what did Jan say", "mai più", "a mar aberto",
        "the begin may", "version 13.13.2023", "2023-13-40", "99月", "room 2022", "2 + 2", "10:30", "hier",
    ],
)  # fmt: skip
def test_words_and_numbers_that_only_look_like_dates_are_none(text):
    assert dates(text) == []


def test_an_impossible_day_leaves_the_month():
    assert dates("32 May 2023") == dates("0 May 2023") == ["@2023-05"]
    assert dates("31 May 2023") == ["@2023-05-31", "@2023-05"]


def test_a_time_of_day_is_no_day():
    assert dates("on 1 may 2023 at 8:30") == ["@2023-05-01", "@2023-05"]
    assert "@2023-05-08" not in dates("in may 8:30")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yesterday", ["@2023-05-09"]),
        ("last night", ["@2023-05-09"]),
        ("gestern", ["@2023-05-09"]),
        ("ayer", ["@2023-05-09"]),
        ("ontem", ["@2023-05-09"]),
        ("вчера", ["@2023-05-09"]),
        ("我昨天说了什么", ["@2023-05-09"]),
        ("昨日は", ["@2023-05-09"]),
        ("어제", ["@2023-05-09"]),
        ("3 days ago", ["@2023-05-07"]),
        ("one day ago", ["@2023-05-09"]),
        ("nine days ago", ["@2023-05-01"]),
        ("ten days ago", ["@2023-04-30"]),
        ("a month ago", ["@2023-04"]),
        ("six months ago", ["@2022-11"]),
        ("last month", ["@2023-04"]),
    ],
)
def test_times_are_counted_from_now(text, expected):
    assert dates(text) == expected


def test_last_week_is_from_monday_to_sunday():
    assert sorted(dates("last week")) == [f"@2023-05-{day:02}" for day in range(1, 8)]


def test_weeks_ago_are_some_days_around():
    assert sorted(dates("two weeks ago")) == [f"@2023-04-{day}" for day in range(23, 30)]


def test_a_date_said_twice_is_looked_for_once():
    assert dates("on 8 May 2023, I mean 2023-05-08") == ["@2023-05-08", "@2023-05"]


@pytest.mark.parametrize("year", [1, 9999])
@pytest.mark.parametrize(
    "text",
    ["yesterday", "999 weeks ago", "0 weeks ago", "last week", "999 months ago", "last year", "in may"],
)
def test_the_ends_of_the_calendar_are_borne(year, text):
    day = datetime.datetime(year, 1 if year == 1 else 12, 1 if year == 1 else 31, tzinfo=datetime.UTC)
    now = (day - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)).total_seconds()
    assert all(term.startswith("@") for term in find_dates(text, now))


@pytest.mark.parametrize(
    "unit", ["may ", "1 ", "may" + " " * 20_000, "in" + " " * 20_000, "2023年", "1月", "in 2023 "]
)
def test_a_pasted_file_is_searched_in_less_than_a_second(unit):
    text = (unit * 20_000)[:20_000]
    begun = time.process_time()
    find_dates(text, MAY_10)
    assert time.process_time() - begun < 1  # "may may may" took 37 seconds


_WORDS = st.sampled_from(
    [
        "may",
        "8",
        "2023",
        "of",
        "in",
        ",",
        "5月",
        "2023年",
        "ago",
        "weeks",
        "a",
        "last",
        "year",
        "01.02.2003",
        "8th",
        "20:30",
    ]
)


@given(st.lists(_WORDS, max_size=8).map(" ".join) | st.text(max_size=60), st.floats(-1e12, 1e12))
def test_no_text_is_too_odd_and_no_date_comes_twice(text, now):
    found = find_dates(text.casefold(), now)
    assert len(found) == len(set(found))


@given(
    st.datetimes(
        datetime.datetime(1950, 1, 1), datetime.datetime(2099, 12, 31), timezones=st.just(datetime.UTC)
    )
)
def test_what_was_said_on_a_day_is_found_under_that_day(moment):
    assert set(day_terms(moment.timestamp())) == set(dates(f"{moment:%Y-%m-%d}"))
