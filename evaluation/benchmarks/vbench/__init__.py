"""VBench on a run's videos: the custom-input layout as an export, and the results that it writes."""
