"""The label audit: what the data of a recipe really holds, before a step is trained on it.

Every image and label is decoded once, exactly as training will decode it. The result is cached by the files'
sizes and times, so that the next run on the same data starts at once.
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf
from tabulate import tabulate

from hrs_keras.data.decode import IdMap, apply_crop, decode_image, decode_raw_label
from hrs_keras.data.pairs import Pairs, find_pairs
from hrs_keras.errors import DataError
from hrs_keras.labels import IGNORE_LABEL, LabelSpace
from hrs_keras.recipe import Dataset, Recipe

ROLES = ("source", "target", "validation")
_CACHE_VERSION = 1
_PALETTE_COLOUR_TYPE = 3


@dataclass(frozen=True)
class Problem:
    """Something wrong with one file; an ``error`` keeps the sample from being used, a warning does not."""

    file: str
    what: str
    error: bool = True


@dataclass
class DatasetAudit:
    """What one data set holds.

    Attributes:
        role: source, target or validation.
        name: how messages call it.
        samples: image-label pairs found.
        pixels: class name -> number of pixels, in the files' own resolution, after the crop.
        ignored: pixels that no loss and no metric will read.
        problems: per file.
        bad: positions of the samples that have an error.
    """

    role: str
    name: str
    samples: int
    pixels: dict[str, int]
    ignored: int
    problems: list[Problem] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)

    @property
    def absent(self) -> list[str]:
        """Classes without a single pixel."""
        return [name for name, count in self.pixels.items() if not count]


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
        datasets = [asdict(dataset) | {"absent": dataset.absent} for dataset in self.datasets]
        return {"datasets": datasets, "samples_used": used}

    def table(self) -> str:
        """Share of each class in each data set (% of the pixels that count), and what was found beside."""
        rows = [
            [name, *(100 * d.pixels[name] / max(1, sum(d.pixels.values())) for d in self.datasets)]
            for name in self.datasets[0].pixels
        ]
        shares = tabulate(
            rows, ["% of pixels", *(f"{d.role} {i}" for i, d in enumerate(self.datasets))], floatfmt=".2f"
        )
        return "\n".join([shares, "", *(_summary(i, d) for i, d in enumerate(self.datasets))])


def _summary(number: int, dataset: DatasetAudit, most: int = 10) -> str:
    total = dataset.ignored + sum(dataset.pixels.values())
    lines = [
        f"{dataset.role} {number}: {dataset.name}: {dataset.samples} samples, {total} pixels,"
        f" {100 * dataset.ignored / max(1, total):.2f} % ignored"
    ]
    if dataset.absent:
        lines.append(f"  classes without a pixel: {', '.join(dataset.absent)}")
    for problem in dataset.problems[:most]:
        lines.append(f"  {'error' if problem.error else 'warning'}: {problem.file}: {problem.what}")
    if len(dataset.problems) > most:
        lines.append(f"  ... and {len(dataset.problems) - most} more (all of them are in the JSON)")
    return "\n".join(lines)


def audit(recipe: Recipe, *, strict: bool = True, roles: Iterable[str] = ROLES) -> Audit:
    """Check the data of a recipe and choose the samples it is to use.

    Args:
        recipe: its ``data`` is read; ``data.on_bad`` says what errors lead to.
        strict: raise on errors as training does; otherwise report only.
        roles: which of source, target and validation to look at.

    Returns:
        The audit; its ``sets`` are free of unusable samples and cut to the recipe's subsets.

    Raises:
        DataError: a folder is missing or empty, there is too little data for the batch, or (strict, and
            ``on_bad: error``) some sample cannot be used.
    """
    reports: list[DatasetAudit] = []
    sets: dict[str, list[Pairs]] = {}
    root = Path(recipe.data.root)
    if not root.is_dir():
        raise DataError(f"data.root: the folder {root} does not exist; give it as data.root=FOLDER")
    for role in roles:
        sets[role] = []
        for dataset in _used(recipe, role):
            found = find_pairs(dataset, root)
            report = _audit_dataset(role, found, recipe.data.label_space)
            reports.append(report)
            usable = found.without(set(report.bad))
            if not len(usable):
                raise DataError(f"{found.name}: none of its {len(found)} samples can be used:\n{_summary(0, report)}")
            sets[role].append(usable.subset(dataset.subset, recipe.data.subset_seed))
    result = Audit(reports, sets)
    if strict and result.errors and recipe.data.on_bad == "error":
        raise DataError(
            f"the data has {len(result.errors)} errors:\n"
            + "\n".join(f"  {problem.file}: {problem.what}" for problem in result.errors[:10])
            + ("\n  ..." if len(result.errors) > 10 else "")
            + "\nMend or remove these files, or set data.on_bad: skip to train without them"
        )
    for role in set(sets) - {"validation"}:
        count = sum(map(len, sets[role]))
        if sets[role] and count < recipe.train.batch_size:
            raise DataError(f"{role}: {count} samples are too few for train.batch_size {recipe.train.batch_size}")
    return result


def _used(recipe: Recipe, role: str) -> list[Dataset]:
    unread = role == "source" and recipe.method.source_weighting == "none"
    return [] if unread else getattr(recipe.data, role)


def _audit_dataset(role: str, pairs: Pairs, space: LabelSpace) -> DatasetAudit:
    cache = _cache_file(pairs, space)
    if cache.is_file():
        stored = json.loads(cache.read_text())
        problems = [Problem(**problem) for problem in stored.pop("problems")]
        return DatasetAudit(**(stored | {"role": role, "name": pairs.name}), problems=problems)
    report = _count(role, pairs, space)
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        partial = cache.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(asdict(report)))
        partial.replace(cache)
    except OSError as error:
        print(f"the audit of {pairs.name} is not cached: {error}")
    return report


def _cache_file(pairs: Pairs, space: LabelSpace) -> Path:
    """Named by everything the audit's outcome depends on."""
    files = [(str(p), (s := p.stat()).st_size, s.st_mtime_ns) for p in (*pairs.images, *pairs.labels, *pairs.orphans)]
    subject = [_CACHE_VERSION, pairs.dataset.model_dump(mode="json", exclude={"subset"}), space.classes, files]
    digest = hashlib.sha256(json.dumps(subject).encode()).hexdigest()[:32]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "hrs_keras" / "audit" / f"{digest}.json"


