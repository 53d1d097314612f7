"""Tell whether a statement replaces an earlier one: the same thing, with another value.

"My dentist moved to 5 June", "no, 214 not 241", "call me Ann instead", "I moved to Lyon".
A false merge would lose a fact, and a missed one would leave a false value standing. So without
a word of correction a statement replaces only what has the very same subject and another value of
the same kind; with one, what shares enough of its words; with nothing but a value ("actually it's
the 5th"), the newest one of that kind just said.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .gleaning_words import (
    CONTRACTED_IS,
    CUES,
    IS,
    SAID_IN_MANY_WAYS,
    SEVERAL,
    WORDED_THINGS,
    compile_rows,
    fold_stem,
)
from .tokens import split_tokens
from .typos import mend_typos
from .values import Value, ValueKind, find_values

BARE_TURNS = 3  # "actually it's the 5th" speaks of something said this many turns before at most
OVERLAP = 0.5  # of the shorter one's words of content, with a word of correction
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
    r"\b(?:btw|by the way|fyi|update|well|oh|hey|ok(?:ay)?|lol|haha|yeah|ugh|anyway|hm+|ah|called|named|name[’']?s|name|please)\b:?",
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
_WORD_ENDS = re.compile(
    r"[,.;:!?()–—]|\s(?:with|now|instead|and|but|because|from|these|since|in|at|by|so|mit|jetzt|und|avec|et|con|y|e)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a statement says of what.

    about: stems of its words of content, values and words of correction apart.
    subject: those before its verb, or before its first value.
    values: by kind, written alike; denied: values that it says hold no more.
    key: what it is about, for things that are said in many ways ("home"); word: their value.
    cue: it holds a word of correction; more: it says "also"; ends: it tells when something ends.
    """

    about: frozenset[str]
    subject: frozenset[str]
    values: Mapping[ValueKind, frozenset[str]]
    denied: frozenset[str]
    key: str
    word: str
    cue: bool
    more: bool
    ends: bool
    personal: bool  # its subject is who speaks

    @property
    def corrects(self) -> bool:
        """Whether it may well correct something."""
        return self.cue and bool(self.values or self.denied or self.key)


@lru_cache(maxsize=4_096)
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
            denied=claim.denied, key=of.key or claim.key, word=claim.word or of.word, cue=claim.cue, more=claim.more,
            ends=of.ends, personal=of.personal,
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
    stated = [value for value in found if value not in denied and value.end > ends_at]
    about = _stems(_blank(text, [*stated, *denied]))
    subject = _stems(_blank(text[:ends_at], denied))
    if not about and _FIRST.match(bare):  # "I get up at 6:10" has small words only
        about = frozenset(word.lower() for word in _blank(text[:ends_at], ()).split() if len(word) > 1)
    key, word = _read_key(text, subject, verb)
    values: dict[ValueKind, frozenset[str]] = {}
    for value in stated:
        values[value.kind] = values.get(value.kind, frozenset()) | {value.same}
    return Claim(
        about=about, subject=subject | _stems_of(_BACK, text[:ends_at]), values=values,
        denied=frozenset(value.same for value in denied), key=key, word=word,
        cue=bool(denied) or _CUE.search(text) is not None, more=_MORE.search(text) is not None,
        ends=_END.search(text) is not None, personal=_FIRST.match(bare) is not None,
    )  # fmt: skip


def _find_verb(text: str, found: Sequence[Value]) -> re.Match[str] | None:
    """Find what parts a subject from its value: a verb, or a colon right before a value."""
    verb = _IS.search(text)
    colon = next(
        (match for match in re.finditer(r": ?", text) if any(value.start == match.end() for value in found)),
        None,
    )
    return min(
        (match for match in (verb, colon) if match is not None), key=lambda match: match.start(), default=None
    )


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
    return _FILLING.sub(" ", _CUE.sub(" ", text))


def _stems(text: str) -> frozenset[str]:
    text = text.replace("go-to", "goto")
    return frozenset(
        fold_stem(token.stem) for token, _ in split_tokens(text) if token.kind == "word" and token.stem
    )


def _stems_of(form: re.Pattern[str], text: str) -> frozenset[str]:
    return frozenset(match.lower() for match in form.findall(text))


def find_replaced(claim: Claim, earlier: Sequence[tuple[str, int]]) -> list[int]:
    """Find which earlier statements a new one replaces.

    Args:
        claim: the new statement.
        earlier: statements that hold, oldest first: the text, and how many turns before it was said.

    Returns:
        Their places in `earlier`.
    """
    claims = [read_claim(text) for text, _ in earlier]
    found = {at for at, old in enumerate(claims) if _says_otherwise(claim, old)}
    if not claim.cue:
        return sorted(found)
    denied = [at for at, old in enumerate(claims) if claim.denied & _all_values(old)]
    if denied:
        most = max(len(claim.about & claims[at].about) for at in denied)
        best = [at for at in denied if len(claim.about & claims[at].about) == most]
        return sorted(found.union(best if most else best[-1:]))
    if found:
        return sorted(found)
    if not claim.about and not claim.key:
        near = [
            at for at, (_, turns) in enumerate(earlier) if turns <= BARE_TURNS and _differs(claim, claims[at])
        ]
        return near[-1:]
    return _best_match(claim, claims)


