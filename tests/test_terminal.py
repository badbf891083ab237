"""What a person reads comes out whole: at any width, in any encoding."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich import box
from rich.console import Console
from rich.table import Table

from scenarios.commands import terminal
from scenarios.commands.terminal import show

ROWS = [
    ("0", "1234567.89, 7654321.01", "7,128 m", "not-resolved", "5 of 5"),
    ("1", "80.00, 120.00", "0.0671 mm", "resolved", "12345678901234567890 of 5"),
    ("2", "[1, 2]", "inf", "–", "0 of 5"),
]
HEADS = ("target", "estimate (m)", "error", "status", "resolved")
RUN = ("run", "small.toml", "--cpis", "1")
SMALL = """
area.size_m = [200.0, 200.0]
access_points = {positions_m = [[5, 5], [190, 10], [195, 183], [8, 192]], n_antennas = 4}
user_equipment.count = 1
targets = [{position_m = [80, 120]}, {position_m = [80, 120]}]
schedule.n_receivers = 2
estimator = {kind = "grid", grid_step_m = 20.0}
"""


@pytest.fixture(autouse=True)
def in_a_folder_with_a_scenario(tmp_path, monkeypatch):
    (tmp_path / "small.toml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)


def shown(width, is_terminal):
    table = Table(title="Targets", box=box.SIMPLE_HEAD)
    for head in HEADS:
        table.add_column(head, no_wrap=True, justify="right")
    for row in ROWS:
        table.add_row(*row)
    file = io.StringIO()
    show(table, Console(file=file, width=width, force_terminal=is_terminal, markup=False, color_system=None))
    return re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("width", [40, 60, 72, 80, 120, 200])
def test_no_cell_of_a_table_is_ever_cut(width, is_terminal):
    text = shown(width, is_terminal)
    assert all(cell in text for row in ROWS for cell in row), text
    assert all(head in text for head in HEADS)
    assert not is_terminal or max(map(len, text.splitlines())) <= width


def test_a_table_stands_upright_only_where_it_must():
    assert "target" in shown(200, True).splitlines()[2]
    assert shown(200, True) == shown(200, False)
    assert shown(40, True).count("estimate (m)") == len(ROWS)
    assert shown(40, False).count("estimate (m)") == 1


@pytest.fixture(autouse=True)
def without_wishes(monkeypatch):
    """What the environment of these tests says of terminals is no part of them."""
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def on_a_terminal(columns, *arguments):
    """Run the command on a pseudo-terminal of so many columns; return exit status and what it shows."""
    status, text = raw_on_a_terminal(columns, *arguments)
    return status, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def raw_on_a_terminal(columns, *arguments):
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, columns.to_bytes(2, sys.byteorder).join([b"\x32\x00", b"\x00" * 4]))
    process = subprocess.Popen([sys.executable, "-m", "scenarios", *arguments], stdout=child, stderr=child, stdin=child)
    os.close(child)
    text = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # Linux: the other side is closed
            part = b""
        if not part:
            break
        text += part
    os.close(parent)
    return process.wait(), text.decode().replace("\r", "")


@pytest.mark.parametrize("columns", [40, 80])
def test_run_on_a_terminal_shows_every_number(columns):
    status, text = on_a_terminal(columns, *RUN, "--out", "o")
    assert status == 0, text
    assert text.count("80.00, 120.00") == 2
    assert text.count(" inf") == 2
    assert "..." not in text
    assert "…" not in text


COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")


@pytest.mark.parametrize(
    ("environment", "coloured", "styled"),
    [({}, True, True), ({"NO_COLOR": "1"}, False, True), ({"TERM": "dumb"}, False, False)],
    ids=["as it is", "NO_COLOR", "dumb"],
)
def test_a_terminal_gets_colours_unless_it_or_the_user_wants_none(monkeypatch, environment, coloured, styled):
    """The bar of progress has colours, headings are bold."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    status, text = raw_on_a_terminal(100, *RUN, "--out", "o")
    assert status == 0
    assert bool(COLOUR.search(text)) is coloured
    assert ("\x1b[1m" in text or "\x1b[3m" in text) is styled


def test_a_pipe_gets_escapes_only_if_they_are_forced():
    assert b"\x1b" not in dmimo({}, "bound", "small.toml").stdout
    assert b"\x1b[1m" in dmimo({"FORCE_COLOR": "1"}, "bound", "small.toml").stdout


@pytest.mark.parametrize(("columns", "widest"), [("60", 60), ("0", 120), ("many", 120)])
def test_columns_are_followed_where_there_is_no_terminal(columns, widest):
    shown = dmimo({"COLUMNS": columns}, "bound", "small.toml").stdout.decode()
    assert max(map(len, shown.splitlines())) <= widest
    assert shown.count("80.00, 120.00") == 2


