"""The code blocks of the documents run, and print what the documents say they print."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

from chainrule.cli import main

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language):
    for path in DOCUMENTS:
        for number, match in enumerate(BLOCK.finditer(path.read_text(encoding="utf-8"))):
            if match[1] == language:
                yield pytest.param(match[2], id=f"{path.name}-{number}")


@pytest.mark.parametrize("text", list(blocks("console")))
def test_commands(text, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    command, _, shown = text.partition("\n")
    assert command.startswith("$ chainrule ")
    assert main(shlex.split(command)[2:]) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize("text", list(blocks("python")))
def test_sessions(text):
    test = doctest.DocTestParser().get_doctest(text, {}, "document", None, 0)
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=said.append)
    assert test.examples and runner.failures == 0, "".join(said)


def test_the_table_of_the_note_names_tests_that_exist():
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "docs/note.md").read_text("utf-8"))
    missing = [
        f"{path}::{test}" for path, test in named
        if f"def {test}(" not in (ROOT / "tests" / path).read_text("utf-8")
    ]
    assert len(named) > 40 and missing == []
