"""The code of docs/fit.md, run as a reader would."""

import re

import pytest
from support.paths import REPOSITORY


@pytest.mark.slow
def test_the_page_runs(tmp_path, monkeypatch, capsys):
    page = (REPOSITORY / "docs/fit.md").read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    # As it stands, but for sizes that would take minutes.
    small = {"gtav=40, synthia=40, train=20, val=10": "(64, 128), gtav=4, synthia=4, train=4, val=2"}
    small |= {'"train.steps=20"]': '"train.steps=6", "data.size=[64, 128]", "encoder.width=0.125", "encoder.fc=32"]'}
    for usual, quick in small.items():
        assert usual in code
        code = code.replace(usual, quick)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code, "docs/fit.md", "exec"), names)
    assert int(names["trainer"].step) == 6
    assert names["classes"].shape == (2, 64, 128)
    said = capsys.readouterr().out
    assert "loss/target" in said and 0 <= float(re.search(r"mean H: ([0-9.]+)", said)[1]) <= 1
