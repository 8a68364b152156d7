"""Two evaluated sets of rollouts, paired by their starts: who wins how often, by how much, and at which chunk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.rollouts.options import is_wrist
from evaluation.rollouts.records import RolloutSet
from pages.markdown import escaped, table
from stats.bootstrap import resampled_means, spread
from stats.wins import Wins, wins
from storage.options import dotted

UNITS = {"psnr": "PSNR (dB)", "ssim": "SSIM", "lpips": "LPIPS"}
DOWN = ("lpips",)  # less is better


class NotComparable(ValueError):
    """Two sets of rollouts were made or measured under other settings."""


@dataclass(frozen=True)
class Gain:
    """A mean gain over rollouts and its 95 % bootstrap interval over episodes (NaN: all episodes are alike)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One metric in one group of views. Gains are above 0 where `ours` is better, LPIPS too; `curve` is by chunk."""

    metric: str
    views: str
    ours: float
    theirs: float
    gain: Gain
    wins: Wins
    curve: tuple[Gain, ...]


@dataclass(frozen=True)
class Compared:
    ours: str
    theirs: str
    rollouts: int
    episodes: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def compare(ours: RolloutSet, theirs: RolloutSet, seed: int = 0) -> Compared:
    """Raises NotComparable where settings or starts differ; how a model samples counts where both sets have one."""
    check_comparable(ours, theirs)
    order = {one.key: place for place, one in enumerate(theirs.rollouts)}
    places = [order[one.key] for one in ours.rollouts]
    episodes = [one.episode_id for one in ours.rollouts]
    rows = []
    for metric in ours.metrics:
        first, second = ours.curves(metric), theirs.curves(metric)[places]
        for name, columns in groups(ours.views).items():
            rows.append(_row(metric, name, first[:, :, columns].mean(2), second[:, :, columns].mean(2), episodes, seed))
    notes = tuple(dict.fromkeys((*ours.notes, *theirs.notes)))
    return Compared(ours.name, theirs.name, len(places), len(set(episodes)), tuple(rows), notes)


def check_comparable(ours: RolloutSet, theirs: RolloutSet) -> None:
    """Raises NotComparable, naming each setting that differs."""
    apart = _differences(ours.settings, theirs.settings)
    apart += _differences({"views": ours.views}, {"views": theirs.views})
    shared = ours.sampling.keys() & theirs.sampling.keys()
    apart += _differences(*({name: one.sampling[name] for name in sorted(shared)} for one in (ours, theirs)))
    if apart:
        raise NotComparable(f"{ours.name} and {theirs.name} were made under other settings: {'; '.join(apart)}")
    mine, others = ({one.key for one in made.rollouts} for made in (ours, theirs))
    if mine != others:
        episode, row = min(mine ^ others)
        raise NotComparable(
            f"{ours.name} and {theirs.name} have other starts: {len(mine ^ others)} are in one alone, as episode "
            f"{episode} from row {row}"
        )


def groups(views: Sequence[str]) -> dict[str, list[int]]:
    """Columns of the external views and of the wrist's; a group that no view is in is left out."""
    wrist = [place for place, view in enumerate(views) if is_wrist(view)]
    outside = [place for place in range(len(views)) if place not in wrist]
    return {name: places for name, places in (("external", outside), ("wrist", wrist)) if places}


def markdown(compared: Compared) -> str:
    """A row for each metric and group of views, and the curves by chunk below."""
    head = ["", "Views", escaped(compared.ours), escaped(compared.theirs), "Gain", "Won", "Won / lost / tied", "p"]
    body = [_cells(row) for row in compared.rows]
    lines = [f"{compared.rollouts} paired rollouts of {compared.episodes} episodes. Intervals: 95 %."]
    lines += [escaped(note) for note in compared.notes]
    chunks = len(compared.rows[0].curve)
    curves = table(
        ["Gain by chunk", "Views", *(str(n + 1) for n in range(chunks))],
        [[UNITS[row.metric], row.views, *(_gain(one, row.metric) for one in row.curve)] for row in compared.rows],
    )
    return "\n\n".join(["  \n".join(lines), table(head, body), curves]) + "\n"


def text(compared: Compared) -> str:
    """The table for a terminal, without curves."""
    head = ["", "views", compared.ours, compared.theirs, "gain", "won", "won / lost / tied", "p"]
    body = [head, *(_cells(row) for row in compared.rows)]
    widths = [max(len(line[place]) for line in body) for place in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in body]
    return "\n".join([*lines, *compared.notes])


def _row(metric: str, views: str, ours: np.ndarray, theirs: np.ndarray, episodes: Sequence[str], seed: int) -> Row:
    """Of values float [rollouts, chunks] of both."""
    gains = (theirs - ours) if metric in DOWN else (ours - theirs)
    whole = np.concatenate([gains.mean(1, keepdims=True), gains], axis=1)
    names, place = np.unique(np.asarray(episodes), return_inverse=True)
    sums, counts = np.zeros((len(names), whole.shape[1])), np.zeros((len(names), whole.shape[1]))
    np.add.at(sums, place, np.nan_to_num(whole))
    np.add.at(counts, place, ~np.isnan(whole))
    drawn = resampled_means(sums, counts, seed)
    with np.errstate(invalid="ignore"):
        means = sums.sum(0) / counts.sum(0)
    all_gains = [Gain(float(mean), *spread(column)) for mean, column in zip(means, drawn.T, strict=True)]
    return Row(
        metric,
        views,
        float(np.nanmean(ours)),
        float(np.nanmean(theirs)),
        all_gains[0],
        wins(gains.mean(1), episodes, seed),
        tuple(all_gains[1:]),
    )


def _cells(row: Row) -> list[str]:
    digits = 2 if row.metric == "psnr" else 4
    won = row.wins
    return [
        UNITS[row.metric],
        row.views,
        f"{row.ours:.{digits}f}",
        f"{row.theirs:.{digits}f}",
        _gain(row.gain, row.metric),
        f"{won.share:.1%} [{won.low:.1%}, {won.high:.1%}]",
        f"{won.won} / {won.lost} / {won.tied}",
        f"{won.p_value:.2g}",
    ]


def _gain(gain: Gain, metric: str) -> str:
    digits = 2 if metric == "psnr" else 4
    if np.isnan(gain.low):
        return f"{gain.mean:+.{digits}f}"
    return f"{gain.mean:+.{digits}f} [{gain.low:+.{digits}f}, {gain.high:+.{digits}f}]"


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    first, second = dotted(ours), dotted(theirs)
    return [
        f"{name} {first.get(name)!r} and {second.get(name)!r}"
        for name in sorted(first.keys() | second.keys())
        if first.get(name) != second.get(name)
    ]
