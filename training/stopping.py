"""How a run is asked to end: a signal drops the step at hand on all processes, however long it would still take."""

import contextlib
from collections.abc import Iterator

import torch

from storage.processes import asked_to_end
from training.world import World


class Stopped(Exception):
    """The run was asked to end (SIGTERM or SIGINT) and has saved."""


class Left(Exception):
    """This process was asked to end and leaves the phase at hand; the others hear of it at the phase's end."""


class Dropped(Exception):
    """Some process was asked to end in this step: nothing of it counts, on any process."""

    def __init__(self, signal: int):
        super().__init__(f"signal {signal} ended the step before it was done")
        self.signal = signal


class Stopping:
    """The signal that this process got, and the phases of a step, each of which ends with all processes agreeing.

    A process that was asked to end stops computing at its next model call. It must not miss a collective that the
    others wait in, so phases are what lies between two collectives, and each closes with one of its own: a number.
    """

    def __init__(self, world: World, device: torch.device | str):
        self.world, self.device = world, device
        self.asked = 0  # the signal that this process got, 0 for none
        self.in_phase = False

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Inside, SIGTERM and SIGINT are remembered and do nothing else."""

        def remember(number: int, frame) -> None:
            self.asked = number

        with asked_to_end(remember):
            yield

    def heed(self) -> None:
        """Within a phase, raises Left when this process was asked to end."""
        if self.in_phase and self.asked:
            raise Left

    @contextlib.contextmanager
    def phase(self) -> Iterator[None]:
        """Work between two collectives. Raises Dropped on every process when one was asked to end by then."""
        self.in_phase = True
        try:
            yield
        except Left:
            pass
        finally:
            self.in_phase = False
        asked = torch.tensor([float(self.asked)], dtype=torch.float64, device=self.device)
        if told := int(self.world.gather(asked).max()):
            raise Dropped(told)
