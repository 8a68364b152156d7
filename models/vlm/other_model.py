"""Servers that answer to any name, such as llama.cpp and LM Studio: what answers is whatever model they have loaded."""

import logging
from pathlib import PurePosixPath

LOG = logging.getLogger("wmsd")
_TOLD: set[tuple[str, str]] = set()


def tell_other_model(server: str, wanted: str, said: object) -> None:
    """Warns once when `server` says that an answer is of another model than the `wanted` one, which rows name."""
    if not isinstance(said, str) or alike(wanted, said) or (server, said) in _TOLD:
        return
    _TOLD.add((server, said))
    LOG.warning(
        "%s says that the model %r answers. Rows and reports name %r: correct `model`, or load that one",
        server,
        said[:100],
        wanted,
    )


def alike(wanted: str, said: str) -> bool:
    """Whether two names can be of one model: gpt-4o and gpt-4o-2024-08-06, Qwen/X and /models/x-q4.gguf."""
    one, other = (PurePosixPath(name.casefold()).name for name in (wanted, said))
    return one in other or other in one
