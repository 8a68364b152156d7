"""Image-to-video models behind one protocol: Wan, LTX-2 and HunyuanVideo-1.5, a folder each."""
