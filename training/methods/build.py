"""The methods by name."""

from training.methods.branching import Branching
from training.methods.dmd import DistributionMatching
from training.methods.policy import RolloutMethod
from training.methods.protocol import Given, Method
from training.methods.sft import FineTuning
from training.methods.teacher_forcing import TeacherForcing

OTHERS = {  # all others are cycles of rounds
    "sft": FineTuning,
    "dmd": DistributionMatching,
    "persistworld": Branching,
    "best_of_k_sft": Branching,
    "teacher_forcing": TeacherForcing,
    "teacher_forcing_longer": TeacherForcing,
    "noisy_history": TeacherForcing,
}


def method_of(given: Given) -> Method:
    """The method that the options name."""
    return OTHERS.get(given.options.method, RolloutMethod)(given)
