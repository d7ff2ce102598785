"""The fields of a call's arguments, found the way the laxest reader of JSON would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from callgate.canonical import Json


class Fields:
    """The top-level fields of a call's arguments, looked up as the laxest JSON reader would."""

    def __init__(self, arguments: Json) -> None:
        self.arguments = arguments
        self._found: dict[str, list[Json]] = {}
        if isinstance(arguments, dict):
            for name, value in arguments.items():
                self._found.setdefault(normal(name), []).append(value)

    def values(self, names: Iterable[str]) -> list[Json]:
        """Values of all fields of these normal names."""
        return [value for name in names for value in self._found.get(name, ())]

    def ending_in(self, suffixes: tuple[str, ...]) -> list[Json]:
        """Values of all fields whose normal name ends so."""
        return [
            v for name, values in self._found.items() if name.endswith(suffixes) for v in values
        ]

    def strings(self) -> Iterator[str]:
        """Yield every string of the arguments, keys included, at any depth."""
        for node in self._nodes():
            if isinstance(node, str):
                yield node
            elif isinstance(node, dict):
                yield from node

    def has_two_readings(self) -> bool:
        """Tell whether some object has fields that only differ in case: parsers that do not
        tell them apart see one of the two."""
        objects = (node for node in self._nodes() if isinstance(node, dict))
        return any(len({name.casefold() for name in node}) < len(node) for node in objects)

    def _nodes(self) -> Iterator[Json]:
        waiting = [self.arguments]
        while waiting:
            node = waiting.pop()
            yield node
            if isinstance(node, dict):
                waiting.extend(node.values())
            elif isinstance(node, list):
                waiting.extend(node)


def normal(name: str) -> str:
    """Spell a field name one way: `order_id`, `orderId`, `Order-Id` → `orderid`."""
    return name.casefold().replace("_", "").replace("-", "")


def both_numbers(plural: str) -> list[str]:
    """`statuses` → `statuses`, `status`, `statuse` …: both grammatical numbers of a name."""
    name = normal(plural)
    forms = [name, name + "s", name + "es"]
    if name.endswith("ies"):
        forms.append(name[:-3] + "y")
    if name.endswith("es"):
        forms.append(name[:-2])
    if name.endswith("s"):
        forms.append(name[:-1])
    if name.endswith("y"):
        forms.append(name[:-1] + "ies")
    return forms
