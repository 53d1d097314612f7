import asyncio
import io

from rich.console import Console

from turnkeep.terminal.screen import ASCII
from turnkeep.terminal.waiting import Waiting


def watch(term: str = "xterm", *, terminal: bool = True, width: int = 20) -> str:
    """Wait a moment under a spinner; returns what was written."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=width, _environ={"TERM": term})

    async def work() -> None:
        waiting = Waiting(console, ASCII)
        with waiting.shown("reading 10 of 1,000 tokens"):
            await asyncio.sleep(0)
            waiting.start("reading 900 of 1,000 tokens")
            await asyncio.sleep(0.15)
        waiting.stop()

    asyncio.run(work())
    return file.getvalue()


def test_the_line_is_drawn_over_itself_and_taken_away() -> None:
    written = watch()
    assert written.startswith("\r| reading 10 of 1,0\x1b[K")
    assert "\r/ reading 900 of 1,\x1b[K" in written
    assert written.endswith("\r\x1b[K")
    assert "\n" not in written


def test_the_line_makes_way_for_what_is_printed_and_goes_on_below() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=40, _environ={"TERM": "xterm"})

    async def work() -> None:
        waiting = Waiting(console, ASCII)
        with waiting.shown("asking"):
            await asyncio.sleep(0)
            waiting.make_way()
            console.print("A notice.")
            await asyncio.sleep(0.15)

    asyncio.run(work())
    assert "asking\x1b[K\r\x1b[KA notice.\n\r" in file.getvalue()


def test_nothing_is_drawn_where_a_line_cannot_be_taken_back() -> None:
    assert watch(term="dumb") == ""
    assert watch(terminal=False) == ""
