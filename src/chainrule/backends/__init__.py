"""Circuit to callable: `stepwise` is the reference, `numpy` runs the printed code."""
