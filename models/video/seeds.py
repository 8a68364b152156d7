"""Seeds from words and numbers: what is drawn depends on what it is for, never on when or beside what it is drawn."""

import hashlib


def seed_of(*parts: int | str) -> int:
    """A 63-bit seed from any integers and words."""
    digest = hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def held_out_seed(seed: int, sample_id: str) -> int:
    """The seed of a held-out task's initial noise: from the task and a number, whoever acts, under whatever prompt.

    Training's held-out scores and evaluations with the same `seed` thus start from the same noise.
    """
    return seed_of(seed, "heldout", sample_id)
