"""The documentation runs: its Python, its scenario files, its commands, its links and its table of keys."""

import argparse
import ast
import importlib.util
import inspect
import itertools
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import pytest
import typer
from PIL import Image

from docs import picture_of_lobes
from emulator import FAULTS
from emulator.watch import EVENTS
from models.calibration import CALIBRATIONS
from models.estimation import ESTIMATORS
from models.oscillators import OSCILLATORS
from models.selection import SELECTORS
from scenarios.commands.checkpoints import CHECKPOINT, JOURNAL
from scenarios.commands.cli import app
from scenarios.commands.run import FILES
from scenarios.exports import FORMATS
from scenarios.file.build import STRATEGIES, build
from scenarios.file.files import load
from scenarios.file.plugins import implementation, settings_of
from scenarios.file.scenario import Scenario
from scenarios.output.folders import MANIFEST
from scenarios.output.results import save_trace
from tests.test_doors import DOORS

ROOT = Path(__file__).parent.parent
MADE = {"_build", "api", "gallery"}
"""Folders of docs that `make docs` writes."""
WRITTEN = [page for page in (ROOT / "docs").rglob("*.md") if not MADE & set(page.relative_to(ROOT / "docs").parts)]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(WRITTEN)]
MOST_IMAGE_BYTES = 300_000


class Block(NamedTuple):
    """A fenced block: its language, its text, and the file name in its first line if it is a comment like `# a.py`."""

    language: str
    text: str
    line: int

    @property
    def file(self):
        match = re.match(r"# (\w+\.(?:py|toml))\n", self.text)
        return match[1] if match else None

    @property
    def is_possible(self):
        """Whether the packages are there that its first line names, as in `# needs: xarray, h5netcdf`."""
        match = re.match(r"# needs: (.+)\n", self.text)
        return all(map(importlib.util.find_spec, match[1].split(", "))) if match else True


def blocks(page, *languages):
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    all_blocks = (Block(m[1], m[2], text[: m.start()].count("\n") + 2) for m in found)
    return [block for block in all_blocks if block.language in languages]


LONG = (
    "docs/clocks.md",
    "docs/design/017-painters.md",
    "docs/extending.md",
    "docs/extending/checks.md",
    "docs/extending/strategies.md",
    "docs/faults.md",
    "docs/fronthaul.md",
    "docs/interop.md",
    "docs/tutorials/clock.md",
    "docs/tutorials/cluster.md",
    "docs/tutorials/estimator.md",
    "docs/tutorials/first-run.md",
    "docs/tutorials/selector.md",
    "docs/tutorials/sweep.md",
)
"""Pages whose blocks take many seconds."""


def pages_with(*languages):
    pages = [
        pytest.param(page, marks=pytest.mark.slow if str(page.relative_to(ROOT)) in LONG else ())
        for page in PAGES
        if blocks(page, *languages)
    ]
    return pytest.mark.parametrize("page", pages, ids=lambda page: str(page.relative_to(ROOT)))


