"""Which images a list names."""

import numpy as np
import pytest

from hrs_keras.data.lists import choose
from hrs_keras.errors import HRSError
from hrs_keras.ranking.columns import Columns
from hrs_keras.ranking.images import ImageName
from hrs_keras.ranking.keeping import Candidate, best, refuse_unlistable, write_lists
from hrs_keras.recipe.data import Dataset

COLUMNS = Columns([], {"match": "highest", "distance": "lowest"})


def candidates(rarest, values, by="match"):
    return [Candidate(ImageName(str(i), 0), r, {by: v}) for i, (r, v) in enumerate(zip(rarest, values, strict=True))]


def kept(rarest, values, share, by="match"):
    return [int(image.name) for image in best(candidates(rarest, values, by), share, by, COLUMNS)]


def test_the_best_end_in_the_tables_order():
    values = [0.1, 0.9, 0.5, 0.7]
    assert kept("aaaa", values, 0.5) == [1, 3]
    assert kept("aaaa", values, 0.5, "distance") == [0, 2]


def test_each_rarest_class_gives_its_share():
    """Eight images of a and four of b, all of b worse: half of each."""
    values = [8, 7, 6, 5, 4, 3, 2, 1, -1, -2, -3, -4]
    assert kept("aaaaaaaabbbb", values, 0.5) == [0, 1, 2, 3, 8, 9]


def test_how_many_by_hand():
    """Of 5, 3 and 2 images 40 %: 2, 1.2 and 0.8 are 2, 1 and 1. Of 7, 2 and 1 30 %: 2.1, 0.6, 0.3 are 2, 1 and 1."""
    assert kept("aaaaabbbcc", range(10), 0.4) == [3, 4, 7, 9]
    assert kept("aaaaaaabbc", range(10), 0.3) == [5, 6, 8, 9]
    assert kept("aaabbb", range(6), 0.5) == [1, 2, 5]  # 1.5 each, three in all: the first stratum gets the odd one


@pytest.mark.parametrize("share", [0.01, 0.29, 0.5, 0.7, 0.999, 1.0])
def test_how_many_do_not_depend_on_the_column(share):
    rng = np.random.default_rng(0)
    rarest = rng.choice(list("abcd"), 200, p=[0.7, 0.2, 0.09, 0.01])
    lists = [kept(rarest, rng.random(200), share) for _ in range(3)]
    counts = [[sum(rarest[i] == name for i in one) for name in "abcd"] for one in lists]
    assert counts[0] == counts[1] == counts[2] and min(counts[0]) >= 1
    assert len(lists[0]) == max(round(share * 200), 4)


def test_equal_and_undefined_values():
    """Of equal ones the first; what is not defined comes last, at either end."""
    assert kept("aaaa", [1, 2, 2, 2], 0.5) == [1, 2]
    assert kept("aaaa", [None, -5, None, -4], 0.5) == kept("aaaa", [None, -5, None, -4], 0.5, "distance") == [1, 3]


def test_without_labels_there_is_one_stratum():
    assert kept([None] * 4, [1, 2, 3, 4], 0.5) == [2, 3]


NAMES = ["train/images/a.png", "# b.png", " c.png", "d.png ", "ä/é.png", "e#.png"]


def test_a_list_is_read_as_only_reads_it(tmp_path):
    """Also where a name begins like a comment, or begins or ends with a space."""
    refuse_unlistable([ImageName(name, 0) for name in NAMES])
    files = write_lists(tmp_path / "best-0.5", [ImageName(name, 0) for name in NAMES], 1)
    assert files == {0: tmp_path / "best-0.5.txt"}
    dataset = Dataset(images="a/*", labels="b/*", ids="camvid", only=str(files[0]))
    assert choose([*NAMES, "other.png"], dataset, "it") == {*NAMES}


def test_several_data_sets_have_a_list_each(tmp_path):
    images = [ImageName("a", 0), ImageName("b", 2), ImageName("c", 0)]
    files = write_lists(tmp_path / "best", images, 3)
    assert {number: file.read_text() for number, file in files.items()} == {0: "a\nc\n", 2: "b\n"}
    assert [file.name for file in files.values()] == ["best-0.txt", "best-2.txt"]
    assert write_lists(tmp_path / "one", images[:1], 3) == {0: tmp_path / "one-0.txt"}


@pytest.mark.fault(
    "`hrs rank --keep` of images whose names a list cannot hold (line breaks, not UTF-8)",
    "exit code 2 before the first image; one is named",
)
@pytest.mark.parametrize("name", ["a\nb.png", "a\rb.png", "a\u2028b.png", "a\x1c.png", "tail\n", "\udcff.png"])
def test_names_that_no_list_can_hold(name):
    with pytest.raises(HRSError, match="cannot be named; rename it"):
        refuse_unlistable([ImageName("fine.png", 0), ImageName(name, 0)])
