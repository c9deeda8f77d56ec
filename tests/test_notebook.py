"""The README's lines of Python, and the example notebook in a kernel of its own: both run on the packaged sample."""

import os
import re
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import tiny

ROOT = Path(__file__).parents[1]


def readme_lines() -> str:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = (each for each in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "adaptx.open(" in each)
    return block


def test_the_readme_goes_from_import_to_gains_and_a_peft_model_in_twelve_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = readme_lines()
    assert len([line for line in block.splitlines() if line.strip()]) <= 12
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'runs.db'}")
    # The same lines with fewer rows and steps, to stay fast.
    quick = block.replace("limit=300", "limit=16").replace("epochs=5", "max_steps=2, batch_size=4")
    assert quick.count("limit=16") == quick.count("max_steps=2") == 1
    names: dict[str, Any] = {}
    exec(compile(quick, "README.md", "exec"), names)
    gains = names["gains"]
    assert isinstance(gains, pd.DataFrame)
    assert {"gain", "low", "high", "p"} <= set(gains.columns)
    assert gains.gain.notna().any()
    assert type(names["model"]).__name__.startswith("PeftModel")


def shorten(notebook: Any) -> None:
    """Give the notebook's cells fewer rows and steps, to stay fast."""
    for before, after in (("limit=120", "limit=16"), ("max_steps=20, batch_size=16", "max_steps=2, batch_size=4")):
        (cell,) = [cell for cell in notebook.cells if before in cell.source]
        cell.source = cell.source.replace(before, after)


def test_the_example_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        # What Jupyter's packages say of themselves as they are loaded is not ours.
        warnings.simplefilter("ignore")
        import nbformat
        from nbclient import NotebookClient

        notebook = nbformat.read(ROOT / "examples" / "notebook.ipynb", as_version=4)
        shorten(notebook)
        for name, value in {**tiny.ONE_THREAD, "HOME": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        client = NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
        )
        client.execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = "\n".join(str(output.get("data", {}).get("text/html", "")) for output in outputs)
    assert "<progress" in shown, "progress is drawn in place"
    assert "<b>notebook: " in shown, "the plan is a table"
    assert "holm_p" in shown
    told = "\n".join(str(output.get("data", {}).get("text/plain", "")) for output in outputs)
    assert "Train(model='e5-mini', task='nli'" in told
    assert "PeftModel" in told
    assert not [output for output in outputs if output.output_type == "error"]
    committed = nbformat.read(ROOT / "examples" / "notebook.ipynb", as_version=4)
    assert all(not cell.outputs for cell in committed.cells if cell.cell_type == "code"), "outputs are not committed"
