"""Folders and options that `hrs prepare`, and whoever reads prepared data, refuses."""

from pathlib import Path

import pytest
from support.prepared_folders import SMALL, from_folder

from hrs_keras.cli.main import main
from hrs_keras.data.audit import audit
from hrs_keras.data.prepared.prepare import prepare_data as prepare
from hrs_keras.data.prepared.verify import verify_data as verify
from hrs_keras.errors import DataError, HRSError
from hrs_keras.system.locks import lock


@pytest.mark.fault("a prepared folder of another recipe", "refused; the keys that differ are named")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "data.augment.scale=[1, 1]",
            r"data.size \(as in .* enlarges\): as in the files was prepared, the recipe wants \[32, 64\]",
        ),
        ("data.target.0.crop.rows=[0, 32]", r"data\.target\.0\.crop\.rows.* was prepared, the recipe wants"),
        ("data.target.0.split=val", r"data\.target\.0\.split: train was prepared, the recipe wants val"),
        ("data.source=[{format: gtav}]", "data.source: 2 data sets prepared, the recipe wants 1 data set"),
        ("data.validation.0.root=other", r"data\.validation\.0\.root: cityscapes was prepared, .* wants other"),
    ],
)
def test_another_recipe(city_recipe, prepared, change, message):
    recipe = from_folder(city_recipe(change), prepared)
    with pytest.raises(DataError, match=message):
        audit(recipe)
    if "validation" not in change:
        audit(recipe, roles=["validation"])  # an evaluation reads nothing else
    with pytest.raises(DataError, match=message):
        verify(recipe, prepared)


def test_another_size(few, tmp_path):
    prepare(few, tmp_path / "out")
    data = few.data.model_copy(update={"size": (64, 96)})
    with pytest.raises(DataError, match=r"data\.size .*: \[64, 64\] was prepared, the recipe wants \[64, 96\]"):
        audit(from_folder(few.model_copy(update={"data": data}), tmp_path / "out"))


@pytest.mark.slow
def test_another_id_table(colours, tmp_path):
    prepare(colours(), tmp_path / "out")
    recipe = from_folder(colours(), tmp_path / "out")
    recipe.data.target[0].ids["0,0,142"] = "tree"
    with pytest.raises(DataError, match=r"data\.target\.0\.ids\.0,0,142: car was prepared, the recipe wants tree"):
        audit(recipe)


@pytest.mark.fault("`--to` a folder that holds other files", "refused; nothing is touched")
def test_a_folder_of_somebody_elses(city_recipe, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(DataError, match=r"not empty and holds nothing that .*thesis\.tex"):
        prepare(city_recipe(), tmp_path)
    with pytest.raises(DataError, match="holds no prepared data"):
        audit(from_folder(city_recipe(), tmp_path))
    with pytest.raises(DataError, match="holds no prepared data"):
        audit(from_folder(city_recipe(), tmp_path / "nowhere"))
    with pytest.raises(HRSError, match=r"cannot (write|list) .*thesis\.tex"):
        prepare(city_recipe(), tmp_path / "thesis.tex" / "out")


def test_files_of_others_stay(city_recipe, copy):
    for name in ("mine.partial", "mine.tfrecord.json", "target-0-00000-of-00004.tfrecord.partial"):
        (copy / name).touch()
    prepare(city_recipe(), copy)
    assert {path.name for path in copy.glob("*.partial")} == {"mine.partial"}
    assert (copy / "mine.tfrecord.json").exists()


@pytest.mark.fault("two processes that fill one folder", "the second is refused")
def test_one_process_at_a_time(city_recipe, copy):
    (copy / "lock").touch()
    with open(copy / "lock") as file:
        assert lock(file)
        with pytest.raises(DataError, match="another process prepares"):
            prepare(city_recipe(), copy, shard_mib=SMALL)
    prepare(city_recipe(), copy, shard_mib=SMALL)


def test_the_command(city_recipe, copy, tmp_path, capsys):
    file = str(Path(city_recipe().runs).parent / "tiny.yaml")
    assert main(["prepare", file]) == 2
    assert "--to FOLDER is missing" in capsys.readouterr().err
    assert main(["prepare", file, "--to", str(copy), "--jobs", "0"]) == 2
    assert "--jobs wants a whole number of at least 1, found 0" in capsys.readouterr().err
    assert main(["prepare", file, "--to", str(copy), "--shard-size", "-1"]) == 2
    assert "--shard-size wants" in capsys.readouterr().err
    assert main(["prepare", file, f"data.prepared={copy}", "--verify"]) == 0
    assert "all 15 shards" in capsys.readouterr().out
    assert main(["prepare", file, "--to", str(tmp_path / "none"), "--verify"]) == 2
    assert "run `hrs prepare` first" in capsys.readouterr().err
    assert main(["prepare", file, "seed=3", "--to", str(copy)]) == 0
    assert f"train from it: hrs train {file} seed=3 data.prepared={copy}\n" in capsys.readouterr().out
