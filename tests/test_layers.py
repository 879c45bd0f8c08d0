"""Imports point down the layers, and only gates/ knows gates by their names.

    L8  cli  page
    L7  nn  optim  train  distributed  adapters      these use public names only
        chainrule itself, the public names
    L6  api  numpy
    L5  backends  views  check
    L4  code
    L3  trace  transform
    L2  gates
    L1  circuit
    L0  errors  version

A module imports from lower layers and from its own subpackage, without cycles. The rules hold for
every import: absolute or relative, inside functions, under TYPE_CHECKING.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = "chainrule"
SOURCE = Path(__file__).parents[1] / "src" / ROOT

LAYERS = {  # by the first name after `chainrule.`; "" is chainrule/__init__.py
    0: ("errors", "version"),
    1: ("circuit",),
    2: ("gates",),
    3: ("trace", "transform"),
    4: ("code",),
    5: ("backends", "views", "check"),
    6: ("api", "numpy"),
    6.5: ("",),
    7: ("nn", "optim", "train", "distributed", "adapters"),
    8: ("cli", "page"),
    9: ("__main__",),
}
LAYER = {part: layer for layer, parts in LAYERS.items() for part in parts}
PUBLIC = (ROOT, f"{ROOT}.numpy")  # what L7 may import
OPTIONAL = {  # loaded inside the function that needs them
    *("ast", "linecache"),  # costly parts of the standard library
    *("optree", "rich", "scipy", "llvmlite", "matplotlib", "anywidget", "safetensors"),
    *("ray", "torch", "jax", "onnx"),
}
LATER = (  # loaded when a function is called again, or has what few have: not at most first calls
    *("chainrule.api.program", "chainrule.api.compiling", "chainrule.api.into"),
    *("chainrule.api.bound", "chainrule.api.compared"),
    *("chainrule.transform.groups", "chainrule.transform.recompute"),
)
WITHOUT_GATE_NAMES = ("views", "check", "code", "transform")


@dataclass(frozen=True)
class Module:
    name: str  # dotted, a package by its own name
    path: Path
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def package(self) -> str:
        return self.name if self.is_package else self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Import:
    module: Module
    target: str  # dotted
    line: int
    function: str  # qualified name of the function around it, or ""

    @property
    def is_lazy(self) -> bool:
        """Allowed to wait: what a package's __getattr__, a public name, or a command needs."""
        in_getattr = self.module.is_package and self.function == "__getattr__"
        at_the_face = self.module.name == ROOT or part_of(self.module.name) == "cli"
        return in_getattr or bool(self.function and (at_the_face or self.target in LATER))

    def __str__(self) -> str:
        return f"{place(self.module, self.line)}: {self.module.name} imports {self.target}"


def place(module: Module, line: int) -> str:
    folders = module.name.count(".") + 1 + module.is_package
    return f"{'/'.join(module.path.parts[-folders:])} line {line}"


def part_of(name: str) -> str:
    """The subpackage or top module that a dotted name lies in: chainrule.views.svg -> views."""
    return [*name.split("."), ""][1]


def modules_in(source: Path) -> dict[str, Module]:
    found = {}
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path, ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return found


def imports_of(module: Module, modules: Mapping[str, Module]) -> Iterator[Import]:
    public = public_names(modules)
    for node, function in nodes_with_function(module.tree):
        for base, name in imported_names(node, module):
            inner = f"{base}.{name}"
            # `from chainrule import circuit` is the public function, not the subpackage.
            is_module = inner in modules and not (base == ROOT and name in public)
            yield Import(module, inner if is_module else base, node.lineno, function)


