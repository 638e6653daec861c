"""Experiment files: systems x settings x seeds, each cell of the grid a resolved recipe."""

import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from hrs_keras.errors import RecipeError, did_you_mean
from hrs_keras.experiments.gate import Gate, three_quarters
from hrs_keras.experiments.sections import (
    GIVEN,
    Axis,
    AxisCell,
    Changes,
    Files,
    Filled,
    Names,
    PublishedRow,
    Seeds,
    SelectionCheck,
    Shown,
    System,
    check_published,
    distinct_names,
    left_out,
)
from hrs_keras.recipe import packaged
from hrs_keras.recipe.comparing import NO_OUTCOME
from hrs_keras.recipe.explaining import explain
from hrs_keras.recipe.old_forms import digested_encoder
from hrs_keras.recipe.reading import load_recipe, read_mapping
from hrs_keras.recipe.schema import Recipe
from hrs_keras.recipe.types import Section


def settings_digest(recipe: Recipe) -> str:
    """12 hexadecimal digits that identify the settings which decide a run's numbers, its seed included.

    Two kinds of settings do not count: those that only say where files are, how often the run reports, and which
    pictures it draws; and those that have the schema's default. The second is why results stay valid when a later
    version adds a key: its default means what was done before there was the key.
    """
    tree = recipe.model_dump(mode="json", exclude_defaults=True) | {"encoder": digested_encoder(recipe.encoder)}
    for dotted in NO_OUTCOME:
        section, _, key = dotted.rpartition(".")
        (tree[section] if section else tree).pop(key, None)
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Cell:
    """One run of an experiment.

    Attributes:
        system: its name.
        cells: the name of one cell of each axis, in the order of the axes.
        seed: as in the recipe.
        recipe: fully resolved, with the cell's name.
        digest: its result is found by it; see :func:`settings_digest`.
        name: of the run folder.
        all_labels: whether it is the baseline with all labels, which the gate wants and no table has.
    """

    system: str
    cells: tuple[str, ...]
    seed: int
    recipe: Recipe
    digest: str
    name: str
    all_labels: bool = False


class Experiment(Section):
    """An experiment file. Read one with :func:`load_experiment`.

    Attributes:
        recipe: files that are merged in their order; looked for beside the experiment, else among the packaged ones.
        set: ``{dotted.key: value}`` for all runs.
        seeds: each system and cell of the axes is run with every one of them.
        checkpoint: which one's numbers are in the tables: that of the last step, or the best by validation mIoU.
        evaluate_on: which images the numbers in the tables are of. On the test images a run evaluates its best
            checkpoint alone.
        baseline: the system that the others are compared with.
        gate: what has to hold before the table is a test of the method's claim.
        mixing: a system that counts all source pixels alike; gains by class are given over it too.
        reference: the source of the ``published`` numbers.
        systems: the rows of the tables.
        axes: each multiplies the grid. The first becomes the tables' columns, each cell of the others a section.
        pictures: systems whose predictions are shown side by side.
        selection_check: marks of source images that the learned selections are compared with.
        published_only: rows of published numbers without runs.
    """

    title: Shown
    recipe: Files
    set: Changes = Field(default_factory=dict)
    seeds: Seeds
    checkpoint: Literal["last", "best"] = "last"
    evaluate_on: Literal["validation", "test"] = "validation"
    baseline: str | None = None
    gate: Gate | None = None
    mixing: str | None = None
    reference: str | None = None
    systems: Annotated[list[System], Filled]
    axes: Annotated[list[Axis], Filled] = left_out()
    pictures: Names = left_out()
    selection_check: SelectionCheck | None = None
    published_only: Annotated[list[PublishedRow], Filled] = left_out()
    _path: Path = PrivateAttr(Path("experiment.yaml"))
    _overrides: tuple[str, ...] = PrivateAttr(())
    _cells: list[Cell] | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _names(self) -> "Experiment":
        names = distinct_names("systems", self.systems)
        for key, used in (
            *((key, [name]) for key in ("baseline", "mixing") if (name := getattr(self, key)) is not None),
            ("pictures", self.pictures),
        ):
            for name in used:
                if name not in names:
                    raise ValueError(f"{key} names {name!r}, which is no system." + did_you_mean(name, names))
        columns = [cell.name for cell in self.axes[0].cells] if self.axes else []
        rows: list[System | PublishedRow] = [*self.systems, *self.published_only]
        for row in rows:
            check_published(row, columns)
        return self

    @model_validator(mode="after")
    def _measurable(self) -> "Experiment":
        if self.gate and self.baseline is None:
            raise ValueError("gate: is about the baseline, but none is named; set baseline to the name of a system")
        if self.evaluate_on == "test" and self.checkpoint != "best":
            raise ValueError(
                "evaluate_on: test wants checkpoint: best, as a run evaluates its test images once, with the weights"
                f" that its validations chose; found checkpoint: {self.checkpoint}"
            )
        return self

    @property
    def reported(self) -> str:
        """Which of a result's evaluations the tables have: ``"last"``, ``"best"`` or ``"test"``."""
        return "test" if self.evaluate_on == "test" else self.checkpoint

    @property
    def path(self) -> Path:
        """The file it was read from."""
        return self._path

    @property
    def overrides(self) -> tuple[str, ...]:
        """``"dotted.key=value"`` changes that override what the file sets."""
        return self._overrides

    def cells(self) -> list[Cell]:
        """Every run of the tables: by system, then by the axes' cells, then by seed.

        Raises:
            RecipeError: a recipe cannot be resolved; names the experiment's file, the system and the cells.
        """
        return [cell for cell in self._every_cell() if not cell.all_labels]

    def gate_cells(self) -> list[Cell]:
        """Every run that the gate adds: the baseline with all labels. Order and errors are those of :meth:`cells`."""
        return [cell for cell in self._every_cell() if cell.all_labels]

    def _every_cell(self) -> list[Cell]:
        if self._cells is None:
            rows = [(system, False) for system in self.systems]
            rows += [(system, True) for system in self.systems if self.gate and system.name == self.baseline]
            self._cells = [
                self._cell(system, chosen, seed, all_labels)
                for system, all_labels in rows
                for chosen in itertools.product(*(axis.cells for axis in self.axes))
                for seed in system.seeds or self.seeds
            ]
        return self._cells

    def _cell(self, system: System, chosen: tuple[AxisCell, ...], seed: int, all_labels: bool) -> Cell:
        cells = tuple(cell.name for cell in chosen)
        last = self.gate.all_labels if self.gate and all_labels else {}
        try:
            recipe = self._recipe(system, chosen, seed, last)
        except RecipeError as error:
            where = "".join(f", cell {name!r}" for name in cells) + (" with all labels" if all_labels else "")
            raise RecipeError(f"{self.path}, system {system.name!r}{where}: {error}") from None
        digest = settings_digest(recipe)
        name = "-".join([system.name, *cells, *(["all_labels"] if all_labels else []), f"s{seed}", digest[:6]])
        name = re.sub(r"^\.|[^A-Za-z0-9._-]", "_", name)
        return Cell(system.name, cells, seed, recipe.model_copy(update={"name": name}), digest, name, all_labels)

    def _recipe(self, system: System, chosen: tuple[AxisCell, ...], seed: int, last: dict[str, Any]) -> Recipe:
        files = [
            packaged.find(file, beside=self.path.parent, subfolder=packaged.EXPERIMENTS)
            for file in (*self.recipe, *system.recipe)
        ]
        changes = [_overrides(part) for part in (self.set, system.set, *(cell.set for cell in chosen))]
        recipe = load_recipe(files, [*itertools.chain(*changes), f"seed={seed}", *self.overrides, *_overrides(last)])
        if self.selection_check and recipe.method.selects and not recipe.train.selection_images:
            raise RecipeError("train.selection_images: 0 records nothing for selection_check; leave one of them out")
        if self.evaluate_on == "test" and not recipe.data.test:
            raise RecipeError("evaluate_on: test wants test images, but data.test is empty; give it data sets")
        if self.gate:
            three_quarters(recipe)
        return recipe


