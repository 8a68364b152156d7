"""Prompts as files: `<name>.v<version>.txt`. A change of wording is a new version, so old rows keep their meaning."""

import hashlib
import re
from functools import cache
from pathlib import Path
from string import Template

from models.vlm.protocol import Prompt

FOLDER = Path(__file__).parent
FILE = re.compile(r"(?P<name>[a-z_]+)\.v(?P<version>\d+)\.txt")


@cache
def template(name: str, version: int | None = None) -> tuple[int, str]:
    """(version, text) of a prompt file, the newest when `version` is None. Raises ValueError when there is none."""
    found = {}
    for path in FOLDER.iterdir():
        match = FILE.fullmatch(path.name)
        if match and match["name"] == name:
            found[int(match["version"])] = path
    if not found or (version is not None and version not in found):
        names = sorted(path.name for path in FOLDER.glob("*.txt"))
        raise ValueError(f"there is no prompt {name!r} of version {version or 'any'}: choose from {', '.join(names)}")
    version = max(found) if version is None else version
    return version, found[version].read_text(encoding="utf-8").strip()


def template_hash(name: str, version: int | None = None) -> str:
    """The first 16 digits of the SHA-256 of a prompt file's text: what rows and fingerprints keep."""
    return hashlib.sha256(template(name, version)[1].encode()).hexdigest()[:16]


def prompt(name: str, version: int | None = None, **fields: str) -> Prompt:
    """The prompt `name` with its `$field` places filled. Raises KeyError for a field that is not given."""
    number, text = template(name, version)
    return Prompt(name, number, template_hash(name, version), Template(text).substitute(fields), fields)