def _count(role: str, pairs: Pairs, space: LabelSpace) -> DatasetAudit:
    ids = IdMap(pairs.dataset, space)
    histogram = np.zeros(IGNORE_LABEL + 1, np.int64)
    problems = [
        Problem(str(path), "has no partner (an image without a label or the reverse)") for path in pairs.orphans
    ]
    bad = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        checks = pool.map(
            lambda files: _check(*files, pairs.dataset, ids), zip(pairs.images, pairs.labels, strict=True)
        )
        for position, (counts, found) in enumerate(checks):
            histogram += counts
            problems += found
            if any(problem.error for problem in found):
                bad.append(position)
    return DatasetAudit(
        role=role,
        name=pairs.name,
        samples=len(pairs),
        pixels={name: int(histogram[train_id]) for train_id, name in enumerate(space.classes)},
        ignored=int(histogram[IGNORE_LABEL]),
        problems=problems,
        bad=bad,
    )


def _check(image: Path, label: Path, dataset: Dataset, ids: IdMap) -> tuple[np.ndarray, list[Problem]]:
    """Train-id histogram [256] of one sample, and what is wrong with it (then the histogram is zero)."""
    nothing = np.zeros(IGNORE_LABEL + 1, np.int64)
    wrong = _encoding_problem(label, dataset)
    if wrong:
        return nothing, [Problem(str(label), wrong)]
    try:
        file, pixels = image, decode_image(str(image))
        file, raw = label, decode_raw_label(str(label), dataset)
    except (tf.errors.OpError, ValueError) as error:
        return nothing, [Problem(str(file), f"cannot be decoded ({str(error).splitlines()[0][:200]})")]
    if pixels.shape[:2] != raw.shape:
        sizes = ["x".join(map(str, shape)) for shape in (raw.shape, pixels.shape[:2])]
        return nothing, [Problem(str(label), f"is {sizes[0]} (height x width), its image {image.name} is {sizes[1]}")]
    for side, bounds, length in zip(
        ("rows", "columns"), (dataset.crop.rows, dataset.crop.columns), raw.shape, strict=True
    ):
        if bounds and bounds[1] > length:
            return nothing, [Problem(str(label), f"has {length} {side}, crop.{side} wants {list(bounds)}")]
    raw = apply_crop(raw, dataset.crop).numpy()
    unknown = np.setdiff1d(raw, ids.raw)
    if unknown.size:
        shown = ", ".join(str(_shown(value, dataset)) for value in unknown[:8])
        pixels = int(np.isin(raw, unknown).sum())
        return nothing, [Problem(str(label), f"{pixels} pixels have ids that the id table does not map: {shown}")]
    histogram = np.bincount(ids(tf.constant(raw)).numpy().ravel(), minlength=IGNORE_LABEL + 1)
    blank = histogram[IGNORE_LABEL] == raw.size
    return histogram, [Problem(str(label), "is wholly ignored: it will teach nothing", error=False)] if blank else []


def _shown(value: int, dataset: Dataset) -> int | tuple[int, ...]:
    return tuple(int(value).to_bytes(3, "big")) if dataset.encoding == "colours" else int(value)


def _encoding_problem(path: Path, dataset: Dataset) -> str | None:
    """Whether a label file is stored as its data set says; a wrong guess would read wrong ids silently."""
    with open(path, "rb") as file:
        header = file.read(26)
    if len(header) < 26 or header[:8] != b"\x89PNG\r\n\x1a\n":
        return "is not a PNG file"
    _, _, bits, colour_type = struct.unpack(">IIBB", header[16:26])
    if dataset.encoding == "palette":
        return None if colour_type == _PALETTE_COLOUR_TYPE else "is no palette PNG: encoding: palette does not fit"
    if colour_type == _PALETTE_COLOUR_TYPE:
        return "is a palette PNG, whose values would be lost: set encoding: palette"
    if bits != dataset.bits:
        return f"has {bits} bits a channel, bits: {dataset.bits} was given"
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour_type]
    if dataset.channel >= channels:
        return f"has {channels} channels, channel: {dataset.channel} was given (0 is the first)"
    return None
