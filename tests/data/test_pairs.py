"""Finding pairs: keys, orphans, duplicates, and which samples a subset takes."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from hrs_keras.data.pairs import Pairs, find_pairs
from hrs_keras.errors import DataError
from hrs_keras.recipe.data import Dataset


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


def test_two_files_for_one_sample(touch):
    root = touch("i/a.png", "i/a.jpg", "l/a.png")
    with pytest.raises(DataError, match=r"i/a\.jpg and .*i/a\.png stand for the same sample; keep one"):
        find_pairs(dataset("i/*", "l/*.png"), root)


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


def test_root_that_is_a_file(tmp_path):
    (tmp_path / "set").touch()
    with pytest.raises(DataError, match="does not exist"):
        find_pairs(dataset("i/*", "l/*"), tmp_path)


def test_only_the_star_is_special(touch):
    root = touch("i[1]/a?.png", "i1/ax.png", "l+/a?.png", "l+/ax.png")
    pairs = find_pairs(dataset("./i[1]//*.png", "l+/*.png"), root)
    assert names(root, pairs.images) == ["i[1]/a?.png"]
    assert names(root, pairs.orphans) == ["l+/ax.png"]


def test_pattern_without_star_names_one_sample(touch):
    root = touch("a.png", "b.png", "c.png")
    assert names(root, find_pairs(dataset("a.png", "c.png"), root).labels) == ["c.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_unreadable_folder_is_not_passed_over(touch):
    root = touch("i/x/a.png", "i/y/b.png", "l/x/a.png", "l/y/b.png")
    (root / "set/i/y").chmod(0)
    try:
        with pytest.raises(DataError, match=r"cannot list .*i/y: Permission denied"):
            find_pairs(dataset("i/*/*.png", "l/*/*.png"), root)
    finally:
        (root / "set/i/y").chmod(0o755)


# ---- subsets ---------------------------------------------------------------------------------------------------


def pairs_of(count: int) -> Pairs:
    files = [tuple(Path(f"{kind}/{i:03}") for i in range(count)) for kind in "il"]
    return Pairs(dataset("i/*", "l/*"), "pairs", *files, orphans=(Path("orphan"),))


def chosen(amount, seed=0, count=40) -> set[str]:
    subset = pairs_of(count).subset(amount, seed)
    assert [path.name for path in subset.images] == [path.name for path in subset.labels]
    assert list(subset.images) == sorted(subset.images) and subset.orphans == (Path("orphan"),)
    return {path.name for path in subset.images}


@pytest.mark.parametrize(
    ("amount", "count"), [(None, 40), (1.0, 40), (1, 1), (40, 40), (0.5, 20), (0.125, 5), (0.001, 1), (7, 7)]
)
def test_subset_size(amount, count):
    assert len(chosen(amount)) == count


def test_smaller_subsets_are_part_of_larger_ones():
    subsets = [chosen(amount) for amount in (1, 0.125, 10, 0.5, 39, None)]
    assert all(small < large for small, large in pairwise(subsets))


def test_subset_is_seeded_and_not_the_first_files():
    assert chosen(0.5, seed=3) == chosen(20, seed=3) != chosen(20, seed=4)
    assert chosen(20) != {f"{i:03}" for i in range(20)}


def test_subset_larger_than_the_set():
    with pytest.raises(DataError, match="pairs: subset: 41 asks for more than the 40 usable samples there are"):
        pairs_of(40).subset(41, 0)


def test_without_keeps_images_and_labels_together():
    rest = pairs_of(4).without({0, 2})
    assert [path.name for path in rest.images] == [path.name for path in rest.labels] == ["001", "003"]
