"""The prefix watch sees what turns send, as the engine reads it, and can fail."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engines import RealEngine
from tests.prefixes import PrefixWatch, Sent, describe_difference, render_chatml
from turnkeep import AsyncChat
from turnkeep.prompt import Desk

ALTERNATING = (
    "{% for m in messages %}{{ '[' + m['role'] + ']' + m['content'] + '[/]' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}"
)


async def talk(url: str | None, folder: Path, messages: list[str]) -> None:
    async with AsyncChat(
        url, conversation="ana", db=folder / "a.db", system="You are kind.", temperature=0, max_tokens=16
    ) as chat:
        for message in messages:
            await chat.ask(message)
        await chat.idle()


def test_a_conversation_extends_itself_also_over_a_restart(
    llama: RealEngine, tmp_path: Path, prefix_watch: PrefixWatch
) -> None:
    asyncio.run(talk(llama.url, tmp_path, ["My dog is called Rex.", "What is my dog called?"]))
    asyncio.run(talk(llama.url, tmp_path, ["My cat is called Tom."]))
    (sent,) = prefix_watch.sent.values()
    assert [request.turn for request in sent] == [1, 2, 3]
    assert all(request.moved is None for request in sent)
    assert sent[2].prompt.startswith(sent[1].prompt + "<|im_start|>assistant\n")


def test_requests_are_rendered_by_the_engines_own_template(
    start_llama: Callable[..., RealEngine], tmp_path: Path, prefix_watch: PrefixWatch
) -> None:
    engine = start_llama(template=ALTERNATING)
    asyncio.run(talk(engine.url, tmp_path, ["Hello."]))
    (sent,) = prefix_watch.sent.values()
    assert sent[0].prompt == "[system]You are kind.[/][user]Hello.[/]"


def test_the_embedded_engine_is_watched_too(tmp_path: Path, prefix_watch: PrefixWatch) -> None:
    asyncio.run(talk(None, tmp_path, ["My dog is called Rex.", "What is my dog called?"]))
    (sent,) = prefix_watch.sent.values()
    assert [request.prompt.count("<|im_start|>user") for request in sent] == [1, 2]


@pytest.mark.moves_prefix(reason="a counter is stamped in front of every prompt, to see that this is found")
def test_a_stamp_in_front_of_the_prompt_is_found(
    llama: RealEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix_watch: PrefixWatch
) -> None:
    request_of, count = Desk.request, iter(range(1000))

    def stamped(desk: Desk, *args: Any) -> Any:  # Any: passed through
        request = request_of(desk, *args)
        first, *rest = request.messages
        return replace(request, messages=[{**first, "content": f"{next(count)} {first['content']}"}, *rest])

    monkeypatch.setattr(Desk, "request", stamped)
    asyncio.run(talk(llama.url, tmp_path, ["Hello.", "Again."]))
    (move,) = prefix_watch.moves()
    assert "turn 2" in move


def watch_of(*sent: Sent) -> PrefixWatch:
    watch = PrefixWatch()
    watch.sent["conv_1"] = list(sent)
    return watch


def test_a_move_that_the_receipt_names_is_let_be() -> None:
    first, second = (
        Sent(turn=1, prompt="abc", moved=None),
        Sent(turn=2, prompt="xyz", moved="compaction"),
    )
    assert watch_of(first, second).moves() == []
    second.moved = None
    assert watch_of(first, second).moves() == ["conv_1, turn 2: after 0 characters (''): 'abc' became 'xyz'"]


def test_conversations_do_not_mix() -> None:
    watch = watch_of(Sent(turn=1, prompt="abc", moved=None))
    watch.sent["conv_2"] = [Sent(turn=1, prompt="xyz", moved=None)]
    assert watch.moves() == []


def test_a_difference_is_described_by_its_place() -> None:
    assert describe_difference("abc", "abd") == "after 2 characters ('ab'): 'c' became 'd'"


def test_chatml_shows_tool_calls_and_parts() -> None:
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
    ]
    assert render_chatml({"messages": messages}) == (
        '<|im_start|>assistant\n[{"id": "1"}]<|im_end|>\n'
        '<|im_start|>user\n[{"type": "text", "text": "a"}]<|im_end|>\n'
    )