def nodes_with_function(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Every node below the module, with the qualified name of the function it stands in."""
    waiting: list[tuple[ast.AST, str, bool]] = [(tree, "", False)]
    while waiting:
        parent, scope, in_function = waiting.pop()
        for node in ast.iter_child_nodes(parent):
            yield node, scope if in_function else ""
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inside = in_function or not isinstance(node, ast.ClassDef)
                waiting.append((node, f"{scope}.{node.name}".lstrip("."), inside))
            else:
                waiting.append((node, scope, in_function))


def imported_names(node: ast.AST, module: Module) -> Iterator[tuple[str, str]]:
    """Pairs (dotted module, name taken from it or "") that a node imports."""
    match node:
        case ast.Import(names=names):
            yield from ((alias.name, "") for alias in names)
        case ast.ImportFrom(module=base, names=names, level=level):
            yield from ((absolute(base or "", level, module), alias.name) for alias in names)
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(text)), *_],
        ):
            base = text.lstrip(".")
            yield absolute(base, len(text) - len(base), module), ""


def absolute(base: str, level: int, module: Module) -> str:
    """The dotted name that `from ..base import` means in a module; level counts the dots."""
    if level == 0:
        return base
    parts = module.package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], base]).rstrip(".")


def public_names(modules: Mapping[str, Module]) -> set[str]:
    """Strings of `__all__` in chainrule/__init__.py."""
    for node in modules[ROOT].tree.body if ROOT in modules else ():
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="__all__")], value=value)
                | ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.AST() as value)
            ):
                return strings_in(value, {})
    return set()


def import_faults(source: Path) -> list[str]:
    modules = modules_in(source)
    imports = [i for module in modules.values() for i in imports_of(module, modules)]
    unplaced = sorted({part_of(name) for name in modules} - set(LAYER))
    inner = [i for i in imports if i.target.split(".")[0] == ROOT]
    return [
        *(f"chainrule.{part} has no layer: give it one in LAYERS" for part in unplaced),
        *(fault for i in inner for fault in layer_faults(i)),
        *(fault for i in imports for fault in hidden_import_faults(i)),
        *cycle_faults(inner),
    ]


def layer_faults(i: Import) -> Iterator[str]:
    here, there = part_of(i.module.name), part_of(i.target)
    if here == there or here not in LAYER:
        return
    if there not in LAYER:
        yield f"{i}, which has no layer: give it one in LAYERS"
    elif LAYER[there] >= LAYER[here]:
        yield f"{i}, which is not in a lower layer (L{LAYER[here]:g} imports L{LAYER[there]:g})"
    elif LAYER[here] == 7 and i.target not in PUBLIC:
        yield f"{i}, but {here} uses public names only: {' and '.join(PUBLIC)}"


def hidden_import_faults(i: Import) -> Iterator[str]:
    if i.function and not i.is_lazy and i.target.split(".")[0] not in OPTIONAL:
        yield f"{i} inside {i.function}(): move it to the top of the file"


def cycle_faults(imports: list[Import]) -> Iterator[str]:
    """A cycle of modules; lazy imports close none, as nothing waits for them while loading."""
    below: dict[str, set[str]] = {}
    for i in imports:
        if not i.is_lazy:
            below.setdefault(i.module.name, set()).add(i.target)
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        yield "cycle of imports: " + " <- ".join(error.args[1])


def gate_name_faults(source: Path) -> Iterator[str]:
    """Comparisons of some `.name` with a string: what a gate does differently is in its record."""
    for module in modules_in(source).values():
        if part_of(module.name) in WITHOUT_GATE_NAMES:
            for line, words in name_comparisons(module.tree):
                names = ", ".join(sorted(words))
                yield f"{place(module, line)}: compares a gate's name with {names}; ask its record"


def name_comparisons(tree: ast.Module) -> Iterator[tuple[int, set[str]]]:
    tables = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left=left, comparators=rest) if any(map(is_name, [left, *rest])):
                others = [side for side in [left, *rest] if not is_name(side)]
            case ast.Match(subject=subject, cases=cases) if is_name(subject):
                others = [case.pattern for case in cases]
            case _:
                continue
        words = set().union(*(strings_in(side, tables) for side in others))
        if words := {word for word in words if word.isidentifier()}:  # "" is a wire without a name
            yield node.lineno, words


def is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "name"


def strings_in(node: ast.AST, tables: Mapping[str, ast.AST]) -> set[str]:
    """String constants in an expression, through names of the module's own tables."""
    node = tables.get(node.id, node) if isinstance(node, ast.Name) else node
    return {
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }


def test_chainrule_keeps_its_layers():
    assert f"{ROOT}.errors" in modules_in(SOURCE)
    assert import_faults(SOURCE) == []


def test_only_gates_compare_gate_names():
    assert list(gate_name_faults(SOURCE)) == []


def plant(folder: Path, files: Mapping[str, str]) -> Path:
    """A source tree with these files, beside the empty packages that they stand in."""
    source = folder / ROOT
    for name, text in files.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in [source, *source.rglob("*/")]:
        (path / "__init__.py").touch()
    return source


GOOD = {
    "errors.py": "class ChainruleError(Exception): ...",
    "circuit/__init__.py": "from chainrule.circuit.wire import Wire",
    "circuit/wire.py": "from ..errors import ChainruleError\nimport numpy",
    "gates/__init__.py": "def __getattr__(name):\n    from . import special\n    return special",
    "gates/special.py": "from chainrule.gates import multiply\nfrom chainrule import errors",
    "views/svg.py": "from chainrule.circuit import wire\nfrom . import scene",
    "views/scene.py": "def show():\n    import rich.tree\n    return circuit.name == ''",
    "api.py": "from chainrule.views import svg",
    "__init__.py": "__all__ = ['circuit']\nfrom chainrule.api import circuit",
    "nn/linear.py": "import chainrule as cr, chainrule.numpy as cnp\nfrom chainrule import circuit",
    "cli/__init__.py": "def main():\n    from chainrule.views import svg\n    import time",
    "__main__.py": "from chainrule.cli import main",
}


def test_a_good_tree_has_no_faults(tmp_path):
    source = plant(tmp_path, GOOD)
    assert [*import_faults(source), *gate_name_faults(source)] == []


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("errors.py", "from chainrule.circuit import Wire", "(L0 imports L1)"),
        ("circuit/a.py", "from ..gates import multiply", "circuit.a imports chainrule.gates,"),
        ("circuit/b/c.py", "from ...gates.special import exp", "imports chainrule.gates.special,"),
        ("circuit/a.py", "from .. import views", "(L1 imports L5)"),
        ("trace/a.py", "import chainrule.transform", "(L3 imports L3)"),
        ("check/a.py", "if TYPE_CHECKING:\n    from chainrule.views.svg import Drawing", "line 2"),
        ("check/a.py", "def f():\n    from chainrule import views", "(L5 imports L5)"),
        ("check/a.py", "m = importlib.import_module('chainrule.api')", "(L5 imports L6)"),
        ("views/a.py", "from chainrule import grad", "imports chainrule, "),
        ("circuit/a.py", "from chainrule import circuit", "imports chainrule, "),
        ("__init__.py", "from chainrule.nn import linear", "(L6.5 imports L7)"),
        ("api.py", "from chainrule.__main__ import main", "(L6 imports L9)"),
        ("nn/a.py", "from chainrule.circuit import Wire", "public names only"),
        ("nn/a.py", "from chainrule import api", "public names only"),
        ("nn/a.py", "from chainrule.optim import adam", "(L7 imports L7)"),
        ("helpers.py", "x = 1", "chainrule.helpers has no layer"),
        ("api.py", "import chainrule.missing", "which has no layer"),
        ("api.py", "def f():\n    from chainrule import errors", "inside f(): move it"),
        ("api.py", "class A:\n    def f(self):\n        import json", "inside A.f(): move it"),
        ("api.py", "def __getattr__(name):\n    from chainrule import views", "inside __getattr__"),
        ("circuit/wire.py", "from chainrule.circuit import Wire", "cycle of imports: chainrule.c"),
        ("views/scene.py", "from .svg import rectangle", "cycle of imports: chainrule.views.s"),
        ("views/scene.py", "from .scene import scene", "cycle of imports: chainrule.views.s"),
    ],
)
def test_a_bad_import_is_found(tmp_path, file, text, fault):
    faults = import_faults(plant(tmp_path, {**GOOD, file: text}))
    assert any(fault in line for line in faults), faults


@pytest.mark.parametrize(
    "text",
    [
        "special = stage.gate.name == 'multiply'",
        "special = 'multiply' != gate.name",
        "special = gate.name in ('add', 'multiply')",
        "FEW = frozenset({'add', 'multiply'})\nspecial = gate.name not in FEW",
        "match gate.name:\n    case 'add' | 'multiply':\n        special = True",
    ],
)
@pytest.mark.parametrize("folder", WITHOUT_GATE_NAMES)
def test_a_compared_gate_name_is_found(tmp_path, folder, text):
    (fault,) = gate_name_faults(plant(tmp_path, {f"{folder}/a.py": text}))
    assert fault.startswith(f"{ROOT}/{folder}/a.py line ")
    assert "multiply; ask its record" in fault


def test_gates_may_compare_names(tmp_path):
    source = plant(tmp_path, {"gates/a.py": "special = gate.name == 'multiply'"})
    assert list(gate_name_faults(source)) == []
