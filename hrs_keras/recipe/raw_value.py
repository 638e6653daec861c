"""``raw`` of a data set: a formula that makes what its id table maps of the number ``id`` in a label file.

Instance labels need one, which hold the class and the instance in one number: ``id // 1000``, ``id >> 8``,
``id & 255``, or ``id if id < 1000 else id // 1000`` (Cityscapes' instance ids).
"""

import ast
import functools
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

ALLOWED = (
    "id and whole numbers with + and -, *, // and %, >> and &, whose right side is a number, and A if B < C else D"
)
_LONGEST = 100
_LARGEST = 2**31 - 1

_Operation = Callable[[Any, Any], Any]
_OPERATIONS: dict[type[ast.operator], _Operation] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
}
_COMPARISONS: dict[type[ast.cmpop], _Operation] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@dataclass(frozen=True)
class RawValue:
    """A formula over ``id``.

    Attributes:
        text: as the recipe has it.
        largest: the value is at most this.
        compute: ids, int64 of any shape -> values, int64 of the same shape.
    """

    text: str
    largest: int
    compute: Callable[[np.ndarray], np.ndarray]


@functools.lru_cache(maxsize=64)
def parse_raw_value(text: str, largest_id: int) -> RawValue:
    """Read a formula. Nothing but integer arithmetic is taken, and nothing is evaluated as Python.

    Args:
        text: such as ``"id // 1000"``.
        largest_id: ids are 0 to this.

    Raises:
        ValueError: it is no formula that is allowed, or its values may have more than 31 bits.
    """
    # Python warns of a number with a letter behind it, and refuses deep nesting in many ways.
    tree = None if len(text) > _LONGEST or re.search("[0-9][a-zA-Z_]", text) else _parsed(text)
    if tree is None:
        raise ValueError(f"wants a formula such as id // 1000, found {text!r}; allowed are {ALLOWED}")
    part = _part(tree, largest_id)
    return RawValue(text, part.high, lambda ids: part.compute(ids.astype(np.int64)))


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


@dataclass(frozen=True)
class _Part:
    """A part of a formula, whose values are ``low`` to ``high``."""

    low: int
    high: int
    compute: Callable[[np.ndarray], np.ndarray]

    def __post_init__(self) -> None:
        if max(-self.low, self.high) > _LARGEST:
            raise ValueError(f"may give {max(-self.low, self.high)}; values of at most {_LARGEST} are possible")


def _part(node: ast.expr, largest_id: int) -> _Part:
    match node:
        case ast.Name(id="id"):
            return _Part(0, largest_id, lambda ids: ids)
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            return _Part(number, number, lambda ids: np.full_like(ids, number))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _combined(op, _part(left, largest_id), _part(right, largest_id), right)
        case ast.IfExp(test=ast.Compare(left=left, ops=[op], comparators=[right]), body=body, orelse=other) if (
            type(op) in _COMPARISONS
        ):
            one, two, yes, no = (_part(each, largest_id) for each in (left, right, body, other))
            compare = _COMPARISONS[type(op)]
            return _Part(
                min(yes.low, no.low),
                max(yes.high, no.high),
                lambda ids: np.where(compare(one.compute(ids), two.compute(ids)), yes.compute(ids), no.compute(ids)),
            )
    raise ValueError(f"has {ast.unparse(node)!r}; allowed are {ALLOWED}")


def _combined(op: ast.operator, left: _Part, right: _Part, written: ast.expr) -> _Part:
    """Two parts with an operator between them."""
    number = right.low
    if not isinstance(op, (ast.Add, ast.Sub)) and not isinstance(written, ast.Constant):
        raise ValueError(f"has {ast.unparse(written)!r} where a number is wanted; allowed are {ALLOWED}")
    if isinstance(op, (ast.FloorDiv, ast.Mod)) and number == 0:
        raise ValueError("divides by 0")
    if isinstance(op, ast.RShift) and number > 31:
        raise ValueError(f"shifts by {number} bits, 31 are possible")
    operation = _OPERATIONS[type(op)]
    match op:
        case ast.Sub():
            low, high = left.low - right.high, left.high - right.low
        case ast.Mod():
            low, high = 0, number - 1
        case ast.BitAnd():
            low, high = 0, number
        case _:  # the larger the left part is, the larger is the value
            low, high = operation(left.low, right.low), operation(left.high, right.high)
    return _Part(low, high, lambda ids: operation(left.compute(ids), right.compute(ids)))
