"""Pushing: only calls that the real client takes, a tag only on an equal tree, and a token that is never told."""

import hashlib
import inspect
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.hf_api import RepoFile, RepoFolder

from curation.release.hub import PushFailed, TagTaken, push
from tests.nonsense_hub import NONSENSE, TOKEN, nonsense_hub


class FakeHub:
    """A repository in memory behind the methods of HfApi that a push uses; a keyword HfApi lacks is a TypeError."""

    def __init__(self):
        self.calls: list[tuple[str, dict]] = []
        self.commits = {"c0": {".gitattributes": b"*.parquet lfs"}}
        self.branches, self.tags = {"main": "c0"}, {}
        self.lose: str | None = None  # a path that an upload loses
        self.fail: str | None = None  # a method that raises
        self.error: Exception = HfHubHTTPError(f"401 for {TOKEN}", response=SimpleNamespace(headers={}, request=None))

    def __getattr__(self, name):
        signature = inspect.signature(getattr(HfApi, name))

        def call(*args, **kwargs):
            given = signature.bind(self, *args, **kwargs).arguments
            assert given["repo_type"] == "dataset"
            self.calls.append((name, given))
            if name == self.fail:
                raise self.error
            return getattr(self, f"_{name}")(**{key: value for key, value in given.items() if key != "self"})

        return call

    def _create_repo(self, repo_id, private, exist_ok, **_):
        assert exist_ok

    def _list_repo_refs(self, repo_id, **_):
        named = [[SimpleNamespace(name=name) for name in refs] for refs in (self.branches, self.tags)]
        return SimpleNamespace(branches=named[0], tags=named[1])

    def _create_branch(self, repo_id, branch, exist_ok, **_):
        self.branches[branch] = self.branches["main"]

    def _upload_folder(self, repo_id, folder_path, revision, delete_patterns, commit_message, **_):
        tree = dict(self.commits[self.branches[revision]])
        tree = {
            p: d for p, d in tree.items() if p == ".gitattributes" or not any(fnmatch(p, q) for q in delete_patterns)
        }
        found = [path for path in Path(folder_path).rglob("*") if path.is_file()]
        tree |= {path.relative_to(folder_path).as_posix(): path.read_bytes() for path in found}
        tree.pop(self.lose, None)
        oid = f"c{len(self.commits)}"
        self.commits[oid] = tree
        self.branches[revision] = oid
        return SimpleNamespace(oid=oid)

    def _create_tag(self, repo_id, tag, revision, tag_message, **_):
        assert tag not in self.tags
        self.tags[tag] = revision

    def _list_repo_tree(self, repo_id, recursive, revision, **_):
        tree = self.commits[self.tags.get(revision) or self.branches.get(revision) or revision]
        yield RepoFolder(path="data", oid="0")
        for path, data in tree.items():
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            lfs = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 1}
            large = {"lfs": lfs} if path.endswith((".parquet", ".jpg")) else {}
            yield RepoFile(path=path, size=len(data), oid="pointer" if large else blob, **large)


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    (tree / "data").mkdir(parents=True)
    (tree / "data" / "train-00000-of-00001.parquet").write_bytes(b"rows")
    (tree / "README.md").write_text("card")
    (tree / "manifest.json").write_text('{"contact": "removal@example.org"}')
    return tree


@pytest.fixture
def hub():
    return FakeHub()


def pushed(tree, hub, tag="v1", branch="main", token=TOKEN):
    return push(tree, "lab/tasks", token, branch, tag, True, api=hub)


def test_the_remote_becomes_the_tree_and_the_tag_names_it(tree, hub):
    hub.commits["c0"]["data/old.parquet"] = b"gone with the next version"
    assert pushed(tree, hub) == "https://huggingface.co/datasets/lab/tasks/tree/v1"
    remote = hub.commits[hub.tags["v1"]]
    local = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    assert set(remote) == {*local, ".gitattributes"}
    assert hub.tags["v1"] == hub.branches["main"]


