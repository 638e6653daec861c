"""Recipes in the form in which earlier versions stored them, and digests that were taken of that form.

Until families of encoders had classes of their own, every recipe's ``encoder`` had the same seven keys, and a family
did not read those that are not its own (a ResNet ``fc`` and ``dropout``, VGG16 ``blocks``). Run folders, exports and
results hold such recipes; all that is known of that form is here.

Keys that came later are in :data:`LATER_KEYS`. A recipe without such a key means what recipes meant before there was
the key, so that is the key's default in the schema, and a recipe with that value keeps the digest that it had. What a
new recipe is to have instead is the value in ``recipes/base.yaml``.
"""

import copy
import functools
import math
from typing import Any

from hrs_keras.recipe.data import ROLES
from hrs_keras.recipe.encoder import UNREAD, Encoder

LATER_KEYS: dict[str, Any] = {
    "encoder.heads": "random",
    "encoder.head_scales": [1.0, 1.0, 1.0],
    "data.on_change": "error",
    "train.fresh_factor": 1.0,
    "train.warmup": 0,
    "train.weight_decay": {"encoder": 0.0, "weighting": 0.0, "generator": 0.0, "discriminator": 0.0},
    "train.average": None,
    "train.init_from": None,
    "data.test": [],
    "method.class_weights": "none",
    "method.adversarial_semi": {
        **{"adversarial": 0.01, "adversarial_unlabelled": 0.001, "self_taught": 0.1},
        **{"threshold": 0.2, "start": 0.25, "judge_unlabelled": True},
    },
    "method.road.features": "deepest",
    "method.road": {"distance": 0.1, "domains": 0.01, "cells": 3, "width": 1024},
    "method.lsd": {
        **{"adversarial": 0.0016, "classes": 0.0016, "generator_adversarial": 0.1, "reconstruction": 1.0},
        **{"generator_channels": [256, 512, 256, 128, 64], "discriminator_channels": 128, "dropout": 0.5},
    },
    "method.class_mix.margins": [0.0, 0.0],
    "method.class_mix.distance": 0.0,
    "method.class_mix.things": [],
    "method.class_mix": {"confidence": 0.968, "teacher": 0.99},
    "method.mix": {"replace_source": False, "classes": 0.5, "colour": 0.2, "blur": 0.5},
    "train.source_ratio": 1.0,
    "data.rare_class_sampling": {"source": None, "target": None},
    "data.labelled": "all",
    "data.unlabelled": [],
    "method.source_loss": "cross_entropy",
    "method.conservative": {"base": math.e, "weight": 1.0},
}
"""Dotted key -> what a stored recipe without it means, as plain data. Before a section stand its keys that came still
later: without those the section is what it was."""

LATER_DATA_SET_KEYS: dict[str, Any] = {"raw": None, "only": None, "except": None, "weight": None}
"""The same for the keys of each data set."""

_KEYS = {"family", "width", "fc", "dropout", "blocks", "weights", "preprocessing"}
_FAMILIES = ("vgg16", "resnet")
# What recipes/base.yaml gave to the keys that a family does not read.
_DEFAULTS = {"fc": 4096, "dropout": 0.5, "blocks": [2, 2, 2, 2]}


def upgrade(tree: Any) -> Any:
    """A recipe as plain data, in today's form: the encoder's keys that its family does not have are set apart.

    Args:
        tree: the whole content of one file. One that is not in the old form is returned as it is.
    """
    encoder = tree.get("encoder") if isinstance(tree, dict) else None
    # All seven keys in one file: as stored recipes have them. A recipe that somebody writes names what differs.
    if not isinstance(encoder, dict) or set(encoder) != _KEYS or encoder["family"] not in _FAMILIES:
        return tree
    valid = Encoder.variant(encoder).model_fields
    read = {key: value for key, value in encoder.items() if key in valid}
    return tree | {"encoder": read | {UNREAD: {key: encoder[key] for key in encoder if key not in valid}}}


def stored_encoder(encoder: Encoder) -> dict[str, Any]:
    """An encoder's settings as plain data, as they are stored: in the old form again, if that is what was read."""
    return digested_encoder(encoder) if encoder.unread else encoder.model_dump(mode="json")


def digested_encoder(encoder: Encoder) -> dict[str, Any]:
    """An encoder's settings as plain data, as digests of recipes are taken of them.

    The families that the old form knew have all of its keys, so that stored digests still stand for the same settings.
    Of others only what differs from the family's defaults counts: a setting that a later version adds changes nothing.
    """
    if encoder.family in _FAMILIES:
        settings = _DEFAULTS | encoder.unread | encoder.model_dump(mode="json")
        return without_later_keys({"encoder": settings})["encoder"]
    return encoder.model_dump(mode="json", exclude_defaults=True)


def without_later_keys(tree: dict[str, Any]) -> dict[str, Any]:
    """A copy of a recipe as plain data, without the later keys that say what was meant before they existed."""
    tree = copy.deepcopy(tree)
    for dotted, former in LATER_KEYS.items():
        *sections, key = dotted.split(".")
        section = functools.reduce(lambda section, name: section.get(name, {}), sections, tree)
        _remove(section, key, former)
    for role in ROLES:
        for dataset in tree.get("data", {}).get(role, ()):
            without_later_data_set_keys(dataset)
    return tree


def without_later_data_set_keys(dataset: dict[str, Any]) -> dict[str, Any]:
    """Remove the later keys that say what was meant before they existed from a data set as plain data; returns it."""
    for key, former in LATER_DATA_SET_KEYS.items():
        _remove(dataset, key, former)
    return dataset


def _remove(section: dict[str, Any], key: str, former: Any) -> None:
    if key in section and section[key] == former:
        del section[key]
