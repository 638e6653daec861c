"""The selection check: by hand, and marks that cannot be used."""

import itertools
import math
import shutil

import numpy as np
import pytest
from support.selections import CHECK, ODD, SELECTED
from support.tiny import recipe

from hrs_keras.errors import CheckpointError, DataError
from hrs_keras.experiments.collecting import collect
from hrs_keras.experiments.selection_check import read_marks


def test_selection_check_by_hand(selecting):
    first, last = collect(*selecting()).to_dict()["selection_check"]
    # Odd: b, d, e. H of the others, 0.5 and 0.75, against 0.25, 0.5, 0: one tie (a, d), the other five pairs won.
    assert first == {
        "step": 0,
        "flagged": 3,
        "others": 2,
        "H": {"flagged": 0.25, "others": 0.625, "auc": pytest.approx(5.5 / 6)},
        # 0.1 and 0.3 against 0.2, 0.4, 0.5: one pair of six.
        "H_p": {"flagged": pytest.approx(1.1 / 3), "others": pytest.approx(0.2), "auc": pytest.approx(1 / 6)},
    }
    assert last["step"] == 8 and last["H"]["auc"] == pytest.approx(0.5 / 6)


def test_auc_is_the_area_under_the_curve(selecting):
    rng = np.random.default_rng(0)
    values = {f"i{n}": (round(float(rng.random()), 1), float(rng.random())) for n in range(60)}  # H has many ties
    odd = {stem: bool(rng.random() < 0.4) for stem in values}
    record = collect(*selecting(values, odd)).to_dict()["selection_check"][0]
    for column, level in enumerate(("H", "H_p")):
        scores = {stem: means[column] for stem, means in values.items()}
        points = [
            [np.mean([scores[s] >= t for s in scores if odd[s] == flag]) for flag in (True, False)]
            for t in [math.inf, *sorted(set(scores.values()), reverse=True)]
        ]
        area = sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in itertools.pairwise(points))
        assert record[level]["auc"] == pytest.approx(area)
        assert record[level]["flagged"] == pytest.approx(np.mean([scores[s] for s in scores if odd[s]]))
    assert record["flagged"] == sum(odd.values()) and record["flagged"] + record["others"] == 60


def test_all_alike_is_no_relation(selecting):
    record = collect(*selecting({stem: (0.5, 0.0) for stem in "abc"})).to_dict()["selection_check"][0]
    assert record["H"] == {"flagged": 0.5, "others": 0.5, "auc": 0.5}


def test_runs_that_select_nothing_are_not_checked(selecting):
    run, check, root = selecting()
    run.recipe_file.write_text(recipe("train.steps=8", "method.source_weighting=plain").to_yaml())
    assert collect(run, check, root).selection_check is None
    assert collect(run, check, root / "nowhere").selection_check is None


@pytest.mark.fault("marks that do not fit the images", "refused; the image is named")
@pytest.mark.parametrize(
    "images, marks, says",
    [
        (SELECTED, {"a": True, "b": False, "c": False, "e": False}, "no line marks game/train/d.png; .* the id 'd'"),
        (SELECTED, dict.fromkeys(SELECTED, True), "of the 5 images that the run recorded none is without the flag"),
        (SELECTED, dict.fromkeys(SELECTED, False), "of the 5 images that the run recorded none has the flag"),
        (SELECTED | {"../more/a": (0, 0)}, ODD, "game/train/a.png and game/train/../more/a.png share the id 'a'"),
    ],
)
def test_marks_that_do_not_fit(selecting, images, marks, says):
    with pytest.raises(DataError, match=rf"selection_check: .*game/meta\.jsonl: {says}"):
        collect(*selecting(images, marks))


def test_a_selection_that_was_not_recorded(selecting):
    run, check, root = selecting()
    shutil.rmtree(run.selection)
    with pytest.raises(CheckpointError, match=r"selection holds nothing for selection_check; remove .*ours-s0"):
        collect(run, check, root)


@pytest.mark.fault("a damaged line in a file of marks", "refused; file and line are named")
@pytest.mark.parametrize(
    "line, says",
    [
        ('{"name": "b"', "is not valid JSON"),
        ('{"odd": true}', "'name' wants a text, found null"),
        ('{"name": 7, "odd": true}', "'name' wants a text, found 7"),
        ('{"name": "b"}', "'odd' wants true or false, found null"),
        ('{"name": "b", "odd": 1}', "'odd' wants true or false, found 1"),
        ('["b", true]', "'name' wants a text, found null"),
        ('{"name": "a", "odd": true}', "name 'a' again; an image has one mark"),
    ],
)
def test_marks_name_file_and_line(tmp_path, line, says):
    (tmp_path / "game").mkdir()
    (tmp_path / "game/meta.jsonl").write_text(f'{{"name": "a", "odd": false, "more": []}}\n\n{line}\n')
    with pytest.raises(DataError, match=rf"meta\.jsonl, line 3.*{says}"):
        read_marks(CHECK, tmp_path)


def test_marks_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"selection_check\.marks: cannot read .*meta\.jsonl: No such file"):
        read_marks(CHECK, tmp_path)
