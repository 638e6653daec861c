"""The schema of a recipe: every key with its type and what it must satisfy. ``recipes/base.yaml`` has the defaults."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import SerializeAsAny, StrictBool, field_validator, model_validator

from hrs_keras.errors import did_you_mean
from hrs_keras.recipe.data import ROLES, Data
from hrs_keras.recipe.dataset import Dataset
from hrs_keras.recipe.encoder import Encoder
from hrs_keras.recipe.method import UNSUPERVISED, Method
from hrs_keras.recipe.old_forms import digested_encoder, stored_encoder, without_later_keys
from hrs_keras.recipe.train import Train
from hrs_keras.recipe.types import Section, Seed
from hrs_keras.recipe.yaml_text import dump_yaml


class Phase(NamedTuple):
    """Steps ``first`` to ``stop`` (exclusive) of a run, and the domains that their batches hold.

    Domains are ``source``, ``target``, and ``unlabelled`` for real images without labels beside others with labels; see
    :mod:`hrs_keras.data.streams`.
    """

    domains: tuple[str, ...]
    first: int
    stop: int


class Recipe(Section):
    """A run, fully resolved. Build one with :func:`hrs_keras.load_recipe`."""

    name: str
    seed: Seed
    deterministic: StrictBool
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"]
    runs: str
    saved_models: str
    data: Data
    encoder: SerializeAsAny[Encoder]  # of its family's class
    method: Method
    train: Train

    @field_validator("name")
    @classmethod
    def _folder_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", name):
            raise ValueError(
                f"names a folder: wants letters, digits, '_', '-' and (not first) '.', found {name!r}; set name=NAME"
            )
        return name

    @model_validator(mode="after")
    def _source_present(self) -> "Recipe":
        if self.method.reads_source and not self.data.source:
            raise ValueError(
                f"method.source_weighting: {self.method.source_weighting} needs at least one data set in data.source"
            )
        return self

    @model_validator(mode="after")
    def _labels_enough(self) -> "Recipe":
        """What makes no sense without any target label."""
        hidden = "data.labelled: none hides all labels of the target" if self.data.target else "there is no data.target"
        without = {
            "method.source_weighting: none reads the target alone": not self.method.reads_source,
            "with method.pretrain the later steps read the target alone": self.method.pretrain > 0,
            "method.lambda_source: 0 takes the labels of the source away as well": self.method.lambda_source == 0,
            "data.rare_class_sampling.target draws images by their labels": self.data.rare_class_sampling.target,
        }
        for what, found in without.items():
            if found and not self.data.has_target_labels:
                raise ValueError(f"{what}, but {hidden}; set one differently")
        return self

    @model_validator(mode="after")
    def _no_labels_to_pass_over(self) -> "Recipe":
        if self.method.trainer in UNSUPERVISED and self.data.has_target_labels:
            raise ValueError(
                f"method.trainer: {self.method.trainer} reads no target label, but data.labelled: {self.data.labelled}"
                " keeps some; set data.labelled: none"
            )
        return self

    @model_validator(mode="after")
    def _photographs_to_hold_on_to(self) -> "Recipe":
        if self.method.frozen and self.encoder.weights is None:
            raise ValueError(
                f"method.trainer: {self.method.trainer} holds the encoder near its pretrained weights, but"
                " encoder.weights: null has none; set encoder.weights, such as imagenet"
            )
        return self

    @model_validator(mode="after")
    def _things_of_the_data(self) -> "Recipe":
        settings, classes = self.method.class_mix, self.data.label_space.classes
        if settings.distance and not settings.things:
            raise ValueError("method.class_mix.distance is measured on classes; name them in method.class_mix.things")
        for name in settings.things:
            if name not in classes:
                raise ValueError(f"method.class_mix.things: no class {name!r}." + did_you_mean(name, classes))
        return self

    @model_validator(mode="after")
    def _something_pretrained(self) -> "Recipe":
        if self.train.fresh_factor != 1 and self.encoder.weights is None:
            raise ValueError(
                f"train.fresh_factor: {self.train.fresh_factor:g} multiplies the learning rate of what encoder.weights"
                " does not fill, and weights: null fills nothing; set train.fresh_factor=1 and choose"
                " train.learning_rate.encoder"
            )
        return self

    @model_validator(mode="after")
    def _step_for_each_phase(self) -> "Recipe":
        if self.method.pretrain and self.train.steps < 2:
            raise ValueError("method.pretrain: 1 step cannot be shared by two phases; set train.steps to 2 or more")
        return self

    @property
    def run_dir(self) -> Path:
        """Where the run keeps everything it writes."""
        return Path(self.runs) / self.name

    @property
    def phases(self) -> list[Phase]:
        """Who teaches when: one phase of all steps, but for ``method.pretrain``."""
        steps = self.train.steps
        if self.method.pretrain:
            switch = min(max(1, round(self.method.pretrain * steps)), steps - 1)
            return [Phase(("source",), 0, switch), Phase(("target",), switch, steps)]
        return [Phase(tuple(self._domains()), 0, steps)]

    def _domains(self) -> Iterator[str]:
        """What a step reads that reads both domains."""
        labels = self.data.has_target_labels
        if self.method.reads_source:
            yield "source"
        if labels or self.method.learns_without_labels or self.method.mix.replace_source:
            yield "target"
        without = self.data.hides_labels or bool(self.data.unlabelled)
        if labels and without and self.method.reads_unlabelled:
            yield "unlabelled"

    def phases_until(self, step: int) -> list[Phase]:
        """The phases of the steps before ``step``."""
        return [phase._replace(stop=min(phase.stop, step)) for phase in self.phases if phase.first < step]

    @property
    def roles(self) -> tuple[str, ...]:
        """The keys of ``data`` that list data sets of this recipe: not ``unlabelled`` or ``test`` if it has none."""
        return tuple(role for role in ROLES if role not in ("unlabelled", "test") or getattr(self.data, role))

    def datasets(self, role: str) -> list[Dataset]:
        """The data sets of a role (source, target, unlabelled, validation or test) that the run reads."""
        sets: Sequence[Dataset] = getattr(self.data, role)
        return [] if role == "source" and not self.method.reads_source else [*sets]

    def computing_in(self, dtype: str) -> "Recipe":
        """This recipe, with networks that compute in ``"float32"``, ``"bfloat16"`` or ``"float16"``."""
        return self.model_copy(update={"precision": dtype if dtype == "float32" else f"mixed_{dtype}"})

    def to_dict(self) -> dict[str, Any]:
        """Plain data (str, int, float, bool, None, list, dict), as YAML and JSON take it."""
        return self.model_dump(mode="json") | {"encoder": stored_encoder(self.encoder)}

    def to_yaml(self) -> str:
        """The resolved recipe as YAML text that :func:`hrs_keras.load_recipe` reads back to an equal recipe."""
        return dump_yaml(self.to_dict())

    def digest(self) -> str:
        """12 hexadecimal digits that stand for the resolved recipe."""
        tree = without_later_keys(self.to_dict()) | {"encoder": digested_encoder(self.encoder)}
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:12]
