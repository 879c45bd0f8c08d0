"""This computer's processor: IR text to machine code in memory. llvmlite is loaded on first use."""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from chainrule.backends.llvm.targets import cache
from chainrule.errors import UnsupportedError
from chainrule.version import VERSION


@dataclass(frozen=True, eq=False, slots=True)
class Code:
    """Machine code in memory; it lives as long as this record does."""

    engine: Any
    level: int

    def address(self, name: str) -> int:
        """Where a function of the module begins."""
        return int(self.engine.get_function_address(name))


def compile_text(text: str, level: int = 1) -> Code:
    """Machine code of an IR module, with no optimising passes in between.

    level: of code generation; 0 compiles faster and 1 runs faster, both give the same bits.
    What was compiled before is read from the disk (cache.py): the same bytes run either way.
    Raises UnsupportedError where llvmlite is not installed.
    """
    llvm = _library()
    for name, symbol in BLAS.items():
        if f"@{name}(" in text:
            llvm.add_symbol(name, _blas_address(symbol))
    machine = _machine(level)
    store = cache.opened()
    key = cache.key_of(VERSION, *_versions(), repr(_settings(level)), text)
    code = store.load(key) if store else None
    if code is None:
        code = _object_code(text, machine)
        if store:
            store.keep(key, code)
    return Code(_loaded(code, machine), level)


def _object_code(text: str, machine: Any) -> bytes:
    """The object file of an IR module."""
    module = _library().parse_assembly(text)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    return machine.emit_object(module)  # type: ignore[no-any-return]  # llvmlite has no types


def _loaded(code: bytes, machine: Any) -> Any:
    """An engine with the code of an object file in memory, ready to run."""
    llvm = _library()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def name_symbols(places: Mapping[str, int]) -> None:
    """Make addresses known to modules that are compiled from now on."""
    llvm = _library()
    for name, place in places.items():
        llvm.add_symbol(name, place)


BLAS = {"chainrule.blas.dgemm": "dgemm", "chainrule.blas.sgemm": "sgemm"}


@lru_cache(maxsize=4)
def _blas_address(symbol: str) -> int:
    """Where SciPy's BLAS has a function; its capsules are documented for such use."""
    from scipy.linalg import cython_blas

    capsule = cython_blas.__pyx_capi__[symbol]
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer_of(capsule, name_of(capsule)))


@lru_cache(maxsize=1)
def _library() -> Any:
    try:
        import llvmlite.binding as llvm
    except ModuleNotFoundError:
        raise UnsupportedError(
            "machine code needs llvmlite, which is not installed: pip install llvmlite"
        ) from None
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def _machine(level: int) -> Any:
    """What writes object code; an engine takes it over, so each needs its own."""
    settings = _settings(level)
    return _library().Target.from_triple(settings.pop("triple")).create_target_machine(**settings)


def _settings(level: int) -> dict[str, Any]:
    """All that the object code of a text depends on, beside the versions of libraries."""
    triple, name, features = _host()
    return {"triple": triple, "cpu": name, "features": features, "opt": level,
            "codemodel": "jitdefault", "jit": True}


def vectors_at_once() -> int:
    """How many vectors of 16 doubles a loop should take in one go: four registers are enough to
    keep a processor busy while the steps of a chain wait for each other, and more do not fit."""
    return 2 if "+avx512f" in _host()[2].split(",") else 1


@lru_cache(maxsize=1)
def _host() -> tuple[str, str, str]:
    """This computer's triple, its processor's name, and the features it has."""
    llvm = _library()
    features = llvm.get_host_cpu_features().flatten()
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), features


def _versions() -> tuple[str, str]:
    """Of llvmlite and its LLVM."""
    import llvmlite

    return llvmlite.__version__, ".".join(map(str, _library().llvm_version_info))
