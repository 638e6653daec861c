"""The experiments of the paper: its numbers, its rows, and that every cell is a recipe at the paper's settings."""

import shlex

import pytest
from support.tiny import BASE

from hrs_keras.experiments.grid import load_experiment
from hrs_keras.recipe.reading import load_recipe

RECIPES = BASE.parent
FOLDER = RECIPES / "experiments"

# Typed from the tables of the paper, mean IoU in %. None: a row that is added here, of which nothing is published.
PUBLISHED = {
    "paper_table1": {
        "fcn": 65.3,
        "joint": 64.6,
        "finetuning": 66.0,
        "joint_gan": 64.0,
        "mask": 63.7,
        "focal": 66.2,
        "w1": 66.5,
        "pixelda": 66.1,
        "ours_w1": 67.6,
        "ours_w19": 68.1,
        "source_only": None,
        "conservative": 38.1,
        "lsd": 37.1,
        "road": 35.9,
        "adversarial_semi": 67.7,
    },
    "paper_table2": {
        "fcn": 65.3,
        "joint": 62.9,
        "finetuning": 64.8,
        "joint_gan": 62.6,
        "pixelda": 64.0,
        "ours_w1": 66.3,
        "ours_w19": 66.8,
        "source_only": None,
        "conservative": 34.2,
        "lsd": 34.8,
        "road": 36.2,
    },
    "paper_table3": {
        "fcn": 65.3,
        "joint": 64.2,
        "finetuning": 66.5,
        "joint_gan": 64.9,
        "pixelda": 65.3,
        "ours_w1": 68.2,
        "ours_w19": 68.8,
    },
    "paper_table4": {"fcn": 65.3, "pixel_w1": 66.7, "ours_w1": 67.6, "pixel_w19": 66.9, "ours_w19": 68.1},
    "paper_table5": {  # the first two are Table 1's
        "fcn": {"full": 65.3},
        "joint": {"full": 64.6},
        "ours_w19": {"1/8": 53.4, "1/4": 57.7, "1/2": 64.9, "full": 68.1},
    },
    "paper_fig1b": {"joint": None, "ours_w1": None},
}
SOURCES = {
    "paper_table1": ["gtav"],
    "paper_table2": ["synthia"],
    "paper_table3": ["gtav", "synthia"],
    "paper_table4": ["gtav"],
    "paper_table5": ["gtav"],
    "paper_fig1b": ["gtav"],
}
everywhere = pytest.mark.parametrize("name", PUBLISHED)


def experiment(name, overrides=()):
    return load_experiment(FOLDER / f"{name}.yaml", overrides)


def digests(name) -> dict[tuple[str, ...], str]:
    """(system, cells of the axes...) -> digest of the settings, for seed 0."""
    return {(cell.system, *cell.cells): cell.digest for cell in experiment(name).cells()}


def test_every_experiment_of_the_paper_is_listed():
    assert {path.stem for path in FOLDER.glob("paper_*.yaml")} == set(PUBLISHED)


@everywhere
def test_published_numbers_are_the_papers(name):
    rows = experiment(name)
    found = {system.name: system.published for system in rows.systems}
    found |= {row.title: row.published for row in rows.published_only}
    assert found == PUBLISHED[name]
    assert bool(rows.reference) == any(PUBLISHED[name].values())


@everywhere
def test_every_cell_is_its_system_at_the_papers_settings(name):
    cells = experiment(name, ["data.root=/data"]).cells()
    assert {cell.seed for cell in cells} == {cell.recipe.seed for cell in cells} == {0}
    for cell in cells:
        recipe, data = cell.recipe, cell.recipe.data
        assert data.root == "/data"
        assert (data.classes, data.size, data.augment.scale, data.augment.flip) == (
            "cityscapes",
            (512, 1024),
            (1, 1),
            0,
        )
        assert (recipe.encoder.family, recipe.encoder.width, recipe.encoder.weights) == ("vgg16", 1, "imagenet")
        assert (recipe.train.batch_size, recipe.train.decay_power) == (1, 0.9)
        assert set(recipe.train.learning_rate.model_dump().values()) == {1e-4}
        assert [(d.format, d.split, d.root) for d in data.target] == [("cityscapes", "train", "cityscapes")]
        assert [(d.format, d.split, d.subset) for d in data.validation] == [("cityscapes", "val", None)]
        if recipe.method.source_weighting == "none":
            assert data.source == []
        else:
            assert [d.format for d in data.source] == SOURCES[name]


