"""Whether frames that are about to be made will lead to questions: then the VLM's server is tried before."""

import json
from collections.abc import Mapping
from typing import Any

from storage.collection import Store
from storage.damage import Damaged
from storage.tables import kept_rows, read_meta, read_rows


def will_be_asked(store: Store, shard: str, options: Mapping[str, Any]) -> bool:
    """Whether the VLM is sure to be asked about frames of this shard, which are about to be made with `options`.

    It is where nothing was screened yet, a clip is new, or the options are. Frames that are made again for another
    reason may come out as they were, and then the journals hold their answers.
    """
    clips = {row["clip_id"] for row in kept_rows(store.table("clips", shard))}
    if not clips:
        return False
    if not store.table("screening", shard).exists():
        return True
    before = store.table("frames", shard)
    meta = read_meta(before)
    try:
        known = {row["clip_id"] for row in read_rows(before, ["clip_id"])} if meta else clips
    except Damaged:
        return False
    return bool(meta) and (meta["options"] != json.loads(json.dumps(options)) or not clips <= known)
