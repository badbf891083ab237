"""The notebooks of docs/notebooks: how they are run. ``python -m tests.notebooks`` writes their outputs anew."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"
TRANSIENT = ("execution", "language_info")
"""Metadata that differ from run to run, or from one Python to the next."""


def executed(path, folder):
    """Return a notebook with the outputs that its cells give in a folder; an error in a cell is raised."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    for metadata in (notebook.metadata, *(cell.metadata for cell in notebook.cells)):
        for name in TRANSIENT:
            metadata.pop(name, None)
    return notebook


def texts(notebook):
    """Return what each cell of code gave as text, in one piece, however many it came in."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return ["".join(map(_text, cell.outputs)) for cell in cells]


def _text(output):
    return output.get("text") or output["data"].get("text/plain", "")


def main():
    """Run all notebooks and write what they give into them."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(executed(path, path.parent), path)


if __name__ == "__main__":
    main()
