"""A worked circuit's forms: files, notebooks, other inputs."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import InputError, OutputError


def f(x, y):
    q = x + y
    return q * x


def test_saved_files(tmp_path):
    w = cr.circuit(f)(2.0, 3.0)
    for name, begins in (("c.svg", "<svg"), ("c.txt", "f(x, y)"), ("c.py", "def f_grad")):
        w.save(tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begins)
    with pytest.raises(InputError, match=r"write .svg, .html, .json, .txt or .py"):
        w.save(tmp_path / "c.png")


def test_what_a_notebook_shows():
    bundle = cr.circuit(f)(2.0, 3.0)._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg") and "q = x + y" in bundle["text/plain"]


def test_the_drawing_is_the_same_every_time():
    assert cr.circuit(f)(2.0, 3.0).draw() == cr.circuit(f)(2.0, 3.0).draw()


def test_at_other_inputs():
    w = cr.circuit(f)(2.0, 3.0)
    assert w.at(x=1).gradients == {"x": 5.0, "y": 1.0}
    assert w.gradients == {"x": 7.0, "y": 2.0}
    with pytest.raises(InputError, match="no argument 'z'; arguments: x, y"):
        w.at(z=1)
    with pytest.raises(InputError, match=r"x has shape \[2\], but the circuit was traced"):
        w.at(x=np.ones(2))


def test_outputs_that_cannot_be_worked():
    with pytest.raises(OutputError, match="does not depend on its arguments"):
        cr.circuit(lambda x: 3.0)(1.0)
    with pytest.raises(OutputError, match="output_grad="):
        cr.circuit(lambda x: x * np.ones(3))(1.0)


def test_integer_arrays_stay_constants():
    w = cr.circuit(lambda x, n: (x * n).sum())(np.ones(3), np.arange(3))
    assert list(w.gradients) == ["x"]
    np.testing.assert_array_equal(w.gradients["x"], [0, 1, 2])


DATA = np.arange(20.0)


def test_captured_arrays_keep_their_names():
    local = np.ones(20)
    w = cr.circuit(lambda x: (x * DATA + local).sum())(np.ones(20))
    assert "def f_grad(x, *, DATA, local):" in w.code()
    space = {}
    exec(compile(str(w.code()), "<printed>", "exec"), space)
    value, dx = space["f_grad"](np.ones(20), DATA=DATA, local=local)
    assert value == w.value
    np.testing.assert_array_equal(dx, DATA)


def test_a_page_and_a_document_are_saved(tmp_path):
    w = cr.circuit(f)(2.0, 3.0)
    w.save(tmp_path / "c.html")
    w.save(tmp_path / "c.json", decimals=2)
    assert (tmp_path / "c.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    found = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert [x["label"] for x in found["stages"]] == ["q(+) 5.00/2.00", "f(*) 10.00/1.00"]


def test_show_prints_in_a_terminal(capsys):
    w = cr.circuit(f)(2.0, 3.0)
    w.show(width=60)
    assert capsys.readouterr().out == w.text(width=60)


def test_show_displays_in_a_notebook(monkeypatch):
    seen = []
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    notebook = SimpleNamespace(
        get_ipython=lambda: shell, display=SimpleNamespace(display=seen.append)
    )
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    w = cr.circuit(f)(2.0, 3.0)
    w.show()
    w.show(theme="dark")
    assert seen == [w, w.draw(theme="dark")]


def test_show_opens_the_page_in_a_browser(monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    w = cr.circuit(f)(2.0, 3.0)
    w.show(browser=True)
    (page,) = tmp_path.iterdir()
    assert opened == [page.as_uri()] and page.read_text(encoding="utf-8") == w.html()
