"""Finding pairs: keys, orphans and duplicates."""

import os
import unicodedata
from pathlib import Path

import pytest

from hrs_keras.data.finding import find_pairs
from hrs_keras.errors import DataError
from hrs_keras.recipe.dataset import Dataset


def dataset(images: str, labels: str, **more) -> Dataset:
    return Dataset(root="set", images=images, labels=labels, ids="camvid", **more)


@pytest.fixture
def touch(tmp_path):
    """Make empty files below the data set's folder."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


def names(root: Path, files: tuple[Path, ...]) -> list[str]:
    return [path.relative_to(root / "set").as_posix() for path in files]


def test_cityscapes_layout_with_several_stars(touch):
    root = touch(
        "leftImg8bit/train/ulm/ulm_0_leftImg8bit.png",
        "leftImg8bit/train/aachen/aachen_0_leftImg8bit.png",
        "leftImg8bit/train/aachen/aachen_1_leftImg8bit.png",
        "leftImg8bit/val/bonn/bonn_0_leftImg8bit.png",
        "gtFine/train/aachen/aachen_1_gtFine_labelIds.png",
        "gtFine/train/aachen/aachen_0_gtFine_labelIds.png",
        "gtFine/train/aachen/aachen_0_gtFine_instanceIds.png",
        "gtFine/train/ulm/ulm_0_gtFine_labelIds.png",
        "gtFine/val/bonn/bonn_0_gtFine_labelIds.png",
    )
    pairs = find_pairs(Dataset(format="cityscapes", root="set"), root)
    assert names(root, pairs.images) == [
        "leftImg8bit/train/aachen/aachen_0_leftImg8bit.png",
        "leftImg8bit/train/aachen/aachen_1_leftImg8bit.png",
        "leftImg8bit/train/ulm/ulm_0_leftImg8bit.png",
    ]
    assert names(root, pairs.labels) == [
        "gtFine/train/aachen/aachen_0_gtFine_labelIds.png",
        "gtFine/train/aachen/aachen_1_gtFine_labelIds.png",
        "gtFine/train/ulm/ulm_0_gtFine_labelIds.png",
    ]
    assert pairs.orphans == ()
    assert len(find_pairs(Dataset(format="cityscapes", root="set", split="val"), root)) == 1


def test_same_file_name_in_two_folders_is_two_samples(touch):
    root = touch("i/a/0.png", "i/b/0.png", "l/a/0.png", "l/b/0.png")
    pairs = find_pairs(dataset("i/*/*.png", "l/*/*.png"), root)
    assert names(root, pairs.labels) == ["l/a/0.png", "l/b/0.png"]


def test_open_suffix_is_not_part_of_the_key(touch):
    root = touch("i/a.jpg", "i/b.png", "i/v1.c.jpeg", "l/a.png", "l/b.png", "l/v1.c.png")
    pairs = find_pairs(dataset("i/*", "l/*.png"), root)
    assert names(root, pairs.images) == ["i/a.jpg", "i/b.png", "i/v1.c.jpeg"]
    assert names(root, pairs.labels) == ["l/a.png", "l/b.png", "l/v1.c.png"]


def test_orphans_of_both_kinds(touch):
    root = touch("i/a.png", "i/b.png", "l/b.png", "l/c.png")
    pairs = find_pairs(dataset("i/*.png", "l/*.png"), root)
    assert names(root, pairs.images) == ["i/b.png"]
    assert names(root, pairs.orphans) == ["i/a.png", "l/c.png"]
    assert pairs.without(set()).orphans == ()


@pytest.mark.fault("two files that stand for one sample, such as 1.png and 1.jpg", "refused; both are named")
def test_two_files_for_one_sample(touch):
    root = touch("i/a.png", "i/a.jpg", "l/a.png")
    with pytest.raises(DataError, match=r"i/a\.jpg and .*i/a\.png stand for the same sample; keep one"):
        find_pairs(dataset("i/*", "l/*.png"), root)


@pytest.mark.fault(
    "patterns by which no image finds its label", "refused; both patterns and an example of each are shown"
)
def test_no_pairs_shows_both_patterns_and_keys(touch):
    root = touch("i/a_rgb.png", "i/b_rgb.png", "l/train/a.png")
    with pytest.raises(DataError) as caught:
        find_pairs(dataset("i/*.png", "l/{split}/*.png"), root)
    message = str(caught.value)
    assert "2 files match images: 'i/*.png' and 1 match labels: 'l/train/*.png'" in message
    assert "an image's key is 'a_rgb', a label's 'a': they must be equal" in message


@pytest.mark.parametrize("missing", ["images", "both"])
def test_no_files(touch, missing):
    root = touch("l/a.png") if missing == "images" else touch("x.txt")
    with pytest.raises(DataError, match=r"no image with a label\. 0 files match images"):
        find_pairs(dataset("i/*.png", "l/*.png"), root)


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match=r"folder .*set does not exist; set data\.root \(now .*\)"):
        find_pairs(dataset("i/*", "l/*"), tmp_path)


@pytest.mark.fault("a data folder that is a file", "refused, and named")
def test_root_that_is_a_file(tmp_path):
    (tmp_path / "set").touch()
    with pytest.raises(DataError, match="is not a folder"):
        find_pairs(dataset("i/*", "l/*"), tmp_path)


def test_only_the_star_is_special(touch):
    root = touch("i[1]/a?.png", "i1/ax.png", "l+/a?.png", "l+/ax.png")
    pairs = find_pairs(dataset("./i[1]//*.png", "l+/*.png"), root)
    assert names(root, pairs.images) == ["i[1]/a?.png"]
    assert names(root, pairs.orphans) == ["l+/ax.png"]


def test_pattern_without_star_names_one_sample(touch):
    root = touch("a.png", "b.png", "c.png")
    assert names(root, find_pairs(dataset("a.png", "c.png"), root).labels) == ["c.png"]


@pytest.mark.fault("a subfolder that may not be listed", "refused, not passed over")
@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_unreadable_folder_is_not_passed_over(touch):
    root = touch("i/x/a.png", "i/y/b.png", "l/x/a.png", "l/y/b.png")
    (root / "set/i/y").chmod(0)
    try:
        with pytest.raises(DataError, match=r"cannot list .*i/y: Permission denied"):
            find_pairs(dataset("i/*/*.png", "l/*/*.png"), root)
    finally:
        (root / "set/i/y").chmod(0o755)


# ---- what is no sample -----------------------------------------------------------------------------------------

LITTER = [
    ".DS_Store",  # macOS
    "._a.png",  # macOS on other file systems
    ".hidden.png",
    "Thumbs.db",  # Windows
    "desktop.ini",
    "Icon\r",  # macOS
    "README",
    "notes.txt",
    ".ipynb_checkpoints/a-checkpoint.png",
    "@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg",  # Synology
    "__MACOSX/._a.png",
    "a folder/b.png",
    "folder.png/b.png",
    "a.png.partial",
]


@pytest.mark.fault("hidden files, thumbnails, notes or folders among the images or labels", "they are no samples")
@pytest.mark.parametrize("what", LITTER)
@pytest.mark.parametrize("where", ["i", "l", "both"])
def test_what_is_no_image_is_no_sample(touch, what, where):
    folders = "il" if where == "both" else where
    root = touch("i/a.png", "i/b.JPEG", "l/a.png", "l/b.png", *(f"{folder}/{what}" for folder in folders))
    for labels in ("l/*", "l/*.png"):
        pairs = find_pairs(dataset("i/*", labels), root)
        assert names(root, pairs.images) == ["i/a.png", "i/b.JPEG"] and pairs.orphans == pairs.passed_over == ()


@pytest.mark.parametrize("what", [".ipynb_checkpoints", "@eaDir", "lost+found", "$RECYCLE.BIN", "__MACOSX"])
def test_no_sample_is_looked_for_in_hidden_and_tools_folders(touch, what):
    root = touch("i/x/a.png", "l/x/a.png", f"i/{what}/b.png", f"l/{what}/b.png", f"i/{what}/c.png")
    pairs = find_pairs(dataset("i/*/*.png", "l/*/*.png"), root)
    assert names(root, pairs.images) == ["i/x/a.png"] and pairs.orphans == ()


def test_what_is_hidden_is_found_where_the_pattern_says_so(touch):
    root = touch(".i/a.png", ".i/.b.png", "l/a.png", "l/.b.png")
    assert names(root, find_pairs(dataset(".i/*.png", "l/*.png"), root).images) == [".i/a.png"]
    assert names(root, find_pairs(dataset(".i/.*.png", "l/.*.png"), root).labels) == ["l/.b.png"]


@pytest.mark.fault("images of other formats where a pattern leaves the suffix open", "named: convert them")
def test_images_of_other_formats_are_named(touch):
    root = touch("i/a.webp", "i/b.bmp", "i/notes.txt", "l/a.png", "l/b.png")
    with pytest.raises(DataError) as caught:
        find_pairs(dataset("i/*", "l/*.png"), root)
    assert str(caught.value).endswith(
        "0 files match images: 'i/*' and 2 match labels: 'l/*.png'; 3 more are passed over, whose names do not end in"
        f" .png, .jpg, .jpeg ({root}/set/i/a.webp, for one): convert images of other formats to PNG or JPEG"
    )
    touch("i/a.png")
    pairs = find_pairs(dataset("i/*", "l/*.png"), root)
    assert names(root, pairs.images) == ["i/a.png"]
    assert names(root, pairs.orphans) == ["l/b.png"] and names(root, pairs.passed_over) == ["i/b.bmp"]


def test_a_pattern_with_a_suffix_is_taken_at_its_word(touch):
    """What the file is shows when it is read."""
    root = touch("i/a.webp", "i/a.png", "l/a.png")
    assert names(root, find_pairs(dataset("i/*.webp", "l/*.png"), root).images) == ["i/a.webp"]


# ---- how names are spelt -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("capitals", ["i/a.PNG", "i/a.Png"])
def test_a_suffix_in_capitals(touch, capitals):
    root = touch(capitals, "i/b.png", "i/C.png", "l/a.png", "l/b.PNG", "l/c.png")
    pairs = find_pairs(dataset("i/*.png", "l/*.png"), root)
    assert names(root, pairs.images) == [capitals, "i/b.png"] and names(root, pairs.labels) == ["l/a.png", "l/b.PNG"]
    assert names(root, pairs.orphans) == ["i/C.png", "l/c.png"]  # a key is taken as it is
    touch("i/b.PNG")
    with pytest.raises(DataError, match=r"i/b\.PNG and .*i/b\.png stand for the same sample"):
        find_pairs(dataset("i/*.png", "l/*.png"), root)


COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "straße_é") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("image", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("label", [COMPOSED, DECOMPOSED])
def test_accents_may_be_encoded_otherwise_in_images_labels_and_patterns(touch, image, label):
    """Such as the label of a Mac beside the image of another system."""
    assert COMPOSED != DECOMPOSED
    root = touch(f"i/{image}0.png", f"{image}/{image}0.png", f"l/{label}0.png")
    for pattern in (
        "i/*.png",
        f"i/{COMPOSED}*.png",
        f"i/{DECOMPOSED}*.png",
        f"{COMPOSED}/*.png",
        f"{DECOMPOSED}/*.png",
    ):
        label_pattern = "l/*.png" if pattern.endswith("/*.png") else f"l/{DECOMPOSED}*.png"
        pairs = find_pairs(dataset(pattern, label_pattern), root)
        assert len(pairs) == 1 and pairs.orphans == () and pairs.labels == (root / f"set/l/{label}0.png",)


def test_samples_stay_in_the_order_of_their_names_as_they_are_spelt(touch):
    """Subsets and the order of an epoch follow from it. Decomposed, é comes before z; composed, after it."""
    for accented, order in ((DECOMPOSED[-2:], 1), (COMPOSED[-1], 2)):
        root = touch(*(f"{accented}{folder}/{name}.png" for folder in "il" for name in ("d", accented, "z")))
        pairs = find_pairs(dataset(f"{accented}i/*.png", f"{accented}l/*.png"), root)
        assert [path.stem for path in pairs.images].index(accented) == order
