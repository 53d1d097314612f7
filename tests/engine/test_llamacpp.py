"""The real llama.cpp, with chat templates of every kind: what is found out about them holds."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.engine import templates
from tests.engine.fake_server import MODELS, Exchange, FakeServer
from tests.engines import MODEL, RealEngine

from turnkeep.engine.base import EngineInfo, TemplateRules
from turnkeep.engine.client import EngineClient, Retries
from turnkeep.engine.llamacpp import LlamaCppEngine, detect
from turnkeep.errors import ContextOverflow, EngineProtocolError, EngineRefused, UsageError
from turnkeep.wire.exchange import Delta, End, Progress, Request, TextDelta, WireMessage

WINDOW = 1024
Start = Callable[..., RealEngine]

BASE = "You are kind."
SAID = ["My dog is called Rex.", "My name is Priya.", "What is the name of my dog?"]


def engine_at(url: str, **options: Any) -> LlamaCppEngine:
    return LlamaCppEngine(EngineClient(url, retries=Retries(unreachable=0, not_ready=0)), **options)


@pytest.fixture
def engine(start_llama: Start) -> LlamaCppEngine:
    return engine_at(start_llama(window=WINDOW).url)


def probe(url: str, **options: Any) -> EngineInfo:
    return asyncio.run(engine_at(url, **options).probe())


async def collect(deltas: AsyncGenerator[Delta, None]) -> tuple[str, End]:
    async with aclosing(deltas):
        found = [delta async for delta in deltas]
    end = found[-1]
    assert isinstance(end, End)
    return "".join(delta.text for delta in found if isinstance(delta, TextDelta)), end


def layout(said: list[str], rules: TemplateRules) -> list[WireMessage]:
    """Lay a conversation out by the rules: the base where it keeps still, then user and assistant in turn."""
    texts = [*said]
    if rules.base_in == "first_user":
        texts[0] = f"{BASE}\n\n{texts[0]}"
    messages = [
        {"role": "user" if place % 2 == 0 else "assistant", "content": text}
        for place, text in enumerate(texts)
    ]
    return ([{"role": "system", "content": BASE}] if rules.base_in == "system" else []) + messages


def request_for(said: list[str], info: EngineInfo) -> Request:
    pins = {name: value.replace("{date}", "22 Nov 2026") for name, value in info.template.pins.items()}
    return Request(messages=layout(said, info.template), temperature=0, max_tokens=24, template_args=pins)


# -- facts


def test_what_is_loaded_is_found(start_llama: Start) -> None:
    llama = start_llama(window=WINDOW)
    info = probe(llama.url)
    assert info == EngineInfo(
        url=llama.url,
        kind="llama.cpp",
        model=info.model,
        models=(info.model,),
        window=WINDOW,
        window_source="loaded",
        trained_window=2048,
        tokenizer="llama.cpp:reader.gguf:2048:4185088",
        counts=True,
        template=TemplateRules(),
        reports_cache=True,
        vision=False,
        slots=1,
        takes_minus_one=True,
        notices=(),
    )


def test_the_tokenizer_key_is_the_same_wherever_the_file_lies(start_llama: Start, tmp_path: Path) -> None:
    copy = tmp_path / MODEL.name
    copy.write_bytes(MODEL.read_bytes())
    other = RealEngine(window=512, model=copy)
    try:
        assert probe(other.url).tokenizer == probe(start_llama(window=WINDOW).url).tokenizer
    finally:
        other.stop()


def test_a_smaller_window_is_honoured(start_llama: Start) -> None:
    info = probe(start_llama(window=WINDOW).url, window=600)
    assert (info.window, info.window_source) == (600, "user")


def test_a_larger_window_is_refused_with_the_number(start_llama: Start) -> None:
    with pytest.raises(UsageError, match=r"2,000 tokens is more than the 1,024 .* at most 1024"):
        probe(start_llama(window=WINDOW).url, window=2000)


def test_a_model_may_be_named_by_its_file(start_llama: Start) -> None:
    info = probe(start_llama(window=WINDOW).url, model="reader.gguf")
    assert info.model.endswith("reader.gguf")


def test_a_model_that_is_not_served_is_refused(start_llama: Start) -> None:
    """llama.cpp would take any name without a word."""
    with pytest.raises(UsageError, match=r"does not serve 'gpt-9': it serves .*reader\.gguf"):
        probe(start_llama(window=WINDOW).url, model="gpt-9")


def test_a_refused_key_is_said(start_llama: Start) -> None:
    url = start_llama(window=512, api_keys=["right"]).url
    with pytest.raises(EngineRefused, match="--api-key or OPENAI_API_KEY"):
        asyncio.run(detect(EngineClient(url, api_key="wrong"), None, None))
    found = asyncio.run(detect(EngineClient(url, api_key="right"), None, None))
    assert found is not None
    assert asyncio.run(found.probe()).window == 512


# -- counts


def test_the_count_is_what_the_engine_then_reads(engine: LlamaCppEngine) -> None:
    async def main() -> tuple[int | None, int | None]:
        info = await engine.probe()
        request = request_for([SAID[0], "Got it.", "Ünïcode 漢字 🎲 <|im_end|>"], info)
        _, end = await collect(engine.stream(request))
        return await engine.count(request), end.usage.prompt_tokens

    counted, read = asyncio.run(main())
    assert counted == read


def test_a_prompt_beyond_the_window_can_be_counted(engine: LlamaCppEngine) -> None:
    request = Request(messages=[{"role": "user", "content": "x " * 3000}])
    assert (asyncio.run(engine.count(request)) or 0) > 3000


def test_texts_are_counted_one_by_one(engine: LlamaCppEngine) -> None:
    texts = ["", "Rex", "Rex and Rex", "<|im_end|>"]
    counts = asyncio.run(engine.count_texts(texts))
    assert counts is not None
    assert counts[0] == 0
    assert counts[1] < counts[2]
    assert counts[3] == 1  # a special token, as in a rendered prompt
    assert asyncio.run(engine.count_texts([])) == []


def test_an_older_build_counts_through_its_template(start_llama: Start) -> None:
    """A build without input_tokens, played by a server that passes everything else on to the real one."""
    real = start_llama(window=WINDOW)

    async def pass_on(exchange: Exchange) -> None:
        await exchange.json(await asyncio.to_thread(real.call, exchange.path, exchange.body))

    async def missing(exchange: Exchange) -> None:
        await exchange.json({"error": {"message": "File Not Found", "code": 404}}, 404)

    paths = ("/props", "/v1/models", "/apply-template", "/tokenize")
    old_path = "/v1/chat/completions/input_tokens"

    async def main() -> tuple[int | None, int | None, list[str]]:
        async with FakeServer({**dict.fromkeys(paths, pass_on), old_path: missing}) as server:
            old = engine_at(server.url)
            request = request_for(SAID[:1], await old.probe())
            counts = (await old.count(request), await old.count(request))
            assert counts[0] == counts[1]
            exact = await engine_at(real.url).count(request)
            return counts[0], exact, [exchange.path for exchange in server.seen]

    counted, exact, paths_seen = asyncio.run(main())
    assert counted == exact
    assert paths_seen.count(old_path) == 1  # asked once, remembered


# -- streams


def test_a_reply_reports_progress_and_what_was_reused(engine: LlamaCppEngine) -> None:
    async def main() -> tuple[list[Delta], End]:
        info = await engine.probe()
        said = ["My cat is called Tom.", "Got it.", "What is the name of my cat?"]
        await collect(engine.stream(request_for(said[:1], info)))
        deltas = [delta async for delta in engine.stream(request_for(said, info))]
        end = deltas[-1]
        assert isinstance(end, End)
        return deltas, end

    deltas, end = asyncio.run(main())
    assert isinstance(deltas[0], Progress)
    assert deltas[0].total == end.usage.prompt_tokens
    assert deltas[0].cached == end.usage.cached_tokens
    assert end.finish_reason == "stop"
    assert end.usage.cached_tokens is not None
    assert end.usage.cached_tokens > 20
    assert (end.tokens_per_second or 0) > 0
    assert (end.read_per_second or 0) > 0


def test_a_request_can_be_pinned_to_a_slot(start_llama: Start) -> None:
    engine = engine_at(start_llama(window=WINDOW, n_parallel=2).url)

    async def main() -> tuple[list[int], list[object]]:
        sent: list[object] = []
        engine.client.tap = lambda path, body: (
            sent.append(body.get("id_slot")) if "completions" in path else None
        )
        info = await engine.probe()
        said = ["My cat is called Tom.", "Got it.", "What is the name of my cat?"]
        reused: list[int] = []
        for slot, words in ((1, said[:1]), (0, said), (1, said)):
            request = replace(request_for(words, info), slot=slot)
            _, end = await collect(engine.stream(request))
            reused.append(end.usage.cached_tokens or 0)
        await engine.warm(replace(request_for(said[:2], info), slot=1))
        await collect(engine.stream(request_for(said[:1], info)))
        return reused, sent

    reused, sent = asyncio.run(main())
    assert sent == [1, 0, 1, 1, None]
    assert reused[2] > 20  # slot 1 had read the first message, whatever slot 0 did in between


def test_max_tokens_minus_one_is_taken(engine: LlamaCppEngine) -> None:
    async def main() -> str:
        request = replace(request_for(SAID[:1], await engine.probe()), max_tokens=-1)
        return (await collect(engine.stream(request)))[0]

    assert asyncio.run(main()) == "Got it. Your dog is called Rex."


def test_an_overflow_carries_the_true_numbers(engine: LlamaCppEngine) -> None:
    async def main() -> None:
        await collect(engine.stream(Request(messages=[{"role": "user", "content": "x " * 3000}])))

    with pytest.raises(ContextOverflow) as caught:
        asyncio.run(main())
    assert (caught.value.needed, caught.value.available) == (3009, WINDOW)


def test_stopping_a_reply_stops_the_engine(start_llama: Start) -> None:
    real = start_llama(window=4096)
    engine = engine_at(real.url)

    async def main() -> None:
        request = Request(
            messages=[{"role": "user", "content": "Hi"}], max_tokens=-1, sampling={"ignore_eos": True}
        )
        async with aclosing(engine.stream(request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, TextDelta):
                    break
        await _wait_until_idle(engine.client)

    asyncio.run(asyncio.wait_for(main(), 5))
    assert real.metric("tokens_predicted_total") < 3000  # it had room for 4,000


async def _wait_until_idle(client: EngineClient) -> None:
    while any(slot["is_processing"] for slot in await client.get("/slots")):
        await asyncio.sleep(0.01)


# -- template rules

KINDS: dict[str, tuple[str | None, TemplateRules]] = {
    "the model's own": (None, TemplateRules()),
    "strict alternation": (templates.STRICT, TemplateRules()),
    "no system role": (templates.NO_SYSTEM, TemplateRules()),
    "system left out": (templates.SYSTEM_LEFT_OUT, TemplateRules()),
    "system printed late": (templates.SYSTEM_LATE, TemplateRules(base_in="first_user")),
    "a date that can be given": (templates.DATE_GIVEN, TemplateRules(pins={"date_string": "{date}"})),
    "reasoning dropped": (templates.REASONING_DROPPED, TemplateRules(drops_reasoning=True)),
    "reasoning kept": (templates.REASONING_KEPT, TemplateRules(drops_reasoning=False)),
}


@pytest.mark.parametrize(("template", "rules"), KINDS.values(), ids=KINDS)
def test_the_rules_of_a_template_are_found(
    start_llama: Start, template: str | None, rules: TemplateRules
) -> None:
    assert probe(start_llama(template=template, window=WINDOW).url).template == rules


@pytest.mark.parametrize(("template", "rules"), KINDS.values(), ids=KINDS)
def test_a_conversation_laid_out_by_the_rules_really_extends(
    start_llama: Start, template: str | None, rules: TemplateRules
) -> None:
    """Each prompt is read from where the last reply ended: no more than the new message and its frame."""
    engine = engine_at(start_llama(template=template, window=WINDOW).url)

    async def main() -> None:
        info = await engine.probe()
        said: list[str] = []
        before = 0
        for text in SAID:
            said.append(text)
            reply, end = await collect(engine.stream(request_for(said, info)))
            said.append(reply)
            usage = end.usage
            assert usage.prompt_tokens is not None
            assert usage.cached_tokens is not None
            assert usage.completion_tokens is not None
            if before:
                assert usage.cached_tokens >= before, said
            before = (
                usage.prompt_tokens + usage.completion_tokens - 2
            )  # the reply's last token is not evaluated

    asyncio.run(main())


MOVING: dict[str, tuple[str, str, str]] = {
    "a date stamped in front": (templates.DATE_STAMPED, "system", r"stamps the present date \(%Y-%m-%d\)"),
    "a count in front": (templates.COUNTING, "system", "changes the front of the prompt with each turn"),
    "earlier turns left out": (templates.LAST_TURN_ONLY, "system", "leaves earlier messages out"),
    "everything refused": (templates.REFUSING, "system", r"refuses an ordinary conversation: .*Not today\."),
}


@pytest.mark.parametrize(("template", "base_in", "why"), MOVING.values(), ids=MOVING)
def test_a_template_that_moves_the_front_is_said_to(
    start_llama: Start, template: str, base_in: str, why: str
) -> None:
    rules = probe(start_llama(template=template, window=WINDOW).url).template
    assert rules.base_in == base_in
    assert rules.moves is not None
    assert re.search(why, rules.moves)
    assert "\n" not in rules.moves


# -- warming


@pytest.mark.parametrize(("template", "rules"), KINDS.values(), ids=KINDS)
def test_after_warming_only_the_new_message_is_read(
    start_llama: Start, template: str | None, rules: TemplateRules
) -> None:
    real = start_llama(template=template, window=WINDOW)
    engine = engine_at(real.url)

    async def main() -> None:
        info = await engine.probe()
        said = ["My fish is called Bubbles.", "Got it."]
        warmed = await engine.warm(request_for(said, info))
        assert warmed is not None
        assert warmed.prompt_tokens is not None
        assert warmed.read_tokens is not None
        again = await engine.warm(request_for(said, info))
        assert again is not None
        assert again.read_tokens == 1  # nothing is left to read but the last token, which llama.cpp repeats
        question = "What is the name of my fish?"
        _, end = await collect(engine.stream(request_for([*said, question], info)))
        [length] = await engine.count_texts([question]) or []
        frame = (
            6  # the end of the user message and the beginning of the assistant's, and the token at the seam
        )
        assert end.usage.cached_tokens is not None
        assert end.usage.cached_tokens >= warmed.prompt_tokens - 1
        assert (end.usage.read_tokens or 0) <= length + frame

    asyncio.run(main())


def test_a_lone_base_is_warmed(engine: LlamaCppEngine) -> None:
    async def main() -> int:
        await engine.probe()
        base = "You are a careful helper who answers in one sentence. " * 8
        warmed = await engine.warm(Request(messages=[{"role": "system", "content": base}]))
        assert warmed is not None
        request = Request(
            messages=[{"role": "system", "content": base}, {"role": "user", "content": "Hi"}], max_tokens=1
        )
        _, end = await collect(engine.stream(request))
        return end.usage.read_tokens or 0

    assert asyncio.run(main()) <= 10


def test_a_lone_base_in_the_first_user_message_is_warmed(start_llama: Start) -> None:
    engine = engine_at(start_llama(template=templates.SYSTEM_LATE, window=WINDOW).url)

    async def main() -> int:
        base = "You are a careful helper who answers in one sentence. " * 8
        warmed = await engine.warm(Request(messages=[{"role": "user", "content": base}]))
        assert warmed is not None
        request = Request(messages=[{"role": "user", "content": f"{base}\n\nHi"}], max_tokens=1)
        _, end = await collect(engine.stream(request))
        return end.usage.read_tokens or 0

    assert asyncio.run(main()) <= 10


def test_a_beginning_of_text_is_not_doubled(start_llama: Start, tmp_path: Path) -> None:
    """A model whose tokenizer adds a BOS token: the warmed prompt has one, as the chat's has."""
    data = MODEL.read_bytes()
    key = b"tokenizer.ggml.add_bos_token" + (7).to_bytes(4, "little")  # 7: a bool follows
    assert data.count(key + b"\0") == 1
    path = tmp_path / "bos.gguf"
    path.write_bytes(data.replace(key + b"\0", key + b"\1"))
    real = RealEngine(window=512, model=path)
    engine = engine_at(real.url)

    async def main() -> None:
        info = await engine.probe()
        said = [SAID[0], "Got it."]
        warmed = await engine.warm(request_for(said, info))
        request = request_for([*said, "Hi"], info)
        counted = await engine.count(request)
        _, end = await collect(engine.stream(request))
        assert warmed is not None
        assert end.usage.prompt_tokens == counted
        assert (end.usage.cached_tokens or 0) >= (warmed.prompt_tokens or 0) - 1

    try:
        assert real.call("/tokenize", {"content": "", "add_special": True})["tokens"]
        asyncio.run(main())
    finally:
        real.stop()


