"""How a served model is asked: what REST and gRPC have in common, which is above all their errors."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hrs_keras.errors import ServingError
from hrs_keras.export.versions import LARGEST

MAX_TIMEOUT = 86400  # seconds, a day
MAX_ATTEMPTS = 5  # gRPC allows no more
BACKOFF = 0.25  # seconds

# The signature with small answers: two PNG files an image, instead of numbers for every pixel.
SIGNATURE, INPUT, OUTPUTS = "png", "image_bytes", ("label_map_bytes", "confidence_bytes")

PORTS = "By default REST is http://host:8501, gRPC host:8500"


@dataclass(frozen=True)
class ServedModel:
    """A model on a server, and how patiently it is asked.

    A server that is unavailable (connection refused, HTTP 503, gRPC UNAVAILABLE) is asked again, after pauses that
    double, for about 4 seconds. No other failure is tried again, in particular no timeout.

    Attributes:
        address: ``http://host:port`` or ``https://...`` for REST, ``host:port`` or ``grpc://host:port`` for gRPC. That
            of REST may have a user and a password, ``https://user:password@host``, which no message shows.
        name: the name that the model is served under.
        version: the number of the export; None for the newest one that is loaded.
        timeout: seconds, above 0 up to a day: over gRPC how long a call takes at most, over REST how long the server
            may be silent.
        attempts: how often a request is sent at most, 1 to 5.

    Raises:
        ServingError: the name is empty, or a number is out of its range.
    """

    address: str
    name: str
    version: int | None = None
    timeout: float = 30.0
    attempts: int = 5

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable():
            raise ServingError(f"model {self.name!r}: must be the name that it is served under")
        if self.version is not None and not 1 <= self.version <= LARGEST:
            raise ServingError(f"version {self.version}: must be a whole number from 1 to {LARGEST} (2**63 - 1)")
        if not 0 < self.timeout <= MAX_TIMEOUT:
            raise ServingError(f"timeout {self.timeout:g}: must be in seconds, above 0, up to {MAX_TIMEOUT}")
        if not 1 <= self.attempts <= MAX_ATTEMPTS:
            raise ServingError(f"attempts {self.attempts}: must be a whole number from 1 to {MAX_ATTEMPTS}")

    @property
    def shown_address(self) -> str:
        """The address without the user and password that it may have, for messages."""
        return re.sub(r"^(\w+://)?.*@", r"\1", self.address)


class Transport(ABC):
    """A connection to a served model."""

    def __init__(self, served: ServedModel):
        self.served = served

    def predict(self, images: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """PNG or JPEG files -> for each the PNGs of its class ids and of its confidence.

        Raises:
            ServingError: the server does not answer so.
        """
        code, answer = self._predict(images)
        if code == "NOT_FOUND":
            raise self._not_there(answer)
        if code != "OK":
            raise self._failed(code, answer)
        if len(answer) != len(images):
            raise self.foreign(f"{len(answer)} label maps for {len(images)} images")
        return answer

    def versions(self) -> dict[int, str]:
        """The model's versions, ascending -> their state.

        Raises:
            ServingError: the server does not answer so.
        """
        code, answer = self._versions()
        if code != "OK":
            raise self._failed(code, answer)
        return dict(sorted(answer.items()))

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @abstractmethod
    def _predict(self, images: Sequence[bytes]) -> tuple[str, Any]:
        """The name of a gRPC status, and either a pair of PNGs for each image or what the server said instead."""

    @abstractmethod
    def _versions(self) -> tuple[str, Any]:
        """The name of a gRPC status, and either the versions' states or what the server said instead."""

    def foreign(self, said: object) -> ServingError:
        """The error for an answer that no export of this package gives."""
        return self._error(
            f"answered {one_line(said)}", f"that is no export of this package on TensorFlow Serving. {PORTS}"
        )

    def _failed(self, code: str, answer: object) -> ServingError:
        said = one_line(answer)
        # REST and gRPC each have a code and words of their own for it.
        if code in ("INVALID_ARGUMENT", "FAILED_PRECONDITION") and re.search("erving signature .*not found", said):
            return self._error(f"it has no signature {SIGNATURE!r}", "serve a new export of this package")
        match code:
            case "INVALID_ARGUMENT":
                return self._error(f"refused: {said}", "fix that image, or leave it out", refused=True)
            case "NOT_FOUND":
                return self._error(f"not served: {said}", "check the model's name and the server's configuration")
            case "UNAVAILABLE":
                times = f"{self.served.attempts} attempt{'s'[: self.served.attempts > 1]}"
                return self._error(f"unavailable after {times}: {said}", f"is the server running? {PORTS}")
            case "DEADLINE_EXCEEDED":
                waited = f"no answer in time (timeout {self.served.timeout:g} s): {said}"
                return self._error(waited, "allow a longer timeout, or send fewer images at once")
            case "RESOURCE_EXHAUSTED":
                return self._error(f"too much for the server: {said}", "send fewer or smaller images at once")
            case "UNIMPLEMENTED":
                return self.foreign(said)
        return self._error(f"failed with {code}: {said}", "the server's log may say more")

    def _not_there(self, said: object) -> ServingError:
        """The error for a model or version that the server does not have: it is asked what it does have."""
        try:
            there = ", ".join(f"{version} ({state})" for version, state in self.versions().items())
        except ServingError as error:
            return error
        return self._error(f"not served: {one_line(said)}", f"its versions there: {there}")

    def _error(self, what: str, advice: str, *, refused: bool = False) -> ServingError:
        version = "" if self.served.version is None else f" version {self.served.version}"
        return ServingError(
            f"model {self.served.name!r}{version} at {self.served.shown_address}: {what}; {advice}", refused=refused
        )


def one_line(said: object) -> str:
    """What a server said, for a terminal: it may be bytes of another protocol, a whole request, names of nodes."""
    text = " ".join(re.sub(r"(\[\[)?{{.*?}}(\]\])?", "", str(said)).split())
    text = re.sub(r"assertion failed: \[(.*?)\]", r"\1", text)
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= 300 else f"{text[:300]} ..."
