"""The code of docs/notebooks, run cell by cell, without Jupyter: a kernel would be thirty packages more."""

import json
import re

import matplotlib
import numpy as np
import pytest
from support.paths import REPOSITORY

NOTEBOOK = REPOSITORY / "docs/notebooks/look_into_a_run.ipynb"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
def test_a_look_into_a_run(copied, monkeypatch, capsys):
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    monkeypatch.chdir(copied.parents[1])
    matplotlib.use("Agg")
    names: dict = {}
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        code = "".join(cell["source"]).replace('RUN = "runs/mine-ours_w1"', 'RUN = "runs/tiny"')
        exec(compile(code, cell["id"], "exec"), names)
    assert names["RUN"] == "runs/tiny" and names["model"].step in (4, 8)
    said = capsys.readouterr().out
    assert " steps: 19 classes, images of (32, 64) pixels" in said
    shares = [float(share) / 100 for share in re.findall(r"([0-9.]+) % of the pixels are wrong", said)]
    assert len(shares) == 3 and all(0 < share <= 1 for share in shares)
    means = [float(mean) for mean in re.findall(r": mean H ([0-9.]+)", said)]
    assert means and np.all((np.array(means) >= 0) & (np.array(means) <= 1))
    assert [len(row) for row in names["rows"]] == [5, 5, 5]  # an image, H and three levels