def test_a_template_that_hides_the_next_user_text_cannot_be_warmed(start_llama: Start) -> None:
    hiding = (
        "{% for m in messages if m.role != 'user' %}" + templates.MESSAGE + "{% endfor %}" + templates.END
    )
    engine = engine_at(start_llama(template=hiding, window=WINDOW).url)
    assert asyncio.run(engine.warm(Request(messages=[{"role": "system", "content": "x"}]))) is None
    refusing = engine_at(start_llama(template=templates.REFUSING, window=WINDOW).url)
    many = [{"role": role, "content": "x"} for role in ("system", "user", "assistant", "user", "assistant")]
    assert asyncio.run(refusing.warm(Request(messages=many))) is None


def test_warming_too_much_is_an_overflow(engine: LlamaCppEngine) -> None:
    with pytest.raises(ContextOverflow):
        asyncio.run(engine.warm(Request(messages=[{"role": "system", "content": "x " * 3000}])))


def test_cancelling_a_warming_stops_the_engine(start_llama: Start) -> None:
    real = start_llama(window=4096)
    engine = engine_at(real.url)

    async def main() -> None:
        await engine.probe()
        request = Request(messages=[{"role": "system", "content": "x y " * 1000}])
        task = asyncio.create_task(engine.warm(request))
        while not any(slot["is_processing"] for slot in await engine.client.get("/slots")):
            assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await _wait_until_idle(engine.client)

    before = real.metric("prompt_tokens_total")
    asyncio.run(asyncio.wait_for(main(), 20))
    assert real.metric("prompt_tokens_total") - before < 2600  # of more than 3,000


