"""The tools that apps have defined, by what their definitions say of the arguments."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from callgate.bounded import trim
from callgate.canonical import Json
from callgate.detectors.definitions import fields_of, tools_in
from callgate.exchange import Request

_MAX_TOOLS = 5_000
_NOTHING: Mapping[str, str] = {}

type _Key = tuple[str, str, str]


class Toolbox:
    """Remembers each caller's tools as they were defined last.

    Only hints for the detectors come of it: what is not remembered is looked at by the names of
    its fields.
    """

    def __init__(self) -> None:
        self._tools: OrderedDict[_Key, tuple[Mapping[str, Json], Mapping[str, str]]] = OrderedDict()

    def learn(self, request: Request, document: Json) -> None:
        """Take note of the tools that a request, or what answers it, defines."""
        for name, definition in tools_in(document):
            key = _key(request, name)
            known = self._tools.get(key)
            if known is None or known[0] != definition:
                self._tools[key] = (definition, fields_of(definition))
            self._tools.move_to_end(key)
        trim(self._tools, _MAX_TOOLS)

    def fields(self, request: Request, name: str) -> Mapping[str, str]:
        """What the caller's definition of a tool says of its fields; see `fields_of`."""
        known = self._tools.get(_key(request, name))
        return known[1] if known else _NOTHING


def _key(request: Request, name: str) -> _Key:
    return request.origin, request.caller(), name
