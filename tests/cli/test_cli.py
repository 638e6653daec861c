"""The command line as a user meets it."""

import dataclasses
import json
import re
import shutil
import signal

import numpy as np
import pytest
from PIL import Image
from support.processes import start
from support.tiny_run import write_recipe

from hrs_keras.cli import evaluate
from hrs_keras.cli.main import main, parse
from hrs_keras.toy_city import ToyCity


def refused(capsys, *arguments) -> str:
    """Run a command that must end with exit code 2 and one message; returns the message."""
    assert main([str(argument) for argument in arguments]) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    starts = [line for line in err.splitlines() if line.startswith("hrs: ")]
    assert len(starts) == 1, err
    return err[err.index("hrs: ") :]


@pytest.fixture
def own_city(city, tmp_path):
    """A recipe over a copy of the toy city that a test may damage; the folder of its real training images."""
    root = tmp_path / "city"
    shutil.copytree(city, root)
    return write_recipe(tmp_path, root), root / "cityscapes/leftImg8bit/train/toyville"


def first(folder, pattern="*.png"):
    return sorted(folder.glob(pattern))[0]


def labels_of(images):
    return images.parents[2] / "gtFine/train/toyville"


def damage_orphan(images):
    first(labels_of(images), "*labelIds.png").unlink()


def damage_truncated(images):
    path = first(images)
    path.write_bytes(path.read_bytes()[:200])


def damage_size(images):
    Image.fromarray(np.zeros((10, 10, 3), np.uint8)).save(first(images))


def damage_id(images):
    path = first(labels_of(images), "*labelIds.png")
    pixels = np.array(Image.open(path))
    pixels[0, :3] = 99
    Image.fromarray(pixels).save(path)


@pytest.mark.fault(
    "a label without an image, a cut-off image, another size, an id that is not mapped",
    "exit code 2 before a run folder is made; the file is named",
)
@pytest.mark.parametrize(
    "damage, says",
    [
        (damage_orphan, "has no partner"),
        (damage_truncated, "cannot be decoded"),
        (damage_size, "its image"),
        (damage_id, "3 pixels have ids that the id table does not map: 99"),
    ],
)
def test_bad_files(own_city, capsys, damage, says):
    recipe, images = own_city
    damage(images)
    message = refused(capsys, "train", recipe)
    assert says in message and "toyville_" in message
    assert not (recipe.parent / "runs").exists()
    assert main(["audit", str(recipe)]) == 2
    assert says in capsys.readouterr().out


@pytest.mark.parametrize("on_bad", ["error", "skip"])
def test_audit_reports_a_set_without_a_usable_sample(recipe_file, capsys, on_bad):
    ids = "data.target.0.ids={255: ignore}"
    assert main(["audit", str(recipe_file), ids, f"data.on_bad={on_bad}"]) == 2
    printed = capsys.readouterr()
    assert "0 used" in printed.out and "ids that the id table does not map" in printed.out
    assert "training would refuse this data" in printed.err and "batch_size" not in printed.err


@pytest.mark.fault(
    "a wrong folder, class, key or size in a recipe", "exit code 2 before a run folder is made; the key is named"
)
@pytest.mark.parametrize(
    "override, says",
    [
        ("data.root=/nowhere", "/nowhere does not exist"),
        ("data.target.0.root=elsewhere", "elsewhere"),
        ('data.target.0.ids={7: "raod"}', "raod"),
        ("train.stepz=3", "steps"),
        ("data.size=[33, 64]", "[32, 64]"),
        ("train.batch_size=64", "too few for train.batch_size 64"),
        ("name=../up", "names a folder"),
        ("steps", "key=value"),
    ],
)
def test_bad_recipes(recipe_file, capsys, override, says):
    assert says in refused(capsys, "train", recipe_file, override)
    assert not (recipe_file.parent / "runs").exists()


