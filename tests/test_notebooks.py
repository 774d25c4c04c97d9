"""The notebooks: run again at smoke size, and fit to be read as they are committed."""

import base64
import os
import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="notebooks need the extra `test`")
nbclient = pytest.importorskip("nbclient", reason="notebooks need the extra `test`")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


def outputs(notebook):
    return [out for cell in notebook.cells for out in cell.get("outputs", [])]


def test_there_are_notebooks():
    assert NOTEBOOKS[0].name == "01_search_in_five_minutes.ipynb"


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_at_smoke_size(path, tmp_path, monkeypatch):
    pytest.importorskip("nilearn", reason="the template comes with nilearn")
    monkeypatch.setenv("AUTOREG_NOTEBOOK_SMOKE", "1")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT)]))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    # Compiling is most of a quick pass, and no number of it is looked at.
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"
    monkeypatch.setenv("XLA_FLAGS", flags)
    notebook = read(path)
    client = nbclient.NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    assert any("image/png" in out.get("data", {}) for out in outputs(notebook))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_with_outputs_of_a_modest_size(path):
    notebook = read(path)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    pictures = [
        base64.b64decode(out["data"]["image/png"])
        for out in outputs(notebook)
        if "image/png" in out.get("data", {})
    ]
    assert len(pictures) >= 5
    assert max(map(len, pictures)) < 200_000
    assert not [out for out in outputs(notebook) if out.output_type == "error"]
    text = path.read_text(encoding="utf-8")
    assert len(text) < 2_000_000
    assert not re.search(r"/(home|root|tmp|Users)/", text)
    assert all(not cell.metadata for cell in notebook.cells)
    first = notebook.cells[0].source
    assert re.search(r"^\*\*For\*\* .* minutes to read\.", first, re.M)
