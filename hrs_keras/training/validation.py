"""Validation within a run: mIoU, pictures, and the record of what is selected."""

import logging
import math
from pathlib import Path

import tensorflow as tf

from hrs_keras.data.reading import samples_of
from hrs_keras.data.shown import evenly_spaced
from hrs_keras.errors import DataError
from hrs_keras.evaluation.evaluator import Evaluator
from hrs_keras.evaluation.metrics import Evaluation, percent
from hrs_keras.system.files import write_json, writing
from hrs_keras.training.pictures import Pictures
from hrs_keras.training.selection_record import SelectionRecord
from hrs_keras.training.session import Session

log = logging.getLogger(__name__)

FIRST_LOOK = 8
"""Images that weights which were never trained are evaluated on. That shows that a validation works, and how good
chance is; whoever has started a run waits for its first step."""


class Validation:
    """Evaluates the weights of a step, and checkpoints the best so far.

    Weights that were never trained are evaluated on a few images, and nothing is drawn or recorded of them.

    It is broken off when a worker is told to stop. The step is saved all the same, and the run that goes on begins with
    the validation that is missing.

    Args:
        session: the run; all of its workers must evaluate, the chief alone writes.
        writer: of TensorBoard's events.
    """

    def __init__(self, session: Session, writer: tf.summary.SummaryWriter):
        self._session, self._writer = session, writer
        recipe, sets = session.recipe, session.data.sets
        self._images = len(samples_of(sets["validation"]))
        self._evaluate = Evaluator(recipe, session.trainer.evaluated, sets["validation"], session.distribution.strategy)
        self._pictures = Pictures(session) if session.chief and recipe.train.pictures else None
        selects = recipe.method.selects and recipe.train.selection_images
        self._selection = SelectionRecord(session) if session.chief and selects else None

    def run(self, step: int) -> bool:
        """Validate the weights that the trainer has after ``step`` steps; False if it was broken off.

        Raises:
            DataError: the validation images have not one labelled pixel.
            HRSError: something cannot be written.
        """
        untrained = step == 0 and self._session.recipe.train.init_from is None
        for numbers in [evenly_spaced(self._images, FIRST_LOOK), None] if untrained else [None]:
            result = self._evaluate(self._session.stop, numbers)
            if result is None:
                return False
            if not math.isnan(result.miou):
                break
        else:
            raise DataError("the validation images have not one labelled pixel: no checkpoint can be called the best")
        if self._session.chief:
            self._record(step, result, untrained)
        return True

    def _record(self, step: int, result: Evaluation, untrained: bool) -> None:
        folder = self._session.folder
        if self._selection is not None and not untrained:
            with writing(folder.selection):
                self._selection.write(step)
        best = step > 0 and self._session.checkpoints.save_if_best(step, result.miou)
        means = "  ".join(f"mIoU({name}) {percent(mean)} %" for name, mean in result.means.items())
        accuracy = f"pixel accuracy {100 * result.pixel_accuracy:.2f} %"
        images = f", {result.images} of {self._images} images" if result.images < self._images else ""
        log.info("validation at step %d%s: %s  %s%s", step, images, means, accuracy, "  (best so far)" if best else "")
        with writing(folder.path):
            self._draw(step, result, self._pictures.draw(step) if self._pictures and not untrained else [])
        with writing(folder.evaluations):  # last: it says that all the others are there
            write_json(folder.evaluation_file(step), {"step": step, **result.to_dict()})

    def _draw(self, step: int, result: Evaluation, figures: list[Path]) -> None:
        with self._writer.as_default(step):
            for name, mean in result.means.items():
                if math.isfinite(mean):
                    tf.summary.scalar(f"validation/miou_{name}", mean)
            for figure in figures:
                tf.summary.image(figure.parent.name, tf.io.decode_png(tf.io.read_file(str(figure)))[tf.newaxis])
