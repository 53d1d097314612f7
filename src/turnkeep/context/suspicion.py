"""Tell whether a statement may well replace an earlier one, though it does not say so: "the shed opens with 4712".

Where corrections.py is sure, the old statement goes. Here both stay, the old one marked, with the new one right
behind it. So a wrong guess loses nothing, and a right one leaves no old value standing as if it held.
What counts: values that look alike (a phone number never takes the place of an amount), words that both share
and few others have, a word of correction, and that one follows the other.
"""

from collections import Counter
from collections.abc import Sequence

from .claims import Claim, read_claim
from .gleaning_words import VAGUE, stem_words
from .topics import PERSONS
from .values import find_values

ENOUGH = 1.0  # points; a word that no other statement has with such a value is worth one
CUE, UNIQUE, NEAR, ECHOED = 0.5, 0.5, 0.5, 1.0
NEAR_TURNS = 2
# What there is mostly one of: without more ado, a change speaks of that one.
SINGULAR = frozenset(("phone", "address", "contact"))
NUMBER = stem_words("number")
VAGUE_WORTH, TOPIC_WORTH = 0.4, 1.0


def find_doubted(claim: Claim, earlier: Sequence[tuple[str, int]], asked: str = "") -> list[int]:
    """Find the statement that a new one may well replace.

    Args:
        claim: the new statement.
        earlier: statements that hold, oldest first: the text, and how many turns before it was said.
        asked: what the assistant had said right before.

    Returns:
        Its place in `earlier`, and those of others that say the same of the same; or nothing.
    """
    if claim.more or claim.event or not (claim.values or claim.role):
        return []
    olds = {at: read_claim(text) for at, (text, _) in enumerate(earlier)}
    olds = {at: old for at, old in olds.items() if _may_be_meant(claim, old, earlier[at][1])}
    if not olds:
        return []
    held = Counter(word for old in olds.values() for word in _shared(claim, old))
    heard = frozenset(value.same for value in find_values(asked)) if asked else frozenset()
    points = {
        at: _points(claim, old, earlier[at][1], held, heard, alone=len(olds) == 1) for at, old in olds.items()
    }
    best = max(points.values())
    if best < ENOUGH:
        return []
    place = max(at for at, score in points.items() if score == best)
    return [
        at
        for at, old in olds.items()
        if at == place or (old.about & olds[place].about & claim.about and _same_values(old, olds[place]))
    ]


def speak_alike(one: str, other: str) -> bool:
    """Tell whether two statements share a word or a topic."""
    return bool(_shared(read_claim(one), read_claim(other)) - VAGUE)


def _may_be_meant(claim: Claim, old: Claim, turns: int) -> bool:
    """Tell whether an earlier statement gives something another value that looks like this one."""
    if (old.topics & PERSONS) - claim.topics and not claim.about & old.about:
        return False
    if claim.role and old.role:
        return claim.role != old.role and _is_same_person(claim, old)
    if old.past or old.event or claim.ends != old.ends or not claim.shapes & old.shapes:
        return False
    if claim.shapes & old.shapes == {"name"} and not (turns <= 1 and _is_bare(claim)):
        return (
            bool(claim.given and old.given)
            and not claim.given & old.given
            and bool(old.subject & claim.about)
        )
    return any(
        claim.values[kind] != same
        for kind, same in old.values.items()
        if kind != "name" and kind in claim.values and not claim.values[kind] & same
    )


def _is_same_person(claim: Claim, old: Claim) -> bool:
    """Tell whether both say what somebody works as: who speaks, or the same one of their kin."""
    persons = claim.topics & PERSONS
    return persons == old.topics & PERSONS and (bool(persons) or (claim.personal and old.personal))


def _is_bare(claim: Claim) -> bool:
    """Tell whether a statement is hardly more than its value: "argh, the 5th of course"."""
    return not claim.about


def _points(
    claim: Claim, old: Claim, turns: int, held: Counter[str], heard: frozenset[str], *, alone: bool
) -> float:
    if claim.role and old.role:
        return ENOUGH * (claim.cue or "@job" in claim.topics)
    shared = _shared(claim, old)
    words = [word for word in shared if not word.startswith("@")]
    points = sum((VAGUE_WORTH if word in VAGUE else 1) / held[word] for word in words)
    points = max(points, max((TOPIC_WORTH / held[topic] for topic in shared - set(words)), default=0.0))
    follows = turns <= NEAR_TURNS
    echoed = follows and any(same & heard for same in old.values.values())
    if (_is_bare(claim) and not shared) or echoed:
        points += NEAR * follows + ECHOED * echoed + NEAR * (turns <= 1)
    if claim.cue:
        points += CUE + UNIQUE * (alone and bool(claim.shapes & old.shapes & SINGULAR))
    return points


def _shared(claim: Claim, old: Claim) -> frozenset[str]:
    """The words and topics that both speak of."""
    phone = {"@phone"} if "phone" in claim.shapes & old.shapes and _speaks_of_phone(claim, old) else set()
    return (claim.about & old.about) | (claim.topics & old.topics) | phone


def _speaks_of_phone(claim: Claim, old: Claim) -> bool:
    """Tell whether one says "number" where the other says "call": that word is no topic in itself."""
    return all("@phone" in each.topics or not each.about.isdisjoint(NUMBER) for each in (claim, old))


def _same_values(one: Claim, other: Claim) -> bool:
    return any(one.values.get(kind) == same for kind, same in other.values.items())
