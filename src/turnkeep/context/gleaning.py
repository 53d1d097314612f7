"""Glean from what a user says the sentences that must survive word for word. No model is asked.

    5  "remember that ...", and who they are: name, allergies, how to call them
    4  what has a value: "my room is 214", codes, addresses, appointments
    3  how things are with them: where they live, what they have and prefer
    2  what happened to them, with a figure, date or name; what corrects something
    1  other figures, dates and codes

The rank says who stays when room is short (facts.py). Questions, code and quotations
are no facts. A sentence that cannot stand alone ("It's 4711.") takes along what it refers to.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from .claims import ASKED, Claim, read_claim
from .gleaning_words import (
    BIDDING,
    CONTRACTED_IS,
    IDENTITY,
    IS,
    NEAR_NAME,
    OWN,
    REMEMBER,
    STATE,
    THING,
    THOUGHT,
    compile_rows,
)
from .lexicon import FIRST_PERSON, SPACELESS_FIRST
from .sentences import Sentence, read_sentence
from .tokens import bare_word, split_sentences
from .typos import mend_typos
from .values import find_values, shape_of

FACT_CHARACTERS = 280  # a longer sentence is no fact
MOST_A_MESSAGE = 8  # facts taken from one message, the best ones
PASTED_CHARACTERS = 1_500  # a longer message was not typed: only what it says of its sender counts
BARE_ANSWER_WORDS = 8  # a message this short may be the answer to what was asked
TELLING = ("money", "phone", "address", "code")  # values that are hardly said in passing
QUESTION_MARKS = ("?", "？", "؟")

_CODE_BLOCK = re.compile(r"```.*?(?:```|\Z)|^\s*(?:>|[|{}<]).*$|^(?: {4}|\t).*$", re.DOTALL | re.MULTILINE)
_REMEMBER, _BIDDING, _IDENTITY, _STATE = map(compile_rows, (REMEMBER, BIDDING, IDENTITY, STATE))
_OWN, _THING, _THOUGHT = map(compile_rows, (OWN, THING, THOUGHT))
_IS = re.compile(rf"{compile_rows(IS).pattern}|{CONTRACTED_IS}", re.IGNORECASE)
_ADDRESS = re.compile(
    r"\b\d{1,4}[a-z]? (?:[A-Z][\w'-]+ ){1,3}(?:Street|St|Road|Rd|Lane|Ln|Avenue|Ave|Drive|Square|Way|Court|Place|Row|Terrace)\b"
    r"|\b\w+(?:straße|strasse|weg|gasse|platz|straat|laan) \d{1,4}\b|\b(?:rue|calle|via|rua|avenue|улица|ул\.) .{2,30}\d|[路街道区區]\d{1,4}[号號]"
)
_DEFINITE = re.compile(
    r"^(?:\W*\w+,?)?\W*\b(?:the|this|that|der|die|das|le|la|el|il|o|a|de|het)\b", re.IGNORECASE
)
# "Hi, I'm Ann" and "Rosa is my emergency contact".
_INTRODUCES = re.compile(
    r"^\W*(?:(?:[Hh]i|[Hh]ello|[Hh]ey|[Gg]ood \w+)\b[^.!?]{0,20}\b)?(?:[Ii]['’]m|[Ii] am) [A-Z][\w'-]+(?:\W*$|,| and | by the way| btw)"
)
_IS_OURS = re.compile(r"^\W*[A-Z][\w'-]+(?: [A-Z][\w'-]+)? is (?:my|our) \w")
_MONEY = re.compile(r"[$€£¥₹] ?\d|\d ?[$€£¥₹]")
_REFERRING = re.compile(
    r"^(?:it|it's|its|that|that's|this|he|she|they|he's|she's|they're|his|her|their|these|those|there|so|and|but|because|also|er|sie|es|il|elle|c'est|él|ella|ha|это|он|она)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Gleaned:
    """A sentence worth keeping, and how much: 5 is the most, 0 only if it corrects something."""

    text: str
    rank: int


def glean(text: str, asked: str = "") -> list[Gleaned]:
    """Take from a user's message what must survive.

    Args:
        text: the message.
        asked: what the assistant had said before, since it may be an answer.

    Returns:
        Sentences as said, in their order; at most `MOST_A_MESSAGE`.
    """
    pasted = len(text) > PASTED_CHARACTERS
    sentences = split_sentences(_CODE_BLOCK.sub("\n", text))
    found: list[tuple[int, Gleaned]] = []
    for place, said in enumerate(sentences):
        before = sentences[place - 1] if place else ""
        whole = _with_context(said, before, asked if len(sentences) <= 2 else "")
        rank = max(rank_sentence(said), rank_sentence(whole)) if len(whole) <= FACT_CHARACTERS else 0
        if rank >= (4 if pasted else 1) or (not pasted and _may_correct(whole)):
            if whole != said and found and found[-1][1].text == before:
                found.pop()  # it is said again in this one
            found.append((place, Gleaned(whole, rank)))
    if not found and len(sentences) == 1:
        return _bare_answer(sentences[0], asked)
    best = sorted(found, key=lambda each: (-each[1].rank, each[0]))[:MOST_A_MESSAGE]
    return [gleaned for _, gleaned in sorted(best, key=lambda each: each[0])]


def _may_correct(text: str) -> bool:
    """Tell whether a sentence that is nothing in itself may correct what was said: it states a value."""
    asks = text.rstrip("\"'”’)").endswith(QUESTION_MARKS)
    return len(text) <= FACT_CHARACTERS and not asks and _gives_value(read_claim(text))


def _gives_value(claim: Claim) -> bool:
    return (
        bool(claim.given)
        or (bool(claim.values) and not claim.about)
        or any(kind != "name" for kind in claim.values)
    )


@lru_cache(maxsize=1_024)
def rank_sentence(text: str) -> int:
    """Say how much a sentence is worth keeping; 0 for not at all."""
    text = mend_typos(text)
    sentence = read_sentence(text)
    values = _has_values(text, sentence)
    own = _speaks_of_self(text)
    asks = text.rstrip("\"'”’)").endswith(QUESTION_MARKS)
    if _REMEMBER.search(text) and (own or values or sentence.names) and (not asks or _BIDDING.match(text)):
        return 5
    if asks:
        return 0
    if _IDENTITY.search(text):
        return 5
    if _THOUGHT.search(text[: min([value.start for value in find_values(text)], default=len(text))]):
        return 0
    if _states_value(text, sentence, values=values):
        return 4
    if _INTRODUCES.search(text):
        return 5
    if _IS_OURS.search(text):
        return 4
    if _STATE.search(text):
        return 3
    if read_claim(text).corrects or (own and (values or _tells_name(sentence))):
        return 2
    return 1 if _is_written_out(text, sentence) or _names_something(text) else 0


def _has_values(text: str, sentence: Sentence) -> bool:
    return bool(sentence.figures or sentence.dates or sentence.codes) or any(
        value.kind != "name" for value in find_values(text)
    )


def _states_value(text: str, sentence: Sentence, *, values: bool) -> bool:
    """Tell whether a sentence gives something a value: "my room is 214", "the code: 4711-B"."""
    claim = read_claim(text)
    if claim.past and not claim.cue:
        return False
    if _ADDRESS.search(text) or any(value.kind == "contact" for value in find_values(text)):
        return True
    own = _OWN.search(text)
    is_ = _IS.search(text, own.end()) if own is not None else None
    if is_ is not None and (
        find_values(f"it{text[is_.end() :]}") or any(_marks(read_sentence(f"it{text[is_.end() :]}")))
    ):
        return True
    return values and _THING.search(text) is not None and len(sentence.stems) > 0


def _is_written_out(text: str, sentence: Sentence) -> bool:
    """Tell whether there is more than a figure: a code, a date, an amount, or what is counted."""
    kinds = {value.kind for value in find_values(text)}
    marks = sentence.codes or sentence.counted or not kinds.isdisjoint(("day", "time")) or _MONEY.search(text)
    return bool(marks) and len(sentence.stems) > 0


def _names_something(text: str) -> bool:
    """Tell whether something definite is said to be somebody or somewhere: "the conference is in Porto"."""
    subject = _DEFINITE.search(text)
    is_ = _IS.search(text, subject.end()) if subject is not None else None
    return is_ is not None and any(
        value.start > is_.start()
        and (value.kind == "name" or shape_of(value, text) in TELLING or len(value.same) > 2)
        for value in find_values(text)
    )


def _tells_name(sentence: Sentence) -> bool:
    """Tell whether a name is part of what is told, and not only who is spoken to."""
    return any(
        bare_word(word.text) in sentence.names and before.text in NEAR_NAME
        for before, word in pairwise(sentence.words)
    )


def _speaks_of_self(text: str) -> bool:
    words = {word.strip("\"'“”,;:!?.()").lower().replace("’", "'") for word in text.split()}
    return not FIRST_PERSON.isdisjoint(words) or any(mark in text for mark in SPACELESS_FIRST)


def _with_context(text: str, before: str, asked: str) -> str:
    """Put before a sentence what it refers to: the sentence before it, or the question it answers."""
    if not _REFERRING.match(text) and read_sentence(text).stems:
        return text
    if text.endswith(QUESTION_MARKS):
        return text
    leads = not before.endswith(QUESTION_MARKS) and (_REFERRING.match(text) or rank_sentence(before) > 0)
    if before and (leads or rank_sentence(before) == 5):
        return f"{before} {text}"
    question = _last_question(asked)
    return f"{text}{ASKED}{question})" if question else text


def _bare_answer(text: str, asked: str) -> list[Gleaned]:
    """Take "4711" or "On Tuesday at 3" where the assistant had asked for it."""
    question = _last_question(asked)
    if not question or len(text.split()) > BARE_ANSWER_WORDS or text.endswith(QUESTION_MARKS):
        return []
    return [Gleaned(f"{text}{ASKED}{question})", 4)] if any(_marks(read_sentence(text))) else []


def _marks(sentence: Sentence) -> tuple[str, ...]:
    return (*sentence.figures, *sentence.dates, *sentence.codes, *sentence.names)


def _last_question(text: str) -> str:
    questions = [sentence for sentence in split_sentences(text) if sentence.endswith(QUESTION_MARKS)]
    return questions[-1] if questions and len(questions[-1]) <= FACT_CHARACTERS // 2 else ""
