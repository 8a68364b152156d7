"""Which episodes are held out: as the source says, else by a hash of the id; a source scene is never on both sides."""

import hashlib
from collections.abc import Sequence

from robots.recorded import Entry

TRAIN, VAL = "train", "val"


def hashed_split(name: str, val_share: float) -> str:
    """ "val" for about `val_share` of all names, always the same ones, whatever else there is."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return VAL if number < val_share * 2**64 else TRAIN


def splits(entries: Sequence[Entry], val_share: float) -> dict[str, str]:
    """The split of each episode, by its id.

    The source's own, if it holds any out. Else by hash: of the scene where the source names it, so that a scene's
    episodes stay together.
    """
    if any(entry.split == VAL for entry in entries):
        return {entry.episode_id: entry.split or TRAIN for entry in entries}
    return {entry.episode_id: hashed_split(entry.scene or entry.episode_id, val_share) for entry in entries}


def leaks(entries: Sequence[Entry], split_of: dict[str, str]) -> dict[str, str]:
    """Episodes trained on whose source scene is held out, by id with the scene: a source's own split may leak so."""
    held_out = {entry.scene for entry in entries if entry.scene and split_of[entry.episode_id] == VAL}
    return {
        entry.episode_id: entry.scene
        for entry in entries
        if entry.scene in held_out and split_of[entry.episode_id] != VAL
    }
