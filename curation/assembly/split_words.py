"""What card and report say of the split: only what the counts of the finished table show."""

from collections.abc import Mapping
from typing import Any


def split_words(stats: Mapping[str, Any], assembly: Mapping[str, Any]) -> str:
    """Sentences on what is not in both splits, from the counts of `statistics` and the options of the assembly."""
    if "sources_in_both" not in stats:  # of a release that was made when this was not counted
        return ""
    train, bench = (stats["splits"][name]["clips"] for name in ("train", "bench"))
    if not bench:
        return "This release has no benchmark."
    parts = [_apart(stats, assembly.get("group_by", "clip"), train + bench - stats["clips_in_both"])]
    distance = assembly.get("copy_distance")
    if distance is not None:
        parts.append(
            "Images that match a benchmark image in all but "
            f"{distance} of 64 bits when mirrored, cropped, freed of black bars or compared in a part are not in train "
            "either."
        )
    return " ".join(parts)


def _apart(stats: Mapping[str, Any], by: str, clips: int) -> str:
    clips_in_both, sources_in_both = stats["clips_in_both"], stats["sources_in_both"]
    if clips_in_both:
        return f"{clips_in_both:,} clips and {sources_in_both:,} source videos have frames in both splits."
    if by == "folder":
        return f"The splits are apart by the folders that files lie in. No clip has frames in both splits.{_but(stats)}"
    if sources_in_both:
        return f"The splits are apart by clip: no clip has frames in both splits.{_but(stats)}"
    without = stats["clips_without_source"]
    if without == clips:
        return "The splits are apart by clip, since no clip names a source video: no clip has frames in both splits."
    if without:
        return (
            f"The splits are apart by source video, and by clip for the {without:,} clips that name none: neither a "
            "source video nor a clip has frames in both splits."
        )
    return "The splits are apart by source video: no source video has frames in both splits."


def _but(stats: Mapping[str, Any]) -> str:
    count = stats["sources_in_both"]
    return f" {count:,} source videos have clips in both." if count else ""
