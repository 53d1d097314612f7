"""Doubts: what speaks against a claim. One function a kind, each sees a claim and the evidence.

The rules are general, and err on the side of doubt where a wrong line would be
believed: a figure, date, name or code that nobody said is always doubted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

from .evidence import Evidence, Said
from .lexicon import DAYS, GERMAN_WORDS, OPENERS, OPPOSITES, SPACELESS_ROLES, SPEAKING, STOP_WORDS
from .sentences import DENIAL_HEADS, MarkKind, Sentence
from .tokens import bare_word, stem

DoubtKind: TypeAlias = Literal[
    "number", "date", "name", "code", "negation", "speaker", "opposite", "unsupported"
]

# Shares of weights, as `Evidence.weigh` weighs stems. Chosen on the open half of LoCoMo's observations so that
# faithful lines are doubted in fewer than one of 25 cases; none depends on the text's subject.
FOCUS = 3  # power that gives the best sentences the say over whom a claim is about
OTHERS_SHARE = 0.2  # below this share a claim was said of somebody else
SPOKEN_SHARE = 0.08  # sentences with less of the claim say nothing about whom it is about
BORNE_SHARE = 0.3  # of the best sentence's overlap: others may bear a denial out
CONTRARY_SHARE = 0.4  # of the claim: a sentence that denies this much of it contradicts it
OPPOSITE_SHARE = 0.5  # of the best sentence's overlap: others may say the opposite
MARK_SHARE = 0.15  # of the claim: less stands around a figure, date or name, and more around another one
OTHER_SHARE = 0.4
LEAST_SHARE = 0.12  # of the claim: with less of it said at all, nothing supports it
NAMELY_WORDS = 6  # words at the head of a claim among which a verb of speaking is looked for
NEAR = 2  # sentences before and after that a figure's subject may stand in
OPPOSITE_NEAR = 3  # words beside a word and its opposite, among which they share one


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a claim is not supported. what: the words in question."""

    kind: DoubtKind
    what: str


class Claim:
    """One sentence of a claim, held against the evidence.

    stems: what it is about, without the names of speakers; subject: without weekdays. found: the weight of overlap for each
    sentence of the evidence; ranked: their places, best first. coverage: how much of it was said at all.
    """

    def __init__(self, evidence: Evidence, sentence: Sentence) -> None:
        self.evidence, self.sentence = evidence, sentence
        called = {
            stem(part) for names in evidence.speakers.values() for name in names for part in name.split()
        }
        self.stems = sorted(sentence.stems - called)  # in a fixed order: sums of weights depend on it
        days = {word.stem for word in sentence.words if word.text in DAYS}
        self.subject = [word for word in self.stems if word not in days]
        self.found = evidence.overlaps(self.stems)
        self.ranked = sorted(self.found, key=lambda at: (-self.found[at], at))
        self.total = sum(map(evidence.weigh, self.stems)) or 1.0
        said = sum(evidence.weigh(word) for word in self.stems if word in evidence.by_stem)
        self.coverage = said / self.total if self.stems else 1.0
        self.best = self.found[self.ranked[0]] if self.ranked else 0.0

    def supporting(self, share: float) -> list[Said]:
        """The sentences with at least this share of the best one's overlap, best first."""
        return [self.evidence.said[at] for at in self.ranked if self.found[at] >= share * self.best]


def find_doubts(claim: Claim) -> list[Doubt]:
    """List all that speaks against a claim."""
    rules = (
        _doubt_figures, _doubt_dates, _doubt_names, _doubt_codes,
        _doubt_relations, _doubt_denials, _doubt_silence, _doubt_opposites, _doubt_speaker, _doubt_coverage,
    )  # fmt: skip
    return [doubt for rule in rules for doubt in rule(claim)]


# -- figures, dates, names, codes -----------------------------------------------------------------


def _doubt_figures(claim: Claim) -> Iterator[Doubt]:
    """A number must have been said near something that the claim is about, and of what the claim counts."""
    counted = dict(claim.sentence.counted)
    for figure in claim.sentence.figures:
        places = [at for at in claim.evidence.by_mark.get(("number", figure), ()) if _is_near(claim, at)]
        if not places or _counts_other(claim.evidence, figure, counted.get(figure, ""), places):
            yield Doubt("number", figure)


