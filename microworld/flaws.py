"""Deliberate mistakes in the scripted VLM's pairs, so that every rule of the tasks stage has something to drop."""

import hashlib
from collections.abc import Callable

# The paper keeps 146,440 of 160,000 pairs.
PAPER_RATE = 0.085
WORDY = ", and do so in a way that " + "is as calm and as careful and as steady " * 4 + "as can be."


# name -> how (T, D) is spoiled, given the pairs before it
FLAWS: dict[str, Callable[[str, str, list], tuple[str, str]]] = {
    "no_brackets": lambda t, d, before: (t.replace("[", "").replace("]", ""), d),
    "same_text": lambda t, d, before: (t, t),
    "duplicate": lambda t, d, before: before[-1] if before else (t, t),
    "solution_too_short": lambda t, d, before: (t, " ".join(d.split()[:3]) + "."),
    "solution_too_long": lambda t, d, before: (t, " ".join([d] * 6)),
    "task_too_long": lambda t, d, before: (t[:-1] + WORDY, d),
    "no_full_stop": lambda t, d, before: (t.rstrip("."), d),
    "empty_agent": lambda t, d, before: ("[]" + t[t.index("]") + 1 :], d),
}


def spoil(pairs: list[tuple[str, str]], key: str, rate: float) -> list[tuple[str, str]]:
    """`pairs` of (T, D), a share `rate` of them spoiled in one of the ways of FLAWS, as the hash of `key` decides."""
    out: list[tuple[str, str]] = []
    for i, (t, d) in enumerate(pairs):
        digest = hashlib.sha256(f"{key}:{i}".encode()).digest()
        if int.from_bytes(digest[:8], "big") / 2**64 < rate:
            way = list(FLAWS)[digest[8] % len(FLAWS)]
            t, d = FLAWS[way](t, d, out)
        out.append((t, d))
    return out
