"""How a served model is asked: what REST and gRPC have in common, their errors above all."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hrs_keras.errors import ServingError

MAX_ATTEMPTS = 5  # gRPC's own bound


BACKOFF = 0.25  # seconds


# The signature with small answers: two PNG files an image, instead of numbers for every pixel.
SIGNATURE, INPUT, OUTPUTS = "png", "image_bytes", ("label_map_bytes", "confidence_bytes")


PORTS = "By default REST is http://host:8501, gRPC host:8500"


@dataclass(frozen=True)
class Target:
    """What is asked, and how patiently; see :class:`hrs_keras.serving.ServingClient`."""

    address: str
    model: str
    version: int | None
    timeout: float
    attempts: int


class Transport(ABC):
    """A connection to the model that ``target`` names."""

    def __init__(self, target: Target):
        self.target = target

    def predict(self, images: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """PNG or JPEG files -> for each the PNGs of its class ids and of its confidence.

        Raises:
            ServingError: there is no such answer.
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
            ServingError: there is no such answer.
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

    def _failed(self, code: str, said: object) -> ServingError:
        target, said = self.target, one_line(said)
        # REST and gRPC each have a code and words of their own for it.
        if code in ("INVALID_ARGUMENT", "FAILED_PRECONDITION") and re.search("erving signature .*not found", said):
            return self._error(f"it has no signature {SIGNATURE!r}", "serve a new export of this package")
        match code:
            case "INVALID_ARGUMENT":
                return self._error(f"refused: {said}", "mend that image, or leave it out", refused=True)
            case "NOT_FOUND":
                return self._error(f"not served: {said}", "check the model's name and the server's configuration")
            case "UNAVAILABLE":
                times = f"{target.attempts} attempt{'s'[: target.attempts > 1]}"
                return self._error(f"unavailable after {times}: {said}", f"is the server running? {PORTS}")
            case "DEADLINE_EXCEEDED":
                waited = f"no answer in time (timeout {target.timeout:g} s): {said}"
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

    def _error(self, what: str, mend: str, *, refused: bool = False) -> ServingError:
        version = "" if self.target.version is None else f" version {self.target.version}"
        return ServingError(
            f"model {self.target.model!r}{version} at {self.target.address}: {what}; {mend}", refused=refused
        )


def one_line(said: object) -> str:
    """What a server said, for a terminal: it may be bytes of another protocol, a whole request, names of nodes."""
    text = " ".join(re.sub(r"(\[\[)?{{.*?}}(\]\])?", "", str(said)).split())
    text = re.sub(r"assertion failed: \[(.*?)\]", r"\1", text)
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= 300 else f"{text[:300]} ..."
