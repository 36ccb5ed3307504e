"""What declarations are checked with: each raises a DeclarationError that says what was expected, and what came."""

from collections.abc import Sequence
from datetime import timedelta
from types import UnionType

from millrace.errors import DeclarationError


def require(condition: bool, where: str, expected: str, got: object) -> None:
    """Raise DeclarationError unless the condition holds."""
    if not condition:
        raise DeclarationError(where, expected, got)


def within(low: float, value: object, high: float) -> bool:
    """Whether the value is a number, low <= value <= high."""
    return isinstance(value, int | float) and low <= value <= high


def lasts(shortest: timedelta, value: object, longest: timedelta) -> bool:
    """Whether the value is a duration, shortest <= value <= longest."""
    return isinstance(value, timedelta) and shortest <= value <= longest


def require_no_wildcard(where: str, name: object) -> None:
    """Refuse `*` and `#`: as a binding they take what no group takes, and nothing would be parked any more."""
    plain = not (isinstance(name, str) and set(name) & set("*#"))
    expected = "without wildcards (they would take events that no group takes, which are to be parked)"
    require(plain, where, expected, name)


def require_sequence(where: str, of: str, kind: type | UnionType, values: object) -> tuple[object, ...]:
    """The values as a tuple; raises DeclarationError unless they are a sequence of this kind."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise DeclarationError(where, f"a sequence of {of}", values)
    for value in values:
        require(isinstance(value, kind), where, f"a sequence of {of}", value)
    return tuple(values)


def require_distinct(where: str, names: Sequence[str]) -> None:
    """Raise DeclarationError if a name occurs twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    require(not twice, where, "distinct", twice)