def _is_near(claim: Claim, place: int) -> bool:
    return not claim.stems or any(at in claim.found for at in range(place - NEAR, place + NEAR + 1))


def _counts_other(evidence: Evidence, figure: str, noun: str, places: Sequence[int]) -> bool:
    """Tell whether what is counted was only ever counted with other figures."""
    return (
        noun in evidence.counted
        and figure not in evidence.counted[noun]
        and not any(_may_count(evidence.said[at].sentence, figure, noun) for at in places)
    )


def _may_count(sentence: Sentence, figure: str, noun: str) -> bool:
    """Tell whether a figure may belong to a word of its sentence: the word is there, and it counts nothing else."""
    return noun in sentence.stems and all(other == noun for one, other in sentence.counted if one == figure)


def _doubt_dates(claim: Claim) -> Iterator[Doubt]:
    """A day together with a month is doubted only where another day of that month was said."""
    said = claim.evidence.dates
    for date in claim.sentence.dates:
        month, _, day = date.partition("/")
        if date not in said and (not day or any(other.startswith(f"{month}/") for other in said)):
            yield Doubt("date", date)


def _doubt_names(claim: Claim) -> Iterator[Doubt]:
    sentence = claim.sentence
    german = len(GERMAN_WORDS.intersection(word.text for word in sentence.words)) >= 2
    names = [*sentence.names, *([sentence.lead] if _may_be_name(sentence.lead) else [])]
    for name in names:
        if not claim.evidence.knows_name(name) and not (german and _is_german_noun(sentence, name)):
            yield Doubt("name", name)


def _may_be_name(lead: str) -> bool:
    """Tell whether a sentence's first word may be a name, so far as its form tells."""
    ordinary = ("ing", "tion", "sion", "ness", "ment", "ity", "ly", "ous", "ance", "ence")
    return len(lead) > 2 and lead not in STOP_WORDS and lead not in OPENERS and not lead.endswith(ordinary)


def _is_german_noun(sentence: Sentence, name: str) -> bool:
    """Tell whether a capital is only German spelling: the word follows an article or the like."""
    return any(
        bare_word(word.text) == name and before.text in GERMAN_WORDS
        for before, word in pairwise(sentence.words)
    )


def _doubt_codes(claim: Claim) -> Iterator[Doubt]:
    return (Doubt("code", code) for code in claim.sentence.codes if code not in claim.evidence.codes)


def _doubt_relations(claim: Claim) -> Iterator[Doubt]:
    """A figure, date or name was said of something else, and another one of what the claim is about."""
    sentence = claim.sentence
    kinds: tuple[MarkKind, ...] = ("number", "date", "name")
    speakers = {part for names in claim.evidence.speakers.values() for name in names for part in name.split()}
    names = (*sentence.names, sentence.lead) if sentence.lead in claim.evidence.names else sentence.names
    for kind, marks in zip(kinds, (sentence.figures, sentence.dates, names), strict=True):
        for mark in marks:
            if mark not in speakers and _is_of_another(claim, kind, mark, marks, speakers):
                yield Doubt(kind, mark)


def _is_of_another(claim: Claim, kind: MarkKind, mark: str, marks: Sequence[str], speakers: set[str]) -> bool:
    """Weigh how much of the claim stands beside the mark, against how much stands beside another one."""
    said, known = claim.evidence.said, speakers.union(marks)
    places = claim.evidence.by_mark.get((kind, mark), [])
    others = {at for at in claim.ranked if not known.issuperset(said[at].sentence.marks(kind))}
    subject = [word for word in claim.subject if word != stem(mark)]
    total = sum(map(claim.evidence.weigh, subject))
    own = max((_weigh_around(claim, subject, place, others) for place in places), default=0.0)
    other = max(
        (_weigh(claim, subject, said[at].sentence.stems) for at in others.difference(places)), default=0.0
    )
    return bool(places) and own <= MARK_SHARE * total and other >= OTHER_SHARE * total > 0


