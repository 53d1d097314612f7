import asyncio
import io
import re

import pytest
from rich.console import Console

from turnkeep.context.receipt import Receipt
from turnkeep.conversation.items import FinishReason, Usage, assistant
from turnkeep.errors import EngineTimeout
from turnkeep.streaming import Streaming
from turnkeep.terminal.interrupts import Interrupts
from turnkeep.terminal.replies import ReplyView
from turnkeep.terminal.screen import ASCII
from turnkeep.terminal.waiting import Waiting
from turnkeep.turn import Emit, Finished, Notice, Piece, Reading, Reply, Thought, TurnEvent

RECEIPT = Receipt(engine="e", model="m", window=1, reserve=0, high=1, low=1)


def reply(text: str, finish: FinishReason = "stop", reasoning: str = "") -> Reply:
    return Reply(
        text=text, reasoning=reasoning, turn=1, state="done", finish_reason=finish, usage=Usage(), receipt=RECEIPT,
        message=assistant(text),
    )  # fmt: skip


def show(
    *events: TurnEvent, end: Reply | None = None, told: set[str] | None = None, interrupt: bool = False
) -> str:
    """Show a turn of these events; without `end` it fails. Returns what the screen shows in the end."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system=None, width=60, _environ={"TERM": "xterm"})

    async def work() -> None:
        interrupts = Interrupts()

        async def run(emit: Emit, stop: asyncio.Event) -> Reply:
            for event in events:
                emit(event)
                await asyncio.sleep(0)
            if interrupt:
                interrupts._on_interrupt()
                await stop.wait()
            if end is None:
                raise EngineTimeout("The engine is too slow.")
            emit(Finished(end))
            return end

        view = ReplyView(console, ASCII, set() if told is None else told, Waiting(console, ASCII))
        await view.show(Streaming(run), interrupts)

    try:
        asyncio.run(work())
    except EngineTimeout:
        file.write("FAILED")
    return on_screen(file.getvalue())


def on_screen(written: str) -> str:
    """What is left when lines that were drawn over are gone."""
    return re.sub(r"\r[^\r\n]*\x1b\[K", "", written)


def test_a_reply_is_shown_as_it_was_said() -> None:
    assert show(Piece("Hello "), Piece("**there**"), end=reply("Hello **there**")) == "Hello there\n"


def test_what_is_done_before_the_first_word_leaves_no_trace() -> None:
    shown = show(Reading(total=10, cached=2, processed=5), Thought("hm"), Piece("Yes"), end=reply("Yes"))
    assert shown == "Yes\n"


def test_notices_stand_below_the_reply_and_are_told_once() -> None:
    told: set[str] = set()
    events = (Notice("Look out."), Piece("Yes"), Notice("Look out."))
    assert show(*events, end=reply("Yes"), told=told) == "Yes\nLook out.\n"
    assert show(*events, end=reply("Yes"), told=told) == "Yes\n"


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (reply("Half", "length"), "[cut off at the limit of tokens; /set max_tokens raises it]"),
        (reply("Half", "cancelled"), "[stopped; what was said is kept]"),
        (reply("", "content_filter"), "[cut off by the engine's content filter]"),
        (reply(" "), "[the model said nothing]"),
        (reply("", reasoning="hm"), "[the model thought, but said nothing]"),
    ],
)
def test_an_unusual_end_is_told(end: Reply, words: str) -> None:
    assert words in show(*([Piece(end.text)] if end.text else []), end=end)


def test_an_interrupt_stops_the_turn_and_not_the_program() -> None:
    assert show(Piece("Half"), end=reply("Half", "cancelled"), interrupt=True).startswith("Half\n[stopped;")
    assert "before anything was said" in show(end=reply("", "cancelled"), interrupt=True)


def test_a_failure_leaves_what_was_said_and_the_cursor_at_the_start_of_a_line() -> None:
    assert show(Piece("Half")) == "Half\nFAILED"
    assert show(Reading(total=10, cached=0, processed=5)) == "FAILED"
