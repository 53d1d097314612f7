"""Find the values in what somebody said, with their places: times, days, figures, contacts, names.

A statement replaces an earlier one when it gives the same thing another value of the same
kind. Codes, amounts, phone and room numbers count as figures alike: a room may turn from 214 into 12B.
sentences.py finds the same marks for comparing texts; here their places matter too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from .lexicon import AMBIGUOUS_MONTHS, DAYS, MONTHS, STOP_WORDS, TENS, UNITS
from .tokens import fold_code, plain_figure

ValueKind: TypeAlias = Literal["time", "day", "figure", "contact", "name"]

_WORDED = {**UNITS, **TENS}
# "may" and "mart" are months only beside a figure; plurals of weekdays: "on Tuesdays".
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_PLAIN_MONTH = "|".join(sorted(MONTHS.keys() - AMBIGUOUS_MONTHS, key=len, reverse=True))
_WEEKDAY = "|".join(sorted(DAYS, key=len, reverse=True))
_NUMBER_WORD = "|".join(sorted(_WORDED, key=len, reverse=True))
_ORDINAL = r"\d{1,2}(?:st|nd|rd|th|er|º|\.)"

# The first alternative that matches at a place wins: longer forms stand before shorter ones.
_FORMS: tuple[tuple[ValueKind, str], ...] = (
    ("contact", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|https?://\S+|\bwww\.\S+"),
    ("day", r"\b\d{4}-\d{1,2}-\d{1,2}\b|\b\d{1,2}[/.]\d{1,2}[/.](?:\d{4}|\d{2})\b|\d{1,2}月\d{1,2}[日号號]|\d{1,2}월 ?\d{1,2}일"),
    ("day", rf"\b(?:the )?(?:\d{{1,2}}|{_ORDINAL})(?: of| de)? (?:{_MONTH})\b\.?|\b(?:{_MONTH})\.? (?:the )?\d{{1,2}}(?:st|nd|rd|th)?\b(?![:.]\d)"),
    ("time", r"\b\d{1,2}[:.h]\d{2} ?(?:[ap]\.?m\b\.?|uhr)|\b\d{1,2}:\d{2}\b|\b\d{1,2}h\d{2}\b|\b\d{1,2} ?(?:[ap]\.?m\b\.?|uhr\b|o'?clock\b)|\d{1,2}[点點時시](?:\d{1,2}分|半)?"),
    ("time", r"\b(?:half past|quarter (?:past|to)|halb) \w+|\b(?:noon|midnight|midday)\b"),
    ("day", rf"\b(?:{_PLAIN_MONTH}|{_WEEKDAY})s?\b|[周週]?星期[一二三四五六日天]"),
    ("day", r"\bthe \d{1,2}(?:st|nd|rd|th)\b(?! (?:floor|street|avenue|grade|edition|place|time|row|attempt))"),
    ("figure", r"\+?\d[\d ()/-]{6,}\d\b"),
    ("figure", r"(?:[$€£¥₹#] ?)?(?<![A-Za-z0-9])[A-Za-z]{0,4}[-_/]?\d+(?:[.,:/_-]?[A-Za-z0-9]+)*(?: ?[€$£%]| ?(?:mg|g|kg|ml|cl|l|km|cm|mm|m|min)\b)?|\b[A-Za-z]\w*\d\w*(?:[-_!]\w+)*"),
    ("figure", rf"\b(?:{_NUMBER_WORD})\b"),
)  # fmt: skip
PHONE_DIGITS = 7
_HINT = re.compile(r"[\d@月日点點時시期]|www\.|https?:")
_LETTERS = re.compile(r"[^\W\d_]+")
_VALUE_WORDS = frozenset((
    *MONTHS, *DAYS, *(part for day in DAYS for part in (f"{day}s", *day.split("-"))), *(f"{month}s" for month in MONTHS), *_WORDED,
    "half", "quarter", "halb", "noon", "midnight", "midday",
))  # fmt: skip
_CURRENCY = re.compile(r"[$€£¥₹]")
_CURRENCY_BEHIND = re.compile(
    r" ?(?:euros?|dollars?|bucks|pounds|quid|grand|usd|eur|gbp|chf)\b", re.IGNORECASE
)
_STREET = re.compile(
    r"[a-z]?,? (?:[A-Z][\w'-]+ ){1,3}(?:Street|St|Road|Rd|Lane|Ln|Avenue|Ave|Drive|Square|Way|Court|Place|Row|Terrace|Close|Gardens)\b"
)
_TIMES = r" ?(?:second|minute|hour|day|night|week|weekend|month|year|decade)s?\b"
_SPAN_BEHIND = re.compile(rf"{_TIMES} (?:ago|later|now|back|straight|after|before)\b", re.IGNORECASE)
_SPAN_BEFORE = re.compile(
    r"\b(?:for|over|past|last|after|within|almost|nearly|about)(?: the| about| almost| over)? $",
    re.IGNORECASE,
)
_UNIT_OF_TIME = re.compile(_TIMES, re.IGNORECASE)
_GREETING = re.compile(
    r"^\W*(?:wow|thanks|thank you|hey|hi|hello|oh|cool|yeah|yes|no|nice|sorry|great|awesome|congrats|absolutely)\b[\w ']{0,25},? $|^\W*\w+ (?:you|that), $",
    re.IGNORECASE,
)
IS_SOMEBODY = re.compile(r"(?: is|[’']s) (?:my|our)\b")
_STREET_WORDS = (" street", " st", " road", " rd", " lane", " ln", " avenue", " ave", " drive", " square", " way", " court", " place", " row", " terrace", " close", " gardens")  # fmt: skip
# A name that begins a sentence is told from another word by what it does for who speaks: "Ann does our accounts".
IS_SUBJECT = re.compile(
    r"(?:[’']s| is| was| has| took| will| \w{2,}s)\b(?=.{0,60}\b(?:my|our|us|me)\b)|[,.! ]*(?:$|i mean\b|actually\b|of course\b|rather\b)",
    re.DOTALL | re.IGNORECASE,
)
_MEASURED = re.compile(r"(?<=[\d ])(?:mg|g|kg|ml|cl|l|km|cm|mm|min)$|%$", re.IGNORECASE)
_VALUE = re.compile("|".join(f"(?P<_{n}>{form})" for n, (_, form) in enumerate(_FORMS)), re.IGNORECASE)
_NAME = re.compile(
    r"[^\W\d_][\w'’-]*(?: (?:van|von|de|da|del|der|of|la|le) [A-Z][\w'’-]*| [^\W\d_a-z][\w'’-]*)*"
)
_ENDS_SENTENCE = re.compile(r"(?:^|[.!?…]|\n)[\s\"“(]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A value in a text: `text[start:end]`; `same` is equal for all ways of writing it that are known to be one."""

    kind: ValueKind
    same: str
    start: int
    end: int


