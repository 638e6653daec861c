"""The toy city: formats as independent readers see them, classes, reproducibility, layout, domains."""

import json
import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hrs_keras import toy_city
from hrs_keras.cli.main import main
from hrs_keras.labels import CITYSCAPES, CITYSCAPES_IDS, CITYSCAPES_PALETTE, SYNTHIA_IDS
from hrs_keras.toy_city import UNREAL_OPERATIONS, ToyCity, generate

SPEC = ToyCity(size=(64, 128), gtav=20, synthia=10, train=8, val=6, seed=3)
TRAIN_IDS = {CITYSCAPES_IDS[name] for name in CITYSCAPES.classes}
SKY, ROAD = CITYSCAPES_IDS["sky"], CITYSCAPES_IDS["road"]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("toy") / "city", SPEC)


def _header(path: Path) -> tuple[int, int, int, int]:
    """(width, height, bit depth, colour type) out of the bytes of a PNG file."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR"
    return struct.unpack(">2I2B", data[16:26])


def _labels(folder: Path, pattern: str) -> list[np.ndarray]:
    return [np.asarray(Image.open(path)) for path in sorted(folder.glob(pattern))]


def _meta(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "meta.jsonl").read_text().splitlines()]


def _bytes(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*.png")}


def _mean_row(labels: np.ndarray, label: int) -> float:
    return float(np.nonzero(labels == label)[0].mean())


def test_number_and_names_of_files(city: Path) -> None:
    assert [p.name for p in sorted((city / "gtav/images").iterdir())][:2] == ["00001.png", "00002.png"]
    assert (city / "synthia/GT/LABELS/0000000.png").is_file()
    for folder, count in (
        ("gtav/images", 20),
        ("gtav/labels", 20),
        ("synthia/RGB", 10),
        ("synthia/GT/LABELS", 10),
    ):
        assert len(list((city / folder).iterdir())) == count
    stem = "toyville/toyville_000005_000019_"
    for split, count in (("train", 8), ("val", 6)):
        images = city / "cityscapes/leftImg8bit" / split
        assert len(list(images.rglob("*_leftImg8bit.png"))) == count
        assert (images / f"{stem}leftImg8bit.png").is_file()
        for kind in ("labelIds", "instanceIds"):
            assert (city / "cityscapes/gtFine" / split / f"{stem}gtFine_{kind}.png").is_file()


@pytest.mark.parametrize(
    ("pattern", "depth", "colour_type"),
    [
        ("gtav/images/*.png", 8, 2),
        ("gtav/labels/*.png", 8, 3),
        ("synthia/RGB/*.png", 8, 2),
        ("synthia/GT/LABELS/*.png", 16, 2),
        ("cityscapes/leftImg8bit/*/*/*.png", 8, 2),
        ("cityscapes/gtFine/*/*/*_labelIds.png", 8, 0),
        ("cityscapes/gtFine/*/*/*_instanceIds.png", 16, 0),
    ],
)
def test_png_headers(city: Path, pattern: str, depth: int, colour_type: int) -> None:
    paths = list(city.glob(pattern))
    assert paths
    assert {_header(path) for path in paths} == {(128, 64, depth, colour_type)}


def test_gtav_labels_are_palette_indices(city: Path) -> None:
    image = Image.open(city / "gtav/labels/00001.png")
    assert image.mode == "P"
    expected = toy_city._sample(SPEC, "gtav", 0).labels
    np.testing.assert_array_equal(np.asarray(image), expected)
    palette = np.array([CITYSCAPES_PALETTE[i] for i in range(34)])
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), palette[expected])


def test_synthia_labels_survive_tensorflow(city: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    for k in (0, 3):
        data = (city / f"synthia/GT/LABELS/{k:07d}.png").read_bytes()
        planes = tf.io.decode_png(data, dtype=tf.uint16).numpy()
        sample = toy_city._sample(SPEC, "synthia", k)
        np.testing.assert_array_equal(planes[..., 0], sample.synthia)
        np.testing.assert_array_equal(planes[..., 1], sample.numbers)
        assert not planes[..., 2].any()


def test_all_classes_occur_in_small_sets(city: Path) -> None:
    for folder, pattern in (
        ("gtav/labels", "*.png"),
        ("cityscapes/gtFine/train", "*/*_labelIds.png"),
        ("cityscapes/gtFine/val", "*/*_labelIds.png"),
    ):
        found = set(np.unique(_labels(city / folder, pattern)).tolist())
        assert found >= TRAIN_IDS, (folder, TRAIN_IDS - found)
        assert found - TRAIN_IDS, f"{folder} has no void pixel"
        assert max(found) <= 33


def test_synthia_lacks_what_the_genuine_set_lacks() -> None:
    found = {int(v) for k in range(10) for v in np.unique(toy_city._sample(SPEC, "synthia", k).synthia)}
    absent = {SYNTHIA_IDS[name] for name in ("terrain", "truck", "train", "parking-slot", "road-work")}
    assert found == set(range(23)) - absent


def test_instance_ids_extend_label_ids(city: Path) -> None:
    folder = city / "cityscapes/gtFine"
    labels, instances = _labels(folder, "*/*/*_labelIds.png"), _labels(folder, "*/*/*_instanceIds.png")
    countable = {CITYSCAPES_IDS[c] for c in CITYSCAPES.classes[CITYSCAPES.classes.index("person") :]}
    most = 0
    for label, instance in zip(labels, instances, strict=True):
        np.testing.assert_array_equal(np.where(instance >= 1000, instance // 1000, instance), label)
        assert set(np.unique(label[instance >= 1000]).tolist()) == countable & set(np.unique(label).tolist())
        cars = np.unique(instance[label == CITYSCAPES_IDS["car"]])
        np.testing.assert_array_equal(cars, 26000 + np.arange(len(cars)))
        most = max(most, len(cars))
    assert most >= 3


def test_meta_names_the_unreal_share(city: Path) -> None:
    for name, folder, count in (("gtav", "images", 20), ("synthia", "RGB", 10)):
        meta = _meta(city / name)
        assert [line["image"] for line in meta] == [
            f"{folder}/{p.name}" for p in sorted((city / name / folder).iterdir())
        ]
        assert sum(line["unreal"] for line in meta) == 0.3 * count
        assert all((line["operation"] in UNREAL_OPERATIONS) == line["unreal"] for line in meta)
    assert {line["operation"] for line in _meta(city / "gtav")} == {None, *UNREAL_OPERATIONS}


def test_unreal_layouts_differ_from_the_plain_scene() -> None:
    for share, expected in ((0.0, {""}), (1.0, set(UNREAL_OPERATIONS))):
        samples = [toy_city._sample(ToyCity(size=(64, 128), unreal=share), "gtav", k) for k in range(6)]
        assert {s.operation for s in samples} == expected
    plain = [toy_city._sample(ToyCity(size=(64, 128), unreal=0.0), "gtav", k) for k in range(6)]
    for before, after in zip(plain, samples, strict=True):
        same_layout = np.array_equal(before.labels, after.labels)
        assert same_layout == (after.operation in ("swapped_palette", "neon")), after.operation
        assert not np.array_equal(before.image, after.image)


def test_sky_is_above_the_road_unless_unreal(city: Path) -> None:
    real = _labels(city, "cityscapes/gtFine/*/*/*_labelIds.png")
    gtav = list(zip(_labels(city, "gtav/labels/*.png"), _meta(city / "gtav"), strict=True))
    plausible = real + [labels for labels, meta in gtav if not meta["unreal"]]
    for labels in plausible:
        assert _mean_row(labels, SKY) + 0.3 * SPEC.size[0] < _mean_row(labels, ROAD)
    odd = [labels for labels, meta in gtav if meta["operation"] in ("upside_down", "road_in_the_sky")]
    assert odd
    assert all((labels[: len(labels) // 5] == ROAD).any() for labels in odd)
    assert not any((labels[: len(labels) // 5] == ROAD).any() for labels in plausible)


def test_game_is_flat_and_reality_is_not(city: Path) -> None:
    def neighbours_equal(path: Path) -> float:
        pixels = np.asarray(Image.open(path)).astype(int)
        return float((pixels[:, 1:] == pixels[:, :-1]).all(-1).mean())

    assert min(map(neighbours_equal, city.glob("gtav/images/*.png"))) > 0.7
    assert max(map(neighbours_equal, city.glob("cityscapes/leftImg8bit/*/*/*.png"))) < 0.1


def test_colour_alone_does_not_transfer(city: Path) -> None:
    """Nearest class colour of the game: good in the game, poor but above chance in reality."""

    def load(images: str, labels: str, keep: list[bool]) -> tuple[np.ndarray, np.ndarray]:
        pairs = zip(_labels(city, images), _labels(city, labels), keep, strict=True)
        kept = [(image, label) for image, label, k in pairs if k]
        x, y = (
            np.concatenate([a.reshape(SPEC.size[0] * SPEC.size[1], -1) for a in arrays])
            for arrays in zip(*kept, strict=True)
        )
        trained = np.isin(y[:, 0], list(TRAIN_IDS))
        return x[trained].astype(float), y[trained, 0]

    x, y = load("gtav/images/*.png", "gtav/labels/*.png", [not m["unreal"] for m in _meta(city / "gtav")])
    classes = np.unique(y)
    centres = np.stack([x[y == c].mean(0) for c in classes])

    def accuracy(x: np.ndarray, y: np.ndarray) -> float:
        distances = np.stack([((x - centre) ** 2).sum(-1) for centre in centres])
        return float((classes[distances.argmin(0)] == y).mean())

    real = load("cityscapes/leftImg8bit/train/*/*.png", "cityscapes/gtFine/train/*/*_labelIds.png", [True] * 8)
    assert accuracy(x, y) > 0.8
    assert 0.08 < accuracy(*real) < 0.5


def test_same_seed_same_bytes_and_superset(city: Path, tmp_path: Path) -> None:
    less = replace(SPEC, gtav=7, synthia=4, train=2, val=1)
    small, whole = _bytes(generate(tmp_path / "less", less)), _bytes(city)
    assert len(small) == 2 * 7 + 2 * 4 + 3 * 2 + 3 * 1
    assert all(whole[name] == data for name, data in small.items())
    assert _meta(city / "gtav")[:7] == _meta(tmp_path / "less/gtav")

    differing = _bytes(generate(tmp_path / "other", replace(less, seed=4)))
    assert differing.keys() == small.keys()
    assert not any(differing[name] == data for name, data in small.items())


def test_images_of_one_set_and_of_all_sets_differ(city: Path) -> None:
    images = [data for name, data in _bytes(city).items() if "images" in name or "RGB" in name or "left" in name]
    assert len(images) == len(set(images)) == 44


TINY = ToyCity(size=(32, 64), gtav=1, synthia=0, train=1, val=1)


def test_finished_folder_is_left_alone(tmp_path: Path) -> None:
    root = generate(tmp_path / "deep" / "city", TINY)
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*")}
    assert generate(str(root), TINY) == root
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*")} == before
    assert [p.name for p in root.parent.iterdir()] == ["city"]


@pytest.mark.fault("`hrs toy-city` into a folder with other files", "refused; nothing is touched")
def test_other_folders_are_refused(tmp_path: Path) -> None:
    root = generate(tmp_path / "city", TINY)
    with pytest.raises(FileExistsError, match=r"another toy city \(gtav 1, not 2\): .*choose another"):
        generate(root, replace(TINY, gtav=2))
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    generate(foreign, TINY)  # an empty folder is as good as none
    (tmp_path / "full").mkdir()
    (tmp_path / "full/note.txt").write_text("mine")
    for taken in (tmp_path / "full", tmp_path / "full/note.txt"):
        with pytest.raises(FileExistsError, match=f"{taken.name} .*choose another folder"):
            generate(taken, TINY)
    assert (tmp_path / "full/note.txt").read_text() == "mine"


@pytest.mark.fault("`hrs toy-city` interrupted", "nothing half is left")
def test_interrupted_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(toy_city, "write_cityscapes", fail)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "city", TINY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("a toy city whose record is damaged", "refused; nothing is touched")
def test_damaged_record_is_no_toy_city(tmp_path: Path) -> None:
    (tmp_path / "toy_city.json").write_text("[1")
    with pytest.raises(FileExistsError, match="not an empty folder"):
        generate(tmp_path, TINY)


@pytest.mark.parametrize(
    ("folder", "options", "message"),
    [
        ("full", [], "full is not an empty folder: delete it or choose another folder"),
        ("full/note.txt", [], "note.txt is not an empty folder"),
        ("full/note.txt/city", [], "cannot write .*city: Not a directory"),
        ("city", ["--seed", "5"], r"holds another toy city \(.*seed 0, not 5\)"),
        ("new", ["--val", "-1"], "val must not be negative, got -1"),
    ],
)
def test_command_line_says_what_is_wrong_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str, options: list[str], message: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/note.txt").write_text("mine")
    generate(tmp_path / "city", TINY)
    before = {p for p in tmp_path.rglob("*")}
    assert main(["toy-city", str(tmp_path / folder), *options]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(f"hrs: .*{message}.*\n", error), error
    assert {p for p in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("bad", [{"size": (16, 64)}, {"gtav": -1}, {"unreal": 1.5}, {"seed": -1}])
def test_parameters_are_checked(bad: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        ToyCity(**bad)
