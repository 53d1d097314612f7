"""Dates as terms of the index: the day of a text, and the days that a query speaks of.

A text is indexed under its day and its month, so that "what did we say in May?" finds
it in whatever language its words are. Days are UTC, as everywhere in turnkeep.
"""

import datetime
import re
import unicodedata
from collections.abc import Iterator

YEARS_BACK = 10  # a date without a year is looked for in that many years

_MONTHS = (
    "january february march april may june july august september october november december",
    "jan feb mar apr may jun jul aug sep oct nov dec",
    "januar februar märz april mai juni juli august september oktober november dezember",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "januari februari maart april mei juni juli augustus september oktober november december",
    "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь",
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "январе феврале марте апреле мае июне июле августе сентябре октябре ноябре декабре",
)
_MONTH_NUMBERS = {name: number for names in _MONTHS for number, name in enumerate(names.split(), 1)}
_MONTH = "|".join(sorted(_MONTH_NUMBERS, key=len, reverse=True))
_NAMED = re.compile(
    rf"(?:\b(?P<before>\d{{1,2}})(?:st|nd|rd|th|\.|er)?\s+(?:of\s+|de\s+)?)?\b(?P<month>{_MONTH})\b\.?"
    r"(?:\s+(?P<after>\d{1,2})(?:st|nd|rd|th)?\b(?!:))?(?:\s*+(?:,\s*+)?(?:de\s+|of\s+)?(?P<year>(?:19|20)\d\d)\b)?"
)
_ISO = re.compile(r"\b((?:19|20)\d\d)-(\d{1,2})(?:-(\d{1,2}))?\b")
_DOTTED = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.((?:19|20)\d\d)\b")
_CJK = re.compile(r"(?:((?:19|20)\d\d)[年년] ?)?(\d{1,2})[月월](?: ?(\d{1,2})[日号일])?")
_YEAR = re.compile(
    r"\b(?:in|during|since|from|of|year|en|im|год[уа]?)\s+((?:19|20)\d\d)\b|((?:19|20)\d\d)[年년](?! ?\d)"
)
_NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10,
}  # fmt: skip
_AGO = re.compile(rf"\b(\d{{1,3}}|{'|'.join(_NUMBERS)})\s+(day|week|month)s?\s+ago\b")
# Not the French "hier", which is "here" in German.
_YESTERDAY = re.compile(
    r"\b(?:yesterday|last night|gestern|ayer|ieri|ontem|gisteren|вчера)\b|昨天|昨日|어제|أمس"
)
_LAST = re.compile(r"\blast (week|month|year)\b")

# Words and names too: a month only beside a number or after one of the second.
_AMBIGUOUS = frozenset(("may", "march", "mar", "mai", "mars", "mei", "jan"))
_BEFORE_MONTH = re.compile(r"\b(?:in|during|since|until|by|last|early|late|of|en|im)\s+$")
_BEFORE_CHARACTERS = 24  # before a month that are looked at for them


def day_terms(seconds: float) -> tuple[str, ...]:
    """The terms of a text said at a time (since the epoch); none for a time that no calendar has.

    Example: 1683540000.0 → ("@2023-05-08", "@2023-05").
    """
    day = day_at(seconds)
    return () if day is None else (_day(day), _month(day.year, day.month))


def day_at(seconds: float) -> datetime.date | None:
    """The day of a time (UTC); None before the year 1 and after 9999."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date()
    except (ValueError, OverflowError, OSError):
        return None


def find_dates(text: str, now: float) -> list[str]:
    """Find the days and months that a query speaks of, as terms.

    Args:
        text: the query, case folded; full-width digits and the like are read as plain ones.
        now: seconds since the epoch: what "yesterday" is counted from, and where a date without
            a year is looked for (the ten years before).

    Example: "on 8 may 2023" → ["@2023-05-08", "@2023-05"].
    """
    today = day_at(now)
    if today is None:
        return []
    text = unicodedata.normalize("NFKC", text)
    found: dict[str, None] = {}
    for year, month, day in _spoken(text):
        found.update(dict.fromkeys(_terms(year, month, day, today.year)))
    found.update(dict.fromkeys(_relative(text, today)))
    return list(found)


def _spoken(text: str) -> Iterator[tuple[int | None, int | None, int | None]]:
    """Yield (year, month, day), None where the text does not say."""
    for match in _NAMED.finditer(text):
        day = match["before"] or match["after"]
        lone = not day and not match["year"]
        if lone and match["month"] in _AMBIGUOUS:
            start = match.start("month")
            if not _BEFORE_MONTH.search(text[max(0, start - _BEFORE_CHARACTERS) : start]):
                continue
        yield _int(match["year"]), _MONTH_NUMBERS[match["month"]], _int(day)
    for match in _ISO.finditer(text):
        yield int(match[1]), int(match[2]), _int(match[3])
    for match in _DOTTED.finditer(text):
        yield int(match[3]), int(match[2]), int(match[1])
    for match in _CJK.finditer(text):
        yield _int(match[1]), int(match[2]), _int(match[3])
    for match in _YEAR.finditer(_ISO.sub(" ", _NAMED.sub(" ", text))):  # years that stand for themselves
        yield int(match[1] or match[2]), None, None


def _int(digits: str | None) -> int | None:
    return int(digits) if digits else None


def _terms(year: int | None, month: int | None, day: int | None, this_year: int) -> Iterator[str]:
    years = [year] if year is not None else range(this_year, this_year - YEARS_BACK, -1)
    for each in years:
        if month is None:
            yield from (_month(each, number) for number in range(1, 13))
        elif 1 <= month <= 12:
            if day is not None and 1 <= day <= 31:
                yield f"@{each}-{month:02}-{day:02}"
            if day is None or year is not None:
                yield _month(each, month)


def _relative(text: str, today: datetime.date) -> Iterator[str]:
    if _YESTERDAY.search(text):
        yield from _days_around(today, 1, 0)
    for match in _AGO.finditer(text):
        number = _NUMBERS.get(match[1]) or int(match[1])
        if match[2] == "month":
            yield _month(*_months_before(today, number))
        else:
            days, spread = (7, 3) if match[2] == "week" else (1, 0)
            yield from _days_around(today, number * days, spread)
    for match in _LAST.finditer(text):
        if match[1] == "week":
            yield from _days_around(today, 7 + today.weekday() - 3, 3)  # Monday to Sunday
        elif match[1] == "month":
            yield _month(*_months_before(today, 1))
        else:
            yield from (_month(today.year - 1, number) for number in range(1, 13))


def _days_around(today: datetime.date, days_ago: int, spread: int) -> Iterator[str]:
    middle = today.toordinal() - days_ago
    for number in range(middle + spread, middle - spread - 1, -1):
        if 1 <= number <= datetime.date.max.toordinal():
            yield _day(datetime.date.fromordinal(number))


def _months_before(today: datetime.date, number: int) -> tuple[int, int]:
    year, month = divmod(today.year * 12 + today.month - 1 - number, 12)
    return year, month + 1


def _day(day: datetime.date) -> str:
    return f"@{day.isoformat()}"


def _month(year: int, month: int) -> str:
    return f"@{year:04}-{month:02}"