@lru_cache(maxsize=1_024)
def find_values(text: str) -> tuple[Value, ...]:
    """List the values of a text in their order; no two overlap."""
    found: list[Value] = []
    for match in _VALUE.finditer(text) if _may_hold_values(text) else ():
        if _SPAN_BEHIND.match(text, match.end()) or (
            _SPAN_BEFORE.search(text[: match.start()]) and _UNIT_OF_TIME.match(text, match.end())
        ):
            continue  # "three days ago", "for 4 years" say when something happened
        kind = _FORMS[int((match.lastgroup or "_0")[1:])][0]
        street = _STREET.match(text, match.end()) if kind == "figure" else None
        end = street.end() if street is not None else match.end()
        same = text[match.start() : end].lower() if street is not None else _write_alike(kind, match.group())
        found.append(Value(kind=kind, same=same, start=match.start(), end=end))
    taken = [(value.start, value.end) for value in found]
    found += [name for name in _find_names(text) if all(name.end <= a or b <= name.start for a, b in taken)]
    return tuple(sorted(found, key=lambda value: value.start))


def _may_hold_values(text: str) -> bool:
    """Tell at little cost whether there can be a value other than a name: most of what is said has none."""
    return _HINT.search(text) is not None or not _VALUE_WORDS.isdisjoint(_LETTERS.findall(text.lower()))