def _weigh_around(claim: Claim, subject: Sequence[str], place: int, others: set[int]) -> float:
    """How much of the claim stands in a sentence and beside it.

    In a dialogue a sentence beside it that has another such mark is about that one; a text goes on about one thing.
    """
    said = claim.evidence.said
    around = [
        said[at].sentence.stems
        for at in range(max(0, place - 1), min(len(said), place + 2))
        if at == place or at not in others or not said[at].speaker
    ]
    return _weigh(claim, subject, frozenset().union(*around))


def _weigh(claim: Claim, subject: Sequence[str], stems: frozenset[str]) -> float:
    return sum(claim.evidence.weigh(word) for word in subject if word in stems)


# -- negation -------------------------------------------------------------------------------------


def _doubt_denials(claim: Claim) -> Iterator[Doubt]:
    """What the claim denies must have been denied."""
    for heads in claim.sentence.denials:
        denied = heads or tuple(word.stem for word in claim.sentence.words if word.stem)[-DENIAL_HEADS:]
        if denied and _was_affirmed(claim, denied[0]):
            denied = denied[:1]  # then that nobody denied the second word alone is not enough
        if denied and not _was_denied(claim, denied):
            yield Doubt("negation", " ".join(denied))


def _was_affirmed(claim: Claim, word: str) -> bool:
    return any(
        one.stem == word and not one.denied
        for said in claim.supporting(OPPOSITE_SHARE)[:2]
        for one in said.sentence.words
    )


def _was_denied(claim: Claim, denied: Sequence[str]) -> bool:
    said = claim.evidence.said
    for at in sorted(
        {at for word in denied for at in claim.evidence.by_stem.get(word, ())} | set(claim.found)
    ):
        sentence = said[at].sentence
        held = sum(word in sentence.stems for word in denied)
        if held < 2 and claim.found.get(at, 0.0) < BORNE_SHARE * claim.best:
            continue
        if any(
            _is_denied(word.text, word.stem, word.denied or word.softly, denied) for word in sentence.words
        ):
            return True
        if any(word in heads for heads in sentence.denials for word in denied):
            return True
        if held and any(_is_plain_no(later, said[at]) for later in said[at + 1 : at + 1 + NEAR]):
            return True
    return False


def _is_denied(text: str, word: str, denied_there: bool, denied: Sequence[str]) -> bool:
    if denied_there:
        return word in denied
    return bool(word) and any(stem(rest) in denied for rest in _without_prefix(text))


def _is_plain_no(later: Said, asked: Said) -> bool:
    """Tell whether a sentence is a "No, I don't" to what was asked just before."""
    sentence = later.sentence
    return later.utterance == asked.utterance + 1 and sentence.denies and len(sentence.stems) <= 2


def _doubt_silence(claim: Claim) -> Iterator[Doubt]:
    """What was denied must not be claimed: the best sentences deny just that, and the claim does not."""
    if claim.sentence.denies or any(word.softly for word in claim.sentence.words):
        return
    for at in claim.ranked[:2]:
        sentence = claim.evidence.said[at].sentence
        if claim.found[at] < CONTRARY_SHARE * claim.total:
            return
        if any(heads and all(word in claim.stems for word in heads) for heads in sentence.denials):
            yield Doubt("negation", sentence.text)
            return


# -- opposites ------------------------------------------------------------------------------------


def _doubt_opposites(claim: Claim) -> Iterator[Doubt]:
    """A word of the claim was not said, but its opposite was, beside the same word."""
    sentence, known = claim.sentence, claim.evidence.by_stem
    for place, word in enumerate(sentence.words):
        if word.denied or not word.stem or word.stem in known:
            continue
        contrary = OPPOSITE_STEMS.get(word.stem, frozenset()) | _opposite_forms(word.text)
        alike = frozenset().union(*(OPPOSITE_STEMS.get(other, frozenset()) for other in contrary))
        beside = _beside(sentence, place)
        if any(
            alike.isdisjoint(said.sentence.stems) and _says_opposite(said.sentence, contrary, beside)
            for said in claim.supporting(OPPOSITE_SHARE)
        ):
            yield Doubt("opposite", word.text)


