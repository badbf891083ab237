"""The progress bar: it shows on a terminal, and never changes what goes through it."""

import sys

from scenarios.output.progress import with_progress


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
