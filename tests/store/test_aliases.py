"""Items and responses are found by their ids, and by ids that are not of our making."""

from collections.abc import Awaitable, Callable

import pytest
from tests.store.keeper import begin, forget, key_of, ledger, new_response, respond, use_tools
from tests.store.writer import OWNER, Writer, texts

from turnkeep.conversation.log import Position
from turnkeep.errors import Conflict, ConversationNotFound, UsageError
from turnkeep.store.ids import ParsedId, compaction_id, make_id, make_tag, parse_id

OnStore = Callable[[Callable[[Writer], Awaitable[None]]], None]


def test_an_item_is_loaded_by_any_id_that_the_wire_shows_of_it(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        await use_tools(writer, "clock", "map")
        for turn in (1, 2):
            for stored in await writer.items(turn):
                parsed = parse_id(stored.id)
                assert parsed is not None
                assert await books.load_item(OWNER, writer.id, stored.id) == stored
                for kind, place in (("rs", None), ("fc", 1), ("fco", 0)):
                    shown = make_id(ParsedId(kind=kind, key=parsed.key, tag=parsed.tag, place=place))  # type: ignore[arg-type]  # these are kinds
                    assert await books.load_item(OWNER, writer.id, shown) == stored


def test_what_is_no_item_of_the_conversation_is_not_found(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        other = await begin(writer, "named")
        await other.say("Theirs.")
        (theirs, _) = await other.items(1)
        made = await respond(writer, "Ours.")
        unknown = "msg_" + key_of(writer) + "0" * 12
        (ours, _) = await writer.items(1)
        mixed = "msg_" + key_of(other) + ours.id[-12:]  # their key, our tag
        for owner, conversation, item in (
            (OWNER, writer.id, theirs.id),
            ("eve", other.id, theirs.id),
            (OWNER, writer.id, made.id),
            (OWNER, writer.id, writer.id),
            (OWNER, writer.id, unknown),
            (OWNER, writer.id, mixed),
            (OWNER, writer.id, "msg_abc"),
        ):
            with pytest.raises(ConversationNotFound):
                await books.load_item(owner, conversation, item)


def test_an_alias_stands_for_a_conversation_a_response_or_an_item(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        made = await respond(writer, "One.")
        (item, _) = await writer.items(1)
        for alias, target in (("conv_123", writer.id), ("resp_abc", made.id), ("msg_abc", item.id)):
            assert await books.find_id(OWNER, alias) is None
            await books.save_alias(OWNER, alias, target)
            await books.save_alias(OWNER, alias, target)
            assert await books.find_id(OWNER, alias) == target
            assert await books.find_id(OWNER, target) == target
            assert await books.find_id("eve", alias) is None
        assert await books.load_response(OWNER, "resp_abc") == made
        assert await books.load_item(OWNER, writer.id, "msg_abc") == item
        assert (await books.update_response(OWNER, "resp_abc", head={"x": 1})).head == {"x": 1}
        with pytest.raises(ConversationNotFound):
            await books.load_response(OWNER, "msg_abc")
        with pytest.raises(ConversationNotFound):
            await books.load_item(OWNER, writer.id, "resp_abc")


def test_an_alias_stands_for_one_thing_of_its_owner_s(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        theirs = await begin(writer, "named", "eve")
        await books.save_alias(OWNER, "conv_123", writer.id)
        await books.save_alias("eve", "conv_123", theirs.id)
        assert await books.find_id("eve", "conv_123") == theirs.id
        other = await begin(writer, "named")
        with pytest.raises(Conflict, match="something else"):
            await books.save_alias(OWNER, "conv_123", other.id)
        assert await books.find_id(OWNER, "conv_123") == writer.id


def test_an_alias_that_could_mislead_is_refused(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        with pytest.raises(UsageError, match="own ids"):
            await books.save_alias(OWNER, (await begin(writer, "named")).id, writer.id)
        with pytest.raises(UsageError, match="no id of turnkeep's making"):
            await books.save_alias(OWNER, "conv_1", "conv_2")
        for missing in (new_response(writer), "msg_" + key_of(writer) + "0" * 12, "conv_" + "0" * 16):
            with pytest.raises(ConversationNotFound):
                await books.save_alias(OWNER, "x", missing)
        with pytest.raises(ConversationNotFound):
            await books.save_alias("eve", "x", writer.id)
        await books.save_alias(
            OWNER, "x", compaction_id(key_of(writer), make_tag())
        )  # nothing is kept of these
        assert (await writer.store.stats()).tables["alias"] == 1


def test_aliases_go_with_what_they_stand_for(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        one, other = await respond(writer, "One."), await respond(writer, "Two.")
        (item, _) = await writer.items(1)
        targets = (("c", writer.id), ("one", one.id), ("other", other.id), ("item", item.id))
        for alias, target in targets:
            await books.save_alias(OWNER, alias, target)

        async def kept() -> list[str]:
            return [alias for alias, _ in targets if await books.find_id(OWNER, alias) is not None]

        await books.delete_response(OWNER, other.id)
        assert await kept() == ["c", "one", "item"]
        await forget(writer, [1])
        assert await kept() == ["c"]
        await writer.store.delete_conversation(OWNER, writer.id)
        assert await kept() == []


def test_a_page_of_a_path_is_loaded_by_its_ends(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        for number in range(3):
            await writer.say(f"{number}", f"{number}!")
        beside = await writer.say("Beside.", after=Position(0, 4))
        tip = beside.tip

        async def page(after: int, upto: int) -> list[str]:
            return texts(await books.load_span(OWNER, writer.id, tip=tip, after=after, upto=upto))

        assert await page(0, 9) == ["0", "0!", "1", "1!", "Beside.", "Yes."]
        assert await page(1, 3) == ["0!", "1"]
        assert await page(3, 5) == ["1!", "Beside."]
        assert await page(-1, 1) == ["0"]
        assert await page(3, 3) == await page(4, 2) == await page(9, 12) == []
        with pytest.raises(ConversationNotFound):
            await books.load_span("eve", writer.id, tip=tip, after=0, upto=1)
