"""A circuit and its readings as a person sees them: numbers, labels, and text for a terminal."""
