import asyncio
import importlib.util
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.fake_server import Exchange, FakeServer
from tests.engines import RealEngine
from turnkeep.cli import run
from turnkeep.conversation.items import Usage
from turnkeep.doctor import Finding, examine, examine_engine
from turnkeep.engine.base import Delta, End, EngineInfo, Request, TemplateRules, TextDelta, Warmed
from turnkeep.errors import EngineTimeout
from turnkeep.settings import Settings

INFO = EngineInfo(
    url="http://x", kind="generic", model="m", models=("m",), window=8_192, window_source="loaded", trained_window=8_192,
    tokenizer="t", counts=True,
)  # fmt: skip


class ScriptedEngine:
    """An engine of which everything is known beforehand; it takes nothing but the doctor's small prompt."""

    url = "http://x"

    def __init__(self, info: EngineInfo = INFO, cached: Sequence[int | None] = (0, 99)) -> None:
        self._info, self._cached = info, list(cached)

    async def probe(self, *, refresh: bool = False) -> EngineInfo:
        return self._info

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        assert request.max_tokens == 1
        assert [message["role"] for message in request.messages] == ["user"]
        yield TextDelta("x")
        yield End(finish_reason="length", usage=Usage(prompt_tokens=100, cached_tokens=self._cached.pop(0)))

    async def count(self, request: Request) -> int | None:
        raise NotImplementedError

    async def count_texts(self, texts: Sequence[str]) -> list[int] | None:
        raise NotImplementedError

    async def warm(self, request: Request) -> Warmed | None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


def findings(engine: ScriptedEngine) -> dict[str, Finding]:
    async def work() -> dict[str, Finding]:
        return {finding.what: finding async for finding in examine_engine(engine)}

    return asyncio.run(work())


def test_an_engine_that_does_everything_is_well() -> None:
    found = findings(ScriptedEngine())
    assert [finding.verdict for finding in found.values()] == ["ok"] * 6
    assert found["cache"].sentence == "read 100 tokens, then 1 of the same prompt"


@pytest.mark.parametrize(
    ("change", "what", "verdict", "words"),
    [
        ({"window_source": "default"}, "window", "wrong", "--window"),
        ({"window": 2_048}, "window", "note", "2,048 tokens of 8,192 it was trained for"),
        ({"window": 2_048, "trained_window": None}, "window", "ok", "2,048 tokens"),
        ({"counts": False}, "counting", "note", "estimated"),
        ({"template": TemplateRules(moves="a date")}, "template", "wrong", "a date"),
        ({"template": TemplateRules(base_in="first_user")}, "template", "note", "first user message"),
        ({"models": ("m", "n")}, "model", "ok", "it also serves n"),
        ({"notices": ("Look out.",)}, "engine", "note", "Look out."),
    ],
)
def test_what_an_engine_lacks_is_found(
    change: dict[str, object], what: str, verdict: str, words: str
) -> None:
    found = findings(ScriptedEngine(replace(INFO, **change)))[what]  # type: ignore[arg-type]  # fields of EngineInfo
    assert (found.verdict, found.failed) == (verdict, verdict == "wrong")
    assert words in found.sentence


def test_a_cache_that_reuses_nothing_is_wrong_and_a_silent_one_worth_knowing() -> None:
    assert findings(ScriptedEngine(cached=(0, 0)))["cache"].verdict == "wrong"
    assert findings(ScriptedEngine(cached=(None, None)))["cache"].verdict == "note"


def test_an_engine_that_fails_is_told_in_its_own_words() -> None:
    class Slow(ScriptedEngine):
        async def probe(self, *, refresh: bool = False) -> EngineInfo:
            raise EngineTimeout("It took too long.")

    assert findings(Slow())["engine"] == Finding("wrong", "engine", "It took too long.")


def examined(settings: Settings) -> dict[str, Finding]:
    async def work() -> dict[str, Finding]:
        return {finding.what: finding async for finding in examine(settings)}

    return asyncio.run(work())


