"""The evaluation tells what stood in the prompt from what was answered."""

import asyncio
import random

from turnkeep.errors import EngineProtocolError
from turnkeep.evaluation import (
    NAIVE,
    Fact,
    Score,
    evaluate,
    plant_facts,
    render_picture,
    render_table,
    write_script,
)
from turnkeep.testing import ScriptedEngine


def reader(request):
    """Answer with all that the user said: what stands in the prompt is in the reply."""
    return " ".join(m["content"] for m in request.messages[:-1] if m["role"] == "user")


def scores(engine, strategies, turns=20):
    async def main():
        return [score async for score in evaluate(engine, strategies, turns=turns, seed=3)]

    return asyncio.run(main())


def test_the_facts_stand_in_the_first_half_of_the_script_once_each():
    said, facts = write_script(120, 5)
    assert len(said) == 120
    for fact in facts:
        assert said.index(fact.statement) < 60
        assert said.count(fact.statement) == 1
        assert fact.value in fact.statement
        assert fact.value not in fact.question
    assert write_script(120, 5) == (said, facts)


def test_values_differ_from_fact_to_fact():
    values = [fact.value for fact in plant_facts(random.Random(2))]
    assert len(set(values)) == len(values)


def test_with_the_whole_text_in_view_everything_is_found():
    (score,) = scores(ScriptedEngine(lambda _: "Noted.", window=100_000), ["window"])
    assert (score.asked, score.in_prompt, score.answered) == (10, 10, 0)


def test_an_engine_that_reads_its_prompt_answers():
    (score,) = scores(ScriptedEngine(reader, window=200_000), ["window"], turns=10)
    assert score.answered == 10


def test_what_has_left_a_small_window_is_not_in_the_prompt():
    window, naive = scores(ScriptedEngine(lambda _: "Noted.", window=512), ["window", NAIVE], turns=80)
    assert window.in_prompt <= 2
    assert (naive.asked, naive.answered) == (10, 0)
    assert naive.refused > 0
    assert window.read_tokens > 0


def test_a_way_that_fails_is_named_and_the_others_go_on():
    broken, fine = scores(
        ScriptedEngine([[EngineProtocolError("out of order")]], window=9_000), ["window", "summary"]
    )
    assert broken.failures == ["out of order"]
    assert fine.asked == 10
    assert "out of order" in render_table([broken, fine])


def test_the_table_and_the_picture_hold_the_figures():
    score = Score(name="a<b", asked=4, read_tokens=1_234)
    score.note(Fact(statement="s", question="q", value="Rex"), "My dog is Rex.", "It is rex.")
    assert "| a<b | 20 % | 20 % | 1,234 | 0.0 | 0 |" in render_table([score])
    assert "a&lt;b" in render_picture([score])
    assert "1/5 answered" in render_picture([score])
