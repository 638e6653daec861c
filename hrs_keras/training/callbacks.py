"""What happens around the steps: logging, checkpoints, validation with pictures.

All of them count *steps*: Keras sees a run as one epoch of the steps that remain.
"""

import csv
import io
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import psutil
import tensorflow as tf

from hrs_keras.data.pairs import Pairs
from hrs_keras.errors import DataError, NonFiniteError, PreemptedError
from hrs_keras.evaluation.evaluator import Evaluator
from hrs_keras.evaluation.metrics import Evaluation, percent
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.checkpoints import Checkpoints
from hrs_keras.runs.folder import RunFolder
from hrs_keras.system.files import write_json, write_text, writing
from hrs_keras.training.pictures import Pictures
from hrs_keras.training.selection_record import SelectionRecord


class StepCallback(keras.callbacks.Callback):
    """A callback told of each finished step by its number in the whole run."""

    def __init__(self, first_step: int):
        super().__init__()
        self._taken = first_step

    def on_train_batch_end(self, batch, logs=None):
        """Keras' hook."""
        self._taken += 1
        self.on_step(self._taken, logs)

    def on_step(self, step: int, logs: dict) -> None:
        """``step`` steps of the run have been taken; ``logs`` are the last one's."""
        raise NotImplementedError


# Loss -> the key of its player's learning rate; weighting/LEVEL and discriminator bear that name themselves.
_PLAYERS = {"target": "encoder", "source": "encoder", "adapted": "encoder"} | dict.fromkeys(
    ("reconstruction", "adversarial", "content"), "generator"
)


class StopOnNonFinite(StepCallback):
    """Ends the run at the first loss or gradient that is NaN or infinite, before a checkpoint could keep it.

    With a loss scale (``mixed_float16``) a gradient may overflow: the step is left out and the scale halved. Only one
    that overflows without a scale, too, ends the run.
    """

    def __init__(self, first_step: int, checkpoints: Checkpoints):
        super().__init__(first_step)
        self._checkpoints = checkpoints

    def on_step(self, step, logs):
        """Look at every loss and every gradient's norm."""
        broken = [name for name, value in logs.items() if not math.isfinite(float(value)) and not self._excused(name)]
        if broken:
            words = {"loss": "the loss of", "gradient_norm": "the gradient of"}
            what = [f"{words.get(kind, kind)} {of}" for kind, _, of in (name.partition("/") for name in broken)]
            first = broken[0].split("/")[1]
            raise NonFiniteError(
                f"step {step}: not finite: {', '.join(what)}. The last good checkpoint is"
                f" {self._checkpoints.latest or '(none yet)'}. Look at the data of this step, or lower"
                f" train.learning_rate (first of all for {_PLAYERS.get(first, first)}) and start over with name=NAME or"
                " --fresh"
            )

    def _excused(self, name: str) -> bool:
        """Whether this is a gradient that may overflow because its loss is scaled up."""
        players = {f"gradient_norm/{player.name}": player for player in self.model.players}
        return name in players and float(players[name].optimizer.scale_loss(1.0)) > 1.0


