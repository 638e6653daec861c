"""``hrs rank`` on a finished run of the toy city."""

import csv
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from hrs_keras import HRSError, RankOptions, load_recipe, rank_images
from hrs_keras.cli.main import main
from hrs_keras.data.audit import audit_to_read

ROOTS = ("gtav", "synthia")  # of the data sets, in the recipe's order


def read_table(path):
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def words(run, folder):
    """A command that writes all that there is, from the weights that the run's record of its selection is of."""
    join = ["--join", folder / "meta.jsonl", "--id", "file"]
    keep = ["--keep", "0.5", "--by", "layout_match", "random_2"]
    return list(map(str, ["rank", run, "--checkpoint", "last", "--out", folder / "rank.csv", *join, *keep]))


@pytest.fixture(scope="module")
def ranked(finished, city, tmp_path_factory):
    """The folder that the command has filled."""
    folder = tmp_path_factory.mktemp("ranked")
    names = [path.relative_to(city / root).as_posix() for root, images in zip(ROOTS, ("images", "RGB"), strict=True)
             for path in sorted((city / root / images).iterdir())]  # fmt: skip
    lines = [json.dumps({"file": name, "light": "dusk" if i % 2 else "noon"}) for i, name in enumerate(names)]
    (folder / "meta.jsonl").write_text("\n".join(lines))
    assert main(words(finished, folder)) == 0
    return folder


@pytest.mark.slow
def test_layout_match_is_what_the_run_recorded_itself(ranked, finished):
    record = json.loads((finished / "selection/step_0000008.json").read_text())["images"]
    table = read_table(ranked / "rank.csv")
    found = {f"{ROOTS[int(row['data_set'])]}/{row['name']}": float(row["layout_match"]) for row in table}
    assert found == {name: pytest.approx(means["H"], abs=1e-5) for name, means in record.items()} and len(found) == 8


def test_every_value_is_there_and_in_its_range(ranked):
    for row in read_table(ranked / "rank.csv"):
        values = {name: float(value) for name, value in row.items() if name not in ("name", "rarest_class")}
        for name, value in values.items():
            low, high = {"gradient_agreement": (-1, 1), "appearance_distance": (0, 2)}.get(name, (0, 1))
            assert name in ("near_duplicate_group", "data_set") or low <= value <= high, name
        assert row["gradient_agreement"] not in ("", "0.0")
        shares = {name: value for name, value in values.items() if name.startswith("share/")}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4) and shares[f"share/{row['rarest_class']}"] > 0


def test_lists_are_taken_by_a_recipe(ranked, finished):
    """As many for each column, and of the best."""
    table, counts = read_table(ranked / "rank.csv"), []
    for column in ("layout_match", "random_2"):
        lists = [ranked / f"rank.{column}-0.5-{data_set}.txt" for data_set in (0, 1)]
        overrides = [f"data.source.{number}.only={file}" for number, file in enumerate(lists) if file.exists()]
        recipe = load_recipe(finished / "recipe.yaml", overrides, stored=True)
        used = audit_to_read(recipe, ["source"]).sets["source"]
        listed = [(f.read_text().splitlines() if f.exists() else None) for f in lists]
        assert [len(names) for names in listed if names is not None] == [
            len(s) for s, n in zip(used, listed, strict=True) if n
        ]
        kept = {(name, str(number)) for number, names in enumerate(listed) for name in names or ()}
        counts.append(len(kept))
        for rarest in {row["rarest_class"] for row in table}:
            of_class = [
                (float(row[column]), (row["name"], row["data_set"]) in kept)
                for row in table
                if row["rarest_class"] == rarest
            ]
            values = [sorted(value for value, is_kept in of_class if is_kept is which) for which in (False, True)]
            assert values[1] and (not values[0] or values[0][-1] <= values[1][0])
    assert counts[0] == counts[1] >= 4


def test_means_by_a_renderers_parameters(ranked):
    table, means = read_table(ranked / "rank.csv"), read_table(ranked / "rank.by_parameter.csv")
    assert [(row["parameter"], row["value"], row["images"]) for row in means] == [
        ("light", "dusk", "4"),
        ("light", "noon", "4"),
    ]
    for row, start in zip(means, (1, 0), strict=True):
        for name in ("layout_match", "appearance_distance", "share/road"):
            assert float(row[name]) == pytest.approx(np.mean([float(one[name]) for one in table[start::2]]), rel=1e-4)


@pytest.mark.slow
def test_the_same_command_writes_the_same_bytes(ranked, finished, tmp_path, capsys):
    shutil.copy(ranked / "meta.jsonl", tmp_path)
    assert main(words(finished, tmp_path)) == 0
    assert sorted(os.listdir(tmp_path)) == sorted(os.listdir(ranked))
    for name in os.listdir(ranked):
        assert (tmp_path / name).read_bytes() == (ranked / name).read_bytes(), name
    printed = capsys.readouterr().out
    assert "rank.csv: 8 images. It describes them; it does not say which will help" in printed
    assert f"data.source.0.only={tmp_path}/rank.random_2-0.5-0.txt" in printed and "light        dusk" in printed


