"""The statistics of a collection's states: of its kept train episodes, or of a file; and what the contract says."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from robots.contract_checks import contract_findings, statistics_findings
from robots.contracts import contract_of
from robots.episode import Finding
from robots.episode_table import recordings
from robots.quantiles import StreamingQuantiles
from robots.statistics import Statistics, read_statistics


class NoStates(ValueError):
    """There is no kept train episode."""


@dataclass(frozen=True)
class StateStatistics:
    """statistics: what states are normalised by. own: of the kept train rows. findings: what the contract says of them.
    clipped: share of the train rows' values that normalising clips, float64 [D]."""

    statistics: Statistics
    own: Statistics
    findings: tuple[Finding, ...]
    clipped: np.ndarray

    def doubts(self, most_clipped: float) -> list[str]:
        """What the contract warns of, and the columns of which more than this share is clipped."""
        told = [f"{one.rule}: {one.message}" for one in self.findings if not one.refused]
        return told + [
            f"clipped: {share:.1%} of {name} lies outside {low:.5g} to {high:.5g} and is clipped to -1 or 1"
            for name, share, low, high in zip(
                self.statistics.columns, self.clipped, self.statistics.q01, self.statistics.q99, strict=True
            )
            if share > most_clipped
        ]


def statistics_of(tables: Sequence[Path], robot: str, file: str = "") -> StateStatistics:
    """Reads the kept train episodes of `tables` twice: for the quantiles, and for what they clip.

    `file`: statistics to take instead, such as those of a trained model. Raises NoStates, OSError and NotJson.
    """
    contract = contract_of(robot)
    counted = StreamingQuantiles(contract.names, robot)
    for states in _train(tables):
        counted.add(states)
    if not counted.rows:
        raise NoStates("no train episode was kept: the table of `episodes` says by which rule each was refused")
    own = counted.statistics()
    statistics = own
    findings = contract_findings(contract, own)
    if file:
        statistics = read_statistics(Path(file))
        findings += statistics_findings(contract, statistics, own)
        if len(statistics.q01) != len(contract.names):
            return StateStatistics(own, own, tuple(findings), np.zeros(len(own.q01)))  # an error is among them
        statistics = replace(statistics, robot=robot, columns=contract.names)
    clipped = sum(statistics.clip_fraction(states) * len(states) for states in _train(tables)) / counted.rows
    return StateStatistics(statistics, own, tuple(findings), clipped)


def _train(tables: Sequence[Path]):
    return (one.episode.states for one in recordings(tables) if one.episode.split == "train")
