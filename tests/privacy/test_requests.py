"""Requests and replies of an engine: masked everywhere, still, and put back."""

import json
from typing import Any

import hypothesis
from hypothesis import strategies as st

from tests.privacy import person
from tests.privacy.test_marks import TEXTS
from turnkeep.conversation.items import FinishReason
from turnkeep.privacy import Marks, mask
from turnkeep.privacy.requests import Unmasking, mask_request
from turnkeep.wire.exchange import Delta, End, Progress, ReasoningDelta, Request, TextDelta, ToolCallDelta

STOP: FinishReason = "stop"


def request(*messages: dict[str, Any]) -> Request:
    return Request(messages=messages)


def said(role: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"role": role, "content": text, **fields}


def test_nothing_of_a_person_is_in_any_part_of_a_request() -> None:
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps({"q": person.SAID})},
    }
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    sent = request(
        said("system", f"Help {person.EMAIL}."),
        {"role": "user", "content": [{"type": "text", "text": person.SAID}, image]},
        said("assistant", person.SAID, reasoning_content=f"Hm, {person.PHONE}.", tool_calls=[call]),
        said("tool", person.SAID, tool_call_id="c1"),
    )
    masked = mask_request(sent, Marks())
    text = json.dumps(list(masked.request.messages))
    assert [value for value in person.VALUES if value in text] == []
    assert masked.request.messages[1]["content"][1] is image
    assert masked.request.messages[2]["tool_calls"][0]["function"]["name"] == "f"
    assert set(masked.marks.by_value) == set(person.VALUES)


@hypothesis.settings(max_examples=40)
@hypothesis.given(st.lists(TEXTS, min_size=2, max_size=6))
def test_a_prompt_that_goes_on_keeps_still_unless_a_value_that_stood_in_it_becomes_known(
    texts: list[str],
) -> None:
    marks, known = Marks(), None
    before: list[Any] = []
    for upto in range(1, len(texts) + 1):
        messages = [said("user", text) for text in texts[:upto]]
        masked = mask_request(request(*messages), marks, (), known)
        afresh = mask_request(request(*messages), masked.marks)
        assert masked.request == afresh.request, "what is remembered makes no difference"
        new = set(masked.marks.by_value) - set(marks.by_value)
        if not any(value in text for value in new for text in texts[: upto - 1]):
            assert list(masked.request.messages)[: upto - 1] == before
        marks, known, before = masked.marks, masked.known, list(masked.request.messages)


def test_a_value_that_is_forgotten_is_found_anew_under_another_number() -> None:
    one = mask_request(request(said("user", "a@example.com")), Marks())
    two = mask_request(
        request(said("user", "a@example.com")), one.marks.without(["a@example.com"]), (), one.known
    )
    assert two.request.messages[0]["content"] == "[EMAIL_2]"


def feed(marks: Marks, *deltas: Delta) -> list[Delta]:
    back = Unmasking(marks)
    return [one for delta in deltas for one in back.feed(delta)]


def test_a_call_s_value_does_not_get_the_number_of_a_forgotten_one() -> None:
    marks = mask("a@example.com b@example.com").marks.without(["b@example.com"])
    function = {"name": "f", "arguments": json.dumps({"to": "c@example.com"})}
    call = said("assistant", "", tool_calls=[{"id": "c1", "type": "function", "function": function}])
    masked = mask_request(request(call), marks)
    assert "[EMAIL_3]" in json.dumps(list(masked.request.messages))
    assert [mark.text for mark in masked.marks.marks] == ["[EMAIL_1]", "[EMAIL_2]", "[EMAIL_3]"]


def test_values_come_back_in_text_reasoning_and_calls_at_every_cut() -> None:
    secret = 'pa"ss\\1\nword'
    marks = mask(person.SAID).marks.adding("SECRET", secret)
    text = mask(f"{person.SAID} {secret}", marks).text
    arguments = json.dumps({"q": text})
    for cut in range(0, len(arguments), 7):
        deltas = feed(
            marks,
            ReasoningDelta(text[:cut]),
            ReasoningDelta(text[cut:]),
            TextDelta(text[:cut]),
            Progress(total=1, cached=0, processed=1),
            TextDelta(text[cut:]),
            ToolCallDelta(index=0, call_id="c", name="f", arguments=arguments[:cut]),
            ToolCallDelta(index=0, arguments=arguments[cut:]),
            End(finish_reason=STOP),
        )
        want = f"{person.SAID} {secret}"
        assert "".join(one.text for one in deltas if isinstance(one, TextDelta)) == want
        assert "".join(one.text for one in deltas if isinstance(one, ReasoningDelta)) == want
        called = "".join(one.arguments for one in deltas if isinstance(one, ToolCallDelta))
        assert json.loads(called) == {"q": want}
        assert isinstance(deltas[-1], End)


def test_calls_with_values_become_again_what_the_model_wrote() -> None:
    marks = mask("a@example.com").marks.adding("SECRET", 'pa"ss\\1word')
    written = '{"to": "[EMAIL_1]",  "pw":"[SECRET_1]"}'
    called = feed(marks, ToolCallDelta(index=0, arguments=written))[0]
    assert isinstance(called, ToolCallDelta)
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": called.arguments}}
    masked = mask_request(request(said("assistant", "", tool_calls=[call])), marks)
    assert masked.request.messages[0]["tool_calls"][0]["function"]["arguments"] == written
    assert masked.marks == marks


def test_what_is_held_back_comes_before_what_follows_it() -> None:
    marks = mask("a@example.com").marks
    deltas = feed(
        marks, ReasoningDelta("so [EM"), TextDelta("hi [EMAIL"), ToolCallDelta(index=0, call_id="c", name="f", arguments='{"a":"[E'),
        End(finish_reason=STOP),
    )  # fmt: skip
    assert deltas == [
        ReasoningDelta("so "), ReasoningDelta("[EM"), TextDelta("hi "), TextDelta("[EMAIL"),
        ToolCallDelta(index=0, call_id="c", name="f", arguments='{"a":"'), ToolCallDelta(index=0, arguments="[E"),
        End(finish_reason=STOP),
    ]  # fmt: skip


def test_what_the_model_writes_by_itself_is_noted() -> None:
    marks = mask("a@example.com").marks
    back = Unmasking(marks)
    for delta in (TextDelta("ask help@exa"), TextDelta("mple.org or [EMAIL_1] or [PHO"), TextDelta("NE_9]")):
        list(back.feed(delta))
    assert back.marks.shown == {"help@example.org", "[PHONE_9]"}
