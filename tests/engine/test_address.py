"""Addresses are taken as people write them, and refused in one sentence."""

import pytest

from turnkeep.engine.address import parse_url
from turnkeep.errors import UsageError


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://localhost:8080/v1", "http://localhost:8080"),
        ("http://localhost:8080/v1/", "http://localhost:8080"),
        ("http://localhost:8080/v1/chat/completions", "http://localhost:8080"),
        (" HTTP://LocalHost:8080/v1 ", "http://localhost:8080"),
        ("https://example.org/openai/v1", "https://example.org/openai"),
        ("http://[::1]:8080/v1", "http://[::1]:8080"),
        ("http://example.org", "http://example.org"),
    ],
)
def test_every_form_of_an_address_is_one(text: str, url: str) -> None:
    assert parse_url(text) == url


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("localhost:8080", "begin it with http://"),
        ("", "begin it with http://"),
        ("my engine", "begin it with http://"),
        ("ftp://localhost", "http or https, not by 'ftp'"),
        ("http://", "names no host"),
        ("http:///v1", "names no host"),
        ("http://my engine", "names no host"),
        ("http://localhost:port", "cannot be read"),
        ("http://localhost:99999", "cannot be read"),
        ("http://[::1", "cannot be read"),
        ("http://ana:secret@localhost", "--api-key"),
    ],
)
def test_what_is_no_address_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_url(text)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
