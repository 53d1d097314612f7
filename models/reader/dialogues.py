"""Dialogues: conversations in which facts are stated, changed, asked for and summed up.

A dialogue is what turnkeep would send at some moment: a base with what was folded, the log, lines
recalled and notes made on the way. What the assistant says is settled by what can be read at
that moment and by nothing else: the latest statement, else what the base or recalled lines have,
else "I don't know".
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from turnkeep.context.facts import Fact, Statement, keep_facts
from turnkeep.context.instructions import quote_limit, render_instruction
from turnkeep.context.recall import quote_message
from turnkeep.context.view import Line, View, render_base
from turnkeep.conversation.items import Item, Message, Note, Recalled, assistant, user
from turnkeep.conversation.log import Position

from . import talk
from .families import Key, say_answer
from .replies import (
    Reply,
    acknowledge,
    answer_plainly,
    answer_unknown,
    answer_value,
    quote,
    summarise,
)
from .speaker import Mix, Speaker, draw_mix

DAY_SECONDS = 86_400
# Shares of dialogues with many summaries, with all questions at the end, and with questions about what came before.
SUMMARIES, EXAMINED, CONSULTED = 0.28, 0.15, 0.3
SUMMARY_LENGTH = 300  # tokens of a row that can hold a summary: the request alone takes a hundred


@dataclass
class Dialogue:
    """A prompt before it is laid out, and the replies in it piece by piece, in order."""

    base: str = ""
    items: list[Item] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    characters: int = 0

    def say(self, text: str, reply: Reply) -> None:
        """Add a turn."""
        said = "".join(piece for piece, _ in reply)
        self.items += [user(text), assistant(said)]
        self.replies.append(reply)
        self.characters += len(text) + len(said) + 16

    def add(self, item: Recalled | Note) -> None:
        """Add what stands before the next message."""
        self.items.append(item)
        self.characters += 50 + sum(map(len, item.lines)) if isinstance(item, Recalled) else 40 + len(item.text + item.old)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """Something said before the log begins. key: None for what is no fact."""

    index: int
    text: str
    role: str = "user"
    key: Key | None = None
    value: str = ""


@dataclass
class Writer:
    """Writes one dialogue, and knows at each moment what of the facts can be read."""

    rng: random.Random
    mix: Mix
    dialogue: Dialogue = field(default_factory=Dialogue)
    past: list[Said] = field(default_factory=list)  # what was said before the log begins
    base: dict[Key, tuple[int, str]] = field(default_factory=dict)
    recalled: dict[Key, tuple[int, str]] = field(default_factory=dict)
    log: dict[Key, str] = field(default_factory=dict)
    stated: list[tuple[Key, str]] = field(default_factory=list)  # since the last summary, or the base
    asked: set[Key] = field(default_factory=set)
    most_recalled: int = 10  # lines beside those about what is asked for
    began: float = 0.0

    def __post_init__(self) -> None:
        self.speaker = Speaker(self.rng, self.mix)
        self.began = self.rng.uniform(1.6e9, 1.95e9)
        self.third_person = self.rng.random() < 0.75  # how the summary in the base is written
        # Now and then another model spoke before, and acknowledged in few words: nothing is learnt from those.
        self.restates = self.rng.random() < 0.85
        self.pace = self.rng.choice((0.0, 0.0, 0.002, 0.05, 0.5)) * DAY_SECONDS  # between turns

    # -- what can be read ---------------------------------------------------------------------------
    def truth(self, key: Key) -> str | None:
        """The value that can be read, None when there is none."""
        if key in self.log:
            return self.log[key]
        known = [places[key] for places in (self.base, self.recalled) if key in places]
        return max(known)[1] if known else None

    def known_keys(self) -> list[Key]:
        """Keys whose value can be read, or could be recalled."""
        keys = {**self.log, **self.base, **self.recalled}
        return list(dict.fromkeys([*keys, *(said.key for said in self.past if said.key)]))

    # -- before the log -----------------------------------------------------------------------------
    def fold(self, facts: int, *, talk_share: float = 0.4) -> None:
        """Have facts said before the log begins."""
        latest: dict[Key, str] = {}
        for _ in range(facts):
            update = bool(latest) and self.rng.random() < self.mix.updates
            key = self.rng.choice(list(latest)) if update else self.speaker.new_key(list(latest))
            value = self.speaker.value(key, latest.get(key, ""))
            text = self.speaker.state(key, value, update=key in latest)
            self._remember(text, key=key, value=value)
            if self.restates and self.rng.random() < 0.5:
                said = "".join(text for text, _ in acknowledge([(key, value)]))
                self._remember(said, role="assistant", key=key, value=value)
            latest[key] = value
            while self.rng.random() < talk_share:
                if self.rng.random() < 0.7:
                    self._remember(talk.draw_remark(self.rng))
                else:
                    asked = self.rng.choice(list(latest))
                    self._remember(self.speaker.ask(asked))
                    self._remember(
                        say_answer(asked, latest[asked]), role="assistant", key=asked, value=latest[asked]
                    )

    def _remember(self, text: str, *, role: str = "user", key: Key | None = None, value: str = "") -> None:
        self.past.append(Said(len(self.past), text, role, key, value))

    def write_base(self, *, instructions: str, lines: float, facts: float) -> None:
        """Write the base. lines, facts: shares of the folded facts that the summary and the facts hold."""
        latest: dict[Key | None, Said] = {
            said.key: said for said in self.past if said.key and said.role == "user"
        }
        summary = [
            Line(text=self._line(said.key, said), turns=(1, 1))
            for said in latest.values()
            if said.key and self._take(said, lines)
        ]
        if summary and self.rng.random() < 0.2:
            summary.insert(0, Line(text=quote(talk.draw_remark(self.rng)), turns=(1, 1)))
        kept = (
            self._glean(facts)
            if facts and self.rng.random() < 0.5
            else self._pick(latest, facts, alone=not lines)
        )
        self.dialogue.base = render_base(instructions, View(lines=tuple(summary), facts=tuple(kept)))
        self.dialogue.characters += len(self.dialogue.base)

    def _line(self, key: Key, said: Said) -> str:
        """Write a line of the summary: in the user's words, or in those that answers have."""
        return say_answer(key, said.value, "line") if self.third_person else quote(said.text)

    def _glean(self, share: float) -> list[Fact]:
        """Take facts from what was said as turnkeep does, its mistakes included."""
        told = [
            Statement(text=said.text, turn=said.index, at=Position(1, said.index + 1))
            for said in self.past
            if said.role == "user"
        ]
        kept = [fact for fact in keep_facts((), told) if fact.current and self.rng.random() < share]
        for fact in kept:
            self._take(self.past[fact.at.seq - 1], 1.0)
        return kept

    def _pick(self, latest: dict[Key | None, Said], facts: float, *, alone: bool) -> list[Fact]:
        """Take what was said as it was said; now and then what it replaced as well, in doubt."""
        kept: list[Fact] = []
        for said in self.past:
            if said.role != "user":
                continue
            now = latest.get(said.key)
            if said.key is None or now is said:
                if self.rng.random() < (facts if said.key else facts * 0.15):
                    self._take(said, 1.0)
                    kept.append(self._fact(said))
            elif now is not None and self.rng.random() < 0.15 * facts and alone:
                kept.append(self._fact(said, doubted_by=now))
        return [fact for fact in kept if fact.doubt is None or any(each.at == fact.by for each in kept)]

    def _take(self, said: Said, share: float) -> bool:
        taken = self.rng.random() < share
        if taken and said.key:
            self.base[said.key] = max(self.base.get(said.key, (0, "")), (said.index, said.value))
        return taken

    def _fact(self, said: Said, doubted_by: Said | None = None) -> Fact:
        by = Position(1, doubted_by.index + 1) if doubted_by else Position(0, 0)
        return Fact(
            text=said.text,
            turn=said.index,
            at=Position(1, said.index + 1),
            rank=4,
            doubt=doubted_by.index if doubted_by else None,
            by=by,
        )

    # -- turns --------------------------------------------------------------------------------------
    def state(self) -> None:
        """A turn that states one fact or two, or changes one."""
        rng = self.rng
        if rng.random() < 0.04 and not self.mix.plain:
            return self._note()
        told = [self._new_statement()]
        parts = [told[0][2]]
        if not self.mix.plain:
            draw = rng.random()
            if draw < 0.14:
                told.append(self._new_statement())
                parts.append(told[1][2])
            elif draw < 0.20:
                parts.insert(0, talk.draw_remark(rng))
            elif draw < 0.25:
                parts.append(talk.draw_remark(rng))
            elif draw < 0.28:
                before = _ended([*parts, ""])[0]
                return self.ask(before=f"{before} ", noted=self._acknowledge(told))
        self._recall_now_and_then()
        return self.dialogue.say(" ".join(_ended(parts)), self._acknowledge(told))

    def _acknowledge(self, told: Sequence[tuple[Key, str, str]]) -> Reply:
        """Acknowledge what a turn states, so that a summary lists it later."""
        facts = [(key, value) for key, value, _ in told]
        if not self.restates:
            return answer_plainly(talk.NOTED, 0.0)
        self.stated += facts
        return acknowledge(facts)

    def _new_statement(self) -> tuple[Key, str, str]:
        """A fact, new or changed, and the words that state it."""
        rng, known = self.rng, self.known_keys()
        update = bool(known) and rng.random() < self.mix.updates
        key = rng.choice(known) if update else self.speaker.new_key(known)
        before = self.truth(key)
        value = self.speaker.value(key, before or "")
        self._set(key, value)
        return key, value, self.speaker.state(key, value, update=before is not None)

    def _set(self, key: Key, value: str) -> None:
        self.log[key] = value
        self.asked.discard(key)

    def _note(self) -> None:
        """A note stands before the next message: something to remember, or a correction of the base."""
        rng, base = self.rng, self.dialogue.base
        based = [said for said in self.past if said.key in self.base and said.key not in self.log]
        said = rng.choice(based) if based else None
        if said is None or said.key is None or rng.random() < 0.5:
            key = self.speaker.new_key(self.known_keys())
            value = self.speaker.value(key, self.truth(key) or "")
            self.dialogue.add(Note(op="remember", text=self.speaker.state(key, value)))
        else:
            key, value = said.key, self.speaker.value(said.key, said.value)
            line = self._line(key, said)
            if f"- {line}\n" in f"{base}\n":
                self.dialogue.add(Note(op="edit_line", old=line, text=say_answer(key, value, "line")))
            else:
                self.dialogue.add(Note(op="edit_fact", old=said.text, text=self.speaker.state(key, value)))
        self.log[key] = value
        self.asked.discard(key)
        self.chat()

    def ask(self, before: str = "", noted: Reply | None = None, *, recall: bool = True) -> None:
        """A turn that asks for a fact: one that can be read, or one that can not.

        before, noted: what is stated in the same message, and what is replied to that.
        recall: False when nothing more is recalled for it.
        """
        rng = self.rng
        key = self._choose_asked()
        exhausted = key in self.asked or (not self.past and len(self.log) < 2)
        if exhausted and not before and rng.random() < self.mix.statements * 2:
            return self.state()
        if not recall:
            pass
        elif any(said.key == key for said in self.past) and key not in self.log:
            # What neither stands there nor is found is as if it had never been said.
            if rng.random() < (0.45 if key in self.base else 0.93):
                self._recall(key)
        elif self.past and rng.random() < 0.3:
            self._recall(key)
        value = self.truth(key)
        self.asked.add(key)
        answer = answer_unknown(key) if value is None else answer_value(key, value)
        if noted:
            answer = [*noted, (" ", noted[-1][1]), *answer]
        return self.dialogue.say(before + self.speaker.ask(key), answer)

    def _choose_asked(self) -> Key:
        rng, known = self.rng, self.known_keys()
        if known and rng.random() < self.mix.answerable:
            fresh = [key for key in known if key not in self.asked]
            return rng.choice(fresh if fresh and rng.random() < 0.85 else known)
        if known and rng.random() < 0.75:
            return self.speaker.near_key(rng.choice(known))
        return self.speaker.new_key(())

    def chat(self) -> None:
        """A turn about nothing that is asked for later."""
        rng = self.rng
        draw = rng.random()
        self._recall_now_and_then()
        if draw < 0.62:
            return self.dialogue.say(talk.draw_remark(rng), answer_plainly(talk.HEARD, 0.5))
        made: Callable[[random.Random], tuple[str, str]] = talk.draw_chat if draw < 0.8 else talk.draw_world
        if draw > 0.88:
            said, reply = talk.draw_repeat(rng)
            return self.dialogue.say(said, answer_plainly(reply, 1.0))
        said, reply = made(rng)
        return self.dialogue.say(said, answer_plainly(reply, 0.5))

    def sum_up(self) -> None:
        """A turn that asks for a summary of the log; what was not restated is too much to list for so small a model."""
        if not self.restates:
            return
        said = [
            item.text for item in self.dialogue.items if isinstance(item, Message) and item.role == "user"
        ]
        limit = (
            quote_limit(self.rng.choice(said[len(said) // 2 :])) if said and self.rng.random() < 0.7 else ""
        )
        self.dialogue.say(render_instruction(limit), summarise(self.stated))
        self.stated = []

    # -- recalled lines -----------------------------------------------------------------------------
    def _recall_now_and_then(self) -> None:
        if self.past and self.rng.random() < 0.12:
            self._recall(None)

    def _recall(self, key: Key | None) -> None:
        """Quote what was said before the log: all about a key, and other things that resemble it."""
        rng = self.rng
        about = [said for said in self.past if said.key == key and key is not None]
        about = [said for said in about if said.role == "user" or rng.random() < 0.5]
        rest = [said for said in self.past if said.key != key or key is None]
        near = [
            said
            for said in rest
            if key and said.key and (said.key.family == key.family or said.key.word == key.word != "")
        ]
        count = min(self.most_recalled, rng.choice((0, 0, 1, 1, 2, 2, 3, 4, 6, 10)) + (1 if not about else 0))
        chosen = {said.index: said for said in about}
        for _ in range(count):
            pool = near if near and rng.random() < 0.5 else rest
            if pool:
                said = rng.choice(pool)
                # All that was said of a key resembles a question as well as any of it.
                chosen.update(
                    {
                        each.index: each
                        for each in self.past
                        if said.key and each.key == said.key and each.role == "user"
                    }
                )
                chosen[said.index] = said
        if chosen:
            self._quote([chosen[index] for index in sorted(chosen)])

    def recall_many(self, facts: int) -> None:
        """Quote all that was said before the log about so many facts, in the user's own words."""
        keys = list(dict.fromkeys(said.key for said in self.past if said.key))
        about = set(self.rng.sample(keys, min(facts, len(keys))))
        self._quote([said for said in self.past if said.key in about and said.role == "user"])

    def _quote(self, told: Sequence[Said]) -> None:
        """Lay out recalled lines, and know from now on what they say."""
        lines = [
            quote_message(
                (user if said.role == "user" else assistant)(said.text),
                said=self.began + self.pace * said.index,
            )
            for said in told
        ]
        self.dialogue.add(Recalled(tuple(lines), tuple(said.index + 1 for said in told)))
        for said in told:
            if said.key:
                self.recalled[said.key] = max(self.recalled.get(said.key, (0, "")), (said.index, said.value))


def _ended(parts: Sequence[str]) -> list[str]:
    """End each part as a sentence where another follows."""
    return [
        part if part.endswith((".", "?", "!")) or number == len(parts) - 1 else f"{part}."
        for number, part in enumerate(parts)
    ]


def begin(rng: random.Random, mix: Mix, length: int) -> Writer:
    """Begin a dialogue with what was folded before it, if anything was."""
    writer = Writer(rng, mix, most_recalled=max(1, min(10, length // 100)))
    instructions = rng.choice(talk.PERSONAS) if rng.random() < 0.25 else ""
    lines = facts = 0.0
    if rng.random() < (0.3 if mix.plain else 0.6):
        most = max(2, min(14, length // 60))
        writer.fold(rng.randint(1, most), talk_share=0.0 if mix.plain else 0.4)
        lines, facts = rng.choice(
            ((1, 0), (1, 0), (0, 1), (0, 1), (0.6, 0.6), (0.3, 0.9), (0.5, 0), (0, 0.5), (0, 0))
        )
    writer.write_base(instructions=instructions, lines=lines, facts=facts)
    return writer


def make_dialogue(rng: random.Random, length: int, ease: float, characters: int) -> Dialogue:
    """Make a dialogue.

    Args:
        rng: where all choices come from.
        length: tokens that the row will hold.
        ease: 1 for plain words and few kinds, 0 for all there is.
        characters: how long the dialogue has to be at least.
    """
    mix = draw_mix(rng, ease)
    if rng.random() < CONSULTED:
        return consult(rng, mix, length, characters)
    writer = begin(rng, mix, length)
    draw = rng.random() * (1 - CONSULTED)
    if length >= SUMMARY_LENGTH and draw < SUMMARIES:
        return sum_up_often(writer, characters)
    if draw < SUMMARIES + EXAMINED:
        return examine(writer, characters)
    summary_at = int(characters * rng.uniform(0.1, 0.75)) if length >= SUMMARY_LENGTH and draw > 0.63 else 0
    few = rng.choice((0, 1, 2, 3, 4, 5, 6, 8))
    while writer.dialogue.characters < characters:
        if summary_at and writer.dialogue.characters >= summary_at:
            writer.sum_up()
            summary_at = 0
        draw = rng.random()
        full = summary_at and len(writer.stated) >= few
        if draw < mix.statements and not full:
            writer.state()
        elif draw < mix.statements + mix.questions:
            writer.ask()
        else:
            writer.chat()
    return writer.dialogue


def sum_up_often(writer: Writer, characters: int) -> Dialogue:
    """Ask for a summary again and again: in a row that asks once, too few lines would be learnt."""
    rng, dialogue = writer.rng, writer.dialogue
    apart = rng.choice((0.1, 0.3, 0.5))
    while dialogue.characters < characters:
        facts = rng.choice((0, 1, 1, 2, 2, 3, 3, 4, 6))
        for _ in range(max(1, facts)):
            while rng.random() < apart:
                writer.chat()
            if facts:
                writer.state()
            if rng.random() < apart:
                writer.ask()
        writer.sum_up()
    return dialogue


def consult(rng: random.Random, mix: Mix, length: int, characters: int) -> Dialogue:
    """Ask for what was said before the log: it stands in the base or in recalled lines, mostly in the user's own words.

    Elsewhere most of what is asked was restated in the log, and to read what nobody restated is hardly learnt.
    """
    writer = Writer(rng, mix, most_recalled=max(1, min(10, length // 100)))
    most = max(2, min(14, length // 60))
    writer.fold(rng.randint(max(2, most // 2), most), talk_share=rng.choice((0.0, 0.2, 0.4)))
    facts = rng.choice((1.0, 1.0, 0.6, 0.0, 0.0))
    lines = rng.choice((0.0, 0.0, 0.5)) if facts < 1 else 0.0
    writer.write_base(instructions="", lines=lines, facts=facts)
    once = not facts and rng.random() < 0.5  # all is recalled at once, and asked for later
    if once:
        writer.recall_many(most)
    talked = rng.choice((0.1, 0.1, 0.3, 0.6))
    for _ in range(rng.choice((0, 2, 4, 8)) if length >= SUMMARY_LENGTH else 0):
        writer.chat()
    while writer.dialogue.characters < characters:
        draw = rng.random()
        if draw < talked:
            writer.chat()
        elif draw < talked + 0.08:
            writer.state()
        else:
            writer.ask(recall=not once)
    return writer.dialogue


def examine(writer: Writer, characters: int) -> Dialogue:
    """Write facts first, then talk, then questions: whatever is asked stands far back."""
    rng, dialogue = writer.rng, writer.dialogue
    # Of the rest of the row; the questions begin where a row cut short still holds most of them.
    begin_asking = dialogue.characters + rng.uniform(0.35, 0.75) * (0.8 * characters - dialogue.characters)
    facts = rng.choice((1, 3, 5, 10, 10, 20))
    while dialogue.characters < begin_asking:
        if len(writer.log) < facts and rng.random() < 0.8:
            writer.state()
        else:
            writer.chat()
    while dialogue.characters < characters:
        if rng.random() < 0.9:
            writer.ask()
        else:
            writer.chat()
    return dialogue