class Log(StepCallback):
    """A line on the terminal, a row in ``log.csv`` and TensorBoard scalars every ``train.log_every`` steps."""

    def __init__(
        self, first_step: int, recipe: Recipe, run: RunFolder, writer: tf.summary.SummaryWriter, chief: bool = True
    ):
        super().__init__(first_step)
        self._recipe, self._file, self._writer, self._chief = recipe, run.log_file, writer, chief
        self._values: dict[str, list[float]] = defaultdict(list)
        self._timed = 0
        self._seconds = self._cpu_seconds = self._waiting = self._waited = 0.0
        self._begun = (0.0, 0.0)
        self._columns: list[str] | None = None
        if chief:
            with writing(run.log_file):
                keep_rows_until(run.log_file, first_step)

    def on_train_begin(self, logs=None):
        """Keras' hook."""
        self._untraced = True  # the first step of each phase includes tracing its graph

    def on_train_batch_begin(self, batch, logs=None):
        """Keras' hook."""
        self._begun = time.perf_counter(), time.process_time()

    def on_step(self, step, logs):
        """Average over the interval and write it out at its end."""
        for name, value in logs.items():
            self._values[name].append(float(value))
        waited = self.model.waited - self._waited
        self._waited = self.model.waited
        if self._untraced:
            self._untraced = False
        else:
            self._timed += 1
            self._waiting += waited
            self._seconds += time.perf_counter() - self._begun[0]
            self._cpu_seconds += time.process_time() - self._begun[1]
        if step % self._recipe.train.log_every == 0 or step == self._recipe.train.steps:
            self._write(step)

    def _write(self, step: int) -> None:
        # A phase that ends within the interval has some of its losses in fewer steps.
        values = {name: statistics.fmean(found) for name, found in self._values.items()}
        if "selected" in values:
            selected = self.model.selected  # every worker asks: the answer is a sum over all
            values["selected"] = float(selected.result())
            shares = zip(self._recipe.data.label_space.classes, selected.per_class().numpy(), strict=True)
            values |= {f"selected/{name}": float(share) for name, share in shares}
            selected.reset_state()
        for player in self.model.players:
            values[f"learning_rate/{player.name}"] = float(player.optimizer.learning_rate)
        values |= self._times(step) | memory()
        if self._chief:
            self._record(step, values)
        self._values.clear()
        self._timed = 0
        self._seconds = self._cpu_seconds = self._waiting = 0.0

    def _record(self, step: int, values: dict[str, float]) -> None:
        with writing(self._file.parent):
            self._append(step, values)
            with self._writer.as_default(step):
                for name, value in values.items():
                    if math.isfinite(value):  # a class without a pixel has no share
                        tf.summary.scalar(name, value)
        print(self._line(step, values), flush=True)

    def _times(self, step: int) -> dict[str, float]:
        """Of the interval that ends with ``step``: NaN where it had but the step in which the graph was traced."""
        domains = next(phase.domains for phase in self._recipe.phases if step <= phase.stop)
        images = len(domains) * self._recipe.train.batch_size
        steps, seconds = self._timed or math.nan, self._seconds or math.nan
        return {
            "seconds_per_step": self._seconds / steps,
            # Of all cores together; unlike the other it means something on a machine that is busy with other work, too.
            "cpu_seconds_per_step": self._cpu_seconds / steps,
            "images_per_second": images * self._timed / seconds,
            "input_wait": self._waiting / seconds,
        }

    def _line(self, step: int, values: dict[str, float]) -> str:
        total = self._recipe.train.steps
        parts = [f"step {step}/{total}"]
        parts += [
            f"{name.removeprefix('loss/')} {value:.3f}" for name, value in values.items() if name.startswith("loss/")
        ]
        if "selected" in values:
            parts.append(f"selected {100 * values['selected']:.0f} %")
        parts.append(f"lr {values['learning_rate/encoder']:.2e}")
        seconds = values["seconds_per_step"]
        if math.isfinite(seconds):
            left = round(seconds * (total - step))
            parts.append(f"{seconds:.2f} s/step  {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left")
        return "  ".join(parts)

    def _append(self, step: int, values: dict[str, float]) -> None:
        row = {"step": step, **values}
        if self._columns and row.keys() <= set(self._columns):
            with open(self._file, "a", newline="") as file:
                csv.DictWriter(file, self._columns, restval=math.nan).writerow(row)
            return
        # A log that this process has not written to yet, or a phase that has other losses than the one before.
        rows = _rows(self._file)
        self._columns = list({**rows[0], **row} if rows else row)
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns, restval=math.nan)
        writer.writeheader()
        writer.writerows([*rows, row])
        write_text(self._file, text.getvalue())


def _rows(file: Path) -> list[dict[str, str]]:
    if not file.is_file():
        return []
    with open(file, newline="") as text:
        return list(csv.DictReader(text))


def memory() -> dict[str, float]:
    """GiB that this process has now, and, of the GPUs, the most that any has had."""
    found = {"memory/host": psutil.Process().memory_info().rss}
    if gpus := tf.config.list_logical_devices("GPU"):
        found["memory/gpu"] = max(tf.config.experimental.get_memory_info(gpu.name)["peak"] for gpu in gpus)
    return {name: size / 2**30 for name, size in found.items()}


def keep_rows_until(file: Path, step: int) -> None:
    """Drop a log's rows after ``step``: the steps that a killed run took after its last checkpoint are taken again."""
    if not file.is_file():
        return
    # A crash of the machine may leave anything in the rows that were written last.
    head, *rows = file.read_text(errors="replace").splitlines(keepends=True) or [""]
    whole = [row for row in rows if row.endswith("\n") and row.count(",") == head.count(",")]
    kept = [row for row in whole if (number := row.split(",", 1)[0]).isdecimal() and int(number) <= step]
    if kept:
        write_text(file, "".join([head, *kept]))
    else:
        file.unlink()  # the header may be cut off, too


def lacks_validation(recipe: Recipe, run: RunFolder, step: int) -> bool:
    """Whether a validation is due after ``step`` steps, but was not made: the run was told to end meanwhile."""
    return _validates(recipe, step) and not run.evaluation_file(step).is_file()


def _validates(recipe: Recipe, step: int) -> bool:
    return step % recipe.train.validate_every == 0 or step == recipe.train.steps


