"""Place the lines of a summary on the turns that support them; refuse those that none supports.

The model is not asked where a line comes from, since it would invent that too. A line
goes in only when every sentence of it passes the check (check.py) against the folded
turns, and enough of it was said in them. It then rests on the fewest turns that hold what it says,
and its figures, dates, names and codes: when one of these turns goes, so does the line.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..conversation.items import Message, ToolResult
from ..conversation.log import START, Position
from .doubts import Claim, find_doubts, name_speakers
from .evidence import Evidence, Utterance, gather_evidence, speaks_of_itself
from .lexicon import NEGATIONS, STOP_WORDS
from .misplaced import VALUE_KINDS, find_misplaced, find_places, marks_of, weigh_stems
from .receipt import TurnRange
from .sentences import Sentence, read_sentence
from .tokens import split_sentences, stem
from .view import Entry, Line

# Of faithful lines about chats (LoCoMo's observations) 97 % pass both; of lines about another conversation 4 %.
LEAST_COVERAGE = 0.4  # of a sentence's weight must have been said in the folded turns
LEAST_BEST = 0.2  # of it in one sentence
DENIED_SHARE = 0.9  # of the best sentence's overlap: as good as it
LEAST_STEMS = 2  # words of content, where no name or figure stands by
KNOWN_COVERAGE = 0.9  # a line of which this much stands in the summary already says nothing new
MOST_TURNS = 4  # that a sentence rests on, marks apart
LEAST_GAIN = 0.15  # of a sentence's weight that a further turn must hold ...
FAR = 5  # ... twice as much that many turns away


# "She is 7" and "she is 7 years old" say the same.
_AGE = re.compile(
    r"\b(\w+)[ -](?:years?[ -]old|years of age|Jahre alt|ans|años|anni|anos|jaar oud|лет|года?)\b",
    re.IGNORECASE,
)
_ELISION = re.compile(
    r"\b((?:[cdjlmnst]|qu|un|dell|all|nell|sull|dall|quest)['’])(?=[^\W\d_])", re.IGNORECASE
)
_NAMES = re.compile(
    r"\b(?:my name(?:'s| is)|i am called|i'm called|people call me|ich heiße|mein name ist|je m'appelle"
    r"|mon nom est|me llamo|mi nombre es|mi chiamo|il mio nome è|meu nome é|me chamo|ik heet|mijn naam is"
    r"|меня зовут)\s+([^\W\d_][\w'’-]+)",
    re.IGNORECASE,
)
_CAPITAL_NAMES = re.compile(
    r"\b(?:[Cc]all me|I'm|I’m|I am|[Tt]his is)\s+([A-Z][\w'’-]+)(?=[,.!]|$| here| and\b)"
)
_NAMES_IN_LINES = re.compile(
    r"\buser(?:'s|’s)? (?:first )?(?:name is|is called|is named|is)\s+([A-Z][\w'’-]+)"
    r"|\b(?:Nutzer(?:in)? heißt|utilisateur s'appelle|usuario se llama|utente si chiama|usuário se chama"
    r"|gebruiker heet|[Пп]ользователя зовут)\s+([^\W\d_][\w'’-]+)"
    r"|^([A-Z][\w'’-]+) is the user\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What became of the lines.

    lines: those that go in.
    refused: how many were refused, by why.
    repeated: how many stand in the summary already.
    """

    lines: tuple[Line, ...]
    refused: tuple[tuple[str, int], ...] = ()
    repeated: int = 0


