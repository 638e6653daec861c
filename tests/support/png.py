"""PNG files of every kind, written from the format's definition (https://www.w3.org/TR/png/) alone."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
BITS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGB_ALPHA: (8, 16)}

# First column and row of each of Adam7's passes, and the steps.
_WHOLE = [(0, 0, 1, 1)]
_ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


class Png(NamedTuple):
    """A PNG file.

    Attributes:
        colour_type, bits: as its header has them.
        samples: [h, w, c] integers below ``2 ** bits``; of a palette PNG the indices.
        palette: [n, 3] uint8, for palette PNGs.
        filters: of the rows, 0 to 4; they repeat.
        interlaced: by Adam7.
        extra: further chunks before the pixels: (name, data).
        split: bytes of pixel data in a chunk.
    """

    colour_type: int
    bits: int
    samples: np.ndarray
    palette: np.ndarray | None = None
    filters: Sequence[int] = (0,)
    interlaced: bool = False
    extra: Sequence[tuple[bytes, bytes]] = ()
    split: int = 1 << 16

    @property
    def colours(self) -> np.ndarray:
        """[h, w, 3] what each pixel shows, 8 bits a channel; without transparency."""
        if self.palette is not None:
            return self.palette[self.samples[..., 0]]
        shown = self.samples * 255 // (2**self.bits - 1)
        return shown[..., :3] if self.colour_type in (RGB, RGB_ALPHA) else np.repeat(shown[..., :1], 3, axis=-1)

    def to_bytes(self) -> bytes:
        """The file."""
        height, width, _ = self.samples.shape
        header = struct.pack(">IIBBBBB", width, height, self.bits, self.colour_type, 0, 0, self.interlaced)
        pixels = zlib.compress(b"".join(self._rows()))
        chunks = [(b"IHDR", header), *((name, data) for name, data in self.extra if name != b"tRNS")]
        if self.palette is not None:
            chunks.append((b"PLTE", self.palette.astype(np.uint8).tobytes()))
        chunks += [(name, data) for name, data in self.extra if name == b"tRNS"]
        chunks += [(b"IDAT", pixels[at : at + self.split]) for at in range(0, len(pixels), self.split)]
        return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in (*chunks, (b"IEND", b"")))

    def _rows(self) -> Iterator[bytes]:
        pixel = max(1, self.bits * CHANNELS[self.colour_type] // 8)
        number = 0
        for left, top, right, down in _ADAM7 if self.interlaced else _WHOLE:
            above: np.ndarray | None = None
            part = self.samples[top::down, left::right]
            for row in part if part.shape[1] else ():
                packed = _packed(row.ravel(), self.bits)
                yield _filtered(packed, np.zeros_like(packed) if above is None else above, pixel, self._filter(number))
                above, number = packed, number + 1

    def _filter(self, row: int) -> int:
        return self.filters[row % len(self.filters)]


def chunk(name: bytes, data: bytes) -> bytes:
    """A part of a PNG file: length, name, data, checksum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _packed(samples: np.ndarray, bits: int) -> np.ndarray:
    if bits == 16:
        return np.frombuffer(samples.astype(">u2").tobytes(), np.uint8)
    if bits == 8:
        return samples.astype(np.uint8)
    return np.packbits((samples[:, None] >> np.arange(bits - 1, -1, -1)) & 1)


def _filtered(row: np.ndarray, above: np.ndarray, pixel: int, kind: int) -> bytes:
    """A row's bytes less what is predicted of them: from the left, above, both, or by Paeth."""
    x, b = row.astype(int), above.astype(int)
    a, c = (np.concatenate([np.zeros(pixel, int), line[:-pixel]])[: len(x)] for line in (x, b))
    p = a + b - c
    distance = [abs(p - a), abs(p - b), abs(p - c)]
    paeth = np.where((distance[0] <= distance[1]) & (distance[0] <= distance[2]), a, 0)
    paeth = np.where((distance[1] < distance[0]) & (distance[1] <= distance[2]), b, paeth)
    paeth = np.where((distance[2] < distance[0]) & (distance[2] < distance[1]), c, paeth)
    predicted = (np.zeros_like(x), a, b, (a + b) // 2, paeth)[kind]
    return bytes([kind]) + ((x - predicted) % 256).astype(np.uint8).tobytes()
