"""What is laid out before is laid out the same with what comes after it."""

from hypothesis import given
from hypothesis import strategies as st

from turnkeep.context.view import layout_messages
from turnkeep.conversation.items import (
    Forgotten,
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
from turnkeep.standing import Layout
from turnkeep.wire.chat_completions import render_messages

CALL = Message("assistant", (Text("let me see"), ToolCall(call_id="c", name="f", arguments="{}")))
ITEMS = st.sampled_from(
    [
        user("u"),
        assistant("a"),
        assistant("b", reasoning="hm"),
        Recalled(("line",), (1,)),
        Note(op="remember", text="tea"),
        Forgotten("user"),
        Message("system", (Text("be brief"),)),
        CALL,
        Message("tool", (ToolResult(call_id="c", text="42"),)),
    ]
)


def fresh(item: Item) -> Item:
    """Another object for some, as when they are read again."""
    return user("u") if item == user("u") else item


@given(
    st.lists(st.tuples(st.lists(ITEMS, max_size=5), st.booleans()), max_size=8), st.booleans(), st.booleans()
)
def test_a_prompt_that_grows_is_laid_out_as_a_whole(
    steps: list[tuple[list[Item], bool]], base_in_first_user: bool, reasoning: bool
) -> None:
    layout, log = Layout(), list[Item]()
    for more, again in steps:
        if again:
            log = [fresh(item) for item in log]
        log += more
        for base in ("", "Be kind."):
            whole = render_messages(
                layout_messages(base, log, base_in_first_user=base_in_first_user), reasoning=reasoning
            )
            ours = layout.render(base, log, base_in_first_user=base_in_first_user, reasoning=reasoning)
            assert ours == whole


@given(st.lists(ITEMS, max_size=12), st.lists(ITEMS, max_size=6), st.booleans())
def test_a_log_that_was_cut_or_changed_is_laid_out_anew(
    log: list[Item], more: list[Item], base_in_first_user: bool
) -> None:
    layout = Layout()
    for items in (log, log[2:], [*log[:1], *more], [*log, *more]):
        ours = layout.render("B", items, base_in_first_user=base_in_first_user, reasoning=False)
        assert ours == render_messages(
            layout_messages("B", items, base_in_first_user=base_in_first_user), reasoning=False
        )


def test_messages_of_a_growing_log_are_the_same_objects() -> None:
    layout, log = Layout(), list[Item]()
    before: list[dict[str, object]] = []
    for n in range(4):
        log.append(user(f"u{n}"))
        prompt = layout.render("B", log, base_in_first_user=False, reasoning=False)
        if n > 1:  # the first prompt has no end that more could be added to
            assert all(one is other for one, other in zip(before[:-1], prompt, strict=False))
        before = prompt
        log.append(assistant(f"a{n}"))
