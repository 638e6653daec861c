"""The label audit: what the data of a recipe really holds, before a step is trained on it.

Every image and label is decoded once, exactly as training will decode it, unless an earlier audit of the same files is
in the cache. Prepared data was audited before it was prepared, and brings that audit with it.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tabulate import tabulate

from hrs_keras.data.audit_files import audit_files
from hrs_keras.data.leaks import SEEN, TOO_HIGH, leak
from hrs_keras.data.opening import open_data
from hrs_keras.data.pairs import Pairs
from hrs_keras.data.plausibility import AuditedSet, suspicions
from hrs_keras.data.report import DatasetAudit, Problem
from hrs_keras.data.streams import streams
from hrs_keras.errors import DataError
from hrs_keras.labels import LabelSpace
from hrs_keras.recipe.data import EVALUATED_ON, TRAINED_ON, Data
from hrs_keras.recipe.schema import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Audit:
    """The audit of a recipe's data, and the samples that may be used.

    Attributes:
        datasets: what was found in each data set, in the order of the recipe.
        sets: role -> the samples of each of its data sets, without those that cannot be used.
    """

    datasets: list[DatasetAudit]
    sets: dict[str, list[Pairs]]

    @property
    def errors(self) -> list[Problem]:
        """All problems that make a sample or a data set unusable."""
        return [problem for dataset in self.datasets for problem in dataset.problems if problem.error]

    @property
    def titles(self) -> list[str]:
        """How the recipe knows the data sets, such as ``source.0``."""
        return [f"{role}.{position}" for role, sets in self.sets.items() for position in range(len(sets))]

    def refused(self, on_bad: str) -> list[Problem]:
        """The errors for which training refuses the data.

        Args:
            on_bad: the recipe's ``data.on_bad``. Samples can be skipped, a data set that is described wrongly cannot.
        """
        return [problem for problem in self.errors if on_bad == "error" or problem.whole_set]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        used = {role: [len(pairs) for pairs in sets] for role, sets in self.sets.items()}
        shortened = [replace(dataset, palette={}, class_pixels=[]) for dataset in self.datasets]
        datasets = [dataset.to_dict() | {"absent": dataset.absent} for dataset in shortened]
        hidden = {role: [pairs.hidden_labels for pairs in sets] for role, sets in self.sets.items() if role == "target"}
        plain = {"datasets": datasets, "samples_used": used}
        return plain | ({"labels_hidden": hidden} if any(map(any, hidden.values())) else {})

    def table(self) -> str:
        """The share of each class in each data set (in % of the pixels that count), and the problems found."""
        titles = self.titles
        names = self.datasets[0].pixels if self.datasets else []
        columns = {title: one for title, one in zip(titles, self.datasets, strict=True) if one.role != "unlabelled"}
        counted = [max(1, sum(dataset.pixels.values())) for dataset in columns.values()]
        rows = [
            [name, *(f"{100 * d.pixels[name] / all_:.2f}" for d, all_ in zip(columns.values(), counted, strict=True))]
            for name in names
        ]
        # A class may be called 1e3, which would be shown as 1000.
        align = ["left", *("right" for _ in columns)]
        shares = tabulate(rows, ["% of pixels", *columns], disable_numparse=True, colalign=align if rows else None)
        used = [pairs for sets in self.sets.values() for pairs in sets]
        lines = [
            report.summary(title, len(pairs), pairs.hidden_labels)
            for report, title, pairs in zip(self.datasets, titles, used, strict=True)
        ]
        return "\n".join([shares, "", *lines])


# ---- for a recipe ------------------------------------------------------------------------------------------------


def audit(recipe: Recipe, *, strict: bool = True, roles: Iterable[str] | None = None) -> Audit:
    """Check the data of a recipe, and choose the samples that training and evaluation use.

    Args:
        recipe: its ``data`` is read; ``data.on_bad`` says what follows from unusable samples.
        strict: raise an error for data that training would refuse. Otherwise problems are only reported, and too few
            samples for a batch, or images to evaluate on without a label, are an error only if all samples are usable.
        roles: which of source, target, validation and test to look at; None for those that the recipe has.

    Returns:
        The audit. Its ``sets`` have no unusable samples and are cut to the recipe's subsets, and their labels are
        hidden as ``data.labelled`` says.

    Raises:
        DataError: a folder is missing, prepared data does not fit the recipe, or there are fewer usable samples than
            ``subset``, ``data.labelled`` or ``train.batch_size`` asks for; if ``strict``, also if a data set has no
            usable sample or its description does not fit, if no pixel of the images to evaluate on is labelled, or,
            with ``on_bad: error``, any unusable sample.
    """
    result = _audit(recipe, roles, strict)
    if strict or not result.errors:
        _refuse_too_few_for_a_batch(result.sets, recipe)
        if {"target", "unlabelled"} & result.sets.keys():  # predictions alone may be of images without labels
            _refuse_unlabelled(result)
    return result


def usable_samples(recipe: Recipe, role: str) -> list[Pairs]:
    """The samples of one role that a run of the recipe uses; see :func:`audit_to_read`."""
    return audit_to_read(recipe, [role]).sets[role]


def audit_to_read(recipe: Recipe, roles: Iterable[str]) -> Audit:
    """The strict audit of some roles, for whoever only reads their samples.

    An audit decides which samples are usable, so one is made if there is none in the cache. How many samples a batch
    needs plays no part.

    Raises:
        DataError: as :func:`audit` raises it.
    """
    return _audit(recipe, roles, strict=True)


def _audit(recipe: Recipe, roles: Iterable[str] | None, strict: bool) -> Audit:
    found = audit_opened(open_data(recipe, roles), recipe.data.label_space, strict=strict)
    result = with_warnings(choose_samples(found, recipe.data))
    if strict:
        refuse_errors(result, recipe.data.on_bad)
    return result


def choose_samples(found: Audit, data: Data) -> Audit:
    """Keep the usable samples that ``subset`` of each data set chooses, and hide labels as ``data.labelled`` says."""

    def chosen(role: str, pairs: Pairs) -> Pairs:
        labelled = data.labelled if role == "target" else "all"
        return pairs.subset_with_hidden_labels(pairs.dataset.subset, labelled, data.subset_seed)

    sets = {role: [chosen(role, one) if len(one) else one for one in sets] for role, sets in found.sets.items()}
    return replace(found, sets=sets)


_LEAKS: dict[str, list[tuple[tuple[str, ...], str, str]]] = {
    "validation": [(TRAINED_ON, "trained and validated", TOO_HIGH)],
    "test": [
        (TRAINED_ON, "trained and tested", TOO_HIGH),
        (("validation",), "validated and tested", SEEN),
    ],
}
"""Role -> the roles whose images it may not have; what such an image is, and what follows."""


def with_warnings(found: Audit) -> Audit:
    """The same audit, with warnings of what the data sets show only side by side, and of their counts."""
    pairs = [pairs for sets in found.sets.values() for pairs in sets]
    sets = [AuditedSet(*one) for one in zip(found.titles, (p.dataset for p in pairs), found.datasets, strict=True)]
    warnings = suspicions(sets)
    for one, of_set, own in zip(sets, pairs, warnings, strict=True):
        for roles, both, harm in _LEAKS.get(one.report.role, []):
            images = [image for role in roles for other in found.sets.get(role, []) for image in other.images]
            if leaked := leak(images, of_set.images, both, harm):
                own.append(leaked)
    datasets = [
        replace(report, problems=[*report.problems, *own]) for report, own in zip(found.datasets, warnings, strict=True)
    ]
    return replace(found, datasets=datasets)


def refuse_errors(found: Audit, on_bad: str) -> None:
    """Raise a DataError that names the errors for which training refuses the data, if there are any.

    Args:
        found: the audit.
        on_bad: the recipe's ``data.on_bad``.
    """
    if errors := sorted(found.refused(on_bad), key=lambda problem: not problem.whole_set):
        advice = (
            "What the recipe says of a data set does not fit its files; data.on_bad: skip does not help"
            if errors[0].whole_set
            else "Fix or remove these files, map their ids (if only to ignore), or set data.on_bad: skip to train"
            " without them"
        )
        raise DataError(
            f"the data has {len(errors)} error{'s'[: len(errors) > 1]}:\n"
            + "\n".join(f"  {problem.file}: {problem.what}" for problem in errors[:10])
            + ("\n  ..." if len(errors) > 10 else "")
            + f"\n{advice}"
        )


def _refuse_unlabelled(found: Audit) -> None:
    """Raise a DataError if nothing can be measured on a role's images, such as Cityscapes' test split."""
    for role in EVALUATED_ON:
        sets = [dataset for dataset in found.datasets if dataset.role == role]
        if sets and not any(sum(dataset.pixels.values()) for dataset in sets):
            raise DataError(
                f"data.{role}: the {role} images have not one labelled pixel ({', '.join(one.name for one in sets)}):"
                " nothing can be measured on them; give labelled images"
            )


def _refuse_too_few_for_a_batch(sets: dict[str, list[Pairs]], recipe: Recipe) -> None:
    train, drawn_from = recipe.train, streams(sets)
    for domain in dict.fromkeys(domain for phase in recipe.phases for domain in phase.domains):
        count, wanted = sum(map(len, drawn_from[domain])), train.images(domain)
        opened = sets.get("source") if domain == "source" else sets.get("target") or sets.get("unlabelled")
        if opened and count < wanted:
            ratio = f" and source_ratio {train.source_ratio:g}" if wanted != train.batch_size else ""
            remedy = "add images without labels, or hide more labels" if domain == "unlabelled" else "add data"
            raise DataError(
                f"{domain}: {count} samples are too few for train.batch_size {train.batch_size}{ratio}; lower it or"
                f" {remedy}"
            )


# ---- of what was opened ------------------------------------------------------------------------------------------


def audit_opened(opened: Mapping[str, Sequence[Pairs]], space: LabelSpace, *, strict: bool = True) -> Audit:
    """Audit opened data sets.

    Args:
        opened: from :func:`hrs_keras.data.opening.open_data`.
        space: the classes to count.
        strict: raise an error for a data set without a usable sample, before the next one is audited.

    Returns:
        The audit, with all usable samples.

    Raises:
        DataError: see ``strict``.
    """
    reports: list[DatasetAudit] = []
    sets: dict[str, list[Pairs]] = {role: [] for role in opened}
    for role, position, pairs in ((role, *one) for role, of_role in opened.items() for one in enumerate(of_role)):
        report = pairs.audited or audit_files(role, pairs, space)
        # What is stored in a prepared folder is usable.
        usable = pairs if pairs.audited else pairs.without_bad(report)
        if strict and not len(usable):
            summary = report.summary(f"{role}.{position}", used=0)
            raise DataError(
                f"{report.name}: none of its {report.samples} samples can be used:\n{summary}\n"
                "Fix the files, or what the recipe says of them (ids, encoding, bits, channel, crop)"
            )
        reports.append(report)
        sets[role].append(usable)
    return Audit(reports, sets)
