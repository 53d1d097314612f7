"""Read what a statement says of what: its subject, its values, and whether it corrects something.

Whether it replaces an earlier statement is decided in corrections.py.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .gleaning_words import (
    CONTRACTED_IS,
    CUES,
    IS,
    SAID_IN_MANY_WAYS,
    WORDED_THINGS,
    compile_rows,
    fold_stem,
)
from .tokens import split_tokens
from .topics import find_topics
from .typos import mend_typos
from .values import IS_SOMEBODY, IS_SUBJECT, Value, ValueKind, find_values, shape_of

OF, ASKED = " (of: ", " (asked: "  # what a statement that cannot stand alone refers to

# What stands before a value that is said to hold no more.
_DENYING = re.compile(
    r"(?:\b(?:not|no longer|instead of|rather than|isn['’]?t|aren['’]?t|don['’]?t use|forget|statt|nicht|pas|no es|ya no|en vez de|non|invece di|em vez de|niet|не|вместо)\s+(?:\w+\s+)?[€$£#]?|不是)$",
    re.IGNORECASE,
)
_KEYS = {key: compile_rows({key: f"(?:{form})"}) for key, form in SAID_IN_MANY_WAYS.items()}
_CUE, _IS = compile_rows(CUES), re.compile(rf"{compile_rows(IS).pattern}|{CONTRACTED_IS}", re.IGNORECASE)
# Words that only open or fill a sentence.
_FILLING = re.compile(
    r"\b(?:btw|by the way|fyi|update|well|oh|hey|ok(?:ay)?|lol|haha|yeah|ugh|anyway|hm+|ah|(?:by |since )?(?:next|this|last) (?:week|month|year)|today|lately|tomorrow|called|named|name[’']?s|name|please|er+|u[hm]+|eh|oops|typo|whoops|wait|hold on|my (?:bad|mistake)|nah|no|yes|right|noted|argh|of course|make that|i (?:misremembered|misread(?: it| that)?|got (?:that|it) wrong|mixed (?:it|that) up|looked again|checked)|silly me|let me (?:check|see)|to be (?:exact|precise)|exactly|i think|or)\b:?",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"\b(?:(?:i|we) (?:said|told you|wrote|thought)|used to be|was|were|had been|from(?: the)?) [€$£#]?(?:\w+ )?$",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"\b(?:also|too|as well|another one|second|other|auch|aussi|también|anche|também|ook|тоже)\b|也",
    re.IGNORECASE,
)
_BACK = re.compile(
    r"\b(?:back|return|next|last|first|second|third|other|another|outbound|inbound|work|home|old)\b",
    re.IGNORECASE,
)
_END = re.compile(r"\b(?:ends?|arrives?|lands?|closes?|runs out|expires?|over)\b", re.IGNORECASE)
_FIRST = re.compile(r"^\W*(?:i|we|i'm|we're|i've|we've|ich|wir|je|j'\w+)\b", re.IGNORECASE)
_PAST = re.compile(
    r"\b(?:(?!need\b|indeed\b|feed\b|speed\b|breed\b)\w{2,}ed|went|had|was|were|did|saw|got|made|took|came|met|bought|ate|drank|said|told|ran|won|lost|found|felt|left|gave|spent|read|wrote|thought|heard|began)\b",
    re.IGNORECASE,
)
_PRESENT = re.compile(r"\b(?:is|are|am|has|have|will|lives?|works?)\b|['’](?:m|s|re|ve)\b", re.IGNORECASE)
GIVEN_WORDS = 2  # between "is" and a name: "is called Farid", "is going to be Ann" has one "be"
_SENTENCE = re.compile(r"[.!?:;]")
_IS_OWN = re.compile(
    r"[’']?s? (?:is |are )?(?:is|are|took over|will be|has|teaches|drives|moved in)\b|[’']s (?:my|our)\b",
    re.IGNORECASE,
)
_GIVING = re.compile(
    r"(?:\b(?:call|calls|see|have|got|to|named|called|now|it’s|it's|with|as|by|in|at|prefer|like|meet|us|me)[,:]?|[,:]) (?:the |my |our )?$",
    re.IGNORECASE,
)
_REPORT = re.compile(
    r"^\W*(?:\w+ ){1,3}(?:called|wrote|rang|said|says|phoned|texted|e-?mailed|decided|told (?:me|us)|asked(?: (?:me|us))?)\b[,:;]? ",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"(?:\b(?:as|is|am|be|become|became)|[’']s|[’']m) an? ([^\W\d_]+)(?=\W*$|[,.;!]| (?:by|now|since|these|at|for|in|and|from)\b)",
    re.IGNORECASE,
)
_EVENT = re.compile(
    r"\b(?:last|this past|the other) (?:mon|tue|wed|thu|fri|sat|sun|week|month|year|summer|winter|spring|fall|autumn|night|time|day)|\bago\b|\byesterday\b|\bone (?:day|time)\b|\bjust (?:got|came) back\b",
    re.IGNORECASE,
)
_WORD_ENDS = re.compile(
    r"[,.;:!?()–—]|\s(?:with|now|instead|and|but|because|from|these|since|in|at|by|so|mit|jetzt|und|avec|et|con|y|e)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a statement says of what.

    about: stems of its words of content, values and words of correction apart.
    subject: those before its verb, or before its first value.
    values: by kind, written alike; denied: values that it says hold no more; shapes: what the values look like.
    topics: what it speaks of, in whatever words (topics.py).
    given: names that follow its verb, in whatever it says is somebody or somewhere.
    key: what it is about, for things that are said in many ways ("home"); word: their value.
    cue: it holds a word of correction; more: it says "also"; ends: it tells when something ends.
    """

    about: frozenset[str]
    subject: frozenset[str]
    values: Mapping[ValueKind, frozenset[str]]
    denied: frozenset[str]
    shapes: frozenset[str]
    given: frozenset[str]
    topics: frozenset[str]
    role: str  # "roofer" in "works as a roofer", "is a roofer"
    key: str
    word: str
    cue: bool
    more: bool
    ends: bool
    personal: bool  # its subject is who speaks
    past: bool  # it tells of what has happened
    event: bool  # it says when: "last Friday", "three days ago"

    @property
    def corrects(self) -> bool:
        """Whether it may well correct something."""
        return self.cue and bool(self.values or self.denied or self.key)


