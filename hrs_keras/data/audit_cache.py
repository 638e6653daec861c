"""Audits of unchanged files, kept in the cache folder of the user: the next run on the same data starts at once."""

import hashlib
import json
import logging
import os
from pathlib import Path

import PIL
import tensorflow as tf

from hrs_keras.data.pairs import Pairs
from hrs_keras.data.report import DatasetAudit
from hrs_keras.labels import LabelSpace
from hrs_keras.system import storage
from hrs_keras.system.files import publish

log = logging.getLogger(__name__)

_VERSION = 7  # of what an audit finds: another one finds nothing in the cache


def cache_file(pairs: Pairs, space: LabelSpace) -> Path | None:
    """The file for a data set's audit, named by a hash of all that the audit depends on; None without a home folder.

    A change of any image or label changes its size or time, and with them the hash.
    """
    subject = {
        "version": [_VERSION, tf.__version__, PIL.__version__],  # another decoder may read other pixels
        "dataset": pairs.dataset.model_dump(mode="json", exclude={"subset", "only", "left_out", "weight"}),
        "ids": list(pairs.dataset.table().items()),
        "classes": space.classes,
        "files": [_fingerprint(path) for path in (*pairs.images, *pairs.labels, *pairs.orphans, *pairs.passed_over)],
    }
    digest = hashlib.sha256(json.dumps(subject).encode()).hexdigest()[:32]
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home, as in some containers
        return None
    return home / "hrs_keras" / "audit" / f"{digest}.json"


def _fingerprint(path: storage.StoragePath) -> tuple[str, int, int] | tuple[str]:
    name = str(path) if storage.is_remote(path) else os.path.abspath(path)
    try:
        return name, *storage.stat(str(path))
    except (OSError, tf.errors.OpError):  # it vanished, or is a broken link; decoding will report it
        return (name,)


def read_cached(file: Path) -> DatasetAudit | None:
    """The audit in a cache file; None if there is none, or if it is damaged."""
    try:
        return DatasetAudit.from_json(file.read_bytes())
    except (OSError, ValueError):
        return None


def write_cached(file: Path, report: DatasetAudit) -> None:
    """Keep an audit for the next time; a cache that cannot be written costs that time only."""
    # Other processes may be auditing the same data now: each has a partial file of its own.
    partial = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(report.to_dict()))
        publish(partial, file)
    except OSError as error:
        log.warning("the audit of %s is not cached: %s", report.name, error)
