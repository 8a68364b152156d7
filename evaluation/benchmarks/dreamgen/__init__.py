"""DreamGen Bench: the released samples, the videos under its names, and its scores with our judges."""
