"""Responses: what was asked for beside the words, how it stands, what is left when it is deleted."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from tests.store.keeper import begin, forget, key_of, ledger, make_row, new_completion, respond
from tests.store.writer import OWNER, Writer

from turnkeep.conversation.log import START
from turnkeep.errors import Conflict, ConversationNotFound, UsageError
from turnkeep.store.base import ConversationKind
from turnkeep.store.ids import make_key, make_tag, response_id
from turnkeep.store.ledger import DeletedResponse, NewResponse

OnStore = Callable[[Callable[[Writer], Awaitable[None]]], None]


# -- keeping ------------------------------------------------------------------------------------
def test_what_is_saved_of_a_response_is_loaded_again(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        first = await respond(writer, "One.")
        saved = await books.save_response(
            OWNER,
            make_row(
                writer,
                created=7.5,
                turn=1,
                previous=first.id,
                conversation_given=True,
                status="queued",
                keeper="gateway:a",
                model="tiny",
                metadata={"topic": "tea"},
                head={"temperature": 0.5, "tools": []},
            ),
        )
        assert saved == await books.load_response(OWNER, saved.id)
        assert (saved.conversation, saved.owner, saved.kind) == (writer.id, OWNER, "response")
        assert (saved.turn, saved.previous, saved.conversation_given) == (1, first.id, True)
        assert (saved.status, saved.error, saved.keeper) == ("queued", None, "gateway:a")
        assert (saved.model, saved.metadata) == ("tiny", {"topic": "tea"})
        assert (saved.head, saved.created) == ({"temperature": 0.5, "tools": []}, 7.5)


def test_a_response_that_says_little_has_little(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        saved = await ledger(writer).save_response(OWNER, make_row(writer))
        assert (saved.turn, saved.previous, saved.status, saved.model) == (None, None, None, None)
        assert (saved.metadata, saved.head, saved.conversation_given) == ({}, {}, False)


def test_a_response_is_not_found_by_another_owner_or_under_the_other_kind_s_id(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        saved = await respond(writer, "One.")
        for call in (
            books.load_response("eve", saved.id),
            books.load_response(OWNER, "resp_" + "0" * 28),
            books.load_response(OWNER, saved.id.replace("resp_", "chatcmpl-")),
            books.load_response(OWNER, writer.id),
            books.load_response(OWNER, "resp_123"),
            books.save_response("eve", make_row(writer)),
            books.find_response_of_turn("eve", writer.id, 1),
            books.mark_response("eve", saved.id, "failed"),
            books.update_response("eve", saved.id, metadata={}),
            books.delete_response("eve", saved.id),
            books.has_descendants("eve", saved.id),
            books.save_events("eve", saved.id, [(0, "{}")]),
            books.load_events("eve", saved.id),
            books.list_responses("eve", kind="response", after=saved.id),
            books.save_response(OWNER, make_row(writer, turn=9)),
        ):
            with pytest.raises(ConversationNotFound):
                await call
        assert await books.load_response(OWNER, saved.id) == saved


def test_what_goes_with_a_response_is_kept_along_or_nothing_is(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        await writer.say("One.")
        await books.claim_idempotency(OWNER, "k", b"r", now=1)
        save = books.save_response
        with pytest.raises(UsageError, match="ends with a turn"):
            await save(OWNER, make_row(writer), digests=[b"d" * 16])
        assert (await writer.store.stats()).tables["response"] == 0
        made = await save(OWNER, make_row(writer, turn=1), digests=[b"d" * 16, b"e" * 16], idempotency="k")
        known = await books.find_digests(OWNER, [b"d" * 16, b"e" * 16, b"f" * 16])
        assert known is not None
        assert (known.index, known.places[0].turn) == (1, 1)
        claim = await books.claim_idempotency(OWNER, "k", b"r", now=2)
        assert (claim.fresh, claim.state, claim.response) == (False, "open", made.id)


def test_an_id_that_does_not_belong_is_refused(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        saved = await respond(writer, "One.")
        with pytest.raises(Conflict, match="already"):
            await books.save_response(OWNER, NewResponse(id=saved.id, created=1))
        for wrong in ("resp_123", new_completion(writer), writer.id):
            with pytest.raises(UsageError, match="no id of a response"):
                await books.save_response(OWNER, NewResponse(id=wrong, created=1))
        elsewhere = response_id(make_key(), make_tag())
        with pytest.raises(UsageError, match="another conversation"):
            await books.save_response(OWNER, make_row(writer, previous=elsewhere))
        with pytest.raises(ConversationNotFound):
            await books.save_response(OWNER, NewResponse(id=elsewhere, created=1))


def test_the_response_of_a_turn_is_found(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        first = await respond(writer, "One.")
        await writer.say("Two.")
        assert await books.find_response_of_turn(OWNER, writer.id, 1) == first
        assert await books.find_response_of_turn(OWNER, writer.id, 2) is None
        again = await books.save_response(OWNER, make_row(writer, turn=1))
        assert await books.find_response_of_turn(OWNER, writer.id, 1) == again


def test_metadata_and_head_are_replaced_each_for_itself(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        made = await books.save_response(OWNER, make_row(writer, metadata={"a": "1"}, head={"x": 1}))
        assert (await books.update_response(OWNER, made.id, metadata={"b": "2"})).metadata == {"b": "2"}
        changed = await books.update_response(OWNER, made.id, head={"y": 2})
        assert (changed.metadata, changed.head) == ({"b": "2"}, {"y": 2})
        assert (await books.update_response(OWNER, made.id, metadata={})).metadata == {}


# -- how it stands ------------------------------------------------------------------------------
def test_a_queued_response_begins_with_its_turn(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        made = await books.save_response(OWNER, make_row(writer, status="queued"))
        turn = await writer.open("One.")
        begun = await books.mark_response(OWNER, made.id, None, turn=turn.number, head={"given": 1})
        assert (begun.status, begun.turn, begun.head) == (None, 1, {"given": 1})
        assert (await books.mark_response(OWNER, made.id, None)).head == {"given": 1}
        assert begun == await books.load_response(OWNER, made.id)


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_what_has_ended_stays_as_it_is(on_store: OnStore, end: str) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        made = await books.save_response(OWNER, make_row(writer, status="queued"))
        ended = await books.mark_response(
            OWNER, made.id, "cancelled" if end == "cancelled" else "failed", error="It was too much."
        )
        assert (ended.status, ended.error) == (end, "It was too much.")
        turn = await writer.open("One.")
        # Its turn is known, if one began all the same: its words are to be found when it is deleted.
        ended = replace(ended, turn=turn.number)
        assert await books.mark_response(OWNER, made.id, None, turn=turn.number, head={"a": 1}) == ended
        assert await books.mark_response(OWNER, made.id, "failed", error="Again.") == ended


def test_a_response_that_was_complete_is_not_cancelled_any_more(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        whole = await respond(writer, "One.")
        assert await books.mark_response(OWNER, whole.id, "cancelled") == whole
        turn = await writer.open("Two.")
        made = await books.save_response(OWNER, make_row(writer, turn=turn.number))
        assert (await books.mark_response(OWNER, made.id, "cancelled")).status == "cancelled"


def test_responses_that_nobody_works_on_are_found(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books, store = ledger(writer), writer.store
        gateway = await store.take_lease("gateway:a", "a", now=1000, seconds=500)
        assert gateway is not None
        save = books.save_response
        await respond(writer, "Done.")
        kept = await save(OWNER, make_row(writer, status="queued", keeper="gateway:a"))
        lost = await save(OWNER, make_row(writer, status="queued", keeper="gateway:b"))
        ours = await save(OWNER, make_row(writer, status="queued"))
        ended = await save(OWNER, make_row(writer, status="queued", keeper="gateway:b"))
        await books.mark_response(OWNER, ended.id, "failed")
        turn = await writer.open("Open.")
        begun = await save(OWNER, make_row(writer, turn=turn.number, keeper="gateway:a"))
        stopped = await save(OWNER, make_row(writer, turn=turn.number))
        await books.mark_response(OWNER, stopped.id, "cancelled")

        async def orphans(now: float) -> set[str]:
            return {row.id for row in await books.orphaned_responses(now=now)}

        assert await orphans(now=1001) == {lost.id}
        assert await orphans(now=writer.lease.expires) == {lost.id, ours.id, begun.id}
        assert await orphans(now=gateway.expires) == {kept.id, lost.id, ours.id, begun.id}
        await store.drop_lease(writer.lease)  # given back is as dead as run out
        assert await orphans(now=1001) == {lost.id, ours.id, begun.id}


def test_those_of_all_owners_are_found_and_say_whose_they_are(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        theirs = await begin(writer, "chain", "key:b")
        await books.save_response(OWNER, make_row(writer, status="queued", keeper="x"))
        await books.save_response("key:b", make_row(theirs, status="queued", keeper="x"))
        assert {each.owner for each in await books.orphaned_responses(now=1)} == {OWNER, "key:b"}


# -- lists --------------------------------------------------------------------------------------
def test_chat_completions_are_listed_in_the_order_of_creation(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books, listed = ledger(writer), ledger(writer).list_responses
        other = await begin(writer, "history")
        ids = []
        for number in range(6):
            place = (writer, other)[number % 2]
            made = await books.save_response(
                OWNER,
                NewResponse(
                    id=new_completion(place),
                    created=1,
                    kind="chat_completion",
                    model="big" if number < 2 else "tiny",
                    metadata={"topic": "tea", 'a"]b': str(number % 3)},
                ),
            )
            ids.append(made.id)
        await respond(writer, "A response of the other kind.")

        async def found(**asked: object) -> list[int]:
            rows = await listed(OWNER, kind="chat_completion", **asked)  # type: ignore[arg-type]  # as asked below
            return [ids.index(row.id) for row in rows]

        assert await found() == [0, 1, 2, 3, 4, 5]
        assert await found(order="desc", limit=2) == [5, 4]
        assert await found(after=ids[1], limit=2) == [2, 3]
        assert await found(after=ids[3], order="desc") == [2, 1, 0]
        assert await found(model="big") == [0, 1]
        assert await found(metadata={"topic": "tea", 'a"]b': "1"}) == [1, 4]
        assert await found(metadata={"topic": "coffee"}) == []
        assert await listed("eve", kind="chat_completion") == []


# -- events -------------------------------------------------------------------------------------
def test_events_are_replayed_from_any_number_on(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books = ledger(writer)
        made = await books.save_response(OWNER, make_row(writer))
        other = await books.save_response(OWNER, make_row(writer))
        await books.save_events(OWNER, made.id, [(0, '{"a":0}'), (1, '{"a":"\ud83d"}')])
        await books.save_events(OWNER, made.id, [(1, '{"late":1}'), (2, '{"a":2}')])
        await books.save_events(OWNER, other.id, [(0, "{}")])
        whole = [(0, '{"a":0}'), (1, '{"a":"\\ud83d"}'), (2, '{"a":2}')]
        assert await books.load_events(OWNER, made.id) == whole
        assert await books.load_events(OWNER, made.id, starting_after=0) == whole[1:]
        assert await books.load_events(OWNER, made.id, limit=1) == whole[:1]
        await books.delete_response(OWNER, made.id)
        with pytest.raises(ConversationNotFound):
            await books.load_events(OWNER, made.id)
        tables = (await writer.store.stats()).tables
        assert (tables["response"], tables["response_event"]) == (1, 1)


# -- deleting -----------------------------------------------------------------------------------
def test_a_deleted_response_is_gone_and_its_turn_is_left_to_forget(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        chain = await begin(writer, "chain")
        books = ledger(writer)
        made = await respond(chain, "One.")
        assert await books.delete_response(OWNER, made.id) == DeletedResponse(
            conversation=chain.id, orphans=(1,), empty=True
        )
        with pytest.raises(ConversationNotFound):
            await books.load_response(OWNER, made.id)
        assert await chain.log() == ["One.", "Yes."]


@pytest.mark.parametrize("kind", ["named", "chat"])
def test_in_a_conversation_that_the_client_named_the_items_stay(
    on_store: OnStore, kind: ConversationKind
) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        chat = await begin(writer, kind)
        made = await respond(chat, "One.")
        deleted = await ledger(writer).delete_response(OWNER, made.id)
        assert (deleted.orphans, deleted.empty) == ((), False)


def test_what_others_hang_on_stays_until_they_are_deleted_too(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        chain, books = await begin(writer, "chain"), ledger(writer)
        first = await respond(chain, "One.")
        second = await respond(chain, "Two.", previous=first)
        third = await respond(chain, "Three.", previous=second)
        beside = await respond(chain, "Beside.", previous=second)
        assert [await books.has_descendants(OWNER, each.id) for each in (first, second, third)] == [
            True,
            True,
            False,
        ]
        assert (await books.delete_response(OWNER, second.id)).orphans == ()
        assert (await books.load_response(OWNER, third.id)).previous == second.id
        deleted = await books.delete_response(OWNER, third.id)
        assert (deleted.orphans, deleted.empty) == ((3,), False)  # the second is needed by the one beside
        await forget(chain, deleted.orphans)
        deleted = await books.delete_response(OWNER, beside.id)
        assert (deleted.orphans, deleted.empty) == ((4, 2), False)
        await forget(chain, deleted.orphans)
        assert not await books.has_descendants(OWNER, first.id)
        assert await chain.log((await chain.store.load_turn(OWNER, chain.id, 1)).tip) == ["One.", "Yes."]
        deleted = await books.delete_response(OWNER, first.id)
        assert (deleted.orphans, deleted.empty) == ((1,), True)


def test_behind_a_forgotten_turn_others_may_still_need_what_was_said_before(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        chain, books = await begin(writer, "chain"), ledger(writer)
        first = await respond(chain, "One.")
        second = await respond(chain, "Two.", previous=first)
        await respond(chain, "Three.", previous=second)
        await forget(chain, [2])
        assert await books.has_descendants(OWNER, first.id)
        assert (await books.delete_response(OWNER, first.id)).orphans == ()


def test_one_of_two_that_were_asked_the_same_is_forgotten_alone(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        chain, books = await begin(writer, "chain"), ledger(writer)
        one, other = [await respond(chain, "Tell me a joke.", reply) for reply in ("Knock.", "Ducks.")]
        await forget(chain, (await books.delete_response(OWNER, one.id)).orphans)
        assert other.turn is not None
        tip = (await chain.store.load_turn(OWNER, chain.id, other.turn)).tip
        assert await chain.log(tip) == ["Tell me a joke.", "Ducks."]
        assert await books.load_response(OWNER, other.id) == other


def test_of_a_recognised_history_only_the_deleted_turn_is_left_to_forget(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        chat, books = await begin(writer, "history"), ledger(writer)
        await chat.say("One.")
        turn = await chat.say("Two.")
        made = await books.save_response(
            OWNER, NewResponse(id=new_completion(chat), created=1, kind="chat_completion", turn=turn.number)
        )
        deleted = await books.delete_response(OWNER, made.id)
        assert (deleted.orphans, deleted.empty) == ((2,), False)


def test_a_response_that_is_being_answered_is_not_deleted(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        chain, books = await begin(writer, "chain"), ledger(writer)
        turn = await chain.open("One.")
        made = await books.save_response(OWNER, make_row(chain, turn=turn.number))
        with pytest.raises(Conflict, match="cancel it first"):
            await books.delete_response(OWNER, made.id)
        await chain.finish(turn, state="failed", error="Stopped.")
        assert (await books.delete_response(OWNER, made.id)).orphans == (1,)


def test_one_that_never_began_leaves_an_empty_conversation(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        chain, books = await begin(writer, "chain"), ledger(writer)
        queued = await books.save_response(OWNER, make_row(chain, status="queued"))
        deleted = await books.delete_response(OWNER, queued.id)
        assert (deleted.orphans, deleted.empty) == ((), True)


# -- conversations ------------------------------------------------------------------------------
def test_a_conversation_has_a_kind_and_metadata(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        books, store = ledger(writer), writer.store
        assert ((await writer.row()).kind, (await writer.row()).metadata) == ("named", {})
        made = await store.create_conversation(OWNER, None, now=1, kind="chain", metadata={"a": "1"})
        assert (made.kind, made.metadata) == ("chain", {"a": "1"})
        changed = await books.update_conversation(OWNER, made.id, metadata={"b": "2"})
        assert (changed.kind, changed.metadata) == ("chain", {"b": "2"})
        changed = await books.update_conversation(OWNER, made.id, kind="named")
        assert (changed.kind, changed.metadata) == ("named", {"b": "2"})
        assert changed == await store.load_conversation(OWNER, made.id)
        assert (await books.update_conversation(OWNER, made.id, metadata={})).metadata == {}
        listed = {row.id: row.kind for row in await store.list_conversations(OWNER)}
        assert listed == {made.id: "named", writer.id: "named"}
        with pytest.raises(ConversationNotFound):
            await books.update_conversation("eve", made.id, metadata={})


def test_conversations_of_all_kinds_are_listed(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        for kind in ("chain", "history", "chat"):
            await begin(writer, kind)
        rows = await writer.store.list_conversations(OWNER)
        assert sorted(row.kind for row in rows) == ["chain", "chat", "history", "named"]


def test_a_response_s_id_says_its_conversation(on_store: OnStore) -> None:
    @on_store
    async def _(writer: Writer) -> None:
        made = await respond(writer, "One.")
        assert made.id.startswith(f"resp_{key_of(writer)}")
        assert (await writer.log(START)) == []
