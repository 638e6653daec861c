"""The samples of a data set: which of them a subset takes, and which keep their labels."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from hrs_keras.data.pairs import Pairs
from hrs_keras.errors import DataError
from hrs_keras.recipe.dataset import Dataset

DATASET = Dataset(root="set", images="i/*", labels="l/*", ids="camvid")


def pairs_of(count: int) -> Pairs:
    files = [tuple(Path(f"{kind}/{i:03}") for i in range(count)) for kind in "il"]
    return Pairs(DATASET, "pairs", *files, orphans=(Path("orphan"),))


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


@pytest.mark.fault("a subset larger than the data", "refused; both numbers are named")
def test_subset_larger_than_the_set():
    with pytest.raises(DataError, match="pairs: subset: 41 asks for more than the 40 usable samples there are"):
        pairs_of(40).subset(41, 0)


def test_without_keeps_images_and_labels_together():
    rest = pairs_of(4).without({0, 2})
    assert [path.name for path in rest.images] == [path.name for path in rest.labels] == ["001", "003"]


# ---- hidden labels ---------------------------------------------------------------------------------------------


def parts(labelled, amount=None, seed=0) -> list[list[str]]:
    """Names of the samples that keep their labels, and of those that do not."""
    pairs = replace(pairs_of(40), class_pixels=tuple((i, 1, 7) for i in range(40)))
    split = pairs.subset_with_hidden_labels(amount, labelled, seed).by_label()
    for kept, part in zip((True, False), split, strict=True):
        rows = {int(path.name): row for path, row in zip(part.images, part.class_pixels, strict=True)}
        # A hidden label tells nothing of its classes: all its pixels count as ignored.
        assert all(row == ((i, 1, 7) if kept else (0, 0, i + 8)) for i, row in rows.items())
        assert [path.name for path in part.images] == [path.name for path in part.labels]
    return [[path.name for path in part.images] for part in split]


@pytest.mark.parametrize("labelled", [0.125, 7, 1, 1.0, 40])
def test_labels_are_kept_of_the_samples_that_a_subset_takes(labelled):
    kept, others = parts(labelled)
    assert set(kept) == chosen(labelled) and sorted(kept + others) == [f"{i:03}" for i in range(40)]


def test_all_or_none():
    every = [f"{i:03}" for i in range(40)]
    assert parts("all") == [every, []] and parts("none") == [[], every]


def test_fewer_labels_are_part_of_more():
    assert all(set(few) < set(many) for few, many in pairwise(parts(n)[0] for n in (1, 0.125, 10, 0.5, 39, "all")))


def test_labels_of_a_subset():
    """A quarter of the half that a subset takes keeps its labels: the eighth that a subset of an eighth takes."""
    kept, others = parts(0.25, amount=0.5)
    assert set(kept) == chosen(0.125) and set(kept) | set(others) == chosen(0.5) and not set(kept) & set(others)


@pytest.mark.fault("`data.labelled` asks for more labels than there are samples", "refused; both numbers are named")
def test_more_labels_than_samples():
    with pytest.raises(DataError, match=r"pairs: data\.labelled: 21 asks for more labels than the 20 samples used"):
        parts(21, amount=20)
