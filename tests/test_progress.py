"""The progress bar: it shows on a terminal, and never changes what goes through it."""

import sys

import pytest

from scenarios.output.progress import doing, with_progress


def test_items_pass_as_they_are_and_nothing_is_said_without_a_terminal(capsys):
    assert list(with_progress(iter("abc"), 3, "letter", str.upper)) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_the_bar_says_what_was_done_last(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert list(with_progress(iter("abc"), 3, "letter", str.upper)) == ["a", "b", "c"]
    out, bar = capsys.readouterr()
    assert out == ""
    assert "letter" in bar
    assert "3/3" in bar
    assert "C" in bar
    assert "elapsed" in bar
    assert "left" in bar


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_is_being_done_is_said_on_a_terminal_and_nowhere_else(capsys, monkeypatch, is_terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    monkeypatch.setenv("TERM", "xterm")
    with doing("drawing map.png") as say_doing:
        say_doing("writing result.json")
    out, said = capsys.readouterr()
    assert out == ""
    assert ("writing result.json" in said) is is_terminal
