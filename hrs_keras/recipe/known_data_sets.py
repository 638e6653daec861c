"""Where the known data sets keep their files and how their labels are encoded.

Each layout is a mapping with the keys of :class:`hrs_keras.recipe.dataset.Dataset` that the format fixes; what the
recipe says beside ``format:`` wins. A pattern's ``*`` parts together name the sample, so that an image finds its label.

A layout is data, not code, so the built-in ones are a table here. More come from outside the package, by an entry point
of the group ``hrs_keras.data_sets`` or by ``DATA_SETS.register(name, layout)``.
"""

from typing import Any

from hrs_keras.recipe.plugins import DATA_SETS

OWN = "folder"
"""The format that fixes nothing: the recipe itself says where everything is."""

_BUILT_IN: dict[str, dict[str, Any]] = {
    "cityscapes": {
        "root": "cityscapes",
        "images": "leftImg8bit/{split}/*/*_leftImg8bit.png",
        "labels": "gtFine/{split}/*/*_gtFine_labelIds.png",
        "ids": "cityscapes",
    },
    # Labels are palette PNGs whose index is the id: a decoder that expands the palette destroys them.
    "gtav": {
        "root": "gtav",
        "images": "images/*.png",
        "labels": "labels/*.png",
        "encoding": "palette",
        "ids": "gtav",
    },
    # SYNTHIA-RAND-CITYSCAPES. Labels have 16 bits and three channels: class, instance, nothing.
    "synthia": {
        "root": "synthia",
        "images": "RGB/*.png",
        "labels": "GT/LABELS/*.png",
        "bits": 16,
        "channel": 0,
        "ids": "synthia",
    },
    "camvid": {
        "root": "camvid",
        "images": "{split}/images/*",
        "labels": "{split}/labels/*.png",
        "ids": "camvid",
    },
    # The Lyft challenge's layout of CARLA 0.8 recordings; the id is in the red channel.
    "carla": {
        "root": "carla",
        "images": "CameraRGB/*",
        "labels": "CameraSeg/*.png",
        "channel": 0,
        "ids": "carla_camvid",
    },
}

for _name, _layout in {OWN: {}, **_BUILT_IN}.items():
    DATA_SETS.register(_name, _layout)
