"""Child processes that do not outlive who started them unasked."""

import ctypes
import signal
from collections.abc import Callable

SET_DEATH_SIGNAL = 1  # of prctl(2)


def death_signal() -> Callable[[], None]:
    """For Popen's preexec_fn: makes the kernel send SIGTERM to the child when we die. Loaded here: a fork must not."""
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        # A handler that ignores signals is inherited; the child must hear them.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        prctl(SET_DEATH_SIGNAL, signal.SIGTERM)

    return ask
