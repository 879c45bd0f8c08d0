"""Runs the named benches, or all of them: `python -m bench [name ...] [--quick]`.

Ends with 1 where a row of ours was to be machine code and ran as plain Python.
"""

import argparse
import importlib
import os
import pkgutil
import platform
import sys
from time import perf_counter

import numpy as np

import bench
from bench.harness import CORES, cores, duration, fell_back

# One thread each, so that a ratio compares work and not cores.
ONE_THREAD = {
    **dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
         "NPROC", "TORCHINDUCTOR_COMPILE_THREADS"), "1",
    ),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "JAX_PLATFORMS": "cpu",
}
# What glibc gives back to the system it must ask for again page by page; by its own rule that
# depends on what was freed before, so one rule is set for all. 32 MiB is the most that it takes.
ONE_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}


def names() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules(bench.__path__))
    return sorted(name for name in found if name != "harness" and not name.startswith("_"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=bench.__doc__)
    parser.add_argument("name", nargs="*", help="one of: " + ", ".join(names()))
    parser.add_argument("--quick", action="store_true", help="fewer rounds, rougher numbers")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.name) - set(names()))
    if unknown:
        parser.error(f"no bench is called {', '.join(unknown)}; there are {', '.join(names())}")
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}")
    with cores({max(CORES)} if CORES else CORES):  # a pool of threads stays where it began
        for name in chosen.name or names():
            module = importlib.import_module(f"bench.{name}")
            print(f"\n{name}: {module.TITLE}\n", flush=True)
            start = perf_counter()
            module.run(chosen.quick)
            print(f"\n{name} took {duration(perf_counter() - start)}", flush=True)
    for title in fell_back:
        print(f"ran as plain Python: {title}", file=sys.stderr)
    return 1 if fell_back else 0


if __name__ == "__main__":
    if not ONE_MEMORY.keys() <= os.environ.keys():  # read when a process starts, so start anew
        settings = os.environ | ONE_THREAD | ONE_MEMORY
        os.execve(sys.executable, [sys.executable, "-m", "bench", *sys.argv[1:]], settings)
    sys.exit(main())
