"""Circuit to circuit: backward, grouping, simplify, and the driver that rewrites."""
