"""Showing a drawing where the reader is: in a notebook, in a browser, or as text in a terminal."""

import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Any


def in_notebook() -> bool:
    """True where a kernel shows pictures. Looks only at what is loaded; imports nothing."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config


def display(shown: Any) -> None:
    """Show an object in the notebook, in its own best form."""
    sys.modules["IPython"].display.display(shown)


def open_page(page: str, name: str) -> Path:
    """Open a page in the browser, from a file that stays until the system tidies its own up."""
    letters = "".join(c if c.isalnum() else "-" for c in name)[:40]
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix=f"chainrule-{letters}-", suffix=".html", delete=False
    ) as file:
        file.write(page)
    path = Path(file.name)
    webbrowser.open(path.as_uri())
    return path
