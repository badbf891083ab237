"""Pages for a browser, for tests of what is in them and what a name in them might do."""

import json
import re

import pytest
from typer.testing import CliRunner

from benchmarks.browser import CHROMIUM
from scenarios.commands.cli import app

__all__ = ["IMAGE", "SAID", "SCRIPT", "data_in", "dmimo", "needs_browser", "settings"]

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
SCRIPT, IMAGE = "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'
SAID = "window.alarms = []; window.alert = (text) => window.alarms.push(text);"
"""What a page that runs a name from a file would be caught by."""


def dmimo(*words):
    """Return what a command printed that went well."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


def settings(overrides):
    """Return values of keys as options of a command."""
    return [word for key, value in overrides.items() for word in ("--set", f"{key}={json.dumps(value)}")]


def data_in(html):
    """Return the data in a page."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    return json.loads(found[1])
