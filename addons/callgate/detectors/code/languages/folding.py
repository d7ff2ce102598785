"""Values and names in a Python syntax tree, worked out as far as they are literal.

Bounded in depth and size; nothing is executed.
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator

from callgate.detectors.code.languages.base import MAX_TEXT, UNKNOWN
from callgate.detectors.code.languages.values import (
    FUNCTIONS,
    HOMES,
    METHODS,
    Value,
    arithmetic,
    joined,
    plain,
    tried,
)

_MAX_DEPTH = 40
_MAX_STEPS = 100_000
"""Nodes folded in one program; beyond them all is unknown."""

_MAX_CHARACTERS = 5_000_000
"""Characters of all values together, those on the way counted too."""

_IMPORTERS = frozenset(
    str.split(
        "__import__ importlib.import_module builtins.__import__ __builtins__.__import__ "
        "import_module"
    )
)


class Folder:
    """Knows the names that a program has bound so far."""

    def __init__(self, tree: ast.Module) -> None:
        """Arguments of calls of the program's own functions are known from the start."""
        self._names: dict[str, str] = {}
        self._values: dict[str, ast.expr] = {}
        self._called: set[str] = set()
        self._steps = _MAX_STEPS
        self._characters = _MAX_CHARACTERS
        self._bind_parameters(tree)

    def _bind_parameters(self, tree: ast.Module) -> None:
        functions: dict[str, list[str]] = {}
        for node in ast.walk(tree):
            match node:
                case (
                    ast.FunctionDef(name=name, args=taken)
                    | ast.AsyncFunctionDef(name=name, args=taken)
                ):
                    functions[name] = [argument.arg for argument in taken.args]
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda(args=taken)):
                    functions[name] = [argument.arg for argument in taken.args]
        for node in ast.walk(tree) if functions else ():
            match node:
                case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
                    parameters = functions.get(name, [])
                    if parameters[:1] == ["self"]:
                        parameters = parameters[1:]
                    self._values.update(zip(parameters, node.args, strict=False))
                    given = {k.arg: k.value for k in node.keywords if k.arg}
                    self._values.update({p: given[p] for p in parameters if p in given})

    def learn(self, node: ast.AST) -> None:
        """Take in an import, an assignment, a loop or a call."""
        match node:
            case ast.Import() | ast.ImportFrom():
                self._import(node)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._bind(target, value)
            case (
                ast.AnnAssign(target=target, value=ast.expr() as value)
                | ast.NamedExpr(target=target, value=value)
                | ast.withitem(context_expr=value, optional_vars=ast.expr() as target)
            ):
                self._bind(target, value)
            case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value):
                if (before := self._values.get(name)) is not None:
                    self._values[name] = ast.Constant(self._added(before, value))
            case ast.For(target=target, iter=iterated):
                self._bind_loop(target, iterated)
            case ast.comprehension(target=target, iter=iterated):
                self._bind_loop(target, iterated)
            case ast.Call(func=func):
                self._called.add("." + self.name(func))

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                self._names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            else:
                head = alias.name if alias.asname else alias.name.split(".")[0]
                self._names[alias.asname or head] = head

    def _added(self, before: ast.expr, value: ast.expr) -> str:
        text = self.text(before) + self.text(value)
        return text if len(text) <= MAX_TEXT else UNKNOWN

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            folded = self._fold(value, 0) if self._mentions(value, target.id) else None
            self._values[target.id] = value if folded is None else ast.Constant(plain(folded))
            name = self.name(value)
            if name and not isinstance(value, ast.Name):
                self._names[target.id] = name
            elif isinstance(value, ast.Name):
                self._names[target.id] = self._names.get(value.id, value.id)
            else:
                self._names.pop(target.id, None)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, other in zip(target.elts, value.elts, strict=False):
                self._bind(one, other)

    def _bind_loop(self, target: ast.expr, iterated: ast.expr) -> None:
        """Files met on a walk lie where the walk starts."""
        first = target.elts[0] if isinstance(target, ast.Tuple) and target.elts else target
        if isinstance(first, ast.Name) and (start := self._start(iterated)):
            self._values[first.id] = start

    def _start(self, iterated: ast.expr) -> ast.expr | None:
        match iterated:
            case (
                ast.List(elts=[first, *_]) | ast.Tuple(elts=[first, *_]) | ast.Set(elts=[first, *_])
            ):
                return first
            case ast.Call(func=ast.Attribute(attr=attr, value=owner)) if self.is_path(owner):
                return owner if attr in ("rglob", "glob", "iterdir", "walk") else None
            case ast.Call(func=func, args=[first, *_]):
                last = self.name(func).rsplit(".", 1)[-1]
                return first if last in ("walk", "scandir", "glob", "iglob") else None
        return None

    def _mentions(self, node: ast.expr, name: str) -> bool:
        for part in ast.walk(node):
            self._steps -= 1
            if self._steps < 0:
                return True
            if isinstance(part, ast.Name) and part.id == name:
                return True
        return False

    @property
    def is_exhausted(self) -> bool:
        """Tell whether values had to be left unknown for their number or size."""
        return self._steps < 0 or self._characters < 0

    # Names.

    def name(self, node: ast.expr, depth: int = 0) -> str:
        """What a called thing is called in full; `?` for a computed last part, else empty."""
        if depth > _MAX_DEPTH:
            return ""
        match node:
            case ast.Name(id=name):
                return self._names.get(name, name)
            case ast.Attribute(value=value, attr=attr):
                head = self.name(value, depth + 1)
                return f"{head}.{attr}" if head else attr
            case ast.Call(func=ast.Name(id="getattr"), args=[value, attr, *_]):
                text = self.text(attr)
                return f"{self.name(value, depth + 1)}.{'?' if UNKNOWN in text else text}"
            case ast.Call(func=func, args=given):
                called = self.name(func, depth + 1)
                if called not in _IMPORTERS or not given:
                    return called
                text = self.text(given[0])
                return "?" if UNKNOWN in text else text
            case ast.Subscript(value=value, slice=key):
                return self._member(value, key, depth)
        return ""

    def _member(self, value: ast.expr, key: ast.expr, depth: int) -> str:
        """`globals()["os"]`, `sys.modules["os"]`, `__builtins__.__dict__["eval"]`."""
        head, text = self.name(value, depth + 1), self.text(key)
        if head in ("globals", "locals", "vars", "sys.modules"):
            return self._names.get(text, text)
        if head.endswith("__dict__"):
            return f"{head.removesuffix('.__dict__')}.{text}"
        return ""

    def is_path(self, node: ast.expr) -> bool:
        """Tell whether an expression is a `pathlib` path."""
        while isinstance(node, ast.BinOp):
            node = node.left
        if isinstance(node, ast.Name) and isinstance(self._values.get(node.id), ast.Call):
            return "Path" in self._names.get(node.id, "")
        return "Path" in self.name(node)

    def calls_like(self, suffix: str) -> bool:
        """Tell whether a call whose name ends so was met."""
        return any(name.endswith(suffix) for name in self._called)

    def calls_in(self, node: ast.expr) -> Iterator[str]:
        """Yield the names of all calls that a value is made by, through variables."""
        stack: list[ast.AST] = [node]
        seen: set[str] = set()
        while stack and self._steps > 0:
            current = stack.pop()
            self._steps -= 1
            if isinstance(current, ast.Call):
                yield self.name(current.func)
            elif isinstance(current, ast.Name) and current.id not in seen:
                seen.add(current.id)
                if bound := self._values.get(current.id):
                    stack.append(bound)
            stack.extend(ast.iter_child_nodes(current))

    # Values.

    def text(self, node: ast.expr) -> str:
        """A value as text; UNKNOWN stands for parts that only a run would tell."""
        value = self._fold(node, 0)
        return UNKNOWN if value is None or isinstance(value, int | list) else plain(value)

    def words(self, node: ast.expr) -> list[str] | None:
        """The words of a list; None where it is no list."""
        value = self._fold(node, 0)
        return [plain(item) for item in value] if isinstance(value, list) else None

    def _fold(self, node: ast.expr, depth: int) -> Value | None:
        self._steps -= 1
        if depth > _MAX_DEPTH or self._steps < 0:
            return None
        try:
            value = self._folded(node, depth + 1)
        except OverflowError:
            return None
        size = len(value) if isinstance(value, str | bytes | list) else 0
        self._characters -= size
        return None if size > MAX_TEXT or self._characters < 0 else value

    def _folded(self, node: ast.expr, depth: int) -> Value | None:
        match node:
            case ast.Constant(value=str() | bytes() | int() as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
                return -value
            case ast.Name(id=name) if name in self._values:
                return self._fold(self._values[name], depth)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self._or_unknown(item, depth) for item in items]
            case ast.JoinedStr(values=parts):
                return joined(plain(self._or_unknown(part, depth)) for part in parts)
            case (
                ast.FormattedValue(value=value) | ast.Starred(value=value) | ast.Await(value=value)
            ):
                return self._fold(value, depth)
        return self._computed(node, depth)

    def _computed(self, node: ast.expr, depth: int) -> Value | None:
        match node:
            case ast.BinOp(left=left, op=op, right=right):
                return self._combined(left, op, right, depth)
            case ast.Subscript(value=value, slice=key):
                return self._sliced(value, key, depth)
            case ast.GeneratorExp() | ast.ListComp():
                return self._spread(node, depth)
            case ast.Call():
                return self._called_value(node, depth)
        return None

    def _or_unknown(self, node: ast.expr, depth: int) -> Value:
        value = self._fold(node, depth)
        return UNKNOWN if value is None else value

    def _combined(
        self, left: ast.expr, op: ast.operator, right: ast.expr, depth: int
    ) -> Value | None:
        one, other = self._fold(left, depth), self._fold(right, depth)
        if isinstance(op, ast.Div):
            return posixpath.join(plain(one or UNKNOWN), plain(other or UNKNOWN))
        if isinstance(op, ast.Mod) and isinstance(one, str):
            given = other if isinstance(other, list) else [UNKNOWN if other is None else other]
            for item in given:
                one = joined(one.replace("%s", plain(item), 1))
            return one
        if isinstance(one, int) and isinstance(other, int):
            return arithmetic(one, op, other)
        if isinstance(op, ast.Add):
            if isinstance(one, list) and isinstance(other, list):
                return one + other
            return plain(UNKNOWN if one is None else one) + plain(
                UNKNOWN if other is None else other
            )
        if isinstance(op, ast.Mult) and isinstance(one, str | bytes) and isinstance(other, int):
            return one * other if len(one) * max(other, 0) <= MAX_TEXT else None
        return None

    def _sliced(self, value: ast.expr, key: ast.expr, depth: int) -> Value | None:
        if self.name(value) == "os.environ":
            return HOMES.get(self.text(key))
        whole = self._fold(value, depth)
        if not isinstance(whole, str | bytes | list):
            return None
        if isinstance(key, ast.Slice):
            parts = [
                self._fold(part, depth) if part else None
                for part in (key.lower, key.upper, key.step)
            ]
            numbers = [part if isinstance(part, int) else None for part in parts]
            return whole[slice(*numbers)] if numbers[2] != 0 else None
        index = self._fold(key, depth)
        is_inside = isinstance(index, int) and -len(whole) <= index < len(whole)
        return whole[index] if is_inside and isinstance(index, int) else None

    def _spread(self, node: ast.GeneratorExp | ast.ListComp, depth: int) -> Value | None:
        """`chr(n ^ 7) for n in [...]`."""
        loop = node.generators[0]
        items = self._fold(loop.iter, depth)
        if isinstance(items, str | bytes):
            items = list(items)
        if not isinstance(items, list) or not isinstance(loop.target, ast.Name):
            return None
        before = self._values.get(loop.target.id)
        spread: list[Value] = []
        for item in items:
            if isinstance(item, list):
                return None
            self._values[loop.target.id] = ast.Constant(item)
            spread.append(self._or_unknown(node.elt, depth))
        if before is not None:
            self._values[loop.target.id] = before
        return spread

    def _called_value(self, node: ast.Call, depth: int) -> Value | None:
        name = self.name(node.func)
        given = [self._fold(argument, depth) for argument in node.args]
        if isinstance(node.func, ast.Attribute):
            owner = self._fold(node.func.value, depth)
            if owner is not None and (method := METHODS.get(node.func.attr)):
                return tried(method, [owner, *given])
        short = name.removeprefix("builtins.")
        if short == "map" and len(given) == 2 and self.name(node.args[0]) in FUNCTIONS:
            items = given[1] if isinstance(given[1], list) else list(plain(given[1] or ""))
            return [tried(FUNCTIONS[self.name(node.args[0])], [item]) or UNKNOWN for item in items]
        function = FUNCTIONS.get(short) or FUNCTIONS.get(short.rsplit(".", 1)[-1])
        return tried(function, given) if function else None
