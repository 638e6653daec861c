"""What strangers write: values, texts, names of files, and damage to files."""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from support.png import BITS, CHANNELS, GREY, PALETTE, RGB, Png

MORE_CASES = 5
"""Times as many in a round of ``make fuzz``."""


def cases(number: int) -> settings:
    """So many cases in ``make test``."""
    fuzzing = settings.get_current_profile_name() == "fuzz"
    return settings(max_examples=number * (MORE_CASES if fuzzing else 1))


# ---- values ------------------------------------------------------------------------------------------------------

_words = st.sampled_from(
    ["", " ", "null", "~", "1e-4", "road", "ignore", "*", "a/*.png", "{split}", "$x$", "a|b", "\n"]
)
texts = st.text(max_size=12) | _words | st.text(st.characters(categories=["Cc", "Co", "Zl"]), max_size=3)
halves = st.text(st.characters(categories=["Cs"]), min_size=1, max_size=2)
"""Surrogates, of which YAML and JSON can name one without the other of its pair."""
numbers = (
    st.integers(-2, 300)
    | st.integers()
    | st.sampled_from([2**31 - 1, 2**31, 2**63, 2**64, 10**320])
    | st.floats()
    | st.floats(0, 1)
)
keys = texts | st.integers(-1, 300) | st.booleans() | st.none()
plain = st.none() | st.booleans() | numbers | texts
"""What JSON holds at its leaves; NaN and infinity, which Python's JSON has, too."""
json_values = plain | st.recursive(
    plain, lambda below: st.lists(below, max_size=4) | st.dictionaries(texts, below, max_size=4), max_leaves=8
)
values = plain | st.recursive(
    plain, lambda below: st.lists(below, max_size=4) | st.dictionaries(keys, below, max_size=4), max_leaves=8
)
"""Plain data as YAML gives it: keys need not be texts."""
_sets = st.frozensets(st.integers(0, 9), max_size=3).map(set)
yaml_values = plain | st.recursive(
    plain | halves | st.dates() | st.datetimes() | st.binary(max_size=4) | _sets,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(keys, below, max_size=4),
    max_leaves=8,
)


# ---- a value anywhere in a tree ----------------------------------------------------------------------------------


