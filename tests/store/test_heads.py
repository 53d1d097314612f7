"""What the database keeps of the audit journal's files: rows move on, and never back."""

import asyncio
from dataclasses import replace

from turnkeep.store.heads import AuditHead
from turnkeep.testing import EphemeralStore

HEAD = AuditHead(file="0001-000001.jsonl", count=0, link="0" * 64, state="open", mac="a")
OTHER = replace(HEAD, file="0002-000001.jsonl")


def roll(files: int) -> AuditHead:
    return AuditHead(file="", count=files, link="", state="open", mac=f"roll {files}")


def run(script):
    async def main():
        store = EphemeralStore()
        try:
            return await script(store)
        finally:
            await store.close()

    return asyncio.run(main())


def test_a_file_is_begun_with_the_roll_that_counts_it() -> None:
    async def script(store):
        assert await store.begin_audit_file(HEAD, roll(1))
        assert await store.begin_audit_file(OTHER, roll(2))
        return await store.load_audit_heads()

    assert run(script) == [roll(2), HEAD, OTHER]


def test_of_two_who_begin_at_once_one_asks_again() -> None:
    async def script(store):
        assert await store.begin_audit_file(HEAD, roll(1))
        assert not await store.begin_audit_file(OTHER, roll(1))
        assert await store.begin_audit_file(HEAD, roll(7))  # it is there already
        return await store.load_audit_heads()

    assert run(script) == [roll(1), HEAD]


def test_a_row_never_goes_back() -> None:
    async def script(store):
        await store.begin_audit_file(HEAD, roll(1))
        await store.save_audit_heads([replace(HEAD, count=5, link="5", mac="b"), OTHER])
        await store.save_audit_heads([replace(HEAD, count=4, link="4", mac="c")])
        five = await store.load_audit_heads()
        await store.save_audit_heads([replace(HEAD, count=5, link="5", state="expired", mac="d")])
        await store.save_audit_heads([replace(HEAD, count=6, link="6", mac="e")])
        return five[1:], (await store.load_audit_heads())[1:]

    five, last = run(script)
    assert five == [replace(HEAD, count=5, link="5", mac="b")]
    assert last == [replace(HEAD, count=5, link="5", state="expired", mac="d")]
