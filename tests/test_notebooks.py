"""The notebooks run, and hold what they give."""

import pytest

notebooks = pytest.importorskip("tests.notebooks")
PATHS = sorted(notebooks.FOLDER.glob("*.ipynb"))
MOST_BYTES = 400_000


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what speaks to the kernel
def test_a_notebook_gives_what_it_holds(path, tmp_path):
    kept = notebooks.nbformat.read(path, as_version=4)
    assert notebooks.texts(notebooks.executed(path, tmp_path)) == notebooks.texts(kept)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_has_its_outputs_and_is_small(path):
    assert path.stat().st_size < MOST_BYTES
    kept = notebooks.nbformat.read(path, as_version=4)
    notebooks.nbformat.validate(kept)
    code = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert any("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
