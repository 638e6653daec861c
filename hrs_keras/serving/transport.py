"""How a served model is asked: what REST and gRPC have in common, their errors above all, and REST."""

import base64
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ReadTimeoutError
from urllib3.util import Retry

from hrs_keras.errors import ServingError

MAX_ATTEMPTS = 5  # gRPC's own bound
BACKOFF = 0.25  # seconds

# The signature with small answers: two PNG files an image, instead of numbers for every pixel.
SIGNATURE, INPUT, OUTPUTS = "png", "image_bytes", ("label_map_bytes", "confidence_bytes")

_PORTS = "By default REST is http://host:8501, gRPC host:8500"

# What http_server.cc of TensorFlow Serving turns gRPC's codes into, and 413, which proxies answer.
_CODES = {
    400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 413: "RESOURCE_EXHAUSTED", 429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


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
            f"answered {_one_line(said)}", f"that is no export of this package on TensorFlow Serving. {_PORTS}"
        )

    def _failed(self, code: str, said: object) -> ServingError:
        target, said = self.target, _one_line(said)
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
                return self._error(f"unavailable after {times}: {said}", f"is the server running? {_PORTS}")
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
        return self._error(f"not served: {_one_line(said)}", f"its versions there: {there}")

    def _error(self, what: str, mend: str, *, refused: bool = False) -> ServingError:
        version = "" if self.target.version is None else f" version {self.target.version}"
        return ServingError(
            f"model {self.target.model!r}{version} at {self.target.address}: {what}; {mend}", refused=refused
        )


def _one_line(said: object) -> str:
    """What a server said, for a terminal: it may be bytes of another protocol, a whole request, names of nodes."""
    text = " ".join(re.sub(r"(\[\[)?{{.*?}}(\]\])?", "", str(said)).split())
    text = re.sub(r"assertion failed: \[(.*?)\]", r"\1", text)
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= 300 else f"{text[:300]} ..."


class _WhenUnavailable(Retry):
    """Retries refused connections and HTTP 503 alone: after anything else the server may be at work on the request."""

    def increment(self, method=None, url=None, response=None, error=None, _pool=None, _stacktrace=None):
        retry = self if error is None or isinstance(error, NewConnectionError) else Retry(0, read=False)
        return Retry.increment(retry, method, url, response, error, _pool, _stacktrace)


class RestTransport(Transport):
    """TensorFlow Serving's REST API, https://www.tensorflow.org/tfx/serving/api_rest."""

    def __init__(self, target: Target):
        super().__init__(target)
        self._url = f"{target.address.rstrip('/')}/v1/models/{quote(target.model, safe='')}"
        retry = _WhenUnavailable(
            target.attempts - 1,
            redirect=0,
            allowed_methods=None,
            status_forcelist=[503],
            backoff_factor=BACKOFF,
            raise_on_status=False,
            respect_retry_after_header=False,  # it may be hours
        )
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def close(self) -> None:
        self._session.close()

    def _predict(self, images: Sequence[bytes]) -> tuple[str, Any]:
        version = "" if self.target.version is None else f"/versions/{self.target.version}"
        rows = [{"b64": base64.b64encode(image).decode()} for image in images]
        code, answer = self._ask("POST", f"{version}:predict", {"signature_name": SIGNATURE, "instances": rows})
        if code != "OK":
            return code, answer
        try:
            rows = answer["predictions"]
            return code, [tuple(base64.b64decode(row[name]["b64"]) for name in OUTPUTS) for row in rows]
        except (KeyError, TypeError, ValueError):
            raise self.foreign(answer) from None

    def _versions(self) -> tuple[str, Any]:
        code, answer = self._ask("GET")
        if code != "OK":
            return code, answer
        try:
            return code, {int(one["version"]): one["state"] for one in answer["model_version_status"]}
        except (KeyError, TypeError, ValueError):
            raise self.foreign(answer) from None

    def _ask(self, method: str, path: str = "", body: dict | None = None) -> tuple[str, Any]:
        try:
            response = self._session.request(
                method, self._url + path, json=body, timeout=self.target.timeout, allow_redirects=False
            )
        except (requests.RequestException, HTTPError) as error:  # urllib3's own, where requests lets them through
            return self._unanswered(error)
        status = response.status_code
        code = "OK" if status == 200 else _CODES.get(status, f"HTTP status {status}")
        try:
            answer = response.json()
        except (requests.JSONDecodeError, RecursionError):
            answer = None
        if isinstance(answer, dict) and (code == "OK" or "error" in answer):
            return code, answer if code == "OK" else answer["error"]
        said = f"HTTP {status} {response.reason}, {response.text[:80]!r}"
        # What stands between client and server answers in a format of its own, but means the same by these.
        if code in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"):
            return code, said
        raise self.foreign(said)

    def _unanswered(self, error: Exception) -> tuple[str, object]:
        cause = error.args[0] if error.args else error
        if isinstance(error, requests.Timeout) or isinstance(cause, ReadTimeoutError):
            return "DEADLINE_EXCEEDED", "the server is silent"
        if isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError):
            return "UNAVAILABLE", cause.reason
        raise self._error(f"no answer: {_one_line(cause)}", f"is the server still running? {_PORTS}") from None
