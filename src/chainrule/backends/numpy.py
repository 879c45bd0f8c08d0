"""The NumPy backend: printed code, compiled by Python and run."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def compile_source(
    source: str, name: str, functions: Mapping[str, Any] | None = None
) -> Callable[..., Any]:
    """The function `name` that a printed program defines; `functions` are those it may call."""
    return run_source(source, f"<chainrule {name}>", functions)[name]  # type: ignore[no-any-return]  # printed


def run_source(
    source: str, filename: str = "<chainrule>", functions: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The variables a printed program leaves behind, run alone: NumPy, math, SciPy if named."""
    space: dict[str, Any] = {"np": np, "math": math, **(functions or {})}
    if "special." in source:
        from scipy import special

        space["special"] = special
    exec(compile(source, filename, "exec"), space)  # source that we printed ourselves
    return space
