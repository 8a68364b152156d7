"""Keys and tokens are blotted out of what servers and libraries say, before it is told or kept."""

import re

BLOT = "***"


def without_secret(text: str, secret: str) -> str:
    """`text` with every spelling of `secret` blotted out: as it is, as JSON, a Python repr or a URL may escape it."""
    bare = secret.strip()  # what a client says of a header that ends in a line break has it escaped
    return re.sub("".join(map(_spellings, bare)), lambda _: BLOT, text) if bare else text


def _spellings(mark: str) -> str:
    """A pattern of one character, also within JSON that is a text of other JSON."""
    escaped = "".join(f"%{byte:02x}" for byte in mark.encode("utf-8", "surrogatepass"))
    return rf"(?:\\{{1,4}}(?i:u{ord(mark):04x})|(?i:{escaped})|\\{{0,4}}{re.escape(mark)})"
