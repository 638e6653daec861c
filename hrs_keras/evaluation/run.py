"""Scoring a run, or an export, on the run's validation or test set."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from hrs_keras.data.audit import audit
from hrs_keras.data.inventory import take_inventory
from hrs_keras.errors import HRSError, RecipeError, printable
from hrs_keras.evaluation.counts import ImageCounts
from hrs_keras.evaluation.image_file import recording
from hrs_keras.evaluation.scores import Scores
from hrs_keras.evaluation.scoring import count_images
from hrs_keras.predict.model import TrainedModel, load_model
from hrs_keras.predict.views import Predictor, View
from hrs_keras.recipe.data import EVALUATED_ON
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.data import recipe_on_other_data, warn_of_other_data
from hrs_keras.runs.folder import RunFolder
from hrs_keras.system.files import refuse_unwritable, write_json, writing

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluateOptions:
    """What :func:`evaluate_run` evaluates, on what, and what it writes.

    Attributes:
        on: ``"validation"`` or ``"test"``, the data sets of the recipe to evaluate on.
        overrides: ``key=value`` changes to the recipe's data, such as ``data.root=...``.
        which: ``"best"`` or ``"last"``, the run's checkpoint.
        model: an export to evaluate in place of the run's weights; see :func:`hrs_keras.predict.model.load_model`.
        view: how images are shown to the model.
        write_ids: a folder for the predictions as label-id PNGs.
        out: a folder for the scores and the counts of each image, as :func:`scores_file` names them; None to keep
            nothing.
    """

    on: str = "validation"
    overrides: tuple[str, ...] = ()
    which: Literal["best", "last"] = "best"
    model: str | Path | None = None
    view: View = field(default_factory=View)
    write_ids: str | Path | None = None
    out: str | Path | None = None


def evaluate_run(run_dir: str | Path, options: EvaluateOptions | None = None) -> Scores:
    """Score a run's weights, or an export, on the run's validation or test set.

    Args:
        run_dir: the run folder, for its recipe and, unless an export is given, its weights.
        options: see :class:`EvaluateOptions`.

    Raises:
        RecipeError: an override changes more than which data is read, or the recipe has no such data sets.
        HRSError: the model has other classes than the run or is not to be shown such a view, or a file cannot be
            written; see also :func:`hrs_keras.predict.model.load_model`, :func:`hrs_keras.audit` and
            :func:`hrs_keras.evaluation.scoring.count_images`.
    """
    options = options or EvaluateOptions()
    run = RunFolder(Path(run_dir))
    write_ids, out = (None if path is None else Path(path) for path in (options.write_ids, options.out))
    recipe = _recipe(run, options)
    model = _load(run, recipe, options)
    predictor = Predictor(model, options.view)
    if out:
        refuse_unwritable(out, "scores", "--out")
    found = audit(recipe, roles=[options.on])
    warn_of_other_data(run, recipe, found)
    sets, space = found.sets[options.on], recipe.data.label_space
    counted = count_images(recipe, predictor, sets, write_ids)
    if not out:
        return Scores.of(counted, space)
    data = [{"data_set": one.position, "digest": one.digest} for one in take_inventory(recipe, found)]
    about = _about(options, model, data)
    file = scores_file(out, about)
    images = {"classes": space.classes, "images": sum(map(len, sets))}
    with recording(images_file(file), about | images) as record:
        scores = Scores.of(_recorded(counted, record), space)
    with writing(file):
        write_json(file, about | scores.to_dict())
    log.info("scores %s\ncounts of each image %s", printable(file), printable(images_file(file)))
    return scores


def _recorded(images: Iterable[ImageCounts], record: Callable[[ImageCounts], None]) -> Iterator[ImageCounts]:
    for image in images:
        record(image)
        yield image


def scores_file(folder: Path, about: dict[str, Any]) -> Path:
    """Where the scores of an evaluation are kept; :func:`images_file` has the counts of each image.

    Args:
        folder: ``evaluations`` of the run, unless the user wants another.
        about: of the evaluation: ``on``, ``step``, ``model``, ``view``, ``overrides`` and ``data``. That of a run's own
            weights on its own data, shown as in training, has a plain name, ``scores_validation_step_0000600.json``;
            others end in digits that stand for what they are of.
    """
    name = f"scores_{about['on']}" + ("" if about["step"] is None else f"_step_{about['step']:07d}")
    if about["model"] or about["overrides"] or about["view"] != asdict(View()):
        settled = [about["model"], about["view"], about["data"]]
        name += f"-{hashlib.sha256(json.dumps(settled).encode()).hexdigest()[:8]}"
    return folder / f"{name}.json"


def images_file(scores: Path) -> Path:
    """The file with the counts of each image beside that of the scores; :mod:`hrs_keras.evaluation.image_file`."""
    return scores.with_name(f"{scores.stem}.images.jsonl")


def _recipe(run: RunFolder, options: EvaluateOptions) -> Recipe:
    """The run's recipe, with the data to evaluate on."""
    on, recipe = options.on, recipe_on_other_data(run, options.overrides, "an evaluation")
    if on not in EVALUATED_ON:
        raise RecipeError(f"a run is evaluated on {' or '.join(EVALUATED_ON)}, not on {on!r}")
    if not recipe.datasets(on):
        raise RecipeError(f"the recipe of {run.path} has no data.{on}; give it, such as data.{on}='[{{format: ...}}]'")
    return recipe


def _load(run: RunFolder, recipe: Recipe, options: EvaluateOptions) -> TrainedModel:
    """The run's weights, or an export with the run's classes."""
    if options.model is None:
        return load_model(run.path, options.which)
    model = load_model(options.model, options.which)
    ours, theirs = recipe.data.label_space.classes, model.space.classes
    if ours != theirs:
        raise HRSError(
            f"{printable(Path(options.model))} predicts other classes than {run.path} ({', '.join(theirs)}; the run"
            f" {', '.join(ours)}): it cannot be compared with these labels; evaluate it with a run of its own classes"
        )
    return model


def _about(options: EvaluateOptions, model: TrainedModel, data: list[dict[str, Any]]) -> dict[str, Any]:
    """What was evaluated on what, as plain data."""
    return {
        "on": options.on,
        "step": model.step,
        "model": None if options.model is None else printable(model.exported or Path(options.model)),
        "view": asdict(options.view),
        "overrides": [printable(change) for change in options.overrides],
        "data": data,
    }
