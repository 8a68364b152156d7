"""Data held against a robot's contract by their own 1 % and 99 % quantiles, when they are loaded.

What is found has a name and the figures it was found by. An error (`Finding.refused`) cannot be right; a warning may.
A mistake of the whole set (another unit, joints, normalised data) hides the others: it is the only finding of its kind.
"""

from collections.abc import Iterable, Sequence
from math import pi

import numpy as np

from robots.contracts import CONTRACTS
from robots.contracts.contract import Contract
from robots.episode import Finding
from robots.statistics import Statistics

CONTRACT_RULES: dict[str, str] = {
    # errors
    "column_count": "the data have another number of columns than the contract",
    "not_finite": "a value is no finite number",
    "normalised_states": "the data are normalised already, once or more",
    "degrees": "angles are in degrees, the contract's in radians",
    "length_unit": "positions are in centimetres or millimetres, the contract's in metres",
    "another_robot": "the figures are those of another robot",
    "joints": "joint angles where poses are expected",
    "out_of_reach": "a position that the robot cannot reach",
    "angle_range": "an angle beyond the range of its convention, such as 0 to 2 pi",
    "gripper_range": "a gripper beyond open and closed",
    "another_robots_statistics": "the statistics that normalise the data are of another robot",
    "unnormalised_actions": "what a model is given is not normalised",
    "doubly_normalised_actions": "what a model is given is normalised twice",
    # warnings
    "gripper_never_closes": "the gripper stays open",
    "constant_column": "a column has one value alone",
    "wrapped_angles": "an angle jumps by 2 pi where it passes pi",
}

SLACK = 0.01  # of a column's range: calibration errs, and counted quantiles are rounded
UNITS = {100: "centimetres", 1000: "millimetres"}
FAR = 5.0  # times as far as the robot reaches: no pose that is merely odd
LEAST_CLOSED = 0.1  # of the way from open to closed
LEAST_OVERLAP = 0.25  # of the data's range with that of the statistics
MOST_HALFWAY = 0.05  # of the rows with a gripper exactly between its ends
MOST_SATURATED = 0.25  # of positions at -1 or 1: 0.02 by construction, near 0.7 when normalised twice


class AnotherRobot(ValueError):
    """Statistics of one robot were given for data of another."""


def contract_findings(contract: Contract, own: Statistics) -> list[Finding]:
    """What is wrong with data whose own statistics are `own`, [] for data that keep the contract."""
    if len(own.q01) != len(contract.columns):
        rule = "joints" if any("joint" in name for name in own.columns) else "column_count"
        told = f"{len(own.q01)} columns ({', '.join(own.columns) or 'no names'}): {contract.name} has "
        return [error(rule, f"{told}{len(contract.columns)} ({', '.join(contract.names)})")]
    found = not_finite(contract, own)
    kinds = (normalised_states, degrees, length_unit, another_robot, joints)
    if whole := next((one for kind in kinds if (one := kind(contract, own))), None):
        return [*found, whole]
    return [*found, *out_of_range(contract, own), *warnings(contract, own)]


def error(rule: str, message: str) -> Finding:
    return Finding(rule, message, refused=True)


def span(contract: Contract, own: Statistics, places: Iterable[int]) -> str:
    """`x 0.27 to 0.78, y -0.44 to 0.44`: the quantiles of some columns."""
    return ", ".join(f"{contract.names[place]} {own.q01[place]:.4g} to {own.q99[place]:.4g}" for place in places)


def outside(contract: Contract, q01: np.ndarray, q99: np.ndarray) -> list[int]:
    """Columns whose quantiles lie beyond what the contract allows."""
    low, high = (np.array([getattr(column, side) for column in contract.columns]) for side in ("low", "high"))
    slack = SLACK * (high - low)
    return np.flatnonzero((q01 < low - slack) | (q99 > high + slack)).tolist()


def allowed(contract: Contract, places: Iterable[int]) -> str:
    return ", ".join(f"{(c := contract.columns[place]).name} {c.low:.4g} to {c.high:.4g}" for place in places)


