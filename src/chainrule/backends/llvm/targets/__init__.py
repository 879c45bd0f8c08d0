"""Machines that code is generated for. Nothing outside this folder may assume one.

    cpu.py           this computer's processor: IR text to machine code
    entered.py       CPython objects whose call slot is generated code
    python_calls.py  what they enter, where it can be made
    forms.py         what such code is made for
    wrapper.py       its text
    proof.py         that it is safe: known.py, reading.py, meaning.py
    c_api.py         the C functions it calls
    layout.py        where CPython and NumPy keep what it reads
"""
