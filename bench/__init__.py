"""Timings of chainrule beside other libraries: `python -m bench [name ...] [--quick]`.

Each module here except `harness` is one bench: a `TITLE` and a `run(quick)` that prints its table.
"""
