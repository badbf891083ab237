"""What pages for a browser have in common: a template, filled, with all that it needs in the one file.

Such a page asks for nothing from anywhere: a browser refuses it, by a policy at its head that allows the scripts in it
alone, known by their digests. So nothing runs that a name from a scenario file might smuggle in.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scenarios.extras import extra

__all__ = ["filled"]

TEMPLATES = Path(__file__).parent / "templates"


def filled(
    template: str, what: str, *, scripts: Sequence[str], styles: Sequence[str], library: str = "", **values: Any
) -> str:
    """Return a template with values in it.

    Parameters
    ----------
    template
        Its name. It extends base.html.
    what
        What makes the page, for the error if jinja2 is missing.
    scripts, styles
        Names of files that stand beside the template, which become one script and one style.
    library
        A script that stands before it.
    values
        What the template asks for by name; ``data`` is there for the script, as JSON.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed.
    """
    with extra("report", what):
        import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    code = [script for script in (library, _joined(scripts)) if script]
    page = environment.get_template(template)
    return str(page.render(scripts=code, digests=[_digest(one) for one in code], style=_joined(styles), **values))


def _joined(names: Sequence[str]) -> str:
    return "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def _digest(script: str) -> str:
    """Return what a browser knows a script by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
