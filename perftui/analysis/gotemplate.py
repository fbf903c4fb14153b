"""Templates of labels and annotations: the part of Go's text/template that rule files use.

Values are inserted as they are, nothing is executed but the functions of `gofuncs`; size and steps are
bounded. Source: the documentation of Go's text/template and Prometheus' template reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from perftui.analysis.gofuncs import CallError, Fields, Query, functions, show
from perftui.analysis.goparse import Block, Call, Node, Pipe, TemplateError, Value, parse_template

LONGEST: Final = 64 << 10  # characters that a template can become
MOST_STEPS: Final = 20_000
MOST_ITEMS: Final = 1000  # of a `range`

__all__ = ["TemplateError", "expand", "parse_template"]

_parsed = lru_cache(maxsize=2000)(parse_template)


def expand(
    text: str,
    labels: Mapping[str, str],
    value: float,
    query: Query,
    external: Mapping[str, str] | None = None,
    name: str = "",
) -> str:
    """The text a template becomes; of a broken one the error, in the words a server puts in its place."""
    if "{{" not in text:
        return text
    data = Fields(Labels=dict(labels), ExternalLabels=dict(external or {}), ExternalURL="", Value=value)
    try:
        return _Run(data, query).text(_parsed(text))
    except TemplateError as error:
        return f"<error expanding template: error parsing template __alert_{name}: {error}>"
    except CallError as error:
        said = f"error executing template __alert_{name}: template: __alert_{name}: {error}"
        return f"<error expanding template: {said}>"


class _Run:
    """One expansion."""

    def __init__(self, data: Fields, query: Query) -> None:
        self._functions = functions(query)
        self._scopes: list[dict[str, Any]] = [
            {
                "$": data,
                "$labels": data["Labels"],
                "$externalLabels": data["ExternalLabels"],
                "$externalURL": data["ExternalURL"],
                "$value": data["Value"],
            }
        ]
        self._data = data
        self._out: list[str] = []
        self._size = self._steps = 0

    def text(self, nodes: Sequence[Node]) -> str:
        self._walk(nodes, self._data)
        return "".join(self._out)

    def _put(self, text: str) -> None:
        self._size += len(text)
        if self._size > LONGEST:
            raise CallError(f"the text is longer than {LONGEST >> 10} KiB")
        self._out.append(text)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise CallError(f"more than {MOST_STEPS:,} steps")

    def _walk(self, nodes: Sequence[Node], dot: Any) -> None:
        for node in nodes:
            self._step()
            if isinstance(node, str):
                self._put(node)
            elif isinstance(node, Pipe):
                value = self._pipe(node, dot)
                if not node.names:
                    self._put(show(value))
            else:
                self._scopes.append({})
                self._block(node, dot)
                self._scopes.pop()

    def _block(self, block: Block, dot: Any) -> None:
        value = self._pipe(block.pipe, dot)
        if block.word == "range":
            items = self._items(value)
            for key, item in islice(items, MOST_ITEMS):
                names = block.pipe.names
                self._scopes[-1].update(zip(names, (key, item)[-len(names) :] if names else (), strict=True))
                self._walk(block.then, item)
            if not items:
                self._walk(block.other, dot)
        elif value:
            self._walk(block.then, value if block.word == "with" else dot)
        else:
            self._walk(block.other, dot)

    @staticmethod
    def _items(value: Any) -> list[tuple[Any, Any]]:
        if isinstance(value, Mapping):
            return sorted(value.items())
        if value is None:
            return []
        if isinstance(value, str | int | float):
            raise CallError(f"range can't iterate over {show(value)}")
        return list(enumerate(value))

    def _pipe(self, pipe: Pipe, dot: Any) -> Any:
        value: Any = None
        given: tuple[Any, ...] = ()
        for call in pipe.calls:
            value = self._call(call, dot, given)
            given = (value,)
        for name in pipe.names:
            self._assign(name, value, new=pipe.new)
        return value

    def _assign(self, name: str, value: Any, *, new: bool) -> None:
        scopes = [self._scopes[-1]] if new else [s for s in reversed(self._scopes) if name in s]
        scopes[0][name] = value

    def _call(self, call: Call, dot: Any, given: tuple[Any, ...]) -> Any:
        self._step()
        if not call.function and (given or len(call.operands) > 1):
            raise CallError("can't give argument to non-function")
        if not call.function:
            return self._value(call.operands[0], dot)
        arguments = [*(self._value(operand, dot) for operand in call.operands), *given]
        try:
            return self._functions[call.function](*arguments)
        except CallError as error:
            raise CallError(f"error calling {call.function}: {error}") from error
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise CallError(f"wrong number or type of arguments for {call.function}") from error

    def _value(self, operand: Value, dot: Any) -> Any:
        if operand.kind == "pipe":
            value = self._pipe(operand.what, dot)
        elif operand.kind == "call":
            value = self._call(operand.what, dot, ())
        elif operand.kind == "name":
            value = next(s[operand.what] for s in reversed(self._scopes) if operand.what in s)
        else:
            value = dot if operand.kind == "dot" else operand.what
        for part in operand.path:
            value = _part(value, part)
        return value


def _part(value: Any, name: str) -> Any:
    if isinstance(value, Fields):
        if name not in value:
            raise CallError(f"can't evaluate field {name} in type struct {{ {'; '.join(value)} }}")
        return value[name]
    if isinstance(value, Mapping):
        return value.get(name, "")
    kind = {str: "string", float: "float64", int: "int", bool: "bool"}.get(type(value), "[]*template.sample")
    raise CallError(f"can't evaluate field {name} in type {kind}")
