"""Planning a preparation: which samples there are, and into which shard each of them goes."""

from collections.abc import Iterator
from importlib import metadata
from math import prod

from hrs_keras.data.audit import Audit
from hrs_keras.data.files import File, FileChanges, changes, fingerprint, name_below
from hrs_keras.data.image_files import read_header
from hrs_keras.data.label_files import read_label_header
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.prepared.conversion import conversion
from hrs_keras.data.prepared.manifest import Plan, PlannedSet, PlannedShard
from hrs_keras.data.prepared.orientation import UPRIGHT
from hrs_keras.data.report import DatasetAudit
from hrs_keras.data.samples import stored_size
from hrs_keras.recipe.data import EVALUATED_ON
from hrs_keras.recipe.dataset import Crop
from hrs_keras.recipe.schema import Recipe
from hrs_keras.system import storage
from hrs_keras.system.storage import StoragePath

_PACKAGES = ("tensorflow", "pillow")
"""The packages that decode files: another version may give other pixels."""


def make_plan(recipe: Recipe, audit: Audit, shard_mib: float) -> tuple[Plan, dict[str, int]]:
    """Plan what will be written where.

    Args:
        recipe: its data is to be prepared.
        audit: of all its samples, without subsets.
        shard_mib: MiB that a shard is to have at most; a single sample may have more.

    Returns:
        The plan, which is the same whenever recipe and files are; and shard -> about how many bytes it will have.

    Raises:
        DataError: a file is gone since the audit.
    """
    sets, reports, root = [], iter(audit.datasets), storage.path_of(recipe.data.root)
    expected_bytes: dict[str, int] = {}
    for all_pairs in audit.sets.values():
        for position, pairs in enumerate(all_pairs):
            report = next(reports)
            images, labels = (
                # Relative to data.root: data may be read elsewhere than it was prepared.
                [(name_below(root, path), *fingerprint(path)) for path in paths]
                for paths in (pairs.images, pairs.labels)
            )
            sizes = _expected_sizes(recipe, report, pairs, images, labels)
            bounds = _bounds(sizes, shard_mib * 2**20)
            shards = tuple(
                PlannedShard(file=_shard_name(report, position, n, len(bounds)), first=first, stop=stop)
                for n, (first, stop) in enumerate(bounds)
            )
            expected_bytes |= {shard.file: sum(sizes[shard.first : shard.stop]) for shard in shards}
            sets.append(
                PlannedSet(
                    role=report.role,
                    position=position,
                    samples=len(pairs),
                    audit=report,
                    images=images,
                    labels=labels,
                    shards=shards,
                )
            )
    plan = Plan(made_with=versions(), conversion=conversion(recipe), shard_mib=shard_mib, sets=tuple(sets))
    return plan, expected_bytes


def _shard_name(report: DatasetAudit, position: int, number: int, count: int) -> str:
    return f"{report.role}-{position}-{number:05d}-of-{count:05d}.tfrecord"


def _expected_sizes(
    recipe: Recipe, report: DatasetAudit, pairs: Pairs, images: list[File], labels: list[File]
) -> list[int]:
    """About how many bytes each sample's record will have."""
    if report.role in EVALUATED_ON:  # the image's file as it is, and a PNG about as large as the label's file
        return [image[1] + label[1] for image, label in zip(images, labels, strict=True)]
    size = stored_size(recipe.data)
    if pairs.labels:
        return [4 * (prod(size) if size else _pixels(path, pairs.dataset.crop)) for path in pairs.labels]
    return [3 * (prod(size) if size else _pixels(path, pairs.dataset.crop, of_label=False)) for path in pairs.images]


def versions() -> dict[str, str]:
    """What decides to which pixels files are decoded: the versions of the packages that do it, and how it is done."""
    return {package: metadata.version(package) for package in _PACKAGES} | UPRIGHT


def _bounds(sizes: list[int], most: float) -> list[tuple[int, int]]:
    """Cut samples into runs [first, stop) that have at most ``most`` bytes together, or are a single sample."""
    bounds, first, held = [], 0, 0
    for number, size in enumerate(sizes):
        if number > first and held + size > most:
            bounds.append((first, number))
            first, held = number, 0
        held += size
    return [*bounds, (first, len(sizes))]


def _pixels(path: StoragePath, crop: Crop, *, of_label: bool = True) -> int:
    """The number of pixels that the crop leaves of a label, or of an image."""
    with storage.reading(str(path)) as file:
        height, width = read_label_header(file).size if of_label else read_header(file).upright
    (top, bottom), (left, right) = crop.rows or (0, height), crop.columns or (0, width)
    return (min(bottom, height) - top) * (min(right, width) - left)


# ---- comparing with what was planned before ----------------------------------------------------------------------


def describe_changed_file(before: Plan, now: Plan) -> str | None:
    """Name a file that was added or removed, or has another size, since ``before`` was planned; None if there is none.

    Args:
        before: a folder's plan or manifest. It may have more data sets than ``now``.
        now: what would be planned now.
    """
    for changed in _changes(before, now):
        if names := [*changed.added, *changed.removed]:
            return f"there are other files now ({names[0]}, for one)"
        for old, new in changed.resized:
            return f"{old[0]} has changed since ({old[1]} bytes, now {new[1]})"
    return None


def file_with_another_time(before: Plan, now: Plan) -> str | None:
    """Name a file that was changed at another time than ``before`` says; for plans with equal names and sizes."""
    return next((name for changed in _changes(before, now) for name in changed.touched), None)


def _changes(before: Plan, now: Plan) -> Iterator[FileChanges]:
    """What has changed of the images, and of the labels, of each data set of ``now``."""
    sets_before = {(one.role, one.position): one for one in before.sets}
    for new in now.sets:
        old = sets_before[new.role, new.position]
        yield changes(old.images, new.images)
        yield changes(old.labels, new.labels)