# -- imitations


def test_another_server_is_none_of_ours() -> None:
    async def main(props: object, status: int = 200) -> object:
        async def answer(exchange: Exchange) -> None:
            await exchange.json(props, status)

        async with FakeServer({"/props": answer}) as server:
            return await detect(EngineClient(server.url), None, None)

    window = {"default_generation_settings": {"n_ctx": 4096}}
    assert asyncio.run(main({"error": "Unexpected endpoint or method. (GET /props)"})) is None  # LM Studio
    assert asyncio.run(main({"error": "not found"}, 404)) is None
    assert asyncio.run(main({"total_slots": 1, **window})) is None  # TabbyAPI
    assert asyncio.run(main([])) is None
    assert isinstance(asyncio.run(main({"build_info": "b1", **window})), LlamaCppEngine)


def test_an_answer_without_its_field_is_a_protocol_error() -> None:
    async def main() -> None:
        async def props(exchange: Exchange) -> None:
            await exchange.json({"build_info": "b1", "default_generation_settings": {"n_ctx": 4096}})

        async def models(exchange: Exchange) -> None:
            await exchange.json(MODELS)

        async def empty(exchange: Exchange) -> None:
            await exchange.json({})

        answers = {"/props": props, "/v1/models": models, "/apply-template": empty}
        async with FakeServer(answers) as server:
            await engine_at(server.url).probe()

    with pytest.raises(EngineProtocolError, match="without 'prompt'"):
        asyncio.run(main())
