"""The run folder: what a run is, what it was made with, and what it wrote."""

import json
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from hrs_keras.errors import CheckpointError
from hrs_keras.recipe import Recipe, differences, load_recipe

_PACKAGES = ("hrs-keras", "tensorflow", "keras", "keras-cv", "numpy", "pillow", "pydantic")


class RunFolder:
    """Paths and records of one run: :meth:`open` a new or resumed one, construct one that is there to be read."""

    def __init__(self, path: Path):
        self.path = Path(path)
        self.recipe_file = self.path / "recipe.yaml"
        self.checkpoints = self.path / "checkpoints"
        self.figures = self.path / "figures"
        self.evaluations = self.path / "evaluations"
        self.tensorboard = self.path / "tensorboard"
        self.log_file = self.path / "log.csv"
        self.audit_file = self.path / "audit.json"
        self.environment_file = self.path / "environment.json"
        self.result_file = self.path / "result.json"

    @classmethod
    def open(cls, recipe: Recipe, *, fresh: bool = False) -> "RunFolder":
        """Make the recipe's run folder, or take up the one it left.

        Args:
            fresh: remove an earlier run first.

        Raises:
            CheckpointError: the folder belongs to a run of another recipe, is no run folder, or cannot be written.
        """
        run = cls(recipe.run_dir)
        try:
            if fresh and run.recipe_file.is_file():
                shutil.rmtree(run.path)
            run._claim(recipe)
        except OSError as error:
            raise CheckpointError(
                f"cannot write the run folder {run.path}: {error.strerror}; set runs=FOLDER to one that can be written"
            ) from None
        return run

    def _claim(self, recipe: Recipe) -> None:
        if self.recipe_file.is_file():
            changed = differences(self.recipe(), recipe)
            if changed:
                raise CheckpointError(
                    f"{self.path} holds a run of another recipe; it differs in\n  "
                    + "\n  ".join(changed)
                    + "\nGive this run its own name=NAME, or start over with --fresh (which removes the old run)"
                )
        elif self.path.is_dir() and any(self.path.iterdir()):
            raise CheckpointError(
                f"{self.path} is not empty and holds no recipe.yaml: it is no run folder; set name=NAME"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self.recipe_file, recipe.to_yaml())
        write_json(self.environment_file, environment())

    def evaluation_file(self, step: int) -> Path:
        """Where the validation after ``step`` steps is recorded."""
        return self.evaluations / f"step_{step:07d}.json"

    def recipe(self, overrides: list[str] | None = None) -> Recipe:
        """The recipe that the run was made with.

        Args:
            overrides: ``key=value`` changes, for data that has moved.

        Raises:
            CheckpointError: this is no run folder.
        """
        if not self.recipe_file.is_file():
            raise CheckpointError(f"{self.path} is no run folder: it has no recipe.yaml")
        return load_recipe(self.recipe_file, overrides or [])


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def write_json(path: Path, value: object) -> None:
    """Write JSON whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(value, indent=1) + "\n")


def environment() -> dict[str, object]:
    """Versions, machine, command line and git state: what a result was made with."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "versions": versions,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "command": sys.argv,
        "git": _git_state(),
    }


def _git_state() -> dict[str, object] | None:
    """Commit of the checkout the package is imported from; None outside a checkout."""

    def git(*arguments: str) -> str:
        folder = Path(__file__).parent
        return subprocess.run(
            ["git", "-C", folder, *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "modified": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def read_json(path: Path) -> dict | None:
    """What :func:`write_json` wrote, or None if there is no such file."""
    return json.loads(path.read_text()) if path.is_file() else None
