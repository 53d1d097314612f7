"""Who may come in: keys, Host, Origin, and what each key sees."""

import asyncio
import itertools

import pytest

from tests.gateway.asgi import Site
from turnkeep.errors import UsageError
from turnkeep.gateway import door
from turnkeep.gateway.door import Door, bracket, is_loopback
from turnkeep.gateway.gateway import ServeSettings
from turnkeep.gateway.http import Answer, Call, Route
from turnkeep.settings import OWNER
from turnkeep.store.keys import SECRET_PREFIX, digest_secret, make_secret
from turnkeep.testing import EphemeralStore


async def tell_owner(call: Call) -> Answer:
    return Answer(body={"owner": call.owner})


ROUTES = (
    Route(method="GET", pattern="/who", handler=tell_owner, summary="Whose."),
    Route(method="POST", pattern="/who", handler=tell_owner, summary="Whose."),
    Route(method="GET", pattern="/open", handler=tell_owner, summary="Anybody's.", open=True),
)
HERE = {"embeddings": "off"}


def site(**given: object) -> Site:
    return Site(routes=ROUTES, sockets=(), settings=ServeSettings(**{**HERE, **given}))  # type: ignore[arg-type]


async def make_key(here: Site, name: str = "ana") -> tuple[str, str]:
    """A key's secret and owner."""
    secret = make_secret()
    row = await here.store.create_key(name, digest_secret(secret), now=0.0)
    return secret, row.owner


# -- Host ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:8090", 200),
        ("LOCALHOST:8090", 200),
        ("localhost.", 200),
        ("[::1]:8090", 200),
        ("", 200),  # HTTP/1.0, which no browser speaks
        ("evil.example", 403),
        ("evil.example:8090", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("[::1].evil.example", 403),
        ("evil.example#localhost", 403),
        ("192.168.0.7", 403),
    ],
)
def test_on_loopback_only_its_own_names_are_answered(host: str, status: int) -> None:
    async def run() -> None:
        async with site() as here:
            assert (await here.get("/open", {"host": host})).status == status

    asyncio.run(run())


def test_further_names_can_be_allowed() -> None:
    async def run() -> None:
        async with site(hosts=("Chat.Example",)) as here:
            assert (await here.get("/who", {"host": "chat.example"})).status == 200
            assert (await here.get("/who", {"host": "other.example"})).status == 403

    asyncio.run(run())


def test_elsewhere_than_on_loopback_the_key_protects() -> None:
    async def run() -> None:
        async with site(host="0.0.0.0") as here:
            secret, owner = await make_key(here)
            got = await here.get("/who", {"host": "my-server.lan", "authorization": f"Bearer {secret}"})
            assert got.json == {"owner": owner}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.7", False),
        ("localhost.example", False),
        ("my-server", False),
    ],
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_an_address_with_colons_stands_in_brackets() -> None:
    assert [bracket(host) for host in ("::1", "[::1]", "127.0.0.1")] == ["[::1]", "[::1]", "127.0.0.1"]


# -- Origin -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8090", 200),  # a page of ours
        ("http://127.0.0.1:3000", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://[", 403),
        ("", 403),
        ("https://chat.example", 200),
        ("https://chat.example.evil.example", 403),
        ("http://chat.example", 403),
    ],
)
def test_only_listed_pages_may_call(origin: str, status: int) -> None:
    async def run() -> None:
        async with site(origins=("https://chat.example/",)) as here:
            got = await here.post("/who", {}, {"host": "127.0.0.1:8090", "origin": origin})
            assert got.status == status
            listed = origin == "https://chat.example"
            assert got.headers.get("access-control-allow-origin") == (origin if listed else None)

    asyncio.run(run())


def test_a_page_whose_name_was_pointed_at_this_machine_is_refused() -> None:
    async def run() -> None:
        async with site() as here:
            headers = {"host": "evil.example:8090", "origin": "http://evil.example:8090"}
            assert (await here.post("/who", {}, headers)).status == 403

    asyncio.run(run())


def test_a_preflight_of_a_listed_page_is_answered_without_a_key() -> None:
    async def run() -> None:
        async with site(origins=("https://chat.example",), require_key=True) as here:
            ask = {"origin": "https://chat.example", "access-control-request-method": "POST"}
            got = await here.call("OPTIONS", "/who", None, ask)
            assert got.status == 204
            assert got.headers["access-control-allow-origin"] == "https://chat.example"
            assert "POST" in got.headers["access-control-allow-methods"]
            assert "authorization" in got.headers["access-control-allow-headers"]
            assert "access-control-allow-credentials" not in got.headers
            refused = await here.call("OPTIONS", "/who", None, {**ask, "origin": "https://evil.example"})
            assert refused.status == 403
            assert "access-control-allow-origin" not in refused.headers

    asyncio.run(run())


