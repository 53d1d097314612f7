import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.engines import RealEngine
from tests.terminal.pseudo import Terminal
from turnkeep import Chat, __version__
from turnkeep.cli import SHELLS, cli, run
from turnkeep.engine.embedded import BUILT_IN_NOTICE

DOCS = Path(__file__).parent.parent / "docs"
SECRET = "sk-very-secret"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("TURNKEEP_HOME", str(home))
    return home


def turnkeep(*arguments: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a program."""
    return subprocess.run(
        [sys.executable, "-m", "turnkeep", *arguments],
        input=stdin, capture_output=True, timeout=60, check=False, env={**os.environ, **environ},
    )  # fmt: skip


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command, which must refuse with one sentence and status 2. Returns the sentence."""
    assert run(list(arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"turnkeep: [^\n]+[.?:!)\w]\n", err), err
    return err


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command, which must succeed. Returns its output."""
    status = run(list(arguments))
    out, err = capsys.readouterr()
    assert (status, err) == (0, ""), err
    return out


def nothing_kept(capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether there is no conversation, and the list says so."""
    assert run(["list"]) == 0
    return capsys.readouterr() == ("", "turnkeep: There is no conversation yet; turnkeep chat begins one.\n")


@pytest.fixture(scope="module")
def home_of_ana(llama: RealEngine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a conversation "ana" of two turns, made through a pipe."""
    home = tmp_path_factory.mktemp("ana")
    done = turnkeep(
        "chat", "ana", "--engine", llama.url, "--temperature", "0",
        stdin=b"My name is Ana.\n\n   \nWhat is my name?\n", TURNKEEP_HOME=str(home),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines() == ["Got it. Your name is Ana.", "Your name is Ana."]
    assert done.stderr == b""
    return home


@pytest.fixture
def ana(home_of_ana: Path, own_home: Path) -> None:
    """The home of this test has that conversation."""
    shutil.copytree(home_of_ana, own_home)


# -- the chat in a pipe -------------------------------------------------------
def test_a_pipe_gets_a_reply_for_each_line_and_a_conversation_of_its_own(
    ana: None, capsys: pytest.CaptureFixture[str], llama: RealEngine
) -> None:
    done = turnkeep("--engine", llama.url, stdin=b"What is my name?\n")
    assert done.returncode == 0
    assert b"Ana" not in done.stdout
    assert len(printed(capsys, "list").splitlines()) == 2


def test_a_named_conversation_goes_on_in_a_pipe(ana: None, llama: RealEngine) -> None:
    done = turnkeep("chat", "ana", "--engine", llama.url, "--temperature", "0", stdin=b"What is my name?")
    assert done.stdout == b"Your name is Ana.\n"


def test_the_embedded_engine_answers_where_none_is_named() -> None:
    done = turnkeep("--temperature", "0", stdin=b"\xef\xbb\xbfMy name is Ana.\r\nWhat is my name?\r\n")
    assert (done.returncode, done.stdout.decode(), done.stderr) == (
        0,
        "Got it. Your name is Ana.\nYour name is Ana.\n",
        f"turnkeep: {BUILT_IN_NOTICE}\n".encode(),
    )


def test_settings_come_from_the_environment_and_the_file(tmp_path: Path, llama: RealEngine) -> None:
    config = tmp_path / "c.toml"
    config.write_text("max_tokens = 1\ntemperature = 0\n")
    done = turnkeep(
        "chat", "--config", str(config), stdin=b"My name is Ana.\n", TURNKEEP_ENGINE=f"{llama.url}/v1"
    )
    assert done.returncode == 0
    assert len(done.stdout) < len(b"Got it.\n")


def test_what_is_no_text_is_told_once_and_the_rest_is_answered(llama: RealEngine) -> None:
    lines = b"My name is Ana.\n\xff\xfe\x00\n\x80\nWhat is my name?\n"
    done = turnkeep("--engine", llama.url, "--temperature", "0", stdin=lines)
    assert done.returncode == 2
    assert done.stdout.decode() == "Got it. Your name is Ana.\nYour name is Ana.\n"
    assert done.stderr.decode() == (
        "turnkeep: 2 lines of standard input, the first of them line 2, are no text in UTF-8 "
        "and were left out: send one message a line.\n"
    )


def test_rubbish_alone_makes_no_conversation(capsys: pytest.CaptureFixture[str], llama: RealEngine) -> None:
    done = turnkeep("--engine", llama.url, stdin=b"\xff\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1
    assert nothing_kept(capsys)


def test_a_failed_turn_is_told_and_the_next_line_is_answered(
    capsys: pytest.CaptureFixture[str], llama: RealEngine
) -> None:
    lines = b"x " * 5_000 + b"\nMy name is Ana.\n"
    done = turnkeep("chat", "long", "--engine", llama.url, "--temperature", "0", stdin=lines)
    assert done.returncode == 1
    assert done.stdout.decode() == "Got it. Your name is Ana.\n"
    assert done.stderr.decode().startswith("turnkeep: Line 1: The message takes ")
    assert done.stderr.count(b"\n") == 1
    shown = printed(capsys, "show", "long")
    assert "failed: The message takes" in shown
    assert "x x x" in shown, "what was said is kept"


def test_a_dead_port_is_said_once() -> None:
    done = turnkeep("--engine", "http://127.0.0.1:1", stdin=b"Hi\n")
    assert (done.returncode, done.stdout) == (2, b"")
    assert re.fullmatch(r"turnkeep: Nobody answers at http://127\.0\.0\.1:1: [^\n]+\n", done.stderr.decode())


def test_a_full_disk_ends_the_run_with_one_sentence_and_loses_nothing(
    ana: None, llama: RealEngine, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit on the size of files stands for the full disk."""
    import resource  # not on Windows, where a full disk is another matter

    room = (own_home / "turnkeep.db").stat().st_size + 20_000
    done = subprocess.run(
        [sys.executable, "-m", "turnkeep", "chat", "ana", "--engine", llama.url, "--temperature", "0"],
        input=b"word " * 60_000 + b"\nMy name is Eva.\n", capture_output=True, check=False, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )  # fmt: skip
    assert done.returncode == 2
    assert re.fullmatch(r"turnkeep: \S+ cannot be written [^\n]+\n", done.stderr.decode())
    assert "model: Your name is Ana." in printed(capsys, "show", "ana")


def test_the_key_reaches_the_engine_and_nobody_else(start_llama: object, tmp_path: Path) -> None:
    engine = start_llama(window=512, api_keys=[SECRET])  # type: ignore[operator]  # the fixture of conftest.py
    done = turnkeep(
        "--engine", engine.url, "--api-key", SECRET, "--temperature", "0", stdin=b"My name is Ana.\n"
    )
    assert (done.returncode, done.stdout) == (0, b"Got it. Your name is Ana.\n")
    wrong = turnkeep("--engine", engine.url, "--api-key", "sk-wrong", stdin=b"Hi\n")
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert wrong.stderr.count(b"\n") == 1
    assert b"key" in wrong.stderr
    everything = done.stderr + wrong.stderr + wrong.stdout
    everything += b"".join(path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file())
    assert SECRET.encode() not in everything
    assert b"sk-wrong" not in everything


# -- what cannot be done ------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chat", "--engine", "localhost"], "'localhost' is not an engine's address"),
        (["chat", "--engine", "ftp://x"], "by http or https"),
        (["chat", "--temperature", "hot"], "--temperature must be a number"),
        (["chat", "--strategy", "recal"], "There is no strategy 'recal'"),
        (["chat", "--gguf", "/no/such.gguf"], "/no/such.gguf"),
        (["chat", "--gguf", __file__], "is not a whole GGUF"),
        (["chat", "--window", "1000000"], "2,048"),
        (["chat", "--model", "gpt-7"], "does not serve 'gpt-7'"),
        (["chat", "bad\nname"], "cannot hold line breaks"),
        (["chat", "--db", "/"], "is a folder"),
    ],
)
def test_a_chat_that_cannot_be_opened_is_refused_in_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert words in refused(capsys, *arguments)


def test_a_damaged_or_foreign_database_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged, foreign = tmp_path / "damaged.db", tmp_path / "foreign.db"
    damaged.write_bytes(b"rubbish" * 1000)
    with sqlite3.connect(foreign) as other:
        other.execute("CREATE TABLE mine (a)")
    other.close()
    for path in (damaged, foreign):
        before = path.read_bytes()
        assert str(path) in refused(capsys, "list", "--db", str(path))
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lsit"], "no command 'lsit'; did you mean list?"),
        (["ana"], "turnkeep chat ana"),
        (["chat", "--engin", "x"], "--engine"),
        (["list", "--engine", "x"], "--engine"),
        (["show"], "NAME"),
        (["show", "nobody"], "There is no conversation 'nobody'. turnkeep list shows them."),
        (["show"], "turnkeep: show needs NAME. turnkeep show --help shows what can be given."),
        (["list", "--limit", "0"], "--limit must be a whole number, 1 or more, not '0'."),
        (["list", "--limit", "x"], "--limit must be a whole number, 1 or more, not 'x'."),
        (["list", "--limit"], "--limit needs a value."),
        (["chat", "--new=x"], "--new takes no value."),
        (["chat", "a", "b"], "turnkeep: chat takes no 'b'; put several words in quotes."),
        (["chat", "--engin", "x"], "There is no option --engin; did you mean --engine?"),
        (["completions"], "turnkeep: completions needs SHELL: bash, zsh or fish."),
        (["search", " "], "nothing to search for"),
        (["search", "x", "--in", "nobody"], "There is no conversation 'nobody'"),
        (["search", "x", "--by", "luck"], "--by must be best, words, meaning or text, not 'luck'."),
        (["search", "x", "--by", "meaning"], "run turnkeep embed install"),
        (["search", "x", "--since", "monday"], "'monday' is no day: write it as 2023-05-01."),
        (["search", "x", "--speaker", "bob"], "There is no speaker 'bob': use user or assistant."),
        (
            ["search", "x", "--embeddings", "bultin"],
            "'bultin' finds nothing by its meaning: use builtin, off",
        ),
        (["embed"], "embed needs a command: index or install."),
        (["embed", "instal"], "embed needs a command: index or install."),
        (["embed", "index"], "run turnkeep embed install"),
        (["chat", "--recall-everywhere", "maybe"], "--recall-everywhere must be on or off, not 'maybe'."),
        (
            ["chat", "--embedding-seconds", "-1"],
            "--embedding-seconds must be a number of seconds, 0 or more, not '-1'.",
        ),
        (["export", "nobody"], "There is no conversation"),
        (["import", "/no/such/file"], "/no/such/file cannot be read"),
        (["rename", "nobody", "x"], "There is no conversation"),
        (["delete", "nobody", "--yes"], "There is no conversation"),
        (["completions", "tcsh"], "SHELL must be bash, zsh or fish, not 'tcsh'."),
        (["where", "--config", "/no/such.toml"], "There is no settings file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert words in refused(capsys, *arguments)


def test_a_slip_in_the_settings_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "c.toml"
    config.write_text("modle = 'x'\n")
    assert f"'modle' (in {config}); did you mean model?" in refused(capsys, "where", "--config", str(config))
    monkeypatch.setenv("TURNKEEP_MODLE", "x")
    assert "TURNKEEP_MODLE" in refused(capsys, "list")


# -- conversations from outside -----------------------------------------------
def test_conversations_are_listed_shown_and_searched(ana: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert re.fullmatch(r"ana  2 turns  \d{4}-\d\d-\d\d \d\d:\d\d\n", printed(capsys, "list"))
    shown = printed(capsys, "show", "ana").splitlines()
    assert shown[1:3] == ["you: My name is Ana.", "model: Got it. Your name is Ana."]
    assert shown[4:] == ["you: What is my name?", "model: Your name is Ana."]
    assert "My name" not in printed(capsys, "show", "ana", "--last", "1")
    hits = printed(capsys, "search", "NAME IS", "--in", "ana", "--by", "text").splitlines()
    assert hits == [
        "ana, turn 2, assistant: Your name is Ana.",
        "ana, turn 1, assistant: Got it. Your name is Ana.",
        "ana, turn 1, user: My name is Ana.",
    ]
    assert len(printed(capsys, "search", "name", "--limit", "1").splitlines()) == 1
    assert printed(capsys, "search", "Ana", "--speaker", "user") == "ana, turn 1, user: My name is Ana.\n"
    assert len(printed(capsys, "search", "", "--until", "2100-01-01").splitlines()) == 4
    for nothing in (["giraffe"], ["name", "--until", "2001-01-01"], ["name", "--since", "2100-01-01"]):
        assert run(["search", *nothing]) == 1


def test_a_conversation_is_renamed_and_deleted(ana: None, capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, "rename", "ana", "eva")
    assert "did you mean eva?" in refused(capsys, "show", "evaa")
    assert "cannot be empty" in refused(capsys, "rename", "eva", "  ")
    assert "cannot begin with conv_" in refused(capsys, "rename", "eva", "conv_0123")
    assert "--yes" in refused(capsys, "delete", "eva")  # nobody can be asked here
    printed(capsys, "delete", "eva", "--yes")
    assert nothing_kept(capsys)


def test_a_turn_is_forgotten(ana: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--yes" in refused(capsys, "forget", "ana", "1")  # nobody can be asked here
    assert printed(capsys, "forget", "ana", "1", "--yes").startswith("1 turn is forgotten: 1. ")
    assert "My name is Ana" not in printed(capsys, "export", "ana")
    shown = printed(capsys, "show", "ana").splitlines()
    assert shown[1] == "forgotten"
    assert shown[3:] == ["you: What is my name?", "model: Your name is Ana."]
    hits = printed(capsys, "search", "name is ana", "--by", "text")
    assert hits == "ana, turn 2, assistant: Your name is Ana.\n"  # what was made of it elsewhere stays
    assert "There is no turn 9" in refused(capsys, "forget", "ana", "9", "--yes")
    assert "TURN must be a whole number, 1 or more" in refused(capsys, "forget", "ana", "x", "--yes")


@pytest.mark.parametrize(("keys", "status"), [("n\r", 1), ("y\r", 0)])
def test_only_a_yes_forgets(ana: None, capsys: pytest.CaptureFixture[str], keys: str, status: int) -> None:
    with Terminal("forget", "ana", "1") as terminal:
        terminal.wait("Forget turn 1 of ana? [y/N]")
        terminal.type(keys)
        assert terminal.end() == status
        assert ("Nothing was forgotten." in terminal.text) == (status == 1)
    assert ("forgotten" in printed(capsys, "show", "ana")) == (status == 0)


@pytest.mark.parametrize(("keys", "status"), [("\x03", 130), ("n\r", 1), ("\r", 1), ("\x04", 1), ("Y\r", 0)])
def test_only_a_yes_deletes_and_an_interrupt_ends_at_once(
    ana: None, capsys: pytest.CaptureFixture[str], keys: str, status: int
) -> None:
    with Terminal("delete", "ana") as terminal:
        terminal.wait("Delete ana with its 2 turns? [y/N]")
        terminal.type(keys)
        assert terminal.end() == status
        assert ("Nothing was deleted." in terminal.text) == (status == 1)
    assert (run(["show", "ana"]) == 0) == (status != 0)


def test_looking_makes_no_database(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nothing_kept(capsys)
    assert "There is no conversation 'x'" in refused(capsys, "show", "x")
    assert re.search(r"database +none yet\n", printed(capsys, "stats"))
    assert run(["search", "x"]) == 1
    assert not own_home.exists()


def test_what_was_taken_back_is_not_counted_as_shown(
    ana: None, own_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], llama: RealEngine
) -> None:
    with Chat(llama.url, conversation="ana", db=own_home / "turnkeep.db") as chat:
        chat.undo()
        chat.undo()
    assert run(["show", "ana"]) == 0
    assert "taken back" in capsys.readouterr().err
    for kind, words in ("md", "0 turns are in"), ("jsonl", "2 turns are in"):
        arguments = ["export", "ana", "-o", str(tmp_path / f"a.{kind}")]
        assert run([*arguments, "--markdown"] if kind == "md" else arguments) == 0
        assert words in capsys.readouterr().err
    with Terminal("chat", "ana", "--engine", llama.url, columns=120) as terminal:
        assert 'Resumed "ana" (0 turns; 2 taken back, or not answered).' in terminal.wait_ready()


def test_an_export_comes_back_as_it_went(
    ana: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ana.jsonl"
    assert run(["export", "ana", "-o", str(path)]) == 0
    assert f"2 turns are in {path}" in capsys.readouterr().err
    assert "exists already" in refused(capsys, "export", "ana", "--output", str(path))
    assert "--name" in refused(capsys, "import", str(path))
    assert "cannot begin with conv_" in refused(capsys, "import", str(path), "--name", "conv_0123")
    assert printed(capsys, "import", str(path), "--name", "copy") == "Imported copy: 2 turns.\n"
    first = turnkeep("export", "ana").stdout
    assert first == path.read_bytes()
    second = turnkeep("export", "copy").stdout
    assert [json.loads(line) | {"name": 0} for line in second.splitlines()] == [
        json.loads(line) | {"name": 0} for line in first.splitlines()
    ]
    piped = turnkeep("import", "-", "--name", "piped", stdin=second)
    assert piped.stdout == b"Imported piped: 2 turns.\n"
    assert "**Model:**\n\nYour name is Ana.\n" in printed(capsys, "export", "ana", "--markdown")


def test_a_damaged_import_names_the_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"\x00" + os.urandom(300))
    assert "is of no form" in refused(capsys, "import", str(path))
    path.write_bytes(b'{"kind":"conversation","turnkeep":1}')
    assert "Line 1" in refused(capsys, "import", str(path))
    assert nothing_kept(capsys)


def test_a_conversation_without_a_name_is_found_by_its_id(
    capsys: pytest.CaptureFixture[str], llama: RealEngine
) -> None:
    turnkeep("--engine", llama.url, stdin=b"My name is Ana.\n")
    line = printed(capsys, "list")
    assert line.endswith("  My name is Ana.\n")
    assert "you: My name is Ana." in printed(capsys, "show", line.split()[0])


def test_stats_tell_disk_and_memory(ana: None, capsys: pytest.CaptureFixture[str]) -> None:
    stats = printed(capsys, "stats")
    for words in (
        r"conversations +1\n",
        r"turns +2\n",
        r"items +4\n",
        r"text +\d+ bytes",
        r"file +[\d.]+ kB",
        "write-ahead log",
    ):
        assert re.search(words, stats), words
    if sys.platform != "win32":
        assert re.search(r"memory +[\d.]+ MB", stats)


def test_where_prints_the_paths(
    own_home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(own_home / "config"))
    lines = printed(capsys, "where").splitlines()
    assert [line.split()[-4 if "not there" in line else -1] for line in lines] == [
        str(own_home / "config/turnkeep/config.toml"),
        str(own_home),
        str(own_home / "turnkeep.db"),
        str(own_home / "input-history"),
        str(own_home / "turnkeep.db-audit"),
    ]


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert __version__ in printed(capsys, "--version")


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_scripts_are_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "_TURNKEEP_COMPLETE" in printed(capsys, "completions", shell)


def test_the_shell_completes_commands_and_names(ana: None) -> None:
    def complete(words: str, number: str) -> list[str]:
        done = turnkeep(_TURNKEEP_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=number)
        return [line.partition(",")[2] for line in done.stdout.decode().splitlines()]

    assert complete("turnkeep se", "1") == ["search", "serve"]
    assert complete("turnkeep show a", "2") == ["ana"]
    assert "--temperature" in complete("turnkeep chat --te", "2")


# -- the program --------------------------------------------------------------
def test_a_reader_that_goes_away_ends_the_program_quietly(ana: None) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "turnkeep", "export", "ana"],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert done.returncode != 0
    assert done.stderr == b""


def test_an_output_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk."""
    import resource  # not on Windows, where a full disk is another matter

    with (tmp_path / "out").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "turnkeep", "where"], stdout=full, stderr=subprocess.PIPE, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        )  # fmt: skip
    assert done.returncode == 2
    told = done.stderr.decode()
    assert re.fullmatch(r"turnkeep: The output cannot be written: [^\n]+; send it elsewhere\.\n", told)


def test_the_help_is_not_cut_short(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ([], ["embed"]):
        shown = printed(capsys, *command, "--help")
        assert "..." not in re.sub(r"\[[A-Z]+\]\.\.\.|COMMAND.*|\[OPTIONS\].*", "", shown)


def test_without_the_extra_the_line_that_installs_it_is_printed(tmp_path: Path) -> None:
    for package in ("click", "rich", "prompt_toolkit"):
        blocked = tmp_path / package
        blocked.mkdir()
        (blocked / "sitecustomize.py").write_text(f"import sys\nsys.modules[{package!r}] = None\n")
        path = f"{blocked}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        done = turnkeep("list", PYTHONPATH=path)
        assert (done.returncode, done.stdout) == (2, b""), package
        assert done.stderr == b"pip install 'turnkeep[chat]'\n"
        assert __version__.encode() in turnkeep("--version", PYTHONPATH=path).stdout
        assert turnkeep("--help", PYTHONPATH=path).returncode == 0


def test_importing_the_library_imports_no_terminal() -> None:
    code = (
        "import sys, turnkeep; turnkeep.Chat\n"
        "print([name for name in ('click', 'rich', 'prompt_toolkit', 'httptools', 'platformdirs') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def test_every_command_and_option_is_documented() -> None:
    manual = (DOCS / "terminal.md").read_text(encoding="utf-8")
    groups = [(name, group) for name, group in cli.commands.items() if isinstance(group, click.Group)]
    assert {name for name, _group in groups} == {"audit", "db", "embed", "key"}
    verbs = {f"{name} {each}": verb for name, group in groups for each, verb in group.commands.items()}
    for name, command in {**cli.commands, **verbs}.items():
        assert f"`turnkeep {name}" in manual, name
        for parameter in command.params:
            for option in parameter.opts if isinstance(parameter, click.Option) else ():
                assert re.search(rf"`{option}[ `]", manual), f"{name} {option}"
    for option in ("--version", "--help", "-h"):
        assert option in manual


def test_eval_prints_a_table_and_draws_it(
    tmp_path: Path, llama: RealEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "memory.svg"
    options = ("--engine", llama.url, "--turns", "12", "--strategies", "window", "--picture", str(picture))
    assert "| window | 100 % |" in printed(capsys, "eval", *options)
    assert picture.read_text("utf-8").startswith("<svg")
    assert "windows" in refused(capsys, "eval", "--engine", llama.url, "--strategies", "windows")


def test_check_names_what_a_text_does_not_support(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, claim = tmp_path / "source.txt", tmp_path / "claim.txt"
    source.write_text("Ana: I have two dogs.\nBob: I live in Rome.\n", "utf-8")
    claim.write_text("Ana has two dogs.\n", "utf-8")
    assert printed(capsys, "check", str(source), str(claim)) == "supported\n"
    claim.write_text("Ana has three dogs.\n", "utf-8")
    assert run(["check", str(source), str(claim)]) == 1
    assert capsys.readouterr().out == "doubted: number: 3\n"
    claim.write_bytes(b"\xff\xfe")
    assert "UTF-8" in refused(capsys, "check", str(source), str(claim))
    assert "claim" in refused(capsys, "check", str(source), str(tmp_path / "none.txt")).lower()
