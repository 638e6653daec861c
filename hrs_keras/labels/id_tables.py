"""Id tables: which class the raw values in the label files of public data sets stand for.

Each maps to the classes of one label space. Raw values whose class the space does not have are ignored; so are those
that stand for several classes, unless one of them is by far the commonest.
"""

from collections.abc import Iterable, Mapping

from hrs_keras.labels.spaces import CAMVID, CITYSCAPES, CITYSCAPES_IDS, IDD_LITE, IGNORE, IGNORE_LABEL

SYNTHIA_IDS: dict[str, int] = {
    name: label_id
    for label_id, name in enumerate(
        (
            "void", "sky", "building", "road", "sidewalk", "fence", "vegetation", "pole", "car", "traffic sign",
            "person", "bicycle", "motorcycle", "parking-slot", "road-work", "traffic light", "terrain", "rider",
            "truck", "bus", "train", "wall", "lanemarking",
        )
    )
}  # fmt: skip
"""Class name -> id in the first channel of SYNTHIA-RAND-CITYSCAPES label files (Cityscapes names)."""


def _train_classes_only(ids: Mapping[str, int]) -> dict[int, str]:
    return {raw: name if name in CITYSCAPES.classes else IGNORE for name, raw in ids.items()}


def _grouped(count: int, raw_ids: Mapping[str, Iterable[int]]) -> dict[int, str]:
    """Raw values 0 to ``count - 1``, of which those that no class has are ignored."""
    return dict.fromkeys(range(count), IGNORE) | {raw: name for name, own in raw_ids.items() for raw in own}


def _renamed(table: Mapping[int, str], names: Mapping[str, str]) -> dict[int, str]:
    """A table in classes of another label space; what has no counterpart there is ignored."""
    return {raw: names.get(name, IGNORE) for raw, name in table.items()}


_TRAIN_IDS = dict(enumerate(CITYSCAPES.classes)) | {IGNORE_LABEL: IGNORE}

# CamVid's 32 classes are grouped to 11 as in SegNet: riders and two-wheelers are bicyclists, all larger vehicles cars,
# traffic lights signs. Walls and terrain stay out: labels of CamVid disagree on them.
_CAMVID_OF_CITYSCAPES = {
    "road": "road", "sidewalk": "pavement", "building": "building", "fence": "fence", "pole": "pole",
    "traffic light": "sign symbol", "traffic sign": "sign symbol", "vegetation": "tree", "sky": "sky",
    "person": "pedestrian", "rider": "bicyclist", "motorcycle": "bicyclist", "bicycle": "bicyclist", "car": "car",
    "truck": "car", "bus": "car", "train": "car",
}  # fmt: skip

# Level 1 of the classes of the same names in AutoNUE's anue_labels.py; terrain is its "non-drivable fallback".
_IDD_LITE_OF_CITYSCAPES = {
    "road": "drivable", "sidewalk": "non_drivable", "terrain": "non_drivable", "person": "living_thing",
    "rider": "living_thing", "car": "vehicle", "truck": "vehicle", "bus": "vehicle", "train": "vehicle",
    "motorcycle": "vehicle", "bicycle": "vehicle", "wall": "roadside_object", "fence": "roadside_object",
    "pole": "roadside_object", "traffic light": "roadside_object", "traffic sign": "roadside_object",
    "building": "far_object", "vegetation": "far_object", "sky": "sky",
}  # fmt: skip

# ---- CARLA: tags in the red channel, LibCarla/source/carla/image/CityScapesPalette.h of each version --------------

# 0.9.10 to 0.9.13. Tag 10 is any vehicle, with its rider; 6 is road lines. Ignored are 0 unlabeled, 3 other, 14 ground,
# 15 bridge, 16 rail track, 17 guard rail, 19 static, 20 dynamic, 21 water.
_CARLA_0_9_10 = _grouped(23, {
    "building": [1], "fence": [2], "person": [4], "pole": [5], "road": [6, 7], "sidewalk": [8], "vegetation": [9],
    "car": [10], "wall": [11], "traffic sign": [12], "sky": [13], "traffic light": [18], "terrain": [22],
})  # fmt: skip

# From 0.9.14 on: 1 to 19 are Cityscapes' classes in their order, 24 is road lines. Ignored are 0 unlabeled, 20 static,
# 21 dynamic, 22 other, 23 water, 25 ground, 26 bridge, 27 rail track, 28 guard rail.
_CARLA_0_9_14 = _grouped(29, {name: [tag] for tag, name in enumerate(CITYSCAPES.classes, 1)} | {"road": [1, 24]})

# ---- IDD: https://github.com/AutoNUE/public-code, helpers/anue_labels.py ------------------------------------------

# Its ids, and the csTrainId of each.
_IDD = _grouped(40, {
    "road": [0], "sidewalk": [3], "terrain": [5], "person": [6], "rider": [8], "motorcycle": [9], "bicycle": [10],
    "car": [12], "truck": [13], "bus": [14], "train": [17], "wall": [20], "fence": [21], "traffic sign": [24],
    "traffic light": [25], "pole": [26], "building": [29], "vegetation": [32], "sky": [33],
})  # fmt: skip

# Level 3, which createLabels.py writes by default. Some of its ids are several classes: 4 is persons and animals, 20
# poles and their groups, 25 sky and fallback background. Ignored are 1 parking and drivable fallback, 3 rail track and
# non-drivable fallback, 8 autorickshaw, 12 other vehicles and trains, 13 curb, 16 guard rail, 17 billboard, 21
# fallback, 23 bridge and tunnel.
_IDD_LEVEL_3 = _grouped(26, {
    "road": [0], "sidewalk": [2], "person": [4], "rider": [5], "motorcycle": [6], "bicycle": [7], "car": [9],
    "truck": [10], "bus": [11], "wall": [14], "fence": [15], "traffic sign": [18], "traffic light": [19], "pole": [20],
    "building": [22], "vegetation": [24], "sky": [25],
}) | {IGNORE_LABEL: IGNORE}  # fmt: skip

