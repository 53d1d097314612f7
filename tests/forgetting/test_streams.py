"""What a response streams is forgotten with it, though whoever runs it holds its last events and keeps them afterwards."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.event_order import check_events, parse_stream
from tests.forgetting.test_course import SECRET, all_bytes, forgetter
from tests.gateway.asgi import Site
from turnkeep.gateway import background
from turnkeep.gateway.forgetters import clean
from turnkeep.gateway.gateway import ServeSettings
from turnkeep.store.erasing import EveryMention, OneConversation
from turnkeep.store.sqlite import SqliteStore


class Late(SqliteStore):
    """Keeps the end of a stream only when it is let."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.told, self.let = asyncio.Event(), asyncio.Event()

    async def save_events(self, owner: str, response: str, events: Any) -> bool:
        if "response.completed" in events[-1][1]:
            self.told.set()
            await self.let.wait()
        return await super().save_events(owner, response, events)


async def begin(site: Site, **fields: Any) -> tuple[str, str]:
    """Ask in the background, in a conversation of its own; returns the ids of that and the response."""
    conversation = (await site.post("/v1/conversations", {})).json["id"]
    asked = {"input": "Who is she?", "conversation": conversation, "background": True, **fields}
    return conversation, (await site.post("/v1/responses", asked)).json["id"]


@pytest.mark.parametrize("kind", ["item", "value", "metadata"])
def test_the_last_events_of_what_was_forgotten_are_not_kept(tmp_path: Path, kind: str) -> None:
    said, about = ("She is old.", SECRET) if kind == "metadata" else (f"She is a {SECRET}.", "her")

    async def main() -> None:
        store = Late(tmp_path / "turnkeep.db")
        async with Site(replies=[said], store=store, settings=ServeSettings(embeddings="off")) as site:
            conversation, response = await begin(site, metadata={"about": about})
            await store.told.wait()
            if kind == "item":
                items = (await site.get(f"/v1/conversations/{conversation}/items")).json["data"]
                (item,) = (each["id"] for each in items if each["role"] == "assistant")
                await site.delete(f"/v1/conversations/{conversation}/items/{item}")
            else:
                await forgetter(store).forget("local", EveryMention(value=SECRET))
            running = background.find_background(site.gateway, response)
            assert running is not None
            store.let.set()
            await asyncio.wait({running.task})
            await clean(site.gateway)
            for _ in range(2):  # and a replay keeps nothing either
                assert SECRET.encode() not in all_bytes(tmp_path)
                got = await site.get(f"/v1/responses/{response}?stream=true")
                assert check_events(parse_stream(got.body))["status"] == "completed"
                assert SECRET not in got.text

    asyncio.run(asyncio.wait_for(main(), 60))


def test_who_follows_a_response_that_is_deleted_at_its_end_is_told_the_end(tmp_path: Path) -> None:
    async def main() -> None:
        store = Late(tmp_path / "turnkeep.db")
        async with Site(
            replies=["She is old."], store=store, settings=ServeSettings(embeddings="off")
        ) as site:
            conversation, response = await begin(site)
            following = asyncio.create_task(site.get(f"/v1/responses/{response}?stream=true"))
            await store.told.wait()
            await forgetter(store).forget("local", OneConversation(conversation=conversation))
            store.let.set()
            assert check_events(parse_stream((await following).body))["status"] == "completed"

    asyncio.run(asyncio.wait_for(main(), 60))
