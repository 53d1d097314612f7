"""A turn leaves one record, whichever door it came through, and nothing of that stands in its way."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from tests.audit.journals import folder_in
from tests.gateways import run_gateway
from turnkeep import AsyncChat, AuditFailed, AuditRules, EngineError
from turnkeep.audit.base import Which
from turnkeep.audit.entries import MEASURED
from turnkeep.audit.reading import read_records
from turnkeep.conversation.items import Image, Text
from turnkeep.errors import EngineUnreachable
from turnkeep.store.keys import digest_secret, make_secret
from turnkeep.store.sqlite import SqliteStore
from turnkeep.testing import ScriptedEngine

FULL, REQUIRED = AuditRules(level="full"), AuditRules(level="full", required=True)


def records(path: Path):
    return [record for _, record in read_records(folder_in(path)) if record and record.kind == "turn"]


def run_chat(path: Path, script, engine=None, audit=FULL):
    async def main():
        async with AsyncChat(
            engine or ScriptedEngine(), db=path / "turnkeep.db", audit=audit, embeddings="off", upkeep=False
        ) as chat:
            return await script(chat)

    return asyncio.run(main())


@pytest.mark.parametrize("audit", [FULL, REQUIRED, "full"])
def test_a_turn_of_the_library_leaves_one_record(tmp_path: Path, audit) -> None:
    async def script(chat):
        reply = await chat.ask("Hello there.")
        return (await chat.conversation()).id, reply

    conversation, reply = run_chat(tmp_path, script, ScriptedEngine(["Hi!"]), audit)
    (record,) = records(tmp_path)
    fields = record.fields
    assert (fields["owner"], fields["conversation"], fields["turn"]) == ("local", conversation, 1)
    assert (fields["state"], fields["engine"], fields["model"]) == ("done", "scripted", "script")
    assert record.texts == {"input": "Hello there.", "output": "Hi!"}
    assert fields["bytes"] == {"input": 12, "output": 3}
    assert fields["receipt"]["prompt_tokens"] == reply.receipt.prompt_tokens
    assert fields["receipt"]["seconds"] > 0


@pytest.mark.parametrize("audit", [FULL, REQUIRED])
def test_a_turn_of_the_gateway_leaves_one_record(tmp_path: Path, audit) -> None:
    async def script(caller):
        body = {"model": "script", "store": True, "messages": [{"role": "user", "content": "Hello there."}]}
        answered = await caller.post("/v1/chat/completions", body)
        assert answered.status == 200

    store = SqliteStore(tmp_path / "turnkeep.db")
    run_gateway(script, ScriptedEngine(["Hi!"]), store=store, audit=audit, embeddings="off")
    (record,) = records(tmp_path)
    assert record.texts == {"input": "Hello there.", "output": "Hi!"}
    assert record.fields["owner"] == "local"


@pytest.mark.parametrize("audit", [FULL, REQUIRED])
def test_a_prepared_turn_leaves_one_record(tmp_path: Path, audit) -> None:
    async def script(chat):
        prepared = await chat.prepare("Hello there.")
        await prepared.finish("Hi!")

    run_chat(tmp_path, script, audit=audit)
    assert [record.texts for record in records(tmp_path)] == [{"input": "Hello there.", "output": "Hi!"}]


@pytest.mark.parametrize("audit", [FULL, REQUIRED])
def test_a_failed_turn_leaves_one_record(tmp_path: Path, audit) -> None:
    async def script(chat):
        with pytest.raises(EngineError):
            await chat.ask("Hello there.")

    run_chat(tmp_path, script, ScriptedEngine([["Half", EngineUnreachable("gone")]]), audit)
    (record,) = records(tmp_path)
    assert record.fields["state"] == "failed"
    assert record.texts == {"input": "Hello there.", "output": "Half", "error": "gone"}


def test_a_turn_that_was_cut_off_leaves_one_record(tmp_path: Path) -> None:
    async def script(chat):
        streaming = chat.stream("Hello there.")
        async for _ in streaming:
            await streaming.stop()

    run_chat(tmp_path, script, ScriptedEngine([["Half", asyncio.Event()]]))
    assert [(record.fields["state"], record.texts["output"]) for record in records(tmp_path)] == [
        ("cut_off", "Half")
    ]


def test_an_image_is_a_mark_in_the_record(tmp_path: Path) -> None:
    async def script(chat):
        await chat.ask([Text("See:"), Image("data:image/png;base64,AAAA")])

    run_chat(tmp_path, script)
    assert records(tmp_path)[0].texts["input"] == "See:\n[image, 26 characters]"


def test_an_audit_that_is_off_leaves_nothing(tmp_path: Path) -> None:
    run_chat(tmp_path, lambda chat: chat.ask("Hello there."), audit="off")
    assert not folder_in(tmp_path).exists
    assert not folder_in(tmp_path).key.exists()


def test_a_broken_journal_is_told_and_the_chat_goes_on(tmp_path: Path, caplog) -> None:
    async def script(chat):
        folder_in(tmp_path).path.write_text("in the way")
        first = await chat.ask("one")
        await chat._desk.audit.drain()
        second = await chat.ask("two")
        return first.notices, second.notices

    first, second = run_chat(tmp_path, script)
    assert first == ()
    assert len(second) == 1
    assert "cannot be written" in second[0]


def test_a_broken_journal_stops_the_chat_where_it_is_required(tmp_path: Path, caplog) -> None:
    engine = ScriptedEngine()

    async def script(chat):
        folder = folder_in(tmp_path)
        folder.path.write_text("in the way")
        with pytest.raises(AuditFailed, match="make room"):
            await chat.ask("one")
        assert engine.requests == []  # nobody was asked
        folder.path.unlink()
        await chat.ask("two")
        folder.path.rename(tmp_path / "away")
        folder.path.write_text("in the way")
        with pytest.raises(AuditFailed):
            await chat.ask("three")
        folder.path.unlink()
        (tmp_path / "away").rename(folder.path)
        await chat.ask("four")
        return [exchange.assistant for exchange in await chat.history()]

    said = run_chat(tmp_path, script, engine, REQUIRED)
    assert len(said) == 4
    kept = [(record.texts["input"], record.fields["state"]) for record in records(tmp_path)]
    assert [each for each in kept if each[1] == "done"] == [("two", "done"), ("four", "done")]


def test_a_turn_is_not_held_up_by_the_journal(tmp_path: Path) -> None:
    """The record is handed over, and written after the reply is there."""

    async def script(chat):
        await chat.ask("one")
        recorder = chat._desk.audit
        await recorder.drain()
        with recorder._queue.lock:  # as a disk that hangs would
            reply = await chat.ask("two")
            assert len(recorder._queue.waiting) == 1
        return reply.text

    assert run_chat(tmp_path, script) == "ok"
    assert len(records(tmp_path)) == 2


def test_a_turn_asks_no_more_of_the_store_than_without_an_audit(tmp_path: Path) -> None:
    class Counting(SqliteStore):
        calls = 0

        async def _run(self, *args):
            self.calls += 1
            return await super()._run(*args)

    async def main():
        store = Counting(tmp_path / "turnkeep.db")
        chat = AsyncChat(ScriptedEngine(), db=store, audit="full", embeddings="off", upkeep=False)
        await chat.ask("first")
        recorder, counts = cast(Any, chat._desk).audit, []
        for number in range(5):
            await recorder.drain()
            await recorder._join(start=False)
            with recorder._queue.lock:  # the journal's own call comes after the reply
                before = store.calls
                await chat.ask(f"turn {number}")
                counts.append(store.calls - before)
        await chat.close()
        await store.close()
        return counts

    assert asyncio.run(main()) == [2] * 5


@pytest.mark.parametrize("audit", [FULL, "off"])
def test_a_forgotten_turn_is_forgotten_in_the_journal(tmp_path: Path, audit) -> None:
    async def script(chat):
        await chat.ask("My aunt is a xylophonist.")
        await chat.ask("And?")

    run_chat(tmp_path, script)
    run_chat(tmp_path, lambda chat: chat.ask("Well?"), audit=audit)

    async def forget():
        store = SqliteStore(tmp_path / "turnkeep.db")
        (row, *_) = reversed(await store.list_conversations("local"))
        async with AsyncChat(
            "none", conversation=row.id, db=store, audit=audit, embeddings="off", upkeep=False
        ) as chat:
            await chat.forget(1)
        await store.close()

    asyncio.run(forget())
    assert [record.texts is None for record in records(tmp_path)][:2] == [True, False]
    assert all(b"xylophonist" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


UNSTORED = {"model": "script", "store": False, "messages": [{"role": "user", "content": "Héllo there."}]}


def run_keyed(path: Path, script, *engines, **settings) -> None:
    """Run a script on a gateway that asks for keys, with that of "Ana's laptop"."""

    async def keyed(caller):
        caller.key = make_secret()
        await store.create_key("Ana's laptop", digest_secret(caller.key), now=1.0)
        await script(caller)

    store = SqliteStore(path / "turnkeep.db")
    run_gateway(keyed, *engines, store=store, require_key=True, embeddings="off", **settings)


@pytest.mark.parametrize("level", ["sizes", "masked", "full"])
def test_the_record_names_the_key_that_was_used_and_never_holds_it(tmp_path: Path, level) -> None:
    seen = []

    async def script(caller):
        for stored in (True, False):
            assert (await caller.post("/v1/chat/completions", UNSTORED | {"store": stored})).status == 200
        seen.append(caller.key)

    run_keyed(tmp_path, script, ScriptedEngine(), audit=AuditRules(level=level))
    found = records(tmp_path)
    assert folder_in(tmp_path).holds_texts() == (level != "sizes")
    assert [record.texts["key_name"] for record in found] == ["Ana's laptop"] * 2
    assert all(record.fields["owner"].startswith("key:") for record in found)
    journal = b"".join(file.read_bytes() for file in folder_in(tmp_path).path.iterdir())
    assert seen[0].encode() not in journal


def test_the_key_s_name_goes_with_what_is_forgotten_of_its_owner(tmp_path: Path) -> None:
    async def script(caller):
        await caller.post("/v1/chat/completions", UNSTORED | {"store": True})
        recorder = caller.gateway.recorder
        await recorder.drain()
        owner = records(tmp_path)[0].fields["owner"]
        assert (await recorder.forget(Which(owner=owner))).turns == 1

    run_keyed(tmp_path, script, ScriptedEngine(), audit=AuditRules(level="sizes"))
    (record, *_) = records(tmp_path)
    assert (record.texts, record.forgotten) == (None, True)
    journal = b"".join(file.read_bytes() for file in folder_in(tmp_path).path.iterdir())
    assert b"laptop" not in journal


@pytest.mark.parametrize("audit", [FULL, REQUIRED])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_an_unstored_turn_leaves_its_sizes_and_nothing_else(tmp_path: Path, audit, path) -> None:
    async def script(caller):
        body = UNSTORED if "chat" in path else {"model": "script", "store": False, "input": "Héllo there."}
        assert (await caller.post(path, body)).status == 200

    store = SqliteStore(tmp_path / "turnkeep.db")
    run_gateway(script, ScriptedEngine(["Hi!"]), store=store, audit=audit, embeddings="off")
    (record,) = records(tmp_path)
    fields = record.fields
    assert (fields["owner"], fields["conversation"], fields["turn"]) == ("local", "", 0)
    assert (fields["state"], fields["engine"], fields["model"]) == ("done", "scripted", "script")
    assert fields["bytes"] == {"input": 13, "output": 3}
    assert fields["receipt"]["reply_tokens"] > 0
    assert set(fields["receipt"]) <= MEASURED
    assert (record.texts, "digest" in fields) == (None, False)


def test_unstored_turns_that_fail_or_are_cut_off_leave_their_sizes(tmp_path: Path) -> None:
    async def script(caller):
        assert (await caller.post("/v1/chat/completions", UNSTORED)).status == 502
        await caller.call(
            "POST", "/v1/chat/completions", UNSTORED | {"stream": True},
            hang_up=lambda answered: b"Some" in answered.raw,
        )  # fmt: skip

    store = SqliteStore(tmp_path / "turnkeep.db")
    engine = ScriptedEngine([["Half", EngineUnreachable("gone")], ["Some", asyncio.Event()]])
    run_gateway(script, engine, store=store, audit=FULL, embeddings="off")
    found = [(record.fields["state"], record.fields["bytes"].get("output")) for record in records(tmp_path)]
    assert found == [("failed", 4), ("cut_off", 4)]


def test_no_unstored_turn_is_done_without_the_record_that_is_required(tmp_path: Path, caplog) -> None:
    engine = ScriptedEngine(["one", "two"])

    async def script(caller):
        folder = folder_in(tmp_path)
        folder.path.write_text("in the way")
        refused = await caller.post("/v1/chat/completions", UNSTORED)
        assert refused.status >= 500
        assert "make room" in refused.body["error"]["message"]
        assert engine.requests == []  # nobody was asked
        folder.path.unlink()
        assert (await caller.post("/v1/chat/completions", UNSTORED)).status == 200

    store = SqliteStore(tmp_path / "turnkeep.db")
    run_gateway(script, engine, store=store, audit=REQUIRED, embeddings="off")
    assert [record.fields["state"] for record in records(tmp_path)] == ["done"]


def test_what_the_user_s_patterns_find_is_masked(tmp_path: Path) -> None:
    async def main():
        async with AsyncChat(
            ScriptedEngine(["Badge E-123456."]), db=tmp_path / "turnkeep.db", embeddings="off", upkeep=False,
            audit="masked", patterns={"EMPLOYEE": r"E-\d{6}"},
        ) as chat:  # fmt: skip
            await chat.ask("I am E-123456.")

    asyncio.run(main())
    assert records(tmp_path)[0].texts == {"input": "I am [EMPLOYEE_1].", "output": "Badge [EMPLOYEE_1]."}