def test_a_branch_that_is_not_there_is_made_and_main_left_alone(tree, hub):
    pushed(tree, hub, branch="next")
    assert hub.branches["main"] == "c0" and hub.tags["v1"] == hub.branches["next"]


def test_pushing_the_same_again_sends_nothing(tree, hub):
    pushed(tree, hub)
    hub.calls.clear()
    pushed(tree, hub)
    assert "upload_folder" not in [name for name, _ in hub.calls]


def test_a_tag_with_other_content_is_refused_before_anything_is_sent(tree, hub):
    pushed(tree, hub)
    (tree / "data" / "train-00000-of-00001.parquet").write_bytes(b"other rows")
    hub.calls.clear()
    with pytest.raises(TagTaken, match=r"'v1' of lab/tasks has other content .*train-00000-of-00001.parquet differs"):
        pushed(tree, hub)
    assert "upload_folder" not in [name for name, _ in hub.calls]
    assert pushed(tree, hub, tag="v2").endswith("v2")


def test_a_half_uploaded_tree_gets_no_tag(tree, hub):
    hub.lose = "README.md"
    with pytest.raises(PushFailed, match=r"README.md is only here\)\. No tag was set: push again"):
        pushed(tree, hub)
    assert hub.tags == {}


@pytest.mark.parametrize("method", ["create_repo", "list_repo_refs", "upload_folder", "list_repo_tree", "create_tag"])
def test_the_token_is_never_told(tree, hub, method, caplog):
    hub.fail = method
    with pytest.raises(PushFailed) as raised:
        pushed(tree, hub)
    assert TOKEN not in str(raised.value) and "***" in str(raised.value)
    assert raised.value.__suppress_context__ and TOKEN not in caplog.text


@pytest.mark.parametrize("answer", NONSENSE)
def test_a_hub_that_answers_nonsense_has_not_taken_the_push(tree, answer):
    with (
        nonsense_hub(NONSENSE[answer]) as api,
        pytest.raises(PushFailed, match="was not understood") as got,
    ):
        pushed(tree, api)
    assert TOKEN not in str(got.value) and got.value.__suppress_context__ and len(str(got.value)) < 800


@pytest.mark.parametrize("spelt", [TOKEN, repr(f"Bearer {TOKEN}\n"), "\\u0068" + TOKEN[1:], TOKEN.replace("_", "%5F")])
def test_no_spelling_of_the_token_is_told(tree, hub, spelt):
    hub.fail = "create_repo"
    hub.error = TypeError(f"{'x' * (490 - len(TOKEN))} {spelt} is no header")
    with pytest.raises(PushFailed) as got:
        pushed(tree, hub, token=f"{TOKEN}\n")
    assert "secret" not in str(got.value) and "***" in str(got.value)


def test_no_call_carries_the_token(tree, hub):
    pushed(tree, hub)
    assert all(TOKEN not in str(given.values()) for _, given in hub.calls)


def test_a_release_without_a_contact_or_a_token_is_refused(tree, hub):
    with pytest.raises(ValueError, match="HF_TOKEN"):
        pushed(tree, hub, token="")
    (tree / "manifest.json").write_text('{"contact": ""}')
    with pytest.raises(ValueError, match="contact is empty"):
        pushed(tree, hub)
    assert hub.calls == []


def test_trees_beyond_the_hubs_limits_are_refused_before_the_first_call(tree, hub, monkeypatch):
    monkeypatch.setattr("curation.release.hub.MOST_IN_FOLDER", 2)
    with pytest.raises(ValueError, match="the Hub takes fewer than 2: lower images_per_folder"):
        pushed(tree, hub)
    monkeypatch.setattr("curation.release.hub.MOST_FILES", 3)
    with pytest.raises(ValueError, match="3 files, but the Hub takes fewer than 3: set image_files: false"):
        pushed(tree, hub)
    assert hub.calls == []
