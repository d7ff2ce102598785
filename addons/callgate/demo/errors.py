"""OpenAI's error answers, raised where the request is understood."""

from __future__ import annotations

from callgate.canonical import Json
from callgate.errors import CallgateError


class ApiError(CallgateError):
    """An answer of the demo server that is not a success."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        """`status` is the HTTP status; the rest stands in the body."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code

    def body(self) -> dict[str, Json]:
        """Return the body in OpenAI's shape."""
        return {
            "error": {
                "message": self.message,
                "type": "invalid_request_error",
                "param": self.param,
                "code": self.code,
            }
        }


def missing(kind: str, id: str) -> ApiError:
    """Return the 404 for an object that does not exist: `No run found with id 'run_1'.`."""
    return ApiError(404, f"No {kind} found with id '{id}'.")
