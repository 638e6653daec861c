"""What a page suggests, and by which numbers."""

from dataclasses import replace

import pytest
from support.made_up_runs import image, random_images, write_run

from hrs_keras.report.advice import MOST, Findings, last_quarter, suggestions
from hrs_keras.report.failures import ClassRow, Leak
from hrs_keras.report.records import Records


@pytest.fixture
def records(tmp_path):
    """Of a run whose mean IoU is known after steps 0, 300 and 600."""
    return Records.of(write_run(tmp_path / "one", random_images(60)))


def whats(findings) -> str:
    return "\n".join(one.what for one in suggestions(findings))


def course(records, *means):
    """The same run with these mean IoUs, evenly spaced over its 600 steps."""
    evaluations = [{"step": round(600 * n / (len(means) - 1)), "mean_iou": {"3": mean}} for n, mean in enumerate(means)]
    return replace(records, evaluations=evaluations)


def test_a_curve_that_still_rises(records):
    rising = course(records, 0.0, 0.3, 0.4, 0.45, 0.5)
    assert last_quarter(rising) == pytest.approx(0.05)
    (one,) = [one for one in suggestions(Findings(rising, None, [], [])) if one.what == "Train for longer."]
    assert "5.0 points" in one.why and "train.steps=1200 name=made-up-longer" in one.command
    flat = course(records, 0.0, 0.3, 0.4, 0.5, 0.505)
    assert "Train for longer" not in whats(Findings(flat, None, [], []))


def test_too_few_validations_to_tell(records):
    assert last_quarter(course(records, 0.0, 0.5)) is None


def test_a_rare_class_and_a_large_leak(records):
    row = ClassRow("car", (0, 0, 0), 0.1, 0.3, 0.5, 0.5, None, (), 0.01, 0.004, None)
    findings = Findings(records, None, [row], [Leak("car", "road", 90, 0.9, 0.05)])
    found = {one.what: one.why for one in suggestions(findings)}
    assert "0.40 % of the labelled pixels" in found["Label more real images that hold car."]
    assert any("car is taken for road" in what for what in found)
    assert "Label more real images" not in whats(replace(findings, classes=[replace(row, trained=0.02)]))


def test_five_at_most(tmp_path):
    counts = [image("a.png", [[0, 1, 2]], [[0, 0, 0]])]
    records = course(Records.of(write_run(tmp_path / "one", counts)), 0.0, 0.1, 0.2, 0.3, 0.4)
    row = ClassRow("car", (0, 0, 0), 0.1, 0.3, 0.5, 0.5, None, (), 0.01, 0.004, None)
    assert len(suggestions(Findings(records, None, [row], [Leak("car", "road", 90, 0.9, 0.05)]))) == MOST == 5
