"""What people and programs search for: words, meaning, these very characters, a time, a speaker."""

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Sequence

import pytest

from tests.embedders import WordEmbedder
from tests.store.writer import OWNER, Writer
from turnkeep.errors import UsageError
from turnkeep.indexing import Indexer
from turnkeep.lookup import How, Limits, look_up, make_limits
from turnkeep.search import Searcher
from turnkeep.store.base import Hit
from turnkeep.store.ephemeral import EphemeralStore

DAY = 86_400.0
MAY_1 = 1_682_899_200.0  # 2023-05-01T00:00 UTC


def run(scenario: Callable[[Writer, WordEmbedder], Awaitable[None]]) -> None:
    """Run a scenario at once: a conversation of three days in May 2023, embedded."""

    async def main() -> None:
        store, embedder = EphemeralStore(), WordEmbedder()
        try:
            writer = await Writer.begin(store, "ana")
            for day, (text, reply) in enumerate((
                ("My puppy is called Biscuit.", "A lovely name for a dog."),
                ("The vessel leaves at noon.", "Do not be late."),
                ("Biscuit is ill.", "I am sorry to hear that."),
            )):  # fmt: skip
                writer.clock = MAY_1 + day * DAY + 3600
                await writer.say(text, reply)
            async for _ in Indexer(store, OWNER, writer.id, embedder).steps():
                pass
            await scenario(writer, embedder)
        finally:
            await store.close()

    asyncio.run(main())


async def search(
    writer: Writer,
    text: str,
    embedder: WordEmbedder | None = None,
    *,
    by: How = "best",
    limits: Limits | None = None,
    inside: bool = True,
    limit: int = 20,
) -> list[Hit]:
    return await look_up(
        Searcher(writer.store, embedder),
        OWNER,
        text,
        within=await writer.row() if inside else None,
        by=by,
        limits=limits or Limits(),
        limit=limit,
        now=MAY_1 + 3 * DAY,
    )


def texts(hits: Sequence[Hit]) -> list[str]:
    return [hit.text for hit in hits]


@pytest.mark.parametrize("inside", [True, False])
def test_a_hit_says_where_when_and_by_whom_it_was_said(inside: bool) -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder) -> None:
        (hit,) = await search(writer, "lovely", embedder, inside=inside)
        assert hit == Hit(
            conversation=writer.id,
            name="ana",
            turn=1,
            role="assistant",
            text="A lovely name for a dog.",
            created=MAY_1 + 3602,
        )


@pytest.mark.parametrize("inside", [True, False])
def test_each_way_finds_what_it_promises(inside: bool) -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder) -> None:
        async def found(text: str, by: How) -> list[str]:
            return texts(await search(writer, text, embedder, by=by, inside=inside))

        assert await found("names", "words") == ["A lovely name for a dog."]
        assert await found("hound", "words") == []
        assert set(await found("hound", "meaning")) == {
            "My puppy is called Biscuit.",
            "A lovely name for a dog.",
        }
        assert (await found("Is the hound called Biscuit?", "best"))[0] == "My puppy is called Biscuit."
        assert await found("biscuit IS", "text") == ["Biscuit is ill."]
        assert await found("e", "text") == [
            "I am sorry to hear that.", "Do not be late.", "The vessel leaves at noon.",
            "A lovely name for a dog.", "My puppy is called Biscuit.",
        ]  # fmt: skip


def test_part_of_a_word_is_found_as_it_stands() -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder) -> None:
        assert texts(await search(writer, "iscui", by="best")) == [
            "Biscuit is ill.",
            "My puppy is called Biscuit.",
        ]
        assert texts(await search(writer, "iscui", by="best", inside=False, limit=1)) == ["Biscuit is ill."]