def _overrides(changes: dict[str, Any]) -> list[str]:
    """``{dotted.key: value}`` as the command line gives it."""
    return [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in changes.items()]


def load_experiment(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read and validate an experiment file; its recipes are resolved by :meth:`Experiment.cells`.

    Args:
        path: a YAML file, or the name of a packaged experiment, such as ``"camvid_table1"``.
        overrides: ``"dotted.key=value"`` for all its recipes; they override what the file sets.

    Raises:
        RecipeError: naming the file or override, the key, what was found and the nearest valid key.
    """
    for text in overrides:
        if (key := text.partition("=")[0]) in GIVEN:
            raise RecipeError(f"override {text!r} is not for experiments: {GIVEN[key]}")
    path = packaged.find(path, subfolder=packaged.EXPERIMENTS)
    tree = read_mapping(path, "an experiment")
    if "systems" not in tree:
        raise RecipeError(f"{path} is not an experiment: it names no systems; `hrs train` runs a recipe")
    try:
        experiment = Experiment.model_validate(tree)
    except ValidationError as error:
        raise RecipeError(f"{path} is not a valid experiment:\n{explain(error, Experiment)}") from None
    experiment._path, experiment._overrides = path, tuple(overrides)
    return experiment


def load_experiments(paths: Sequence[str | Path], overrides: Sequence[str] = ()) -> list[Experiment]:
    """Read several experiments that are run together, and resolve their recipes.

    Raises:
        RecipeError: for an experiment, see :func:`load_experiment` and :meth:`Experiment.cells`; or no path is given,
            or two files have the same stem.
    """
    if not paths:
        raise RecipeError("no experiment is named; give a YAML file, such as recipes/experiments/camvid_table1.yaml")
    experiments = [load_experiment(path, overrides) for path in paths]
    stems: dict[str, Path] = {}
    for path in (experiment.path for experiment in experiments):
        if stems.setdefault(path.stem, path) is not path:
            raise RecipeError(f"{stems[path.stem]} and {path}: the reports of both would be called {path.stem}.md")
    for experiment in experiments:
        experiment.cells()
    return experiments
