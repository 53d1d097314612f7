"""What the user has set: flag before environment before file.

One table names every setting, its kind and its environment variable; the file, the
environment and the flags are read by it, and the documentation is tested against it.
Nothing is read at import. Unknown settings are refused by name, with the nearest known one.
"""

import json
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .context.budget import SMALLEST_WINDOW
from .context.strategy import parse_strategy
from .errors import UsageError

OWNER = "local"  # who owns the conversations of this machine's user
DATABASE = "turnkeep.db"
INPUT_HISTORY = "input-history"
EMBEDDED = "embedded"  # the engine that comes with turnkeep, as `--engine` names it

# Fields of a request that are settings of their own, or turnkeep's to write.
RESERVED_FIELDS = frozenset(
    {"messages", "model", "stream", "stream_options", "temperature", "max_tokens", "tools"}
)

_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/\s@]+/?", re.IGNORECASE)
# A service called "turnkeep" makes Kubernetes put such variables into every container beside it.
_NOT_OURS = re.compile(r"TURNKEEP_(SERVICE_|PORT($|_))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a chat needs to know before it starts."""

    home: Path  # folder of the database and the input history
    config: Path  # the settings file, there or not
    engine: str | None = None  # address; "embedded"; None: what listens, else the embedded one
    gguf: Path | None = None
    system: str | None = None
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None  # -1: the room that is left
    window: int | None = None  # tokens
    strategy: str = "window,summary,recall,facts"
    embeddings: str | None = (
        None  # "builtin", "off", an address; None: the built-in model where it is installed
    )
    embedding_seconds: float = 0.05  # 0: as long as it takes
    recall_everywhere: bool = False
    db: Path | None = None
    encryption_key_file: Path | None = None
    host: str = "127.0.0.1"  # where turnkeep serve listens
    port: int = 8090  # likewise
    require_key: bool = False  # of turnkeep serve on loopback, too
    store: bool = True  # what turnkeep serve takes an absent `store` for
    waiting: int = 1_000  # turns that may wait at an engine
    allow_origin: tuple[str, ...] = ()  # web pages that may call turnkeep serve
    allow_host: tuple[str, ...] = ()  # further names it may be called by
    api_key: str | None = field(default=None, repr=False)  # never shown
    sampling: Mapping[str, object] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        """The database file."""
        return self.db or self.home / DATABASE

    @property
    def input_history(self) -> Path:
        """The file that keeps what was typed."""
        return self.home / INPUT_HISTORY

    @property
    def engine_named(self) -> bool:
        """Whether the user said which engine to use."""
        return self.engine is not None or self.gguf is not None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name in the file, its environment variable, and how its value is read."""

    name: str
    variable: str
    read: Callable[[object], object]  # raises ValueError with the words after "must be"
    help: str


def _read_text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text that is not empty")
    return value


def _read_path(value: object) -> Path:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("the path of a file")
    return Path(value).expanduser()


def _read_temperature(value: object) -> float:
    number = _number(value)
    if number is None or not math.isfinite(number) or number < 0:
        raise ValueError("a number, 0 or more")
    return number


def _read_max_tokens(value: object) -> int:
    number = _whole(value)
    if number is None or (number < 1 and number != -1):
        raise ValueError("a whole number of tokens, 1 or more, or -1 for the room that is left")
    return number


def _read_window(value: object) -> int:
    number = _whole(value)
    if number is None or number < SMALLEST_WINDOW:
        raise ValueError(f"a whole number of tokens, {SMALLEST_WINDOW} or more")
    return number


def _read_strategy(value: object) -> str:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError("names joined by commas, or a list of names")
    return str(parse_strategy(",".join(names)))


def _read_seconds(value: object) -> float:
    number = _number(value)
    if number is None or not math.isfinite(number) or number < 0:
        raise ValueError("a number of seconds, 0 or more")
    return number


def _read_switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    found = {
        "on": True,
        "yes": True,
        "true": True,
        "1": True,
        "off": False,
        "no": False,
        "false": False,
        "0": False,
    }
    word = value.strip().lower() if isinstance(value, str) else None
    if word not in found:
        raise ValueError("on or off")
    return found[word]


def _read_host(value: object) -> str:
    if not isinstance(value, str) or not value or any(mark in value for mark in "/ @"):
        raise ValueError("an address to listen on, such as 127.0.0.1 or 0.0.0.0")
    return value


def _read_port(value: object) -> int:
    number = _whole(value)
    if number is None or not 0 <= number <= 65_535:
        raise ValueError("a port, 1 to 65535, or 0 for any that is free")
    return number


def _read_count(value: object) -> int:
    number = _whole(value)
    if number is None or number < 1:
        raise ValueError("a whole number, 1 or more")
    return number


def _read_names(value: object) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError("names joined by commas, or a list of names")
    return tuple(name.strip() for name in names if name.strip())


def _read_origins(value: object) -> tuple[str, ...]:
    origins = _read_names(value)
    if not all(_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("the addresses of web pages without a path, such as https://chat.example, or *")
    return origins


def _read_sampling(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("a table of fields, such as [sampling] with top_p = 0.9")
    for name in value:
        if name in RESERVED_FIELDS:
            raise ValueError(f"without {name}, which is not a sampling field")
    return value


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        return int(value)
    except ValueError:
        return None


SETTINGS = (
    Setting("engine", "TURNKEEP_ENGINE", _read_text, "Address of an engine, or 'embedded'."),
    Setting("gguf", "TURNKEEP_GGUF", _read_path, "GGUF file that the embedded engine serves."),
    Setting("system", "TURNKEEP_SYSTEM", _read_text, "Instructions for the model."),
    Setting("model", "TURNKEEP_MODEL", _read_text, "Name of the model, where the engine serves several."),
    Setting("temperature", "TURNKEEP_TEMPERATURE", _read_temperature, "Randomness of the replies."),
    Setting("max_tokens", "TURNKEEP_MAX_TOKENS", _read_max_tokens, "Longest reply; -1: what room is left."),
    Setting("window", "TURNKEEP_WINDOW", _read_window, "Tokens of context window to use."),
    Setting("strategy", "TURNKEEP_STRATEGY", _read_strategy, "What the prompt is made of."),
    Setting(
        "embeddings",
        "TURNKEEP_EMBEDDINGS",
        _read_text,
        "What finds turns by meaning: builtin, off, or URL#MODEL.",
    ),
    Setting(
        "embedding_seconds",
        "TURNKEEP_EMBEDDING_SECONDS",
        _read_seconds,
        "How long a turn waits for its message's vector; 0: until it is there.",
    ),
    Setting(
        "recall_everywhere",
        "TURNKEEP_RECALL_EVERYWHERE",
        _read_switch,
        "Recall from all your conversations: on or off.",
    ),
    Setting("db", "TURNKEEP_DB", _read_path, "Database file."),
    Setting(
        "encryption_key_file",
        "TURNKEEP_ENCRYPTION_KEY_FILE",
        _read_path,
        "Key file that opens the encrypted database.",
    ),
    Setting("host", "TURNKEEP_SERVE_HOST", _read_host, "Address to listen on."),
    Setting("port", "TURNKEEP_SERVE_PORT", _read_port, "Port to listen on; 0: any that is free."),
    Setting("require_key", "TURNKEEP_SERVE_REQUIRE_KEY", _read_switch, "Ask for a key on this machine, too."),
    Setting(
        "store", "TURNKEEP_SERVE_STORE", _read_switch, "Keep chats whose client does not say: on or off."
    ),
    Setting("waiting", "TURNKEEP_SERVE_WAITING", _read_count, "How many turns may wait for an engine."),
    Setting(
        "allow_origin", "TURNKEEP_SERVE_ALLOW_ORIGIN", _read_origins, "Web pages elsewhere that may call."
    ),
    Setting("allow_host", "TURNKEEP_SERVE_ALLOW_HOST", _read_names, "Further names it may be called by."),
    Setting("api_key", "TURNKEEP_API_KEY", _read_text, "Key that the engine asks for; never shown."),
    Setting("sampling", "", _read_sampling, "Further fields that are sent to the engine as given."),
)
# Read beside the settings, not settings of the file: where the file and the data are.
PLACES = {
    "TURNKEEP_HOME": "Folder of the database and the input history.",
    "TURNKEEP_CONFIG": "The settings file.",
    "TURNKEEP_PASSPHRASE": "The passphrase that opens the encrypted database.",
    "TURNKEEP_NEW_PASSPHRASE": "The passphrase that turnkeep encrypt is to set.",
}
# What other programs with an OpenAI client understand; TURNKEEP_ variables come before them.
BORROWED = {"OPENAI_BASE_URL": "engine", "OPENAI_API_KEY": "api_key"}


def load_settings(
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    with_file: bool = True,
) -> Settings:
    """Read the settings.

    Args:
        flags: by setting name, besides `config` for the file; None values were not given.
        environ: the environment.
        with_file: False leaves the settings file unread.

    Raises:
        UsageError: a setting is unknown or its value is not of its kind, or a named file is not there.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    config, named = _config_path(given.pop("config", None), environ)
    borrowed = _read_borrowed(environ)
    layers = [
        _read_file(config, must_exist=named) if with_file else {},
        borrowed,
        _read_environment(environ),
        {name: read_setting(name, value, _flag(name)) for name, value in given.items()},
    ]
    _refuse_two_engines(layers[-1], "the options")
    merged = _merge(layers)
    if "engine" not in merged:
        # A key borrowed from another program is for an engine that was named, not for whoever listens.
        borrowed.pop("api_key", None)
        merged = _merge(layers)
    return Settings(home=data_folder(environ), config=config, **merged)  # type: ignore[arg-type]  # the table checked them


def data_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the user's data: TURNKEEP_HOME, else where the system keeps such data."""
    if home := environ.get("TURNKEEP_HOME"):
        return Path(home).expanduser()
    from platformdirs import user_data_path  # about 10 ms, and not needed where TURNKEEP_HOME is set

    return user_data_path("turnkeep", appauthor=False)


def describe_places(settings: Settings) -> list[tuple[str, Path]]:
    """List what is kept where."""
    return [
        ("settings", settings.config),
        ("data", settings.home),
        ("database", settings.database),
        ("input history", settings.input_history),
    ]


def suggest(word: str, known: list[str], mark: str = "") -> str:
    """Return "; did you mean X?" for a word that is nearly a known one, else ""; `mark` stands before X."""
    from difflib import get_close_matches  # only for slips of the pen

    near = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {mark}{near[0]}?" if near else ""


def read_setting(name: str, value: object, where: str) -> object:
    """Read a value of the setting `name`; `where` is how an error names it.

    Raises:
        UsageError: the value is not of its kind.
    """
    setting = _SETTINGS[name]
    try:
        return setting.read(value)
    except ValueError as error:
        shown = "" if name == "api_key" else f", not {_shorten(value)}"
        raise UsageError(f"{where} must be {error}{shown}.") from error


_SETTINGS = {setting.name: setting for setting in SETTINGS}
_VARIABLES = {setting.variable: setting for setting in SETTINGS if setting.variable}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _config_path(flag: object, environ: Mapping[str, str]) -> tuple[Path, bool]:
    """Return where the settings file is, and whether the user named it (then it must be there)."""
    if flag is not None:
        return _read_path(flag), True
    if named := environ.get("TURNKEEP_CONFIG"):
        return Path(named).expanduser(), True
    if folder := environ.get("XDG_CONFIG_HOME"):
        return Path(folder) / "turnkeep" / "config.toml", False
    from platformdirs import user_config_path

    return user_config_path("turnkeep", appauthor=False) / "config.toml", False


def _shorten(value: object) -> str:
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _read_file(path: Path, *, must_exist: bool) -> dict[str, object]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        if must_exist:
            raise UsageError(f"There is no settings file {path}; name one that exists.") from error
        return {}
    except OSError as error:
        raise UsageError(f"The settings file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The settings file {path} is not UTF-8 text; save it as UTF-8.") from error
    values = _parse_file(text, path)
    for name in values:
        if name not in _SETTINGS:
            raise UsageError(
                f"There is no setting {name!r} (in {path}){suggest(name, list(_SETTINGS)) or '.'}"
            )
    found = {name: read_setting(name, value, f"{name} in {path}") for name, value in values.items()}
    _refuse_two_engines(found, str(path))
    return _beside(found, path.parent)


def _parse_file(text: str, path: Path) -> dict[str, object]:
    import tomllib  # about 10 ms, and most people have no file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The settings file {path} is not TOML: {str(error).rstrip('.')}.") from error


def _beside(found: dict[str, object], folder: Path) -> dict[str, object]:
    """Take relative paths of a settings file from the file's own folder, not from where the user stands."""
    return {name: folder / value if isinstance(value, Path) else value for name, value in found.items()}


def _read_borrowed(environ: Mapping[str, str]) -> dict[str, object]:
    found = {name: environ[variable] for variable, name in BORROWED.items() if environ.get(variable)}
    return {name: read_setting(name, value, name) for name, value in found.items()}


def _read_environment(environ: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for variable, value in environ.items():
        if not variable.startswith("TURNKEEP_") or variable in PLACES or _NOT_OURS.match(variable):
            continue
        setting = _VARIABLES.get(variable)
        if setting is None:
            known = [*_VARIABLES, *PLACES]
            raise UsageError(
                f"There is no setting {variable} (in the environment){suggest(variable, known) or '.'}"
            )
        if value:  # set but empty is how shells unset
            found[setting.name] = read_setting(setting.name, value, variable)
    _refuse_two_engines(found, "the environment")
    return found


def _refuse_two_engines(found: Mapping[str, object], where: str) -> None:
    if "engine" in found and "gguf" in found and found["engine"] != EMBEDDED:
        raise UsageError(f"engine and gguf are both set in {where}; keep the one that is meant.")


def _merge(layers: list[dict[str, object]]) -> dict[str, object]:
    """Lay later layers over earlier ones; an engine named later puts an earlier GGUF file and model aside."""
    merged: dict[str, object] = {}
    for layer in layers:
        if any(layer.get(name, merged.get(name)) != merged.get(name) for name in ("engine", "gguf")):
            merged.pop("model", None)  # it was the name of a model elsewhere
        if "engine" in layer:
            merged.pop("gguf", None)
        if "gguf" in layer:
            merged.pop("engine", None)
        sampling = _table(merged.get("sampling")) | _table(layer.get("sampling"))
        merged |= layer | {"sampling": sampling}
    return merged


def _table(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, dict) else {}
