"""Evidence: what was said, laid out so that a claim can be held against it quickly.

Every sentence of the turns at hand, taken apart once, with an index from stems,
figures, dates and names to the sentences that hold them.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .lexicon import FIRST_PERSON, ROLE_NAMES, SECOND_PERSON, SPACELESS_FIRST, SPACELESS_SECOND
from .sentences import MarkKind, Sentence, read_sentence
from .tokens import EDGES, fold_code, split_sentences, stem

LABEL_WORDS = 4  # a longer text before a colon names no speaker
CODE_PARTS = 4  # parts of a code that blanks may keep apart, as in an account number
MOST_SPEAKERS = 12  # a text with more labels than that, each used once, is a form and no dialogue

_LABEL = re.compile(r"\s*(?P<speaker>[^\W\d_][^:：\n。]{0,39}?)\s*[:：]\s+(?P<text>\S.*)", re.DOTALL)
_MARK_KINDS: tuple[MarkKind, ...] = ("number", "date", "name")
_TRIM = "\"'“”,;:!?.()"


@dataclass(frozen=True, slots=True)
class Utterance:
    """What somebody said in a turn. speaker: "user", "assistant", or a name; "" when nobody is named."""

    turn: int
    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence with its place, and whom it speaks of."""

    turn: int
    utterance: int  # 0, 1, 2 ... in the order of saying
    speaker: str  # in lower case
    sentence: Sentence
    first: bool  # it speaks of its speaker
    second: bool  # it speaks to somebody


@dataclass(slots=True)
class Evidence:
    """All that a claim can be held against.

    said: sentences, oldest first; the lists of the indexes hold places in it.
    speakers: who spoke, in lower case, each with all that they are called.
    """

    said: list[Said] = field(default_factory=list)
    by_stem: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    by_mark: dict[tuple[MarkKind, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    counted: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # stem -> figures
    dates: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)  # every word as said, in lower case
    codes: set[str] = field(default_factory=set)  # folded, with their parts joined where blanks part them
    speakers: dict[str, frozenset[str]] = field(default_factory=dict)

    def weigh(self, word: str) -> float:
        """How much a stem tells: little when many sentences hold it."""
        return math.log(1 + (1 + len(self.said)) / (1 + len(self.by_stem.get(word, ()))))

    def overlaps(self, stems: Iterable[str]) -> dict[int, float]:
        """Weigh how much of `stems` each sentence holds; sentences that hold none are left out."""
        found: dict[int, float] = defaultdict(float)
        for word in stems:
            weight = self.weigh(word)
            for at in self.by_stem.get(word, ()):
                found[at] += weight
        return found

    def knows_name(self, name: str) -> bool:
        """Tell whether a name was said, in whatever form."""
        return (
            name in self.words
            or any(name in one.split() for called in self.speakers.values() for one in called)
            or stem(name) in self.by_stem
            or any(_is_short_for(name, other) for other in self.names)
        )


def parse_source(source: str) -> list[Utterance]:
    """Read a text as utterances, numbered as turns: "Name: what was said" line by line, else text by nobody."""
    found: list[Utterance] = []
    for line in source.splitlines():
        match = _LABEL.match(line)
        if match is not None and len(match["speaker"].split()) <= LABEL_WORDS:
            found.append(Utterance(len(found) + 1, match["speaker"].strip(), match["text"]))
        elif line.strip():
            found.append(Utterance(len(found) + 1, "", line))
    if _is_dialogue(found):
        return _continue_speakers(found)
    return [
        Utterance(one.turn, "", f"{one.speaker}: {one.text}" if one.speaker else one.text) for one in found
    ]


def _continue_speakers(found: list[Utterance]) -> list[Utterance]:
    """Give a line without a speaker to who spoke before it: what somebody says may have several lines."""
    speaker, continued = "", []
    for one in found:
        speaker = one.speaker or speaker
        continued.append(Utterance(one.turn, speaker, one.text))
    return continued


def _is_dialogue(found: list[Utterance]) -> bool:
    """Tell a dialogue from a text with headings: few speakers say most of it, and more than once."""
    labels = [utterance.speaker for utterance in found if utterance.speaker]
    speakers = len(set(labels))
    return (
        speakers >= 2 and len(labels) >= len(found) / 2 and speakers <= max(MOST_SPEAKERS, len(labels) // 2)
    )


def gather_evidence(
    utterances: Iterable[Utterance], aliases: Mapping[str, Iterable[str]] | None = None
) -> Evidence:
    """Lay out what was said.

    Args:
        utterances: oldest first.
        aliases: what else speakers are called, such as {"user": ["Ana"]}.
    """
    evidence = Evidence()
    for number, utterance in enumerate(utterances):
        speaker = utterance.speaker.lower()
        if speaker and speaker not in evidence.speakers:
            evidence.speakers[speaker] = _call(speaker, (aliases or {}).get(speaker, ()))
        evidence.codes.update(_find_codes(utterance.text))
        for text in split_sentences(utterance.text):
            _add(evidence, Said(utterance.turn, number, speaker, read_sentence(text), *_find_persons(text)))
    for at, said in enumerate(evidence.said):
        if said.sentence.lead in evidence.names:  # a name elsewhere is one at the head of a sentence, too
            evidence.by_mark["name", said.sentence.lead].append(at)
    return evidence


def _call(speaker: str, others: Iterable[str]) -> frozenset[str]:
    names = {speaker, *(name.lower() for name in others)}
    return frozenset(names | ROLE_NAMES.get(speaker, frozenset()))


def _find_codes(text: str) -> Iterator[str]:
    """List all that may be a code: every chunk with a figure or an address, alone and with those beside it."""
    chunks = [fold_code(chunk.strip(EDGES)) for chunk in text.split()]
    for at, chunk in enumerate(chunks):
        if any(char.isdigit() or char in "@/." for char in chunk):
            for first in range(max(0, at - CODE_PARTS + 1), at + 1):
                yield from (
                    "".join(chunks[first:last])
                    for last in range(at + 1, min(first + CODE_PARTS, len(chunks)) + 1)
                )


def speaks_of_itself(text: str) -> bool:
    """Tell whether a sentence says "I" or "we"."""
    return _find_persons(text)[0]


def _find_persons(text: str) -> tuple[bool, bool]:
    """Tell whether a sentence speaks of its speaker, and to somebody."""
    words = {word.strip(_TRIM).replace("’", "'") for word in text.lower().split()}
    return (
        not FIRST_PERSON.isdisjoint(words) or any(mark in text for mark in SPACELESS_FIRST),
        not SECOND_PERSON.isdisjoint(words) or any(mark in text for mark in SPACELESS_SECOND),
    )


def _add(evidence: Evidence, said: Said) -> None:
    at, sentence = len(evidence.said), said.sentence
    evidence.said.append(said)
    for word in sentence.stems:
        evidence.by_stem[word].append(at)
    for kind in _MARK_KINDS:
        for mark in sentence.marks(kind):
            evidence.by_mark[kind, mark].append(at)
    for figure, noun in sentence.counted:
        evidence.counted[noun].add(figure)
    evidence.dates.update(sentence.dates)
    evidence.names.update(sentence.names)
    evidence.words.update(word.text for word in sentence.words)


def _is_short_for(one: str, other: str) -> bool:
    """Tell whether one name is short for the other. Example: "mel", "melanie" → True."""
    short, long = sorted((one, other), key=len)
    return len(short) >= 3 and long.startswith(short)
