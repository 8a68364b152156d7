"""What one stage is: its table, what its rows are made from, and the code that decides them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from curation.code_version import CodeVersion


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of curation. Each has its own `stage.py`, beside its rules.

    `title` heads its part of the report; `unit` is what a row is: "clips", "frames" or "pairs".
    `decided_by`: the files, below the repository's root, whose code decides the rows. Options and prompts are part of
    a table's fingerprint by themselves; what else decides is in `values` (JSON). `known`: digest -> version, see
    code_version.py.
    """

    name: str
    title: str
    unit: str
    schema: pa.Schema
    upstream: str | None = None
    decided_by: tuple[str, ...]
    values: Any = ()
    known: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def code(self) -> CodeVersion:
        columns = [[column.name, str(column.type)] for column in self.schema]
        return CodeVersion(self.decided_by, self.known, [columns, self.values])

    @property
    def version(self) -> str:
        """Changes when the stage's code makes other rows from the same input."""
        return self.code.version
