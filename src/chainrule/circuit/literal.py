"""Values, types and settings in text that gives back the same bits.

A number is written with the fewest digits that give it back; nan with a sign or a payload by its
bits. An array is its elements in C order between [ ], whatever its shape: the type says it. So
`2.0 : float` is Python's number, `2.0 : float64[]` NumPy's, and `[2.0] : float64[]` an array
without axes. An array of more than 16 elements is written as its content hash. Memory order and
strides are not kept.
"""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.circuit.record import Attrs, attrs_key
from chainrule.circuit.tokens import Line, Token, name_text, quoted
from chainrule.circuit.types import TYPES, WEAK, Type, type_id
from chainrule.errors import TextError

WRITTEN_OUT = 16  # elements; more are written as a hash
DEEPEST = 16  # tuples within tuples in a setting

Array = npt.NDArray[Any]

_WEAK_TYPES = {str(TYPES[i]): TYPES[i] for i in WEAK.values()}
_NATIVE = {
    name: np.dtype(name)
    for name in ("bool", *(f"{k}int{n}" for k in ("", "u") for n in (8, 16, 32, 64)),
                 "float16", "float32", "float64")
}
_SWAPPED = {d.newbyteorder().str: d.newbyteorder() for d in _NATIVE.values() if d.itemsize > 1}
_DTYPES = _NATIVE | _SWAPPED  # swapped ones by their code, such as >f8
_SPELLING = {dtype: name for name, dtype in _DTYPES.items()}
_WANTED = {"b": "true or false", "i": "an integer", "u": "an integer", "f": "a float such as 2.0"}
_WORDS = {"none": None, "true": True, "false": False, "inf": float("inf"), "-inf": float("-inf")}


def type_text(t: Type) -> str:
    """float, int or bool for Python's numbers, else dtype[shape]."""
    if t in _WEAK_TYPES.values():
        return str(t)
    if t.weak or t.dtype not in _SPELLING:
        weak = " as a Python number" if t.weak else ""
        raise TextError(f"dtype {t.dtype}{weak} has no text form")
    return f"{_SPELLING[t.dtype]}[{','.join(map(str, t.shape))}]"


@lru_cache(maxsize=4096)
def _type(text: str) -> Type | None:
    if "[" not in text:
        return _WEAK_TYPES.get(text)
    name, _, sizes = text[:-1].partition("[")
    shape = tuple(map(int, sizes.split(","))) if sizes else ()
    return Type(shape, _DTYPES[name]) if name in _DTYPES else None


def read_type(line: Line) -> Type:
    """The type after a colon."""
    line.expect(":")
    _, text = line.token(("type", "name"), "a type such as float or float64[3,4]")
    found = _type(text)
    if found is None:
        known = ", ".join(_NATIVE)
        raise line.error(f"no type {text}; there are float, int, bool, and arrays of {known}")
    return found


def content_hash(array: Array) -> str:
    """sha256 of the type's text, a newline, and the elements' bytes in C order."""
    found = hashlib.sha256(f"{type_text(TYPES[type_id(array)])}\n".encode())
    found.update(np.ascontiguousarray(array).data)
    return f"sha256:{found.hexdigest()}"


def is_large(value: Any) -> bool:
    """True for constants that are written as a hash."""
    return isinstance(value, np.ndarray) and value.size > WRITTEN_OUT


def value_text(value: Any) -> str:
    """A constant: a number, [ elements ], or a content hash."""
    if value.__class__ in WEAK or isinstance(value, np.generic):
        return _number_text(value)
    if value.__class__ is not np.ndarray:
        raise TextError(
            f"a constant of class {value.__class__.__name__} has no text form; "
            "Python's numbers, NumPy's numbers and plain arrays have one"
        )
    if is_large(value):
        return content_hash(value)
    return f"[{', '.join(map(_number_text, value.ravel()))}]"


def _number_text(x: Any) -> str:
    if isinstance(x, bool | np.bool_):
        return "true" if x else "false"
    if isinstance(x, int | np.integer):
        try:
            return str(int(x))
        except ValueError:  # Python's limit on digits
            raise TextError(f"an integer of {int(x).bit_length()} bits is too long") from None
    return _float_text(np.float64(x) if x.__class__ is float else x)


def _float_text(x: Any) -> str:
    if np.isnan(x):
        bits = int.from_bytes(x.tobytes(), sys.byteorder)
        plain = x.tobytes() == x.dtype.type("nan").tobytes()
        return "nan" if plain else f"0x{bits:0{2 * x.nbytes}x}"
    short = str(x)  # read by way of float64: rounded twice, which the next line checks
    return short if x.dtype.type(float(short)) == x else repr(float(x))


def read_constant(line: Line, arrays: Mapping[str, Array]) -> tuple[Any, Type]:
    """A constant and its type."""
    if line.next[0] == "hash":
        found = line.take("hash", "a hash")
        t = read_type(line)
        return _stored(line, found, t, arrays), t
    if not line.accept("["):
        token = line.token(("int", "float", "bits", "name"), "a number, [ or sha256:...")
        t = read_type(line)
        return _number(line, token, t), t
    tokens = []
    while line.next[1] != "]":
        tokens.append(line.token(("int", "float", "bits", "name"), "a number or ]"))
        if not line.accept(","):
            break
    line.expect("]")
    t = read_type(line)
    return _array(line, tokens, t), t


