"""Products in the plan: by BLAS, in registers, or as a nest over all letters that adds them up."""

from collections.abc import Sequence

from chainrule.backends.llvm.contract import Contraction, is_for_blas
from chainrule.backends.llvm.nests import Fold, Kernel, Nest, Product, View
from chainrule.backends.llvm.plan import Step
from chainrule.backends.llvm.schedule import Schedule, Wire, placed
from chainrule.backends.llvm.values import Value
from chainrule.gates.elementwise import multiply


def product(schedule: Schedule, matrices: tuple[View, View], out: Wire) -> None:
    """Matrices or stacks of them: by BLAS where they are large, else in registers."""
    x, y = matrices
    out.view = schedule.room(out)
    if is_for_blas(x, y):
        out.ready = schedule.append(Product(x, y, out.view)) + 1
        return
    if y.strides[-1] != 1 and y.shape[-1] > 1:
        y = placed(schedule.copied(y, out))
    spread = out.view.shape[:-2]
    x, y = (v.spread(spread + v.shape[-2:]) for v in (x, y))
    out.ready = schedule.append(Kernel(x, y, out.view)) + 1


def sum_of_products(
    schedule: Schedule, c: Contraction, views: Sequence[View], out: Wire
) -> None:
    """A nest over all letters; `out` gets its number or its view."""
    order = c.loop_order(views)
    shape = tuple(c.sizes[x] for x in order)
    p = schedule.append(Nest(shape))
    values = [
        schedule.load(View(v.buffer, shape, c.strides(v, term, order), v.offset), p)
        for v, term in zip(views, c.terms, strict=True)
    ]
    while len(values) > 2:
        made = Value(out.kind, schedule.fresh(out.name))
        step = Step(made, multiply, (values[0], values[1]), None, out.kind)
        schedule.nest(p).steps.append(step)
        values = [made, *values[2:]]
    out.ready = p + 1
    value, into = Value(out.kind, out.name), None
    if all(n == 1 for n in out.shape):
        out.number = value
    else:
        out.view = schedule.room(out)
        into = View(out.view.buffer, shape, c.strides(out.view, c.out, order))
    how = "dot" if len(values) == 2 else "sum"
    schedule.nest(p).folds.append(Fold(how, tuple(values), value, into))