@pytest.mark.parametrize(
    ("since", "until", "speaker", "expected"),
    [
        ("2023-05-03", None, None, ["Biscuit is ill."]),
        (None, "2023-05-02", None, ["My puppy is called Biscuit."]),
        ("2023-05-01", "2023-05-03", "user", ["Biscuit is ill.", "My puppy is called Biscuit."]),
        ("2023-05-02", "2023-05-02", None, []),
        (None, None, "assistant", []),
        (MAY_1 + 2 * DAY, None, None, ["Biscuit is ill."]),
        (datetime.date(2023, 5, 3), datetime.date(2023, 5, 3), None, ["Biscuit is ill."]),
        ("2023-05-03T00:59", "2023-05-03T01:01", None, ["Biscuit is ill."]),
        ("2023-05-03T01:01", None, None, []),
        ("2023-05-03T02:59+02:00", "2023-05-03T03:01+02:00", None, ["Biscuit is ill."]),
    ],
)
@pytest.mark.parametrize("by", ["best", "words", "text"])
def test_a_search_keeps_to_days_and_speakers(
    since: str | float | None, until: str | None, speaker: str | None, expected: list[str], by: How
) -> None:
    limits = make_limits(since, until, speaker)

    @run
    async def _(writer: Writer, embedder: WordEmbedder) -> None:
        hits = await search(writer, "Biscuit", embedder if by == "best" else None, by=by, limits=limits)
        assert sorted(texts(hits)) == sorted(expected)


def test_what_is_within_the_limits_is_found_however_much_outside_matches_better() -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder) -> None:
        for _ in range(30):
            await writer.say("Biscuit, Biscuit, Biscuit!", "Good dog.")
            await writer.say("It rains.", "It does rain.")
        writer.clock = MAY_1 + 9 * DAY
        await writer.say("Was there a long talk about so many things, and one of them Biscuit?", "No.")
        for inside in (True, False):
            limits = make_limits("2023-05-10", None, None)
            (hit,) = await search(writer, "biscuits", limits=limits, inside=inside, limit=1, by="words")
            assert hit.text.startswith("Was there")


def test_limits_alone_list_what_is_within_them_newest_first() -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder) -> None:
        limits = make_limits("2023-05-02", None, "assistant")
        for text in ("", "  "):
            assert texts(await search(writer, text, limits=limits)) == [
                "I am sorry to hear that.",
                "Do not be late.",
            ]
        assert texts(await search(writer, "", limits=limits, limit=1)) == ["I am sorry to hear that."]


def test_what_cannot_be_searched_is_refused_in_one_sentence() -> None:
    @run
    async def _(writer: Writer, embedder: WordEmbedder) -> None:
        for text in ("", "  "):
            with pytest.raises(UsageError, match="nothing to search for"):
                await search(writer, text, embedder)
        with pytest.raises(UsageError, match="turnkeep embed install"):
            await search(writer, "dog", by="meaning")
        with pytest.raises(UsageError, match=r"best, words, meaning or text, not by 'luck'\."):
            await search(writer, "dog", by="luck")  # type: ignore[arg-type]  # as a program might
        embedder.broken = "It is gone."
        with pytest.raises(UsageError, match=r"It is gone\."):
            await search(writer, "dog", embedder, by="meaning")
        assert texts(await search(writer, "Biscuit", embedder)) == [
            "Biscuit is ill.",
            "My puppy is called Biscuit.",
        ]


@pytest.mark.parametrize("when", ["monday", "2023-13-01", "01.05.2023", "2023-05-01T25:00", ""])
def test_what_is_no_day_is_refused(when: str) -> None:
    for since, until in ((when, None), (None, when)):
        with pytest.raises(UsageError, match="write it as 2023-05-01"):
            make_limits(since, until, None)


def test_who_is_no_speaker_is_refused() -> None:
    with pytest.raises(UsageError, match="'bob': use user or assistant"):
        make_limits(None, None, "bob")


def test_no_limits_are_no_limits() -> None:
    assert not make_limits(None, None, None)
    assert make_limits(0, None, None)
    assert make_limits(None, None, "user").admit(0, "user")
