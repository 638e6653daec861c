"""The ``data`` section of a recipe."""

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, ValidationInfo, field_validator, model_validator

from hrs_keras.errors import did_you_mean
from hrs_keras.labels import ID_TABLES, IGNORE, IGNORE_LABEL, LABEL_SPACES, LabelSpace, own_label_space
from hrs_keras.recipe.class_names import refuse_unfinished, refuse_unfit_names
from hrs_keras.recipe.dataset import Dataset, at_home
from hrs_keras.recipe.photographs import Photographs
from hrs_keras.recipe.types import STORED, Number, Positive, PositiveInt, Section, Seed, fraction_or_count

TRAINED_ON = ("source", "target", "unlabelled")
"""The keys of the data sets that batches are drawn from."""

EVALUATED_ON = ("validation", "test")
"""The keys of the data sets that predictions are compared with: validation chooses the weights, test nothing."""

ROLES = (*TRAINED_ON, *EVALUATED_ON)
"""All keys of ``data`` that list data sets."""


class Augment(Section):
    """Random changes to a training sample.

    Attributes:
        scale: [low, high], at least 1: how much a sample is enlarged before ``data.size`` is cut out of it.
        flip: mirror half of the samples.
        colour: by which share brightness, contrast and saturation change at most, in [0, 1).
    """

    scale: tuple[Positive, Positive] = (1.0, 1.0)
    flip: StrictBool = False
    colour: Annotated[float, Field(ge=0, lt=1), Number] = 0.0

    @field_validator("scale")
    @classmethod
    def _only_larger(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if not 1 <= scale[0] <= scale[1]:
            raise ValueError(f"wants [low, high] with 1 <= low <= high (a crop is cut out of it), found {list(scale)}")
        return scale


class RareClassSampling(Section):
    """The temperature T of rare class sampling (:mod:`hrs_keras.data.rare_classes`) for each domain; None: without it.

    A number in place of the section is the source's.
    """

    source: Positive | None = None
    target: Positive | None = None


class Data(Section):
    """What is trained and evaluated on; ``recipes/base.yaml`` explains each key."""

    root: str
    prepared: str | None = None
    classes: str | list[str]
    size: tuple[PositiveInt, PositiveInt]
    source: list[Dataset]
    unlabelled: list[Photographs] = Field(default_factory=list)
    target: list[Dataset]
    validation: Annotated[list[Dataset], Field(min_length=1)]
    test: list[Dataset] = Field(default_factory=list)
    labelled: Literal["all", "none"] | int | float = "all"
    subset_seed: Seed
    rare_class_sampling: RareClassSampling = RareClassSampling()
    augment: Augment
    on_bad: Literal["error", "skip"]
    on_change: Literal["error", "accept"] = "error"

    @field_validator("root", "prepared")
    @classmethod
    def _folder(cls, folder: str | None) -> str | None:
        return folder if folder is None else at_home(folder)

    @field_validator("target")
    @classmethod
    def _some_real_images(cls, target: list[Dataset], info: ValidationInfo) -> list[Dataset]:
        if not target and not info.data.get("unlabelled"):
            raise ValueError("is a list of 0, wants at least 1 data set, or images without labels in data.unlabelled")
        return target

    @field_validator("labelled", mode="plain")
    @classmethod
    def _how_many(cls, given: Any) -> Any:
        return given if given in ("all", "none") else fraction_or_count(given, "all, none, ")

    @field_validator("rare_class_sampling", mode="before")
    @classmethod
    def _of_the_source(cls, given: Any) -> Any:
        return {"source": given} if given is None or isinstance(given, (int, float)) else given

    @field_validator("classes")
    @classmethod
    def _known_space(cls, classes: str | list[str], info: ValidationInfo) -> str | list[str]:
        if isinstance(classes, str):
            if classes not in LABEL_SPACES:
                advice = did_you_mean(classes, LABEL_SPACES) + " Your own: a list of class names"
                raise ValueError(f"unknown label space {classes!r}.{advice}")
        elif IGNORE in classes or len(set(classes)) != len(classes) or not 2 <= len(classes) < IGNORE_LABEL:
            raise ValueError(f"wants 2 to {IGNORE_LABEL - 1} different names, none of them {IGNORE!r}, found {classes}")
        elif not (info.context or {}).get(STORED):
            refuse_unfit_names(classes)
        return classes

    @field_validator("size")
    @classmethod
    def _divisible(cls, size: tuple[int, int]) -> tuple[int, int]:
        if any(side % 32 for side in size):
            nearest = [max(32, round(side / 32) * 32) for side in size]
            raise ValueError(f"both sides must be divisible by 32, found {list(size)}; nearest: {nearest}")
        return size

    @model_validator(mode="after")
    def _finished(self, info: ValidationInfo) -> "Data":
        if not (info.context or {}).get(STORED):
            listed = [] if isinstance(self.classes, str) else self.classes
            names = {f"classes.{position}": name for position, name in enumerate(listed)}
            for role in ROLES:
                for position, dataset in enumerate(getattr(self, role)):
                    names |= {f"{role}.{position}.ids {raw}": name for raw, name in dataset.table().items()}
            refuse_unfinished(names)
        return self

    @model_validator(mode="after")
    def _weights_share(self) -> "Data":
        for role in ROLES:
            weighted = [dataset.weight is not None for dataset in getattr(self, role)]
            if any(weighted) and role in EVALUATED_ON:
                raise ValueError(
                    f"{role}.{weighted.index(True)}.weight: every image of {role} is read once; remove the weight"
                )
            if any(weighted) and not all(weighted):
                raise ValueError(
                    f"{role}.{weighted.index(False)} has no weight, but {role}.{weighted.index(True)} has one; give a"
                    f" weight to all data sets of {role}, or to none"
                )
        if self.target and self.unlabelled and self.hides_labels:
            weights = self.target[0].weight, self.unlabelled[0].weight
            if (weights[0] is None) != (weights[1] is None):
                raise ValueError(
                    "unlabelled and the target images whose labels are hidden (labelled) are drawn from together: give"
                    " a weight to all data sets of both, or to none"
                )
        return self

    @model_validator(mode="after")
    def _labels_are_described(self) -> "Data":
        for role in ROLES:
            for position, dataset in enumerate(getattr(self, role)):
                if dataset.labels is None and role != "unlabelled":
                    raise ValueError(
                        f"{role}.{position}.labels: wants a file pattern; list images without labels in unlabelled"
                    )
        return self

    @model_validator(mode="after")
    def _known_classes(self) -> "Data":
        valid = {*self.label_space.classes, IGNORE}
        fitting = [name for name, table in ID_TABLES.items() if valid.issuperset(table.values())]
        for role in ROLES:
            for position, dataset in enumerate(getattr(self, role)):
                foreign = {name: raw for raw, name in dataset.table().items() if name not in valid}
                if not foreign:
                    continue
                name, raw = next(iter(foreign.items()))
                what = f"{role}.{position}.ids{f' ({dataset.ids})' if isinstance(dataset.ids, str) else ''}"
                none = "No id table fits: give ids as {raw id: class name}, or set data.classes"
                tables = f"Id tables that fit: {', '.join(fitting)}." if fitting else none
                advice = f" {tables}" if isinstance(dataset.ids, str) else ""
                raise ValueError(
                    f"{what} gives {raw!r} the class {name!r}, which is not in the label space {self.classes!r}."
                    + (advice or did_you_mean(name, valid))
                )
        return self

    @property
    def hides_labels(self) -> bool:
        """Whether the labels of target images may be hidden: all, or what a fraction or a count leaves."""
        whole = isinstance(self.labelled, float) and self.labelled == 1  # the count 1 is one image
        return bool(self.target) and self.labelled != "all" and not whole

    @property
    def has_target_labels(self) -> bool:
        """Whether any target image is trained on with its label."""
        return bool(self.target) and self.labelled != "none"

    @property
    def label_space(self) -> LabelSpace:
        """The classes the model predicts."""
        return LABEL_SPACES[self.classes] if isinstance(self.classes, str) else own_label_space(tuple(self.classes))
