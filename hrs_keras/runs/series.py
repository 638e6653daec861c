"""The checkpoints in one folder: written, listed, and removed when there are enough newer ones.

``tf.train.CheckpointManager`` does the same, but (2.21) finds the files that it removes by a pattern made of their
path: for a run in a folder ``exp?`` it removes checkpoints of the run in ``exp1``. Here the folder is listed.
"""

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import tensorflow as tf

from hrs_keras.errors import CheckpointError
from hrs_keras.system.compat import copied_untraced
from hrs_keras.system.files import list_folder, write_whole, writing
from hrs_keras.system.literal_paths import UnreadableError, read_literally

log = logging.getLogger(__name__)

T = TypeVar("T")


def step_of(path: Path) -> int:
    """The step that a checkpoint was written at, from its name.

    Raises:
        CheckpointError: it is not called as a run calls it.
    """
    number = path.name.removeprefix("step-")
    if not (number.isdecimal() and number.isascii()):
        raise CheckpointError(f"the checkpoint {path} is not called step-NUMBER, as a run calls it")
    return int(number)


def newest_first(folder: Path) -> list[Path]:
    """The checkpoints of a folder, each by the path that its files begin with; none if there is no such folder.

    TensorFlow's own list of them is a file that can be damaged, too.

    Raises:
        CheckpointError: the folder cannot be listed, or holds one of another name.
    """
    paths = [folder / name.removesuffix(".index") for name in list_folder(folder) if _is_index(name)]
    return sorted(paths, key=step_of, reverse=True)


def _is_index(name: str) -> bool:
    """Whether a file is that by which a checkpoint is known."""
    return name.startswith("step-") and name.endswith(".index")


def read_checkpoint(path: Path, read: Callable[[str], T]) -> T:
    """Have TensorFlow read a checkpoint; see :func:`hrs_keras.system.literal_paths.read_literally`.

    Args:
        path: that its files begin with.
        read: is given a path of the checkpoint that TensorFlow takes as it stands; what it returns is returned.
    """
    return read_literally(path.parent, lambda folder: read(str(folder / path.name)))


class Series:
    """Writes checkpoints ``step-NUMBER`` of the same variables to a folder.

    Args:
        checkpoint: of the variables.
        folder: is made when the first is written.
    """

    def __init__(self, checkpoint: tf.train.Checkpoint, folder: Path):
        self.checkpoint = checkpoint
        self.folder = folder

    def write(self, step: int, written: Callable[[str], object], *, behind: bool = False) -> None:
        """Write the checkpoint of a step.

        Args:
            step: its number.
            written: is called with the checkpoint's path when it is complete.
            behind: a thread writes a snapshot of the variables, which may go on changing, and calls ``written``. What
                goes wrong there is raised by the next call.

        Raises:
            HRSError: it cannot be written.
        """
        self.checkpoint.save_counter.assign_add(1)  # as `Checkpoint.save` does: `Checkpoint.restore` expects it
        options = tf.train.CheckpointOptions(
            experimental_enable_async_checkpoint=behind, experimental_write_callbacks=[written]
        )
        with writing(self.folder), copied_untraced():
            self.checkpoint.write(str(self.folder / f"step-{step}"), options=options)

    def keep_newest(self, count: int, until: int) -> None:
        """Have TensorFlow's list name the newest ``count`` up to the step ``until``, and remove older ones.

        Raises:
            OSError: the folder cannot be written.
        """
        self._list(self._until(until)[:count])
        self.remove_older(count, until)

    def remove_older(self, count: int, until: int) -> None:
        """Of the checkpoints up to the step ``until`` remove all but the newest ``count``; raises OSError.

        Later ones could not be read when the run was taken up: they stay until it comes to their steps again.
        """
        self._remove(self._until(until)[count:])

    def keep_only(self, step: int) -> None:
        """Have TensorFlow's list name the checkpoint of one step, and remove all others; raises OSError."""
        kept = self.folder / f"step-{step}"
        self._list([kept])
        self._remove([path for path in newest_first(self.folder) if path != kept])

    def _until(self, step: int) -> list[Path]:
        return [path for path in newest_first(self.folder) if step_of(path) <= step]

    def _list(self, paths: Sequence[Path]) -> None:
        """Write the file by which `tf.train.latest_checkpoint` goes; nothing here reads it."""
        names = [path.name for path in paths]
        lines = [f'model_checkpoint_path: "{names[0]}"', *(f'all_model_checkpoint_paths: "{n}"' for n in names[::-1])]
        text = "".join(f"{line}\n" for line in lines)
        write_whole(self.folder / "checkpoint", lambda file: file.write(text.encode()), durable=False)

    def _remove(self, paths: Sequence[Path]) -> None:
        for path in paths:
            # The index, by which a checkpoint is known, first.
            path.with_name(f"{path.name}.index").unlink(missing_ok=True)
            for name in list_folder(self.folder):
                if name.startswith(f"{path.name}.data-"):
                    (self.folder / name).unlink(missing_ok=True)

    def sweep_halves(self) -> None:
        """Remove what killed processes left of checkpoints that they were writing; raises OSError."""
        for name in list_folder(self.folder):
            if name.startswith("step-") and "_temp" in name:
                shutil.rmtree(self.folder / name)


def restore_newest(folder: Path, restore: Callable[[str], object]) -> Path | None:
    """Restore the newest checkpoint of a folder that can be; its path, or None if there is none at all.

    A damaged one is passed over, with a warning that names it and the one taken instead.

    Args:
        folder: the folder.
        restore: is given a checkpoint's path.

    Raises:
        CheckpointError: there are some, but none can be restored.
    """
    refused: dict[Path, str] = {}
    for path in newest_first(folder):
        try:
            read_checkpoint(path, restore)
        except UnreadableError as error:
            refused[path] = str(error)
            continue
        for damaged, why in refused.items():
            log.warning("the checkpoint %s is damaged (%s); %s is taken instead", damaged, why, path)
        return path
    if refused:
        path, why = next(iter(refused.items()))
        others = f" (nor can {len(refused) - 1} older)" if len(refused) > 1 else ""
        raise CheckpointError(
            f"the checkpoint {path} cannot be restored{others}: it is damaged, or does not fit the networks of the"
            f" recipe: {why}. Use the recipe that made it, bring sound files back, or begin a new run with name=NAME"
        )
    return None
