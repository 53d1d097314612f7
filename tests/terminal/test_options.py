import asyncio
from pathlib import Path

import pytest

from turnkeep.errors import UsageError
from turnkeep.library import AsyncChat
from turnkeep.settings import Settings
from turnkeep.terminal.options import describe_options, set_option

SETTINGS = Settings(home=Path("h"), config=Path("c"))


class StrictChat(AsyncChat):
    """Takes options as the library does, and nothing else."""

    def __init__(self) -> None:
        super().__init__("none")
        self.asked: list[dict[str, object]] = []

    async def set_options(self, **options: object) -> None:
        await super().set_options(**options)
        self.asked.append(options)


def set_it(name: str, value: str, settings: Settings = SETTINGS) -> tuple[Settings, list[dict[str, object]]]:
    chat = StrictChat()
    return asyncio.run(set_option(chat, settings, name, value)), chat.asked


def test_options_reach_the_chat_as_their_kind() -> None:
    assert set_it("temperature", "0.5")[1] == [{"temperature": 0.5}]
    assert set_it("max_tokens", "-1")[1] == [{"max_tokens": -1}]
    settings, asked = set_it("strategy", "window:5")
    assert asked == [{"strategy": "window:5"}]
    assert settings.strategy == "window:5"


def test_further_fields_reach_the_engine_as_given() -> None:
    settings, asked = set_it("top_p", "0.9")
    assert asked == [{"sampling": {"top_p": 0.9}}]
    settings, asked = set_it("stop", '["a", "b"]', settings)
    assert asked == [{"sampling": {"stop": ["a", "b"]}}]
    assert set_it("new_field_of_an_engine", "END")[1] == [{"sampling": {"new_field_of_an_engine": "END"}}]
    assert list(describe_options(settings)) == [
        "temperature: left to the engine",
        "max_tokens: left to the engine",
        "strategy: window,summary,recall",
        "top_p: 0.9",
        'stop: ["a", "b"]',
    ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("temperature", "hot", "temperature must be a number"),
        ("temprature", "1", "did you mean temperature?"),
        ("topp", "1", "did you mean top_p?"),
        ("a-b", "1", "There is no option 'a-b'."),
        ("model", "x", "use /model"),
        ("system", "x", "use /system"),
        ("window", "1", "cannot be set while talking"),
        ("messages", "[]", "cannot be set while talking"),
        ("api_key", "sk-secret", "cannot be set while talking"),
    ],
)
def test_what_cannot_be_set_is_refused_by_name(name: str, value: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        set_it(name, value)
    assert words in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_default_leaves_an_option_to_the_engine_again() -> None:
    settings, asked = set_it(
        "temperature", "default", Settings(home=Path("h"), config=Path("c"), temperature=0.5)
    )
    assert asked == [{"temperature": None}]
    assert settings.temperature is None
    settings, asked = set_it(
        "top_p", "Default", Settings(home=Path("h"), config=Path("c"), sampling={"top_p": 0.9})
    )
    assert asked == [{"sampling": {"top_p": None}}]
    assert settings.sampling == {}
