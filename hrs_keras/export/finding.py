"""Finding an export: a SavedModel or another runtime's file, by its own path or as the newest version of a folder."""

from pathlib import Path

from hrs_keras.export.runtimes import known_suffixes
from hrs_keras.export.versions import model_versions
from hrs_keras.system.files import list_folder, opening


def find_exported(path: Path) -> Path | None:
    """The folder of a SavedModel, or the file of another format, that a path stands for.

    Args:
        path: of one of these, of the folder of a version that holds one, or of a folder of numbered versions, of which
            the newest that holds one is taken.

    Returns:
        None if there is nothing of the kind.

    Raises:
        CheckpointError: the system refuses to look.
    """
    if found := _in_version(path):
        return found
    versions = sorted(model_versions(path).items(), reverse=True)
    return next(filter(None, (_in_version(folder) for _, folder in versions)), None)


def _in_version(path: Path) -> Path | None:
    with opening(path):
        if (path / "saved_model.pb").is_file():
            return path
        files = [path] if path.is_file() else [path / name for name in list_folder(path)]
    suffixes = known_suffixes()
    models = [file for file in files if file.suffix in suffixes]
    return models[0] if len(models) == 1 else None  # of several it is not known which is meant
