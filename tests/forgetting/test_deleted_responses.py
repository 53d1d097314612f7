"""A response that is deleted leaves no words behind that nobody can reach any more, whatever breaks off or comes between."""

import asyncio
from pathlib import Path

from tests.forgetting.test_course import SECRET, all_bytes
from tests.gateway.asgi import Site
from turnkeep.errors import Conflict
from turnkeep.gateway.gateway import ServeSettings
from turnkeep.store.erasing import Erased
from turnkeep.store.sqlite import SqliteStore

SETTINGS = ServeSettings(embeddings="off")


async def ask(site: Site, text: str, previous: str | None = None) -> str:
    asked = {"input": text} if previous is None else {"input": text, "previous_response_id": previous}
    return str((await site.post("/v1/responses", asked)).json["id"])


def test_a_deletion_that_was_broken_off_can_be_asked_for_again(tmp_path: Path) -> None:
    class Broken(SqliteStore):
        fails = 0  # at which erasure from now on

        async def erase(self, *given: object, **named: object) -> Erased | None:
            self.fails -= 1
            if self.fails == 0:
                raise Conflict("Another program is writing to this conversation: wait for it.")
            return await super().erase(*given, **named)  # type: ignore[arg-type]

    async def main() -> None:
        store = Broken(tmp_path / "turnkeep.db")
        async with Site(store=store, settings=SETTINGS) as site:
            first = await ask(site, "Who is there?")
            await ask(site, "Nobody else?", first)
            second = await ask(site, f"My aunt is a {SECRET}.", first)
            third = await ask(site, f"My uncle, too, is a {SECRET}.", second)
            assert (
                await site.delete(f"/v1/responses/{second}")
            ).status == 200  # its words are read by the third
            for fails in (2, 1):
                store.fails = fails
                assert (await site.delete(f"/v1/responses/{third}")).status == 409
            store.fails = 0
            assert (await site.delete(f"/v1/responses/{third}")).status == 200
            assert (await site.delete(f"/v1/responses/{third}")).status == 404
        assert SECRET.encode() not in all_bytes(tmp_path)

    asyncio.run(main())


def test_two_responses_that_are_deleted_at_once_leave_no_words_to_each_other(tmp_path: Path) -> None:
    async def main() -> None:
        async with Site(store=SqliteStore(tmp_path / "turnkeep.db"), settings=SETTINGS) as site:
            first = await ask(site, f"My aunt is a {SECRET}.")
            second = await ask(site, f"My uncle, too, is a {SECRET}.", first)
            gone = await asyncio.gather(*(site.delete(f"/v1/responses/{each}") for each in (first, second)))
            assert [each.status for each in gone] == [200, 200]
        assert SECRET.encode() not in all_bytes(tmp_path)

    asyncio.run(main())
