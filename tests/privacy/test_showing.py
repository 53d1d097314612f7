"""What is shown of a value, and what is not."""

import pytest

from turnkeep.privacy import show_partly


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("EMAIL", "anna@example.com", "a***@e***.com"),
        ("EMAIL", "a@b.co.uk", "a***@b***.uk"),
        ("PHONE", "030 123456", "*** ****56"),
        ("CARD", "4111 1111 1111 1111", "**** **** **** **11"),
        ("NATIONAL_ID", "853-37-1694", "***-**-**94"),
        ("NICK", "Al", "**"),
        ("SECRET", "ghp_" + "x" * 40, "ghp_*** (44 characters)"),
    ],
)
def test_a_value_is_shown_in_part(kind: str, value: str, shown: str) -> None:
    assert show_partly(kind, value) == shown