def place_lines(
    lines: Iterable[str],
    folded: Sequence[Utterance],
    kept: Sequence[Utterance] = (),
    *,
    known: Iterable[str] = (),
    aliases: Mapping[str, Iterable[str]] | None = None,
    seen: Position = START,
) -> Placed:
    """Place lines on the folded turns.

    Args:
        lines: what may be lines, without bullets.
        folded: what was said in the turns that the summary stands for.
        kept: what was said in the turns that stay verbatim: a line that only they support is of no use.
        known: lines that the summary has already.
        aliases: what else speakers are called.
        seen: the last item that the model saw when it wrote the lines.
    """
    evidence = _gather(folded, aliases)
    summary = _gather([Utterance(0, "", line) for line in known])
    later: Evidence | None = None
    placed: list[Line] = []
    refused: Counter[str] = Counter()
    repeated = 0
    for text in lines:
        good, why = _take_supported(evidence, text)
        if good and _is_known(summary, good):
            repeated += 1
        elif good:
            placed.append(Line(text=_attribute(evidence, good), turns=_rest(evidence, good), seen=seen))
        elif why and kept:
            later = later or _gather(kept, aliases)
            why = "later" if _take_supported(later, text)[0] else why
        if why:
            refused[why] += 1
    return Placed(lines=tuple(placed), refused=tuple(sorted(refused.items())), repeated=repeated)


def _gather(said: Sequence[Utterance], aliases: Mapping[str, Iterable[str]] | None = None) -> Evidence:
    return gather_evidence((replace(one, text=_part_words(one.text)) for one in said), aliases)


def _read(evidence: Evidence, text: str) -> Claim:
    """Hold a sentence of a line against the evidence, without what may be said in one way or another."""
    return Claim(evidence, read_sentence(_AGE.sub(r"\1", _part_words(text))))


def _part_words(text: str) -> str:
    """Part an article from its noun. Example: "l'utilisateur" → "l utilisateur"."""
    return _ELISION.sub(r"\1 ", text)


def _take_supported(evidence: Evidence, text: str) -> tuple[str, str]:
    """Take a line's sentences up to the first that is not supported; and say why that one is not, "" for none."""
    good: list[str] = []
    for sentence in split_sentences(text):
        if why := _why_not(_read(evidence, sentence)):
            return " ".join(good), why
        good.append(sentence)
    return " ".join(good), "" if good else "unsupported"


def _why_not(claim: Claim) -> str:
    """Say why a sentence is not supported; "" when it is."""
    doubts = find_doubts(claim)
    if doubts:
        return doubts[0].kind
    if not claim.stems:
        return "" if _is_said_barely(claim) else "unsupported"
    if claim.coverage < LEAST_COVERAGE or claim.best < LEAST_BEST * claim.total:
        return "unsupported"
    if _is_only_denied(claim):
        return "negation"
    if _breaks_off(claim):
        return "half"
    if _is_vague(claim.sentence):
        return "vague"
    return find_misplaced(claim)


def _is_said_barely(claim: Claim) -> bool:
    """Tell whether a figure or the like, with nothing around it, was said so. Example: "The user is 42.", of "I'm 42."."""
    marks = {(kind, mark) for kind in (*VALUE_KINDS, "name") for mark in marks_of(claim.sentence, kind)}
    speaker = next(iter(name_speakers(claim)), "")
    return bool(marks) and any(
        said.first
        and said.speaker == speaker
        and len(said.sentence.stems) < LEAST_STEMS
        and all(mark in marks_of(said.sentence, kind) for kind, mark in marks)
        for said in claim.evidence.said
    )


def _attribute(evidence: Evidence, text: str) -> str:
    """Say who speaks in a line that says "I". Example: "I have two dogs." → "user: I have two dogs."."""
    claim = _read(evidence, text)
    if not claim.ranked or not speaks_of_itself(text) or name_speakers(claim):
        return text
    best = evidence.said[claim.ranked[0]]
    return f"{best.speaker}: {text}" if best.speaker and best.first else text


def _is_only_denied(claim: Claim) -> bool:
    """Tell whether what a sentence claims was said only within a denial, whatever else the denial was of."""
    if claim.sentence.denies or any(word.softly for word in claim.sentence.words):
        return False
    best = [at for at in claim.ranked if claim.found[at] >= DENIED_SHARE * claim.best]
    shared = [
        [word.denied for word in claim.evidence.said[at].sentence.words if word.stem in claim.stems]
        for at in best
    ]
    return bool(shared) and all(denied and all(denied) for denied in shared)


