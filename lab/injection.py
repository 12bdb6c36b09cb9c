"""injection – makes mailvet's code raise: at one line the first time it is reached, or at each call of a function.

with at_line(where, ValueError): ...
with at_call(function, ValueError): ...
"""

import contextlib
import importlib
import inspect
import pkgutil
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mailvet

_PACKAGE = str(Path(mailvet.__file__).parent)
Raised = Callable[[], BaseException]


class Where(NamedTuple):
    """A line of mailvet."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{Path(self.file).relative_to(_PACKAGE)}:{self.line} ({self.function})"


@contextlib.contextmanager
def lines() -> Iterator[list[Where]]:
    """Collect the lines of mailvet that are reached, in order, each once; the list is filled at the end."""
    seen: dict[Where, None] = {}

    def trace(frame: types.FrameType, event: str, _argument: object) -> Any:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return None
        if event == "line":
            seen[Where(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)] = None
        return trace

    found: list[Where] = []
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield found
    finally:
        sys.settrace(before)
        found.extend(seen)


@contextlib.contextmanager
def at_line(where: Where, raised: Raised) -> Iterator[None]:
    """Raise at this line, once: Python itself switches the tracing off when the trace function raises."""

    def trace(frame: types.FrameType, event: str, _argument: object) -> Any:
        if frame.f_code.co_filename != where.file:
            return None
        if event == "line" and frame.f_lineno == where.line and frame.f_code.co_qualname == where.function:
            raise raised()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def functions() -> dict[str, types.FunctionType]:
    """Return all functions and methods of mailvet, by name, such as "header.edits.scrub"."""
    found: dict[str, types.FunctionType] = {}
    for info in pkgutil.walk_packages(mailvet.__path__, "mailvet."):
        if info.name.endswith("__main__"):  # it runs upon import
            continue
        for name, function in _functions(importlib.import_module(info.name)):
            found[name] = function
    return found


def _functions(place: Any, inside: str = "") -> Iterator[tuple[str, types.FunctionType]]:
    for value in list(vars(place).values()):
        for candidate in (value, getattr(value, "__func__", None), getattr(value, "fget", None)):
            inner = inspect.unwrap(candidate) if callable(candidate) and not isinstance(candidate, type) else candidate
            if isinstance(inner, types.FunctionType) and inner.__code__.co_filename.startswith(_PACKAGE):
                yield f"{inner.__module__.removeprefix('mailvet.')}.{inner.__qualname__}", inner
        if isinstance(value, type) and value.__module__.startswith("mailvet") and value.__qualname__ != inside:
            yield from _functions(value, value.__qualname__)


@contextlib.contextmanager
def at_call(function: Callable[..., Any], called: Callable[[], None]) -> Iterator[None]:
    """Run `called`, which may raise, before each call of the function, by whatever name it is called."""
    assert isinstance(function, types.FunctionType)
    kept = function.__code__
    original = types.FunctionType(
        kept, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    original.__kwdefaults__ = function.__kwdefaults__
    _CALLED[kept] = (called, original)
    # a function's code may only be taken by one with as many free variables
    template = _trampoline(len(kept.co_freevars)).__code__
    function.__code__ = template.replace(
        co_consts=tuple(kept if const == "CODE" else const for const in template.co_consts)
    )
    try:
        yield
    finally:
        function.__code__ = kept
        del _CALLED[kept]


_CALLED: dict[types.CodeType, tuple[Callable[[], None], types.FunctionType]] = {}


def through(code: types.CodeType, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Do what a function's code was replaced for, then call the function itself."""
    called, original = _CALLED[code]
    called()
    return original(*arguments, **named)


def _trampoline(free: int) -> types.FunctionType:
    """Return a function with this many free variables that calls `through`; "CODE" stands for the original's code."""
    names = ", ".join(f"free{at}" for at in range(free))
    text = f"""
def outer({names}):
    def inner(*arguments, **named):
        if arguments is None: [{names}]
        return __import__("lab.injection", fromlist=["through"]).through("CODE", arguments, named)
    return inner
"""
    space: dict[str, Any] = {}
    exec(text, space)
    inner = space["outer"](*range(free))
    assert isinstance(inner, types.FunctionType)
    return inner
