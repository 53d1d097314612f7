"""Names and places by Presidio: what is asked of it, and what is refused.

Presidio and a spaCy model are 400 MB and more, so a stand-in takes their place here. It has the signatures of
presidio-analyzer 2.2.366 and spaCy 3.8 as far as they are used, refuses whatever else is asked of it, and
would fetch a missing model as the real one does: then a test fails.
"""

import asyncio
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from turnkeep import AsyncChat, Chat, MissingExtra, UsageError
from turnkeep.audit.folder import Folder
from turnkeep.audit.reading import read_records
from turnkeep.cli import run
from turnkeep.names import Names, load_analyzer, load_names
from turnkeep.privacy import Found, Marks, find, mask
from turnkeep.settings import load_settings
from turnkeep.testing import ScriptedEngine

MODEL = "xx_names_sm"
INSTALLED = {MODEL: ("PER", "LOC", "ORG"), "xx_nothing_sm": ("ORG",)}
WORDS = {"Zora Quill": "PER", "Ulm": "LOC", "Acme": "ORG"}


class _Pipeline:
    def __init__(self, labels: Sequence[str]) -> None:
        self.pipe_labels = {"tok2vec": [], "ner": list(labels)}


@dataclass
class _Configuration:
    model_to_presidio_entity_mapping: dict[str, str]
    labels_to_ignore: Sequence[str] = ()


class _NlpEngine:
    def __init__(self, models: list[dict[str, str]], ner_model_configuration: _Configuration) -> None:
        (self.model,) = models
        assert set(self.model) == {"lang_code", "model_name"}
        self.ner_model_configuration = ner_model_configuration
        self.nlp: dict[str, _Pipeline] | None = None

    def load(self) -> None:
        name = self.model["model_name"]
        assert name in INSTALLED or Path(name).exists(), "the real one would fetch it"
        if name not in INSTALLED:
            raise OSError("[E053] Could not read meta.json")
        self.nlp = {self.model["lang_code"]: _Pipeline(INSTALLED[name])}

    def is_loaded(self) -> bool:
        return self.nlp is not None


class _Registry:
    def __init__(self, supported_languages: list[str]) -> None:
        self.supported_languages = supported_languages
        self.recognizers: list[_NlpEngine] = []

    def add_nlp_recognizer(self, nlp_engine: _NlpEngine) -> None:
        assert nlp_engine.nlp is not None
        assert list(nlp_engine.nlp) == self.supported_languages
        self.recognizers.append(nlp_engine)


@dataclass
class _Result:
    entity_type: str
    start: int
    end: int
    score: float = field(default=0.85)


class _Analyzer:
    def __init__(self, registry: _Registry, nlp_engine: _NlpEngine, supported_languages: list[str]) -> None:
        assert registry.recognizers == [nlp_engine], "the real one would load all that it knows"
        assert registry.supported_languages == supported_languages
        self._engine, self._languages = nlp_engine, supported_languages

    def analyze(self, text: str, language: str, entities: list[str]) -> Iterator[_Result]:
        assert [language] == self._languages
        configuration = self._engine.ner_model_configuration
        results = []
        for match in re.finditer("|".join(WORDS), text):
            label = WORDS[match[0]]
            if label in configuration.labels_to_ignore:
                continue
            kind = configuration.model_to_presidio_entity_mapping[label]  # the real one warns, each time
            if kind in entities:
                results.append(_Result(kind, match.start(), match.end()))
        return reversed(results)


@pytest.fixture(autouse=True)
def presidio(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    parts: dict[str, dict[str, object]] = {
        "presidio_analyzer": {"AnalyzerEngine": _Analyzer, "RecognizerRegistry": _Registry},
        "presidio_analyzer.nlp_engine": {
            "NerModelConfiguration": _Configuration, "SpacyNlpEngine": _NlpEngine,
        },
        "spacy": {"util": ModuleType("util")},
    }  # fmt: skip
    for name, values in parts.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    vars(parts["spacy"]["util"])["is_package"] = INSTALLED.__contains__
    load_analyzer.cache_clear()
    yield
    load_analyzer.cache_clear()


def test_names_and_places_are_found_and_organisations_are_not() -> None:
    text = "Zora Quill of Ulm works for Acme."
    assert find(text, load_names(MODEL)) == [Found(0, 10, "NAME"), Found(14, 17, "PLACE")]
    assert find(text) == []
    assert list(Names(MODEL).find(" \n")) == []


def test_what_has_a_form_and_what_the_user_has_named_come_first() -> None:
    text = "Ulm@ulm.example"
    assert [one.kind for one in find(text, load_names(MODEL))] == ["EMAIL"]
    assert mask("Zora Quill, [NAME_1]", Marks(), load_names(MODEL)).text == "[NAME_1], [LITERAL_1]"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("en_core_web_sm", "none is fetched by itself: run `python -m spacy download en_core_web_sm`"),
        ("", "There is no spaCy model ''"),
        ("folder", "cannot be loaded"),
        ("xx_nothing_sm", "knows neither names nor places"),
    ],
)
def test_a_model_that_is_none_is_refused_in_a_sentence_and_nothing_is_fetched(
    tmp_path: Path, model: str, words: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        Names(str(tmp_path) if model == "folder" else model)


def test_without_presidio_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'turnkeep[names]'")):
        load_names(MODEL)
    assert load_names(None) == ()


def test_prompts_and_audit_hold_no_name(tmp_path: Path) -> None:
    engine = ScriptedEngine(["Hello [NAME_1]."])

    async def talk() -> str:
        async with AsyncChat(
            engine, db=tmp_path / "turnkeep.db", mask_prompt=True, audit="masked", names=MODEL,
            embeddings="off", upkeep=False,
        ) as chat:  # fmt: skip
            return (await chat.ask("I am Zora Quill, from Ulm.")).text

    assert asyncio.run(talk()) == "Hello Zora Quill."
    assert "Quill" not in str(engine.requests)
    (record,) = [
        record
        for _, record in read_records(Folder.of(tmp_path / "turnkeep.db"))
        if record is not None and record.kind == "turn"
    ]
    assert record.texts == {"input": "I am [NAME_1], from [PLACE_1].", "output": "Hello [NAME_1]."}


def test_the_setting_serves_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, config = str(tmp_path / "turnkeep.db"), tmp_path / "config.toml"
    with Chat(ScriptedEngine(), conversation="one", db=path, upkeep=False, embeddings="off") as chat:
        chat.ask("I am Zora Quill.")
    config.write_text(f"[privacy]\nnames = '{MODEL}'\n")
    assert run(["scan", "one", "--show", "--db", path, "--config", str(config)]) == 0
    assert "NAME            Zora Quill  1 time, turn 1" in capsys.readouterr().out
    assert run(["export", "one", "--masked", "--db", path, "--config", str(config)]) == 0
    assert "I am [NAME_1]." in capsys.readouterr().out
    config.write_text("[privacy]\nnames = 'en_core_web_sm'\n")
    assert run(["scan", "one", "--db", path, "--config", str(config)]) == 2
    assert "python -m spacy download en_core_web_sm" in capsys.readouterr().err


def test_no_model_is_loaded_where_names_are_not_asked_for(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f"[privacy]\nnames = '{MODEL}'\n")
    assert load_settings({"config": str(config)}).names == MODEL
    assert load_analyzer.cache_info().currsize == 0