def paths_in(tree: Any, prefix: tuple = ()) -> list[tuple]:
    """The way to every place in plain data, but for the whole."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path for key, below in items for path in ((*prefix, key), *paths_in(below, (*prefix, key)))]


def at(tree: Any, path: tuple) -> Any:
    """What lies there."""
    for key in path:
        tree = tree[key]
    return tree


def with_value(tree: Any, path: tuple, value: Any) -> Any:
    """A copy that has another value there."""
    tree = copy.deepcopy(tree)
    at(tree, path[:-1])[path[-1]] = value
    return tree


def anywhere(tree: Any, values: st.SearchStrategy) -> st.SearchStrategy[tuple[tuple, Any]]:
    """A place in ``tree``, and what is put there: one of ``values``, or what stands elsewhere in the tree."""
    places = st.sampled_from(paths_in(tree))
    return st.tuples(places, values | places.map(lambda path: copy.deepcopy(at(tree, path))))


# ---- PNG files ---------------------------------------------------------------------------------------------------


@st.composite
def pngs(draw: st.DrawFn) -> Png:
    """Of a few values each, as labels are; any bit depth, filter, interlacing, and chunks that change no id."""
    colour_type = draw(st.sampled_from(sorted(BITS)))
    bits, channels = draw(st.sampled_from(BITS[colour_type])), CHANNELS[colour_type]
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.integers(0, 2**bits, draw(st.integers(1, 6)))
    palette = rng.integers(0, 256, (int(values.max()) + 1, 3)).astype(np.uint8) if colour_type == PALETTE else None
    extra = draw(st.lists(st.sampled_from(_extra(colour_type)), unique=True, max_size=2))
    return Png(
        colour_type,
        bits,
        rng.choice(values, (height, width, channels)),
        palette,
        draw(st.lists(st.integers(0, 4), min_size=1, max_size=3)),
        draw(st.booleans()),
        extra,
        draw(st.integers(1, 200)),
    )


def _extra(colour_type: int) -> list[tuple[bytes, bytes]]:
    """Gamma, resolution, time, a text, and transparency where it is no channel."""
    chunks = [
        (b"gAMA", (45455).to_bytes(4, "big")),
        (b"pHYs", bytes(9)),
        (b"tIME", b"\x07\xea\x01\x02\x03\x04\x05"),
        (b"tEXt", b"Comment\0road"),
    ]
    transparent = {GREY: bytes(2), RGB: bytes(6), PALETTE: bytes(1)}
    return chunks + ([(b"tRNS", transparent[colour_type])] if colour_type in transparent else [])


# ---- names of files ----------------------------------------------------------------------------------------------

_names = st.sampled_from(
    [
        *(
            "[1]",
            "a[0-9]",
            "exp[1",
            "]",
            "*",
            "a*b?",
            "\\",
            "\\1",
            "~",
            "~root",
            " ",
            "a ",
            "-x",
            "--help",
            "{split}",
            "%s",
            "$HOME",
        ),
        *(
            "a=b",
            "a:b",
            "#",
            "'",
            '"',
            "`",
            "<b>",
            "|",
            ";",
            "&",
            "!",
            "a.yaml",
            "a.",
            "..a",
            ".a",
            "a.partial",
            "lock",
        ),
        *("straße_é", "straße_e\u0301", "\n", "a\tb", "\x7f", "\u2028", "\udcff", "\ufeff", "1", "x" * 255, "é" * 127),
    ]
)


def file_names(longest: int = 255) -> st.SearchStrategy[str]:
    """Names that Linux takes, of up to so many bytes; they need not be UTF-8."""
    drawn = _names | st.text(min_size=1, max_size=12) | st.binary(min_size=1, max_size=12).map(os.fsdecode)
    pieces = st.lists(_names.filter(lambda name: len(name) < 9), min_size=1, max_size=3).map("".join)
    return (drawn | pieces).filter(lambda name: _is_file_name(name, longest))


def _is_file_name(name: str, longest: int) -> bool:
    try:
        return name not in (".", "..") and not {"/", "\0"} & set(name) and len(os.fsencode(name)) <= longest
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        return False


# ---- damage ------------------------------------------------------------------------------------------------------


def damaged(contents: bytes) -> st.SearchStrategy[bytes]:
    """The contents of a file cut off, or with bytes changed, left out, or put in."""
    places = st.integers(0, len(contents) - 1)
    cut = places.map(lambda end: contents[:end])
    changed = st.tuples(places, st.integers(1, 255)).map(lambda at: xor(contents, *at))
    removed = st.tuples(places, st.integers(1, 64)).map(lambda at: contents[: at[0]] + contents[at[0] + at[1] :])
    inserted = st.tuples(places, st.binary(min_size=1, max_size=8)).map(
        lambda at: contents[: at[0]] + at[1] + contents[at[0] :]
    )
    overwritten = st.tuples(places, st.integers(1, 64)).map(
        lambda at: contents[: at[0]] + bytes(len(contents[at[0] : at[0] + at[1]])) + contents[at[0] + at[1] :]
    )
    return cut | changed | removed | inserted | overwritten | st.binary(max_size=64)


def xor(contents: bytes, position: int, bits: int) -> bytes:
    """The contents with some bits of one byte changed."""
    return contents[:position] + bytes([contents[position] ^ bits]) + contents[position + 1 :]


def damaged_text(text: str) -> st.SearchStrategy[bytes]:
    """A text file with a line left out, twice, or indented otherwise; or damaged as any file."""
    lines = text.splitlines(keepends=True)
    places = st.integers(0, len(lines) - 1)
    edits: list[Callable[[str], str]] = [lambda line: "", lambda line: line * 2, lambda line: " " + line, str.strip]
    edited = st.tuples(places, st.sampled_from(edits)).map(
        lambda edit: "".join([*lines[: edit[0]], edit[1](lines[edit[0]]), *lines[edit[0] + 1 :]]).encode()
    )
    return edited | damaged(text.encode())


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """The files below a folder with their contents, and the folders."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
