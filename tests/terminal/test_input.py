import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory

from turnkeep.errors import StoreError
from turnkeep.terminal.input import CommandCompleter, clean_typed, open_history


def test_the_history_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "input-history"
    history = open_history(path)
    history.append_string("two\nlines")
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(open_history(path).load_history_strings()) == ["two\nlines"]


def test_a_history_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "input-history"
    path.touch()
    path.chmod(0o644)
    with pytest.raises(StoreError, match="run `chmod 600"):
        open_history(path)


def test_where_no_file_can_be_made_what_is_typed_is_kept_for_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert isinstance(open_history(tmp_path / "file" / "input-history"), InMemoryHistory)


def test_a_full_disk_costs_the_history_not_the_chat(tmp_path: Path) -> None:
    path = tmp_path / "input-history"
    history = open_history(path)
    path.unlink()
    path.mkdir()  # every write fails from here on
    history.append_string("hello")
    assert history.get_strings() == ["hello"]


def test_bytes_that_are_no_utf_8_do_not_end_the_chat(tmp_path: Path) -> None:
    typed = os.fsdecode(b"caf\xe9")
    assert clean_typed(typed) == "caf\ufffd"
    history = open_history(tmp_path / "input-history")
    history.append_string(typed)
    assert list(open_history(tmp_path / "input-history").load_history_strings()) == ["caf\ufffd"]


def complete(typed: str) -> list[str]:
    async def names(command: str) -> list[str]:
        return {"/switch": ["ana", "bob"]}.get(command, [])

    async def run() -> list[str]:
        completer = CommandCompleter({"/set": "Sets.", "/switch": "Switches.", "/help": "Helps."}, names)
        found = completer.get_completions_async(Document(typed), CompleteEvent())
        return [completion.text async for completion in found]

    return asyncio.run(run())


def test_commands_and_what_follows_them_are_completed() -> None:
    assert complete("/s") == ["/set", "/switch"]
    assert complete("/switch a") == ["ana"]
    assert complete("/switch ") == ["ana", "bob"]
    assert complete("/help x") == []
    assert complete("a /s") == []
    assert complete("/s\n") == []