def _stored(line: Line, found: str, t: Type, arrays: Mapping[str, Array]) -> Array:
    array = arrays.get(found)
    if array is None:
        raise line.error(f"{found} is missing among the {len(arrays)} arrays given")
    if array.__class__ is not np.ndarray or TYPES[type_id(array)] != t:
        raise line.error(f"{found} is not the plain array {type_text(t)} but {_kind(array)}")
    if content_hash(array) != found:
        raise line.error(f"the array given as {found} has other content: {content_hash(array)}")
    return array


def _kind(array: Any) -> str:
    plain = array.__class__ is np.ndarray
    return f"{array.dtype}{list(array.shape)}" if plain else f"a {array.__class__.__name__}"


def _number(line: Line, token: Token, t: Type) -> Any:
    if t.weak and t.dtype.kind == "i" and token[0] == "int":
        return _integer(line, token[1])  # Python's have any size
    if t.shape:
        raise line.error(f"expected [ elements ] for {type_text(t)}, found {token[1]}")
    x = _element(line, token, t.dtype)
    return x.item() if t.weak else x


def _array(line: Line, tokens: Sequence[Token], t: Type) -> Array:
    if t.weak:
        raise line.error(f"expected a type such as float64[3] for an array, found {type_text(t)}")
    if len(tokens) != t.size:
        raise line.error(f"{type_text(t)} has {t.size} elements, found {len(tokens)}")
    elements = b"".join(_element(line, token, t.dtype).tobytes() for token in tokens)
    native = t.dtype.newbyteorder("=")
    return np.frombuffer(bytearray(elements), native).reshape(t.shape).astype(t.dtype)


def _integer(line: Line, text: str) -> int:
    try:
        return int(text)
    except ValueError:  # Python's limit on digits
        raise line.error(f"an integer of {len(text)} digits is too long") from None


def _element(line: Line, token: Token, dtype: "np.dtype[Any]") -> Any:
    """One number of this dtype, in the machine's byte order."""
    kind, text = token
    if dtype.kind == "b" and text in ("true", "false"):
        return np.bool_(text == "true")
    if dtype.kind in "iu" and kind == "int":
        value = _integer(line, text)
        if not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
            raise line.error(f"{text} does not fit {dtype.name}")
        return dtype.type(value)
    if dtype.kind == "f" and (kind in ("float", "bits") or text in ("inf", "nan")):
        return _float(line, token, dtype)
    raise line.error(f"expected {_WANTED[dtype.kind]}, found {text}")


def _float(line: Line, token: Token, dtype: "np.dtype[Any]") -> Any:
    kind, text = token
    if kind == "bits":
        if len(text) != 2 + 2 * dtype.itemsize:
            raise line.error(f"{dtype.name} has {2 * dtype.itemsize} digits of bits, not {text}")
        bits = int(text, 16).to_bytes(dtype.itemsize, sys.byteorder)
        return np.frombuffer(bits, dtype.type)[0]
    with np.errstate(all="ignore"):
        x = dtype.type(float(text))
    if kind == "float" and text != "-inf" and np.isinf(x):
        raise line.error(f"{text} does not fit {dtype.name}")
    return x


def attrs_text(attrs: Attrs) -> str:
    """Settings as {name: value, ...}, or nothing."""
    if not attrs:
        return ""
    return "{" + ", ".join(f"{name_text(k)}: {_setting_text(v)}" for k, v in attrs) + "}"


def _setting_text(value: Any, depth: int = 0) -> str:
    for word, meaning in _WORDS.items():
        if value.__class__ is meaning.__class__ and value == meaning:
            return word
    if value.__class__ is str:
        return quoted(value)
    if value.__class__ is int or (value.__class__ is float and value == value):
        return _number_text(value)
    if value.__class__ is tuple and depth < DEEPEST:
        inner = [_setting_text(v, depth + 1) for v in value]
        return f"({inner[0]},)" if len(inner) == 1 else f"({', '.join(inner)})"
    raise TextError(
        f"a setting cannot be {value!r} ({value.__class__.__name__}): only None, bool, int, float "
        f"but nan, str, and tuples of these, nested up to {DEEPEST} deep"
    )


def read_attrs(line: Line) -> Attrs:
    """Settings, if there are any here."""
    attrs: dict[str, Any] = {}
    if not line.accept("{"):
        return ()
    while line.next[1] != "}":
        name = line.name("the name of a setting")
        if name in attrs:
            raise line.error(f"the setting {name_text(name)} is given twice")
        line.expect(":")
        attrs[name] = _setting(line)
        if not line.accept(","):
            break
    line.expect("}")
    return attrs_key(attrs)


def _setting(line: Line, depth: int = 0) -> Any:
    kind, text = line.next
    if kind == "string":
        return line.string("a string")
    if kind in ("name", "float") and text in _WORDS:
        line.accept(text)
        return _WORDS[text]
    if kind == "int":
        return _integer(line, line.take("int", "an integer"))
    if kind == "float":
        return _float(line, line.token(("float",), "a float"), _NATIVE["float64"]).item()
    if text == "(" and kind == "symbol":
        return _tuple(line, depth)
    raise line.expected("a setting (none, true, false, a number, a string or a tuple)")


def _tuple(line: Line, depth: int) -> tuple[Any, ...]:
    if depth == DEEPEST:
        raise line.error(f"tuples are nested more than {DEEPEST} deep")
    line.expect("(")
    found = []
    while line.next[1] != ")":
        found.append(_setting(line, depth + 1))
        if not line.accept(","):
            break
    line.expect(")")
    return tuple(found)
