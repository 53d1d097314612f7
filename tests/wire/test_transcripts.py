"""Streams as engines send them: whole, byte by byte, cut everywhere, and damaged."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from turnkeep.conversation.items import FinishReason, ToolCall, Usage
from turnkeep.errors import ContextOverflow, EngineBusy, EngineError, EngineProtocolError, EngineRefused
from turnkeep.wire.assemble import Assembler, ReplyStream, read_response
from turnkeep.wire.exchange import Delta, End, Progress, TextDelta
from turnkeep.wire.failures import classify_failure, failure_error

FOLDER = Path(__file__).parents[1] / "transcripts"
LLAMA = "llama.cpp-xllamacpp-2026.10.11549"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a transcript says; figures as (prompt, completion, cached)."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()  # names and arguments
    finish_reason: FinishReason = "stop"
    usage: tuple[int | None, int | None, int | None] = (None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The error that a transcript ends in, after some text."""

    kind: type[Exception]
    text: str = ""
    needed: int | None = None
    available: int | None = None
    status: int = field(default=400)  # of an answer that is no stream


OVERFLOW = Broken(kind=ContextOverflow, needed=5010, available=4096)
CASES: dict[str, Reply | Broken] = {
    f"{LLAMA}/plain.sse": Reply(text="Your dog is called Rex.", usage=(46, 8, 0)),
    f"{LLAMA}/progress.sse": Reply(text="Your dog is called Rex.", usage=(46, 8, 0)),
    f"{LLAMA}/length.sse": Reply(text="Your dog is", finish_reason="length", usage=(46, 3, 45)),
    f"{LLAMA}/unicode.sse": Reply(text="naïve 漢字 🎲 \u2028 end", usage=(46, 25, 45)),
    f"{LLAMA}/reasoning.sse": Reply(reasoning="Rex is the dog.", text="It is Rex.", usage=(50, 23, 0)),
    f"{LLAMA}/tool_calls.sse": Reply(
        calls=(("roll", '{"sides":6}'),), finish_reason="tool_calls", usage=(209, 38, 0)
    ),
    f"{LLAMA}/pool_full.sse": Broken(kind=EngineBusy, text="The budget" + " for budget" * 15),
    f"{LLAMA}/whole.json": Reply(text="Your dog is called Rex.", usage=(46, 8, 45)),
    f"{LLAMA}/overflow.json": Broken(kind=ContextOverflow, needed=6008, available=1024),
    f"{LLAMA}/bad_field.json": Broken(kind=EngineRefused),
    "vllm-0.33.0/reasoning.sse": Reply(reasoning="She asks for a name.", text="Rex.", usage=(31, 4, 16)),
    "vllm-0.33.0/error_then_done.sse": Broken(kind=EngineRefused, text="Re"),
    "vllm-0.33.0/continuous_usage.sse": Reply(text="Rex.", usage=(31, 4, None)),
    "vllm-0.33.0/overflow.json": OVERFLOW,
    "sglang-0.5.23/reasoning.sse": Reply(reasoning="A dog.", text="Rex."),
    "sglang-0.5.23/error.sse": Broken(kind=EngineRefused),
    "sglang-0.5.23/overflow.json": OVERFLOW,
    "ollama-2026-08/reasoning.sse": Reply(reasoning="A dog.", text="Rex.", usage=(31, 4, None)),
    "ollama-2026-08/tool_call.sse": Reply(calls=(("roll", '{"sides":6}'),), finish_reason="tool_calls"),
    "ollama-2026-08/silent_end.sse": Broken(kind=EngineProtocolError, text="Re"),
    "lm-studio-0.4/plain.sse": Reply(text="Rex.", usage=(31, 4, None)),
    "lm-studio-0.4/nothing.sse": Broken(kind=ContextOverflow),
    "lm-studio-0.4/overflow.sse": OVERFLOW,
    "lm-studio-0.4/error_text.sse": Broken(kind=EngineRefused, text="Re"),
    "mlx-lm-0.32.2/keepalive.sse": Reply(reasoning="A dog.", text="Rex.", usage=(31, 4, 0)),
    "mlx-lm-0.32.2/setup_error.json": Broken(kind=EngineRefused, status=404),
    "tabbyapi-2026-08/crlf.sse": Reply(text="Rex.", usage=(31, 4, None)),
    "tabbyapi-2026-08/overflow.sse": OVERFLOW,
    "koboldcpp-1.76/named_events.sse": Reply(text="Rex."),
    "text-generation-webui-2026-05/plain.sse": Reply(text="Rex.", usage=(31, 4, None)),
    "llama-cpp-python-0.3.36/crlf.sse": Reply(text="Rex."),
    "llama-cpp-python-0.3.36/overflow.json": OVERFLOW,
}  # fmt: skip
STREAMS = [name for name in CASES if name.endswith(".sse")]


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def replay(*pieces: bytes) -> tuple[Assembler, Exception | None]:
    """Feed a stream in pieces; what came of it, and the error it ended in."""
    reply, assembler = ReplyStream(), Assembler()
    try:
        for piece in pieces:
            for delta in reply.feed(piece):
                assembler.add(delta)
        assembler.add(reply.end())
    except (EngineError, ContextOverflow) as error:
        return assembler, error
    return assembler, None


