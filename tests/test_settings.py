import os
from pathlib import Path

import pytest

from turnkeep.errors import UsageError
from turnkeep.settings import SETTINGS, Settings, load_settings, suggest


def load(
    tmp_path: Path, text: str | None = None, flags: dict[str, object] | None = None, **environ: str
) -> Settings:
    """Load settings with a file of this text where people look for one."""
    folder = tmp_path / "config" / "turnkeep"
    folder.mkdir(parents=True, exist_ok=True)
    if text is not None:
        (folder / "config.toml").write_text(text, encoding="utf-8")
    base = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "TURNKEEP_HOME": str(tmp_path / "home")}
    return load_settings(flags, base | environ)


def test_without_anything_set_the_defaults_hold(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings == Settings(home=tmp_path / "home", config=tmp_path / "config/turnkeep/config.toml")
    assert settings.database == tmp_path / "home" / "turnkeep.db"
    assert settings.input_history == tmp_path / "home" / "input-history"
    assert not settings.engine_named


def test_a_flag_comes_before_the_environment_before_the_file(tmp_path: Path) -> None:
    file = 'model = "of the file"\nsystem = "of the file"\ntemperature = 0.1\n'
    environ = {"TURNKEEP_MODEL": "of the environment", "TURNKEEP_SYSTEM": "of the environment"}
    settings = load(tmp_path, file, {"model": "of the flag"}, **environ)
    assert (settings.model, settings.system, settings.temperature) == (
        "of the flag",
        "of the environment",
        0.1,
    )


def test_values_are_read_as_their_kind(tmp_path: Path) -> None:
    flags: dict[str, object] = {
        "temperature": "0.5",
        "max_tokens": "-1",
        "window": "2048",
        "strategy": "window:20",
    }
    settings = load(tmp_path, flags=flags)
    assert (settings.temperature, settings.max_tokens, settings.window) == (0.5, -1, 2048)
    assert settings.strategy == "window:20"
    assert load(tmp_path, 'strategy = ["summary", "window"]').strategy == "window,summary"


def test_how_turns_are_found_is_read_as_its_kind(tmp_path: Path) -> None:
    usual = load(tmp_path)
    assert (usual.embeddings, usual.embedding_seconds, usual.recall_everywhere) == (None, 0.05, False)
    file = 'embeddings = "off"\nembedding_seconds = 0\nrecall_everywhere = true\n'
    settings = load(tmp_path, file)
    assert (settings.embeddings, settings.embedding_seconds, settings.recall_everywhere) == ("off", 0, True)
    for word, meant in (("ON", True), ("yes", True), ("1", True), ("Off", False), ("false", False)):
        assert load(tmp_path, TURNKEEP_RECALL_EVERYWHERE=word).recall_everywhere is meant
    assert load(tmp_path, flags={"embedding_seconds": "2.5"}).embedding_seconds == 2.5
    for size, most in (("65536", 65_536), ("64k", 65_536), ("8MiB", 8 << 20), ("1G", 1 << 30)):
        assert load(tmp_path, TURNKEEP_SERVE_MAX_BODY=size).max_body == most
    assert load(tmp_path, flags={"stall_seconds": "1.5"}).stall_seconds == 1.5
    assert load(tmp_path, flags={"grace_seconds": "0"}).grace_seconds == 0.0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("temperature", "warm", "--temperature must be a number, 0 or more, not 'warm'"),
        ("temperature", "nan", "--temperature must be a number"),
        ("temperature", "-0.1", "--temperature must be a number, 0 or more"),
        ("embedding_seconds", "-1", "--embedding-seconds must be a number of seconds, 0 or more, not '-1'"),
        ("embedding_seconds", "soon", "--embedding-seconds must be a number of seconds"),
        ("recall_everywhere", "sometimes", "--recall-everywhere must be on or off, not 'sometimes'"),
        ("embeddings", "", "--embeddings must be a text that is not empty"),
        ("max_tokens", "0", "--max-tokens must be a whole number of tokens, 1 or more, or -1"),
        ("max_tokens", "1.5", "--max-tokens must be a whole number"),
        ("window", "big", "--window must be a whole number of tokens"),
        ("window", "-1", "--window must be a whole number of tokens, 256 or more"),
        ("window", "255", "--window must be a whole number of tokens, 256 or more, not '255'."),
        ("engine", "", "--engine must be a text that is not empty"),
        ("gguf", "a\0b", "--gguf must be the path of a file"),
        ("max_body", "much", "--max-body must be a size, 1K or more, such as 64M, not 'much'."),
        ("max_body", "1023", "--max-body must be a size, 1K or more"),
        ("max_body", "-5M", "--max-body must be a size, 1K or more"),
        ("stall_seconds", "0", "--stall-seconds must be a number of seconds, more than 0, not '0'."),
        ("stall_seconds", "inf", "--stall-seconds must be a number of seconds, more than 0"),
        ("grace_seconds", "-1", "--grace-seconds must be a number of seconds, 0 or more, not '-1'."),
        ("strategy", "factoids", "There is no strategy 'factoids'"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_in_one_sentence(
    tmp_path: Path, name: str, value: str, words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, flags={name: value})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("temprature = 1", "There is no setting 'temprature' (in {config}); did you mean temperature?"),
        ("colour = 1", "There is no setting 'colour' (in {config})."),
        ("temperature = true", "temperature in {config} must be a number, 0 or more, not true."),
        ("window = 1.5", "window in {config} must be a whole number"),
        ("model = 3", "model in {config} must be a text"),
        ("strategy = 3", "strategy in {config} must be names"),
        ("sampling = 3", "sampling in {config} must be a table"),
        ("[sampling]\nmodel = 3", "sampling in {config} must be without model"),
        ("not toml at all", "The settings file {config} is not TOML"),
        ('engine = "http://x"\ngguf = "y"', "engine and gguf are both set in {config}"),
    ],
)
def test_a_wrong_line_of_the_file_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "config/turnkeep/config.toml"
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text)
    assert words.format(config=config) in str(caught.value)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_bytes('system = "caf\xe9"'.encode("latin-1"))
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        load(tmp_path, flags={"config": str(config)})


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeffwindow = 512").window == 512


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    for flags, environ in ({"config": str(missing)}, {}), ({}, {"TURNKEEP_CONFIG": str(missing)}):
        with pytest.raises(UsageError, match="There is no settings file"):
            load(tmp_path, None, dict(flags), **environ)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path, flags={"config": str(tmp_path)})  # a folder


