"""The clips of a remote source: what its addresses hold, found out with a few small reads each."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from curation.clips.content import identity_of
from curation.clips.manifest import Candidate, name_hash, without_twins
from curation.clips.options import RemoteSource
from curation.clips.suffixes import is_video_name
from media.errors import MediaError
from media.http_ranges import spoken
from media.remote import SCHEMES, SERVERS, RemotePath, checked, failure, filesystem, scheme_of, version_of
from storage.files import sha256_bytes
from storage.journal import Journal

AT_A_TIME = 8  # a look is waiting, not work
ADDRESS_CHARACTERS = 4096


@dataclass(frozen=True)
class Found:
    """An address, and what its listing said of the file's size and version, None when nothing."""

    url: str
    stamp: tuple[int, str] | None = None
    refusal: str = ""


def remote_candidates(source: RemoteSource, digests: Journal) -> list[Candidate]:
    """One candidate an address. Its id is that of a local file with the same content.

    `digests` remembers contents by address, size and version. An address that does not answer is rejected, and asked
    again the next time. Raises ValueError when none answers, and for a wrong setting, such as a scheme whose package
    is not installed.
    """
    found = sorted(listed(source) if source.folder is not None else read_list(source), key=lambda one: one.url)
    for scheme in sorted({scheme_of(one.url) for one in found if not one.refusal}):
        if SCHEMES[scheme]:
            installed(scheme)
    known = [digests.get(f"remote|{one.url}") for one in found]
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        looks = list(threads.map(look, found, known))
    if found and all(after.get("reason") in SERVERS for after in looks):
        last = looks[-1]
        raise ValueError(
            f"none of {len(looks)} addresses can be read; the last one: {last['reason']}: {last['detail']}"
        )
    for one, before, after in zip(found, known, looks, strict=True):
        if "identity" in after and after != before:
            digests.put(f"remote|{one.url}", after)
    candidates = (candidate_of(one, after) for one, after in zip(found, looks, strict=True))
    return [replace(candidate, redistributable=source.redistributable) for candidate in without_twins(candidates)]


def installed(scheme: str):
    """fsspec's filesystem. Raises ValueError when its package is missing, which is no file's fault."""
    try:
        return filesystem(scheme)
    except MediaError as error:
        raise ValueError(error.detail) from None


def read_list(source: RemoteSource) -> Iterator[Found]:
    """The addresses of a text file, each once; empty lines and those that begin with '#' are none."""
    try:
        lines = Path(source.urls).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"urls {source.urls!r} cannot be read as text: {error}") from error
    urls = {line.strip() for line in lines if not line.strip().startswith("#")} - {""}
    if not urls:
        raise ValueError(f"urls {source.urls!r} names no video: give an address on each line")
    for url in urls:
        yield allowed(url, source)


def allowed(url: str, source: RemoteSource, stamp: tuple[int, str] | None = None) -> Found:
    """An address, or why it is not opened."""
    try:
        return Found(checked(url, tuple(source.schemes)), stamp)
    except ValueError as error:
        return Found(url[:ADDRESS_CHARACTERS], refusal=str(error))


def listed(source: RemoteSource) -> Iterator[Found]:
    """The videos below a remote folder, by their names. Raises ValueError when it cannot be listed."""
    folder = checked(source.folder, tuple(source.schemes))
    scheme, words = scheme_of(folder), spoken(folder)
    if not SCHEMES[scheme]:
        raise ValueError(f"folder {words!r}: web servers list no folders; name the files in a text file, see `urls`")
    files = installed(scheme)
    try:
        facts = files.find(files._strip_protocol(folder), detail=True)
    except Exception as error:  # each filesystem has errors of its own, which share no class but this one
        raise ValueError(f"source folder cannot be listed: {failure(words, error)}") from None
    videos = {name: told for name, told in facts.items() if is_video_name(PurePosixPath(name))}
    if not videos:
        raise ValueError(f"source folder {words!r} holds no video: {len(facts)} files have names of other kinds")
    for name, told in videos.items():
        stamp = (int(told["size"]), version_of(told)) if told.get("size") is not None else None
        yield allowed(f"{scheme}://{name.lstrip('/')}", source, stamp if stamp and stamp[1] else None)


def look(one: Found, known: dict | None) -> dict:
    """{"size", "version", "identity"}, or {"reason", "detail"} why they cannot be had."""
    if one.refusal:
        return {"reason": "outside_source", "detail": one.refusal}
    try:
        path = RemotePath(one.url)
        size, version = one.stamp or (path.ranges.size, path.ranges.version)
        if size == 0:
            return {"reason": "empty_file", "detail": "0 bytes"}
        if known is not None and version and (known["size"], known["version"]) == (size, version):
            return known
        with path.open() as handle:
            return {"size": size, "version": version, "identity": identity_of(handle, path.ranges.size).hexdigest()}
    except MediaError as error:
        return {"reason": error.reason, "detail": error.detail}


def candidate_of(one: Found, facts: dict) -> Candidate:
    if "reason" in facts:
        row_id = f"{facts['reason']}-{name_hash(one.url)}"
        return Candidate(row_id, spoken(one.url), reason=facts["reason"], detail=facts["detail"])
    identity = facts["identity"]
    digest = sha256_bytes(f"{identity} {facts['version']}".encode())
    return Candidate(identity[:16], one.url, digest, identity, facts["size"])