def test_a_real_engine_and_a_fresh_home_are_well(llama: RealEngine, tmp_path: Path) -> None:
    found = examined(Settings(home=tmp_path / "home", config=tmp_path / "c.toml", engine=llama.url))
    assert not any(finding.failed for finding in found.values()), found
    assert found["cache"].verdict == "ok"
    assert found["template"].sentence == "keeps the front of the prompt still"
    assert not (tmp_path / "home").exists(), "looking makes nothing"


def test_extras_are_installed_or_it_is_said_what_follows(
    llama: RealEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path / "home", config=tmp_path / "c.toml", engine=llama.url)
    there = importlib.util.find_spec
    missing: set[str] = set()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else there(name))
    for extra, package in (("privacy", "phonenumbers"), ("encryption", "cryptography")):
        assert examined(settings)[f"extra {extra}"] == Finding("ok", f"extra {extra}", "installed")
        missing.add(package)
        found = examined(settings)[f"extra {extra}"]
        assert found.verdict == "note"
        assert found.sentence.startswith("not installed, so ")
        assert found.sentence.endswith(f": pip install 'turnkeep[{extra}]'")


def test_an_engine_that_loads_is_a_finding_at_once(tmp_path: Path) -> None:
    async def loading(exchange: Exchange) -> None:
        await exchange.json({"error": {"message": "Loading model", "code": 503}}, 503)

    async def work() -> tuple[list[Finding], int]:
        async with FakeServer(dict.fromkeys(("/v1/models", "/props"), loading)) as server:
            settings = Settings(home=tmp_path, config=tmp_path / "c.toml", engine=server.url)
            return [finding async for finding in examine(settings)], len(server.seen)

    found, asked = asyncio.run(work())
    assert found[-1].failed
    assert "still loading its model: try again when it is ready" in found[-1].sentence
    assert asked == 1


def test_a_window_that_is_not_told_is_one_finding() -> None:
    notice = "The engine does not say how long its context window is: 4,096 tokens are assumed."
    engine = ScriptedEngine(replace(INFO, window_source="default", notices=(notice, "Look out.")))

    async def work() -> list[str]:
        return [finding.sentence async for finding in examine_engine(engine)]

    told = asyncio.run(work())
    assert notice not in told
    assert "Look out." in told


def test_the_disk_of_a_relative_database_has_its_whole_path(
    llama: RealEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(home=tmp_path, config=tmp_path / "c.toml", engine=llama.url, db=Path("d.db"))
    assert examined(settings)["disk"].sentence.endswith(f"free at {tmp_path}")


def test_a_damaged_database_is_wrong(llama: RealEngine, tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (a)")
    other.close()
    found = examined(Settings(home=tmp_path, config=tmp_path / "c.toml", engine=llama.url, db=path))
    assert found["database"].failed
    assert str(path) in found["database"].sentence


def test_the_command_says_what_to_change_with_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--engine", "http://127.0.0.1:1"]) == 1
    out, err = capsys.readouterr()
    assert "wrong engine: Nobody answers at http://127.0.0.1:1: start the engine" in out
    assert err == ""


def test_a_settings_file_that_cannot_be_used_is_a_finding_and_the_rest_is_examined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], llama: RealEngine
) -> None:
    config = tmp_path / "c.toml"
    config.write_text("modle = 'x'\n")
    assert run(["doctor", "--config", str(config), "--engine", llama.url]) == 1
    out = capsys.readouterr().out
    assert f"wrong settings: There is no setting 'modle' (in {config}); did you mean model?\n" in out
    assert "ok    counting" in out
    assert run(["doctor", "--config", str(config), "--window", "10"]) == 2
    assert "--window" in capsys.readouterr().err


def test_the_command_is_content_with_a_good_engine(
    llama: RealEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["doctor", "--engine", llama.url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("ok ", "note ")) for line in lines)
    assert "ok    counting: the engine counts tokens exactly" in lines
