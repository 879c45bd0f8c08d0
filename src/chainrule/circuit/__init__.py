"""What a circuit is: gate records, columns with views on them, parts, text. Knows no gate."""
