"""What is recorded of each evaluated run: its own metadata and version, whether it ran alone or with others."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from storage.files import sha256_bytes, sha256_file
from storage.json_files import read_json

Metadata = Mapping[str, Any]


@dataclass(frozen=True)
class Recorded:
    """Metadata and version of one evaluated run."""

    metadata: Metadata
    version: str


def recorded(
    context: dg.AssetExecutionContext, found: Mapping[str, Recorded], summary: Metadata | None = None
) -> dg.MaterializeResult:
    """The asset's result: each partition with its own metadata. `summary` covers several partitions; each shows it.

    Dagster knows one data version for all partitions of a run: that of a range changes when any of its runs did.
    """
    if context.has_partition_key:
        (one,) = found.values()
        metadata = dict(one.metadata) | {"version": one.version}
        return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(one.version))
    for name, one in found.items():
        context.add_asset_metadata(dict(one.metadata) | {"version": one.version}, partition_key=name)
    versions = sorted(f"{name} {one.version}" for name, one in found.items())
    whole = sha256_bytes("\n".join(versions).encode())[:16]
    return dg.MaterializeResult(metadata=dict(summary or {}), data_version=dg.DataVersion(whole))


def table_of(place: Path) -> Recorded:
    """Of a benchmark's folder with table.json and table.md."""
    table = read_json(place / "table.json")
    metadata = {
        "folder": dg.MetadataValue.path(str(place)),
        "table": dg.MetadataValue.md((place / "table.md").read_text(encoding="utf-8")),
        "table as JSON": dg.MetadataValue.json(table),
    }
    return Recorded(metadata, sha256_file(place / "table.json")[:16])
