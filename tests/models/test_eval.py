import asyncio
import random
from importlib.resources import files
from pathlib import Path

import models.reader.tokenizer as making
import pytest
from models.reader import talk
from models.reader.eval import (
    Case,
    Examiner,
    Row,
    ask_base,
    ask_latest,
    ask_recall,
    ask_recalled,
    ask_summary,
    examine,
    judge,
    make_table,
    render_table,
)
from models.reader.families import Key
from models.reader.talks import Score, render_scores, write_demo, write_script
from models.reader.talks import judge as judge_talk
from models.reader.values import OPEN, is_held_out
from tokenizers import Tokenizer

from turnkeep.conversation.items import Message, Recalled, user
from turnkeep.engine.embedded import BUILT_IN

DOG, CAT = Key("pet", "", "dog"), Key("pet", "", "cat")


@pytest.fixture(scope="module")
def examiner():
    return Examiner("1", Tokenizer.from_file(str(Path(making.__file__).with_name("tokenizer.json"))))


def new_row():
    return Row(name="row", bar="90", make=ask_summary)


def texts(case):
    return [item.text for item in case.items if isinstance(item, Message)]


@pytest.mark.parametrize("distance", [100, 500])
def test_what_is_asked_for_stands_as_far_back_as_the_row_says(examiner, distance):
    for _ in range(5):
        case = ask_recall(distance, 10)(examiner)
        places = [number for number, text in enumerate(texts(case)[:-1]) if str(case.value) in text]
        sizes = [examiner.size(case.items[place:-1]) for place in places]
        assert any(distance - 60 <= size <= distance + 60 for size in sizes)
        assert str(case.value) in case.sentence


def test_what_was_never_told_is_told_nowhere(examiner):
    case = ask_recall(500, 10, known=False)(examiner)
    assert case.value is None
    assert "I don't know" in case.sentence


def test_the_fact_that_changes_is_asked_for_with_its_latest_value(examiner):
    for _ in range(5):
        case = ask_latest(600)(examiner)
        later = [number for number, text in enumerate(texts(case)[:-1]) if str(case.value) in text]
        assert later
        assert later[-1] > 0


def test_facts_stand_in_the_base_or_among_recalled_lines(examiner):
    lines, facts = ask_base(11, 100, lines=True)(examiner), ask_base(11, 100, lines=False)(examiner)
    assert lines.base.count("\n- ") == facts.base.count("\n- ") == 11
    assert str(lines.value) in lines.base
    assert str(facts.value) in facts.base
    recalled = ask_recalled(6, 0)(examiner)
    assert isinstance(recalled.items[0], Recalled)
    assert len(recalled.items[0].lines) == 6


def test_the_examination_uses_values_that_training_never_had(examiner):
    from models.reader.families import BY_NAME

    facts = examiner.draw_facts(60)
    assert all(is_held_out(value) for key, value in facts if BY_NAME[key.family].kind not in OPEN)


def test_an_answer_is_right_when_it_holds_the_value_as_a_word():
    row, case = new_row(), Case(items=[user("?")], value="Rex", sentence="Your dog is called Rex.")
    for reply in ("Your dog is called Rex.", "It is Rex, I think.", "Rexy.", "... Rex? I don't know."):
        judge(row, case, reply, complete=True)
    assert (row.asked, row.right, row.exact, len(row.wrong)) == (4, 2, 1, 2)


def test_owning_that_it_was_not_told_is_right_only_where_it_was_not():
    row, case = new_row(), Case(items=[user("?")], value=None)
    judge(row, case, "Your dog is called ... I don't know. You haven't told me that.", complete=True)
    judge(row, case, "Your dog is called Rex.", complete=True)
    assert (row.asked, row.right) == (2, 1)


def test_lines_of_a_summary_that_say_what_was_not_said_are_counted_before_and_after_the_check():
    row = new_row()
    said = [user("My dog is called Rex."), user("Got it."), user("My cat is called Tom."), user("Got it.")]
    dog, cat = "The user's dog is called Rex.", "The user's cat is called Tom."
    case = Case(items=[*said, user("List")], folded=[dog, cat], stated=[dog, cat], kept_from=4)
    judge(row, case, f"- {dog}\n- The user's horse is called Bo.", complete=True)
    assert (row.asked, row.right, row.lines, row.invented, row.believed) == (2, 1, 2, 1, 0)


def test_the_table_has_every_row_with_its_bar():
    rows = make_table()
    table = render_table(rows, n=1, seed=1, name="x.gguf")
    assert all(row.name in table for row in rows)
    assert table.count("| 95 |") >= 5


def test_a_real_engine_is_examined():
    rows = [row for row in make_table() if row.name.startswith("abstention, 10 facts, 100")]
    asyncio.run(examine(Path(str(files("turnkeep") / "models" / BUILT_IN)), rows, n=2, seed=1, window=None))
    assert [row.asked for row in rows] == [2]


def test_a_long_talk_states_its_facts_in_the_first_half_and_asks_for_what_was_never_said_too():
    script = write_script(1, 60)
    told = [value for _, value in script.questions if value is not None]
    assert len(told) == 10
    assert len(script.questions) == 15
    assert all(any(value in text for text in script.said[:30]) for value in told)
    assert script.said[59] == write_script(1, 60).said[59]
    assert talk.draw_remark(random.Random(1))


def test_a_talk_counts_what_was_in_the_prompt_apart_from_what_was_answered():
    score = Score(window=1024, strategy="window")
    judge_talk(score, "?", "Rex", "Your dog is called Rex.", "My dog is called Rex.")
    judge_talk(score, "?", "Rex", "Your dog is called ... I don't know.", "My dog is called Rex.")
    judge_talk(score, "?", "Rex", "Your dog is called ... I don't know.", "")
    judge_talk(score, "?", None, "Your cat is called Rex.", "")
    judge_talk(score, "?", None, "Your cat is called ... I don't know.", "")
    assert (score.asked, score.right, score.in_prompt, score.never_said, score.false) == (3, 1, 2, 2, 1)
    assert "| 1,024 | window | 2 of 3 | 1 of 3 | 1 of 2 |" in render_scores([score])


def test_the_demo_tells_ten_facts_before_it_asks():
    demo = write_demo(5)
    assert len(demo.said) == 15
    assert [str(value) in text for text, (_, value) in zip(demo.said, demo.questions, strict=False)] == [
        True
    ] * 10
