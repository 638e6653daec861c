"""The built-in id tables, against the names that their data sets give to each id (typed here from the sources)."""

import pytest

from hrs_keras.labels import CITYSCAPES, ID_TABLES, IDD_LITE, IGNORE

# LibCarla/source/carla/image/CityScapesPalette.h
CARLA_0_9_10 = (
    "unlabeled, building, fence, other, person, pole, road line, road, sidewalk, vegetation, car, wall, traffic sign,"
    " sky, ground, bridge, rail track, guard rail, traffic light, static, dynamic, water, terrain"
)
CARLA_0_9_14 = (
    "unlabeled, road, sidewalk, building, wall, fence, pole, traffic light, traffic sign, vegetation, terrain, sky,"
    " person, rider, car, truck, bus, train, motorcycle, bicycle, static, dynamic, other, water, road line, ground,"
    " bridge, rail track, guard rail"
)
# AutoNUE/public-code, helpers/anue_labels.py
IDD = (
    "road, parking, drivable fallback, sidewalk, rail track, non-drivable fallback, person, animal, rider, motorcycle,"
    " bicycle, autorickshaw, car, truck, bus, caravan, trailer, train, vehicle fallback, curb, wall, fence, guard rail,"
    " billboard, traffic sign, traffic light, pole, polegroup, obs-str-bar-fallback, building, bridge, tunnel,"
    " vegetation, sky, fallback background, unlabeled, ego vehicle, rectification border, out of roi, license plate"
)
IDD_LEVEL_3 = (
    "road, drivable fallback, sidewalk, non-drivable fallback, person, rider, motorcycle, bicycle, autorickshaw, car,"
    " truck, bus, vehicle fallback, curb, wall, fence, guard rail, billboard, traffic sign, traffic light, pole,"
    " obs-str-bar-fallback, building, bridge, vegetation, sky"
)
# Mapillary Vistas, config_v1.2.json and config_v2.0.json
MAPILLARY_1_2 = (
    "bird, ground animal, curb, fence, guard rail, barrier, wall, bike lane, crosswalk plain, curb cut, parking,"
    " pedestrian area, rail track, road, service lane, sidewalk, bridge, building, tunnel, person, bicyclist,"
    " motorcyclist, other rider, marking crosswalk, marking general, mountain, sand, sky, snow, terrain, vegetation,"
    " water, banner, bench, bike rack, billboard, catch basin, cctv camera, fire hydrant, junction box, mailbox,"
    " manhole, phone booth, pothole, street light, pole, traffic sign frame, utility pole, traffic light, sign back,"
    " traffic sign, trash can, bicycle, boat, bus, car, caravan, motorcycle, on rails, other vehicle, trailer, truck,"
    " wheeled slow, car mount, ego vehicle, unlabeled"
)
MAPILLARY_2_0 = (
    "bird, ground animal, ambiguous barrier, concrete block, curb, fence, guard rail, barrier, road median, road side,"
    " lane separator, temporary barrier, wall, bike lane, crosswalk plain, curb cut, driveway, parking, parking aisle,"
    " pedestrian area, rail track, road, road shoulder, service lane, sidewalk, traffic island, bridge, building,"
    " garage, tunnel, person, person group, bicyclist, motorcyclist, other rider, marking dashed, marking straight,"
    " marking zigzag, marking ambiguous, marking left, marking other arrow, marking right, marking split left,"
    " marking split right, marking straight arrow, marking crosswalk, marking give way row, marking give way,"
    " marking chevron, marking diagonal, marking other, marking stop, marking bicycle, marking symbol, marking text,"
    " marking only dashed, marking only crosswalk, marking only other, marking only text, mountain, sand, sky, snow,"
    " terrain, vegetation, water, banner, bench, bike rack, catch basin, cctv camera, fire hydrant, junction box,"
    " mailbox, manhole, parking meter, phone booth, pothole, signage advertisement, signage ambiguous, signage back,"
    " signage information, signage other, signage store, street light, pole, pole group, traffic sign frame,"
    " utility pole, traffic cone, traffic light single, traffic light pedestrians, traffic light upright,"
    " traffic light horizontal, traffic light cyclists, traffic light other, sign ambiguous, sign back,"
    " sign direction back, traffic sign direction, traffic sign, traffic sign parking, sign temporary back,"
    " traffic sign temporary, trash can, bicycle, boat, bus, car, caravan, motorcycle, on rails, other vehicle,"
    " trailer, truck, vehicle group, wheeled slow, water valve, car mount, dynamic, ego vehicle, ground, static,"
    " unlabeled"
)
# ozendelait/wilddash_scripts, wd2_unified_label_policy.json
WILDDASH_2 = (
    "unlabeled, ego vehicle, overlay, out of roi, static, dynamic, ground, road, sidewalk, parking, rail track,"
    " building, wall, fence, guard rail, bridge, tunnel, pole, polegroup, traffic light, traffic sign, vegetation,"
    " terrain, sky, person, rider, car, truck, bus, caravan, trailer, on rails, motorcycle, bicycle, pickup, van,"
    " billboard, street light, marking, junction box, mailbox, manhole, phone booth, pothole, bike rack,"
    " traffic sign frame, utility pole, motorcyclist, bicyclist, other rider, bird, ground animal, curb, sign any,"
    " sign back, trash can, barrier, other vehicle, rickshaw, bench, mountain, tram track, wheeled slow, boat,"
    " bike lane, bike lane sidewalk, banner, dashcam mount, water, sand, pedestrian area, fire hydrant, cctv camera,"
    " snow, catch basin, crosswalk plain, crosswalk zebra, manhole sidewalk, curb terrain, service lane, curb cut"
)
NAMES = {
    "carla_0.9.10": CARLA_0_9_10,
    "carla_0.9.14": CARLA_0_9_14,
    "idd": IDD,
    "idd_level3": IDD_LEVEL_3,
    "mapillary_1.2": MAPILLARY_1_2,
    "mapillary_2.0": MAPILLARY_2_0,
    "wilddash_2": WILDDASH_2,
}

