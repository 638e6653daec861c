"""A run's log that a crash of the machine has damaged anywhere: what was whole stays, and the run goes on."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties.strategies import cases, damaged

from hrs_keras.training.log_file import LogFile

# A recipe has no other class names.
names = st.text(min_size=1, max_size=8).filter(str.isprintable)
columns = st.lists(names.map("iou/{}".format) | st.just("loss/target"), min_size=1, max_size=4, unique=True)
numbers = st.floats(-1e6, 1e6) | st.just(float("nan"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs") / "log.csv"


@st.composite
def logs(draw: st.DrawFn) -> list[dict[str, float]]:
    """Rows of a log: steps that rise, and the same columns in each."""
    names = draw(columns)
    steps = sorted(draw(st.sets(st.integers(1, 10_000), min_size=1, max_size=5)))
    return [{"step": step} | {name: draw(numbers) for name in names} for step in steps]


def rows_of(file: Path) -> list[dict[str, str]]:
    with open(file, newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text, strict=True))


@pytest.mark.fault(
    "a log that a crash of the machine has cut off or damaged anywhere",
    "the rows before that place stay, up to the checkpoint, and the next ones follow",
)
@cases(120)
@given(rows=logs(), step=st.integers(0, 10_000), data=st.data())
def test_a_damaged_log(file, rows, step, data):
    file.unlink(missing_ok=True)
    writer, ends = LogFile(file), []
    for row in rows:
        writer.append(row)
        ends.append(file.stat().st_size)
    written = rows_of(file)
    assert [
        [float(value) for value in row.values()] == pytest.approx(list(given.values()), nan_ok=True)
        for row, given in zip(written, rows, strict=True)
    ]
    contents = file.read_bytes()
    file.write_bytes(damage := data.draw(damaged(contents)))
    whole = next((at for at, byte in enumerate(contents) if damage[at : at + 1] != bytes([byte])), len(contents))

    resumed = LogFile(file)
    resumed.keep_until(step)
    last = {name: 0.5 for name in rows[0]} | {"step": step + 1}
    resumed.append(last)

    expected = [row for row, stop in zip(written, ends, strict=True) if stop <= whole and int(row["step"]) <= step]
    found = rows_of(file)
    assert [row for row in found if row in expected] == expected
    assert {name: float(value) for name, value in found[-1].items() if name in last} == last
    assert all(int(row["step"]) <= step for row in found[:-1])
    for value in (value for row in found for value in row.values()):
        float(value)