@pytest.mark.fault("a recipe that is not there", "exit code 2; it is named")
def test_no_recipe(tmp_path, capsys):
    assert "cannot read the recipe" in refused(capsys, "train", tmp_path / "missing.yaml")


@pytest.mark.fault("runs=FOLDER below a file", "exit code 2 before the first step")
def test_run_folder_below_a_file(recipe_file, tmp_path, capsys):
    (tmp_path / "file").touch()
    message = refused(capsys, "train", recipe_file, f"runs={tmp_path}/file")
    assert "cannot write the run folder" in message and "runs=FOLDER" in message


@pytest.mark.slow
@pytest.mark.fault(
    "a run whose recipe was changed to other networks",
    "exit code 2 in train, evaluate, export and predict; its files stay",
)
def test_checkpoint_of_another_architecture(copied, capsys):
    recipe = copied.parents[1] / "tiny.yaml"
    for path in (recipe, copied / "recipe.yaml"):
        path.write_text(path.read_text().replace("fc: 16", "fc: 8"))
    (copied / "result.json").unlink()
    assert "does not fit the networks of the recipe" in refused(capsys, "train", recipe)
    for command in (["evaluate"], ["export"], ["predict", first_image(copied), "--out", copied.parent / "out"]):
        verb, *rest = command
        assert "does not fit the network" in refused(capsys, verb, copied, *rest)


def first_image(folder):
    return first(folder / "figures/predictions")


@pytest.mark.slow
def test_not_finite_ends_with_code_2(recipe_file, capsys):
    overrides = ["train.learning_rate.encoder=1e30", "train.checkpoint_every=8", "train.validate_every=8"]
    assert "not finite" in refused(capsys, "train", recipe_file, *overrides)


@pytest.mark.fault("a folder that is no run, model or export", "exit code 2; it is named")
def test_folders_that_are_no_run(tmp_path, capsys):
    for verb in ("evaluate", "export"):
        assert "is no run folder" in refused(capsys, verb, tmp_path)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "x.png")
    assert "is neither a run folder" in refused(
        capsys, "predict", tmp_path, tmp_path / "x.png", "--out", tmp_path / "out"
    )


@pytest.mark.parametrize("option", [("--precision", "bfloat16"), ("--max-pixels", "9")])
def test_what_only_saved_models_have_is_refused_for_other_formats(tmp_path, capsys, option):
    said = refused(capsys, "export", tmp_path, "--format", "onnx", *option)
    assert f"{' '.join(option)} is for SavedModels" in said


@pytest.mark.slow
def test_evaluate_writes_what_it_prints(finished, tmp_path, capsys):
    arguments = ["evaluate", str(finished), "--json", str(tmp_path / "x.json"), "--checkpoint", "last"]
    arguments += ["--out", str(tmp_path / "scores")]
    assert main([*arguments, "data.subset_seed=1"]) == 0
    printed = capsys.readouterr().out
    assert "validation images:\n" in printed and "mean IoU, 19 classes" in printed
    written = json.loads((tmp_path / "x.json").read_text())
    assert (written["on"], written["images"]) == ("validation", 3)
    assert main([*arguments, "--on", "test", "data.test=[{format: cityscapes}]"]) == 0
    assert "test images:\n" in capsys.readouterr().out
    written = json.loads((tmp_path / "x.json").read_text())
    assert (written["on"], written["images"]) == ("test", 4)
    (tmp_path / "file").touch()
    assert "cannot write" in refused(capsys, "audit", finished / "recipe.yaml", "--json", tmp_path / "file/x.json")


def test_overrides_may_stand_anywhere():
    for arguments in (["r.yaml", "--fresh", "a=1", "b=2"], ["--fresh", "r.yaml", "a=1", "b=2"],
                      ["r.yaml", "a=1", "--fresh", "b=2"], ["r.yaml", "a=1", "b=2", "--fresh"]):  # fmt: skip
        options = parse(["train", *arguments])
        assert (options.recipe, options.overrides, options.fresh) == ("r.yaml", ["a=1", "b=2"], True)
    assert parse(["predict", "run", "a.png", "--out", "o", "b.png"]).inputs == ["a.png", "b.png"]
    assert parse(["train", "r.yaml"]).overrides == []


