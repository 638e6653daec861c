"""REST to a served model."""

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ReadTimeoutError
from urllib3.util import Retry

from hrs_keras.serving.transport import BACKOFF, OUTPUTS, PORTS, SIGNATURE, ServedModel, Transport, one_line

# What http_server.cc of TensorFlow Serving turns gRPC's codes into, and 413, which proxies answer.
_CODES = {
    400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 413: "RESOURCE_EXHAUSTED", 429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


class _WhenUnavailable(Retry):
    """Retries refused connections and HTTP 503 alone: after anything else the server may be at work on the request."""

    def increment(self, method=None, url=None, response=None, error=None, _pool=None, _stacktrace=None):
        retry = self if error is None or isinstance(error, NewConnectionError) else Retry(0, read=False)
        return Retry.increment(retry, method, url, response, error, _pool, _stacktrace)


class RestTransport(Transport):
    """TensorFlow Serving's REST API, https://www.tensorflow.org/tfx/serving/api_rest."""

    def __init__(self, served: ServedModel):
        super().__init__(served)
        self._url = f"{served.address.rstrip('/')}/v1/models/{quote(served.name, safe='')}"
        retry = _WhenUnavailable(
            served.attempts - 1,
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
        version = "" if self.served.version is None else f"/versions/{self.served.version}"
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
                method, self._url + path, json=body, timeout=self.served.timeout, allow_redirects=False
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
        raise self._error(f"no answer: {one_line(cause)}", f"is the server still running? {PORTS}") from None
