"""The embedded default world: scenes, tasks, a renderer, a reader of pixels, an exact judge and a scripted VLM."""