@everywhere
def test_a_row_is_the_system_that_it_names(name):
    """But for seed, name and the amounts of data, a cell's recipe is what `hrs train RECIPE SYSTEM` runs."""
    rows = experiment(name)
    common = [FOLDER / file for file in rows.recipe]
    overrides = [f"{key}={value}" for key, value in rows.set.items()]
    for system in rows.systems:
        assert system.recipe == [f"../systems/{system.name}.yaml"] and not system.set
    for cell in rows.cells():
        method = load_recipe([*common, RECIPES / f"systems/{cell.system}.yaml"], overrides).method
        if cell.cells == ("none",):
            method = method.model_copy(update={"source_weighting": "none", "gan": False})
        assert cell.recipe.method == method


@pytest.mark.slow
def test_who_learns_without_target_labels():
    with_them = ("paper_table1", "paper_table2")
    for name in PUBLISHED:
        found = {cell.system for cell in experiment(name).cells() if not cell.recipe.data.has_target_labels}
        assert found == ({"source_only", "conservative", "lsd", "road"} if name in with_them else set())


@everywhere
def test_one_tables_systems_differ_in_settings(name):
    found = digests(name)
    if name == "paper_fig1b":
        assert found.pop(("joint", "none")) == found[("ours_w1", "none")]
    assert len(set(found.values())) == len(found) == len(experiment(name).cells()) - (name == "paper_fig1b")


@pytest.mark.slow
def test_tables_share_their_runs():
    one, two, three, four, five, figure = map(digests, PUBLISHED)
    assert one[("fcn",)] == two[("fcn",)] == three[("fcn",)] == four[("fcn",)] == five[("fcn", "full")]
    assert one[("fcn",)] == figure[("joint", "none")]
    assert one[("joint",)] == five[("joint", "full")] == figure[("joint", "all")]
    assert one[("ours_w1",)] == four[("ours_w1",)] == figure[("ours_w1", "all")]
    assert one[("ours_w19",)] == four[("ours_w19",)] == five[("ours_w19", "full")]


def test_tables_with_a_pretrained_encoder_share_their_runs_of_real_images():
    """Other synthetic images make no other run of a system that reads none."""

    def runs(name):
        table = experiment(name)
        return {(c.seed, c.all_labels): c.digest for c in (*table.cells(), *table.gate_cells()) if c.system == "fcn"}

    first = runs("idd_table1")
    for name in ("idd_table2", "idd_table3"):
        assert runs(name).items() <= first.items()
        assert len(runs(name)) == 6


def test_amounts_of_real_data():
    rows = experiment("paper_table5")
    assert {cell.name: cell.value for cell in rows.axes[0].cells} == {"1/8": 0.125, "1/4": 0.25, "1/2": 0.5, "full": 1}
    found = {(*cell.cells, cell.recipe.data.target[0].subset) for cell in rows.cells()}
    assert found == {("1/8", 0.125), ("1/4", 0.25), ("1/2", 0.5), ("full", None)}
    assert all(d.subset is None for cell in rows.cells() for d in cell.recipe.data.source)


def test_amounts_of_synthetic_data():
    rows = experiment("paper_fig1b")
    counts = {"none": 0, "3000": 3000, "6000": 6000, "12000": 12000, "all": 24966}  # GTAV has 24,966 images
    assert {cell.name: cell.value for cell in rows.axes[0].cells} == counts
    found = {(*cell.cells, *(d.subset for d in cell.recipe.data.source)) for cell in rows.cells()}
    assert found == {("none",), ("3000", 3000), ("6000", 6000), ("12000", 12000), ("all", None)}
    assert all(cell.recipe.data.target[0].subset is None for cell in rows.cells())


def test_baselines_and_pictures():
    baselines = {name: experiment(name).baseline for name in PUBLISHED}
    assert baselines == dict.fromkeys(PUBLISHED, "fcn") | {"paper_fig1b": "joint"}
    assert experiment("paper_table1").pictures == ["fcn", "joint_gan", "ours_w1"]  # the columns of Fig. 5


@everywhere
def test_the_header_names_the_command(name):
    commands = [line for line in (FOLDER / f"{name}.yaml").read_text().splitlines() if "hrs experiment" in line]
    words = shlex.split(commands[0].removeprefix("#"))
    assert words == ["hrs", "experiment", f"recipes/experiments/{name}.yaml", "data.root=/path/to/data"]
