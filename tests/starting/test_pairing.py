"""Which files are images, which are labels, and the patterns that find the pairs of them."""

import time

import pytest

from hrs_keras.data.finding import find_pairs
from hrs_keras.errors import DataError
from hrs_keras.recipe.dataset import Dataset
from hrs_keras.starting.listing import list_files
from hrs_keras.starting.pairing import orphans, pair


def refuse(name: str) -> bool:
    raise AssertionError(f"{name} was looked at, though the names tell")


@pytest.fixture
def touch(tmp_path):
    """Make empty files; returns their listing."""

    def make(*names: str):
        for name in names:
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return list_files(tmp_path / "set", "--target")

    return make


UNITY = ("RGB1a2b3c4d-0000-4000-8000-0123456789ab", "SemanticSegmentation9f8e7d6c-0000-4000-8000-0123456789ab")
LAYOUTS = {
    "folders": (
        ["images/1.jpg", "images/2.jpg", "masks/1.png", "masks/2.png"],
        ("images/*.jpg", "masks/*.png"),
    ),
    "folders below others": (
        ["a/rgb/1.png", "b/rgb/1.png", "a/seg/1.png", "b/seg/1.png"],
        ("*/rgb/*.png", "*/seg/*.png"),
    ),
    "folders of several names": (
        ["RGB/1.png", "RGB/2.png", "GT/LABELS/1.png", "GT/LABELS/2.png", "GT/COLOR/1.png", "Depth/1.png"],
        ("RGB/*.png", "GT/LABELS/*.png"),
    ),
    "cityscapes": (
        [
            *(f"leftImg8bit/train/{city}/{city}_0_leftImg8bit.png" for city in ("ulm", "bonn")),
            *(f"gtFine/train/{c}/{c}_0_gtFine_{kind}.png" for c in ("ulm", "bonn") for kind in ("labelIds", "color")),
        ],
        ("leftImg8bit/train/*/*_leftImg8bit.png", "gtFine/train/*/*_gtFine_labelIds.png"),
    ),
    "suffixes": (["1_rgb.png", "2_rgb.png", "1_seg.png", "2_seg.png"], ("*_rgb.png", "*_seg.png")),
    "a suffix of labels alone": (["1.jpg", "2.jpg", "1_mask.png", "2_mask.png"], ("*.jpg", "*_mask.png")),
    "suffixes in folders": (
        ["i/frame1_image.jpg", "i/2_image.jpg", "l/frame1_label.png", "l/2_label.png"],
        ("i/*_image.jpg", "l/*_label.png"),
    ),
    "a word in both names": (["images/image_1.jpg", "masks/image_1.png"], ("images/*.jpg", "masks/*.png")),
    "folders that end in words": (
        ["a_images/1.jpg", "b_images/1.jpg", "a_masks/1.png", "b_masks/1.png"],
        ("*_images/*.jpg", "*_masks/*.png"),
    ),
    "prefixes": (
        ["rgb_0.png", "rgb_1.png", "semantic_segmentation_0.png", "semantic_segmentation_1.png", "depth_0.png"],
        ("rgb_*.png", "semantic_segmentation_*.png"),
    ),
    "a folder a sample": (["a/rgb.png", "b/rgb.png", "a/label.png", "b/label.png"], ("*/rgb.png", "*/label.png")),
    "Unity": (
        [f"sequence.{i}/step0.camera{kind}.png" for i in range(2) for kind in ("", ".semantic segmentation")],
        ("*/*.camera.png", "*/*.camera.semantic segmentation.png"),
    ),
    "Unity before SOLO": (
        [f"{folder}/{kind}_{i}.png" for folder, kind in zip(UNITY, ("rgb", "segmentation"), strict=True) for i in "12"],
        (f"{UNITY[0]}/rgb_*.png", f"{UNITY[1]}/segmentation_*.png"),
    ),
    "CamVid's first form": (
        [f"{name}.png" for i in "12" for name in (f"raw/0006R0_f0093{i}", f"full/0006R0_f0093{i}_L")],
        ("raw/*.png", "full/*_L.png"),
    ),
    "images of the left camera": (
        [f"{kind}/{i}_L.png" for kind in ("images", "labels") for i in range(2)],
        ("images/*.png", "labels/*.png"),
    ),
    "images of two suffixes": (
        ["images/1.jpg", "images/2.png", "labels/1.png", "labels/2.png"],
        ("images/*", "labels/*.png"),
    ),
    "labels that are no PNG files": (
        ["images/1.jpg", "images/2.jpg", "labels/1.tif", "labels/2.tif"],
        ("images/*.jpg", "labels/*.tif"),
    ),
    "BMP beside JPEG": (["1.jpg", "2.jpg", "1.bmp", "2.bmp"], ("*.jpg", "*.bmp")),
    "capitals": (["Images/1.JPG", "Images/2.JPG", "Labels/1.PNG", "Labels/2.PNG"], ("Images/*.jpg", "Labels/*.png")),
    "JPEG beside PNG": (["x/1.jpg", "x/2.jpg", "x/1.png", "x/2.png"], ("x/*.jpg", "x/*.png")),
    "odd names": (
        ["images/it's: #1.png", "images/ö & ü.png", "labels/it's: #1.png", "labels/ö & ü.png"],
        ("images/*.png", "labels/*.png"),
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(touch, tmp_path, layout):
    """The pairs are all there are, and training finds exactly them by the patterns."""
    files, patterns = LAYOUTS[layout]
    listing = touch(*files)
    paired = pair(listing.images, refuse)
    assert [group.patterns() for group in paired.groups] == [patterns]
    samples = paired.groups[0].samples.values()
    assert len(samples) == 2 - (layout == "a word in both names")
    images, labels = patterns
    found = find_pairs(Dataset(root="set", images=images, labels=labels, ids="camvid"), tmp_path)
    there = [
        tuple(str(path.relative_to(tmp_path / "set")) for path in both)
        for both in zip(found.images, found.labels, strict=True)
    ]
    assert sorted(there) == sorted(samples)
    assert not found.orphans


def test_files_without_partner(touch):
    listing = touch("images/1.jpg", "images/2.jpg", "images/3.jpg", "masks/2.png", "masks/4.png", "depth/1.png")
    paired = pair(listing.images, refuse)
    assert (paired.images, paired.labels, paired.pairs) == (3, 2, 1)
    assert paired.alone == ("images/1.jpg", "images/3.jpg", "masks/4.png")
    assert orphans(paired.groups[0], listing.images) == ["images/1.jpg", "images/3.jpg", "masks/4.png"]


def test_labels_beside_images_of_the_same_suffix(touch):
    """A pattern of the images matches the labels, too: that is said."""
    listing = touch("1.png", "1_mask.png", "2.png", "2_mask.png")
    paired = pair(listing.images, refuse)
    assert paired.alone == ()
    assert orphans(paired.groups[0], listing.images) == ["1_mask.png", "2_mask.png"]


def test_folders_whose_names_say_nothing_are_told_by_what_is_in_them(touch):
    paired = pair(touch("a/x/1.png", "a/y/1.png", "b/x/1.png", "b/y/1.png").images, lambda name: name.startswith("b/"))
    assert paired.groups[0].patterns() == ("a/*/*.png", "b/*/*.png")
    assert set(paired.groups[0].samples.values()) == {("a/x/1.png", "b/x/1.png"), ("a/y/1.png", "b/y/1.png")}


def test_parts_that_lie_differently_are_parts_of_their_own(touch):
    listing = touch(
        *(f"{kind}/{name}" for kind in ("images", "labels") for name in ("a/1.png", "a/2.png", "b/c/3.png"))
    )
    groups = pair(listing.images, refuse).groups
    assert [group.patterns() for group in groups] == [
        ("images/a/*.png", "labels/a/*.png"),
        ("images/b/c/*.png", "labels/b/c/*.png"),
    ]


def test_splits(touch):
    listing = touch(*(f"{s}/{kind}/{s}1.png" for s in ("Train", "valid", "test") for kind in ("rgb", "gt")))
    group = pair(listing.images, refuse).groups[0]
    assert group.patterns(split=True) == ("{split}/rgb/*.png", "{split}/gt/*.png")
    assert group.splits() == {"train": "Train", "validation": "valid", "test": "test"}
    assert list(group.of_split("valid").samples.values()) == [("valid/rgb/valid1.png", "valid/gt/valid1.png")]


def test_names_that_no_pattern_can_hold(touch):
    listing = touch("images{1}/1.png", "labels{1}/1.png")
    with pytest.raises(DataError, match=r"the name images\{1\} has '{', which file patterns cannot hold; rename it"):
        pair(listing.images, refuse).groups[0].patterns()


def test_many_files_are_quick(touch):
    """100,000 files would take about 16 times as long as these."""
    files = [f"run{i % 40}/{kind}/{i:06}.png" for i in range(3000) for kind in ("rgb", "semantic")]
    start = time.process_time()
    paired = pair(sorted(files), refuse)
    assert paired.groups[0].patterns() == ("*/rgb/*.png", "*/semantic/*.png") and paired.pairs == 3000
    assert time.process_time() - start < 1
