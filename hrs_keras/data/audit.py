"""The label audit: what the data of a recipe really holds, before a step is trained on it.

Every image and label is decoded once, exactly as training will decode it. The result is cached by the files'
sizes and times, so that the next run on the same data starts at once. Prepared data brings its audit with it.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL
import tensorflow as tf
from tabulate import tabulate

from hrs_keras.data.check import Problem, check_sample
from hrs_keras.data.decode import IdMap
from hrs_keras.data.pairs import Pairs, find_pairs
from hrs_keras.data.prepared.manifest import open_prepared
from hrs_keras.data.report import DatasetAudit
from hrs_keras.errors import DataError, printable
from hrs_keras.labels import IGNORE_LABEL, LabelSpace
from hrs_keras.recipe.schema import ROLES, Recipe
from hrs_keras.system import storage
from hrs_keras.system.files import publish

Look = Callable[[str, int], tuple[Pairs, DatasetAudit]]
"""Role and position of a data set -> its usable samples, and what an audit found in it."""
_CACHE_VERSION = 2


@dataclass(frozen=True)
class Audit:
    """The audit of a recipe's data, and the samples that may be used."""

    datasets: list[DatasetAudit]
    sets: dict[str, list[Pairs]]

    @property
    def errors(self) -> list[Problem]:
        """All problems that make a sample unusable."""
        return [problem for dataset in self.datasets for problem in dataset.problems if problem.error]

    def to_dict(self) -> dict:
        """Plain data for JSON."""
        used = {role: [len(pairs) for pairs in sets] for role, sets in self.sets.items()}
        datasets = [dataset.to_dict() | {"absent": dataset.absent} for dataset in self.datasets]
        return {"datasets": datasets, "samples_used": used}

    def table(self) -> str:
        """Share of each class in each data set (% of the pixels that count), and what was found beside."""
        titles = [f"{role}.{position}" for role, sets in self.sets.items() for position in range(len(sets))]
        names = self.datasets[0].pixels if self.datasets else []
        rows = [
            [name, *(100 * d.pixels[name] / max(1, sum(d.pixels.values())) for d in self.datasets)] for name in names
        ]
        shares = tabulate(rows, ["% of pixels", *titles], floatfmt=".2f")
        used = [len(pairs) for sets in self.sets.values() for pairs in sets]
        return "\n".join([shares, "", *map(DatasetAudit.summary, self.datasets, titles, used)])


def audit(recipe: Recipe, *, strict: bool = True, roles: Iterable[str] = ROLES) -> Audit:
    """Check the data of a recipe and choose the samples it is to use.

    Args:
        recipe: its ``data`` is read; ``data.on_bad`` says what errors lead to.
        strict: raise on errors as training does; otherwise report only.
        roles: which of source, target and validation to look at.

    Returns:
        The audit; its ``sets`` are free of unusable samples and cut to the recipe's subsets.

    Raises:
        DataError: a folder is missing, prepared data does not fit the recipe, there is too little data for the batch
            or the subset (if only because of errors in the files, a report is more use: for the batch, strict alone
            raises then), or (strict) no sample of a data set can be used, or with ``on_bad: error`` not all of them.
    """
    reports: list[DatasetAudit] = []
    sets: dict[str, list[Pairs]] = {}
    roles = list(roles)
    look = open_prepared(recipe, roles).look if recipe.data.prepared else _look_into_files(recipe)
    for role in roles:
        sets[role] = []
        for position, dataset in enumerate(recipe.datasets(role)):
            usable, report = look(role, position)
            reports.append(report)
            if strict and not len(usable):
                summary = report.summary(f"{role}.{position}", used=0)
                raise DataError(
                    f"{report.name}: none of its {report.samples} samples can be used:\n{summary}\n"
                    "Mend the files, or what the recipe says of them (ids, encoding, bits, channel, crop)"
                )
            sets[role].append(usable.subset(dataset.subset, recipe.data.subset_seed) if len(usable) else usable)
    _warn_of_leaks(reports, sets)
    result = Audit(reports, sets)
    if strict and result.errors and recipe.data.on_bad == "error":
        raise DataError(
            f"the data has {len(result.errors)} error{'s'[: len(result.errors) > 1]}:\n"
            + "\n".join(f"  {problem.file}: {problem.what}" for problem in result.errors[:10])
            + ("\n  ..." if len(result.errors) > 10 else "")
            + "\nMend or remove these files, map their ids (if only to ignore), or set data.on_bad: skip to train"
            " without them"
        )
    for role in ("source", "target"):
        count = sum(map(len, sets.get(role, [])))
        if (strict or not result.errors) and sets.get(role) and count < recipe.train.batch_size:
            raise DataError(
                f"{role}: {count} samples are too few for train.batch_size {recipe.train.batch_size};"
                " lower it or add data"
            )
    return result


