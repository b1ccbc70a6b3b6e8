"""Checks of a GAN's constructor arguments: one line with what was expected and received."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args, get_origin


def check_choices(function: Callable, settings: Mapping[str, Any]):
    """Raises `ValueError` for the first value that its `Literal` annotation does not list."""
    for name, parameter in inspect.signature(function).parameters.items():
        choices = get_args(parameter.annotation)
        if get_origin(parameter.annotation) is Literal and settings[name] not in choices:
            raise ValueError(f"`{name}` must be one of {choices}. Received: {settings[name]!r}")


def check_range(
    settings: Mapping[str, Any], names: Iterable[str], minimum: float, below: float | None = None
):
    """Raises `ValueError` for the first value under `minimum`, or not under `below`."""
    for name in names:
        value = settings[name]
        if value < minimum or (below is not None and value >= below):
            limit = f"at least {minimum}" if below is None else f"in [{minimum}, {below})"
            raise ValueError(f"`{name}` must be {limit}. Received: {value}")
