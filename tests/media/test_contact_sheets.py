"""Contact sheets of a recipe's data: which samples they show, and what is red in them."""

import numpy as np
import pytest
from support.prepared_folders import from_folder

from hrs_keras import audit, prepare_data
from hrs_keras.cli.main import main
from hrs_keras.media import contact_sheets
from hrs_keras.media.contact_sheets import draw_augmented, draw_contact_sheets

pytestmark = pytest.mark.slow


@pytest.fixture
def panels(monkeypatch):
    """File name -> heading and panel, as they are drawn; no picture is."""
    drawn = {}
    monkeypatch.setattr(
        contact_sheets.Panel, "save", lambda panel, path, heading: drawn.update({path.name: (heading, panel)})
    )
    return drawn


@pytest.fixture
def recipe(tmp_path, write_set, make_recipe):
    """Real labels of road (3) and ignore (11); the sample s2 has 32 pixels of car (8), s1 half as many."""
    labels = [np.full((32, 64), 3) for _ in range(4)]
    labels[0][:8] = 11
    labels[1][:4, :4], labels[2][:4, :8] = 8, 8
    write_set(tmp_path / "set", labels)
    return make_recipe(tmp_path / "set", [{}], source=[{}], train__batch_size=2)


def red(panel, row):
    """Where the third picture of a row differs from the first."""
    image, _, marked = panel.rows[row].pictures
    return (image != marked).any(axis=-1)


def test_what_is_ignored_is_red(tmp_path, panels, recipe):
    draw_contact_sheets(recipe, audit(recipe), tmp_path, rows=2)
    assert set(panels) == {
        f"{role}.0{kind}.png" for role in ("source", "target", "validation") for kind in ("", "_rarest")
    }
    heading, panel = panels["target.0.png"]
    assert heading == "base: target.0" and panel.columns[2] == "red: ignored"
    assert [row.captions for row in panel.rows] == [["s0", "", "25 % of pixels"], ["s3", "", "0 % of pixels"]]
    assert red(panel, 0)[:8].all() and not red(panel, 0)[8:].any() and not red(panel, 1).any()
    assert dict(panel.legend)["ignored"] == (0, 0, 0) and len(panel.legend) == 12


def test_samples_with_most_of_the_rarest_class(tmp_path, panels, recipe):
    """Car has 48 of 4 * 2048 - 512 labelled pixels: 0.625 %."""
    draw_contact_sheets(recipe, audit(recipe), tmp_path, rows=2)
    heading, panel = panels["target.0_rarest.png"]
    assert heading == "base: target.0: the rarest class, 0.62 % of all pixels" and panel.columns[2] == "red: car"
    assert [row.captions[0] for row in panel.rows] == ["s2", "s1"]
    assert [int(red(panel, row).sum()) for row in (0, 1)] == [32, 16]


def test_a_prepared_folder_shows_the_same(tmp_path, panels, recipe):
    """It stores samples to train on otherwise than those to evaluate on."""
    draw_contact_sheets(recipe, audit(recipe), tmp_path, rows=2)
    plain = panels.copy()
    panels.clear()
    prepare_data(recipe, tmp_path / "out")
    prepared = from_folder(recipe, tmp_path / "out")
    draw_contact_sheets(prepared, audit(prepared), tmp_path, rows=2)
    assert panels.keys() == plain.keys()
    for name, (heading, panel) in panels.items():
        assert heading == plain[name][0]
        for row, other in zip(panel.rows, plain[name][1].rows, strict=True):
            assert row.captions == other.captions
            for picture, same in zip(row.pictures, other.pictures, strict=True):
                np.testing.assert_array_equal(picture, same)


def test_the_first_steps_as_they_are_trained_on(tmp_path, panels, recipe):
    draw_augmented(recipe, audit(recipe).sets, tmp_path, rows=3)
    assert set(panels) == {"source_augmented.png", "target_augmented.png"}
    _, panel = panels["source_augmented.png"]
    assert [row.captions[0] for row in panel.rows] == ["step 0", "step 0", "step 1"]
    assert {row.pictures[0].shape for row in panel.rows} == {(32, 64, 3)}


