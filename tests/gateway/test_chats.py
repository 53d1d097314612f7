"""Chat completions through the application: named conversations, streams, what is kept and what is not."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from openai.types import chat

from tests.gateways import Answered, Caller, run_gateway
from turnkeep.conversation.items import Message, Usage
from turnkeep.engine.base import Delta, End, ReasoningDelta, TextDelta, ToolCallDelta
from turnkeep.errors import EngineRefused
from turnkeep.gateway.app import read_headers
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.testing import ScriptedEngine

PATH = "/v1/chat/completions"
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
CALLED: list[Delta] = [
    ToolCallDelta(index=0, call_id="c1", name="look", arguments=""),
    ToolCallDelta(index=0, arguments='{"at":'),
    ToolCallDelta(index=0, arguments='"sky"}'),
    End(finish_reason="tool_calls"),
]


def said(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **fields}


def texts(engine: ScriptedEngine, place: int = -1) -> list[str]:
    """The messages of a request as the engine got them: role, then content."""
    return [f"{message['role']}: {message.get('content')}" for message in engine.requests[place].messages]


def check_chunks(answered: Answered) -> list[dict[str, Any]]:
    for event in answered.events:
        chat.ChatCompletionChunk.model_validate(event, strict=True)
    assert answered.raw.endswith(b"data: [DONE]\n\n")
    return answered.events


def streamed_text(answered: Answered) -> str:
    return "".join(
        event["choices"][0]["delta"].get("content") or ""
        for event in check_chunks(answered)
        if event["choices"]
    )


def test_the_usual_example_is_answered():
    engine = ScriptedEngine(["Hello!"])

    async def script(caller: Caller) -> Answered:
        return await caller.post(
            PATH,
            {
                "model": "gpt-4o",
                "messages": [
                    {"role": "system", "content": "Be kind."},
                    {"role": "user", "content": "Hi"},
                ],
                "temperature": 0.7,
                "max_tokens": -1,
            },
        )

    answered = run_gateway(script, engine)
    body = answered.body
    assert answered.status == 200
    chat.ChatCompletion.model_validate(body, strict=True)
    assert body["choices"][0]["message"]["content"] == "Hello!"
    assert texts(engine) == ["system: Be kind.", "user: Hi"]
    assert (engine.requests[0].temperature, body["model"]) == (0.7, "script")
    assert body["turnkeep"]["window"] == engine.window
    assert "'gpt-4o' was asked for" in body["turnkeep"]["notices"][0]


def test_the_usual_example_is_streamed():
    engine = ScriptedEngine([["Hel", "lo!"]])

    async def script(caller: Caller) -> Answered:
        return await caller.post(PATH, said("Hi", stream=True, model="script"))

    answered = run_gateway(script, engine)
    events = check_chunks(answered)
    assert streamed_text(answered) == "Hello!"
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert events[-1]["choices"][0]["finish_reason"] == "stop"
    assert events[-1]["turnkeep"]["turn"] == 1
    assert "notices" not in events[-1]["turnkeep"]
    assert len({event["id"] for event in events}) == 1
    assert "usage" not in events[0]


def test_usage_is_streamed_where_it_is_asked_for():
    engine = ScriptedEngine(["Hello!"])

    async def script(caller: Caller) -> Answered:
        return await caller.post(PATH, said("Hi", stream=True, stream_options={"include_usage": True}))

    last = check_chunks(run_gateway(script, engine))[-1]
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 2
    assert last["turnkeep"]["window"] == engine.window


def test_a_named_conversation_takes_what_is_new():
    engine = ScriptedEngine(["Hello Ann!", "You are Ann."])

    async def script(caller: Caller) -> list[Answered]:
        system = {"role": "system", "content": "Be kind."}
        first = await caller.post(
            PATH,
            {
                **said("I am Ann."),
                "messages": [system, *said("I am Ann.")["messages"]],
                "conversation": "trip",
            },
        )
        second = await caller.post(PATH, said("Who am I?"), X_Conversation_ID="trip")
        return [first, second]

    first, second = run_gateway(script, engine)
    assert texts(engine) == [
        "system: Be kind.",
        "user: I am Ann.",
        "assistant: Hello Ann!",
        "user: Who am I?",
    ]
    assert first.body["turnkeep"]["conversation"] == second.body["turnkeep"]["conversation"]
    assert (second.body["turnkeep"]["turn"], second.body["turnkeep"].get("moved")) == (2, None)


def test_of_two_clients_that_send_the_result_of_one_call_one_is_refused():
    go = asyncio.Event()
    call = ToolCallDelta(index=0, call_id="c1", name="add", arguments="{}")
    engine = ScriptedEngine([[call, End(finish_reason="tool_calls")], ["It is ", go, "2."], "Hm!", "Yes."])
    result = {"messages": [{"role": "tool", "tool_call_id": "c1", "content": "2"}], "conversation": "sums"}

    async def script(caller: Caller) -> None:
        await caller.post(PATH, said("1 + 1?", conversation="sums"))
        first = asyncio.create_task(caller.post(PATH, result))
        while len(engine.requests) < 2:
            await asyncio.sleep(0)
        second = asyncio.create_task(caller.post(PATH, result))
        await caller.post(PATH, said("Hm.", store=False))  # so that the second is under way
        go.set()
        answered, refused = await first, await second
        assert (answered.status, refused.status) == (200, 400)
        assert "'c1'" in refused.body["error"]["message"]
        await caller.post(PATH, said("And?", conversation="sums"))

    run_gateway(script, engine)
    roles = [message["role"] for message in engine.requests[-1].messages]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


def test_a_new_named_conversation_keeps_what_two_clients_say_at_once():
    go = asyncio.Event()
    engine = ScriptedEngine([["Hello ", go, "Ann!"], "Hm!", "No nuts.", "Yes."])

    async def script(caller: Caller) -> None:
        first = asyncio.create_task(caller.post(PATH, said("I am Ann.", conversation="trip")))
        while not engine.requests:
            await asyncio.sleep(0)
        second = asyncio.create_task(caller.post(PATH, said("I eat no nuts.", conversation="trip")))
        await caller.post(PATH, said("Hm.", store=False))  # so that the second is under way
        go.set()
        await asyncio.gather(first, second)
        await caller.post(PATH, said("And?", conversation="trip"))

    run_gateway(script, engine)
    assert texts(engine) == [
        "user: I am Ann.",
        "assistant: Hello Ann!",
        "user: I eat no nuts.",
        "assistant: No nuts.",
        "user: And?",
    ]


def test_a_named_conversation_can_be_called_by_its_id():
    engine = ScriptedEngine()

    async def script(caller: Caller) -> tuple[int, int]:
        first = await caller.post(PATH, said("a", conversation="trip"))
        again = await caller.post(
            PATH, said("b", conversation={"id": first.body["turnkeep"]["conversation"]})
        )
        unknown = await caller.post(PATH, said("b", conversation="conv_0000000000000000"))
        return again.body["turnkeep"]["turn"], unknown.status

    assert run_gateway(script, engine) == (2, 404)


def test_a_client_that_names_its_chat_and_resends_everything_says_nothing_twice():
    engine = ScriptedEngine(["One.", "Two.", "Three."])

    async def script(caller: Caller) -> None:
        messages: list[dict[str, str]] = []
        for text in ("a", "b", "c"):
            messages.append({"role": "user", "content": text})
            body = (await caller.post(PATH, {"messages": messages}, X_Conversation_ID="chat 1")).body
            messages.append({"role": "assistant", "content": body["choices"][0]["message"]["content"]})

    run_gateway(script, engine)
    assert texts(engine) == ["user: a", "assistant: One.", "user: b", "assistant: Two.", "user: c"]


def test_what_is_not_recognised_of_a_named_conversation_is_left_alone():
    engine = ScriptedEngine(["One.", "Two."])

    async def script(caller: Caller) -> list[str]:
        await caller.post(PATH, said("a", conversation="trip"))
        cut = [{"role": "assistant", "content": "Something else."}, {"role": "user", "content": "b"}]
        body = (await caller.post(PATH, {"messages": cut, "conversation": "trip"})).body
        notices: list[str] = body["turnkeep"]["notices"]
        return notices

    (notice,) = run_gateway(script, engine)
    assert "not recognised" in notice
    assert texts(engine) == ["user: a", "assistant: One.", "user: b"]


def test_examples_before_the_first_message_of_a_named_conversation_are_kept():
    engine = ScriptedEngine(["3"])

    async def script(caller: Caller) -> Answered:
        shots = [
            {"role": "user", "content": "1+0"},
            {"role": "assistant", "content": "1"},
            {"role": "user", "content": "1+2"},
        ]
        return await caller.post(PATH, {"messages": shots, "conversation": "sums"})

    assert run_gateway(script, engine).body["turnkeep"]["turn"] == 2
    assert texts(engine) == ["user: 1+0", "assistant: 1", "user: 1+2"]


def test_instructions_of_a_named_conversation_stay_until_others_come():
    engine = ScriptedEngine()

    async def script(caller: Caller) -> list[str | None]:
        moved = []
        for system, text in [("Be brief.", "a"), (None, "b"), ("Be long.", "c")]:
            first = [{"role": "system", "content": system}] if system else []
            messages = [*first, {"role": "user", "content": text}]
            answered = await caller.post(PATH, {"messages": messages, "conversation": "trip"})
            moved.append(answered.body["turnkeep"].get("moved"))
        return moved

    assert run_gateway(script, engine) == [None, None, "other instructions"]
    assert [texts(engine, n)[0] for n in range(3)] == [
        "system: Be brief.",
        "system: Be brief.",
        "system: Be long.",
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_is_kept_of_what_is_not_to_be_stored(stream):
    engine, store = ScriptedEngine(["Hello!"]), EphemeralStore()

    async def script(caller: Caller) -> tuple[Answered, int]:
        answered = await caller.post(PATH, said("My secret", store=False, stream=stream))
        return answered, len(await store.list_conversations("local"))

    answered, kept = run_gateway(script, engine, store=store)
    assert kept == 0
    assert b"Hello!" in answered.raw
    receipt = (answered.events[-1] if stream else answered.body)["turnkeep"]
    assert "conversation" not in receipt


def test_an_absent_store_means_what_the_server_says():
    store = EphemeralStore()

    async def script(caller: Caller) -> list[int]:
        kept = []
        for fields in ({}, {"store": True}):
            await caller.post(PATH, said("Hi", **fields))
            kept.append(len(await store.list_conversations("local")))
        return kept

    assert run_gateway(script, ScriptedEngine(), store=store, store_default=False) == [0, 1]


def test_a_conversation_is_read_and_not_extended_by_what_is_not_to_be_stored():
    engine = ScriptedEngine(["Hello Ann!", "You are Ann.", "Fine."])

    async def script(caller: Caller) -> list[int]:
        system = {"role": "system", "content": "Be kind."}
        messages = [system, *said("I am Ann.")["messages"]]
        await caller.post(PATH, {"messages": messages, "conversation": "trip"})
        await caller.post(PATH, said("Who am I?", conversation="trip", store=False))
        unknown = await caller.post(PATH, said("Who?", conversation="elsewhere", store=False))
        after = await caller.post(PATH, said("And now?", conversation="trip"))
        return [unknown.status, after.body["turnkeep"]["turn"]]

    assert run_gateway(script, engine) == [404, 2]
    assert texts(engine, 1)[-2:] == ["assistant: Hello Ann!", "user: Who am I?"]
    assert texts(engine, 1)[0] == "system: Be kind."
    assert texts(engine, 2)[-2:] == ["assistant: Hello Ann!", "user: And now?"]


TITLE = "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history."


def test_a_side_request_is_answered_and_not_kept():
    engine, store = ScriptedEngine(["Hello!", "A title"]), EphemeralStore()

    async def script(caller: Caller) -> tuple[Answered, list[int]]:
        await caller.post(PATH, said("Hi"), X_OpenWebUI_Chat_Id="1")
        answered = await caller.post(PATH, said(TITLE), X_OpenWebUI_Chat_Id="1")
        return answered, [row.turns for row in await store.list_conversations("local")]

    answered, turns = run_gateway(script, engine, store=store)
    assert (answered.body["choices"][0]["message"]["content"], turns) == ("A title", [1])
    assert texts(engine) == [f"user: {TITLE}"]


def test_tools_are_called_and_their_results_follow():
    engine = ScriptedEngine([["Let me see.", *CALLED], "It is blue."])

    async def script(caller: Caller) -> tuple[Answered, Answered]:
        first = await caller.post(PATH, said("Which colour?", tools=[TOOL], tool_choice="auto"))
        message = first.body["choices"][0]["message"]
        messages = [
            *said("Which colour?")["messages"],
            message,
            {"role": "tool", "tool_call_id": "c1", "content": "blue"},
        ]
        return first, await caller.post(PATH, {"messages": messages, "tools": [TOOL]})

    first, second = run_gateway(script, engine)
    chat.ChatCompletion.model_validate(first.body, strict=True)
    choice = first.body["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"at":"sky"}'}
    assert engine.requests[0].sampling == {"tool_choice": "auto"}
    assert second.body["choices"][0]["message"]["content"] == "It is blue."
    assert second.body["turnkeep"]["conversation"] == first.body["turnkeep"]["conversation"]
    assert [message["role"] for message in engine.requests[1].messages] == ["user", "assistant", "tool"]


def test_results_can_be_sent_alone_to_a_named_conversation():
    engine = ScriptedEngine([CALLED, "It is blue."])

    async def script(caller: Caller) -> tuple[int, int]:
        await caller.post(PATH, said("Which colour?", tools=[TOOL], conversation="sky"))
        result = {"role": "tool", "tool_call_id": "c1", "content": "blue"}
        good = await caller.post(PATH, {"messages": [result], "tools": [TOOL], "conversation": "sky"})
        wrong = {**result, "tool_call_id": "c9"}
        bad = await caller.post(PATH, {"messages": [wrong], "tools": [TOOL], "conversation": "sky"})
        return good.status, bad.status

    assert run_gateway(script, engine) == (200, 400)
    assert [message["role"] for message in engine.requests[1].messages] == ["user", "assistant", "tool"]


def test_a_result_of_a_call_that_nobody_made_is_refused_and_makes_no_conversation():
    store = EphemeralStore()

    async def script(caller: Caller) -> tuple[list[Answered], int]:
        messages = [*said("a")["messages"], {"role": "tool", "tool_call_id": "c9", "content": "b"}]
        answered = [
            await caller.post(PATH, {"messages": messages, **fields})
            for fields in ({}, {"store": False}, {"conversation": "new"})
        ]
        return answered, len(await store.list_conversations("local"))

    answered, kept = run_gateway(script, ScriptedEngine(), store=store)
    assert [each.status for each in answered] == [400, 400, 400]
    assert kept == 0


def test_pieces_of_calls_and_reasoning_are_streamed():
    engine = ScriptedEngine([[ReasoningDelta("Hm."), *CALLED]])

    async def script(caller: Caller) -> Answered:
        return await caller.post(PATH, said("Which colour?", tools=[TOOL], stream=True))

    deltas = [event["choices"][0]["delta"] for event in check_chunks(run_gateway(script, engine))]
    assert deltas[1] == {"reasoning_content": "Hm."}
    pieces = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert pieces[0]["id"] == "c1"
    assert "".join(piece["function"]["arguments"] for piece in pieces) == '{"at":"sky"}'
    assert deltas[-1] == {}


def test_images_and_the_shape_of_the_reply_pass_through():
    engine = ScriptedEngine()
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}

    async def script(caller: Caller) -> int:
        shape = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
        messages = [{"role": "user", "content": [{"type": "text", "text": "What?"}, image]}]
        return (
            await caller.post(PATH, {"messages": messages, "response_format": shape, "top_p": 0.5})
        ).status

    assert run_gateway(script, engine) == 200
    assert engine.requests[0].messages[0]["content"][1] == image
    assert engine.requests[0].sampling["top_p"] == 0.5
    assert engine.requests[0].sampling["response_format"]["type"] == "json_schema"  # type: ignore[index]  # as sent


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_of_the_engine_is_an_error_with_its_status(stream):
    engine = ScriptedEngine([[EngineRefused("no such grammar", http_status=400)], "Fine."])

    async def script(caller: Caller) -> Answered:
        return await caller.post(PATH, said("Hi", stream=stream))

    answered = run_gateway(script, engine)
    assert answered.status == 400
    assert "no such grammar" in answered.body["error"]["message"]


def test_an_error_in_mid_stream_is_the_last_event():
    engine = ScriptedEngine([["Hel", EngineRefused("broken")]])

    async def script(caller: Caller) -> Answered:
        return await caller.post(PATH, said("Hi", stream=True))

    answered = run_gateway(script, engine)
    assert answered.status == 200
    assert "broken" in answered.events[-1]["error"]["message"]
    assert b"[DONE]" not in answered.raw


def test_a_message_that_does_not_fit_is_refused_and_makes_no_conversation():
    store = EphemeralStore()

    async def script(caller: Caller) -> tuple[Answered, int]:
        answered = await caller.post(PATH, said("word " * 3_000))
        return answered, len(await store.list_conversations("local"))

    answered, kept = run_gateway(script, ScriptedEngine(window=1_024), store=store)
    assert (answered.status, answered.body["error"]["code"]) == (400, "context_length_exceeded")
    assert kept == 0


def test_a_reply_that_the_client_begins_is_continued_where_nothing_is_kept():
    engine = ScriptedEngine(["are red."])
    messages = [{"role": "user", "content": "A poem."}, {"role": "assistant", "content": "Roses "}]

    async def script(caller: Caller) -> list[Answered]:
        body = {"messages": messages}
        return [await caller.post(PATH, {**body, "store": False}), await caller.post(PATH, body)]

    continued, refused = run_gateway(script, engine)
    assert continued.body["choices"][0]["message"]["content"] == "are red."
    assert texts(engine)[-1].strip() == "assistant: Roses"
    assert (refused.status, refused.body["error"]["param"]) == (400, "messages")
    assert "store false" in refused.body["error"]["message"]
    assert len(engine.requests) == 1


def test_messages_that_were_never_answered_are_kept_though_they_do_not_fit():
    engine, store = ScriptedEngine(window=1_024), EphemeralStore()
    messages = [{"role": "user", "content": f"message {n} " + "word " * 400} for n in range(4)]

    async def script(caller: Caller) -> tuple[Answered, list[str]]:
        answered = await caller.post(PATH, {"messages": messages, "truncation": "auto"})
        (row,) = await store.list_conversations("local")
        log = await store.load_log("local", row.id, tip=row.tip, limit=9)
        return answered, [stored.item.text for stored in log if isinstance(stored.item, Message)]

    answered, kept = run_gateway(script, engine, store=store)
    assert answered.status == 200, answered.raw
    assert answered.body["turnkeep"]["input_items_left_out"] > 1
    assert kept[:4] == [message["content"] for message in messages]


def test_a_long_history_that_is_not_stored_loses_its_oldest_part():
    engine = ScriptedEngine(window=1_024)
    messages = [
        {"role": ("user", "assistant")[n % 2], "content": f"message {n} " + "word " * 40} for n in range(101)
    ]

    async def script(caller: Caller) -> list[Answered]:
        body = {"messages": messages, "store": False}
        return [await caller.post(PATH, body), await caller.post(PATH, {**body, "truncation": "disabled"})]

    cut, refused = run_gateway(script, engine)
    assert cut.body["turnkeep"]["input_items_left_out"] > 80
    assert texts(engine)[-1].startswith("user: message 100 ")
    assert (refused.status, refused.body["error"]["code"]) == (400, "context_length_exceeded")


def test_a_result_is_taken_once_and_before_the_user_goes_on():
    engine = ScriptedEngine([CALLED, "Blue.", CALLED, "Well."])
    result = {"role": "tool", "tool_call_id": "c1", "content": "blue"}

    async def script(caller: Caller) -> list[Answered]:
        sent = [said("Sky?")["messages"], [result], [result], *2 * [said("Sky?")["messages"]], [result]]
        return [
            await caller.post(PATH, {"messages": messages, "conversation": "c", "tools": [TOOL]})
            for messages in sent
        ]

    answered = run_gateway(script, engine)
    assert [each.status for each in answered] == [200, 200, 400, 200, 200, 400]
    assert "'c1'" in answered[2].body["error"]["message"]
    assert len(engine.requests) == 4


def test_a_client_that_hangs_up_stops_the_engine_and_what_was_said_is_kept():
    never = asyncio.Event()
    engine, store = ScriptedEngine([["Once upon", never], "Go on."]), EphemeralStore()

    async def script(caller: Caller) -> tuple[list[str], str]:
        await caller.call("POST", PATH, said("A story", stream=True), hang_up=lambda got: b"Once" in got.raw)
        (row,) = await store.list_conversations("local")
        turn = await store.load_turn("local", row.id, 1)
        messages = [
            *said("A story")["messages"],
            {"role": "assistant", "content": "Once upon"},
            {"role": "user", "content": "Go on"},
        ]
        body = (await caller.post(PATH, {"messages": messages})).body
        return [turn.state, body["turnkeep"]["conversation"]], row.id

    (state, conversation), first = run_gateway(script, engine, store=store)
    assert (state, conversation, engine.stopped) == ("cut_off", first, 1)
    assert texts(engine) == ["user: A story", "assistant: Once upon", "user: Go on"]


def test_a_client_that_hangs_up_before_anything_was_said_leaves_a_turn_that_is_not_read_again():
    never = asyncio.Event()
    engine, store = ScriptedEngine([[never]]), EphemeralStore()

    async def script(caller: Caller) -> int:
        going = asyncio.create_task(caller.call("POST", PATH, said("A story"), hang_up=lambda got: False))
        while not engine.requests:
            await asyncio.sleep(0)
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
        return engine.stopped

    assert run_gateway(script, engine, store=store) == 1


def test_a_full_queue_is_a_429_and_makes_no_conversation():
    go = asyncio.Event()
    engine, store = ScriptedEngine([[go, "One."]]), EphemeralStore()
    engine._info = replace(engine._info, slots=1, kind="llama.cpp")

    async def script(caller: Caller) -> tuple[Answered, int]:
        await caller.gateway.pool.open()
        going = [asyncio.create_task(caller.post(PATH, said(f"{n}"))) for n in range(2)]
        while not engine.requests or caller.gateway.turns.live < 2:
            await asyncio.sleep(0)
        full = await caller.post(PATH, said("full"))
        kept = len(await store.list_conversations("local"))
        go.set()
        await asyncio.gather(*going)
        return full, kept

    full, kept = run_gateway(script, engine, store=store, waiting=1)
    assert (full.status, kept) == (429, 2)
    assert int(full.headers["retry-after"]) >= 1


def test_what_cannot_be_served_is_refused_by_name():
    async def script(caller: Caller) -> Any:
        return (await caller.post(PATH, said("Hi", n=2))).body["error"]

    error = run_gateway(script, ScriptedEngine())
    assert (error["param"], error["type"]) == ("n", "invalid_request_error")


def test_usage_that_the_engine_does_not_report_is_null():
    engine = ScriptedEngine([[TextDelta("Hi")]])
    quiet = engine.stream

    async def stream(request: Any) -> Any:
        async for delta in quiet(request):
            yield End(finish_reason="stop", usage=Usage()) if isinstance(delta, End) else delta

    engine.stream = stream  # type: ignore[method-assign]  # an engine that says less

    async def script(caller: Caller) -> Any:
        return (await caller.post(PATH, said("Hi"))).body["usage"]

    assert run_gateway(script, engine) is None


def test_a_piece_costs_little_more_than_its_text():
    engine = ScriptedEngine([["word "] * 50])

    async def script(caller: Caller) -> Answered:
        return await caller.post(PATH, said("Hi", stream=True))

    answered = run_gateway(script, engine)
    assert len(answered.events) == 52
    assert len(answered.pieces) < 50  # what came together is sent together


# -- retries --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_a_retry_is_answered_with_the_first_reply_and_makes_no_turn(stream):
    engine, store = ScriptedEngine([[ReasoningDelta("Hm."), "Hello!"], "Again!"]), EphemeralStore()

    async def script(caller: Caller) -> tuple[list[Answered], list[int]]:
        body = said("Hi", stream=stream)
        answered = [await caller.post(PATH, body, Idempotency_Key="k1") for _ in range(2)]
        return answered, [row.turns for row in await store.list_conversations("local")]

    (first, second), turns = run_gateway(script, engine, store=store)
    assert turns == [1]
    if stream:
        assert streamed_text(first) == streamed_text(second) == "Hello!"
        assert second.events[-1]["turnkeep"]["turn"] == 1
    else:
        assert second.body["id"] == first.body["id"]
        assert second.body["choices"] == first.body["choices"]


def test_a_retry_that_comes_meanwhile_waits():
    go = asyncio.Event()
    engine = ScriptedEngine([[go, "Hello!"]])

    async def script(caller: Caller) -> list[Answered]:
        going = [asyncio.create_task(caller.post(PATH, said("Hi"), Idempotency_Key="k1")) for _ in range(3)]
        while not engine.requests:
            await asyncio.sleep(0)
        go.set()
        return list(await asyncio.gather(*going))

    answered = run_gateway(script, engine)
    assert len({each.body["id"] for each in answered}) == len(engine.requests) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_header_names_a_conversation_in_any_letters(encoding: str):
    scope = {"headers": [(b"x-conversation-id", "Žofie, é".encode(encoding, "ignore"))]}
    wanted = "Žofie, é" if encoding == "utf-8" else "ofie, é"
    assert read_headers(scope) == {"x-conversation-id": wanted}


def test_a_key_stands_for_one_request():
    async def script(caller: Caller) -> list[int]:
        texts = ["Hi", "Ho"]
        return [(await caller.post(PATH, said(text), Idempotency_Key="k1")).status for text in texts]

    assert run_gateway(script, ScriptedEngine()) == [200, 409]


@pytest.mark.parametrize("header", ["X_Conversation_ID", "X_OpenWebUI_Chat_Id", "Session_Id"])
def test_a_key_stands_for_one_conversation(header: str):
    async def script(caller: Caller) -> list[int]:
        names = ["ana", "ana", "bob"]
        return [
            (await caller.post(PATH, said("Hi"), Idempotency_Key="k1", **{header: name})).status
            for name in names
        ]

    assert run_gateway(script, ScriptedEngine()) == [200, 200, 409]


def test_a_request_that_cannot_be_read_claims_no_key():
    async def script(caller: Caller) -> list[int]:
        bodies: list[dict[str, Any]] = [{"messages": []}, said("Hi")]
        return [(await caller.post(PATH, body, Idempotency_Key="k1")).status for body in bodies]

    assert run_gateway(script, ScriptedEngine()) == [400, 200]


def test_a_request_that_was_refused_before_anything_was_kept_may_be_sent_again():
    engine = ScriptedEngine(window=1_024)

    async def script(caller: Caller) -> list[int]:
        body = said("word " * 3_000)
        return [(await caller.post(PATH, body, Idempotency_Key="k1")).status for _ in range(2)]

    assert run_gateway(script, engine) == [400, 400]


def test_a_retry_of_a_turn_that_failed_is_told_so():
    engine = ScriptedEngine([["Hel", EngineRefused("broken")], "Hello!"])

    async def script(caller: Caller) -> list[Answered]:
        return [await caller.post(PATH, said("Hi"), Idempotency_Key="k1") for _ in range(2)]

    first, second = run_gateway(script, engine)
    assert (first.status, second.status) == (502, 502)
    assert "broken" in second.body["error"]["message"]
    assert second.headers["x-should-retry"] == "false"
    assert len(engine.requests) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_retry_of_what_the_engine_refused_is_refused_as_it_was(stream: bool):
    engine = ScriptedEngine([[EngineRefused("no such field", http_status=400)], "Hello!"])

    async def script(caller: Caller) -> list[Answered]:
        return [await caller.post(PATH, said("Hi", stream=stream), Idempotency_Key="k1") for _ in range(2)]

    first, second = run_gateway(script, engine)
    assert (first.status, second.status) == (400, 400)
    assert second.body["error"]["message"] == first.body["error"]["message"]
    assert len(engine.requests) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_retry_of_what_was_broken_off_before_a_word_was_said_is_answered_anew(stream: bool):
    never = asyncio.Event()
    engine, store = ScriptedEngine([[never], "At nine.", "Bye."]), EphemeralStore()

    async def script(caller: Caller) -> list[Answered]:
        body = said("When?", conversation="c", stream=stream)
        going = asyncio.create_task(caller.post(PATH, body, Idempotency_Key="k1"))
        while not engine.requests:
            await asyncio.sleep(0)
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
        retries = await asyncio.gather(*(caller.post(PATH, body, Idempotency_Key="k1") for _ in range(3)))
        await caller.post(PATH, said("Thanks", conversation="c"))
        return list(retries)

    for answered in run_gateway(script, engine, store=store):
        assert answered.status == 200, answered.raw
        assert b"At nine." in answered.raw
    assert len(engine.requests) == 3
    assert texts(engine) == ["user: When?", "assistant: At nine.", "user: Thanks"]


def test_a_key_means_nothing_where_nothing_is_stored():
    engine = ScriptedEngine(["One.", "Two."])

    async def script(caller: Caller) -> list[str]:
        body = said("Hi", store=False)
        answered = [(await caller.post(PATH, body, Idempotency_Key="k1")).body for _ in range(2)]
        return [each["choices"][0]["message"]["content"] for each in answered]

    assert run_gateway(script, engine) == ["One.", "Two."]


def test_a_keyed_history_is_recognised_as_any_other():
    engine = ScriptedEngine(["One.", "Two."])

    async def script(caller: Caller) -> list[int]:
        first = await caller.post(PATH, said("a"), Idempotency_Key="k1")
        messages = [
            *said("a")["messages"],
            {"role": "assistant", "content": "One."},
            {"role": "user", "content": "b"},
        ]
        second = await caller.post(PATH, {"messages": messages}, Idempotency_Key="k2")
        return [answered.body["turnkeep"]["turn"] for answered in (first, second)]

    assert run_gateway(script, engine) == [1, 2]