# ---- Mapillary Vistas and WildDash 2 --------------------------------------------------------------------------------

# Cityscapes' classes as WildDash's unified label policy gives them (cs_name in wd2_unified_label_policy.json,
# https://github.com/ozendelait/wilddash_scripts). The ids of Vistas are the positions in its config_v1.2.json.
_MAPILLARY_1_2 = _grouped(66, {
    "road": [7, 8, 11, 13, 14, 23, 24, 36, 41, 43], "sidewalk": [2, 9, 15], "building": [17], "wall": [5, 6],
    "fence": [3], "pole": [45, 46, 47], "traffic light": [48], "traffic sign": [50], "vegetation": [30],
    "terrain": [29], "sky": [27], "person": [19], "rider": [20, 21, 22], "car": [55], "truck": [61], "bus": [54],
    "train": [58], "motorcycle": [57], "bicycle": [52],
})  # fmt: skip

# Positions in config_v2.0.json. 35 to 58 are kinds of lane markings, 90 to 95 kinds of traffic lights, 99 to 103
# fronts of signs. What version 1.2 did not tell apart and has no counterpart in Cityscapes is ignored.
_MAPILLARY_2_0 = _grouped(124, {
    "road": [13, 14, 19, 21, 23, *range(35, 59), 69, 74, 77], "sidewalk": [4, 15, 24], "building": [27],
    "wall": [7, 12], "fence": [5], "pole": [85, 87, 88], "traffic light": range(90, 96),
    "traffic sign": [99, 100, 101, 103], "vegetation": [64], "terrain": [63], "sky": [61], "person": [30],
    "rider": [32, 33, 34], "car": [108], "truck": [114], "bus": [107], "train": [111], "motorcycle": [110],
    "bicycle": [105],
})  # fmt: skip

_WILDDASH_2 = _grouped(81, {
    "road": [7, 38, 41, 43, 61, 64, 70, 74, 75, 76, 79], "sidewalk": [8, 52, 65, 77, 80], "building": [11],
    "wall": [12, 56], "fence": [13], "pole": [17, 45, 46], "traffic light": [19], "traffic sign": [20],
    "vegetation": [21], "terrain": [22, 78], "sky": [23], "person": [24], "rider": [25, 47, 48, 49], "car": [26, 35],
    "truck": [27, 34], "bus": [28], "train": [31], "motorcycle": [32, 58], "bicycle": [33],
})  # fmt: skip

ID_TABLES: dict[str, dict[int, str]] = {
    "cityscapes": _train_classes_only(CITYSCAPES_IDS),
    # GTAV uses the Cityscapes ids; 34 stands where Cityscapes has the licence plate's -1.
    "gtav": _train_classes_only(CITYSCAPES_IDS) | {34: IGNORE},
    "synthia": _train_classes_only(SYNTHIA_IDS),
    "camvid": dict(enumerate(CAMVID.classes)) | {11: IGNORE},
    # CARLA 0.8 to the CamVid classes. Id 0 is "none": sky in all but 1.5 % of its pixels. 3 (other street
    # furniture) and 11 (walls) have no counterpart.
    "carla_camvid": {
        0: "sky", 1: "building", 2: "fence", 3: IGNORE, 4: "pedestrian", 5: "pole", 6: "road", 7: "road",
        8: "pavement", 9: "tree", 10: "car", 11: IGNORE, 12: "sign symbol",
    },
    # CARLA 0.8 to the Cityscapes classes.
    "carla_cityscapes": {
        0: "sky", 1: "building", 2: "fence", 3: IGNORE, 4: "person", 5: "pole", 6: "road", 7: "road",
        8: "sidewalk", 9: "vegetation", 10: "car", 11: "wall", 12: "traffic sign",
    },
    "cityscapes_train_ids": _TRAIN_IDS,
    "carla_0.9.10_cityscapes": _CARLA_0_9_10,
    "carla_0.9.10_camvid": _renamed(_CARLA_0_9_10, _CAMVID_OF_CITYSCAPES),
    "carla_0.9.10_idd_lite": _renamed(_CARLA_0_9_10, _IDD_LITE_OF_CITYSCAPES),
    "carla_0.9.14_cityscapes": _CARLA_0_9_14,
    "carla_0.9.14_camvid": _renamed(_CARLA_0_9_14, _CAMVID_OF_CITYSCAPES),
    "carla_0.9.14_idd_lite": _renamed(_CARLA_0_9_14, _IDD_LITE_OF_CITYSCAPES),
    "idd": _IDD,
    "idd_level3": _IDD_LEVEL_3,
    "idd_lite": dict(enumerate(IDD_LITE.classes)) | {IGNORE_LABEL: IGNORE},
    # Train ids as Cityscapes has them: bdd100k/label/label.py; ACDC's files _gt_labelTrainIds.png.
    "bdd100k": _TRAIN_IDS,
    "acdc_train_ids": _TRAIN_IDS,
    # Label ids as Cityscapes has them: ACDC's files _gt_labelIds.png; the semantic labels of KITTI 2015.
    "acdc": _train_classes_only(CITYSCAPES_IDS),
    "kitti": _train_classes_only(CITYSCAPES_IDS),
    "mapillary_1.2": _MAPILLARY_1_2,
    "mapillary_2.0": _MAPILLARY_2_0,
    "wilddash_2": _WILDDASH_2,
}  # fmt: skip
"""Name -> {raw value in the label file: class name or IGNORE}."""
