"""A worked circuit as a JSON document: everything that is known of it, to be read by programs.

    format version title output inputs constants stages groups text arrays

docs/json.md says what each key holds.
Inputs stand in order of first use, as in a picture; `label` is what it writes there. A wire is a
number, the same everywhere, in the text too. A Python number is a number, an array (a NumPy number,
too) is {"shape", "dtype", "data"} with nested lists, and null stands where there is no gradient.
JSON has no nan: "nan", "inf" and "-inf" stand for it and for infinities. Numbers are written with
all their digits, so reading gives the same bits.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.circuit.circuit import Circuit, Group
from chainrule.circuit.notes import Part
from chainrule.circuit.readings import Readings
from chainrule.circuit.text import constant_arrays, to_text
from chainrule.views.labels import Label, gates, inputs_in_order_of_use, labels, symbol

FORMAT, VERSION = "chainrule circuit", 1


def record(
    circuit: Circuit, part: Part, readings: Readings, *, title: str, text_of: Circuit,
    decimals: int | None = None,
) -> dict[str, Any]:
    """The document as plain dicts and lists; see the table above.

    decimals: for the labels; values are always whole. text_of: the circuit whose text goes along.
    """
    label = {x.row: x for x in labels(circuit, part, readings, decimals)}

    def at(wire: int) -> dict[str, Any]:
        return {
            "wire": wire, "names": list(circuit.names.get(wire, ())), "label": _label(label[wire]),
            "value": plain(readings.value(wire)), "gradient": plain(readings.gradient(part, wire)),
        }

    def fixed(wire: int) -> dict[str, Any]:
        names = list(circuit.names.get(wire, ()))
        return {"wire": wire, "names": names, "value": plain(circuit.constant(wire))}

    rows = gates(circuit, part)
    read = dict.fromkeys(w for row in rows for w in circuit.operands(row) if circuit.is_constant(w))
    return {
        "format": FORMAT, "version": VERSION, "title": title, "output": part.output,
        "inputs": [at(wire) for wire in inputs_in_order_of_use(circuit, part)],
        "constants": [fixed(wire) for wire in sorted(read)],
        "stages": [at(row) | _stage(circuit, part, readings, row) for row in rows],
        "groups": [_group(group) for group in circuit.groups],
        "text": to_text(text_of),
        "arrays": {name: plain(array) for name, array in constant_arrays(text_of).items()},
    }


def to_json(document: Mapping[str, Any]) -> str:
    """The document as text, one stage a line."""
    lines = []
    for key, value in document.items():
        rows = isinstance(value, list) and value
        told = "[\n  " + ",\n  ".join(map(_dumped, value)) + "\n ]" if rows else _dumped(value)
        lines.append(f" {json.dumps(key)}: {told}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def plain(value: Any) -> Any:
    """A value in JSON's terms; see the module's docstring."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and not isinstance(value, np.generic):
        return _number(value)
    array = np.asarray(value)
    data = array.tolist() if array.dtype.kind in "biu" else _nested(array.tolist())
    return {"shape": list(array.shape), "dtype": str(array.dtype), "data": data}


def value_of(plain_value: Any) -> Any:
    """The value that `plain` was given: float, int, bool, None, or an array of the same bits."""
    if isinstance(plain_value, dict):
        dtype = np.dtype(plain_value["dtype"])
        array = np.array(plain_value["data"]).astype(dtype).reshape(plain_value["shape"])
        return array if array.shape else array[()]
    return float(plain_value) if isinstance(plain_value, str) else plain_value


def _number(x: float) -> Any:
    return x if math.isfinite(x) else ("nan" if x != x else "inf" if x > 0 else "-inf")


def _nested(data: Any) -> Any:
    if isinstance(data, list):
        return [_nested(x) for x in data]
    return _number(data)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _label(label: Label) -> str:
    return f"{label.text} {label.value}/{label.gradient}"


def _stage(circuit: Circuit, part: Part, readings: Readings, row: int) -> dict[str, Any]:
    kind, origin = circuit.kind_of(row), circuit.origin_of(row)
    operands = list(circuit.operands(row))
    return {
        "gate": kind.gate.name, "symbol": symbol(circuit, row), "operands": operands,
        "settings": {name: _setting(x) for name, x in kind.attrs.items()},
        "file": origin.file if origin else None, "line": origin.line if origin else None,
        "function": origin.function if origin else None,
        "calls": [list(call) for call in origin.calls] if origin else [],
        "sends": [plain(readings.term(part, row, i)) for i in range(len(operands))],
    }


def _setting(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_setting(x) for x in value]
    return _number(value) if isinstance(value, float) else value


def _group(group: Group) -> dict[str, Any]:
    return {
        "gate": group.gate.name, "stages": list(group.stages), "inputs": list(group.inputs),
        "output": group.output, "closed": group.is_closed,
    }
