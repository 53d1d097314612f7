"""The audit's settings: read from a table or flat, refused in one sentence."""

from pathlib import Path

import pytest

from turnkeep.audit.base import AuditRules
from turnkeep.errors import UsageError
from turnkeep.settings import load_settings


def load(tmp_path: Path, text: str, **environ: str) -> AuditRules:
    config = tmp_path / "config.toml"
    config.write_text(text)
    return load_settings({"config": str(config)}, {"TURNKEEP_HOME": str(tmp_path), **environ}).audit


@pytest.mark.parametrize(
    "text",
    [
        "[audit]\nlevel = 'full'\nrequired = true\nkeep_days = 30\nrotate_bytes = 4096\nrotate_days = 0.5",
        "audit.level = 'full'\naudit.required = true\naudit.keep_days = 30\naudit.rotate_bytes = 4096\naudit.rotate_days = 0.5",
        "audit_level = 'full'\naudit_required = true\naudit_keep_days = 30\naudit_rotate_bytes = 4096\naudit_rotate_days = 0.5",
    ],
)
def test_the_rules_stand_in_a_table_or_flat(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == AuditRules(
        level="full", required=True, keep_days=30.0, rotate_bytes=4_096, rotate_days=0.5
    )


def test_nothing_set_is_the_default(tmp_path: Path) -> None:
    assert load(tmp_path, "") == AuditRules()


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    given = {"TURNKEEP_AUDIT_LEVEL": "off", "TURNKEEP_AUDIT_ROTATE_BYTES": "5000"}
    assert load(tmp_path, "audit.level = 'full'", **given) == AuditRules(level="off", rotate_bytes=5_000)


def test_off_needs_no_quotes(tmp_path: Path) -> None:
    assert load(tmp_path, "audit.level = false").level == "off"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("audit.level = 'all'", "must be off, sizes, masked or full, not 'all'"),
        ("audit.rotate_bytes = 10", "must be a whole number of bytes, 4096 or more, not 10"),
        ("audit.rotate_bytes = 5000.5", "must be a whole number of bytes"),
        ("audit.rotate_days = 0", "must be a number of days above 0, not 0"),
        ("audit.rotate_days = nan", "must be a number of days above 0"),
        ("audit.keep_days = -1", "must be a number of days, or 0 for ever, not -1"),
        ("audit.keep_days = true", "must be a number of days, or 0 for ever"),
        ("audit.keep_days = 'x'", "must be a number of days, or 0 for ever"),
        ("audit.required = 3", "must be on or off"),
        ("audit.levle = 'full'", "did you mean audit_level"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        load(tmp_path, text)
