"""A procedural street-scene data set with a synthetic and a real domain.

A street is drawn as *parts*: shapes that carry a class, an object number, a distance and a material (``scene``,
``objects``, ``street``). Two shaders turn parts into pixels (``shading``): the "game" fills them flatly, the
"camera" adds texture, light, haze, noise and blur. The files have the formats of GTAV, SYNTHIA and Cityscapes
(``files``), so the readers for the genuine sets read these too.
"""

import json
import os
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from hrs_keras.labels import CITYSCAPES_IDS, NOT_IN_SYNTHIA, SYNTHIA_IDS
from hrs_keras.system.files import folder_to_publish, parse_json, publish
from hrs_keras.toy_city.files import Sample, write_cityscapes, write_gtav, write_synthia
from hrs_keras.toy_city.shading import shade_game, shade_real
from hrs_keras.toy_city.street import draw_street, parts_map

__all__ = ["UNREAL_OPERATIONS", "ToyCity", "generate"]

# The first and the third change the look, the others the layout of the labels; interleaved, so that a few
# unreal images already show both kinds.
UNREAL_OPERATIONS = (
    "swapped_palette", "floating_objects", "neon", "road_in_the_sky", "upside_down", "shuffled_blocks",
)  # fmt: skip
"""What makes a synthetic image unlike reality."""

_VERSION = 1  # of the drawing: raise it when the same parameters give other images


@dataclass(frozen=True)
class ToyCity:
    """What to generate.

    Attributes:
        size: (height, width) of all files, both at least 32.
        gtav, synthia: number of synthetic images in either format.
        train, val: number of real images in either split.
        unreal: share 0..1 of synthetic images that are unlike reality on purpose.
        seed: non-negative; another seed gives other images.

    Raises:
        ValueError: a parameter is outside its range.
    """

    size: tuple[int, int] = (128, 256)
    gtav: int = 160
    synthia: int = 80
    train: int = 48
    val: int = 24
    unreal: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 32:
            raise ValueError(f"size must be (height, width), both at least 32, got {self.size}")
        for name in ("gtav", "synthia", "train", "val", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0 <= self.unreal <= 1:
            raise ValueError(f"unreal is a share between 0 and 1, got {self.unreal}")


def generate(root: str | os.PathLike, spec: ToyCity = ToyCity()) -> Path:
    """Write the toy data set below ``root``, or do nothing if it is there already.

    Image k of a set depends on the seed, the set and k, not on how many images there are.

    Args:
        root: folder to create; it may exist if it is empty or holds a set made with the same ``spec``.
        spec: what to generate.

    Returns:
        ``root``, with ``gtav/``, ``synthia/``, ``cityscapes/`` and the parameters in ``toy_city.json``.

    Raises:
        FileExistsError: ``root`` is a file, holds another toy city, or holds anything else.
        OSError: it cannot be written.
    """
    root = Path(root)
    # Through JSON, which turns the tuple into a list, so that it compares equal to what a file holds.
    record = json.loads(json.dumps({"version": _VERSION, **asdict(spec)}))
    if found := _read_record(root / "toy_city.json"):
        if found == record:
            return root
        other = ", ".join(
            f"{key} {found.get(key)}, not {record[key]}" for key in record if found.get(key) != record[key]
        )
        raise FileExistsError(f"{root} holds another toy city ({other}): delete it or choose another folder")
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise FileExistsError(f"{root} is not an empty folder: delete it or choose another folder")
    try:
        with folder_to_publish(root.absolute().parent) as unfinished:
            _write_all(unfinished, spec)
            (unfinished / "toy_city.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
            publish(unfinished, root)
    except OSError as error:
        raise OSError(f"cannot write {root}: {error.strerror or error}") from error
    return root


def _read_record(path: Path) -> dict:
    """The parameters that a finished folder was made with; empty if ``path`` is no record of a toy city."""
    if not path.is_file():
        return {}
    try:
        record = parse_json(path.read_bytes())
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _write_all(root: Path, spec: ToyCity) -> None:
    for name, write in (("gtav", write_gtav), ("synthia", write_synthia)):
        (root / name).mkdir()
        with (root / name / "meta.jsonl").open("w", encoding="utf-8") as meta:
            for k in range(getattr(spec, name)):
                sample = _sample(spec, name, k)
                line = {"image": write(root / name, k, sample), "unreal": bool(sample.operation)}
                meta.write(json.dumps(line | {"operation": sample.operation or None}) + "\n")
    for split in ("train", "val"):
        for k in range(getattr(spec, split)):
            write_cityscapes(root / "cityscapes", split, k, _sample(spec, split, k))


def _sample(spec: ToyCity, name: str, k: int) -> Sample:
    """Image k of set ``name``: depends on the seed, the name and k, given the size and the unreal share."""
    rng = np.random.default_rng([spec.seed, zlib.crc32(name.encode()), k])
    real = name in ("train", "val")
    # The running count of unreal images steps up at exactly that share of all k.
    before, after = (int((k + i) * spec.unreal + 1e-9) for i in (0, 1))
    operation = "" if real or after == before else UNREAL_OPERATIONS[before % len(UNREAL_OPERATIONS)]
    scene = draw_street(spec.size, rng, k, NOT_IN_SYNTHIA if name == "synthia" else (), real)
    parts = parts_map(scene, operation)
    image = shade_real(scene, parts, rng) if real else shade_game(scene, parts, rng, operation)
    labels = [CITYSCAPES_IDS[p.label] for p in scene.parts]
    # SYNTHIA tells lane markings from the road and has no class for what is void in Cityscapes.
    synthia = [SYNTHIA_IDS.get(p.material, SYNTHIA_IDS.get(p.label, 0)) for p in scene.parts]
    numbers = np.array([p.number for p in scene.parts], np.int32)
    return Sample(
        image, np.array(labels, np.uint8)[parts], np.array(synthia, np.uint8)[parts], numbers[parts], operation
    )
