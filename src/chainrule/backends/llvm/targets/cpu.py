"""This computer's processor: IR text to machine code in memory. llvmlite is loaded on first use."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from chainrule.errors import UnsupportedError


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
    Raises UnsupportedError where llvmlite is not installed.
    """
    llvm = _library()
    for name, symbol in BLAS.items():
        if f"@{name}(" in text:
            llvm.add_symbol(name, _blas_address(symbol))
    module = llvm.parse_assembly(text)
    machine = _machine(level)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return Code(engine, level)


BLAS = {"chainrule.blas.dgemm": "dgemm", "chainrule.blas.sgemm": "sgemm"}


@lru_cache(maxsize=4)
def _blas_address(symbol: str) -> int:
    """Where SciPy's BLAS has a function; its capsules are documented for such use."""
    import ctypes

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
    llvm = _library()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=level,
        codemodel="jitdefault", jit=True,
    )