def _breaks_off(claim: Claim) -> bool:
    """Tell whether a sentence ends within a word: with the beginning of a word that was said, never said itself."""
    text, words = claim.sentence.text, claim.sentence.words
    if not text[-1].isalnum() or not words or not text.lower().endswith(words[-1].text):
        return False
    last, said = words[-1].text, claim.evidence.words
    return (
        last not in said
        and stem(last) not in claim.evidence.by_stem
        and any(word.startswith(last) for word in said)
    )


def _is_vague(sentence: Sentence) -> bool:
    """Tell whether a sentence says too little to be of use. Example: "They talked."."""
    marks = (*sentence.figures, *sentence.dates, *sentence.names, *sentence.codes)
    return len(sentence.stems) < LEAST_STEMS and not marks


def _is_known(summary: Evidence, text: str) -> bool:
    claims = [_read(summary, sentence) for sentence in split_sentences(text)]
    return all(claim.coverage >= KNOWN_COVERAGE and not find_doubts(claim) for claim in claims)


def _rest(evidence: Evidence, text: str) -> TurnRange:
    """Find the turns that a supported line rests on."""
    turns: set[int] = set()
    for sentence in split_sentences(text):
        claim = _read(evidence, sentence)
        covered = _cover(claim)
        turns |= covered | _turns_of_marks(claim, covered)
    return min(turns), max(turns)


def _cover(claim: Claim) -> set[int]:
    """Choose the turns that hold most of a claim, the best first; a further one counts less, the further away it is."""
    evidence = claim.evidence
    held: dict[int, set[str]] = {}
    for at in claim.ranked:
        said = evidence.said[at]
        held.setdefault(said.turn, set()).update(said.sentence.stems.intersection(claim.stems))
    best = max(held, key=lambda turn: (weigh_stems(evidence, held[turn]), -turn), default=None)
    if best is None:
        return set()
    turns, missing = {best}, set(claim.stems) - held.pop(best)
    while held and missing and len(turns) < MOST_TURNS:
        gains = {
            turn: weigh_stems(evidence, stems & missing) / (1 + abs(turn - best) / FAR)
            for turn, stems in held.items()
        }
        turn = max(gains, key=lambda each: (gains[each], -each))
        if gains[turn] < LEAST_GAIN * claim.total:
            break
        turns.add(turn)
        missing -= held.pop(turn)
    return turns


def _turns_of_marks(claim: Claim, turns: set[int]) -> set[int]:
    """The turns where a claim's figures, dates, names and codes were said, where none of `turns` holds them."""
    further: set[int] = set()
    for kind in (*VALUE_KINDS, "name"):
        for mark in marks_of(claim.sentence, kind):
            places = find_places(claim.evidence, kind, mark)
            if any(claim.evidence.said[at].turn in turns for at in places):
                continue
            best = max(places, key=lambda at: (claim.found.get(at, 0.0), -at), default=None)
            further |= {claim.evidence.said[best].turn} if best is not None else set()
    return further


# -- what was said -------------------------------------------------------------------------------------


def say_entries(entries: Iterable[Entry]) -> list[Utterance]:
    """Write entries of the log as utterances; quotations from earlier turns are left out."""
    said: list[Utterance] = []
    for entry in entries:
        if not isinstance(entry.item, Message):
            continue
        speaker = entry.item.role if entry.item.role in ("user", "assistant") else ""
        texts = [entry.item.text, *(part.text for part in entry.item.parts if isinstance(part, ToolResult))]
        said += [Utterance(entry.turn, speaker, text) for text in texts if text.strip()]
    return said


def find_aliases(utterances: Iterable[Utterance], lines: Iterable[str] = ()) -> dict[str, list[str]]:
    """Find what the user is called, by what they said and by lines of a summary.

    Example: "My name is Ana." → {"user": ["Ana"]}.
    """
    names: list[str] = []
    for one in utterances:
        if one.speaker == "user":
            names += [*_NAMES.findall(one.text), *_CAPITAL_NAMES.findall(one.text)]
    for line in lines:
        names += [name for found in _NAMES_IN_LINES.findall(line) for name in found if name]
    plain = [name for name in names if name.lower() not in STOP_WORDS and name.lower() not in NEGATIONS]
    return {"user": list(dict.fromkeys(plain))}
