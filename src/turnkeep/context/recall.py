"""Recall: what to look for when a message comes, whether what was found matters, and how it is quoted.

    query     the message's terms; where it has few, those of the turns before as well
    evidence  nothing is recalled for small talk
    lines     - [8 May 2023] user: My dog is called Biscuit.

Quoted lines are data: one line each, marked as quotation, so that an instruction that was
said long ago is not obeyed when it comes back, and without the marks by which engines tell
who speaks. They are frozen with the turn that brought them.

Pure: times, scores and token counts are given.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ..conversation.items import Item, Message, Recalled, Text
from .dates import day_at, find_dates
from .ranking import Scores
from .words import MOST_CHARACTERS, is_chatter, split_terms, term_key

FEW_TERMS = 3  # a message with fewer telling words leans on the turns before it ("and the other one?")
CONTEXT_WEIGHT = 0.3  # of a word from there; harmless where it was not needed (R@10 -0.1 on full questions)
CONTEXT_EVIDENCE = 0.5  # the same as evidence
CONTEXT_ITEMS = 2  # items before the message that are looked at: the last message and its reply
CONTEXT_TERMS = 12  # words taken from them, the nearest first
CONTEXT_CHARACTERS = 300  # of each of them that the meaning is taken from
MOST_TERMS = 48  # words of a long message that are looked for

# From when on something found is worth recalling. 98 % of LoCoMo's questions pass and 4 % of small talk
# with vectors; 96 % and 9 % with words alone, most of it about a thing that was indeed talked about.
# bench/recall.py prints the figures.
LEAST_WORDS = 0.7  # word evidence (ranking.word_evidence) without vectors
LEAST_MIXED = 0.52  # cosine (above what unrelated texts have) plus a fifth of the word evidence
WORDS_IN_MIXED = 0.2
JUDGED = 10  # best places of which one must pass

LEAST_SHARE = 0.3  # of the best one's score: less is not quoted (a tenth fewer tokens for R -0.4)
LONGEST_QUOTE = 600  # characters; of a longer message the most telling part is quoted
SHORTEST_QUOTE = 60  # even where there is little room
CHARACTERS_A_TOKEN = 2  # so that the best line fits, its day and the header beside it

COPIES_SHARE = 0.2  # of the log: what all recalled lines in it may take (design.md section 2)
ROOM_FOR_ONE = 64  # tokens; a line of usual length with its day, and the header
LEAST_ROOM = 16  # tokens; less than one short line is no room

_QUESTION_MARKS = ("?", "？", "؟")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to look for.

    text: what the meaning is taken from; "" when the message has none.
    weights: for each term's key, its weight in the ranking.
    evident: for the terms that count as evidence, their weight as such.
    """

    text: str
    weights: dict[int, float]
    evident: dict[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What the vectors say: cosines of the nearest places, and up to which place items have vectors."""

    cosines: Scores
    covered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotation:
    """A line that could be quoted.

    said: when; place: which of two that were said at once comes first.
    score: how well it matches; only the order and the shares of the best count.
    tokens: an estimate of its size.
    conversation, source: that it comes from, and the turn there.
    """

    said: float
    place: int
    turn: int
    line: str
    tokens: int
    score: float
    conversation: str = ""
    source: int = 0


def make_query(text: str, *, now: float) -> Query:
    """Make the query of a message by itself.

    Args:
        text: the message.
        now: seconds since the epoch, for "yesterday" and the like.
    """
    dates = find_dates(text[:MOST_CHARACTERS].casefold(), now)
    terms = list(dict.fromkeys(split_terms(text)))[:MOST_TERMS]
    telling = [term for term in terms if not is_chatter(term)]
    weights = dict.fromkeys(map(term_key, [*terms, *dates]), 1.0)
    evident = dict.fromkeys(map(term_key, [*telling, *dates]), 1.0)
    return Query(text=text if weights else "", weights=weights, evident=evident)


def lean_on(query: Query, text: str, before: Sequence[str]) -> Query | None:
    """Make the query of a message that says little by itself, such as "and the other one?".

    Args:
        query: of the message by itself.
        text: the message.
        before: texts of the items before it, the newest last.

    Returns:
        None where the message says enough, where it says and asks nothing, and where there is nothing to lean on.
    """
    nearest = [each for each in before if each][-CONTEXT_ITEMS:]
    if (
        len(query.evident) >= FEW_TERMS
        or not (query.evident or (query.weights and asks(text)))
        or not nearest
    ):
        return None
    weights, evident = dict(query.weights), dict(query.evident)
    for term in _context_terms(nearest):
        weights.setdefault(term_key(term), CONTEXT_WEIGHT)
        evident.setdefault(term_key(term), CONTEXT_EVIDENCE)
    asked = "\n".join([*(each[:CONTEXT_CHARACTERS] for each in nearest), text])
    return Query(text=asked, weights=weights, evident=evident)


def _context_terms(texts: Sequence[str]) -> list[str]:
    terms: dict[str, None] = {}
    for text in reversed(texts):
        terms.update(dict.fromkeys(term for term in split_terms(text) if not is_chatter(term)))
    return list(terms)[:CONTEXT_TERMS]


def says_something(text: str) -> bool:
    """Tell whether a text holds a word that is more than small talk: what does not is never quoted."""
    return any(not is_chatter(term) for term in split_terms(text))


def only_asks(text: str) -> bool:
    """Tell whether a text ends as a question: such an item seldom holds the answer."""
    return text.rstrip().endswith(_QUESTION_MARKS)


def asks(text: str) -> bool:
    """Tell whether a text asks something."""
    return any(mark in text for mark in _QUESTION_MARKS)


def weigh_evidence(words: Scores, meaning: Meaning | None) -> float:
    """Weigh what speaks for the best places: from 1.0 on, it is worth recalling without being asked for.

    Args:
        words: word evidence of the best places (ranking.word_evidence).
        meaning: what the vectors say; None without vectors.
    """
    floor = min(meaning.cosines.values(), default=0.0) if meaning else 0.0
    weights = [0.0]
    for place, score in words.items():
        if meaning is None or (place > meaning.covered and place not in meaning.cosines):
            weights.append(score / LEAST_WORDS)
        else:
            weights.append((meaning.cosines.get(place, floor) + WORDS_IN_MIXED * score) / LEAST_MIXED)
    return max(weights)


# -- quoting ----------------------------------------------------------------------------------------
# By hand: strftime's depend on the locale.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY_MARK = re.compile(r"\A\[\d{1,2} [A-Z][a-z]{2} \d+\] ")

# What chat templates write where somebody begins or ends to speak. llama.cpp reads these in a message's
# text too as the special tokens that they name: a blank inside makes them text.
_TEMPLATE_MARK = re.compile(
    r"<(?=[|｜]\w)|(?<=\w[|｜])(?=>)"  # <|im_start|>, <|eot_id|>, <turn|>, <｜User｜>
    r"|<(?=/?(?:s|bos|eos|pad|unk|mask|think|tool_call|tool_response|\w{1,16}_of_\w{1,16}|unused\d{1,5})>)"
    r"|<(?=</?SYS>>)|\[(?=/?(?:INST|[A-Z]{1,16}_[A-Z_]{1,16})\])"  # Llama 2, Mistral
)


def longest_quote(room: int) -> int:
    """How many characters of a message are quoted at most where the lines may take so many tokens."""
    return min(LONGEST_QUOTE, max(SHORTEST_QUOTE, room * CHARACTERS_A_TOKEN))


def quote_message(
    message: Message, *, said: float, keys: Collection[int] = (), most: int = LONGEST_QUOTE
) -> str:
    """Write a message as one line: its day, who said it, and what.

    Args:
        message: of the user or the assistant.
        said: when, in seconds since the epoch.
        keys: terms of the query: of a long message the part with most of them is quoted.
        most: characters of that part.

    Example: → "[8 May 2023] user: My dog is called Biscuit."
    """
    day = day_at(said)
    mark = f"[{day.day} {_MONTHS[day.month - 1]} {day.year}] " if day else ""
    text = cut_excerpt(" ".join(message.text.split()), keys, most)
    return f"{mark}{message.role}: {disarm(text)}"


def disarm(text: str) -> str:
    """Put blanks into the marks of chat templates, so that engines read them as text. Example: "<s>" → "< s>"."""
    return _TEMPLATE_MARK.sub(_add_blank, text)


def _add_blank(mark: re.Match[str]) -> str:
    return f"{mark[0]} "


def is_quoted(line: str, message: Message, *, said: float) -> bool:
    """Tell whether a line quotes a message, or a part of it."""
    if line == quote_message(message, said=said):
        return True
    head = quote_message(Message(message.role, (Text(""),)), said=said)
    part = line.removeprefix(head).removeprefix("… ").removesuffix(" …")
    # Without blanks: in the line they part the marks of chat templates (_TEMPLATE_MARK).
    return line.startswith(head) and bool(part) and "".join(part.split()) in "".join(message.text.split())


_SENTENCE = re.compile(r".+?(?:[.!?;:](?=\s)|[。！？；]|$)\s*")


def cut_excerpt(text: str, keys: Collection[int], most: int = LONGEST_QUOTE) -> str:
    """Take the part of a long text that holds most terms of a query, whole sentences where they fit.

    Args:
        text: one line; of a very long one only as much as the index reads (words.MOST_CHARACTERS).
        keys: of the query's terms.
        most: characters.

    Example: "A. B b. C.", terms of "b" → "… B b. …"
    """
    if len(text) <= most:
        return text
    read = text[:MOST_CHARACTERS]
    parts = [part for whole in _SENTENCE.findall(read) for part in _split_long(whole, most)]
    wanted = set(keys)
    hits = [len({term_key(term) for term in split_terms(part)} & wanted) for part in parts]
    first = last = max(range(len(parts)), key=lambda number: hits[number])
    size = len(parts[first])
    while True:
        sides = [side for side in (last + 1, first - 1) if 0 <= side < len(parts)]
        fitting = [side for side in sides if size + len(parts[side]) <= most]
        if not fitting:
            break
        side = max(fitting, key=lambda side: (hits[side], side))
        first, last, size = min(first, side), max(last, side), size + len(parts[side])
    middle = "".join(parts[first : last + 1]).strip()
    return f"{'… ' if first else ''}{middle}{' …' if last + 1 < len(parts) or len(read) < len(text) else ''}"


def _split_long(part: str, most: int) -> list[str]:
    return [part[start : start + most] for start in range(0, len(part), most)]


# -- room -------------------------------------------------------------------------------------------
def room_tokens(*, turn_tokens: int, log_tokens: int, copies_tokens: int) -> int:
    """How many tokens the lines recalled for one turn may take.

    Args:
        turn_tokens: the most that one turn may take.
        log_tokens: what the log may grow to before it is compacted.
        copies_tokens: what lines recalled for earlier turns take of it.
    """
    room = min(turn_tokens, int(COPIES_SHARE * log_tokens) - copies_tokens)
    return room if room >= LEAST_ROOM else 0


def is_crowded(*, turn_tokens: int, log_tokens: int, copies_tokens: int) -> bool:
    """Tell whether copies leave the next turn too little of what it may take, so that they have to go."""
    left = room_tokens(turn_tokens=turn_tokens, log_tokens=log_tokens, copies_tokens=copies_tokens)
    return copies_tokens > 0 and left < max(turn_tokens // 2, min(turn_tokens, ROOM_FOR_ONE))


def tells_nothing_new(said: str, terms: Collection[str], visible: str) -> bool:
    """Tell whether what was said adds nothing to the message that brings it up and to the log.

    Args:
        said: the earlier message.
        terms: of the message; empty where it asks, since an answer may repeat the question.
        visible: the log and the message, as text.
    """
    parts = (part.strip() for line in said.splitlines() for part in _SENTENCE.findall(line))
    if all(_stands_in(part, visible) for part in parts if part):
        return True
    return set(split_terms(said)) <= set(terms)


def _stands_in(part: str, text: str) -> bool:
    """Tell whether a part stands in a text, and not only as a piece of a longer word or number there."""
    start = text.find(part)
    while start >= 0:
        end = start + len(part)
        joined = part[0].isalnum() and text[max(0, start - 1) : start].isalnum()
        if not joined and not (part[-1].isalnum() and text[end : end + 1].isalnum()):
            return True
        start = text.find(part, end)
    return False


def choose_lines(
    quotations: Iterable[Quotation], *, room: int, known: Collection[str] = ()
) -> list[Quotation]:
    """Choose the lines that are quoted: the best that fit, in the order in which they were said.

    Args:
        quotations: what could be quoted.
        room: tokens.
        known: lines that the model reads already.
    """
    ranked = sorted(quotations, key=lambda each: (-each.score, each.said, each.place))
    least = LEAST_SHARE * ranked[0].score if ranked else 0.0
    chosen: list[Quotation] = []
    seen: set[str] = set()
    for each in ranked:
        text = _DAY_MARK.sub("", each.line)  # the same words on two days are quoted once
        if each.score >= least and each.tokens <= room and text not in seen and each.line not in known:
            seen.add(text)
            chosen.append(each)
            room -= each.tokens
    return sorted(chosen, key=lambda each: (each.said, each.place))


def make_recalled(chosen: Sequence[Quotation]) -> Recalled:
    """Make the item that is stored with the turn."""
    return Recalled(tuple(each.line for each in chosen), tuple(each.turn for each in chosen))


def drop_weakest(chosen: Sequence[Quotation]) -> list[Quotation]:
    """Leave out the weakest line, where a count says that they do not fit after all."""
    weakest = min(chosen, key=lambda each: each.score)
    return [each for each in chosen if each is not weakest]


def quoted_lines(items: Iterable[Item]) -> frozenset[str]:
    """The lines that recalled items hold already."""
    return frozenset(line for item in items if isinstance(item, Recalled) for line in item.lines)
