"""The schema of a recipe: every key with its type and what it must satisfy. ``recipes/base.yaml`` has the defaults."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import Field, SerializeAsAny, StrictBool, field_validator, model_validator

from hrs_keras.errors import did_you_mean
from hrs_keras.recipe.data import ROLES, Data
from hrs_keras.recipe.dataset import Dataset
from hrs_keras.recipe.encoder import Encoder
from hrs_keras.recipe.mix import Mix
from hrs_keras.recipe.old_forms import digested_encoder, stored_encoder, without_later_keys
from hrs_keras.recipe.plugins import SOURCE_WEIGHTINGS, TRAINERS
from hrs_keras.recipe.source_weighting import SourceWeighting
from hrs_keras.recipe.train import Train
from hrs_keras.recipe.types import NonNegative, Number, PositiveInt, Section, Seed, Share
from hrs_keras.recipe.yaml_text import dump_yaml

Level = Literal["pixel", "region", "image"]


class PixelDA(Section):
    """Settings of ``trainer: pixelda``: weights of its generator's losses, and the generator."""

    adversarial: NonNegative
    task: NonNegative
    content: NonNegative
    noise: PositiveInt
    channels: PositiveInt
    blocks: PositiveInt


class Method(Section):
    """How source pixels teach: the choices in which the compared systems differ."""

    trainer: str
    source_weighting: str
    focal_gamma: NonNegative
    pretrain: Share
    levels: Annotated[list[Level], Field(min_length=1)]
    channels: Literal["shared", "per_class"]
    activation: Literal["sigmoid", "linear"]
    threshold: Literal["mean", "median"]
    gan: StrictBool
    lambda_source: NonNegative = 1.0
    class_weights: Literal["none", "inverse_sqrt"] = "none"
    lambda_adv: NonNegative
    lambda_rec: NonNegative
    label_noise: Annotated[float, Field(ge=0, lt=0.5), Number]
    weighting_width: PositiveInt
    generator_channels: Annotated[list[PositiveInt], Field(min_length=6, max_length=6)]
    discriminator_channels: Annotated[list[PositiveInt], Field(min_length=6, max_length=6)]
    pixelda: PixelDA
    mix: Mix = Mix()

    @property
    def selects(self) -> bool:
        """Whether weighting networks are trained, by whose maps the source pixels are selected."""
        return SOURCE_WEIGHTINGS.load_instance(self.source_weighting, SourceWeighting).selects

    @property
    def reads_source(self) -> bool:
        """Whether source images are read at all."""
        return SOURCE_WEIGHTINGS.load_instance(self.source_weighting, SourceWeighting).reads_source

    @property
    def reads_unlabelled(self) -> bool:
        """Whether a step reads real images without labels beside those with labels, where there are any of both."""
        return self.learns_without_labels and bool(getattr(TRAINERS.load(self.trainer), "reads_unlabelled", False))

    @property
    def learns_without_labels(self) -> bool:
        """Whether real images teach anything without their labels.

        Of ``trainer: joint`` the weighting networks and the GAN learn from them; of any other trainer it is taken for
        granted.
        """
        return self.trainer != "joint" or self.selects or self.gan

    @field_validator("trainer")
    @classmethod
    def _known_trainer(cls, name: str) -> str:
        if name not in TRAINERS.names():  # not loaded: trainers need TensorFlow
            raise ValueError(f"unknown trainer {name!r}.{did_you_mean(name, TRAINERS.names())}")
        return name

    @field_validator("source_weighting")
    @classmethod
    def _known_source_weighting(cls, name: str) -> str:
        SOURCE_WEIGHTINGS.load_instance(name, SourceWeighting)
        return name

    @field_validator("levels")
    @classmethod
    def _distinct(cls, levels: list[str]) -> list[str]:
        if len(set(levels)) != len(levels):
            raise ValueError(f"names a level twice: {levels}")
        return [level for level in get_args(Level) if level in levels]

    @model_validator(mode="after")
    def _gan_needs_source(self) -> "Method":
        if self.gan and not self.reads_source:
            raise ValueError(
                f"gan: true aligns two domains, but source_weighting: {self.source_weighting} reads the target alone;"
                " set one of them differently"
            )
        return self

    @model_validator(mode="after")
    def _plain_mixing(self) -> "Method":
        for key, given in (("trainer: pixelda", self.trainer == "pixelda"), ("pretrain above 0", self.pretrain > 0)):
            if given and (self.source_weighting != "plain" or self.gan):
                raise ValueError(
                    f"{key} wants source_weighting: plain and gan: false, found {self.source_weighting} and"
                    f" {str(self.gan).lower()}"
                )
        if self.trainer == "pixelda" and self.pretrain:
            raise ValueError("trainer: pixelda reads both domains in every step; set pretrain: 0")
        if self.trainer == "pixelda" and self.lambda_source != 1:
            raise ValueError(f"trainer: pixelda reads no lambda_source, found {self.lambda_source:g}; leave it 1")
        return self

    @model_validator(mode="after")
    def _two_domains_to_mix(self) -> "Method":
        if not self.mix.replace_source:
            return self
        for found, wanted, why in (
            (self.trainer == "pixelda", "trainer: joint", "pixelda redraws source images"),
            (not self.reads_source, "a source_weighting other than none", "the source is not read"),
            (self.pretrain > 0, "pretrain: 0", "with pretraining no step reads both domains"),
            (self.selects and self.threshold == "median", "threshold: mean", "the median is that of whole images"),
            (self.class_weights != "none", "class_weights: none", "they are made of the unmixed images' classes"),
        ):
            if found:
                raise ValueError(f"mix.replace_source: true wants {wanted}: {why}")
        return self


class Phase(NamedTuple):
    """Steps ``first`` to ``stop`` (exclusive) of a run, and the domains that their batches hold.

    Domains are ``source``, ``target``, and ``unlabelled`` for target images whose labels are hidden, beside others
    whose labels are not; see :mod:`hrs_keras.data.streams`.
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
        """What makes no sense where all target labels are hidden."""
        without = {
            "method.source_weighting: none reads the target alone": not self.method.reads_source,
            "with method.pretrain the later steps read the target alone": self.method.pretrain > 0,
            "method.lambda_source: 0 takes the labels of the source away as well": self.method.lambda_source == 0,
            "data.rare_class_sampling.target draws images by their labels": self.data.rare_class_sampling.target,
        }
        for what, found in without.items():
            if found and not self.data.has_target_labels:
                raise ValueError(f"{what}, but data.labelled: none hides all labels of the target; set one differently")
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
        if labels or self.method.learns_without_labels:
            yield "target"
        if labels and self.data.hides_labels and self.method.reads_unlabelled:
            yield "unlabelled"

    def phases_until(self, step: int) -> list[Phase]:
        """The phases of the steps before ``step``."""
        return [phase._replace(stop=min(phase.stop, step)) for phase in self.phases if phase.first < step]

    @property
    def roles(self) -> tuple[str, ...]:
        """The keys of ``data`` that list data sets of this recipe: ``test`` is one of them only where it is given."""
        return tuple(role for role in ROLES if role != "test" or self.data.test)

    def datasets(self, role: str) -> list[Dataset]:
        """The data sets of a role (source, target, validation or test) that the run reads."""
        sets: list[Dataset] = getattr(self.data, role)
        return [] if role == "source" and not self.method.reads_source else sets

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