def _warn_of_leaks(reports: list[DatasetAudit], sets: dict[str, list[Pairs]]) -> None:
    trained = {image for role in ("source", "target") for pairs in sets.get(role, []) for image in pairs.images}
    validated = [report for report in reports if report.role == "validation"]
    for report, pairs in zip(validated, sets.get("validation", []), strict=True):
        shared = [image for image in pairs.images if image in trained]
        if shared:
            what = f"is trained and validated on, as are {len(shared) - 1} more: scores will be too high"
            report.problems.append(Problem(printable(shared[0]), what, error=False))


def _look_into_files(recipe: Recipe) -> Look:
    root = storage.path_of(recipe.data.root)
    if not storage.is_dir(root):
        start = "" if root.is_absolute() or storage.is_remote(root) else f" in {Path.cwd()}"
        raise DataError(f"data.root: the folder {root} does not exist{start}; give it as data.root=FOLDER")

    def look(role: str, position: int) -> tuple[Pairs, DatasetAudit]:
        found = find_pairs(recipe.datasets(role)[position], root)
        report = _audit_dataset(role, found, recipe.data.label_space)
        return found.without(set(report.bad)), report

    return look


def _audit_dataset(role: str, pairs: Pairs, space: LabelSpace) -> DatasetAudit:
    cache = _cache_file(pairs, space)
    stored = cache and _stored(cache)
    if stored:
        stored.role, stored.name = role, pairs.name
        return stored
    print(f"auditing {pairs.name}: {len(pairs)} samples", flush=True)
    report = _count(role, pairs, space)
    if cache:
        try:
            cache.parent.mkdir(parents=True, exist_ok=True)
            partial = cache.with_suffix(f".{os.getpid()}")  # of this process: others may audit the same data now
            partial.write_text(json.dumps(report.to_dict()))
            publish(partial, cache)
        except OSError as error:
            print(f"the audit of {pairs.name} is not cached: {error}", flush=True)
    return report


def _stored(cache: Path) -> DatasetAudit | None:
    try:
        return DatasetAudit.from_dict(json.loads(cache.read_text()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None  # there is none, or it is damaged: audit again


def _cache_file(pairs: Pairs, space: LabelSpace) -> Path | None:
    """Named by everything the audit's outcome depends on; None where there is no place for a cache."""
    subject = {
        "version": [_CACHE_VERSION, tf.__version__, PIL.__version__],  # another decoder may read other things
        "dataset": pairs.dataset.model_dump(mode="json", exclude={"subset"}),
        "ids": list(pairs.dataset.table().items()),
        "classes": space.classes,
        "files": [_fingerprint(path) for path in (*pairs.images, *pairs.labels, *pairs.orphans)],
    }
    digest = hashlib.sha256(json.dumps(subject).encode()).hexdigest()[:32]
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home, as in some containers
        return None
    return home / "hrs_keras" / "audit" / f"{digest}.json"


def _fingerprint(path: Path) -> tuple[str, int, int] | tuple[str]:
    place = str(path) if storage.is_remote(path) else os.path.abspath(path)
    try:
        return place, *storage.stat(str(path))
    except (OSError, tf.errors.OpError):  # vanished, or a broken link; decoding will report it
        return (place,)


def _count(role: str, pairs: Pairs, space: LabelSpace) -> DatasetAudit:
    ids = IdMap(pairs.dataset, space)
    histogram = np.zeros(IGNORE_LABEL + 1, np.int64)
    problems = [
        Problem(printable(path), "has no partner (an image without a label or the reverse)") for path in pairs.orphans
    ]
    bad = []
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        checks = pool.map(
            lambda image, label: check_sample(image, label, pairs.dataset, ids), pairs.images, pairs.labels
        )
        for position, (counts, found) in enumerate(checks):
            histogram += counts
            problems += found
            if any(problem.error for problem in found):
                bad.append(position)
    finally:
        pool.shutdown(cancel_futures=True)  # else an interrupt would wait for all that is queued
    return DatasetAudit(
        role=role,
        name=pairs.name,
        samples=len(pairs),
        pixels={name: int(histogram[train_id]) for train_id, name in enumerate(space.classes)},
        ignored=int(histogram[IGNORE_LABEL]),
        problems=problems,
        bad=bad,
    )
