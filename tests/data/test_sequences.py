"""Which images make up a sequence, by their names."""

import pytest

from hrs_keras.data.sequences import folders_of, sequences_of


def groups(*names: str) -> list[int]:
    """Number of each name's sequence, in the order of their first images."""
    keys = sequences_of(names)
    return [list(dict.fromkeys(keys)).index(key) for key in keys]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        # Cityscapes: a city's sequence, also of one city
        (
            ["bonn/bonn_000000_000019_leftImg8bit.png", "bonn/bonn_000000_000294_leftImg8bit.png",
             "bonn/bonn_000001_000019_leftImg8bit.png", "ulm/ulm_000000_000019_leftImg8bit.png"],
            [0, 0, 1, 2],
        ),
        (["0016E5_07959.png", "0016E5_07961.png", "Seq05VD_f02370.png", "Seq05VD_f05100.png"], [0, 0, 1, 1]),  # CamVid
        (["drive1/0001.png", "drive1/0002.png", "drive2/0001.png"], [0, 0, 1]),
        (["119/024541_image.jpg", "119/024542_image.jpg", "163/024541_image.jpg"], [0, 0, 1]),  # IDD
        (["0001.png", "0002.png"], [0, 0]),
        (["a/frame_1.png", "a/frame_2.png", "b/frame_1.png"], [0, 0, 1]),
        (["street_1.png", "street_2.png", "the market.png"], [0, 0, 0]),  # not all are numbered: the folder alone
        (["7d06fefd-f7be05a6.jpg", "7d06fefd-8c91fc30.jpg"], [0, 0]),  # hexadecimal numbers
        # Letters before the number: two cameras, or two drives
        (["driveA0001.png", "driveA0002.png", "driveB0001.png"], [0, 0, 1]),
        (["f02370.png", "f02371.png"], [0, 0]),
        (["day_a0001.png", "day_a0002.png", "day_b0001.png", "night_a0001.png"], [0, 0, 1, 2]),
        (["a-1.png", "a_2.png", "b-1.png"], [0, 0, 1]),
        (["frame.1_1.png", "frame.1_2.png", "frame.2_1.png"], [0, 0, 1]),
        (["a\n_1.png", "a\n_2.png", "b\"'_1.png", "\udcff_1.png"], [0, 0, 1, 2]),
    ],
)  # fmt: skip
def test_sequences(names, expected):
    assert groups(*names) == expected


def test_folders():
    assert folders_of(["a/b/1.png", "a/2.png", "3.png"]) == ["a/b", "a", "."]


def test_sequences_lie_in_folders():
    """Whoever takes folders for sequences keeps all sequences whole."""
    names = ["ulm/ulm_0_1.png", "ulm/ulm_1_1.png", "bonn/bonn_0_1.png", "bonn/bonn_0_2.png"]
    assert len(set(zip(folders_of(names), sequences_of(names), strict=True))) == len(set(sequences_of(names))) == 3


def test_the_order_of_keys_is_that_of_the_prefixes():
    """The bootstrap numbers sequences in the order of their keys: another order would give another interval."""
    assert sequences_of(["b/ulm_000001_000019_leftImg8bit.png"]) == ["b/ulm_000001_"]
    assert sequences_of(["0016E5_07959.png", "0001TP-08.png", "7.png"]) == ["0016E5_", "0001TP_", "_"]
