"""C extensions that do by hand what a row does: the limit of what a call from Python can reach."""

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.harness import Absent

SOURCE = Path(__file__).with_name("limits.c")
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC")


def limit(name: str) -> Callable[..., Any] | Absent:
    """A function of limits.c, or why there is none on this machine."""
    found = _module()
    return found if isinstance(found, Absent) else getattr(found, name)


@cache
def _module() -> Any:
    """limits.c as a module, built into a folder that goes when it is loaded."""
    compiler = next(filter(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang")), None)
    if compiler is None:
        return Absent("no C compiler on the path")
    headers = sysconfig.get_path("include")
    if not Path(headers, "Python.h").exists():
        return Absent(f"no Python.h in {headers}")
    with TemporaryDirectory() as folder:
        library = str(Path(folder, "limits.so"))
        done = subprocess.run(
            [compiler, *FLAGS, f"-I{headers}", f"-I{np.get_include()}", str(SOURCE), "-o", library,
             "-lm"], capture_output=True, text=True,
        )
        if done.returncode:
            return Absent(f"{compiler} failed: {done.stderr.strip().splitlines()[-1]}")
        loader = importlib.machinery.ExtensionFileLoader("limits", library)
        spec = importlib.util.spec_from_loader("limits", loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
        return module
