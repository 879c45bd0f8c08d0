"""Is the gradient right? Central differences, verdicts, checks of a circuit gate by gate."""
