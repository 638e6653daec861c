"""The run folder: what a run is, what it was made with, and what it wrote."""

import logging
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel

from hrs_keras.errors import CheckpointError
from hrs_keras.recipe.comparing import compare
from hrs_keras.recipe.reading import load_recipe
from hrs_keras.recipe.schema import Recipe
from hrs_keras.runs.files import RunFiles
from hrs_keras.system.environment import environment
from hrs_keras.system.files import (
    list_folder,
    opening,
    partial_path,
    read_json,
    refuse_unwritable,
    write_json,
    write_text,
    writing,
)
from hrs_keras.system.literal_paths import check_literal
from hrs_keras.system.locks import lock

log = logging.getLogger(__name__)


class _EnvironmentRecord(BaseModel):
    """What is relied on of the environment on record."""

    earlier: list[dict[str, Any]] = []


class _HistoryEntry(BaseModel):
    """What is relied on of an entry in a run's history."""

    step: int
    settings: list[str] = []


class RunFolder(RunFiles):
    """One run on disk, by its records; :meth:`claim` makes it or takes it up."""

    @property
    def exists(self) -> bool:
        """Whether this is a run folder, that is, has a recipe.

        Raises:
            CheckpointError: the system refuses to look.
        """
        with opening(self.path):
            return self.recipe_file.is_file()

    def check(self, recipe: Recipe, *, fresh: bool = False) -> None:
        """See that :meth:`claim` will be possible; changes nothing.

        Raises:
            CheckpointError: the folder belongs to a run of another recipe, or is no run folder.
            HRSError: it cannot be written, or checkpoints could not be read from it
                (:func:`hrs_keras.system.literal_paths.check_literal`).
        """
        refuse_unwritable(self.path, "run folder", "runs")
        check_literal(self.checkpoints)
        with opening(self.path):
            if not self.path.is_dir():
                return
        if not self.exists:
            if set(list_folder(self.path)) - {partial_path(self.recipe_file).name, self.lock_file.name}:
                raise CheckpointError(
                    f"{self.path} is not empty and holds no recipe.yaml: it is no run folder; set name=NAME"
                )
        elif fresh:
            self._check_removable()
        else:
            self._refuse_another_recipe(recipe)

    def _refuse_another_recipe(self, recipe: Recipe) -> None:
        """Raise a CheckpointError unless the steps that were taken are as the recipe would have them."""
        before = self.recipe()
        changes, taken = compare(before, recipe), self.steps_taken
        if changes.numbers:
            raise CheckpointError(
                f"{self.path} holds a run of another recipe; it differs in\n  "
                + "\n  ".join([*changes.numbers, *changes.steps])
                + "\nGive this run a name of its own, name=NAME (--fresh would remove the old run)"
            )
        if recipe.train.steps < taken:
            raise CheckpointError(
                f"{self.path} has taken {taken} steps, train.steps: {recipe.train.steps} is less; leave it"
                f" {before.train.steps}, or give this run a name of its own, name=NAME"
            )
        if recipe.phases_until(taken) != before.phases_until(taken):
            raise CheckpointError(
                f"{self.path} has read the target alone since step {before.phases[1].first}; with method.pretrain and"
                f" train.steps: {recipe.train.steps} it would have done so from step {recipe.phases[1].first} on; leave"
                f" it {before.train.steps}, or give this run a name of its own, name=NAME"
            )

    @property
    def steps_taken(self) -> int:
        """The step of the newest checkpoint, be it whole or damaged; 0 before the first.

        Raises:
            CheckpointError: the folder cannot be read.
        """
        names = (re.fullmatch(r"step-([0-9]+)\.index", name) for name in list_folder(self.checkpoints / "last"))
        return max((int(name[1]) for name in names if name), default=0)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Have the folder, which is made if need be, for this process alone.

        Raises:
            CheckpointError: another process has it.
            HRSError: it cannot be written.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self.lock_file.touch()
        with open(self.lock_file, "r+") as file:
            if not lock(file):
                raise CheckpointError(
                    f"another process is at the run {self.path} ({file.read().strip() or 'it has just begun'});"
                    " wait for it, end it, or give this run its own name=NAME"
                )
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}\n")
            file.flush()
            yield
            # Not removed: another process may have opened it by now, and would lock a file that is gone.

    def claim(self, recipe: Recipe, *, fresh: bool = False) -> None:
        """Make the recipe's run folder, or take up the one it left.

        Args:
            fresh: remove an earlier run first.

        Raises:
            CheckpointError: see :meth:`check`.
            HRSError: it cannot be written.
        """
        self.check(recipe, fresh=fresh)
        with writing(self.path):
            if fresh and self.recipe_file.is_file():
                self._remove()
            self.path.mkdir(parents=True, exist_ok=True)
            if not self.recipe_file.is_file():
                write_text(self.recipe_file, recipe.to_yaml())

    def take_up(self, recipe: Recipe, step: int) -> None:
        """Go on with a recipe that :meth:`check` has found fit: it becomes the run's, and what has changed is noted.

        A recipe that is equal stays as it is; one of an earlier version may be in another form.

        Args:
            recipe: the run's from now on.
            step: how many steps were taken before.

        Raises:
            HRSError: it cannot be written.
        """
        before = self.recipe()
        changes = compare(before, recipe)
        if not changes:
            return
        log.info("%s goes on at step %d with other settings: %s", self.path, step, "; ".join(changes.all))
        # Settings of the old form that only digests are taken of.
        same = {"encoder": before.encoder} if before.encoder == recipe.encoder else {}
        with writing(self.path):
            if changes.steps:
                # First, so that a kill leaves no result that is of fewer steps than the recipe.
                self.result_file.unlink(missing_ok=True)
            self.note(step, {"settings": changes.all})
            write_text(self.recipe_file, recipe.model_copy(update=same).to_yaml())

    def note(self, step: int, what: dict[str, Any]) -> None:
        """Add to the run's history what became of it after ``step`` steps; raises HRSError."""
        history, entry = self.history(), {"step": step, **what}
        if entry not in history[-1:]:  # noted already, by a process that was killed then
            with writing(self.history_file):
                write_json(self.history_file, [*history, entry])

    def history(self) -> list[dict[str, Any]]:
        """What :meth:`note` noted, in that order: ``{"step": ..., what: ...}``.

        Raises:
            CheckpointError: the file is damaged.
        """
        return read_json(self.history_file, list[_HistoryEntry]) or []

    def note_environment(self) -> None:
        """Record the environment in which steps are about to be taken.

        If it differs from the one on record (in more than the command line), that one is kept in the list ``earlier``.

        Raises:
            HRSError: it cannot be written.
        """
        now, before = environment(), read_json(self.environment_file, _EnvironmentRecord)
        earlier = before.pop("earlier", []) if before else []
        # A record without ``gpus`` is of before they were noted, when nothing had been run on one.
        if before and any({"gpus": [], **before}.get(key) != now[key] for key in now if key != "command"):
            earlier.append(before)
        with writing(self.environment_file):
            write_json(self.environment_file, now | ({"earlier": earlier} if earlier else {}))

    def _check_removable(self) -> None:
        """Only what runs write is ever removed: a wrong ``name`` must not cost anybody their files."""
        foreign = sorted(set(os.listdir(self.path)) - {path.name for path in (*self.own_paths, self.lock_file)})
        if self.path.is_symlink() or foreign:
            what = f"holds {foreign[0]!r}, which no run writes" if foreign else "is a symbolic link"
            raise CheckpointError(f"{self.path} {what}: it is not removed for --fresh; move it away, or set name=NAME")

    def _remove(self) -> None:
        for path in self.own_paths:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def recipe(self, overrides: list[str] | None = None) -> Recipe:
        """The recipe that the run was made with.

        Args:
            overrides: ``key=value`` changes, for data that has moved.

        Raises:
            CheckpointError: this is no run folder.
            RecipeError: an override cannot be applied.
        """
        if not self.exists:
            raise CheckpointError(f"{self.path} is no run folder: it has no recipe.yaml")
        return load_recipe(self.recipe_file, overrides or [], stored=True)
