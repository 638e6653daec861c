"""Validation within a run: mIoU, pictures, and the record of what is selected."""

import logging
import math

import tensorflow as tf

from hrs_keras.errors import DataError
from hrs_keras.evaluation.evaluator import Evaluator
from hrs_keras.evaluation.metrics import Evaluation, percent
from hrs_keras.system.files import write_json, writing
from hrs_keras.training.pictures import Pictures
from hrs_keras.training.selection_record import SelectionRecord
from hrs_keras.training.session import Session

log = logging.getLogger(__name__)


class Validation:
    """Evaluates the weights of a step, and checkpoints the best so far.

    It is broken off when a worker is told to stop. The step is saved all the same, and the run that goes on begins with
    the validation that is missing.

    Args:
        session: the run; all of its workers must evaluate, the chief alone writes.
        writer: of TensorBoard's events.
    """

    def __init__(self, session: Session, writer: tf.summary.SummaryWriter):
        self._session, self._writer = session, writer
        recipe, sets = session.recipe, session.data.sets
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
        result = self._evaluate(stop=self._session.stop)
        if result is None:
            return False
        if math.isnan(result.miou):
            raise DataError("the validation images have not one labelled pixel: no checkpoint can be called the best")
        if self._session.chief:
            self._record(step, result)
        return True

    def _record(self, step: int, result: Evaluation) -> None:
        folder = self._session.folder
        if self._selection is not None:
            with writing(folder.selection):
                self._selection.write(step)
        best = step > 0 and self._session.checkpoints.save_if_best(step, result.miou)
        means = "  ".join(f"mIoU({name}) {percent(mean)} %" for name, mean in result.means.items())
        accuracy = f"pixel accuracy {100 * result.pixel_accuracy:.2f} %"
        log.info("validation at step %d: %s  %s%s", step, means, accuracy, "  (best so far)" if best else "")
        with writing(folder.path):
            self._draw(step, result)
        with writing(folder.evaluations):  # last: it says that all the others are there
            write_json(folder.evaluation_file(step), {"step": step, **result.to_dict()})

    def _draw(self, step: int, result: Evaluation) -> None:
        figures = self._pictures.draw(step) if self._pictures else []
        with self._writer.as_default(step):
            for name, mean in result.means.items():
                if math.isfinite(mean):
                    tf.summary.scalar(f"validation/miou_{name}", mean)
            for figure in figures:
                tf.summary.image(figure.parent.name, tf.io.decode_png(tf.io.read_file(str(figure)))[tf.newaxis])
