import random
import re

import pytest
from models.reader.dialogues import Writer, make_dialogue
from models.reader.families import FAMILIES, Key
from models.reader.replies import NOT_TOLD, acknowledge, answer_unknown, answer_value, summarise
from models.reader.shapes import render_message
from models.reader.speaker import Mix, Speaker, draw_mix

from turnkeep.context.view import layout_messages
from turnkeep.conversation.items import Message, Note, Recalled

DOG, CAT = Key("pet", "", "dog"), Key("pet", "", "cat")
EVERYTHING = Mix(families=FAMILIES, statements=0.4, questions=0.5)


def text_of(reply):
    return "".join(text for text, _ in reply)


def dialogues(count=60, ease=0.0):
    return [make_dialogue(random.Random(seed), 600, ease, 3000) for seed in range(count)]


def walk(dialogue):
    """Each reply with all that could be read when it was given."""
    read, replies = "", iter(dialogue.replies)
    for message in layout_messages(dialogue.base, dialogue.items):
        if message.role == "assistant":
            yield next(replies), read, message.text
        read += render_message(message)


def test_an_answer_weighs_most_where_the_value_stands():
    assert answer_value(DOG, "Rex") == [("Your dog is called", 0.8), (" Rex", 3.0), (".", 0.8)]
    assert answer_unknown(DOG)[:2] == [("Your dog is called", 0.8), (" ...", 2.5)]


def test_an_acknowledgement_restates_each_fact_as_it_is_answered_later():
    said = text_of(acknowledge([(DOG, "Rex"), (CAT, "Tom")]))
    assert said == "Got it. Your dog is called Rex. Your cat is called Tom."
    assert text_of(answer_value(DOG, "Rex")) in said


def test_a_summary_lists_each_fact_in_the_order_of_telling():
    said = text_of(summarise([(DOG, "Rex"), (Key("home"), "Porto")]))
    assert said == "- The user's dog is called Rex.\n- The user lives in Porto."
    assert text_of(summarise([])) == "Nothing new."


def test_what_a_summary_lists_was_restated_before():
    listed = 0
    for dialogue in dialogues(200):
        values: list[str] = []
        for reply, _, text in walk(dialogue):
            restated = [piece.strip() for piece, weight in reply if weight == 1.5]
            if text.startswith("- "):
                assert restated == values, text
                listed, values = listed + len(restated), []
            else:
                values += restated
    assert listed > 100


def test_nothing_is_learnt_from_acknowledgements_that_restate_nothing():
    bare = [reply for dialogue in dialogues(200) for reply in dialogue.replies if text_of(reply) == "Got it."]
    assert bare
    assert all(weight == 0 for reply in bare for _, weight in reply)


def test_every_value_that_is_answered_can_be_read():
    answered = 0
    for dialogue in dialogues():
        for reply, read, _ in walk(dialogue):
            values = [text.strip() for text, weight in reply if weight == 3.0]
            assert all(value in read for value in values)
            answered += len(values)
    assert answered > 250


def test_what_was_stated_in_the_log_is_never_denied():
    for dialogue in dialogues(ease=1.0):
        stated: set[str] = set()
        for reply, read, said in walk(dialogue):
            if said.endswith(NOT_TOLD):
                before = said.removesuffix(f" ...{NOT_TOLD}")
                mine = re.sub(r"^Your\b", "My", before)
                assert f"user\n{mine} " not in read, (before, read)
            stated.update(text for text, weight in reply if weight == 3.0)


def test_recall_and_abstention_are_both_asked_for():
    said = [
        text
        for dialogue in dialogues()
        for reply, _, text in walk(dialogue)
        if any(weight == 3.0 or text == " ..." for text, weight in reply)
    ]
    unknown = sum(text.endswith(NOT_TOLD) for text in said)
    assert 0.25 < unknown / len(said) < 0.5


def test_the_latest_statement_wins():
    writer = Writer(random.Random(1), EVERYTHING)
    writer.base[DOG] = (3, "Rex")
    writer.recalled[DOG] = (1, "Tom")
    assert writer.truth(DOG) == "Rex"
    writer.recalled[DOG] = (5, "Kit")
    assert writer.truth(DOG) == "Kit"
    writer.log[DOG] = "Bo"
    assert writer.truth(DOG) == "Bo"
    assert writer.truth(CAT) is None


def test_every_shape_of_memory_occurs():
    made = dialogues(250)
    items = [item for dialogue in made for item in dialogue.items]
    bases = "\n".join(dialogue.base for dialogue in made)
    assert any(isinstance(item, Recalled) for item in items)
    assert {item.op for item in items if isinstance(item, Note)} >= {"remember", "edit_fact", "edit_line"}
    for header in (
        "Summary of the conversation so far:",
        "Facts, in the user's words",
        "(said earlier, may have changed)",
    ):
        assert header in bases
    assert any(isinstance(item, Message) and item.text.startswith("List what was said") for item in items)


def test_held_out_values_and_wordings_are_kept_apart():
    rng = random.Random(1)
    trained, held = (
        Speaker(rng, Mix(families=FAMILIES, statements=0, questions=0, held_wordings=flag))
        for flag in (False, True)
    )
    family_trained, family_held = {family.name: family.wordings["asks"] for family in FAMILIES}["pet"]
    assert {trained.ask(DOG) for _ in range(100)}.isdisjoint({held.ask(DOG) for _ in range(100)})
    assert family_trained
    assert family_held


@pytest.mark.parametrize("ease", [0.0, 1.0])
def test_ease_says_how_many_dialogues_are_plain(ease):
    assert all(draw_mix(random.Random(seed), ease).plain is bool(ease) for seed in range(20))


def test_a_seed_gives_the_same_dialogue_again():
    first, second = (make_dialogue(random.Random(5), 600, 0.2, 3000) for _ in range(2))
    assert (first.base, first.items, first.replies) == (second.base, second.items, second.replies)
