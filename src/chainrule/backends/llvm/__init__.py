"""Machine code: circuit -> plan -> LLVM IR text -> a callable. LLVM only generates code here.

    prepare.py      live rows, core gates only, types by the gates
    plan.py         which stages run, in which order, and the value each keeps
    emit.py         the plan as IR text, named as the user named it
    elementwise.py  one row per core gate: its instructions
    math.py         exp, log and power as instructions
    lines.py        the writer of instructions
    targets/        all that knows a machine: CPU, engine, addresses; compiled code kept on the disk
    call.py         the compiled function as a Python callable
    entry.py        the same without a word of Python, where a target can
"""
