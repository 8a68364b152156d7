"""Reads the episodes of a source, whatever its layout, and holds the loader's rules against each."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from robots.contracts import contract_of
from robots.episode import Episode, Finding
from robots.layouts.ctrl_world import CtrlWorldLayout
from robots.layouts.lerobot_info import read_info
from robots.layouts.lerobot_v2 import LeRobotV2Layout
from robots.layouts.lerobot_v3 import LeRobotV3Layout
from robots.layouts.microworld import MicroworldLayout
from robots.layouts.source_folder import NoSource, open_folder
from robots.options import RobotSource
from robots.recorded import Entry, Layout, Recorded, Wanted
from robots.rules import Refused, footage_findings, motion_findings, same_length, too_short
from robots.splits import leaks, splits

LEROBOT = {"v2.1": LeRobotV2Layout, "v3.0": LeRobotV3Layout}


@dataclass(frozen=True)
class Listed:
    """A source's episodes before they are read. split: by id; leaks: by id, the scene that is held out too."""

    layout: Layout
    wanted: Wanted
    entries: tuple[Entry, ...]
    split: dict[str, str]
    leaks: dict[str, str]


def list_episodes(source: RobotSource) -> Listed:
    """What a source lists, each id once. Raises NoSource for one that cannot be read at all."""
    wanted = wanted_of(source)
    layout = open_layout(source, wanted)
    entries, seen = [], set()
    for entry in layout.entries():
        if entry.episode_id in seen:
            told = f"the id {entry.episode_id!r} comes twice"
            entry = replace(entry, episode_id=_free(entry, seen), finding=Finding("double_id", told, refused=True))
        seen.add(entry.episode_id)
        entries.append(entry)
    split = splits(entries, source.val_share)
    return Listed(layout, wanted, tuple(entries), split, leaks(entries, split))


def episode_ids(source: RobotSource) -> list[str]:
    """The ids of all episodes, refused ones too, in the source's order. Raises NoSource."""
    return [entry.episode_id for entry in list_episodes(source).entries]


def read_episodes(source: RobotSource, only: Collection[str] | None = None) -> Iterator[Episode]:
    """Each episode of the source, or those of the ids `only`, in the source's order.

    One that cannot be used comes too, with `refused` and the findings that say why. Raises NoSource for a source that
    cannot be read at all.
    """
    listed = list_episodes(source)
    for entry in listed.entries:
        if only is None or entry.episode_id in only:
            yield read_episode(source, listed, entry)


def read_episode(source: RobotSource, listed: Listed, entry: Entry) -> Episode:
    split, fps = listed.split[entry.episode_id], listed.layout.fps
    findings: list[Finding] = [entry.finding] if entry.finding else []
    recorded = Recorded(np.empty((0, len(listed.wanted.columns))), {})
    states = recorded.states
    try:
        if not entry.finding:
            recorded = listed.layout.read(entry)
            findings += recorded.findings
            frames, found = footage_findings(recorded.footage, fps)
            states, more = same_length(recorded.states, frames, recorded.rows)
            findings += [*found, *more, *motion_findings(states, listed.wanted.angles)]
            findings += too_short(len(states), source.min_frames)
    except Refused as refusal:
        findings.append(refusal.finding)
    if scene := listed.leaks.get(entry.episode_id):
        findings.append(Finding("scene_on_both_sides", f"scene {scene} is held out too", refused=True))
    text = recorded.text or source.text
    if source.text and recorded.text and recorded.text != source.text:
        findings.append(Finding("other_text", f"its own: {recorded.text!r}; the recipe's: {source.text!r}"))
    told = tuple(replace(one, refused=one.refused or one.rule in source.refuse) for one in findings)
    return Episode(entry.episode_id, split, fps, states, recorded.footage, text, entry.scene, told)


def _free(entry: Entry, seen: set[str]) -> str:
    """A name for the second bearer of an id."""
    number = 2
    while f"{entry.episode_id}#{number}" in seen:
        number += 1
    return f"{entry.episode_id}#{number}"


def open_layout(source: RobotSource, wanted: Wanted) -> Layout:
    """Raises NoSource."""
    folder = open_folder(source.path, source.revision)
    if source.layout == "ctrl_world":
        return CtrlWorldLayout(folder, wanted, source.scene)
    if source.layout == "microworld":
        return MicroworldLayout(folder, wanted)
    info = read_info(folder)
    if info.version not in LEROBOT:
        read = ", ".join(LEROBOT)
        raise NoSource(f"{source.path} has codebase_version {info.version!r:.40}: the versions read are {read}")
    return LEROBOT[info.version](folder, info, wanted, source.scene)


def wanted_of(source: RobotSource) -> Wanted:
    """What the contract of the robot asks of the source."""
    contract = contract_of(source.robot)
    keys = contract.keys_of(source.layout)
    views = source.views or {view: keys.views[view] for view in contract.views}
    fps = source.fps or keys.fps
    return Wanted(views, keys.state, keys.command, contract.names, contract.indices("rad"), fps)