@pytest.mark.fault("options that do not exist or do not fit", "exit code 2 and the usage")
@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["train", "r.yaml", "--fersh"],
        ["export", "run", "other"],
        ["nonsense"],
        [],
        ["export", "r", "--version", "x"],
    ],
)
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(arguments)
    assert stop.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.fault('an empty argument, from a variable that is not set (`--out ""`)', "refused before anything is done")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["predict", "run", "a.png", "--out", ""], "the argument after --out is empty"),
        (["predict", "run", "a.png", "--out="], "the argument after a.png is empty ('--out=')"),
        (["request", "http://h:1", "", "--model", "m", "--out", "o"], "the argument after http://h:1 is empty"),
        (["evaluate", ""], "the argument after evaluate is empty"),
        (["train", "r.yaml", "a=1", ""], "the argument after a=1 is empty"),
        (["prepare", "r.yaml", "--to", ""], "the argument after --to is empty"),
    ],
)
def test_empty_arguments(arguments, says, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert says in capsys.readouterr().err


def test_a_value_may_be_empty():
    assert parse(["train", "r.yaml", "data.prepared="]).overrides == ["data.prepared="]


def test_toy_city(tmp_path, capsys):
    folder = tmp_path / "toy"
    counts = ["--gtav", "1", "--synthia", "0", "--train", "1", "--val", "1"]
    assert main(["toy-city", str(folder), *counts, "--seed", "3"]) == 0
    assert capsys.readouterr().out.strip() == str(folder)
    assert "another toy city" in refused(capsys, "toy-city", folder, "--gtav", 2)
    assert "must not be negative" in refused(capsys, "toy-city", tmp_path / "y", "--gtav", -1)
    assert "unreal is a share" in refused(capsys, "toy-city", tmp_path / "y", "--unreal", 2)


def test_help_of_toy_city_has_its_defaults(capsys):
    with pytest.raises(SystemExit):
        main(["toy-city", "--help"])
    told = re.findall(r"default: ([\d. ]*\d)", " ".join(capsys.readouterr().out.split()))
    size, *others = dataclasses.astuple(ToyCity())
    assert sorted(told) == sorted([" ".join(map(str, size)), *map(str, others)])


HELP = """
import contextlib, io, sys
from hrs_keras.cli.main import VERBS, main
for verb in ([], *([name] for name in VERBS)):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        main([*verb, "--help"])
    assert out.getvalue().startswith("usage: hrs"), verb
assert not {"tensorflow", "keras", "pydantic", "matplotlib", "scipy"} & set(sys.modules)
"""


def test_help_is_quick(tmp_path):
    process = start("-c", HELP, cache=tmp_path)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0


def test_train_py_is_hrs_train(tmp_path):
    process = start("train.py", tmp_path / "missing.yaml", "--fresh", "a=b", cache=tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2 and err.startswith("hrs: cannot read the recipe"), err


@pytest.mark.fault("Ctrl-C that TensorFlow turns into an error of its own", "exit code 130 and one line")
def test_an_interrupt_that_comes_out_as_another_error(monkeypatch, capsys):
    """As TensorFlow makes of one that comes while it traces a function."""

    def interrupted(options):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("error_already_set") from None

    monkeypatch.setattr(evaluate, "run", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore the interrupt
    try:
        assert main(["evaluate", "nowhere"]) == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert "hrs: interrupted" in capsys.readouterr().err


def test_an_error_without_an_interrupt_is_a_bug(monkeypatch):
    def broken(options):
        raise RuntimeError("a bug")

    monkeypatch.setattr(evaluate, "run", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["evaluate", "nowhere"])
