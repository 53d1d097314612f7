"""Replace personal data in a text by marks.

What is masked and put back is the same text, byte for byte: also where somebody writes "[EMAIL_1]"
in their own words, which then is a value itself (`LITERAL`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .finder import find, part
from .kinds import KINDS, LITERAL, Found, Rule
from .marks import LIKE_MARK, NO_MARKS, Marks


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with marks in place of personal data, and the marks, with those that are new."""

    text: str
    marks: Marks


def mask(
    text: str,
    marks: Marks = NO_MARKS,
    patterns: Sequence[Rule] = (),
    others: Iterable[Found] = (),
    *,
    own: bool = False,
) -> Masked:
    """Replace personal data in a text.

    Args:
        text: what was said.
        marks: the conversation's so far.
        patterns: as in `find`.
        others: as in `find`.
        own: the model said it, who read and wrote marks: what they stand for comes first, so that
            the text becomes the one that the model wrote.

    Raises:
        MissingExtra: as `find`.
    """
    return mask_found(text, find(text, patterns, others), marks, patterns, own=own)


def mask_found(
    text: str, found: Iterable[Found], marks: Marks, patterns: Sequence[Rule] = (), *, own: bool = False
) -> Masked:
    """Replace what was found in a text, and what the marks know; as `mask`, for who has searched before."""
    found = [one for one in found if text[one.start : one.end] not in marks.shown]
    known = marks.find_known(text)
    # What somebody wrote like a mark comes last: a key or an address may hold it, and is one value then.
    literals = [
        one for one in _find_literals(text, marks, patterns) if text[one.start : one.end] not in marks.shown
    ]
    parts = part([*known, *found, *literals] if own else [*found, *known, *literals], len(text))
    marks = marks.adding_all((one.kind, text[one.start : one.end]) for one in parts)
    pieces, after = [], 0
    for one in parts:
        pieces += [text[after : one.start], marks.by_value[text[one.start : one.end]].text]
        after = one.end
    return Masked("".join([*pieces, text[after:]]), marks)


def _find_literals(text: str, marks: Marks, patterns: Sequence[Rule]) -> list[Found]:
    if "[" not in text:
        return []
    kinds = {
        *KINDS,
        LITERAL,
        *(kind for rule in patterns for kind in rule.kinds),
        *(mark.kind for mark in marks.marks),
    }
    return [
        Found(match.start(), match.end(), LITERAL) for match in LIKE_MARK.finditer(text) if match[1] in kinds
    ]


def find_shown(text: str, marks: Marks, patterns: Sequence[Rule] = ()) -> list[str]:
    """List what a model has written by itself: values that it was not given, and marks that stand for nothing.

    Args:
        text: as the model wrote it, marks and all.
        marks: the conversation's.
        patterns: as in `find`.
    """
    likes = [match[0] for match in LIKE_MARK.finditer(text) if match[0] not in marks.by_text]
    return [*likes, *(text[one.start : one.end] for one in find(text, patterns))]
