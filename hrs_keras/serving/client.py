"""A client of an exported model, over REST or gRPC. Over REST it needs neither TensorFlow nor the network's code."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from hrs_keras.data.image_files import open_verified, orientation
from hrs_keras.errors import DataError, ServingError
from hrs_keras.serving.rest import RestTransport
from hrs_keras.serving.transport import ServedModel, Transport


@dataclass(frozen=True)
class Segmentation:
    """The model's answer for one image, at the size of the upright image.

    Attributes:
        class_ids: [h, w] uint8, train ids.
        confidence: [h, w] float32 in [0, 1], the probability of that class in steps of 1/255.
    """

    class_ids: np.ndarray
    confidence: np.ndarray


class ServingClient:
    """Asks a served export of this package; a context manager that closes its connection.

    Args:
        served: the model, where it is served, and how patiently it is asked.

    Raises:
        ServingError: the address is neither one of REST nor one of gRPC.
    """

    def __init__(self, served: ServedModel):
        self._transport = _transport(served)

    def __enter__(self) -> "ServingClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def versions(self) -> dict[int, str]:
        """The model's versions, ascending -> their state, such as ``AVAILABLE`` or ``LOADING``.

        Raises:
            ServingError: see :meth:`segment`.
        """
        return self._transport.versions()

    def segment(self, images: Sequence[bytes]) -> list[Segmentation]:
        """Segment images, all in one request.

        Args:
            images: the contents of PNG or JPEG files of any sizes; sent as they are, unless their EXIF data say that
                they have to be turned.

        Raises:
            DataError: one of them is no PNG or JPEG file; nothing was sent.
            ServingError: the server cannot be reached, does not have the model, or does not answer as an export of this
                package would; its attribute ``refused`` is True if the server answered that it refuses these images.
        """
        if not images:
            return []
        files, sizes = [], []
        for position, image in enumerate(images, 1):
            try:
                file, size = upright_file(image)
            except DataError as error:
                which = f"image {position} of {len(images)}: " if len(images) > 1 else ""
                raise DataError(f"{which}{error}") from None
            files.append(file)
            sizes.append(size)
        return [self._decoded(*answer) for answer in zip(sizes, self._transport.predict(files), strict=True)]

    def _decoded(self, size: tuple[int, int], answer: tuple[bytes, bytes]) -> Segmentation:
        ids, steps = map(self._pixels, answer)
        if not ids.shape == steps.shape == size:
            raise self._transport.foreign(f"label map and confidence of {ids.shape} and {steps.shape}, not {size}")
        return Segmentation(ids, steps.astype(np.float32) / np.float32(255))

    def _pixels(self, png: bytes) -> np.ndarray:
        """[h, w] uint8 of an answered 8-bit grey PNG."""
        try:
            with open_verified(png, formats=("PNG",)) as image:
                mode, pixels = image.mode, np.array(image)
        except Exception as error:  # Pillow has no common base for what it raises on a broken file
            raise self._transport.foreign(f"no PNG: {error}") from None
        if mode != "L":
            raise self._transport.foreign(f"a PNG of mode {mode}, not 8-bit grey")
        return pixels


def _transport(served: ServedModel) -> Transport:
    match _parsed(served.address):
        case Url(scheme="http" | "https", host=str(host)) if host:
            return RestTransport(served)
        case Url(scheme="grpc", auth=None, host=str(host), port=int(port), path=None | "/"):
            from hrs_keras.serving.grpc import GrpcTransport  # brings TensorFlow with it

            return GrpcTransport(served, f"{host}:{port}")
    raise ServingError(
        f"address {served.shown_address!r}: must be http://host:port (REST, 8501 by default) or host:port (gRPC, 8500)"
    )


def _parsed(address: str) -> Url | None:
    try:
        return parse_url(address if "://" in address else f"grpc://{address}")
    except LocationParseError:  # also for a port above 65535
        return None


def upright_file(image: bytes) -> tuple[bytes, tuple[int, int]]:
    """A PNG or JPEG file, turned upright as its EXIF orientation says.

    Returns:
        The same bytes where nothing has to be turned, else a PNG of the turned pixels; height and width.

    Raises:
        DataError: it is neither, or cannot be decoded.
    """
    try:
        with Image.open(io.BytesIO(image), formats=("PNG", "JPEG")) as opened:
            is_turned = orientation(opened) != 1
            opened.load()
            if not is_turned:
                return image, opened.size[::-1]
            turned = ImageOps.exif_transpose(opened)
    except Exception as error:  # Pillow has no common base for what it raises on a broken file
        reason = "it is neither" if isinstance(error, Image.UnidentifiedImageError) else error
        raise DataError(f"cannot be read as PNG or JPEG ({reason})") from None
    file = io.BytesIO()
    # A JPEG may be CMYK, a PNG not. It is sent once: better large than late.
    (turned.convert("RGB") if turned.mode == "CMYK" else turned).save(file, "PNG", compress_level=1)
    return file.getvalue(), turned.size[::-1]