@pages_with("python")
def test_every_python_block_runs(page, tmp_path, monkeypatch):
    """The blocks of a page run from top to bottom in one namespace; one that begins with `# name.py` is that file.

    One that needs a package that is not there is left out.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    namespace = {"__name__": "docs"}
    for block in blocks(page, "python", "toml"):
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python" and block.is_possible:
            # Empty lines in front: a traceback then points to the line of the page.
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)


def test_the_page_on_estimation_shows_what_its_blocks_print(capsys):
    page, namespace = ROOT / "docs" / "estimation.md", {"__name__": "docs"}
    for block in blocks(page, "python"):
        exec(block.text, namespace)
    assert capsys.readouterr().out == "".join(block.text for block in blocks(page, "text"))


def test_the_picture_of_lobes_has_the_estimate_on_the_highest_one():
    seen = picture_of_lobes.run()
    row, column = np.unravel_index(seen.fine.argmax(), seen.fine.shape)
    ticks_m = np.linspace(-picture_of_lobes.FINE_M, picture_of_lobes.FINE_M, picture_of_lobes.N_POINTS)
    highest_m = picture_of_lobes.TARGET_M + ticks_m[[column, row]]
    np.testing.assert_allclose(seen.estimate_m, highest_m, atol=ticks_m[1] - ticks_m[0])


@pages_with("toml")
def test_every_scenario_block_is_valid(page):
    for block in blocks(page, "toml"):
        kinds = re.findall(r'"(\w+):\w+"', block.text)
        if not kinds:
            Scenario.checked(tomllib.loads(block.text))


def commands(page):
    """Return the words of every command shown, up to where its output goes."""
    shown = [line[2:] for b in blocks(page, "console") for line in b.text.splitlines() if line.startswith("$ ")]
    shown += [line for block in blocks(page, "sh") for line in block.text.splitlines()]
    words = [shlex.split(line, comments=True) for line in shown]
    return [list(itertools.takewhile(lambda word: word not in (">", "|"), line)) for line in words if line]


class Parsed(Exception):
    """Raised in place of what a command would do."""


def parse_dmimo(words):
    """Parse the words after `dmimo` as the command line does, without running the command."""
    group = typer.main.get_command(app)
    for command in group.commands.values():
        command.callback = None
    group.main(words, prog_name="dmimo", standalone_mode=False)


def parse_module(words, monkeypatch):
    """Parse the words after `python -m` as the module does; one without options need only be there."""
    module, *arguments = words
    assert importlib.util.find_spec(module), f"no module {module}"
    if arguments:
        parse = argparse.ArgumentParser.parse_args

        def stop(self, args=None, namespace=None):
            parse(self, args, namespace)
            raise Parsed

        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(Parsed):
            importlib.import_module(module).main()


def check_command(words, monkeypatch):
    """Raise if a command that is shown would be refused for its words."""
    if words[0].endswith("dmimo"):
        parse_dmimo(words[1:])
    elif words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words[1:]) <= set(targets)
    elif words[:2] == ["python", "-m"]:
        parse_module(words[2:], monkeypatch)


@pages_with("console", "sh")
def test_every_command_exists_with_its_options(page, monkeypatch):
    for words in commands(page):
        try:
            check_command(words, monkeypatch)
        except (Exception, SystemExit) as error:
            pytest.fail(f"{page.name}: {shlex.join(words)}: {error}")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("dmimo walk paper", "walk"),
        ("dmimo run paper --sed 1", "--sed"),
        ("dmimo run paper --seed one", "one"),
        ("dmimo bench --cpis 3", "--cpis"),
        ("make tea", "tea"),
        ("python -m benchmarks.study_nothing", "study_nothing"),
        ("python -m benchmarks.study_threshold --powers 14", "2"),  # the exit status of argparse
        ("python -m benchmarks.study_threshold --trials many", "2"),
    ],
)
def test_a_command_that_would_be_refused_is_seen(line, complaint, monkeypatch):
    with pytest.raises((Exception, SystemExit), match=complaint):
        check_command(shlex.split(line), monkeypatch)


def run_dmimo(*words, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "scenarios", *words], capture_output=True, text=True, cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip


def shown_output(command, page="README.md"):
    """Return what a page shows below a command, up to the next command or the end of the block."""
    shown = "".join(block.text for block in blocks(ROOT / page, "console"))
    match = re.search(rf"^\$ {re.escape(command)}\n(.*?)(?=^\$ |\Z)", shown, re.MULTILINE | re.DOTALL)
    assert match, f"{page} shows no output of: {command}"
    return significant(match[1])


def significant(output):
    """Return the lines of an output without trailing blanks, wall-clock times and where files were written."""
    lines = [line.rstrip() for line in output.splitlines()]
    return [line for line in lines if line and not line.startswith(("Wall-clock time", "Written", "  results/"))]


@pytest.mark.parametrize(
    "command",
    [
        "dmimo validate paper",
        "dmimo validate paper --set radio.transmit_power_dbm=400 --set radio.carier_hz=1",
        "dmimo bound paper --seed 1 --at 310,420",
        pytest.param("dmimo run paper --seed 1", marks=pytest.mark.slow),
    ],
)
def test_readme_shows_the_real_output(command, tmp_path):
    done = run_dmimo(*shlex.split(command)[1:], cwd=tmp_path)
    assert significant(done.stdout + done.stderr) == shown_output(command)


@pytest.mark.parametrize(
    "command",
    [
        "dmimo run paper --set selector.kind=random",
        "dmimo bound paper --seed 1 --at 310,420",
        pytest.param("dmimo run paper --seed 1", marks=pytest.mark.slow),
    ],
)
def test_the_first_five_minutes_show_the_real_output(command, tmp_path):
    done = run_dmimo(*shlex.split(command)[1:], cwd=tmp_path)
    assert significant(done.stdout + done.stderr) == shown_output(command, "docs/five-minutes.md")


def test_readme_shows_the_real_explanation(tmp_path):
    emulation = load("paper").build(1, estimator=None, scoring=False)
    emulation.run(5)
    save_trace(emulation.trace, tmp_path / "trace.npz")
    done = run_dmimo("explain", str(tmp_path), "ap-3", "--cpi", "4")
    assert significant(done.stdout) == shown_output("dmimo explain results/paper-1 ap-3 --cpi 4")


@pytest.mark.slow
def test_the_commands_about_traces_do_what_they_are_for(tmp_path):
    """Those before them made what they ask about: a receiver, some of whose reports are fused."""
    done = [run_dmimo(*words[1:], cwd=tmp_path) for words in commands(ROOT / "docs" / "trace.md")]
    assert [one.stderr for one in done if one.returncode] == []
    told = "".join(one.stdout for one in done)
    assert "ap-1 in CPI 2 listened" in told
    assert " fused and " in told
    assert "the report of ap-1 on slot" in told
    assert told.count("timeline.png") == 4


@pytest.mark.slow
def test_the_commands_about_other_tools_write_what_the_page_says(tmp_path):
    """Those of its first block; the table names the files of every form."""
    page = ROOT / "docs" / "exports.md"
    shown = [words for words in commands(page) if "thin" in words]
    done = [run_dmimo(*words[1:], cwd=tmp_path) for words in shown]
    assert [one.stderr for one in done if one.returncode] == []
    assert (tmp_path / "near.nc").exists()
    table = page.read_text(encoding="utf-8").partition("| `--format`")[2].partition("\n\n")[0]
    named = re.findall(r"`(timeline[-.\w]+)`", table)
    assert set(named) == {f"timeline{ending}" for form in FORMATS.values() for ending in form}
    assert {path.name for path in (tmp_path / "thin").iterdir()} >= {*named} - {"timeline.nc"}


@pytest.mark.slow
def test_readme_shows_the_real_output_of_the_custom_access_points():
    done = subprocess.run(
        [sys.executable, "-m", "scenarios.custom_ap"], capture_output=True, text=True, cwd=ROOT, check=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert significant(done.stdout) == shown_output("python -m scenarios.custom_ap")


def plain_classes(source):
    """Return the classes of a source by name, their methods without annotations and docstrings."""
    classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    for method in (m for cls in classes.values() for m in cls.body if isinstance(m, ast.FunctionDef)):
        method.returns = None
        for argument in method.args.args:
            argument.annotation = None
        if ast.get_docstring(method):
            method.body = method.body[1:]
    return {name: ast.unparse(node) for name, node in classes.items()}


def test_readme_shows_the_class_of_the_script():
    shown = plain_classes("".join(block.text for block in blocks(ROOT / "README.md", "python")))
    script = plain_classes((ROOT / "scenarios" / "custom_ap.py").read_text())
    assert shown
    assert shown.items() <= script.items()


# -- the table of keys ------------------------------------------------------------------------------------------------


def toml_word(value):
    """Return a default as it is written in docs/scenario.md."""
    if value is None:
        return "left out"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, list | tuple):
        return "`[" + ", ".join(f"{v:g}" for v in value) + "]`"
    return f"`{value:g}`"


def limits(prop):
    """Return what is allowed, in words, from a key of the JSON schema."""
    if "allowed" in prop:
        return prop["allowed"]
    if "enum" in prop:
        return ", ".join(f'`"{word}"`' for word in prop["enum"])
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    bounds = " and ".join(f"{sign} {prop[key]:g}" for key, sign in signs.items() if key in prop)
    words = {"number": "number", "integer": "whole number", "boolean": "`true`, `false`"}
    kind = {**words, "string": "string", "array": "list"}[prop["type"]]
    return f"{kind} {bounds}".strip()


def key_rows(table):
    """Return the rows of docs/scenario.md for the keys of a table."""
    schema = Scenario.model_json_schema()
    prop = schema["properties"][table]
    yield from rows_of((prop.get("$ref") or prop["items"]["$ref"]).rsplit("/", 1)[1])


def rows_of(name):
    """Return the rows for the keys of a definition of the JSON schema."""
    schema = Scenario.model_json_schema()
    for key, said in schema["$defs"][name]["properties"].items():
        text = re.sub(r"( Unit: \S+\.)? Default: [^.]*\.$", "", said["description"])
        yield (
            f"| `{key}` | {text} | {said['unit'] or '–'} | {limits(said)} | {toml_word(said.get('default'))} "
            f"| {said['default_from']} |"
        )


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("access_points", "AccessPointKeys"),
        ("user_equipment", "SingleUserEquipmentKeys"),
        ("oscillators", "NodeOscillator"),
    ],
)
def test_every_key_of_a_single_node_is_in_the_table_as_the_schema_has_it(table, keys):
    page = (ROOT / "docs" / "scenario.md").read_text(encoding="utf-8")
    section = page.partition(f"### `[[{table}.node]]`\n")[2].partition("\n## ")[0]
    shown = [line for line in section.splitlines() if line.startswith("| `")]
    expected = list(rows_of(keys))
    assert shown == expected, "docs/scenario.md: paste these rows\n" + "\n".join(expected)


@pytest.mark.parametrize("table", list(Scenario.model_json_schema()["properties"]))
def test_every_key_is_in_the_table_as_the_schema_has_it(table):
    page = (ROOT / "docs" / "scenario.md").read_text(encoding="utf-8")
    listed = Scenario.model_json_schema()["properties"][table].get("type") == "array"
    heading = f"## `[[{table}]]`" if listed else f"## `[{table}]`"
    section = re.split(r"\n###? ", page.partition(f"{heading}\n")[2])[0]
    shown = [line for line in section.splitlines() if line.startswith("| `") and line.count(" | ") >= 5]
    expected = list(key_rows(table))
    assert shown == expected, "docs/scenario.md: paste these rows\n" + "\n".join(expected)


def kind_rows(table, registry):
    """Return the rows of docs/scenario.md for the kinds of a strategy: the keys that the schema does not name."""
    annotation = Scenario.model_fields[table].annotation
    named = set((get_args(annotation) or [annotation])[0].model_fields)
    for kind in registry:
        own = sorted(set(settings_of(implementation(kind, registry))) - named)
        yield f"| `{kind}` | {', '.join(f'`{key}`' for key in own) or 'none'} |"


@pytest.mark.parametrize(
    ("table", "registry"),
    [
        ("selector", SELECTORS),
        ("estimator", ESTIMATORS),
        ("faults", FAULTS),
        ("oscillators", OSCILLATORS),
        ("calibration", CALIBRATIONS),
    ],
)
def test_every_kind_is_listed_with_its_own_keys(table, registry):
    page = (ROOT / "docs" / "scenario.md").read_text(encoding="utf-8")
    heading = f"## `[[{table}]]`" if table == "faults" else f"## `[{table}]`"
    section = page.partition(f"{heading}\n")[2].partition("\n## ")[0]
    shown = re.findall(r"^\| `[\w-]+` \| [^|]* \|$", section, re.MULTILINE)
    expected = list(kind_rows(table, registry))
    assert shown == expected, "docs/scenario.md: paste these rows\n" + "\n".join(expected)


def test_every_file_of_an_output_folder_is_listed():
    section = (ROOT / "docs" / "output.md").read_text(encoding="utf-8").partition("## The folder of a run\n")[2]
    shown = re.findall(r"^\| `([\w.]+)` \|", section.partition("\n## ")[0], re.MULTILINE)
    assert sorted(shown) == sorted([*FILES, CHECKPOINT, JOURNAL, MANIFEST])


def test_every_event_that_can_be_watched_is_listed_with_its_fields():
    section = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").partition("## Step, pause and look\n")[2]
    shown = re.findall(r"^\| `\w+` \|.*\|$", section.partition("\n## ")[0], re.MULTILINE)
    fields = {event: ", ".join(f"`{name}`" for name in event._fields) for event in EVENTS}
    assert shown == [f"| `{event.__name__}` | {event.__doc__} | {fields[event]} |" for event in EVENTS]


def test_every_door_is_said_to_be_public():
    section = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").partition("## What is public\n")[2]
    named = set(re.findall(r"`((?:models|emulator|scenarios)[\w.]*)`", section.partition("\n## ")[0]))
    assert named == set(DOORS)


# -- links, pictures, names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_every_path_that_is_named_exists():
    """Modules and tests are called by their path in code font; what is built is not there before."""
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for path in re.findall(r"`((?:models|emulator|scenarios|tests|docs)/(?!_build)[\w/.-]*\w)`", text):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_every_test_that_is_named_exists():
    sources = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    for page in PAGES:
        for name in re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8")):
            assert f"def {name}(" in sources or (ROOT / "tests" / f"{name}.py").exists(), f"{page.name}: {name}"


def test_every_name_of_the_notation_exists():
    """docs/notation.md: the last column is a module and a name in it, `module:name` or `module:Class.attribute`."""
    import dataclasses
    import importlib

    named = re.findall(r"`((?:models|emulator|scenarios)[\w.]*):([\w.]+)`", (ROOT / "docs/notation.md").read_text())
    assert len(named) > 30
    for module, path in named:
        found = importlib.import_module(module)
        owner, _, attribute = path.partition(".")
        assert hasattr(found, owner), f"{module}:{path}"
        if attribute:
            cls = getattr(found, owner)
            fields = {f.name for f in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set()
            assert attribute in fields or hasattr(cls, attribute), f"{module}:{path}"


def test_the_overview_of_extending_names_classes_and_arguments_that_are_there():
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    classes = re.findall(r"\| `((?:models|emulator)[\w.]*)\.([A-Z]\w+)`", page)
    assert len(classes) > 10
    assert [name for module, name in classes if not hasattr(importlib.import_module(module), name)] == []
    arguments = re.findall(r"^\| \[.*\| `(\w+)=", page, re.MULTILINE)
    assert len(arguments) > 10
    assert set(arguments) <= {*inspect.signature(build).parameters, *STRATEGIES}


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "theory").glob("*.md")), ids=lambda page: page.name)
def test_every_formula_can_be_drawn(page):
    latex2mathml = pytest.importorskip("docutils.utils.math.latex2mathml")
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for displayed, inline in re.findall(r"\$\$(.+?)\$\$|\$([^$]+?)\$", text, re.DOTALL):
        latex2mathml.tex2mathml((displayed or inline).strip())


def test_pictures_are_small_and_not_blank():
    pictures = sorted((ROOT / "docs" / "images").glob("*.png"))
    assert {"map.png", "timeline.png"} <= {path.name for path in pictures}
    for path in pictures:
        assert path.stat().st_size < MOST_IMAGE_BYTES, path
        with Image.open(path) as image:
            assert np.ptp(np.asarray(image.convert("L"))) > 100
