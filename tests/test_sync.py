"""`Chat`: the facade for code without an event loop."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from turnkeep import Chat, UsageError
from turnkeep.audit.folder import Folder
from turnkeep.audit.reading import read_records
from turnkeep.testing import EphemeralStore, ScriptedEngine


def loop_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "turnkeep"]


def test_a_chat_that_is_closed_leaves_no_thread_behind() -> None:
    chat = Chat(ScriptedEngine(["Hello."]), db=EphemeralStore())
    assert loop_threads() == []
    assert chat.ask("Hi.").text == "Hello."
    assert len(loop_threads()) == 1
    chat.close()
    assert loop_threads() == []


def test_a_chat_can_be_used_again_after_it_was_closed() -> None:
    store = EphemeralStore()
    chat = Chat(ScriptedEngine(["Hello.", "Again."]), conversation="ana", db=store)
    chat.ask("Hi.")
    chat.close()
    assert chat.ask("Hi again.").text == "Again."
    assert [turn.user for turn in chat.history()] == ["Hi.", "Hi again."]
    chat.close()


UNCLOSED = """
import sys
from turnkeep import AuditRules, Chat, sync
from turnkeep.testing import ScriptedEngine

sync.EXIT_SECONDS = float(sys.argv[2])
chat = Chat(ScriptedEngine(["Hello."]), conversation="ana", db=sys.argv[1], embeddings="off", audit=AuditRules(level="full"))
print(chat.ask("Hi.").text)
stream = iter(chat.stream("And?")) if len(sys.argv) > 3 else None
if stream:
    next(stream)
"""


def run_unclosed(*arguments: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", UNCLOSED, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("more", [(), ("streams",)])
def test_what_a_program_that_closes_nothing_has_said_is_in_the_audit(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    path = tmp_path / "turnkeep.db"
    assert run_unclosed(str(path), "30", *more) == ("Hello.\n", "")
    records = [record for _, record in read_records(Folder.of(path)) if record is not None]
    said = [record.texts and record.texts["input"] for record in records if record.kind == "turn"]
    assert said == ["Hi.", "And?"][: 1 + len(more)]


def test_a_chat_that_cannot_be_closed_in_time_keeps_no_program_from_ending(tmp_path: Path) -> None:
    said, told = run_unclosed(str(tmp_path / "turnkeep.db"), "0")
    assert said == "Hello.\n"
    assert "a chat was not closed" in told


def test_a_stream_gives_its_pieces_and_then_the_reply() -> None:
    with Chat(ScriptedEngine([["Hel", "lo."]]), db=EphemeralStore()) as chat:
        stream = chat.stream("Hi.")
        with pytest.raises(UsageError, match="read the stream"):
            _ = stream.reply
        assert list(stream) == ["Hel", "lo."]
        assert stream.reply.text == "Hello."


def test_leaving_a_stream_early_keeps_what_was_said_as_cut_off() -> None:
    engine = ScriptedEngine([["Once ", "upon ", "a ", "time"]])
    with Chat(engine, db=EphemeralStore()) as chat:
        for _piece in chat.stream("A story."):
            break
        (turn,) = chat.history()
        assert turn.turn.state in ("cut_off", "done")
        assert turn.assistant.startswith("Once ")


def test_a_prepared_turn_is_sent_by_the_caller_and_recorded() -> None:
    with Chat("none", window=4096, db=EphemeralStore()) as chat:
        turn = chat.prepare("Hi.", max_tokens=50)
        assert turn.messages == [{"role": "user", "content": "Hi."}]
        assert turn.max_tokens == 50
        assert turn.receipt.window == 4096
        turn.finish("Hello.", {"prompt_tokens": 9, "completion_tokens": 2})
        assert chat.prepare("And?").messages[1] == {"role": "assistant", "content": "Hello."}
