"""Where a result may be written over what it is computed from: proved from a plan.

Machine code goes through the items of a plan in order. An output may lie where an array that it
reads lies, if nothing reads the array once the output's memory has been written:

    before     the last item that reads the array comes before the first that writes the output
    in step    they are one nest, which reads each number of the array once, in the round that
               writes the same place of the output afterwards
"""

from chainrule.backends.llvm.flow import flow_of
from chainrule.backends.llvm.nests import ArrayPlan, Buffer, Nest, Shape, View, row_major


def may_replace(plan: ArrayPlan, output: int, source: Buffer) -> bool:
    """True where an output of the plan may lie exactly where an input or a constant array does."""
    view = plan.outputs[output]
    if plan.faults or not isinstance(view, View):
        return False  # a call that fails leaves its arguments as they were
    target = view.buffer
    if (target.kind, target.size) != (source.kind, source.size):
        return False
    flows = [flow_of(item) for item in plan.items]
    reads = [p for p, flow in enumerate(flows) if source in flow.reads]
    writes = [p for p, flow in enumerate(flows) if target in flow.writes]
    if not reads or not writes or reads[-1] < writes[0]:
        return True
    item = plan.items[writes[0]]
    return reads[-1] == writes[0] and isinstance(item, Nest) and _in_step(item, source, target)


def _in_step(nest: Nest, source: Buffer, target: Buffer) -> bool:
    loads = [x for x in nest.loads if x.view.buffer is source]
    stores = [x for x in nest.stores if x.view.buffer is target]
    views = [*(x.view for x in loads), *(x.view for x in stores)]
    return (
        not any(f.into is not None and f.into.buffer is target for f in nest.folds)
        and not any(x.picks or x.table is not None for x in loads)
        and not any(x.picks or x.adds for x in stores)
        and all(_is_once(v, nest.shape) for v in views)
    )


def _is_once(view: View, shape: Shape) -> bool:
    """True where the places of a nest are those of the buffer, in its order."""
    return view.strides == row_major(shape) and not view.offset
