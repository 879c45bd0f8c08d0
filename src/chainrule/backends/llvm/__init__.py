"""Machine code: circuit -> plan -> LLVM IR text -> a callable. LLVM only generates code here.

    prepare.py      live rows, core gates only, types by the gates
    plan.py         numbers: which stages run, in which order, and the value each keeps
    emit.py         that plan as IR text, named as the user named it
    rolled.py       numbers in a Python loop as arrays (unrolled.py, scalars.py, runs.py, sums.py)
    fuse.py         arrays: loop nests over views (nests.py), in a schedule (schedule.py);
                    gathers.py, writes.py: by index arrays, and into arrays; shapes.py, picks.py,
                    contract.py: where gates read; trim.py, buffers.py: what is kept, and where
    blocks.py       nests that share an extent, over blocks of it: members.py says which may,
                    flow.py in which order, rows.py, windows.py and tiles.py what they become;
                    panels.py the same for the columns of a product
    program.py      that plan as IR text: loops.py (steps.py, folds.py), kernel.py, dots.py and
                    scan.py over memory.py
    programs.py     one program for plans that differ only in an extent n (shared.py, extent.py)
    elementwise.py  one row per core gate: its instructions
    math.py         exp, log and power as instructions
    lines.py        the writer of instructions
    targets/        all that knows a machine: CPU, engine, addresses; compiled code kept on the disk
    call.py         compiled numbers as a Python callable; arrays.py the same for arrays
    entry.py        the same without a word of Python, where a target can
"""