@pytest.mark.slow
def test_target_images_are_not_compared_with_themselves(finished, tmp_path):
    """Else the distance would be that of two others and of itself, which is 0."""
    found = rank_images(finished, RankOptions(data="target", out=tmp_path / "t.csv"))
    table = read_table(tmp_path / "t.csv")
    assert found.images == len(table) == 4 and found.role == "target"
    assert all(
        float(row["appearance_distance"]) > 1e-4 and abs(float(row["gradient_agreement"])) < 0.9999 for row in table
    )


HOSTILE = ["quo\"te, '.png", "line\nbreak.png", os.fsdecode(b"not \xff.png"), "# .JPG"]


@pytest.mark.slow
@pytest.mark.fault(
    "`hrs rank --data FOLDER` with files that are no images, or of names with line breaks or not UTF-8",
    "exit code 3; each file that cannot be read is named, the names of the others come out of the table as they are",
)
def test_a_folder_of_images_without_labels(finished, tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, name in enumerate(HOSTILE):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(folder / name, "JPEG" if name.endswith("JPG") else "PNG")
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "notes.txt").touch()
    (folder / "deeper.png").mkdir()
    out = tmp_path / "f.csv"
    assert main(["rank", str(finished), "--data", str(folder), "--out", str(out)]) == 3
    table, printed = read_table(out), capsys.readouterr()
    assert [row["name"] for row in table] == sorted(HOSTILE)
    assert "skipped" in printed.err and "broken.png: cannot be read as a PNG or JPEG image" in printed.err
    assert "no gradient_agreement: the images have no labels" in printed.out and "gradient_agreement" not in table[0]
    assert all(float(row["confidence"]) > 0 and row["layout_match"] for row in table)


# ---- what is refused before the networks are loaded --------------------------------------------------------------


def refused(capsys, *arguments):
    """The message of a command that must end with exit code 2 and write nothing."""
    assert main(["rank", *map(str, arguments)]) == 2
    return capsys.readouterr().err


@pytest.mark.fault("`hrs rank` of a run that has not ended, or of no run", "exit code 2; says so")
def test_unfinished_runs(finished, tmp_path, capsys):
    assert "is no run folder" in refused(capsys, tmp_path)
    shutil.copy(finished / "recipe.yaml", tmp_path)
    assert "has not ended (it has no result.json)" in refused(capsys, tmp_path)


@pytest.mark.fault(
    "`hrs rank` with a wrong --keep, --by, --data, --join or --out",
    "exit code 2 before the first image; says what was wanted",
)
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--keep", "0", "--by", "random_1"], "--keep 0: wants the share of the images to keep, above 0 and up to 1"),
        (["--keep", "1.5", "--by", "random_1"], "--keep 1.5: wants"),
        (["--keep", "nan", "--by", "random_1"], "--keep nan: wants"),
        (["--keep", "0.5"], "--keep SHARE and --by COLUMN go together"),
        (["--by", "random_1"], "--keep SHARE and --by COLUMN go together"),
        (["--keep", "0.5", "--by", "share/raod"], "no such column. Did you mean 'share/road'?"),
        (["--data", "sources"], "--data sources is neither source nor target, nor a folder of images"),
        (["--data", "EMPTY"], "holds no image (.png, .jpg, .jpeg)"),
        (["--join", "EMPTY/meta.jsonl"], "--join: cannot read"),
        (["--out", "EMPTY"], "is a folder; give the table's file"),
        (["--out", "EMPTY/../m.csv", "--join", "EMPTY/../m.csv"], "m.csv would be overwritten; choose another --out"),
        (["--out", "EMPTY/m.csv", "--join", "EMPTY/m.by_parameter.csv"], "would be overwritten"),
        (["data.size=[64, 64]", "method.levels=[pixel]"], "a ranking can change the keys below data"),
        (["data.root=EMPTY"], "does not exist"),
    ],
)  # fmt: skip
def test_wrong_arguments(finished, tmp_path, capsys, arguments, says):
    (tmp_path / "empty").mkdir()
    given = [word.replace("EMPTY", str(tmp_path / "empty")) for word in arguments]
    out = [] if "--out" in given else ["--out", tmp_path / "rank.csv"]
    assert says in refused(capsys, finished, *out, *given)
    assert os.listdir(tmp_path) == ["empty"]


@pytest.mark.fault(
    "`hrs rank` of the source images of a run that has read none", "exit code 2; says what else there is"
)
def test_a_run_without_source(finished, tmp_path, capsys):
    text = (finished / "recipe.yaml").read_text()
    text = text.replace("source_weighting: learned", "source_weighting: none").replace("gan: true", "gan: false")
    (tmp_path / "recipe.yaml").write_text(text)
    (tmp_path / "result.json").touch()
    assert "has read no source images; give --data target, or a folder" in refused(capsys, tmp_path)


def test_options_are_checked_at_once():
    with pytest.raises(HRSError, match="--keep 0: wants"):
        RankOptions(keep=0.0, by=("random_1",))


def test_the_help_says_first_what_it_does_not_say(capsys):
    with pytest.raises(SystemExit):
        main(["rank", "--help"])
    described = capsys.readouterr().out.split("\n\n")[1]
    assert described.startswith("This describes images; it does not say which will help.")