def test_what_is_being_done_is_said_in_any_encoding(monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    status, text = on_a_terminal(100, *RUN, "--out", "o")
    assert status == 0
    assert "result.json" in text
    assert "\\u" not in text
    assert text.isascii()


PLAIN_TERMINALS = {
    "ascii": {"PYTHONIOENCODING": "ascii:strict"},
    "cp437": {"PYTHONIOENCODING": "cp437:strict"},
    "C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
}


def dmimo(environment, *arguments):
    command = [sys.executable, "-m", "scenarios", *arguments]
    return subprocess.run(command, capture_output=True, env={**os.environ, **environment}, timeout=120)


AFTERWARDS = (("explain", "Größe", "central"), ("timeline", "Größe"), ("validate", "small.toml"), ("schema",))


@pytest.mark.parametrize(("name", "further"), [("ascii", AFTERWARDS), ("cp437", AFTERWARDS[:1]), ("C", ())])
def test_run_ends_well_on_terminals_of_few_characters(name, further):
    """Nothing is found: the table has dashes."""
    environment = PLAIN_TERMINALS[name]
    result = dmimo(environment, *RUN, "--set", "radio.comm_power_fraction=1.0", "--out", "Größe")
    assert result.returncode == 0, result.stderr
    assert b"missed" in result.stdout
    assert Path("Größe", "result.json").exists()
    for arguments in further:
        result = dmimo(environment, *arguments)
        assert (result.returncode, result.stderr) == (0, b"")


def test_a_figure_and_its_summary_are_said_in_any_encoding():
    result = dmimo({"PYTHONIOENCODING": "ascii:strict"}, "figure", "phase-budget", "--realizations", "2", "--out", "o")
    assert result.returncode == 0, result.stderr
    assert b"urad after" in result.stdout


def test_a_run_draws_whatever_backend_matplotlib_is_told_to_use():
    result = dmimo({"MPLBACKEND": "nonsense"}, *RUN, "--out", "o")
    assert (result.returncode, result.stderr) == (0, b"")
    assert Path("o", "map.png").exists()


@pytest.mark.parametrize("arguments", [("-h",), ("--version",), ("run", "-h"), ("validate", "-h")])
def test_help_and_version_are_where_one_looks_for_them(arguments):
    result = dmimo({}, *arguments)
    assert result.returncode == 0
    assert (b"Usage" if "-h" in arguments else b"dmimo ") in result.stdout


GRAPH = "graph small.toml --out graph.json"


@pytest.mark.parametrize(
    ("line", "closed", "made"),
    [
        (GRAPH, ">&-", "graph.json"),
        (GRAPH, "2>&-", "graph.json"),
        (" ".join((*RUN, "--out o")), ">&- 2>&-", "o/result.json"),
    ],
)
def test_a_command_whose_streams_are_closed_does_its_work(line, closed, made):
    command = f"{sys.executable} -m scenarios {line} {closed}"
    result = subprocess.run(command, shell=True, capture_output=True, timeout=120)
    assert (result.returncode, result.stderr) == (0, b"")
    assert Path(made).exists()


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp850", "latin-1", "koi8-r", "utf-8"])
def test_what_an_encoding_lacks_is_said_in_its_characters(encoding):
    terminal.make_streams_safe()
    for text in (*terminal.PLAIN, "Größe", "中", "o\udcff"):
        said = text.encode(encoding, errors="plain")
        assert said
        assert encoding != "ascii" or said.decode("ascii", errors="surrogateescape")
    assert "λ/10 – 1 ø".encode("ascii", errors="plain") == rb"lambda/10 - 1 \xf8"


def test_characters_that_an_encoding_lacks_are_said_in_others():
    result = dmimo({"PYTHONIOENCODING": "ascii"}, "bound", "small.toml", "--map", "--out", "Größe")
    assert b"(lambda/10)" in result.stdout
    assert rb"Gr\xf6\xdfe" in result.stdout
    result.stdout.decode("ascii")
    whole = dmimo({"PYTHONIOENCODING": "utf-8"}, "bound", "small.toml", "--map", "--out", "Größe").stdout.decode()
    assert "(λ/10)" in whole
    assert "Größe" in whole


@pytest.mark.parametrize("key", ["radio.µ", "radio.λ", "radio.ρ"])
def test_a_message_repeats_what_the_user_gave(key):
    result = dmimo({"PYTHONIOENCODING": "ascii"}, "validate", "small.toml", "--set", f"{key}=1")
    assert result.returncode == 2
    assert f"  {key}: unknown key".encode("ascii", "backslashreplace") in result.stderr


@pytest.mark.parametrize("arguments", [(*RUN, "--out", "o"), ("bound", "small.toml"), ("validate", "small.toml")])
def test_a_command_whose_reader_has_gone_ends_quietly(arguments):
    parent, child = os.pipe()
    os.close(parent)
    command = [sys.executable, "-m", "scenarios", *arguments]
    result = subprocess.run(command, stdout=child, stderr=subprocess.PIPE, timeout=120)
    os.close(child)
    assert (result.returncode, result.stderr) == (1, b"")


def test_a_file_name_that_is_no_text_is_written_as_it_is():
    result = dmimo({"PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}, "bound", "small.toml", "--map", "--out", b"o\xff")
    assert result.returncode == 0, result.stderr
    assert b"o\xff/bound_map.png" in result.stdout


def test_every_character_that_is_printed_has_a_plain_one():
    """Of the modules whose text reaches the terminal, not a page for a browser."""
    root = Path(terminal.__file__).parent.parent
    modules = [path for path in root.rglob("*.py") if path.name not in ("terminal.py", "page.py")]
    texts = [path.read_text(encoding="utf-8") for path in modules]
    unusual = {character for text in texts for character in text if not character.isascii()}
    assert unusual <= set(terminal.PLAIN), unusual - set(terminal.PLAIN)
