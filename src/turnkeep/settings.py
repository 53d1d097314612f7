"""What the user has set: flag before environment before file.

One table names every setting, its kind and its environment variable; the file, the
environment and the flags are read by it, and the documentation is tested against it.
Nothing is read at import. Unknown settings are refused by name, with the nearest known one.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from .audit.base import ROTATE_BYTES, ROTATE_DAYS, AuditRules, Level
from .errors import UsageError
from .values import (
    read_audit_level,
    read_count,
    read_file_bytes,
    read_file_days,
    read_host,
    read_keep_days,
    read_max_tokens,
    read_names,
    read_origins,
    read_path,
    read_patterns,
    read_port,
    read_retention,
    read_sampling,
    read_seconds,
    read_size,
    read_strategy,
    read_switch,
    read_temperature,
    read_text,
    read_wait,
    read_window,
)

if TYPE_CHECKING:
    from .privacy.kinds import Pattern, Rule

OWNER = "local"  # who owns the conversations of this machine's user
DATABASE = "turnkeep.db"
INPUT_HISTORY = "input-history"
EMBEDDED = "embedded"  # the engine that comes with turnkeep, as `--engine` names it

# A service called "turnkeep" makes Kubernetes put such variables into every container beside it.
_NOT_OURS = re.compile(r"TURNKEEP_(SERVICE_|PORT($|_))")


class EngineOptions(TypedDict):
    """What whoever connects to an engine is told beside its address."""

    gguf: Path | None
    model: str | None
    api_key: str | None
    window: int | None


class TurnOptions(EngineOptions):
    """What whoever takes turns is told: a chat and a gateway alike."""

    strategy: str
    embeddings: str | None
    embedding_seconds: float | None  # None: as long as it takes
    mask_prompt: bool
    audit: AuditRules


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
    retention_days: int = 0  # after which turns are forgotten; 0: never
    allow_origin: tuple[str, ...] = ()  # web pages that may call turnkeep serve
    allow_host: tuple[str, ...] = ()  # further names it may be called by
    max_body: int = 32 * 1024 * 1024  # bytes of a request to turnkeep serve
    stall_seconds: float = 30.0  # after which it drops a client that neither reads nor sends
    grace_seconds: float = 5.0  # that replies under way get when it stops
    audit_level: Level | None = None  # None: "masked" where personal data can be found here, else "sizes"
    audit_required: bool = False
    audit_rotate_bytes: int = ROTATE_BYTES
    audit_rotate_days: float = ROTATE_DAYS
    audit_keep_days: float = 0.0  # 0: for ever
    api_key: str | None = field(default=None, repr=False)  # never shown
    mask_prompt: bool = False  # the model reads marks in place of personal data
    patterns: "tuple[Pattern, ...]" = ()  # what is personal data besides what is found anyway
    names: str | None = None  # the spaCy model that finds names and places
    sampling: Mapping[str, object] = field(default_factory=dict)

    @property
    def rules(self) -> "tuple[Rule, ...]":
        """The patterns, and what finds names. Loads the model, where one is named; raises as `names.Names`."""
        if self.names is None:
            return self.patterns
        from .names import load_names

        return (*self.patterns, *load_names(self.names))

    @property
    def database(self) -> Path:
        """The database file."""
        return self.db or self.home / DATABASE

    @property
    def input_history(self) -> Path:
        """The file that keeps what was typed."""
        return self.home / INPUT_HISTORY

    @property
    def audit(self) -> AuditRules:
        """What the audit journal keeps, and for how long."""
        return AuditRules(
            level=self.audit_level,
            required=self.audit_required,
            rotate_bytes=self.audit_rotate_bytes,
            rotate_days=self.audit_rotate_days,
            keep_days=self.audit_keep_days,
        )

    @property
    def engine_options(self) -> EngineOptions:
        """What is told to whoever connects to an engine."""
        return {
            "gguf": self.gguf,
            "model": self.model,
            "api_key": self.api_key,
            "window": self.window,
        }

    @property
    def turn_options(self) -> TurnOptions:
        """What is told to whoever takes turns."""
        return {
            **self.engine_options,
            "strategy": self.strategy,
            "embeddings": self.embeddings,
            "embedding_seconds": self.embedding_seconds or None,
            "mask_prompt": self.mask_prompt,
            "audit": self.audit,
        }

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


SETTINGS = (
    Setting("engine", "TURNKEEP_ENGINE", read_text, "Address of an engine, or 'embedded'."),
    Setting("gguf", "TURNKEEP_GGUF", read_path, "GGUF file that the embedded engine serves."),
    Setting("system", "TURNKEEP_SYSTEM", read_text, "Instructions for the model."),
    Setting("model", "TURNKEEP_MODEL", read_text, "Name of the model, where the engine serves several."),
    Setting("temperature", "TURNKEEP_TEMPERATURE", read_temperature, "Randomness of the replies."),
    Setting("max_tokens", "TURNKEEP_MAX_TOKENS", read_max_tokens, "Longest reply; -1: what room is left."),
    Setting("window", "TURNKEEP_WINDOW", read_window, "Tokens of context window to use."),
    Setting("strategy", "TURNKEEP_STRATEGY", read_strategy, "What the prompt is made of."),
    Setting(
        "embeddings",
        "TURNKEEP_EMBEDDINGS",
        read_text,
        "What finds turns by meaning: builtin, off, or URL#MODEL.",
    ),
    Setting(
        "embedding_seconds",
        "TURNKEEP_EMBEDDING_SECONDS",
        read_seconds,
        "How long a turn waits for its message's vector; 0: until it is there.",
    ),
    Setting(
        "recall_everywhere",
        "TURNKEEP_RECALL_EVERYWHERE",
        read_switch,
        "Recall from all your conversations: on or off.",
    ),
    Setting("db", "TURNKEEP_DB", read_path, "Database file."),
    Setting(
        "encryption_key_file",
        "TURNKEEP_ENCRYPTION_KEY_FILE",
        read_path,
        "Key file that opens the encrypted database.",
    ),
    Setting("host", "TURNKEEP_SERVE_HOST", read_host, "Address to listen on."),
    Setting("port", "TURNKEEP_SERVE_PORT", read_port, "Port to listen on; 0: any that is free."),
    Setting("require_key", "TURNKEEP_SERVE_REQUIRE_KEY", read_switch, "Ask for a key on this machine, too."),
    Setting("store", "TURNKEEP_SERVE_STORE", read_switch, "Keep chats whose client does not say: on or off."),
    Setting("waiting", "TURNKEEP_SERVE_WAITING", read_count, "How many turns may wait for an engine."),
    Setting(
        "allow_origin", "TURNKEEP_SERVE_ALLOW_ORIGIN", read_origins, "Web pages elsewhere that may call."
    ),
    Setting("allow_host", "TURNKEEP_SERVE_ALLOW_HOST", read_names, "Further names it may be called by."),
    Setting("max_body", "TURNKEEP_SERVE_MAX_BODY", read_size, "Largest body of a request, such as 64M."),
    Setting("stall_seconds", "TURNKEEP_SERVE_STALL_SECONDS", read_wait, "How long a client may stall."),
    Setting(
        "grace_seconds",
        "TURNKEEP_SERVE_GRACE_SECONDS",
        read_seconds,
        "How long replies under way may go on when it stops.",
    ),
    Setting(
        "audit_level", "TURNKEEP_AUDIT_LEVEL", read_audit_level, "What the audit journal keeps of a turn."
    ),
    Setting(
        "audit_required", "TURNKEEP_AUDIT_REQUIRED", read_switch, "No turn is done without its audit record."
    ),
    Setting(
        "audit_rotate_bytes", "TURNKEEP_AUDIT_ROTATE_BYTES", read_file_bytes, "Largest file of the audit."
    ),
    Setting(
        "audit_rotate_days", "TURNKEEP_AUDIT_ROTATE_DAYS", read_file_days, "Oldest file that is written."
    ),
    Setting(
        "audit_keep_days", "TURNKEEP_AUDIT_KEEP_DAYS", read_keep_days, "When the audit's files are deleted."
    ),
    Setting(
        "retention_days", "TURNKEEP_RETENTION_DAYS", read_retention, "Days that turns are kept; 0: for ever."
    ),
    Setting("api_key", "TURNKEEP_API_KEY", read_text, "Key that the engine asks for; never shown."),
    Setting(
        "mask_prompt",
        "TURNKEEP_MASK_PROMPT",
        read_switch,
        "Let the model read marks in place of personal data: on or off.",
    ),
    Setting("patterns", "", read_patterns, "Personal data that has a form of your own."),
    Setting("names", "TURNKEEP_NAMES", read_text, "spaCy model that finds names and places."),
    Setting("sampling", "", read_sampling, "Further fields that are sent to the engine as given."),
)
# Settings that stand in a table of the file: [privacy].
TABLES = {"privacy": ("mask_prompt", "patterns", "names")}
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
        ("audit journal", Path(f"{settings.database}-audit")),
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
        return read_path(flag), True
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
    values = _flatten(_take_out_of_tables(_parse_file(text, path), path))
    for name in values:
        if name not in _SETTINGS:
            raise UsageError(
                f"There is no setting {name!r} (in {path}){suggest(name, list(_SETTINGS)) or '.'}"
            )
    found = {name: read_setting(name, value, f"{name} in {path}") for name, value in values.items()}
    _refuse_two_engines(found, str(path))
    return _beside(found, path.parent)


def _take_out_of_tables(values: dict[str, object], path: Path) -> dict[str, object]:
    """Put the settings of a table beside the others; each stands in its own table only."""
    found = dict(values)
    for table, names in TABLES.items():
        inner = found.pop(table, {})
        if not isinstance(inner, dict):
            raise UsageError(f"{table} in {path} must be a table: [{table}], with its settings below.")
        for name in names:
            if name in found:
                raise UsageError(f"{name} in {path} belongs into the table [{table}].")
        for name in inner:
            if name not in names:
                known = suggest(name, list(names)) or "."
                raise UsageError(f"There is no setting {f'{table}.{name}'!r} (in {path}){known}")
        found |= inner
    return found


def _parse_file(text: str, path: Path) -> dict[str, object]:
    import tomllib  # about 10 ms, and most people have no file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The settings file {path} is not TOML: {str(error).rstrip('.')}.") from error


def _flatten(values: dict[str, object]) -> dict[str, object]:
    """Read `audit.level`, in a table or not, as `audit_level`; tables that are a setting stay."""
    flat: dict[str, object] = {}
    for name, value in values.items():
        if (
            isinstance(value, dict)
            and name not in _SETTINGS
            and any(one.startswith(f"{name}_") for one in _SETTINGS)
        ):
            flat |= {f"{name}_{key}": each for key, each in value.items()}
        else:
            flat[name] = value
    return flat


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
