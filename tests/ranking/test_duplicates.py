"""Near duplicates: what they are told by, and which group an image gets."""

import io

import numpy as np
from PIL import Image, ImageEnhance

from hrs_keras.ranking.duplicates import MOST_DIFFERENT, NearDuplicates, difference_hash


def as_network_gets(image, size=(96, 128)):
    small = image.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(small, np.float32) / 127.5 - 1


def scene(seed):
    """A photograph-like image: blobs of random colours, smoothed."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8))
    return coarse.resize((320, 240), Image.Resampling.BICUBIC)


def test_the_hash_is_whether_a_pixel_is_darker_than_its_right_neighbour():
    """By Pillow: the image reduced to 17 x 16 by averages."""
    image = np.asarray(scene(0).resize((17 * 8, 16 * 6)), np.float32)
    grey = image.mean(axis=-1).reshape(16, 6, 17, 8).mean(axis=(1, 3))
    expected = (grey[:, :-1] < grey[:, 1:]).ravel()
    np.testing.assert_array_equal(difference_hash(image / 127.5 - 1), expected)


def test_what_changes_little():
    image = scene(1)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    changed = [
        Image.open(file),
        image.resize((200, 150)),
        ImageEnhance.Brightness(image).enhance(0.8),
        ImageEnhance.Contrast(image).enhance(0.7),
    ]
    groups = NearDuplicates()
    assert [groups.group(difference_hash(as_network_gets(one)).numpy()) for one in (image, *changed)] == [1] * 5


def test_other_images_have_groups_of_their_own():
    """Also the mirrored one; as many as the memory of first images has to grow for."""
    groups = NearDuplicates()
    hashes = [difference_hash(as_network_gets(scene(seed))).numpy() for seed in range(100)]
    mirrored = difference_hash(as_network_gets(scene(7))[:, ::-1]).numpy()
    assert [groups.group(one) for one in (*hashes, mirrored)] == list(range(1, 102))
    assert [groups.group(one) for one in hashes] == list(range(1, 101))


def test_a_group_is_around_its_first_image():
    """Not a chain: what differs from the first in too many bits is no member, however near a later member is."""
    first = np.zeros(256, bool)
    near, far = first.copy(), first.copy()
    near[:MOST_DIFFERENT] = True
    far[: MOST_DIFFERENT + 1] = True
    groups = NearDuplicates()
    assert [groups.group(one) for one in (first, near, far, near)] == [1, 1, 2, 1]