class Validate(StepCallback):
    """mIoU on the validation set, pictures and the record of what is selected: before the first step (what an
    untrained network scores), every ``train.validate_every`` steps and at the end. The best so far is checkpointed.

    It is broken off when a worker is told to end. The step is saved all the same, and the run that goes on begins with
    the validation (``lacking``).
    """

    def __init__(
        self,
        recipe: Recipe,
        run: RunFolder,
        sets: Mapping[str, Sequence[Pairs]],
        checkpoints: Checkpoints,
        writer: tf.summary.SummaryWriter,
        first_step: int,
        lacking: bool,
        chief: bool = True,
    ):
        super().__init__(first_step)
        self._lacking = lacking
        self._recipe, self._run, self._checkpoints, self._writer = recipe, run, checkpoints, writer
        self._validation, self._chief = sets["validation"], chief
        count = recipe.train.pictures
        self._pictures = Pictures(recipe, sets["source"], sets["validation"], run.figures, count) if count else None
        learned = recipe.method.source_weighting == "learned" and recipe.train.selection_images
        self._selection = SelectionRecord(recipe, sets["source"]) if learned else None
        self._evaluate: Evaluator | None = None

    def on_train_begin(self, logs=None):
        """Keras' hook."""
        if self._evaluate is None:
            strategy = self.model.distribute_strategy
            self._evaluate = Evaluator(self._recipe, self.model.segmenter, self._validation, strategy)
        if self._lacking:
            self._validate(self._taken)
            self._lacking = False
            if self.model.ending:
                raise PreemptedError(f"while the weights of step {self._taken}, which are saved, were validated")

    def on_step(self, step, logs):
        """Validate when it is time."""
        if _validates(self._recipe, step) and not self.model.ending:
            self._validate(step)

    def _validate(self, step: int) -> None:
        result = self._evaluate(told=self.model.told)
        if result is None:
            self.model.ending = True
            return
        if math.isnan(result.miou):
            raise DataError("the validation images have not one labelled pixel: no checkpoint can be called the best")
        if self._chief:
            self._record(step, result)

    def _record(self, step: int, result: Evaluation) -> None:
        if self._selection is not None:
            with writing(self._run.selection):
                self._selection.write(self.model, step, self._run.selection_file(step))
        best = step > 0 and self._checkpoints.save_if_best(step, result.miou)
        means = "  ".join(f"mIoU({name}) {percent(mean)} %" for name, mean in result.means.items())
        accuracy = f"pixel accuracy {100 * result.pixel_accuracy:.2f} %"
        print(f"validation at step {step}: {means}  {accuracy}{'  (best so far)' if best else ''}", flush=True)
        with writing(self._run.path):
            self._draw(step, result)
        with writing(self._run.evaluations):  # last: it says that all the others are there
            write_json(self._run.evaluation_file(step), {"step": step, **result.to_dict()})

    def _draw(self, step: int, result: Evaluation) -> None:
        figures = self._pictures.draw(self.model, step) if self._pictures else []
        with self._writer.as_default(step):
            for name, mean in result.means.items():
                if math.isfinite(mean):
                    tf.summary.scalar(f"validation/miou_{name}", mean)
            for figure in figures:
                tf.summary.image(figure.parent.name, tf.io.decode_png(tf.io.read_file(str(figure)))[tf.newaxis])


class Profile(StepCallback):
    """A trace of steps ``first`` to ``last`` for TensorBoard's profiler, below the run's ``tensorboard`` folder."""

    def __init__(self, first_step: int, steps: range, run: RunFolder):
        super().__init__(first_step)
        self._steps, self._run, self._begun = steps, run, False

    def on_train_batch_begin(self, batch, logs=None):
        """Keras' hook."""
        if self._taken + 1 in self._steps and not self._begun:  # a run that goes on may begin among them
            self._begun = True
            self._first = self._taken + 1
            with writing(self._run.tensorboard):
                tf.profiler.experimental.start(str(self._run.tensorboard))

    def on_step(self, step, logs):
        """Write the trace after the last step."""
        if step == self._steps[-1] and self._begun:
            with writing(self._run.tensorboard):
                tf.profiler.experimental.stop()
            print(f"steps {self._first} to {step} traced: tensorboard --logdir {self._run.tensorboard}", flush=True)


class Save(StepCallback):
    """A checkpoint every ``train.checkpoint_every`` steps and ``train.checkpoint_minutes``, at the end, and when the
    run is told to end early, which it then does.
    """

    def __init__(self, first_step: int, recipe: Recipe, checkpoints: Checkpoints, chief: bool = True):
        super().__init__(first_step)
        self._train, self._checkpoints, self._chief = recipe.train, checkpoints, chief
        self._saved = time.monotonic()

    def on_step(self, step, logs):
        """Save when it is time."""
        ending, minutes = self.model.ending, (time.monotonic() - self._saved) / 60
        late = self._train.checkpoint_minutes is not None and minutes >= self._train.checkpoint_minutes
        due = ending or late or step % self._train.checkpoint_every == 0 or step == self._train.steps
        if due and self._chief:
            save = self._checkpoints.save_now if ending or step == self._train.steps else self._checkpoints.save
            save(step)
            self._saved = time.monotonic()
        if ending:
            what = f"saved {self._checkpoints.latest}" if self._chief else "the chief saves it"
            raise PreemptedError(f"after step {step}: {what}")
