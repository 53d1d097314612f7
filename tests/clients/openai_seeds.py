"""A pytest plugin for the tests that openai ships: the fixed ids that they use, and which of them cannot pass.

Their tests ask for "conv_123" and the like, which only a server that makes everything up has. Here each
stands, before each test, as an alias of a real conversation, item, response or completion in the gateway's database. A test
that is listed in openai_unmet.txt has to fail: one that passes is a failure, and so is a line that names none.

Environment: TEST_API_BASE_URL, where the gateway is; SUITE_DATABASE, its database.
"""

import asyncio
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from turnkeep.store.sqlite import SqliteStore

OWNER = "local"  # who calls a loopback gateway with a key that is not its own
UNMET = Path(__file__).with_name("openai_unmet.txt")
SECONDS = 60.0

CONVERSATIONS = {"conv_123": "msg_abc", "string": "string_item"}  # alias -> alias of its item
RESPONSES = ("resp_677efb5139a88190b512bc3fef8e535d", "response_id", "resp_123", "previous_response_id")
COMPLETIONS = ("completion_id", "after")  # the second: behind which a list begins


# -- what cannot pass -----------------------------------------------------------------------------
def read_unmet() -> dict[str, str]:
    """The tests that cannot pass, with the reason of each: lines of "FILE::TEST: REASON"."""
    lines = [line for line in UNMET.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split(": ", 1) for line in lines)


def names_of(test: str) -> tuple[str, ...]:
    """The names under which a test may be listed, of "tests/api_resources/FILE::CLASS::TEST[CLIENT]"."""
    path, _, client = test.partition("[")
    file, *_, name = path.removeprefix("tests/api_resources/").split("::")
    name = f"{file}::{name}"
    return (name,) if client == "loose]" else (name, f"{name}[strict]")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Expect of the listed tests that they fail."""
    unmet, used = read_unmet(), set()
    for item in items:
        for name in names_of(item.nodeid):
            if name in unmet:
                used.add(name)
                item.add_marker(pytest.mark.xfail(reason=unmet[name], strict=True))
    if (unused := unmet.keys() - used) and not config.option.keyword and not config.option.lf:
        raise pytest.UsageError(f"{UNMET.name} names tests that are not there: {', '.join(sorted(unused))}")


# -- the fixed ids --------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def seeds() -> Iterator["Seeds"]:
    """The gateway and its database."""
    with asyncio.Runner() as runner:
        seeds = Seeds(os.environ["TEST_API_BASE_URL"], Path(os.environ["SUITE_DATABASE"]), runner)
        yield seeds
        seeds.close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Have the ids seeded before everything else of a test."""
    for item in session.items:
        assert isinstance(item, pytest.Function)
        item.fixturenames.insert(0, "seeded")


@pytest.fixture
def seeded(seeds: "Seeds") -> None:
    """Let every fixed id lead somewhere."""
    for conversation, item in CONVERSATIONS.items():
        seeds.renew_conversation(conversation, item)
    for response in RESPONSES:
        seeds.renew(response, seeds.make_response)
    for completion in COMPLETIONS:
        seeds.renew(completion, seeds.make_completion)


class Seeds:
    """Makes things at a gateway, and gives them other names in its database."""

    def __init__(self, url: str, database: Path, runner: asyncio.Runner) -> None:
        self._url, self._runner = url, runner
        self._store = SqliteStore(database)

    def close(self) -> None:
        self._runner.run(self._store.close())

    def renew(self, alias: str, make: Callable[[], str]) -> None:
        """Make what an alias stands for, unless it is there."""
        if self._runner.run(self._store.find_id(OWNER, alias)) is None:
            self._name(alias, make())

    def renew_conversation(self, alias: str, item_alias: str) -> None:
        """Begin a conversation anew: tests add to it and delete from it."""
        if self._runner.run(self._store.find_id(OWNER, alias)) is not None:
            self._call("DELETE", f"/conversations/{alias}")
        item = {"type": "message", "role": "user", "content": "Hello."}
        conversation = self._call("POST", "/conversations", {"items": [item]})["id"]
        items = self._call("GET", f"/conversations/{conversation}/items")["data"]
        self._name(alias, conversation)
        self._name(item_alias, items[0]["id"])

    def make_response(self) -> str:
        """A background one: no other can be cancelled."""
        body = {"input": "Hello.", "background": True, "max_output_tokens": 4}
        response: str = self._call("POST", "/responses", body)["id"]
        with urllib.request.urlopen(
            f"{self._url}/responses/{response}?stream=true", timeout=SECONDS
        ) as stream:
            stream.read()  # to its end
        return response

    def make_completion(self) -> str:
        body = {"messages": [{"role": "user", "content": "Hello."}], "store": True, "max_tokens": 4}
        return str(self._call("POST", "/chat/completions", body)["id"])

    def _name(self, alias: str, target: str) -> None:
        self._runner.run(self._store.save_alias(OWNER, alias, target))

    def _call(self, method: str, path: str, body: object = None) -> Any:  # Any: JSON
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._url + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from error
