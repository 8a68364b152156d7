"""Groups: what may not be both in the benchmark and in train. A source video, a clip, or a folder of files.

Clips cut from one video show the same places and people, so they belong together: MiraData has about five clips a
video. Files without a source's id stand for themselves. Where the files of one recording share a folder, the folder
says more.
"""

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

GroupBy = Literal["source", "clip", "folder"]
# A web address's query, which may hold slashes and a secret, is no part of its folder.
QUERY = r"(?is)\A(https?://[^?#]*).*"
WORDS = {"source": "source video", "clip": "clip", "folder": "folder"}


def group_names(clip_ids: pa.Array, external_ids: pa.Array, paths: pa.Array, by: GroupBy) -> pa.Array:
    """Each clip's group as a text: `clip_ids` and `external_ids` (strings, "" where a clip names no source), `paths` of
    their files below the source folder, with slashes, or addresses. Files that lie directly in it are one group."""
    if by == "folder":
        paths = pc.replace_substring_regex(pc.fill_null(paths, ""), QUERY, r"\1")
        return pc.binary_join_element_wise("folder", pc.replace_substring_regex(paths, r"(^|/)[^/]*\z", ""), " ")
    clips = pc.binary_join_element_wise("clip", clip_ids, " ")
    if by == "clip":
        return clips
    external_ids = pc.fill_null(external_ids, "")
    return pc.if_else(pc.equal(external_ids, ""), clips, pc.binary_join_element_wise("source", external_ids, " "))


def numbered(names: pa.Array) -> np.ndarray:
    """int32 [n]: equal names have equal numbers, from 0."""
    return names.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int32)


def shortfall(target: int, pairs: int, images: int, groups: int, by: GroupBy, next_cost: int | None) -> str:
    """Why the benchmark has `pairs` pairs instead of the `target` that its size asks for; "" when it has them.

    `images` and `groups` are the whole dataset's; `next_cost` as in split.Chosen.
    """
    if pairs >= target:
        return ""
    word = "source video or clip" if by == "source" else WORDS[by]
    said = f"the benchmark has {pairs:,} of {target:,} pairs" if pairs else "there is no benchmark"
    if groups == 1:
        return f"{said}: all {images:,} images are of one {word} (group_by: {by}), and two are needed"
    if next_cost is None:
        return f"{said}: each {word} but one gives what it has (group_by: {by}); more of them are needed"
    need = -(-1000 * next_cost // images) / 1000
    return (
        f"{said}: images of another {word} would cost train {next_cost:,} of {images:,} images in all, more than "
        f"max_excluded_share allows. Give more videos, or set max_excluded_share to {need:g} or more"
    )
