"""Where the known data sets keep their files and how their labels are encoded.

Each entry is the part of a recipe's data set description that the format fixes; what the recipe says beside
``format:`` wins. A pattern's ``*`` parts together name the sample, so that an image finds its label.
"""

from typing import Any

FORMATS: dict[str, dict[str, Any]] = {
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
