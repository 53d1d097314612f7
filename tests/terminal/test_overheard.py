import logging

import pytest

from turnkeep.terminal.overheard import overhear


def test_warnings_are_kept_from_standard_error_and_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("turnkeep.upkeep")
    with overhear() as overheard:
        log.warning("upkeep ended early: %s", "no\nroom")
        log.warning("upkeep ended early: %s", "no\nroom")
        log.info("nothing to see")
        assert overheard.take() == ["upkeep ended early: no room"]
        assert overheard.take() == []
    assert capfd.readouterr() == ("", "")


def test_afterwards_logging_is_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    with overhear():
        pass
    logging.getLogger("turnkeep").warning("heard again")
    assert caplog.messages == ["heard again"]
