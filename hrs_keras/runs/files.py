"""Which files a run writes, and where."""

from pathlib import Path

from hrs_keras.system.files import partial_path


class RunFiles:
    """The paths of one run's files in its folder."""

    def __init__(self, path: Path):
        self.path = Path(path)
        self.recipe_file = self.path / "recipe.yaml"
        self.checkpoints = self.path / "checkpoints"
        self.figures = self.path / "figures"
        self.evaluations = self.path / "evaluations"
        self.selection = self.path / "selection"
        self.tensorboard = self.path / "tensorboard"
        self.log_file = self.path / "log.csv"
        self.audit_file = self.path / "audit.json"
        self.data_file = self.path / "data.json"
        self.environment_file = self.path / "environment.json"
        self.history_file = self.path / "history.json"
        self.result_file = self.path / "result.json"
        self.report_file = self.path / "report.html"
        self.lock_file = self.path / "lock"

    def evaluation_file(self, step: int) -> Path:
        """Where the validation after ``step`` steps is recorded."""
        return self.evaluations / f"step_{step:07d}.json"

    def test_file(self, step: int) -> Path:
        """Where the evaluation on the test images, of the weights after ``step`` steps, is recorded."""
        return self.evaluations / f"test_step_{step:07d}.json"

    def selection_file(self, step: int) -> Path:
        """Where the selection of single source images after ``step`` steps is recorded."""
        return self.selection / f"step_{step:07d}.json"

    @property
    def own_paths(self) -> list[Path]:
        """All that a run writes; the recipe, by which a run folder is known, last."""
        folders = [self.checkpoints, self.figures, self.evaluations, self.selection, self.tensorboard]
        records = [self.audit_file, self.data_file, self.environment_file, self.history_file, self.result_file]
        records.append(self.report_file)
        paths = [*folders, self.log_file, *records]
        # Not the lock, which is held while the rest is removed.
        return [*map(partial_path, paths), *paths, partial_path(self.recipe_file), self.recipe_file]
