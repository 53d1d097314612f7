"""Make the lines of a summary fit: merge the oldest, without a model, and drop only what then finds no room.

Each step takes as little as it can, the oldest first, and stops as soon as the lines fit:
sentences that a newer line says as well go; lines about one subject are joined; then the lines
that tell least go. What a person locked stays as it is.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from .doubts import Claim, find_doubts
from .evidence import Evidence, Utterance, gather_evidence
from .lexicon import JOINING, OPENERS, STOP_WORDS
from .sentences import read_sentence
from .tokens import split_sentences
from .view import Line

REPEATED_COVERAGE = 0.9  # of a sentence that stands in a newer line: it is said twice
JOINED_CHARACTERS = 300  # a longer line is not a short line
OLD_SHARE = 2  # the older half loses lines first
_ROLE = re.compile(
    r"(?:the )?(?:user|assistant)(?= )|(?:der Nutzer|die Nutzerin|el usuario|пользователь)(?= )",
    re.IGNORECASE,
)
_NAME = re.compile(r"[^\W\d_][\w'’-]*(?= )")


def merge_lines(
    lines: Sequence[Line], *, budget_tokens: int, count: Callable[[str], int]
) -> tuple[Line, ...]:
    """Make lines fit.

    Args:
        lines: oldest first.
        budget_tokens: the most tokens that all of them may take; locked ones may take more.
        count: tokens of a text.
    """
    sizes: dict[str, int] = {}

    def fits(left: Sequence[Line]) -> bool:
        for line in left:
            if line.text not in sizes:
                sizes[line.text] = count(f"- {line.text}\n")
        return sum(sizes[line.text] for line in left) <= budget_tokens

    left = tuple(lines)
    for step in (_drop_repeated, _join_subjects, _drop_weakest):
        if fits(left):
            break
        for shorter in step(left):
            left = shorter
            if fits(left):
                break
    return left


def _drop_repeated(lines: tuple[Line, ...]) -> Iterator[tuple[Line, ...]]:
    """Take out sentences that a newer line says as well, the oldest line first."""
    evidence = gather_evidence(Utterance(number, "", line.text) for number, line in enumerate(lines))
    left = list(lines)
    for number, line in enumerate(lines):
        if line.locked:
            continue
        sentences = split_sentences(line.text)
        kept = [text for text in sentences if not _is_said_later(evidence, lines, number, text)]
        if len(kept) < len(sentences):
            at = left.index(line)
            left[at : at + 1] = [replace(line, text=" ".join(kept))] if kept else []
            yield tuple(left)


def _is_said_later(evidence: Evidence, lines: Sequence[Line], number: int, text: str) -> bool:
    """Tell whether a line behind the one of that number says what a sentence says."""
    claim = Claim(evidence, read_sentence(text))
    newer = {
        evidence.said[at].turn
        for at in claim.ranked
        if evidence.said[at].turn > number and claim.found[at] >= REPEATED_COVERAGE * claim.total
    }
    return any(
        not find_doubts(Claim(gather_evidence([Utterance(0, "", lines[later].text)]), claim.sentence))
        for later in sorted(newer)
    )


def _join_subjects(lines: tuple[Line, ...]) -> Iterator[tuple[Line, ...]]:
    """Join neighbours about one subject without naming it twice. Example: "Ana likes tea; has two dogs."."""
    at = 0
    while at + 1 < len(lines):
        joined = _join(lines[at], lines[at + 1])
        if joined is None:
            at += 1
        else:
            lines = (*lines[:at], joined, *lines[at + 2 :])
            yield lines


def _join(one: Line, other: Line) -> Line | None:
    subject = _find_subject(one.text)
    if one.locked or other.locked or not subject or _find_subject(other.text) != subject:
        return None
    rest = other.text[len(subject) + 1 :]
    text = f"{one.text.rstrip('.。 ')}; {rest}"
    if rest.split(maxsplit=1)[0].strip(",").lower() in JOINING or len(text) > JOINED_CHARACTERS:
        return None
    return Line(
        text=text,
        turns=(min(one.turns[0], other.turns[0]), max(one.turns[1], other.turns[1])),
        seen=max(one.seen, other.seen, key=lambda seen: seen.seq),
    )


def _find_subject(text: str) -> str:
    """Find the name or role that a line begins with; "" when there is none."""
    if (role := _ROLE.match(text)) is not None:
        return role[0]
    name = _NAME.match(text)
    if name is None or not name[0][0].isupper():
        return ""
    return "" if name[0].lower() in STOP_WORDS or name[0].lower() in OPENERS else name[0]


def _drop_weakest(lines: tuple[Line, ...]) -> Iterator[tuple[Line, ...]]:
    """Drop whole lines: of the older half the one that tells least, the oldest of equals."""
    weights = {id(line): _weigh_line(line) for line in lines}
    left = list(lines)
    loose = [line for line in lines if not line.locked]
    while loose:
        older = loose[: max(1, len(loose) // OLD_SHARE)]
        weakest = min(older, key=lambda line: weights[id(line)])
        loose = [line for line in loose if line is not weakest]
        left = [line for line in left if line is not weakest]
        yield tuple(left)


def _weigh_line(line: Line) -> int:
    """How many figures, dates, names and codes a line holds."""
    sentences = [read_sentence(text) for text in split_sentences(line.text)]
    return sum(
        len({*one.figures, *one.dates, *one.names, *one.codes}) + bool(one.denies) for one in sentences
    )
