"""The version of chainrule."""

VERSION = "0.1.0"
