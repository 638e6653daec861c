"""``hrs rank``: a row an image, of what a finished run makes of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
from tqdm import tqdm

from hrs_keras.data.audit import audit_to_read
from hrs_keras.data.shown import evenly_spaced
from hrs_keras.errors import CheckpointError, DataError, HRSError, RecipeError, printable
from hrs_keras.models.global_state import settle_keras
from hrs_keras.ranking.columns import RANDOM, Columns, Images, Row
from hrs_keras.ranking.describing import Describer, Looked, real_images
from hrs_keras.ranking.images import FolderImages, ImageName, LabelledImages
from hrs_keras.ranking.keeping import Candidate, best, candidate, refuse_unlistable, write_lists
from hrs_keras.ranking.means import Means
from hrs_keras.ranking.network import RankingNetwork
from hrs_keras.ranking.options import Ranking, RankOptions
from hrs_keras.ranking.parameters import groups_of, read_parameters
from hrs_keras.ranking.real import MOST_REAL
from hrs_keras.ranking.table import writing_table
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.data import recipe_on_other_data, warn_of_other_data
from hrs_keras.runs.folder import RunFolder
from hrs_keras.runs.loading import load_selecting
from hrs_keras.system.files import refuse_unwritable

MOST_SAMPLED = 500
"""Ranked images, at most, that thresholds and the order of rare classes are of: of more, so many evenly spaced."""


def rank_images(run_dir: str | Path, options: RankOptions | None = None) -> Ranking:
    """Write a table with a row an image: what a finished run's networks make of it.

    The columns describe images; which of them help, an experiment has to show (``docs/rank.md``). The weights are
    those that are trained, in float32: ``train.average`` plays no part. Memory does not grow with the images, but for
    their names and a few numbers of each. The same call writes the same bytes.

    Args:
        run_dir: the run folder.
        options: see :class:`RankOptions`.

    Raises:
        CheckpointError: this is no run folder, its run has not ended, or it has no such checkpoint.
        RecipeError: an override changes more than which data is read, or the recipe has no such data sets.
        DataError: there is no image, one cannot be read, or the renderer's parameters do not fit the images.
        HRSError: the table has no such column, or a file cannot be written.
    """
    options = options or RankOptions()
    run = RunFolder(Path(run_dir))
    recipe = recipe_on_other_data(run, options.overrides, "a ranking")
    if not run.result_file.is_file():
        raise CheckpointError(
            f"{run.path} has not ended (it has no {run.result_file.name}): what it makes of images is still changing."
            " The command that began it goes on with it"
        )
    settle_keras()
    tf.config.experimental.enable_op_determinism()
    plan = _plan(run, recipe, options)
    network = RankingNetwork(recipe, load_selecting(run, options.which))
    return _write(plan, _describer(plan, network), options)


@dataclass(frozen=True)
class _Plan:
    """What is ranked, and what is to be told of it. Whatever can be refused early was, when there is one.

    Attributes:
        recipe: the run's, maybe with other data.
        role: of the ranked images; None of a folder.
        ranked: them.
        names: theirs, in order.
        target: the real images that the run was trained on.
        real: the numbers of those that are compared with.
        columns: of the table.
        groups, ungrouped: see :func:`hrs_keras.ranking.parameters.groups_of`; both empty without parameters.
    """

    recipe: Recipe
    role: str | None
    ranked: LabelledImages | FolderImages
    names: list[ImageName]
    target: LabelledImages
    real: list[int]
    columns: Columns
    groups: dict[str, list[list[str]]]
    ungrouped: list[str]

    @property
    def data_sets(self) -> int:
        """How many data sets the ranked images are of."""
        return len(self.recipe.datasets(self.role)) if self.role else 1

    @property
    def own(self) -> dict[int, int]:
        """Ranked image -> which of the real images it is, by their numbers."""
        return {number: place for place, number in enumerate(self.real)} if self.role == "target" else {}


def _plan(run: RunFolder, recipe: Recipe, options: RankOptions) -> _Plan:
    out = Path(options.out)
    if out.is_dir():
        raise HRSError(f"--out {printable(out)} is a folder; give the table's file, such as {printable(out)}/rank.csv")
    refuse_unwritable(out.parent, "table's folder", "--out")
    if options.join is not None and Path(options.join).resolve() in (out.resolve(), _means_file(out).resolve()):
        raise HRSError(f"--join {printable(Path(options.join))} would be overwritten; choose another --out")
    role = options.data if options.data in ("source", "target") else None
    if role is not None and not recipe.datasets(role):
        raise RecipeError(f"{run.path} has read no {role} images; give --data target, or a folder of images")
    folder = FolderImages(Path(options.data), recipe.data.size, options.on_skipped) if role is None else None
    names = folder.names if folder else []  # before the audit, which may take long
    real_role = "target" if recipe.datasets("target") else "unlabelled"
    found = audit_to_read(recipe, [one for one in recipe.roles if one in (real_role, role)])
    warn_of_other_data(run, recipe, found)
    sets = {one: LabelledImages(recipe, pairs) for one, pairs in found.sets.items()}
    ranked = folder or sets[str(role)]
    real = evenly_spaced(len(sets[real_role]), MOST_REAL)
    others = Images(labelled=folder is None, real=len(real) - (role == "target"))
    columns = Columns.of(recipe.method, recipe.data.label_space.classes, others)
    for column in options.by:
        columns.check(column)
    names = names or ranked.names
    if options.keep is not None:
        refuse_unlistable(names)
    noted = [] if options.join is None else read_parameters(Path(options.join), options.id, names)
    groups, ungrouped = groups_of(noted)
    return _Plan(recipe, role, ranked, names, sets[real_role], real, columns, groups, ungrouped)


def _means_file(out: Path) -> Path:
    """Where the means by a renderer's parameters go."""
    return out.with_name(f"{out.stem}.by_parameter.csv")


