"""A short run of the soak: what is forgotten at random is in no file, and a kill leaves it done or not."""

from pathlib import Path

from tests.forget_soak import soak


def test_what_is_forgotten_is_in_no_file_and_all_else_is_whole(tmp_path: Path) -> None:
    kinds, ended = soak(tmp_path, turns=60, forgets=14, kills=3)
    assert sum(kinds.values()) >= 14 + 1  # at the end, each owner's
    assert {"OneTurn", "OneItem", "EveryMention"} <= kinds.keys()
    assert sum(ended.values()) == 3