def answer(name: str) -> tuple[Assembler, Exception | None]:
    """Read an answer that is no stream, as the client does."""
    case, assembler = CASES[name], Assembler()
    if isinstance(case, Broken):
        return assembler, failure_error(classify_failure(case.status, read(name).decode()), "The engine")
    for delta in read_response(json.loads(read(name))):
        assembler.add(delta)
    return assembler, None


def check(name: str, assembler: Assembler, error: Exception | None) -> None:
    case, message = CASES[name], assembler.message
    if isinstance(case, Broken):
        assert type(error) is case.kind
        assert message.text == case.text
        if isinstance(error, ContextOverflow):
            assert (error.needed, error.available) == (case.needed, case.available)
        return
    assert error is None
    assert assembler.end is not None
    usage = assembler.end.usage
    assert (
        Reply(
            text=message.text,
            reasoning=message.reasoning,
            calls=tuple((call.name, call.arguments) for call in message.tool_calls),
            finish_reason=assembler.end.finish_reason,
            usage=(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens),
        )
        == case
    )


def test_every_transcript_is_replayed() -> None:
    kept = [path for path in FOLDER.glob("*/*") if path.suffix in (".sse", ".json")]
    assert {path.relative_to(FOLDER).as_posix() for path in kept} == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_transcript_read_whole_says_what_it_should(name: str) -> None:
    check(name, *(replay(read(name)) if name in STREAMS else answer(name)))


@pytest.mark.parametrize("name", STREAMS)
def test_a_transcript_read_byte_by_byte_says_the_same(name: str) -> None:
    check(name, *replay(*(bytes([byte]) for byte in read(name))))


