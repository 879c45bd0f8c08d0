"""Function, script or expression -> circuit, by running it once on traced values."""
