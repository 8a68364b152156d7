"""The clips of a source: a folder of videos, remote ones, a MiraData CSV with its files, or the microworld's."""

from pathlib import Path

from pydantic import TypeAdapter

from curation.clips.located import Addresses, located
from curation.clips.manifest import Candidate, folder_candidates
from curation.clips.miradata_files import miradata_candidates
from curation.clips.options import Source
from curation.clips.remote_files import remote_candidates
from storage.collection import Store
from storage.files import exclusive
from storage.journal import Journal
from storage.tables import kept_rows, read_meta


def source_folder(source: Source, store: Store) -> Path | Addresses:
    """The folder that the manifest's paths are relative to, or which addresses they may be."""
    if source.kind == "remote":
        return Addresses(tuple(source.schemes))
    if source.kind == "microworld":
        return store.microworld_clips / f"seed-{source.seed}-clips-{source.clips}"
    return Path(source.folder)


def folder_of(store: Store, shard: str) -> Path | Addresses:
    """The source folder that the shard's manifest was made from."""
    source = read_meta(store.table("clips", shard))["options"]["source"]
    return source_folder(TypeAdapter(Source).validate_python(source), store)


def kept_clips(store: Store) -> list[tuple[dict, str]]:
    """The collection's usable clips with their files, by id."""
    found = []
    for path in store.tables("clips"):
        folder = folder_of(store, path.stem)
        found += [(row, located(folder, row["path"])) for row in kept_rows(path)]
    return found


def candidates(source: Source, store: Store) -> list[Candidate]:
    """The source's clips, all shards together. Raises ValueError that names a wrong setting."""
    folder = source_folder(source, store)
    with exclusive(store.lock("listing")), Journal(store.journal("clips", "digests")) as digests:
        if source.kind == "remote":
            return remote_candidates(source, digests)
        if source.kind == "microworld":
            from microworld.clips import make_clips

            make_clips(folder, source.clips, source.seed)
        if source.kind == "miradata":
            return miradata_candidates(Path(source.csv), folder, digests, source.length_tolerance_s)
        redistributable = source.kind == "microworld" or source.redistributable
        return folder_candidates(folder, redistributable, digests)
