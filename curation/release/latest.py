"""The collection's latest release: published anew when something that decides it has changed."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from curation.frame_files import changed_pictures_removed
from curation.release.code import CODE
from curation.release.facts import collection_facts
from curation.release.options import PublishOptions
from curation.release.publish import MANIFEST, publish_tree
from curation.report.summaries import funnel, keep_rates, token_totals
from curation.stages import tables_of
from storage.collection import NAME, Store
from storage.damage import Damaged, tell
from storage.files import confined, exclusive, sha256_bytes
from storage.json_files import read_object
from storage.notes import kept_note, write_note
from storage.sums import check_sums
from storage.tables import digest


def publish(store: Store, options: PublishOptions) -> dict[str, Any]:
    """The manifest of the collection's release, which `latest` then points to.

    A release that is there is compared with its checksums first; a damaged one is made again, which is told. Raises
    Damaged for a table, and DamagedImage, when a frame's file is another one than its table says; the file is removed
    then, so that the next run makes it anew.
    """
    tables = tables_of(store)
    for path in (path for paths in tables.values() for path in paths):
        digest(path)
    counts = funnel(tables)
    # Seconds differ from run to run: they belong to the report, not to a release that is named by its content.
    facts = {name: value for name, value in collection_facts(store).items() if name != "seconds"} | {
        "funnel": [asdict(count) for count in counts],
        "tokens": token_totals(tables),
        "keep_rates": keep_rates(counts),
    }
    with exclusive(store.lock("published_dataset")):
        return _publish_once(store, facts, options)


def _publish_once(store: Store, facts: dict[str, Any], options: PublishOptions) -> dict[str, Any]:
    """Builds the tree only when table, facts, options or code changed."""
    inputs = [digest(store.worldtasks), facts, options.model_dump(mode="json"), CODE.version]
    fingerprint = sha256_bytes(json.dumps(inputs, sort_keys=True).encode())
    note = store.latest_note
    before = kept_note(note, "the release is made again")
    manifest = store.published / str(before.get("version")) / MANIFEST
    if before.get("fingerprint") == fingerprint and manifest.is_file():
        try:
            check_sums(manifest.parent)
        except Damaged as error:
            tell(error, "the release is made again")
        else:
            _link_latest(store, before["version"])
            return read_object(manifest)
    began = time.monotonic()
    with changed_pictures_removed():
        built = publish_tree(store.worldtasks, store.folder, store.published, facts, options)
    _link_latest(store, built["version"])
    write_note(note, {"version": built["version"], "fingerprint": fingerprint})
    store.note_seconds("published_dataset", time.monotonic() - began)
    return built


def find_release(store: Store, version: str) -> Path | None:
    """The folder of a whole release; None when it is not there or, which is told, not what its checksums say.

    Raises ValueError for a name that is none.
    """
    if version and not NAME.fullmatch(version):
        raise ValueError(f"version {version!r}: give the name of a folder in {store.published}")
    if not (store.published / (version or "latest")).exists():
        return None
    # `latest` is a link to a version beside it.
    tree = confined(store.published, version or "latest")
    try:
        check_sums(tree)
    except Damaged as error:
        tell(error, f"release {tree.name} counts as missing until `make build` makes it again")
        return None
    return tree


def latest_manifest(store: Store) -> dict[str, Any]:
    """The manifest of the release that `latest` points to; {} when there is none, or, which is told, a damaged one."""
    if not (store.latest / MANIFEST).exists():
        return {}
    try:
        check_sums(store.latest.resolve(), MANIFEST)
    except Damaged as error:
        tell(error, "it counts as no release until it is made again")
        return {}
    return read_object(store.latest / MANIFEST)


def _link_latest(store: Store, version: str) -> None:
    """In one step."""
    temporary = store.latest.with_name(".latest.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(version)
    temporary.replace(store.latest)