def _describer(plan: _Plan, network: RankingNetwork) -> Describer:
    """What a row is made with: the real images and a sample of the ranked ones are shown to the networks."""
    classes = plan.recipe.data.label_space.classes
    names = plan.target.names
    real = zip((printable(names[number].name) for number in plan.real), plan.target.pixels(plan.real), strict=True)
    compared = real_images(network, real)
    ranked = plan.ranked
    sampled = (
        ranked.pixels(evenly_spaced(len(ranked), MOST_SAMPLED)) if isinstance(ranked, LabelledImages) else iter(())
    )
    looked = Looked.through(network, sampled, len(classes))
    return Describer(network, compared, looked, plan.columns, classes)


def _rows(plan: _Plan, describer: Describer) -> Iterator[tuple[int, Row]]:
    """The number and the row of each image that can be read."""
    own = plan.own
    shown = tqdm(plan.ranked.pixels(), total=len(plan.names), unit="image", disable=None)
    for number, (name, pixels) in enumerate(zip(plan.names, shown, strict=True)):
        if pixels is not None:
            yield number, describer.row(name, pixels, own.get(number))


def _write(plan: _Plan, describer: Describer, options: RankOptions) -> Ranking:
    """Write the rows as they come, and then what is made of them."""
    out, columns = Path(options.out), plan.columns
    means = Means(plan.groups, [name for name in columns.scores if name not in RANDOM])
    candidates: list[Candidate] = []
    images = 0
    with writing_table(out, columns.names) as write:
        for number, row in _rows(plan, describer):
            write(row)
            images += 1
            means.add(number, row)
            if options.by:
                candidates.append(candidate(plan.names[number], row, options.by))
        if not images:
            raise DataError(f"{printable(Path(options.data))}: none of its {len(plan.names)} images can be read")
    lists, kept = _write_lists(plan, candidates, options)
    return Ranking(
        table=out,
        images=images,
        columns=columns,
        role=plan.role,
        data_sets=plan.data_sets,
        kept=kept,
        lists=lists,
        means=_write_means(means, _means_file(out)) if options.join is not None else None,
        mean_rows=list(means.rows()),
        ungrouped=plan.ungrouped,
        skipped=len(plan.names) - images,
    )


def _write_means(means: Means, file: Path) -> Path:
    with writing_table(file, means.header) as write:
        for row in means.rows():
            write(row)
    return file


def _write_lists(
    plan: _Plan, candidates: list[Candidate], options: RankOptions
) -> tuple[dict[str, dict[int, Path]], int]:
    """Column -> position of a data set -> its list; and how many images those of a column name."""
    lists: dict[str, dict[int, Path]] = {}
    kept = 0
    for column in dict.fromkeys(options.by):
        assert options.keep is not None
        chosen = best(candidates, options.keep, column, plan.columns)
        name = f"{Path(options.out).stem}.{re.sub('[^A-Za-z0-9_]', '_', column)}-{options.keep:g}"
        lists[column] = write_lists(Path(options.out).with_name(name), chosen, plan.data_sets)
        kept = len(chosen)
    return lists, kept