def shape_of(value: Value, text: str) -> str:
    """Say what a value looks like, finer than its kind: an amount of money, a phone number, an address ...

    Values of different shapes are hardly ever of the same thing, but for "figure", which is any plain number.
    """
    said = text[value.start : value.end]
    if value.kind != "figure":
        return value.kind
    if _CURRENCY.search(said) or _CURRENCY_BEHIND.match(text, value.end):
        return "money"
    if value.same.endswith(_STREET_WORDS):
        return "address"
    digits = sum(char.isdigit() for char in said)
    if digits >= PHONE_DIGITS and digits >= len(said) - said.count(" ") - 3:
        return "phone"
    if measured := _MEASURED.search(said):
        return f"measured in {measured.group().lower()}"
    return "code" if any(char.isalpha() for char in said) and digits else "figure"


def _find_names(text: str) -> Iterator[Value]:
    """Find runs of words with capitals; the first word of a sentence may have its capital from its place."""
    for match in _NAME.finditer(text):
        words = match.group().split()
        start = match.start()
        if _ENDS_SENTENCE.search(text[: match.start()]) and not IS_SUBJECT.match(text, match.end()):
            start += len(words[0]) + 1
            words = words[1:]
        while words and (not words[0][0].isupper() or words[0].lower().partition("'")[0] in STOP_WORDS):
            start += len(words[0]) + 1
            words = words[1:]
        if words and text[start : start + 1].isupper() and not _is_shout(words, text, start):
            name = " ".join(words).removesuffix("'s").removesuffix("’s")
            yield Value(kind="name", same=name.lower(), start=start, end=start + len(name))


def _is_shout(words: list[str], text: str, start: int) -> bool:
    """Tell whether capitals are an abbreviation ("TV"), or a name only says who is spoken to: "Thanks, Ann!"."""
    abbreviation = len(words) == 1 and len(words[0]) > 1 and words[0].removesuffix("s").isupper()
    return abbreviation or (
        _GREETING.match(text[:start]) is not None and not text[start:].split()[0].isalpha()
    )


def _write_alike(kind: ValueKind, text: str) -> str:
    """Write a value in one way. Example: "4th of June", "June 4" → "6/4"; "1,240 €" → "1240"; "9:30 am" → "9:30"."""
    text = text.lower().strip(" .#")
    if kind == "day":
        return _write_day(text)
    if kind == "time":
        figures = re.findall(r"\d+", text)
        return ":".join([str(int(figures[0]) % 12), *figures[1:2]]).removesuffix(":00") if figures else text
    if kind == "figure":
        if text in _WORDED:
            return str(_WORDED[text])
        bare = text.strip("€$£¥₹% ")
        return plain_figure(bare) if re.fullmatch(r"\d+(?:[.,]\d+)*", bare) else fold_code(bare)
    return text


def _write_day(text: str) -> str:
    figures = [str(int(figure)) for figure in re.findall(r"\d+", text)]
    month = next((MONTHS[word] for word in re.findall(r"[^\W\d_]+", text) if word in MONTHS), None)
    if month is not None:
        return f"{month}/{figures[0]}" if figures else f"month {month}"
    if len(figures) == 3 and len(figures[0]) == 4:
        return f"{figures[1]}/{figures[2]}"
    if len(figures) == 2 and text[-1] in "日号號일":
        return "/".join(figures)
    if len(figures) == 1:
        return f"day {figures[0]}"
    return text.removesuffix("s") if text.removesuffix("s") in DAYS else text