@lru_cache(maxsize=1_024)
def read_claim(text: str) -> Claim:
    """Read what a statement says of what."""
    own, _, context = text.partition(OF)
    own, _, question = own.partition(ASKED)
    claim = _read_plain(own)
    if context or question:  # what it refers to says of what it speaks
        of = _read_plain(context or question)
        values = (
            {kind: claim.values.get(kind, frozenset()) | same for kind, same in of.values.items()}
            if context
            else {}
        )
        return Claim(
            about=claim.about | of.about, subject=of.subject or claim.subject, values={**claim.values, **values},
            denied=claim.denied, shapes=claim.shapes | (of.shapes if context else frozenset()), given=claim.given | of.given, topics=claim.topics | of.topics,
            role=claim.role or of.role, key=of.key or claim.key, word=claim.word or of.word, cue=claim.cue, more=claim.more,
            ends=of.ends, personal=of.personal, past=of.past, event=claim.event or of.event,
        )  # fmt: skip
    return claim


def _read_plain(said: str) -> Claim:
    text = mend_typos(said)
    found = find_values(text)
    verb = _find_verb(text, found)
    bare = _blank(text, ()).strip()
    first = next((value.start for value in found if value.kind != "name"), len(text))
    named = next((value.start for value in found), len(text))
    ends_at = verb.start() if verb is not None and verb.start() <= first else named
    denied = [value for value in found if _is_denied(text, value, found)]
    stated = [
        value for value in found if value not in denied and (value.end > ends_at or _leads(text, value))
    ]
    about = _stems(_blank(text, [*stated, *denied]))
    subject = _stems(_blank(text[:ends_at], denied))
    turned = IS_SOMEBODY.match(text, found[0].end) if found and found[0].kind == "name" else None
    if turned is not None:  # "Ann is my boss" says of the boss that it is Ann
        subject = _stems(_blank(text[turned.end() :], ()))
    if not about and _FIRST.match(bare):  # "I get up at 6:10" has small words only
        about = frozenset(word.lower() for word in _blank(text[:ends_at], ()).split() if len(word) > 1)
    key, word = _read_key(text, subject, verb)
    role = _ROLE.search(text)
    told = _REPORT.sub("", bare)
    values: dict[ValueKind, frozenset[str]] = {}
    for value in stated:
        values[value.kind] = values.get(value.kind, frozenset()) | {value.same}
    return Claim(
        about=about, subject=subject | _stems_of(_BACK, text[:ends_at]), values=values,
        denied=frozenset(value.same for value in denied), shapes=frozenset(shape_of(value, text) for value in stated),
        given=frozenset(value.same for value in stated if value.kind == "name" and _is_given(text, value)), topics=find_topics(text),
        role=role.group(1).lower() if role is not None else "", key=key, word=word,
        cue=bool(denied) or _CUE.search(text) is not None, more=_MORE.search(text) is not None,
        ends=_END.search(text) is not None, personal=_FIRST.match(bare) is not None,
        past=_PAST.search(told) is not None and _PRESENT.search(told) is None and _CUE.search(text) is None,
        event=_EVENT.search(text) is not None,
    )  # fmt: skip


