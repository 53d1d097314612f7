"""Histories that are resent: recognised, branched, imported, kept apart; the prompt extends the last one."""

import asyncio
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateways import Caller, run_gateway
from turnkeep.conversation.items import assistant, user
from turnkeep.engine.base import Request
from turnkeep.gateway.recognising import find_ends, make_label, split_unknown
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.testing import ScriptedEngine

PATH = "/v1/chat/completions"
Messages = list[dict[str, Any]]


class Page:
    """A chat page: keeps its own messages, as it shows them, and resends them all.

    Args:
        caller: the gateway.
        system: its system message.
        headers: sent with each request.
        fields: of each body.
    """

    def __init__(
        self, caller: Caller, *, system: str = "", headers: dict[str, str] | None = None, **fields: Any
    ) -> None:
        self.caller, self.headers, self.fields = caller, headers or {}, fields
        self.system = system
        self.messages: Messages = []
        self.receipts: list[dict[str, Any]] = []

    async def say(self, text: str | list[Any]) -> dict[str, Any]:
        self.messages.append({"role": "user", "content": text})
        return await self.send()

    async def send(self) -> dict[str, Any]:
        """Have what is there answered; the receipt."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        body = {"messages": [*system, *self.messages], **self.fields}
        answered = await self.caller.post(PATH, body, **self.headers)
        assert answered.status == 200, answered.raw
        message = answered.body["choices"][0]["message"]
        self.messages.append({"role": "assistant", "content": self.show(message["content"])})
        self.receipts.append(answered.body["turnkeep"])
        return self.receipts[-1]

    def show(self, text: str) -> str:
        """What the page makes of a reply."""
        return f"{re.sub('<think>.*</think>', '', text, flags=re.DOTALL).strip()}\n"

    async def again(self) -> dict[str, Any]:
        """Have the last reply made again."""
        self.messages.pop()
        return await self.send()

    async def edit(self, place: int, text: str) -> dict[str, Any]:
        """Say something else in place of a message; what followed it is gone."""
        del self.messages[place:]
        return await self.say(text)


def contents(engine: ScriptedEngine, place: int = -1) -> list[str]:
    return [str(message.get("content")) for message in engine.requests[place].messages]


def numbered() -> ScriptedEngine:
    count = 0

    def answer(request: Request) -> str:
        nonlocal count
        count += 1
        return f"  Reply\n {count}. "  # as it came: spaces and all

    return ScriptedEngine(answer)


def test_a_resent_history_goes_on_with_the_stored_bytes():
    engine = numbered()

    async def script(caller: Caller) -> list[dict[str, Any]]:
        page = Page(caller, system="Be kind.")
        for text in ("a", "b", "c"):
            await page.say(text)
        return page.receipts

    receipts = run_gateway(script, engine)
    assert contents(engine) == ["Be kind.", "a", "  Reply\n 1. ", "b", "  Reply\n 2. ", "c"]
    assert len({receipt["conversation"] for receipt in receipts}) == 1
    assert [receipt["turn"] for receipt in receipts] == [1, 2, 3]
    assert [receipt.get("moved") for receipt in receipts] == [None] * 3


def test_reasoning_that_a_page_hides_does_not_hide_the_conversation():
    engine = ScriptedEngine(["<think>Hm.</think>\nYes.", "No."])

    async def script(caller: Caller) -> list[int]:
        page = Page(caller)
        return [(await page.say(text))["turn"] for text in ("a", "b")]

    assert run_gateway(script, engine) == [1, 2]


def test_two_first_messages_alike_are_two_conversations():
    async def script(caller: Caller) -> set[str]:
        pages = [Page(caller), Page(caller)]
        return {(await page.say("hi"))["conversation"] for page in pages}

    assert len(run_gateway(script, numbered())) == 2


def test_two_chats_that_have_said_the_same_so_far_stay_apart_by_who_is_ahead():
    engine = ScriptedEngine(lambda request: "Hello!" if len(request.messages) == 1 else "Fine.")

    async def script(caller: Caller) -> tuple[list[str], list[str]]:
        ann, ben = Page(caller), Page(caller)
        first = [(await page.say("hi"))["conversation"] for page in (ann, ben)]
        second = [
            (await page.say(text))["conversation"] for page, text in ((ben, "I am Ben."), (ann, "Ann."))
        ]
        third = [(await page.say("Who am I?"))["conversation"] for page in (ben, ann)]
        assert second == third
        return first, second

    first, second = run_gateway(script, engine)
    assert sorted(first) == sorted(second)  # each takes a conversation that nobody is ahead in
    assert contents(engine) == ["hi", "Hello!", "Ann.", "Fine.", "Who am I?"]


def test_a_chat_s_id_keeps_equal_chats_apart():
    engine = ScriptedEngine(lambda request: "Hello!")

    async def script(caller: Caller) -> list[str]:
        ann, ben = (Page(caller, headers={"X_OpenWebUI_Chat_Id": name}) for name in ("1", "2"))
        pages = [ann, ben, ben, ann]
        return [(await page.say("hi"))["conversation"] for page in pages]

    one, two, again_two, again_one = run_gateway(script, engine)
    assert (one, two) == (again_one, again_two)
    assert one != two


def test_the_user_of_a_request_keeps_equal_chats_apart():
    async def script(caller: Caller) -> set[str]:
        pages = [Page(caller, user=name) for name in ("ann", "ben")]
        for page in pages:
            await page.say("hi")
        return {(await page.say("more"))["conversation"] for page in pages}

    assert len(run_gateway(script, ScriptedEngine(lambda request: "Hello!"))) == 2


def test_another_owner_s_history_is_not_known():
    engine, store = ScriptedEngine(lambda request: "Hello!"), EphemeralStore()

    async def script(caller: Caller) -> list[int]:
        await Page(caller).say("hi")
        history = [user("hi"), assistant("Hello!"), user("more")]
        found = []
        for owner in ("local", "key:other"):
            digested = await caller.gateway.recogniser.digest(owner, make_label({}, None), history)
            found.append((await caller.gateway.recogniser.find(owner, digested)).known)
        return found

    assert run_gateway(script, engine, store=store) == [2, 0]


def test_a_regeneration_is_a_branch_and_the_answer_before_is_not_read():
    engine = numbered()

    async def script(caller: Caller) -> list[dict[str, Any]]:
        page = Page(caller)
        await page.say("a")
        await page.say("b")
        await page.again()
        await page.say("c")
        return page.receipts

    receipts = run_gateway(script, engine)
    assert len({receipt["conversation"] for receipt in receipts}) == 1
    assert contents(engine, 2) == ["a", "  Reply\n 1. ", "b"]
    assert contents(engine, 3) == ["a", "  Reply\n 1. ", "b", "  Reply\n 3. ", "c"]
    assert receipts[2]["moved"] == "another branch"
    assert receipts[3].get("moved") is None


def test_an_edit_is_a_branch_and_the_page_may_go_back_to_either():
    engine = numbered()

    async def script(caller: Caller) -> list[dict[str, Any]]:
        page = Page(caller)
        await page.say("a")
        await page.say("b")
        before = list(page.messages)
        await page.edit(2, "other")
        page.messages = before
        await page.say("back")
        return page.receipts

    receipts = run_gateway(script, engine)
    assert len({receipt["conversation"] for receipt in receipts}) == 1
    assert contents(engine, 2) == ["a", "  Reply\n 1. ", "other"]
    assert contents(engine, 3) == ["a", "  Reply\n 1. ", "b", "  Reply\n 2. ", "back"]
    assert [receipt.get("moved") for receipt in receipts] == [None, None, "another branch", "another branch"]


def test_a_reply_that_the_page_has_changed_is_a_branch_with_its_words():
    engine = numbered()

    async def script(caller: Caller) -> dict[str, Any]:
        page = Page(caller)
        await page.say("a")
        await page.say("b")
        page.messages[3]["content"] = "Written by hand."
        return await page.say("c")

    receipt = run_gateway(script, engine)
    assert contents(engine) == ["a", "  Reply\n 1. ", "b", "Written by hand.", "c"]
    assert receipt["turn"] == 4  # the changed turn is the third


def test_a_history_that_nobody_knows_is_kept_and_known_from_then_on():
    engine = numbered()

    async def script(caller: Caller) -> list[dict[str, Any]]:
        page = Page(caller)
        page.messages = [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "Elsewhere."},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": "Too."},
        ]
        await page.say("c")
        await page.edit(2, "other")
        return page.receipts

    first, edited = run_gateway(script, engine)
    assert (first["turn"], edited["turn"]) == (3, 4)
    assert first["conversation"] == edited["conversation"]
    assert contents(engine) == ["a", "Elsewhere.", "other"]


def test_an_assistant_who_greets_first_is_no_matter():
    engine = numbered()

    async def script(caller: Caller) -> list[dict[str, Any]]:
        page = Page(caller, system="You are Ida.")
        page.messages = [{"role": "assistant", "content": "Hello, I am Ida."}]
        await page.say("a")
        await page.say("b")
        return page.receipts

    receipts = run_gateway(script, engine)
    assert contents(engine)[2:] == ["Hello, I am Ida.", "a", "  Reply\n 1. ", "b"]
    assert [receipt["turn"] for receipt in receipts] == [2, 3]


def test_500_messages_to_a_small_window_are_answered_and_what_was_left_out_is_said():
    engine, store = numbered(), EphemeralStore()

    async def script(caller: Caller) -> tuple[list[dict[str, Any]], int]:
        page = Page(caller, system="Be kind.")
        page.messages = [
            {"role": ("user", "assistant")[n % 2], "content": f"message {n}: " + "some words " * 20}
            for n in range(500)
        ]
        await page.say("And what now?")
        await page.say("And then?")
        (row,) = await store.list_conversations("local")
        return page.receipts, row.turns

    (first, second), turns = run_gateway(script, engine, store=store)
    assert (first["turn"], second["turn"], turns) == (251, 252, 252)
    left = sum(last - begin + 1 for begin, last in first["left_out"])
    assert left > 150
    assert first["prompt_tokens"] < engine.window
    assert "left out" in first["notices"][0]
    assert contents(engine)[-1] == "And then?"
    assert second.get("moved") is None


def test_a_changed_system_message_changes_the_instructions_and_not_the_conversation():
    engine = numbered()

    async def script(caller: Caller) -> list[dict[str, Any]]:
        page = Page(caller, system="It is Monday.")
        await page.say("a")
        page.system = "It is Tuesday."
        await page.say("b")
        page.system = ""
        await page.say("c")
        return page.receipts

    receipts = run_gateway(script, engine)
    assert len({receipt["conversation"] for receipt in receipts}) == 1
    assert [receipt.get("moved") for receipt in receipts] == [None] + ["other instructions"] * 2
    assert contents(engine, 1)[0] == "It is Tuesday."
    assert contents(engine, 2)[0] == "a"


def test_a_system_message_in_mid_conversation_stays_where_it_is():
    engine = numbered()

    async def script(caller: Caller) -> list[int]:
        page = Page(caller)
        await page.say("a")
        page.messages.append({"role": "system", "content": "Speak French."})
        await page.say("b")
        return [(await page.say("c"))["turn"]]

    assert run_gateway(script, engine) == [3]
    assert contents(engine)[2] == "[Instruction: Speak French.]\n\nb"


def test_a_forgotten_turn_is_not_known_any_more():
    engine, store = numbered(), EphemeralStore()

    async def script(caller: Caller) -> tuple[dict[str, Any], str]:
        page = Page(caller)
        first = await page.say("My number is 5.")
        async with caller.gateway.turns.hold("local", first["conversation"], alone=True) as (_, lease):
            await store.forget_turn("local", first["conversation"], 1, lease=lease, now=0)
        caller.gateway.turns.forget("local", first["conversation"])
        return await page.say("b"), first["conversation"]

    receipt, first = run_gateway(script, engine, store=store)
    assert receipt["conversation"] != first


def test_the_same_history_sent_twice_at_once_becomes_two_branches_of_one_conversation():
    engine = numbered()

    async def script(caller: Caller) -> set[str]:
        page = Page(caller)
        await page.say("a")
        twins = [Page(caller), Page(caller)]
        for twin in twins:
            twin.messages = list(page.messages)
        receipts = await asyncio.gather(*(twin.say("b") for twin in twins))
        return {receipt["conversation"] for receipt in receipts}

    assert len(run_gateway(script, engine)) == 1
    assert contents(engine, 1) == contents(engine, 2)


# -- the pure parts -------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(["user", "assistant"]), min_size=1), st.data())
def test_what_is_unknown_is_parted_and_nothing_is_lost(roles, data):
    messages = [user(str(n)) if role == "user" else assistant(str(n)) for n, role in enumerate(roles)]
    ends = find_ends(messages)
    known = data.draw(st.sampled_from([0, *(n + 1 for n in ends)]))
    unknown = split_unknown(messages, known)
    assert [message for turn in (*unknown.turns, unknown.new) for message in turn] == messages[known:]
    assert all(turn[-1].role == "assistant" for turn in unknown.turns)
    assert [messages[n] for n in unknown.ends] == [turn[-1] for turn in unknown.turns]
    assert not find_ends(unknown.new)


def test_a_label_is_made_of_the_first_chat_id_and_the_user():
    assert make_label({}, None) == "\n"
    assert make_label({"x-session-id": "s", "x-openwebui-chat-id": "c"}, "ann") == "c\nann"
    assert make_label({"x-openwebui-chat-id": "", "x-session-id": "s"}, None) == "s\n"


@settings(max_examples=15)
@given(
    st.lists(st.sampled_from(["say", "again", "edit", "back"]), max_size=6), st.randoms(use_true_random=False)
)
def test_whatever_a_page_does_the_model_reads_what_the_page_shows(acts, random):
    engine = numbered()

    async def script(caller: Caller) -> None:
        page = Page(caller)
        await page.say("begin")
        seen: list[Messages] = []
        for number, act in enumerate(acts):
            seen.append(list(page.messages))
            users = [n for n, message in enumerate(page.messages) if message["role"] == "user"]
            if act == "say":
                await page.say(f"say {number}")
            elif act == "again" and len(users) > 1:
                await page.again()
            elif act == "edit" and len(users) > 1:
                await page.edit(random.choice(users[1:]), f"edit {number}")
            elif act == "back":
                page.messages = list(random.choice(seen))
                await page.say(f"back {number}")
            shown = [" ".join(message["content"].split()) for message in page.messages[:-1]]
            assert [" ".join(text.split()) for text in contents(engine)] == shown
        assert len({receipt["conversation"] for receipt in page.receipts}) == 1

    run_gateway(script, engine)
