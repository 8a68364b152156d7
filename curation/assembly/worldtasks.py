"""The collection's WORLDTASKS table: assembled anew when something that decides it has changed."""

import json
import time
from typing import Any

from curation.assembly.assemble import assemble
from curation.assembly.code import CODE, HASH_CODE
from curation.assembly.options import WorldtasksOptions
from curation.assembly.picture_hashes import PictureHashes
from curation.assembly.removals import read_removal_list
from curation.frame_files import changed_pictures_removed
from storage.collection import Store
from storage.files import exclusive, sha256_bytes
from storage.notes import kept_note, write_note
from storage.tables import digest, read_meta, whole

# What only assembly knows, as `assemble` says.
FACTS = (
    *("clusters", "bench_target", "excluded_by", "groups", "bench_groups", "bench_shortfall", "unreadable_pictures"),
    *("embeddings", "removal_unmatched"),
)


def fingerprint(store: Store, options: WorldtasksOptions) -> str:
    """Of everything that decides the table: code, options, removal list and the tables it is made from."""
    sources = [digest(path) for stage in ("clips", "aesthetics", "taxonomy") for path in store.tables(stage)]
    parts = [CODE.version, options.model_dump(mode="json"), sorted(read_removal_list(options.removed)), sources]
    return sha256_bytes(json.dumps(parts, sort_keys=True).encode())


def picture_hashes(store: Store) -> PictureHashes:
    """The hashes of the collection's pictures, by which altered copies are found."""
    return PictureHashes(store.folder, store.picture_hashes, HASH_CODE.version)


def make_worldtasks(store: Store, options: WorldtasksOptions) -> tuple[dict[str, Any], bool]:
    """(FACTS of the collection's table, whether it was there already). Raises Damaged for a stage's table, and what
    `assemble` raises."""
    facts = store.worldtasks_facts
    with exclusive(store.lock("worldtasks")):
        meta = {
            "stage": "worldtasks",
            "options": options.model_dump(mode="json"),
            "fingerprint": fingerprint(store, options),
        }
        there = whole(store.worldtasks) and read_meta(store.worldtasks).get("fingerprint") == meta["fingerprint"]
        found = kept_note(facts)
        # A picture that could not be read may be there again: its copies have not been looked for.
        reused = there and found.keys() == set(FACTS) and not found["unreadable_pictures"]
        if not reused:
            began = time.monotonic()
            inputs = [store.tables(stage) for stage in ("taxonomy", "clips", "aesthetics")]
            with changed_pictures_removed():
                counts = assemble(*inputs, store.worldtasks, options, meta, picture_hashes(store))
            found = {name: counts[name] for name in FACTS}
            write_note(facts, found)
            store.note_seconds("worldtasks", time.monotonic() - began)
        return found, reused
