"""Statistics of evaluations: rates and their intervals, runs, comparisons, curves, and the published numbers beside."""
