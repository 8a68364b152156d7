"""A version of code: derived from the code itself, so that a changed rule makes its table anew and a comment does not.

The digest is over the statements of some files: not their comments, docstrings, layout, imports, order, or which of the
files a statement is in. `known` says which version a digest stands for. A digest that is not known is its own version.

After a change that alters no row, add the new digest to `known`, with the version that it stood for before: then
finished tables stay. After a change of rows add it with a new version, or leave it out. `python -m curation.versions`
prints the digests of now; a test fails while one is unknown, so that nobody forgets to decide.
"""

import ast
import contextlib
import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from storage.files import write_bytes

ROOT = Path(__file__).resolve().parent.parent
# Part of every digest. Raise it when `plain` changes: it says which digests can be compared.
FORM = 1
UNSAID = {
    "ctx",
    "kind",
    "type_comment",
    "type_params",
}  # fields of a node that say nothing here, or not in every Python


@dataclass(frozen=True)
class CodeVersion:
    """`files`, below the repository's root, that decide a result, and the `values` (JSON) that do and are in none."""

    files: tuple[str, ...]
    known: Mapping[str, str] = field(default_factory=dict)
    values: Any = ()

    @cached_property
    def digest(self) -> str:
        """12 hexadecimal digits."""
        statements = sorted(digest for name in self.files for digest in file_digests(ROOT / name))
        text = json.dumps([FORM, statements, self.values], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def version(self) -> str:
        return self.known.get(self.digest, self.digest)


@cache
def file_digests(path: Path) -> list[str]:
    """A digest of each statement of a Python file, or one of the bytes of another file.

    Parsing takes milliseconds a file, at every start of Dagster: the digests are kept beside the file's bytecode.
    """
    source = path.read_bytes()
    if path.suffix != ".py":
        return [short(source)]
    kept = Path(importlib.util.cache_from_source(str(path))).with_suffix(".digests")
    key = f"{FORM} {hashlib.sha256(source).hexdigest()}"
    if kept.is_file():
        head, *digests = kept.read_text().splitlines()
        if head == key:
            return digests
    digests = statement_digests(source.decode("utf-8"))
    if kept.parent.is_dir() and not sys.dont_write_bytecode:
        with contextlib.suppress(OSError):  # a folder that is not ours: they are worked out again the next time
            write_bytes(kept, "\n".join([key, *digests]).encode())
    return digests


def statement_digests(source: str) -> list[str]:
    return [short(repr(plain(node)).encode()) for node in said(ast.parse(source).body)]


def short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def said(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements but for imports and texts that stand alone, such as docstrings."""
    for node in statements:
        alone = (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        )
        if not alone and not isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def plain(value: Any) -> Any:
    """A syntax tree as nested lists, without places in the file: the same in every Python that the project allows."""
    if isinstance(value, ast.AST):
        fields = (
            (name, item) for name, item in ast.iter_fields(value) if name not in UNSAID and item not in (None, [])
        )
        return [type(value).__name__, *([name, plain(item)] for name, item in fields)]
    if isinstance(value, list):
        return [plain(item) for item in (said(value) if value and isinstance(value[0], ast.stmt) else value)]
    return repr(value)
