"""The form in which texts that a VLM wrote are kept."""

import unicodedata


def tidy(text: str) -> str:
    """NFC text with runs of white space folded into one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())
