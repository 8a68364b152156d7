"""Shards: the parts that every stage works on. A clip's shard is a stable hash of its id, so it never moves."""

import hashlib
import os

DEFAULT_COUNT = 8
LARGEST_COUNT = 10_000


def shard_count(text: str | None) -> int:
    """The number of shards from the environment variable WMSD_SHARDS; raises ValueError for anything but 1..10000."""
    if text is None:
        return DEFAULT_COUNT
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_COUNT:
        raise ValueError(f"WMSD_SHARDS={text!r}: use a whole number from 1 to {LARGEST_COUNT}")
    return int(text)


def shard_key(number: int) -> str:
    return f"shard-{number:04d}"


def shard_of(clip_id: str, count: int) -> str:
    """The key of the shard that holds `clip_id` when there are `count` shards."""
    return shard_key(int.from_bytes(hashlib.sha256(clip_id.encode()).digest()[:8], "big") % count)


COUNT = shard_count(os.environ.get("WMSD_SHARDS"))
KEYS = tuple(shard_key(number) for number in range(COUNT))