def test_as_many_rows_of_a_domain_that_a_step_reads_less_of(tmp_path, panels, recipe):
    changed = recipe.model_copy(deep=True)
    changed.train.source_ratio = 0.5
    draw_augmented(changed, audit(changed).sets, tmp_path, rows=3)
    captions = [[row.captions[0] for row in panels[f"{d}_augmented.png"][1].rows] for d in ("source", "target")]
    assert captions == [["step 0", "step 1", "step 2"], ["step 0", "step 0", "step 1"]]


@pytest.mark.fault("a data set for `hrs look` without a sample that can be used", "a warning; the others are drawn")
def test_a_set_without_samples(tmp_path, panels, recipe, write_set, capsys):
    broken = write_set(tmp_path / "broken", [np.full((32, 64), 99)])
    changed = recipe.model_copy(deep=True)
    changed.data.source[0].root = str(broken)
    draw_contact_sheets(changed, audit(changed, strict=False), tmp_path, rows=1)
    assert "source.0.png" not in panels and "target.0.png" in panels
    assert "has no sample that can be used" in capsys.readouterr().out


@pytest.mark.fault("ids that the table does not map, in `hrs look`", "the images with most of the commonest are drawn")
@pytest.mark.parametrize("on_bad", ["error", "skip"])
def test_the_commonest_id_without_a_class(tmp_path, panels, recipe, write_set, on_bad):
    """40 has most pixels, 77 is in most samples."""
    labels = [np.full((32, 64), 3) for _ in range(5)]
    labels[0][:2, :4] = labels[1][:2, :4] = labels[3][:2, :4] = 77
    labels[1][8:, :], labels[2][:, 32:] = 40, 40
    write_set(tmp_path / "odd", labels)
    changed = recipe.model_copy(deep=True)
    changed.data.source[0].root, changed.data.on_bad = str(tmp_path / "odd"), on_bad
    draw_contact_sheets(changed, audit(changed, strict=False), tmp_path, rows=1)
    heading, panel = panels["source.0_unmapped.png"]
    assert heading == "base: source.0: the id 40, which its table does not map" and panel.columns[2] == "red: id 40"
    assert [row.captions[0] for row in panel.rows] == ["s1", "s2"]
    np.testing.assert_array_equal(red(panel, 0), labels[1] == 40)
    np.testing.assert_array_equal(red(panel, 1), labels[2] == 40)
    assert "target.0_unmapped.png" not in panels and "source.0.png" in panels


def test_a_colour_without_a_class(tmp_path, panels, recipe, save):
    colours = np.zeros((32, 64, 3), np.uint8)
    colours[:8] = 9, 8, 7
    for name in ("s0", "s1"):
        save(tmp_path / f"set/images/{name}.png", np.full((32, 64, 3), 90))
        save(tmp_path / f"set/labels/{name}.png", colours)
    for path in (tmp_path / "set").glob("*/s[23].png"):
        path.unlink()
    changed = recipe.model_copy(deep=True)
    for dataset in (one for role in ("source", "target", "validation") for one in getattr(changed.data, role)):
        dataset.encoding, dataset.ids = "colours", {"0,0,0": "road"}
    draw_contact_sheets(changed, audit(changed, strict=False), tmp_path, rows=1)
    heading, panel = panels["target.0_unmapped.png"]
    assert heading == "base: target.0: the id 9,8,7, which its table does not map"
    assert red(panel, 0)[:8].all() and not red(panel, 0)[8:].any() and len(panel.rows) == 2
    assert set(panels) == {f"{role}.0_unmapped.png" for role in ("source", "target", "validation")}


def test_the_command(tmp_path, recipe, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(recipe.to_yaml())
    assert main(["look", "mine.yaml", "name=mine", "--images", "1", "--after-augmentation"]) == 0
    files = [line for line in capsys.readouterr().out.splitlines() if line.endswith(".png")]
    assert files[0] == "looks/mine/source.0.png" and files[-1] == "looks/mine/source_augmented.png"
    assert len(files) == 8 and all((tmp_path / file).read_bytes()[1:4] == b"PNG" for file in files)


@pytest.mark.fault("`hrs look` with no images, or thousands", "exit code 2; the range is named")
@pytest.mark.parametrize("number", ["0", "5000"])
def test_numbers_of_images(tmp_path, capsys, number):
    assert main(["look", "missing.yaml", "--images", number]) == 2
    assert f"--images {number}: wants a number from 1 to 50" in capsys.readouterr().err
