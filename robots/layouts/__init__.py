"""Robot episodes as others store them: a file a layout, and read.py, which is what everybody calls."""
