"""The release on the Hugging Face Hub: the remote tree made equal to the local one, then tagged.

A push and its tag are not one transaction, and a large upload is several commits. So the remote tree is compared,
file by file, with the local one before the tag is set: a tag never names a half-uploaded release. A run that was cut
short is repeated whole; what is already there is not sent again.
"""

from pathlib import Path
from typing import Any

from storage.files import sha256_file
from storage.hub import PushFailed, errors_without
from storage.json_files import read_object

MOST_FILES, MOST_IN_FOLDER = 100_000, 10_000  # the Hub's limits for a repository and for a folder
UNTOUCHED = {".gitattributes"}  # the Hub's own


class TagTaken(ValueError):
    """The tag exists and names other content."""


def push(tree: Path, repo_id: str, token: str, branch: str, tag: str, private: bool, api: Any = None) -> str:
    """Makes the dataset repository's `branch` equal to `tree` and tags the commit; returns its address.

    `private` only counts for a repository that is created here. An existing `tag` with the same content ends the push
    at once; with other content it raises TagTaken before anything is sent. Raises ValueError for a tree that the Hub
    would refuse, or without a contact in its manifest, and PushFailed for whatever the Hub and the network do. `api`:
    an HfApi, for tests.
    """
    files = local_files(tree)
    if not token:
        raise ValueError("the Hub token is empty: set the environment variable HF_TOKEN")
    if not read_object(tree / "manifest.json", "contact")["contact"]:
        raise ValueError("contact is empty: a dataset on the Hub must say whom to ask for a removal")
    with errors_without(token, TagTaken):
        if api is None:
            from huggingface_hub import HfApi

            api = HfApi(token=token)
        repo = {"repo_id": repo_id, "repo_type": "dataset"}
        api.create_repo(**repo, private=private, exist_ok=True)
        refs = api.list_repo_refs(**repo)
        address = f"https://huggingface.co/datasets/{repo_id}/tree/{tag}"
        if any(ref.name == tag for ref in refs.tags):
            other = difference(api, repo, tag, tree, files)
            if other:
                raise TagTaken(f"tag {tag!r} of {repo_id} has other content already ({other}): choose another tag")
            return address
        if branch not in {ref.name for ref in refs.branches}:
            api.create_branch(**repo, branch=branch, exist_ok=True)
        commit = api.upload_folder(
            **repo, folder_path=tree, revision=branch, commit_message=f"Release {tag}", delete_patterns=["*"]
        )
        other = difference(api, repo, commit.oid, tree, files)
        if other:
            raise PushFailed(
                f"{repo_id} at {commit.oid} differs from the local release ({other}). No tag was set: push again"
            )
        api.create_tag(**repo, tag=tag, revision=commit.oid, tag_message=f"Release {tag}")
    return address


def local_files(tree: Path) -> list[str]:
    """Paths below `tree`, sorted. Raises ValueError when there are more than the Hub takes."""
    files = sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file())
    if len(files) >= MOST_FILES:
        raise ValueError(f"{len(files)} files, but the Hub takes fewer than {MOST_FILES}: set image_files: false")
    folders: dict[str, int] = {}
    for file in files:
        folder = file.rpartition("/")[0]
        folders[folder] = folders.get(folder, 0) + 1
    for folder, count in folders.items():
        if count >= MOST_IN_FOLDER:
            raise ValueError(
                f"{folder} has {count} files, but the Hub takes fewer than {MOST_IN_FOLDER}: lower images_per_folder"
            )
    return files


def difference(api: Any, repo: dict[str, str], revision: str, tree: Path, files: list[str]) -> str:
    """What first tells the remote tree from the local one; "" when they are equal."""
    from huggingface_hub.utils.sha import git_hash

    remote = {
        entry.path: entry
        for entry in api.list_repo_tree(**repo, recursive=True, revision=revision)
        if hasattr(entry, "blob_id") and entry.path not in UNTOUCHED
    }
    for path in sorted(remote.keys() ^ set(files)):
        return f"{path} is only {'there' if path in remote else 'here'}"
    for path in files:
        entry, file = remote[path], tree / path
        same = entry.lfs.sha256 == sha256_file(file) if entry.lfs else entry.blob_id == git_hash(file.read_bytes())
        if not same:
            return f"{path} differs"
    return ""