def _says_opposite(sentence: Sentence, contrary: frozenset[str], beside: frozenset[str]) -> bool:
    return not contrary.isdisjoint(sentence.stems) and any(
        word.stem in contrary and not word.denied and not beside.isdisjoint(_beside(sentence, place))
        for place, word in enumerate(sentence.words)
    )


def _beside(sentence: Sentence, place: int) -> frozenset[str]:
    """The stems beside a word, nearest first: up to three on each side."""
    stems = [word.stem for word in sentence.words]
    before = [word for word in stems[:place] if word][-OPPOSITE_NEAR:]
    return frozenset(before + [word for word in stems[place + 1 :] if word][:OPPOSITE_NEAR])


_PREFIXES = ("un", "in", "im", "ir", "il", "dis", "non")


def _without_prefix(text: str) -> Iterator[str]:
    """Take a denying prefix off. Example: "unhappy" → "happy"."""
    return (
        text[len(prefix) :] for prefix in _PREFIXES if text.startswith(prefix) and len(text) > len(prefix) + 3
    )


def _opposite_forms(text: str) -> frozenset[str]:
    """The stems of a word with and without a denying prefix."""
    return frozenset([*(stem(prefix + text) for prefix in _PREFIXES), *map(stem, _without_prefix(text))])


def _stem_opposites() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for word, others in OPPOSITES.items():
        found[stem(word)] = found.get(stem(word), frozenset()) | frozenset(map(stem, others))
    return found


OPPOSITE_STEMS = _stem_opposites()
_SPEAKING_STEMS = frozenset(map(stem, SPEAKING))


# -- who said it ----------------------------------------------------------------------------------


def _doubt_speaker(claim: Claim) -> Iterator[Doubt]:
    """What the claim says of a speaker must not have been said of another one.

    "I ..." is about who speaks, "you ..." about whom they speak to. A claim about what somebody said,
    or that names both, may rest on either.
    """
    named = name_speakers(claim)
    if not named:
        return
    about: dict[str, float] = {}
    saying: dict[str, float] = {}
    for at in claim.ranked:
        share = claim.found[at] / claim.total
        if share < SPOKEN_SHARE:
            break
        said = claim.evidence.said[at]
        saying[said.speaker] = saying.get(said.speaker, 0.0) + share**FOCUS
        for speaker, part in _share_out(said, claim.evidence):
            about[speaker] = about.get(speaker, 0.0) + part * share**FOCUS
    subject, total = named[0], sum(saying.values())
    weight = about.get(subject, 0.0)
    speaking = [word.stem in _SPEAKING_STEMS for word in claim.sentence.words]
    if len(named) > 1 and any(speaking):
        return  # "Ana supports Bob's plan" repeats what Bob said
    if len(named) > 1 or any(speaking[:NAMELY_WORDS]):
        weight = max(weight, saying.get(subject, 0.0))
    if total and weight < OTHERS_SHARE * total:
        yield Doubt("speaker", subject)


def _share_out(said: Said, evidence: Evidence) -> list[tuple[str, float]]:
    """Say whom a sentence is about, in shares."""
    others = [speaker for speaker in evidence.speakers if speaker != said.speaker]
    if not said.second or len(others) != 1:
        return [(said.speaker, 1.0)]
    own = 0.7 if said.first else 0.25  # "you" is now and then anybody, "we" includes who is spoken to
    return [(said.speaker, own), (others[0], 1 - own)]


def name_speakers(claim: Claim) -> list[str]:
    """List the speakers that a claim names, in its order."""
    text = f" {' '.join(bare_word(word.text) for word in claim.sentence.words)} "
    found: list[tuple[int, str]] = []
    for speaker, called in claim.evidence.speakers.items():
        places = [at for name in called if (at := text.find(f" {name} ")) >= 0]
        places += [
            at for name in SPACELESS_ROLES.get(speaker, ()) if (at := claim.sentence.text.find(name)) >= 0
        ]
        if places:
            found.append((min(places), speaker))
    return [speaker for _, speaker in sorted(found)]


def _doubt_coverage(claim: Claim) -> Iterator[Doubt]:
    if claim.coverage < LEAST_SHARE:
        yield Doubt("unsupported", "")
