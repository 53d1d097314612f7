"""Tell whether a statement replaces an earlier one: the same thing, with another value.

"My dentist moved to 5 June", "no, 214 not 241", "call me Ann instead", "I moved to Lyon".
A false merge would lose a fact, and a missed one would leave a false value standing. So without
a word of correction a statement replaces only what has the very same subject and another value of
the same kind; with one, what shares enough of its words; with nothing but a value ("actually it's
the 5th"), the newest one of that kind just said.
"""

from collections.abc import Iterator, Sequence

from .claims import OF, Claim, read_claim
from .gleaning_words import SEVERAL, VAGUE
from .values import ValueKind, find_values

BARE_TURNS = 3  # "actually it's the 5th" speaks of something said this many turns before at most
OVERLAP = 0.1  # of the shorter one's words of content, with a word of correction
SAME = 0.5  # the same without a word of correction, where two words and more are shared


def find_replaced(claim: Claim, earlier: Sequence[tuple[str, int]]) -> list[int]:
    """Find which earlier statements a new one replaces.

    Args:
        claim: the new statement.
        earlier: statements that hold, oldest first: the text, and how many turns before it was said.

    Returns:
        Their places in `earlier`.
    """
    claims = [read_claim(text) for text, _ in earlier]
    found = [at for at, old in enumerate(claims) if _says_otherwise(claim, old)]
    if claim.cue and (not found or claim.denied):
        denied = [at for at, old in enumerate(claims) if claim.denied & _all_values(old)]
        alike = [at for at in denied if claim.about & claims[at].about]
        found += alike or denied[-1:]
    if claim.cue and not found:
        if claim.about or claim.key:
            found = _best_match(claim, claims)
        else:
            near = (
                at
                for at, (_, turns) in enumerate(earlier)
                if turns <= BARE_TURNS and _may_correct(claim, claims[at])
            )
            found = list(near)[-1:]
    return sorted({*found, *(at for place in found for at in _find_same(claim, place, claims))})


def _find_same(claim: Claim, place: int, claims: Sequence[Claim]) -> Iterator[int]:
    """Find what says the same as an earlier statement, and speaks of what the new one speaks of."""
    kinds = _common_kinds(claim, claims[place])
    for at, old in enumerate(claims):
        if claim.about & old.about and any(
            old.values.get(kind) == claims[place].values[kind] for kind in kinds
        ):
            yield at


def _best_match(claim: Claim, claims: Sequence[Claim]) -> list[int]:
    """With a word of correction: the statement that shares most words, the newest of equals."""
    if claim.key:
        return []
    alike = {at: old for at, old in enumerate(claims) if _may_correct(claim, old) and claim.about & old.about}
    shares = {
        at: _share(claim, old, [other for other in alike.values() if other is not old])
        for at, old in alike.items()
    }
    best = max(shares.values(), default=0.0)
    if best < OVERLAP:
        return []
    return [max(place for place, share in shares.items() if share == best)]


def _may_correct(claim: Claim, old: Claim) -> bool:
    """Tell whether a word of correction may be meant for an earlier statement: not for a story of what happened."""
    if (claim.shapes and old.shapes and not _look_alike(claim, old)) or _only_mention(claim, old):
        return False
    return _differs(claim, old) and not old.past and not old.event and not claim.event


def _only_mention(claim: Claim, old: Claim) -> bool:
    """Tell whether both have names alone in common, and one of them only mentions its names: chats are full of them."""
    return (
        _common_kinds(claim, old) == ["name"]
        and not ((claim.given or not claim.about) and old.given)
        and not claim.denied
    )


def _look_alike(claim: Claim, old: Claim) -> bool:
    """Tell whether values of both may be of one thing: a plain figure may turn into anything but not a phone number into money."""
    plain = {"figure", "code"}
    return (
        bool(claim.shapes & old.shapes)
        or bool(plain & claim.shapes and _has_figures(old))
        or bool(plain & old.shapes and _has_figures(claim))
    )


def _has_figures(claim: Claim) -> bool:
    return "figure" in claim.values


def _share(claim: Claim, old: Claim, others: Sequence[Claim]) -> float:
    """How much of the shorter one's words both have.

    A single word must be all that one of them is about, or stand in no other statement that could be meant.
    """
    shared = claim.about & old.about
    whole = claim.about <= old.about or (bool(old.subject) and old.subject <= claim.about)
    if len(shared) == 1 and (shared <= VAGUE or not whole) and not claim.shapes & old.shapes:
        return 0.0
    names_only = _common_kinds(claim, old) == ["name"]  # chats are full of names
    if len(shared) == 1 and not whole and (names_only or any(shared <= other.about for other in others)):
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
    if claim.values.keys().isdisjoint(old.values):
        return False
    if not _differs(claim, old) or _is_another_one(claim, old) or _only_mention(claim, old):
        return False
    shared = len(claim.about & old.about)
    if claim.event or old.event:
        return False  # a story of another day
    told = claim.personal and (claim.past or old.past)  # one may meet somebody in the same place twice
    told = told and not (len(old.about) > 1 and old.about <= claim.about)
    if not told and shared > 1 and shared >= SAME * min(len(claim.about), len(old.about)):
        return True
    if claim.personal or old.personal:
        return claim.about == old.about and bool(claim.about) and "name" not in _common_kinds(claim, old)
    wider = len(old.subject) > 1 and old.subject < claim.subject
    return bool(claim.subject) and (claim.subject == old.subject or wider)


def _is_another_one(claim: Claim, old: Claim) -> bool:
    """Tell whether names say that another one is meant: of two sisters, or of two who are owed money."""
    names, before = claim.values.get("name", frozenset()), old.values.get("name", frozenset())
    if not names or not before or names & before or claim.cue:
        return False
    several = claim.personal and len(_common_kinds(claim, old)) > 1
    return several or not SEVERAL.isdisjoint(claim.subject)


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
