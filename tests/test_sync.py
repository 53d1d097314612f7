"""`Chat`: the facade for code without an event loop."""

import threading

import pytest

from turnkeep import Chat, UsageError
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