def not_finite(contract: Contract, own: Statistics) -> list[Finding]:
    if own.not_finite is None or not own.not_finite.any():
        return []
    told = [f"{name} {count}" for name, count in zip(contract.names, own.not_finite.tolist(), strict=True) if count]
    return [error("not_finite", f"values that are no finite numbers: {', '.join(told)} of {own.count} rows")]


def normalised_states(contract: Contract, own: Statistics) -> Finding | None:
    """All within [-1, 1], and the gripper far beyond the side on which the contract's values end at 0."""
    grip = contract.gripper
    within = np.abs([own.q01, own.q99]).max() <= 1 + 1e-3
    if not within or min(grip.open, grip.closed) < 0 or own.q01[grip.index] > -0.5:
        return None
    told = f"every column lies in -1 to 1, {span(contract, own, [grip.index])}: the contract's is {grip.said}"
    return error("normalised_states", f"{told}. Give the data as recorded: they are normalised by the loader")


def degrees(contract: Contract, own: Statistics) -> Finding | None:
    turned = [place for place in contract.indices("rad") if largest(own, place) > 4 * pi]
    if not turned:
        return None
    return error("degrees", f"{span(contract, own, turned)}: degrees, it seems; the contract has radians")


def largest(own: Statistics, place: int) -> float:
    return float(max(abs(own.q01[place]), abs(own.q99[place])))


def length_unit(contract: Contract, own: Statistics) -> Finding | None:
    metres = contract.indices("m")
    far = [max(abs(contract.columns[place].low), abs(contract.columns[place].high)) for place in metres]
    if not any(largest(own, place) > FAR * most for place, most in zip(metres, far, strict=True)):
        return None
    for factor, unit in UNITS.items():
        if not set(outside(contract, own.q01 / factor, own.q99 / factor)) & set(metres):
            return error("length_unit", f"{span(contract, own, metres)}: {unit}, it seems; the contract has metres")
    return None


def another_robot(contract: Contract, own: Statistics) -> Finding | None:
    wrong = outside(contract, own.q01, own.q99)
    others = [other for other in CONTRACTS.values() if other.names == contract.names and other is not contract]
    fits = [other.name for other in others if not outside(other, own.q01, own.q99)]
    if not wrong or not fits:
        return None
    told = f"{span(contract, own, wrong)}, {contract.name} has {allowed(contract, wrong)}"
    return error("another_robot", f"{told}: these figures fit {' and '.join(fits)}")


def joints(contract: Contract, own: Statistics) -> Finding | None:
    """Within two turns all over, and two columns at least beyond what poses allow."""
    wrong = outside(contract, own.q01, own.q99)
    if len(wrong) < 2 or np.abs([own.q01, own.q99]).max() > 2 * pi:
        return None
    told = f"{span(contract, own, wrong)}: joint angles, it seems; {contract.name} has the poses"
    return error("joints", f"{told} {allowed(contract, wrong)}")


def out_of_range(contract: Contract, own: Statistics) -> list[Finding]:
    rules = {"m": "out_of_reach", "rad": "angle_range", "1": "gripper_range"}
    return [
        error(
            rules[contract.columns[place].unit],
            f"{span(contract, own, [place])}: {contract.name} has {allowed(contract, [place])}",
        )
        for place in outside(contract, own.q01, own.q99)
    ]


def warnings(contract: Contract, own: Statistics) -> list[Finding]:
    grip, found = contract.gripper, []
    closed = [(float(q[grip.index]) - grip.open) / (grip.closed - grip.open) for q in (own.q01, own.q99)]
    if max(closed) < LEAST_CLOSED:
        told = f"{span(contract, own, [grip.index])}: the contract's is {grip.said}"
        found.append(Finding("gripper_never_closes", told))
    for place, column in enumerate(contract.columns):
        if own.q01[place] == own.q99[place] and not column.still and place != grip.index:
            found.append(
                Finding("constant_column", f"{column.name} is {own.q01[place]:.6g} from 1 % to 99 % of the rows")
            )
    turned = [place for place in contract.indices("rad") if own.q99[place] - own.q01[place] > 0.95 * 2 * pi]
    if turned:
        told = f"{span(contract, own, turned)}: near both ends, so that it jumps by 2 pi. Never interpolate it"
        found.append(Finding("wrapped_angles", told))
    return found


