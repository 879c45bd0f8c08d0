"""Runs the named benches, or all of them: `python -m bench [name ...] [--quick]`."""

import os

# One thread each, so that a ratio compares work and not cores; BLAS reads these as numpy loads.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import importlib
import pkgutil
import platform

import numpy as np

import bench


def names() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules(bench.__path__))
    return sorted(name for name in found if name != "harness" and not name.startswith("_"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=bench.__doc__)
    parser.add_argument("name", nargs="*", help="one of: " + ", ".join(names()))
    parser.add_argument("--quick", action="store_true", help="fewer rounds, rougher numbers")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.name) - set(names()))
    if unknown:
        parser.error(f"no bench is called {', '.join(unknown)}; there are {', '.join(names())}")
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}")
    for name in chosen.name or names():
        module = importlib.import_module(f"bench.{name}")
        print(f"\n{name}: {module.TITLE}\n")
        module.run(chosen.quick)


if __name__ == "__main__":
    main()
