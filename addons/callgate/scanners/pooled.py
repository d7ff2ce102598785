"""The part of the `requests` library that the `interven` SDK calls, on connections of our own.

The SDK opens a connection for every question, through whatever HTTPS_PROXY names (which may be
Callgate itself), with a login out of ~/.netrc, and tells failures apart in text alone.
"""

from __future__ import annotations

import importlib
import json
import time
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

from callgate.canonical import Json
from callgate.errors import ScannerError
from callgate.model import Reason
from callgate.scanners.reading import (
    MAX_ANSWER_BYTES,
    TooLargeError,
    document,
    failure,
    unclear,
)

MAX_REQUEST_BYTES = 256 * 1024
"""What Interven takes (`PayloadTooLargeError` of its SDK)."""

_CHUNK_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """As much of `requests.Response` as the SDK looks at."""

    status_code: int
    content: bytes

    @property
    def text(self) -> str:
        """The body, whatever it is."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> dict[str, Json]:
        """The body as a JSON object; raises ScannerError."""
        return document(self.content)


class Pooled:
    """Stands for the module `requests`; safe to be called by many threads.

    Raises ScannerError for whatever is not an answer to the question.
    """

    def __init__(self, connections: int, timeout_seconds: float, roots: str) -> None:
        """`connections` are kept, `roots` is a PEM file of trusted CAs.

        Raises ImportError where `requests` is not installed.
        """
        self._requests = importlib.import_module("requests")
        self.RequestException: type[Exception] = self._requests.RequestException
        self._timeout_seconds = timeout_seconds
        session = self._requests.Session()
        session.trust_env = False
        session.verify = roots
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        session.headers["Accept-Encoding"] = "identity"
        adapters = importlib.import_module("requests.adapters")
        adapter = adapters.HTTPAdapter(pool_connections=1, pool_maxsize=connections)
        for scheme in ("http://", "https://"):
            session.mount(scheme, adapter)
        self._session = session

    def post(self, url: str, *, json: object, headers: dict[str, str], **_: object) -> Answer:
        """See `requests.post`."""
        data = _encoded(json)
        if len(data) > MAX_REQUEST_BYTES:
            raise TooLargeError
        return self._ask("POST", url, headers=headers, data=data)

    def get(self, url: str, *, headers: dict[str, str], **_: object) -> Answer:
        """See `requests.get`."""
        return self._ask("GET", url, headers=headers)

    def close(self) -> None:
        """Close idle connections."""
        self._session.close()

    def _ask(self, method: str, url: str, **given: Any) -> Answer:
        exceptions = self._requests.exceptions
        try:
            try:
                return self._exchange(method, url, given)
            except exceptions.Timeout:
                raise
            except exceptions.ConnectionError:
                # a connection that was kept may have been closed meanwhile
                return self._exchange(method, url, given)
        except exceptions.Timeout as error:
            raise ScannerError(Reason.SCANNER_TIMEOUT, "did not answer in time") from error
        except self.RequestException as error:
            why = f"could not be asked ({type(error).__name__})"
            raise ScannerError(Reason.SCANNER_UNREACHABLE, why) from error

    def _exchange(self, method: str, url: str, given: dict[str, Any]) -> Answer:
        deadline = time.monotonic() + self._timeout_seconds
        with self._session.request(
            method,
            url,
            timeout=self._timeout_seconds,
            # elsewhere nobody has said what may be told
            allow_redirects=False,
            stream=True,
            **given,
        ) as response:
            if response.status_code == 413:
                raise TooLargeError
            if not 200 <= response.status_code < 300:
                raise failure(response.status_code, response.headers.get("Retry-After"))
            content = b""
            for chunk in response.iter_content(_CHUNK_BYTES):
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    raise unclear("is too large")
                if time.monotonic() > deadline:
                    raise self._requests.exceptions.Timeout
            return Answer(response.status_code, content)


def _encoded(value: object) -> bytes:
    return json.dumps(value, allow_nan=False).encode()
