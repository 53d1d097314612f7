"""Pieces of replies become events in the order that clients insist on."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.event_order import check_events, parse_stream

from turnkeep.wire.response_events import (
    DONE,
    Event,
    ResponseEvents,
    finish_stream,
    render_events,
    replay_response,
)
from turnkeep.wire.response_objects import Standing, make_response
from turnkeep.wire.responses import parse_create


def make_object(standing: Standing, **fields: Any) -> dict[str, Any]:
    request = parse_create({"input": "hi"})
    return make_response(
        request.echo, standing, response_id="resp_1", created=1.5, model="m", metadata={}, **fields
    )


def begin(*, queued: bool = False) -> tuple[ResponseEvents, list[Event]]:
    standing = Standing(status="queued" if queued else "in_progress")
    events = ResponseEvents(make_object(standing), lambda kind, place: f"{kind}_{place}")
    return events, events.begin(queued=queued)


def end(events: ResponseEvents, standing: Standing | None = None) -> list[Event]:
    return events.end(make_object(standing or Standing(status="completed"), completed=2.0))


def names(told: list[Event]) -> list[str]:
    return [name.removeprefix("response.") for name, _ in told]


def test_a_text_is_told_from_created_to_completed() -> None:
    events, told = begin()
    told += [*events.say("Hel"), *events.say("lo"), *end(events)]
    assert names(told) == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta",
        "output_text.delta", "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    final = check_events(told)
    assert final["output"][0]["content"][0]["text"] == "Hello"
    assert events.number == len(told)


def test_reasoning_ends_when_the_text_begins() -> None:
    events, told = begin()
    told += [*events.think("hm"), *events.say("yes"), *end(events)]
    assert names(told)[2:9] == [
        "output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.done",
        "content_part.done", "output_item.done", "output_item.added",
    ]  # fmt: skip
    assert [item["type"] for item in check_events(told)["output"]] == ["reasoning", "message"]


def test_reasoning_that_comes_after_text_is_an_item_of_its_own() -> None:
    events, told = begin()
    told += [*events.say("a"), *events.think("b"), *events.say("c"), *end(events)]
    assert [item["id"] for item in check_events(told)["output"]] == ["msg_0", "rs_0", "msg_1"]


def test_calls_whose_pieces_come_mixed_end_together() -> None:
    events, told = begin()
    told += events.say("I look.")
    told += events.call(0, call_id="c0", name="f", arguments='{"a":')
    told += events.call(1, call_id="c1", name="g")
    told += events.call(1, arguments="{}")
    told += events.call(0, arguments="1}")
    told += end(events)
    output = check_events(told)["output"]
    assert [(item.get("call_id"), item.get("arguments")) for item in output] == [
        (None, None),
        ("c0", '{"a":1}'),
        ("c1", "{}"),
    ]


def test_a_call_without_an_id_is_known_by_its_place() -> None:
    events, told = begin()
    told += [*events.call(0, name="f", arguments="{}"), *end(events)]
    assert check_events(told)["output"][0]["call_id"] == "call_0"


def test_a_reply_that_says_nothing_is_one_empty_text() -> None:
    events, told = begin()
    told += [*events.think("hm"), *end(events)]
    assert [item["type"] for item in check_events(told)["output"]] == ["reasoning", "message"]


def test_a_response_of_which_nothing_was_asked_is_empty() -> None:
    events, told = begin()
    told += events.end(make_object(Standing(status="completed")), silent=True)
    assert check_events(told)["output"] == []


def test_a_failure_ends_what_was_begun() -> None:
    events, told = begin()
    told += [*events.say("Hel"), *end(events, Standing(status="failed", error="The engine fell over."))]
    final = check_events(told)
    assert final["error"] == {"code": "server_error", "message": "The engine fell over."}
    assert final["output"][0]["status"] == "incomplete"


def test_a_reply_that_was_filtered_out_is_an_empty_text() -> None:
    events, told = begin()
    told += end(events, Standing(status="incomplete", reason="content_filter"))
    assert [item["status"] for item in check_events(told)["output"]] == ["incomplete"]


def test_a_call_cut_off_within_its_arguments_is_told_but_not_kept() -> None:
    events, told = begin()
    told += events.call(0, call_id="c0", name="f", arguments='{"a":')
    told += events.call(1, call_id="c1", name="f", arguments="{}")
    told += end(events, Standing(status="cancelled"))
    assert names(told)[-1] == "incomplete"
    assert [item["call_id"] for item in check_events(told)["output"]] == ["c1"]


def test_a_queued_response_waits_before_it_begins() -> None:
    events, told = begin(queued=True)
    assert names(told) == ["created", "queued"]
    told += [*events.start(), *events.say("x"), *end(events)]
    check_events(told)


def test_a_compaction_is_told_whole() -> None:
    events, told = begin()
    told += [*events.say("x"), *events.end_items(), *events.compact("sealed", "cmp_1"), *end(events)]
    assert names(told)[-4:] == [
        "output_item.added",
        "compaction.compacting",
        "output_item.done",
        "completed",
    ]
    assert check_events(told)["output"][1] == {
        "id": "cmp_1",
        "type": "compaction",
        "encrypted_content": "sealed",
    }


def test_events_are_written_with_their_names_and_an_end() -> None:
    _, told = begin()
    data = render_events(told) + DONE
    assert data.startswith(b'event: response.created\ndata: {"type":"response.created","sequence_number":0,')
    assert parse_stream(data) == told


@pytest.mark.parametrize("text", ['"\\', "\u2028\n\r", "\ud83d", "héé 你好 🙂", "\x00"])
def test_a_delta_carries_any_text(text: str) -> None:
    events, _ = begin()
    delta = events.say(text)[-1]
    assert json.loads(delta[1])["delta"] == text
    assert render_events([delta]).isascii()


Piece = tuple[str, str]
PIECES = st.lists(
    st.tuples(st.sampled_from(["say", "think", "call 0", "call 1", "compact"]), st.text(max_size=4)),
    max_size=12,
)
ENDS = st.sampled_from(
    [
        Standing(status="completed"),
        Standing(status="incomplete", reason="max_output_tokens"),
        Standing(status="incomplete"),
        Standing(status="cancelled"),
        Standing(status="failed", error="No."),
    ]
)


def tell(events: ResponseEvents, pieces: list[Piece]) -> list[Event]:
    told: list[Event] = []
    for number, (kind, text) in enumerate(pieces):
        match kind.split():
            case ["say"]:
                told += events.say(text)
            case ["think"]:
                told += events.think(text)
            case ["call", place]:
                told += events.call(int(place), call_id=f"c{place}", name="f", arguments=text)
            case _:
                told += [*events.end_items(), *events.compact("s", f"cmp_{number}")]
    return told


@settings(max_examples=40)
@given(PIECES, ENDS, st.booleans())
def test_whatever_comes_is_told_in_order(pieces: list[Piece], standing: Standing, queued: bool) -> None:
    events, told = begin(queued=queued)
    told += events.start() if queued else []
    told += [*tell(events, pieces), *end(events, standing)]
    final = check_events(told)
    assert final["status"] == standing.status


@settings(max_examples=40)
@given(PIECES, ENDS)
def test_a_whole_response_is_told_again_as_it_was(pieces: list[Piece], standing: Standing) -> None:
    events, told = begin()
    told += [*tell(events, pieces), *end(events, standing)]
    final = check_events(told)
    again = check_events(replay_response(final))
    assert again == final


@pytest.mark.parametrize("cut", range(10))
def test_a_stream_that_broke_off_anywhere_is_told_to_its_end(cut: int) -> None:
    events, told = begin(queued=True)
    steps = [
        events.start,
        lambda: events.think("hm"),
        lambda: events.think(" hm"),
        lambda: events.say("I "),
        lambda: events.say('say "so"'),
        lambda: events.think("hm?"),
        lambda: events.call(0, call_id="c1", name="look", arguments='{"a"'),
        lambda: events.call(1, call_id="c2", name="look"),
        lambda: events.call(0, arguments=":1}"),
        lambda: events.say("and more"),
    ]
    for step in steps[:cut]:
        told += step()
    failed = make_object(Standing(status="failed", error="It died."))
    rest = finish_stream([data for _, data in told], failed)
    final = check_events([*told, *rest])
    assert (final["status"], final["error"]["message"]) == ("failed", "It died.")
    # As whoever began it would have ended it.
    assert rest == events.end(failed)