def _best_match(claim: Claim, claims: Sequence[Claim]) -> list[int]:
    """With a word of correction: the statement that shares most words, and all that say the same as that one."""
    if claim.key:
        return []
    alike = {at: old for at, old in enumerate(claims) if _differs(claim, old) and claim.about & old.about}
    shares = {
        at: _share(claim, old, [other for other in alike.values() if other is not old])
        for at, old in alike.items()
    }
    best = max(shares.values(), default=0.0)
    if best < OVERLAP:
        return []
    at = max(place for place, share in shares.items() if share == best)
    kinds = _common_kinds(claim, claims[at])
    return [
        other
        for other in shares
        if other == at or any(claims[other].values.get(kind) == claims[at].values[kind] for kind in kinds)
    ]


def _share(claim: Claim, old: Claim, others: Sequence[Claim]) -> float:
    """How much of the shorter one's words both have.

    A single word must be all that one of them is about, or stand in no other statement that could be meant.
    """
    shared = claim.about & old.about
    whole = claim.about <= old.about or (bool(old.subject) and old.subject <= claim.about)
    if len(shared) == 1 and not whole and any(shared <= other.about for other in others):
        return 0.0
    return len(shared) / min(len(claim.about), len(old.about)) + len(shared) / 100


def _says_otherwise(claim: Claim, old: Claim) -> bool:
    """Tell whether two statements are of the very same thing, and give it different values."""
    if claim.more or claim.ends != old.ends:
        return False
    if claim.key or old.key:
        called = claim.cue and {claim.key, old.key} == {"call", "name"}
        same = claim.key == old.key or called
        return same and bool(claim.word and old.word) and claim.word != old.word
    if not _differs(claim, old) or _is_another_one(claim, old):
        return False
    if claim.personal or old.personal:
        return claim.about == old.about and bool(claim.about) and "name" not in _common_kinds(claim, old)
    wider = len(old.subject) > 1 and old.subject < claim.subject
    return bool(claim.subject) and (claim.subject == old.subject or wider)


def _is_another_one(claim: Claim, old: Claim) -> bool:
    """Tell whether names say that another one is meant: of two sisters, or of two who are owed money."""
    names, before = claim.values.get("name", frozenset()), old.values.get("name", frozenset())
    if not names or not before or names & before or claim.cue:
        return False
    return len(_common_kinds(claim, old)) > 1 or not SEVERAL.isdisjoint(claim.subject)


def _common_kinds(claim: Claim, old: Claim) -> list[ValueKind]:
    return [kind for kind in claim.values if kind in old.values]


def _differs(claim: Claim, old: Claim) -> bool:
    return any(not claim.values[kind] <= old.values[kind] for kind in _common_kinds(claim, old))


def _all_values(claim: Claim) -> frozenset[str]:
    return frozenset[str]().union(*claim.values.values())


def repeats(claim: Claim, old: Claim) -> bool:
    """Tell whether a statement says again what an earlier one says, and all of it."""
    return (
        old.about <= claim.about
        and claim.key == old.key
        and claim.word == old.word
        and all(same <= claim.values.get(kind, frozenset()) for kind, same in old.values.items())
    )


def name_subject(text: str, old: str) -> str:
    """Add to a correction what it is of, where it does not say so itself, or would lose other values.

    Example: "Actually it's at 10:15.", "My flight LH123 leaves at 9:30 from Berlin"
    → "Actually it's at 10:15. (of: My flight LH123 leaves at … from Berlin)".
    """
    claim, before = read_claim(text), read_claim(old)
    gone = set(_common_kinds(claim, before))
    left = any(
        not same <= claim.values.get(kind, frozenset())
        for kind, same in before.values.items()
        if kind not in gone
    )
    if OF in text or before.key or (claim.about >= (before.subject or before.about) and not left):
        return text
    of = old.partition(OF)[2].removesuffix(")") or old
    return f"{text}{OF}{''.join(_mask(of, gone, claim.denied))})"


def _mask(text: str, kinds: set[ValueKind], denied: frozenset[str]) -> Iterator[str]:
    at = 0
    for value in find_values(text):
        if value.kind in kinds or value.same in denied:
            yield text[at : value.start] + "…"
            at = value.end
    yield text[at:]