def statistics_findings(contract: Contract, statistics: Statistics, own: Statistics | None = None) -> list[Finding]:
    """Statistics that are to normalise data of the contract's robot: its name, and against the data's own figures."""
    places = contract.indices("m")
    usual = own or Statistics(np.array(contract.example.q01), np.array(contract.example.q99))
    if len(statistics.q01) != len(contract.columns):
        told = f"{len(statistics.q01)} columns: {contract.name} has {len(contract.columns)}"
        return [error("another_robots_statistics", f"{who(statistics)} {told} ({', '.join(contract.names)})")]
    if statistics.robot not in ("", contract.name):
        apart: Sequence[int] = places
    elif own is not None:
        apart = [place for place in places if overlap(statistics, own, place) < LEAST_OVERLAP]
    else:
        apart = []
    if not apart:
        return []
    told = f"{who(statistics)} {span(contract, statistics, apart)}; the data, of {contract.name}: "
    return [error("another_robots_statistics", told + span(contract, usual, apart))]


def who(statistics: Statistics) -> str:
    return f"statistics of {statistics.robot or 'a robot that they do not name'}:"


def overlap(statistics: Statistics, own: Statistics, place: int) -> float:
    """Share of the data's range that lies in that of the statistics; of data that do not move: 1 or 0."""
    low, high = float(own.q01[place]), float(own.q99[place])
    inside = min(high, float(statistics.q99[place])) - max(low, float(statistics.q01[place]))
    return float(inside >= 0) if low == high else max(0.0, inside) / (high - low)


def check_same_robot(contract: Contract, statistics: Statistics, own: Statistics | None = None) -> None:
    """Raises AnotherRobot, with both names and both figures, where `statistics` are not of the contract's robot."""
    if found := statistics_findings(contract, statistics, own):
        raise AnotherRobot(found[0].message)


def action_findings(contract: Contract, actions: np.ndarray) -> list[Finding]:
    """What is wrong with actions [..., D] that a model is to be given: normalised once they are in [-1, 1]."""
    rows = np.asarray(actions, np.float64)
    if rows.shape[-1:] != (len(contract.columns),):
        told = f"sizes {list(rows.shape)}: the last must be {len(contract.columns)} ({', '.join(contract.names)})"
        return [error("column_count", told)]
    rows = rows.reshape(-1, len(contract.columns))
    if not np.isfinite(rows).all():
        row, place = (int(one) for one in np.argwhere(~np.isfinite(rows))[0])
        return [error("not_finite", f"{contract.names[place]} of row {row} is {rows[row, place]}")]
    grip = rows[:, contract.gripper.index]
    beyond = np.flatnonzero((np.abs(rows) > 1 + 1e-6).any(axis=0))
    if len(beyond):
        told = ", ".join(f"{contract.names[p]} {rows[:, p].min():.4g} to {rows[:, p].max():.4g}" for p in beyond)
        return [error("unnormalised_actions", f"{told}: normalised they are in -1 to 1")]
    at_zero = float((np.abs(grip) < 1e-6).mean())
    if 0 in (contract.gripper.open, contract.gripper.closed) and at_zero > MOST_HALFWAY and grip.min() > -0.5:
        told = f"the gripper is 0 in {at_zero:.0%} of the rows and never -1, as recorded ({contract.gripper.said})"
        return [error("unnormalised_actions", f"{told}: normalised it is -1 there")]
    moving = [place for place in contract.indices("m") if np.ptp(rows[:, place]) > 0]
    ends = (np.abs(rows[:, moving]) >= 1 - 1e-6).mean() if moving else 0.0
    if ends > MOST_SATURATED:
        return [
            error("doubly_normalised_actions", f"{ends:.0%} of the positions are -1 or 1: clipped, it seems, twice")
        ]
    return []
