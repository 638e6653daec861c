"""The log of a run: a line on the terminal, a row in ``log.csv``, scalars in TensorBoard."""

import logging
import math
import statistics
import time
from collections import defaultdict

import psutil
import tensorflow as tf

from hrs_keras.system.files import writing
from hrs_keras.training.log_file import LogFile
from hrs_keras.training.session import Session

log = logging.getLogger(__name__)


class Times:
    """How long one step took, from its construction on.

    Args:
        counted: whether averages include the step. Those in which a graph is traced would distort them.

    Attributes:
        seconds: in all.
        cpu_seconds: of all cores together; unlike ``seconds`` they mean something on a machine that is busy with other
            work, too.
        input_wait: seconds until the step's batch was there.
    """

    def __init__(self, counted: bool):
        self.counted = counted
        self.seconds = self.cpu_seconds = self.input_wait = 0.0
        self._begun = time.perf_counter(), time.process_time()

    def input_is_there(self) -> None:
        """Note how long the step waited for its batch."""
        self.input_wait = time.perf_counter() - self._begun[0]

    def step_is_taken(self) -> None:
        """Note how long the step took."""
        self.seconds = time.perf_counter() - self._begun[0]
        self.cpu_seconds = time.process_time() - self._begun[1]


class Log:
    """Writes what steps gave, averaged over ``train.log_every`` of them.

    Args:
        session: the run; of its workers the chief alone writes.
        writer: of TensorBoard's events.
    """

    def __init__(self, session: Session, writer: tf.summary.SummaryWriter):
        self._session, self._writer = session, writer
        self._values: dict[str, list[float]] = defaultdict(list)
        self._times: list[Times] = []
        self._file = LogFile(session.folder.log_file)
        if session.chief:
            with writing(session.folder.log_file):
                self._file.keep_until(session.first)

    def after_step(self, step: int, logs: dict[str, float], times: Times) -> None:
        """Take what a step gave; write it out at the end of an interval.

        Raises:
            HRSError: the log cannot be written.
        """
        for name, value in logs.items():
            self._values[name].append(value)
        if times.counted:
            self._times.append(times)
        if step % self._session.recipe.train.log_every == 0 or step == self._session.steps:
            values = self._averages() | self._speed(step) | memory()
            self._values.clear()
            self._times.clear()
            if self._session.chief:
                self._write(step, values)

    def _averages(self) -> dict[str, float]:
        # A phase that ends within the interval has some of its losses in fewer steps.
        values = {name: statistics.fmean(found) for name, found in self._values.items()}
        trainer = self._session.trainer
        rates = {f"learning_rate/{of}": rate for p in trainer.players for of, rate in p.learning_rates.items()}
        return values | trainer.measurements() | rates

    def _speed(self, step: int) -> dict[str, float]:
        """Speed in the interval that ends with ``step``; NaN if none of its steps is counted (:class:`Times`)."""
        domains = next(phase.domains for phase in self._session.recipe.phases if step <= phase.stop)
        images = sum(map(self._session.recipe.train.images, domains))
        count = len(self._times)
        seconds, cpu, wait = (
            sum(getattr(times, name) for times in self._times) for name in ("seconds", "cpu_seconds", "input_wait")
        )
        return {
            "seconds_per_step": seconds / (count or math.nan),
            "cpu_seconds_per_step": cpu / (count or math.nan),
            "images_per_second": images * count / (seconds or math.nan),
            "input_wait": wait / (seconds or math.nan),
        }

    def _write(self, step: int, values: dict[str, float]) -> None:
        with writing(self._session.folder.path):
            self._file.append({"step": step, **values})
            with self._writer.as_default(step):
                for name, value in values.items():
                    if math.isfinite(value):  # a class without a pixel has no share
                        tf.summary.scalar(name, value)
        log.info(self._line(step, values))

    def _line(self, step: int, values: dict[str, float]) -> str:
        total = self._session.steps
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


def memory() -> dict[str, float]:
    """GiB that this process has now, and, of the GPUs, the most that any has had."""
    found = {"memory/host": psutil.Process().memory_info().rss}
    if gpus := tf.config.list_logical_devices("GPU"):
        found["memory/gpu"] = max(tf.config.experimental.get_memory_info(gpu.name)["peak"] for gpu in gpus)
    return {name: size / 2**30 for name, size in found.items()}
