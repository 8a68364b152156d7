"""The methods by name."""

from training.methods.dmd import DistributionMatching
from training.methods.policy import RolloutMethod
from training.methods.protocol import Given, Method
from training.methods.sft import FineTuning

OTHERS = {"sft": FineTuning, "dmd": DistributionMatching}  # all others are cycles of rounds


def method_of(given: Given) -> Method:
    """The method that the options name."""
    return OTHERS.get(given.options.method, RolloutMethod)(given)