def _leads(text: str, value: Value) -> bool:
    """Tell whether a name begins a statement of who does something: "Ann does our accounts"."""
    begins = value.kind == "name" and not text[: value.start].strip()
    return begins and IS_SUBJECT.match(text, value.end) is not None


def _is_given(text: str, value: Value) -> bool:
    """Tell whether a name is what somebody or something is said to be: "is called Farid", "is in Porto", "Ann is my boss"."""
    before, after = text[: value.start], text[value.end :]
    verb = next(reversed(list(_IS.finditer(before))), None)
    if (
        verb is not None
        and len(before[verb.end() :].split()) <= GIVEN_WORDS
        and not _SENTENCE.search(before[verb.end() :])
    ):
        return True
    return _IS_OWN.match(after) is not None or not before.strip() or _GIVING.search(before) is not None


def _find_verb(text: str, found: Sequence[Value]) -> re.Match[str] | None:
    """Find what parts a subject from its value: a verb, or a colon right before a value."""
    plain = _space_out(text)
    starts = {value.start for value in found}
    colon = next((match for match in re.finditer(r": ?", plain) if match.end() in starts), None)
    verb = _IS.search(plain)
    return min(
        (match for match in (verb, colon) if match is not None), key=lambda match: match.start(), default=None
    )


def _space_out(text: str) -> str:
    """Put blanks in place of words of correction and of filling words, so that all else keeps its place."""
    for form in (_CUE, _FILLING):
        text = form.sub(lambda match: " " * len(match.group()), text)
    return text


def _is_denied(text: str, value: Value, found: Sequence[Value]) -> bool:
    """Tell whether a value is said to hold no more: "not 241", "was 900, is 950 now", "from 3 to 5"."""
    before = text[: value.start]
    if _DENYING.search(before):
        return True
    later = any(other.kind == value.kind and other.start > value.start for other in found)
    return later and _BEFORE.search(before) is not None and _CUE.search(text) is not None


def _read_key(text: str, subject: frozenset[str], verb: re.Match[str] | None) -> tuple[str, str]:
    for key, form in _KEYS.items():
        if (match := form.search(text)) is not None:
            who = " ".join(sorted(subject)) if "works" in match.group() else ""
            return f"{key} {who}".strip(), _first_words(text[match.end() :])
    if verb is not None and not subject.isdisjoint(WORDED_THINGS):
        return "its " + " ".join(sorted(subject)), _first_words(text[verb.end() :])
    return "", ""


def _first_words(text: str) -> str:
    text = _CUE.sub(" ", text).strip()
    end = _WORD_ENDS.search(text)
    return " ".join((text[: end.start()] if end else text).lower().split()[:3])


def _blank(text: str, values: Sequence[Value]) -> str:
    for value in values:
        text = text[: value.start] + " " * (value.end - value.start) + text[value.end :]
    return _space_out(text)


def _stems(text: str) -> frozenset[str]:
    text = text.replace("go-to", "goto")
    return frozenset(
        fold_stem(token.stem) for token, _ in split_tokens(text) if token.kind == "word" and token.stem
    )


def _stems_of(form: re.Pattern[str], text: str) -> frozenset[str]:
    return frozenset(match.lower() for match in form.findall(text))
