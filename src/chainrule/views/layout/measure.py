"""How wide a text is, without asking a font: widths of DejaVu Sans Bold, the widest of the fonts
that systems use for their own interface, so that a text fits whichever is there."""

_WIDTHS = {  # in em, rounded up to one of seven
    0.38: " ',./IJ\\ijl|·",
    0.48: "!()-:;[]ft⁰¹²³⁴⁵⁶⁷⁸⁹ˣʸ",
    0.60: '"*?_`crsz⁻',
    0.72: "$0123456789EFLTabdeghknopquvxy{}",
    0.78: "ABCKPRSVXYZ",
    0.86: "#+<=>DGHNOQU^~−×←",
    1.11: "%&@MWmw",
}
_WIDTH = {letter: width for width, letters in _WIDTHS.items() for letter in letters}
_OTHER = 1.11


def text_width(text: str, size: float) -> float:
    """An upper estimate in px of a text in bold letters of a size in px."""
    return size * sum(_WIDTH.get(letter, _OTHER) for letter in text)
