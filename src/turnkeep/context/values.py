"""Find the values in what somebody said, with their places: times, days, figures, contacts, names.

A statement replaces an earlier one when it gives the same thing another value of the same
kind. Codes, amounts, phone and room numbers count as figures alike: a room may turn from 214 into 12B.
sentences.py finds the same marks for comparing texts; here their places matter too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
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


def find_values(text: str) -> list[Value]:
    """List the values of a text in their order; no two overlap."""
    found: list[Value] = []
    for match in _VALUE.finditer(text):
        kind = _FORMS[int((match.lastgroup or "_0")[1:])][0]
        found.append(
            Value(kind=kind, same=_write_alike(kind, match.group()), start=match.start(), end=match.end())
        )
    taken = [(value.start, value.end) for value in found]
    found += [name for name in _find_names(text) if all(name.end <= a or b <= name.start for a, b in taken)]
    return sorted(found, key=lambda value: value.start)


def _find_names(text: str) -> Iterator[Value]:
    """Find runs of words with capitals; the first word of a sentence may have its capital from its place."""
    for match in _NAME.finditer(text):
        words = match.group().split()
        start = match.start()
        if _ENDS_SENTENCE.search(text[: match.start()]):
            start += len(words[0]) + 1
            words = words[1:]
        while words and (not words[0][0].isupper() or words[0].lower().partition("'")[0] in STOP_WORDS):
            start += len(words[0]) + 1
            words = words[1:]
        if words and text[start : start + 1].isupper():
            name = " ".join(words).removesuffix("'s").removesuffix("’s")
            yield Value(kind="name", same=name.lower(), start=start, end=start + len(name))


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
