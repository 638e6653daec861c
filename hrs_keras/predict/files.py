"""Predictions for files: images and videos in, label maps out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from hrs_keras.errors import HRSError
from hrs_keras.export.signatures import MAX_PIXELS
from hrs_keras.media.inputs import find_inputs, is_video, log_skipped, refuse_overwriting
from hrs_keras.media.label_maps import ConfidenceFile, LabelMapFolders, Outcome
from hrs_keras.media.video import pyav
from hrs_keras.predict.job import Job
from hrs_keras.predict.model import load_model
from hrs_keras.predict.views import Predictor, View

MAX_BATCH = 1024


@dataclass(frozen=True)
class PredictOptions:
    """How :func:`predict_files` predicts, and what it writes.

    Attributes:
        view: how images are shown to the network.
        which: ``"best"`` or ``"last"`` checkpoint of a run folder.
        batch_size: how many images or frames of one size that follow each other are predicted at once, 1 to 1024.
        confidence: ``"png"`` to write ``confidence/NAME.png``, 8-bit grey, 255 times the probability of the class;
            ``"npy"`` to write ``confidence/NAME.npy``, [h, w] float32 in [0, 1]; None to write neither.
        probabilities: also write ``probabilities/NAME.npy``, [h, w, C] float16.
        max_pixels: images and videos that have more are skipped, 1 to 2**31 - 1.
        on_skipped: is called with a line for each input that is skipped; by default it is logged as a warning.

    Raises:
        HRSError: a number is out of its range, or there is no such kind of file of confidence.
    """

    view: View = field(default_factory=View)
    which: Literal["best", "last"] = "best"
    batch_size: int = 1
    confidence: ConfidenceFile | None = None
    probabilities: bool = False
    max_pixels: int = MAX_PIXELS
    on_skipped: Callable[[str], None] = log_skipped

    def __post_init__(self) -> None:
        for name, value, most in (
            ("batch_size", self.batch_size, MAX_BATCH),
            ("max_pixels", self.max_pixels, 2**31 - 1),
        ):
            if not 1 <= value <= most:
                raise HRSError(f"{name} {value}: must be 1 to {most}")
        if self.confidence not in (None, *get_args(ConfidenceFile)):
            raise HRSError(f"confidence {self.confidence!r}: must be 'png', 'npy' or None")


def predict_files(
    model: str | Path, inputs: Sequence[str | Path], out: str | Path, options: PredictOptions | None = None
) -> Outcome:
    """Segment images and videos.

    Args:
        model: a run folder, a SavedModel, or a folder of numbered versions of one.
        inputs: see :func:`hrs_keras.media.inputs.find_inputs`.
        out: a folder; what is written there is said by :class:`hrs_keras.media.label_maps.LabelMapFolders`. An image
            NAME gives ``ids/NAME.png`` and so on. A video NAME gives ``colour/NAME.mp4``, ``overlay/NAME.mp4`` and for
            each frame ``ids/NAME/frame_0000000.png`` and so on. All have the input's own size. NAME has the folders
            that a pattern leaves open: ``in/**/*.png`` writes ``ids/deep/x.png`` for ``in/deep/x.png``.
        options: see :class:`PredictOptions`.

    Returns:
        Which folders were written to, and which inputs were skipped because they could not be read, or not to their
        end.

    Raises:
        DataError: there is nothing to predict, two inputs have the same name, or predictions would overwrite inputs.
        HRSError: the model cannot be loaded, PyAV is missing for a video, memory does not suffice, or the predictions
            cannot be written.
        NonFiniteError: the network answers NaN or infinity to an image or a frame, which the message names.
    """
    options = options or PredictOptions()
    files = find_inputs(inputs)
    if any(map(is_video, files)):
        pyav()  # before the wait for the model: if it is missing, the user is told at once
    trained = load_model(model, options.which)
    folders = LabelMapFolders(Path(out), trained.space, options.confidence, options.probabilities)
    refuse_overwriting(files, folders.paths)
    folders.make()
    job = Job(Predictor(trained, options.view), folders, options.batch_size, options.max_pixels, options.on_skipped)
    images = {file: name for file, name in files.items() if not is_video(file)}
    skipped = set(job.images(images))
    written = len(images) - len(skipped)
    for file in filter(is_video, files):
        frames, whole = job.video(file, files[file])
        written += frames
        if not whole:
            skipped.add(file)
    return Outcome(folders.paths if written else [], [file for file in files if file in skipped])
