"""The form of every answer."""

from __future__ import annotations

from starlette.responses import JSONResponse

from callgate import canonical
from callgate.canonical import Json


class JsonAnswer(JSONResponse):
    """JSON; lone surrogates, which clients can send in escapes, go back in escapes."""

    def render(self, content: Json) -> bytes:
        """See `canonical.dump`."""
        return canonical.dump(content)
