"""The page: it stands alone, holds every number, and nothing in it can run."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import chainrule as cr


def f(x, y):
    q = x + y
    f = q * y
    return f


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.texts, self.attributes = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def text():
    return cr.circuit(f)(-2.0, 5.0).html()


def test_it_holds_drawing_code_words_and_numbers(text):
    page = Page(text)
    assert page.open == [] and page.tags.count("svg") == 1
    said = " ".join(" ".join(page.texts).split())
    for part in ("f(x, y)", "dx = dq", "The * gate swaps its inputs: q gets 5 x 1 = 5",
                 "q = x + y 3 5 distributes: x and y get dq unchanged"):  # fmt: skip
        assert part in said


def test_it_needs_nothing_but_itself(text):
    page = Page(text)
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert set(re.findall(r"https?://[^\"]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "url(" not in text and "@import" not in text


def test_light_and_dark_have_the_colours_of_the_drawing(text):
    assert "prefers-color-scheme:dark" in text
    assert "--value:#006b5e" in text and "--value:#8eebd2" in text


def test_hostile_names_are_escaped():
    def hostile(x):
        return x * 2

    hostile.__name__ = "<script>alert(1)</script>"
    text = cr.circuit(hostile)(1.0).html()
    assert "<script" not in text


def test_the_same_circuit_gives_the_same_bytes():
    pages = [cr.circuit(lambda x: np.sum(x * x))(np.ones((3, 3))).html() for _ in range(2)]
    assert pages[0] == pages[1]
