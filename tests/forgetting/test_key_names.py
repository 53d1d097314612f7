"""A value in the name of a gateway's key: the name gets the mark, wherever it stands, and the key goes on working."""

import asyncio
from pathlib import Path

import pytest

from tests.forgetting.test_course import all_bytes, forgetter
from tests.gateway.asgi import Site
from turnkeep.audit.base import AuditRules
from turnkeep.audit.folder import Folder
from turnkeep.audit.reading import check_folder
from turnkeep.cli import run
from turnkeep.gateway.gateway import ServeSettings
from turnkeep.store.erasing import EveryMention
from turnkeep.store.keys import digest_secret, make_secret
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.backups import back_up

SETTINGS = ServeSettings(embeddings="off", require_key=True, audit=AuditRules(level="full"))


async def make_keys(store: SqliteStore, *names: str) -> list[str]:
    """Make keys; returns their secrets."""
    secrets = [make_secret() for _ in names]
    for name, secret in zip(names, secrets, strict=True):
        await store.create_key(name, digest_secret(secret), now=0.0)
    return secrets


async def names(store: SqliteStore) -> list[str]:
    return [key.name for key in await store.list_keys()]


def test_a_value_goes_from_the_names_of_keys_and_the_keys_go_on_working(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "turnkeep.db"

    async def say() -> list[str]:
        secrets = await make_keys(SqliteStore(path), "Zoltan's phone", "laptop", "zoltan's phone")
        await ask(secrets)
        back_up(path, tmp_path / "backup.db", lambda _done, _total: None)
        return secrets

    async def ask(secrets: list[str]) -> None:
        async with Site(replies=["Yes."] * 3, store=SqliteStore(path), settings=SETTINGS) as site:
            for secret in secrets:
                key = {"authorization": f"Bearer {secret}"}
                assert (await site.post("/v1/responses", {"input": "Is it?"}, key)).status == 200

    async def look(secrets: list[str]) -> None:
        store = SqliteStore(path)
        assert await names(store) == ["[forgotten]'s phone", "laptop", "[forgotten]'s phone 2"]
        assert (await check_folder(Folder.of(path), store, asyncio.to_thread)).findings == []
        await store.close()
        await ask(secrets)

    secrets = asyncio.run(say())
    assert b"oltan" in all_bytes(tmp_path)
    assert run(["forget", "--value", "Zoltan", "--yes"]) == 0
    told = capsys.readouterr().out
    assert "api_key rewritten 2" in told
    assert "audit: turns 2" in told
    assert b"oltan" not in all_bytes(tmp_path)
    assert b"laptop" in all_bytes(home / "turnkeep.db-audit")
    asyncio.run(look(secrets))


def test_a_value_of_one_owner_goes_from_the_names_of_the_owners_own_keys(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path / "turnkeep.db")
        await make_keys(store, "Zoltan's phone", "Zoltan's laptop")
        first, _ = await store.list_keys()
        await forgetter(store).forget("local", EveryMention(value="Zoltan"))
        assert await names(store) == ["Zoltan's phone", "Zoltan's laptop"]
        await forgetter(store).forget(first.owner, EveryMention(value="Zoltan"))
        assert await names(store) == ["[forgotten]'s phone", "Zoltan's laptop"]
        await store.close()

    asyncio.run(main())