CITYSCAPES_OF = {name: name for name in CITYSCAPES.classes} | {
    "road line": "road",
    "non-drivable fallback": "terrain",  # where it is an id of its own
    **dict.fromkeys(["curb", "curb cut", "bike lane sidewalk", "manhole sidewalk"], "sidewalk"),
    **dict.fromkeys(["bike lane", "crosswalk plain", "crosswalk zebra", "pedestrian area", "service lane"], "road"),
    **dict.fromkeys(["catch basin", "manhole", "pothole", "tram track", "marking"], "road"),
    **dict.fromkeys(["utility pole", "traffic sign frame"], "pole"),
    **dict.fromkeys(["bicyclist", "motorcyclist", "other rider"], "rider"),
    "barrier": "wall",
    "curb terrain": "terrain",
    "on rails": "train",
    "van": "car",
    "pickup": "truck",
    "rickshaw": "motorcycle",
}
"""What the WildDash policy (cs_name), and csTrainId of IDD, give to names that are no class of Cityscapes."""


def expected(table: str, name: str) -> str:
    if (table.startswith("idd") and name == "curb") or (table == "idd_level3" and "fallback" in name):
        return IGNORE
    for kind in ("marking", "traffic light", "traffic sign"):
        if name.startswith(kind) and name != "traffic sign frame":
            return "road" if kind == "marking" else kind
    return CITYSCAPES_OF.get(name, IGNORE)


@pytest.mark.parametrize(("table", "names"), NAMES.items(), ids=NAMES)
def test_every_id_has_the_class_of_its_name(table, names):
    found = ID_TABLES.get(table) or ID_TABLES[f"{table}_cityscapes"]
    wanted = {raw: expected(table, name) for raw, name in enumerate(names.split(", "))}
    assert {raw: found[raw] for raw in wanted} == wanted
    assert set(found) - set(wanted) == ({255} if table == "idd_level3" else set())


@pytest.mark.parametrize(
    ("table", "count", "samples"),
    [
        ("carla_0.9.10_camvid", 23, {1: "building", 4: "pedestrian", 6: "road", 8: "pavement", 9: "tree", 13: "sky"}),
        ("carla_0.9.10_camvid", 23, {10: "car", 11: "ignore", 12: "sign symbol", 18: "sign symbol", 22: "ignore"}),
        ("carla_0.9.10_idd_lite", 23, {7: "drivable", 8: "non_drivable", 4: "living_thing", 9: "far_object"}),
        ("carla_0.9.14_camvid", 29, {1: "road", 24: "road", 2: "pavement", 13: "bicyclist", 16: "car", 11: "sky"}),
        ("carla_0.9.14_idd_lite", 29, {14: "vehicle", 13: "living_thing", 4: "roadside_object", 28: "ignore"}),
        ("carla_0.9.14_cityscapes", 29, {1: "road", 10: "terrain", 19: "bicycle", 24: "road", 25: "ignore"}),
        ("cityscapes_train_ids", 20, {0: "road", 10: "sky", 13: "car", 18: "bicycle", 255: "ignore"}),
        ("bdd100k", 20, {0: "road", 8: "vegetation", 16: "train", 255: "ignore"}),
        ("acdc_train_ids", 20, {0: "road", 11: "person", 18: "bicycle", 255: "ignore"}),
        ("acdc", 34, {0: "ignore", 7: "road", 23: "sky", 33: "bicycle"}),
        ("kitti", 34, {0: "ignore", 7: "road", 26: "car", 29: "ignore"}),
        ("idd_lite", 8, {0: "drivable", 3: "vehicle", 5: "far_object", 6: "sky", 255: "ignore"}),
        ("mapillary_1.2", 66, {13: "road", 27: "sky", 55: "car", 65: "ignore"}),
        ("mapillary_2.0", 124, {21: "road", 61: "sky", 108: "car", 123: "ignore"}),
    ],
)
def test_tables_are_whole(table, count, samples):
    assert len(ID_TABLES[table]) == count
    assert {raw: ID_TABLES[table][raw] for raw in samples} == samples


def test_idd_lite_is_level_1_of_the_hierarchy():
    """The classes of the recipe for IDD-Lite, so that the table fits it."""
    names = "drivable, non_drivable, living_thing, vehicle, roadside_object, far_object, sky"
    assert ", ".join(IDD_LITE.classes) == names
