"""The NumPy backend: printed code, compiled by Python and run."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np


def compile_source(source: str, name: str) -> Callable[..., Any]:
    """The function `name` that a printed program defines."""
    return run_source(source, f"<chainrule {name}>")[name]  # type: ignore[no-any-return]  # printed


def run_source(source: str, filename: str = "<chainrule>") -> dict[str, Any]:
    """The variables a printed program leaves behind, run alone: NumPy, math, SciPy if named."""
    space: dict[str, Any] = {"np": np, "math": math}
    if "special." in source:
        from scipy import special

        space["special"] = special
    exec(compile(source, filename, "exec"), space)  # source that we printed ourselves
    return space
