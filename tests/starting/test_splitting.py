"""Splitting one folder into parts that no sequence is in two of."""

import pytest

from hrs_keras.starting.pairing import pair
from hrs_keras.starting.splitting import split


def group(*names: str):
    files = [f"{kind}/{name}.png" for name in names for kind in ("images", "labels")]
    return pair(files, lambda _: False).groups[0]


def test_folders_stay_whole():
    found = split(group(*(f"{city}/{i:03}" for city in "abcdefgh" for i in range(5))), with_test=True)
    assert found.why == "by folder, of which there are 8"
    folders = {role: {gaps[0] for gaps in samples} for role, samples in found.parts.items()}
    assert {role: len(own) for role, own in folders.items()} == {"target": 4, "validation": 2, "test": 2}
    assert len(set.union(*folders.values())) == 8
    assert sum(map(len, found.parts.values())) == 40


def test_sequences_that_names_tell_stay_whole():
    found = split(
        group(*(f"{drive}_{i:06}" for drive in ("01", "02", "03", "04", "05", "06", "07") for i in range(4))),
        with_test=True,
    )
    assert found.why == "by sequence, as names tell them: there are 7"
    drives = [{gaps[-1][:2] for gaps in samples} for samples in found.parts.values()]
    assert sum(map(len, drives)) == 7 == len(set.union(*drives))


@pytest.mark.parametrize("separator", ["", "_", "_f", "-"])
def test_letters_and_separators_before_the_number(separator):
    found = split(group(*(f"drive{d}{separator}{i:03}" for d in "ABCDE" for i in range(4))), with_test=False)
    assert found.why == "by sequence, as names tell them: there are 5"
    drives = [{gaps[-1][:6] for gaps in samples} for samples in found.parts.values()]
    assert sum(map(len, drives)) == 5


def test_a_dot_in_a_name_begins_no_suffix():
    found = split(group(*(f"day.{d}_{i:03}" for d in range(4) for i in range(4))), with_test=False)
    assert found.why == "by sequence, as names tell them: there are 4"


def test_hexadecimal_names_are_no_sequences():
    names = [f"{i * 2654435761 % 2**32:08x}-{i * 40503 % 2**16:04x}" for i in range(1, 41)]
    assert split(group(*names), with_test=False).why.startswith("by image, for want of sequences")


def test_images_without_sequences_are_split_in_blocks():
    found = split(group(*(f"{i:03}" for i in range(100))), with_test=True)
    assert found.why.startswith("by image, for want of sequences, in blocks of consecutive names")
    assert {role: len(samples) for role, samples in found.parts.items()} == {"target": 70, "validation": 15, "test": 15}
    assert found == split(group(*(f"{i:03}" for i in reversed(range(100)))), with_test=True)


@pytest.mark.parametrize(
    "count, roles", [(2, None), (3, ["target", "validation"]), (10, ["target", "validation", "test"])]
)
def test_few_images(count, roles):
    found = split(group(*(f"{i:03}" for i in range(count))), with_test=True)
    assert (found and list(found.parts)) == roles
    assert found is None or sum(map(len, found.parts.values())) == count


def test_without_images_to_test_on():
    found = split(group(*(f"{i:03}" for i in range(20))), with_test=False)
    assert {role: len(samples) for role, samples in found.parts.items()} == {"target": 17, "validation": 3}