@pytest.mark.parametrize("name", STREAMS)
def test_a_transcript_read_in_two_pieces_says_the_same_wherever_it_is_parted(name: str) -> None:
    data = read(name)
    whole = list(ReplyStreamRun(data).deltas)
    for cut in range(0, len(data), 1 + len(data) // 250):
        assert list(ReplyStreamRun(data[:cut], data[cut:]).deltas) == whole, cut


class ReplyStreamRun:
    """The deltas of a stream in pieces, up to its error if it has one."""

    def __init__(self, *pieces: bytes) -> None:
        self.deltas: list[Delta] = []
        reply = ReplyStream()
        try:
            for piece in pieces:
                for delta in reply.feed(piece):
                    self._add(delta)
        except (EngineError, ContextOverflow):
            pass

    def _add(self, delta: Delta) -> None:
        """Keep a delta; pieces of text that came together may come as one, so they are joined."""
        last = self.deltas[-1] if self.deltas else None
        if isinstance(last, TextDelta) and isinstance(delta, TextDelta):
            self.deltas[-1] = TextDelta(last.text + delta.text)
        else:
            self.deltas.append(delta)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_cut_off_anywhere_is_never_reported_as_whole(name: str) -> None:
    """At every position: what is reported as whole is whole, text, reasoning, calls and reason."""
    data, case = read(name), CASES[name]
    reply, assembler = ReplyStream(), Assembler()
    whole = 0
    try:
        for position in range(len(data)):
            end, error = _end(reply)
            if error is None:
                assert isinstance(case, Reply), position
                assert (assembler.text, end.finish_reason) == (case.text, case.finish_reason), position
                assert assembler.message.reasoning == case.reasoning
                assert [call.arguments for call in assembler.message.tool_calls] == [c[1] for c in case.calls]
                whole += 1
            for delta in reply.feed(data[position : position + 1]):
                assembler.add(delta)
    except (EngineError, ContextOverflow):
        assert isinstance(case, Broken)
    assert (whole > 0) == isinstance(case, Reply)


def _end(reply: ReplyStream) -> tuple[End, Exception | None]:
    try:
        return reply.end(), None
    except (EngineError, ContextOverflow) as error:
        return End(finish_reason="stop"), error


@given(st.data())
def test_a_damaged_stream_gives_deltas_or_an_error_of_ours(data: st.DataObject) -> None:
    stream = bytearray(read(data.draw(st.sampled_from(STREAMS))))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(stream)))
        end = min(len(stream), start + data.draw(st.integers(0, 40)))
        stream[start:end] = data.draw(st.binary(max_size=20))
    whole, error = replay(bytes(stream))
    again, same = replay(*(bytes(stream[i : i + 7]) for i in range(0, len(stream), 7)))
    assert type(same) is type(error)
    assert again.message == whole.message
    if error is None:
        assert b'"finish_reason":"' in stream or b"[DONE]" in stream  # only an end may pass for one


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
        "choices", "delta", "message", "content", "reasoning", "reasoning_content", "tool_calls", "function", "index",
        "name", "arguments", "id", "finish_reason", "usage", "prompt_tokens", "timings", "prompt_n", "cache_n", "error",
        "prompt_progress", "total", "processed", "cache", "object", "prompt_tokens_details", "code", "type",
    ]), inner, max_size=4)
)))  # fmt: skip
@example({"choices": [{"delta": {"tool_calls": [{"index": 10**400}]}}]})
@example({"error": {"code": True, "message": ["x"]}})
@example({"error": {"type": "exceed_context_size_error", "n_ctx": True}})
def test_any_json_in_an_event_gives_deltas_or_an_error_of_ours(value: object) -> None:
    data = f"data: {json.dumps(value)}\n\n".encode()
    _, error = replay(data, b"data: [DONE]\n\n")
    assert error is None or str(error), "an error has to say something"


def test_progress_is_reported_before_the_text() -> None:
    deltas = ReplyStreamRun(read(f"{LLAMA}/progress.sse")).deltas
    assert deltas[:2] == [
        Progress(total=46, cached=0, processed=0),
        Progress(total=46, cached=0, processed=46),
    ]


def test_call_ids_are_kept() -> None:
    assembler, _ = replay(read("ollama-2026-08/tool_call.sse"))
    assert assembler.message.tool_calls == (ToolCall(call_id="call_1", name="roll", arguments='{"sides":6}'),)


def test_usage_tells_what_was_read_anew() -> None:
    assembler, _ = replay(read(f"{LLAMA}/length.sse"))
    assert assembler.end is not None
    assert assembler.end.usage == Usage(prompt_tokens=46, completion_tokens=3, cached_tokens=45)
    assert assembler.end.usage.read_tokens == 1
