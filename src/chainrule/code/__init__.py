"""Circuit to source: staged code for reading, tight code for running."""
