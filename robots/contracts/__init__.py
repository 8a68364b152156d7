"""Action contracts: what the numbers of each robot mean, a small file each.

To add a robot:
1. Copy the nearest file here (droid.py: a real arm; fetch.py: a LeRobot set) and give it the robot's name.
2. Say of each column its name, its unit (m, rad, 1) and what the robot can reach, and of the gripper which value is
   open. Poses are absolute and in radians; where your data are otherwise, change the data, not the contract.
3. Say under `keys` which arrays of your layout are the observed pose (side by side they give the columns), and which
   camera is which view. The view of the hand is called wrist.
4. Give an example: some rows, the quantiles of your data and the rows normalised. The tests hold every contract to it.
5. Add it to CONTRACTS below, and run `python -m pytest tests/robots`. Your data are then held against it when they are
   loaded (robots/contract_checks.py).
"""

from robots.contracts import droid, fetch, microworld
from robots.contracts.contract import Contract

CONTRACTS = {one.CONTRACT.name: one.CONTRACT for one in (droid, fetch, microworld)}


def contract_of(name: str) -> Contract:
    """The contract of a robot. Raises ValueError for a name that has none."""
    if name not in CONTRACTS:
        known = ", ".join(CONTRACTS)
        raise ValueError(f"no robot {name!r} has a contract: {known} have; robots/contracts says how to add one")
    return CONTRACTS[name]
