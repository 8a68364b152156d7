"""Deliberate mistakes in the scripted VLM's pairs, so that every rule of the tasks stage has something to drop."""

import hashlib
from collections.abc import Callable

# The paper keeps 146,440 of 160,000 pairs.
PAPER_RATE = 0.085


def _no_brackets(t: str, d: str, _: list) -> tuple[str, str]:
    return t.replace("[", "").replace("]", ""), d


def _same_text(t: str, d: str, _: list) -> tuple[str, str]:
    return t, t


def _duplicate(t: str, d: str, before: list) -> tuple[str, str]:
    return before[-1] if before else (t, t)


def _too_short(t: str, d: str, _: list) -> tuple[str, str]:
    return t, " ".join(d.split()[:3]) + "."


def _too_long(t: str, d: str, _: list) -> tuple[str, str]:
    return t, " ".join([d] * 6)


def _wordy_task(t: str, d: str, _: list) -> tuple[str, str]:
    return t[:-1] + ", and do so in a way that " + "is as calm and as careful and as steady " * 4 + "as can be.", d


def _no_full_stop(t: str, d: str, _: list) -> tuple[str, str]:
    return t.rstrip("."), d


def _empty_agent(t: str, d: str, _: list) -> tuple[str, str]:
    return "[]" + t[t.index("]") + 1 :], d


FLAWS: dict[str, Callable[[str, str, list], tuple[str, str]]] = {
    "no_brackets": _no_brackets,
    "same_text": _same_text,
    "duplicate": _duplicate,
    "solution_too_short": _too_short,
    "solution_too_long": _too_long,
    "task_too_long": _wordy_task,
    "no_full_stop": _no_full_stop,
    "empty_agent": _empty_agent,
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