def test_a_slip_in_the_environment_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"TURNKEEP_MODLE .*did you mean TURNKEEP_MODEL\?"):
        load(tmp_path, TURNKEEP_MODLE="x")


def test_variables_that_kubernetes_makes_for_a_service_are_not_ours(tmp_path: Path) -> None:
    with_them = load(
        tmp_path,
        TURNKEEP_PORT="tcp://10.0.0.1:80",
        TURNKEEP_SERVICE_HOST="10.0.0.1",
        TURNKEEP_PORT_80_TCP="x",
    )
    assert with_them == load(tmp_path)


def test_an_empty_variable_sets_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, TURNKEEP_MODEL="").model is None


def test_the_variables_of_openai_clients_are_understood_and_come_after_ours(tmp_path: Path) -> None:
    borrowed = {"OPENAI_BASE_URL": "http://there/v1", "OPENAI_API_KEY": "k"}
    settings = load(tmp_path, None, None, **borrowed)
    assert (settings.engine, settings.api_key) == ("http://there/v1", "k")
    assert load(tmp_path, None, None, **borrowed, TURNKEEP_ENGINE="http://here").engine == "http://here"


def test_a_borrowed_key_is_kept_from_engines_that_nobody_named(tmp_path: Path) -> None:
    assert load(tmp_path, OPENAI_API_KEY="k").api_key is None
    assert load(tmp_path, 'api_key = "mine"', OPENAI_API_KEY="k").api_key == "mine"
    assert load(tmp_path, 'engine = "http://here"', OPENAI_API_KEY="k").api_key == "k"


def test_an_engine_named_later_puts_an_earlier_model_file_aside(tmp_path: Path) -> None:
    file = f'gguf = "{(tmp_path / "m.gguf").as_posix()}"'
    settings = load(tmp_path, file, {"engine": "http://here"})
    assert (settings.engine, settings.gguf) == ("http://here", None)
    settings = load(tmp_path, 'engine = "http://here"', {"gguf": "m.gguf"})
    assert (settings.engine, settings.gguf) == (None, Path("m.gguf"))


@pytest.mark.parametrize("flags", [{"engine": "embedded"}, {"gguf": "m.gguf"}, {"engine": "http://here"}])
def test_a_model_of_one_engine_is_not_asked_of_another(tmp_path: Path, flags: dict[str, object]) -> None:
    file = 'engine = "http://there"\nmodel = "m"'
    assert load(tmp_path, file, flags).model is None
    assert load(tmp_path, file, flags | {"model": "n"}).model == "n"
    assert load(tmp_path, file, TURNKEEP_ENGINE="http://here").model is None
    assert load(tmp_path, file, {"engine": "http://there"}).model == "m", "it is the same engine"
    assert load(tmp_path, file, {"window": 512}).model == "m"


def test_two_engines_named_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="engine and gguf are both set in the options"):
        load(tmp_path, flags={"engine": "http://here", "gguf": "m.gguf"})


def test_relative_paths_of_a_file_begin_at_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, 'db = "mine.db"')
    assert settings.database == tmp_path / "config/turnkeep/mine.db"


def test_sampling_fields_are_added_field_by_field(tmp_path: Path) -> None:
    settings = load(tmp_path, "[sampling]\ntop_p = 0.9\nseed = 7", {"sampling": {"seed": 8}})
    assert settings.sampling == {"top_p": 0.9, "seed": 8}


def test_the_key_is_not_shown(tmp_path: Path) -> None:
    settings = load(tmp_path, flags={"api_key": "sk-secret"})
    assert settings.api_key == "sk-secret"
    assert "sk-secret" not in repr(settings)
    with pytest.raises(UsageError) as caught:
        load(tmp_path, "api_key = 123456")
    assert "123456" not in str(caught.value)


def test_a_nearly_known_word_is_suggested() -> None:
    assert suggest("lsit", ["list", "show"]) == "; did you mean list?"
    assert suggest("qwertz", ["list", "show"]) == ""


def test_every_setting_is_documented() -> None:
    manual = (Path(__file__).parent.parent / "docs" / "settings.md").read_text(encoding="utf-8")
    for setting in SETTINGS:
        assert f"`{setting.name}`" in manual, setting.name
        assert f"`{setting.variable}`" in manual or not setting.variable, setting.variable
    for variable in (
        "TURNKEEP_HOME",
        "TURNKEEP_CONFIG",
        "OPENAI_BASE_URL",
        "OPENAI_API_KEY",
        "XDG_CONFIG_HOME",
        "NO_COLOR",
    ):
        assert f"`{variable}`" in manual, variable


def test_reading_settings_leaves_the_environment_alone(tmp_path: Path) -> None:
    before = dict(os.environ)
    load(tmp_path, 'engine = "http://here"')
    assert dict(os.environ) == before