def test_errors_can_be_read_by_listed_pages_too() -> None:
    async def run() -> None:
        async with site(origins=("https://chat.example",), require_key=True) as here:
            got = await here.get("/who", {"origin": "https://chat.example"})
            assert (got.status, got.headers["access-control-allow-origin"]) == (401, "https://chat.example")

    asyncio.run(run())


def test_any_page_may_call_only_where_a_key_is_asked_for() -> None:
    with pytest.raises(UsageError, match="--require-key"):
        Door(ServeSettings(origins=("*",)), EphemeralStore(), lambda: 0.0)

    async def run() -> None:
        async with site(origins=("*",), require_key=True) as here:
            secret, _owner = await make_key(here)
            headers = {"origin": "https://any.example", "authorization": f"Bearer {secret}"}
            got = await here.get("/who", headers)
            assert got.headers["access-control-allow-origin"] == "https://any.example"

    asyncio.run(run())


# -- keys ---------------------------------------------------------------------------------------------
def test_on_loopback_nobody_needs_a_key_and_the_keys_that_programs_make_up_do_not_matter() -> None:
    async def run() -> None:
        async with site() as here:
            for headers in (
                {},
                {"authorization": "Bearer EMPTY"},
                {"x-api-key": "sk-123"},
                {"authorization": "Basic x"},
            ):
                assert (await here.get("/who", headers)).json == {"owner": OWNER}

    asyncio.run(run())


def test_on_loopback_a_key_of_ours_opens_its_own_conversations() -> None:
    async def run() -> None:
        async with site() as here:
            secret, owner = await make_key(here)
            for headers in ({"authorization": f"bearer {secret}"}, {"x-api-key": secret}):
                assert (await here.get("/who", headers)).json == {"owner": owner}
            assert owner != OWNER

    asyncio.run(run())


def test_what_looks_like_a_key_of_ours_and_is_none_is_refused_even_on_loopback() -> None:
    async def run() -> None:
        async with site() as here:
            got = await here.get("/who", {"authorization": f"Bearer {SECRET_PREFIX}mistyped"})
            assert (got.status, got.error["code"]) == (401, "invalid_api_key")

    asyncio.run(run())


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer "}, {"authorization": "Bearer x"}, {"x-api-key": "é"}]
)
def test_where_a_key_is_asked_for_nothing_else_opens(headers: dict[str, str]) -> None:
    async def run() -> None:
        async with site(require_key=True) as here:
            got = await here.get("/who", headers)
            assert (got.status, got.error["type"]) == (401, "authentication_error")
            assert got.headers["www-authenticate"] == "Bearer"
            assert "turnkeep key make" in got.error["message"]
            assert (await here.get("/open", headers)).json == {"owner": ""}

    asyncio.run(run())


def test_nothing_of_a_body_is_read_without_a_key() -> None:
    async def run() -> None:
        async with site(require_key=True) as here:
            request = here.begin("POST", "/who", parts=[None])  # a body that never comes
            assert (await request.whole()).status == 401

    asyncio.run(run())


def test_a_revoked_key_is_shut_out_within_seconds() -> None:
    async def run() -> None:
        now = 1_000.0
        store = EphemeralStore()
        found = Door(ServeSettings(require_key=True), store, lambda: now)
        secret = make_secret()
        row = await store.create_key("ana", digest_secret(secret), now=now)
        headers = {"authorization": f"Bearer {secret}"}
        assert await found.let_in(headers) == row.owner
        await store.revoke_key("ana", now=now)
        now += door.KNOWN_SECONDS
        with pytest.raises(UsageError, match="not known"):
            await found.let_in(headers)
        await store.close()

    asyncio.run(run())


def test_a_key_is_looked_up_once_in_a_while_and_few_are_held() -> None:
    class Counting(EphemeralStore):
        looked = 0

        async def find_key(self, digest: bytes, *, now: float) -> None:
            self.looked += 1

    async def run() -> None:
        store = Counting()
        found = Door(ServeSettings(require_key=True), store, lambda: 0.0)
        for secret in itertools.chain(["same"] * 5, map(str, range(door.MOST_KNOWN + 10))):
            with pytest.raises(UsageError):
                await found.let_in({"x-api-key": secret})
        assert store.looked == 1 + door.MOST_KNOWN + 10
        assert len(found._known) <= door.MOST_KNOWN
        await store.close()

    asyncio.run(run())


def test_two_keys_see_two_owners() -> None:
    async def run() -> None:
        async with site(require_key=True) as here:
            (one, first), (other, second) = await make_key(here, "ana"), await make_key(here, "ben")
            assert first != second
            assert (await here.get("/who", {"x-api-key": one})).json == {"owner": first}
            assert (await here.get("/who", {"x-api-key": other})).json == {"owner": second}

    asyncio.run(run())
