"""Stage 1: a manifest of input videos from a folder, a MiraData CSV or the microworld."""
