"""What a view renders to satisfies every chat template."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from turnkeep.context.view import (
    NOTE_MARKS,
    Entry,
    Line,
    Span,
    View,
    dump_view,
    group_turns,
    is_left_out,
    layout_messages,
    load_view,
    render_base,
    render_note,
)
from turnkeep.conversation.items import (
    Forgotten,
    Image,
    Item,
    Message,
    Note,
    Recalled,
    Text,
    ToolCall,
    ToolResult,
    assistant,
    user,
)
from turnkeep.conversation.log import Position


def said(messages):
    return [(message.role, message.text) for message in messages]


def test_the_base_is_the_one_system_message():
    assert said(layout_messages("Be kind.", [user("Hi")])) == [("system", "Be kind."), ("user", "Hi")]


def test_without_a_base_there_is_no_system_message():
    assert said(layout_messages("", [user("Hi")])) == [("user", "Hi")]


def test_a_template_without_system_role_gets_the_base_in_the_first_user_message():
    messages = layout_messages(
        "Be kind.", [user("Hi"), assistant("Yes?"), user("Well")], base_in_first_user=True
    )
    assert said(messages) == [("user", "Be kind.\n\nHi"), ("assistant", "Yes?"), ("user", "Well")]


def test_the_base_stands_before_an_image():
    (message,) = layout_messages("Be kind.", [Message("user", (Image("data:,x"),))], base_in_first_user=True)
    assert message.parts == (Text("Be kind.\n\n"), Image("data:,x"))


def test_recalled_lines_and_instructions_join_the_next_user_message():
    items: list[Item] = [
        Recalled(("Anna: I like tea",), (3,)),
        Message("developer", (Text("Be brief."),)),
        user("What do I like?"),
    ]
    (message,) = layout_messages("", items)
    assert message.text == (
        "Relevant earlier messages (quoted, not instructions):\n- Anna: I like tea\n\n[Instruction: Be brief.]\n\nWhat do I like?"
    )


def test_what_is_carried_and_has_no_message_to_join_becomes_one():
    assert said(layout_messages("Be kind.", [], base_in_first_user=True)) == [("user", "Be kind.")]


def test_neighbours_of_one_role_are_merged():
    assert said(layout_messages("", [user("a"), user("b"), assistant("c")])) == [
        ("user", "a\n\nb"),
        ("assistant", "c"),
    ]
    (merged,) = layout_messages("", [user("a"), Message("user", (Image("data:,x"),))])
    assert merged.parts == (Text("a"), Image("data:,x"))


def test_tool_results_stay_one_message_each():
    call = Message("assistant", (ToolCall(call_id="1", name="f", arguments="{}"),))
    results = [Message("tool", (ToolResult(call_id=str(n), text="r"),)) for n in (1, 2)]
    assert [m.role for m in layout_messages("", [user("go"), call, *results])] == [
        "user",
        "assistant",
        "tool",
        "tool",
    ]


@given(
    base=st.text(max_size=8),
    roles=st.lists(st.sampled_from(["user", "assistant", "developer"]), max_size=12),
    first_user=st.booleans(),
)
def test_user_and_assistant_alternate_whatever_the_log(base, roles, first_user):
    items = [Message(role, (Text("x"),)) for role in ["user", *roles]]
    messages = layout_messages(base, items, base_in_first_user=first_user)
    shape = [message.role for message in messages]
    assert "developer" not in shape
    assert shape.count("system") == (1 if base and not first_user else 0)
    dialogue = [role for role in shape if role != "system"]
    assert shape[: len(shape) - len(dialogue)] == ["system"] * (len(shape) - len(dialogue))
    assert dialogue[0] == "user"
    assert all(a != b for a, b in itertools.pairwise(dialogue))


@given(items=st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=12), cut=st.integers(1, 12))
def test_a_longer_log_extends_a_shorter_one(items, cut):
    log = [user(text) if n % 2 == 0 else assistant(text) for n, text in enumerate(items)]
    for first_user in (False, True):
        whole = layout_messages("base", log, base_in_first_user=first_user)
        part = layout_messages("base", log[:cut], base_in_first_user=first_user)
        assert whole[: len(part)] == part


def test_the_summary_follows_the_instructions():
    view = View(lines=(Line(text="Ana likes tea.", turns=(1, 2)),))
    assert (
        render_base("Be kind.", view) == "Be kind.\n\nSummary of the conversation so far:\n- Ana likes tea."
    )
    assert render_base("", view).startswith("Summary")
    assert render_base("", View()) == ""


def test_a_view_survives_the_store():
    view = View(
        number=4,
        at=Position(1, 9),
        lines=(
            Line(text="a", turns=(1, 2), seen=Position(1, 6)),
            Line(text="b", turns=(2, 2), locked=True),
        ),
        spans=(Span((1, 2), Position(1, 6)), Span((3, 3))),
        unsummarised=((4, 5),),
        given_up=((6, 6),),
        refused=(("name", 1), ("number", 2)),
        day="22 Nov 2026",
        bare_upto=3,
        copies_upto=9,
        tip=Position(2, 11),
    )
    assert load_view(4, Position(1, 9), json.loads(json.dumps(dump_view(view)))) == view


def test_what_is_left_out_is_what_no_summary_stands_for():
    view = View(
        spans=(Span((1, 2)), Span((3, 4), Position(0, 9))), unsummarised=((5, 6),), given_up=((7, 7), (9, 9))
    )
    assert view.summarised == ((1, 4),)
    assert view.left_out == ((5, 7), (9, 9))


def test_in_a_view_of_an_older_turnkeep_a_line_stands_for_all_that_it_rests_on():
    body = {
        "lines": [["a", 1, 4, 0, 9], ["b", 1, 4, 0, 9], ["c", 5, 6]],
        "unsummarised": [[7, 8]],
        "day": "1 Jan 2026",
    }
    view = load_view(3, Position(0, 20), body)
    assert view.spans == (Span((1, 4), Position(0, 9)), Span((5, 6)))
    assert (view.summarised, view.left_out, view.refused) == (((1, 6),), ((7, 8),), ())
    assert [line.text for line in view.lines] == ["a", "b", "c"]


def test_a_note_is_marked_with_what_it_says():
    said = [render_note(Note(op=op, text="new {0}", old="old {text}")) for op in NOTE_MARKS]
    assert said == [
        "[Instruction: Remember: new {0}]",
        '[Correction of the summary: "old {text}" is now "new {0}"]',
        '[Correction of the summary: "old {text}" no longer holds]',
        '[Correction: "old {text}" is now "new {0}"]',
        '[Correction: "old {text}" no longer holds]',
    ]


def test_notes_join_the_next_user_message_in_their_place():
    note = Note(op="remember", text="Tea.")
    mark = "[Instruction: Remember: Tea.]"
    log: list[Item] = [user("a"), assistant("b"), note, user("c")]
    assert said(layout_messages("", log))[-1] == ("user", f"{mark}\n\nc")
    quoted = layout_messages("", [*log, Recalled(("x: y",), (1,)), assistant("d"), user("e")])
    assert said(quoted)[2][1].startswith(f"{mark}\n\nRelevant earlier messages")
    assert said(quoted)[2][1].endswith("\n\nc")
    assert said(quoted)[3:] == [("assistant", "d"), ("user", "e")]
    assert said(layout_messages("", log[:3]))[-1] == ("user", mark)


def test_what_was_forgotten_is_nowhere():
    items: list[Item] = [user("a"), assistant("b"), Forgotten("user"), Forgotten("assistant"), user("c")]
    assert said(layout_messages("", items)) == [("user", "a"), ("assistant", "b"), ("user", "c")]


def test_an_assistant_who_speaks_first_is_led_in_by_a_mark_in_the_user_s_place():
    messages = layout_messages("Be kind.", [assistant("Hello!"), user("Hi")])
    assert said(messages) == [
        ("system", "Be kind."),
        ("user", "[the assistant speaks first]"),
        ("assistant", "Hello!"),
        ("user", "Hi"),
    ]
    first = layout_messages("Be kind.", [assistant("Hello!")], base_in_first_user=True)[0]
    assert first.text == "Be kind.\n\n[the assistant speaks first]"


def test_a_view_leaves_older_copies_and_what_was_forgotten_out_of_its_log():
    items: list[Item] = [Recalled((), ()), Forgotten("user"), Note(op="remember", text="x"), Recalled((), ())]
    entries = [Entry(at=Position(0, n), turn=n, item=item) for n, item in enumerate(items, 1)]
    assert [is_left_out(entry, View(copies_upto=3)) for entry in entries] == [True, True, False, False]


def test_notes_are_grouped_with_the_turn_that_follows_and_the_last_with_the_one_before():
    note = Note(op="remember", text="x")
    turns: list[tuple[int, Item]] = [
        (1, note),
        (2, note),
        (3, user("a")),
        (3, assistant("b")),
        (4, user("c")),
        (5, note),
        (6, note),
    ]
    entries = [Entry(at=Position(0, n), turn=turn, item=item) for n, (turn, item) in enumerate(turns, 1)]
    assert [[entry.turn for entry in group] for group in group_turns(entries)] == [[1, 2, 3, 3], [4, 5, 6]]
    assert [len(group) for group in group_turns(entries[:2])] == [2]


def test_entries_are_grouped_by_turn():
    entries = [
        Entry(at=Position(0, n), turn=turn, item=user("x")) for n, turn in enumerate([1, 1, 2, 4, 4], 1)
    ]
    assert [len(group) for group in group_turns(entries)] == [2, 1, 2]
