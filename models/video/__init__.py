"""Image-to-video flow models behind one protocol: Wan, LTX-2, HunyuanVideo-1.5."""
