"""The evaluation image by image that a page shows: that of ``hrs evaluate``, made if it is not there."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hrs_keras.errors import HRSError
from hrs_keras.evaluation.run import EvaluateOptions, evaluate_run, images_file, scores_file
from hrs_keras.predict.views import View
from hrs_keras.report.records import Records
from hrs_keras.system.files import list_folder, read_json

log = logging.getLogger(__name__)


class _Scored(BaseModel):
    """A file of scores, as far as it is relied on to find the one that is wanted."""

    on: str
    step: int | None
    model: str | None
    view: dict[str, Any]
    data: list[dict[str, Any]]
    mean_iou: dict[str, float | None]


@dataclass(frozen=True)
class Measured:
    """An evaluation that counted image by image.

    Attributes:
        scores: what ``hrs evaluate`` writes; None if there are none.
        images: the file with the counts of each image; None likewise.
        why: why there are none, as a sentence; empty if there are.
    """

    scores: dict[str, Any] | None
    images: Path | None
    why: str = ""


def measure(records: Records, overrides: Sequence[str] = ()) -> Measured:
    """The scores of a run's best weights on the images that its page is about.

    Those that ``hrs evaluate`` left are taken if they are of these weights and of the data that the run is of.
    Otherwise the images are evaluated, which takes about as long as a validation.

    Args:
        records: of the run.
        overrides: ``key=value`` changes to the recipe's data, such as ``data.root=...``.

    Returns:
        The scores; without any if there are no weights yet, or the images cannot be read.
    """
    if records.best_step is None:
        return Measured(None, None, "There is no best checkpoint, so nothing could be evaluated image by image.")
    if found := _kept(records):
        return found
    out, on = records.folder.evaluations, records.shown_on
    try:
        evaluate_run(records.folder.path, EvaluateOptions(on=on, overrides=tuple(overrides), out=out))
    except HRSError as error:
        log.warning("the page has no scores of single images: %s", error)
        return Measured(None, None, f"The images could not be evaluated one by one: {error}")
    return _kept(records) or Measured(None, None, "The images are not those that the run is of.")


def _kept(records: Records) -> Measured | None:
    """The newest scores in the run's folder that are of its best weights and its own data; None without any."""
    folder = records.folder.evaluations
    found: list[tuple[float, Measured]] = []
    about: dict[str, Any] = {"on": records.shown_on, "step": records.best_step}
    about |= {"model": None, "overrides": [], "view": asdict(View())}
    plain = scores_file(folder, about)
    for name in list_folder(folder):
        if not (name.startswith(plain.stem) and name.endswith(".json")):
            continue
        scores, images = read_json(folder / name, _Scored), images_file(folder / name)
        if (
            scores["model"] is None
            and scores["view"] == _AS_TRAINED
            and images.is_file()
            and _same_data(records, scores)
        ):
            found.append(((folder / name).stat().st_mtime, Measured(scores, images)))
    return max(found, key=lambda one: one[0])[1] if found else None


_AS_TRAINED: dict[str, Any] = asdict(View()) | {"scales": list(View().scales)}  # as JSON has it


def _same_data(records: Records, scores: dict[str, Any]) -> bool:
    """Whether scores are of the samples that the run has on record, if it has any."""
    if records.data is None:
        return True
    digests = [one.digest for one in records.data.sets if one.role == records.shown_on]
    return digests == [one["digest"] for one in scores["data"]]
