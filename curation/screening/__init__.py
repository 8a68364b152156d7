"""Stage 5: does a frame suit agent-based video generation? A VLM's log-odds, cut at a threshold."""
