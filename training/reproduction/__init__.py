"""The longer experiment: many training runs, what the paper claims of them, and whether that came out."""
