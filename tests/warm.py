"""Programs that need torch start warm: forked from a process that has the large libraries loaded, 6 s of CPU less each.

A warm program is a process of its own like any other, and a child of the test's process: `subprocess` starts it, waits
for it and kills it as it does the others. Nothing of the rooms is loaded before the fork, so that what a test changes
on disk or in the environment is seen. Where Linux's prctl is absent all programs start cold.

`python -m tests.warm SOCKET` is the process that forks; inside `switched_on()` subprocess asks it.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

LIBRARIES = (
    "numpy", "scipy.stats", "PIL.Image", "av", "cv2", "yaml", "pydantic", "dagster_pipes", "torch", "torch._dynamo",
    "torchvision", "safetensors.torch", "transformers.models.umt5.modeling_umt5", "transformers.models.auto",
    "diffusers.models.transformers.transformer_wan", "diffusers.models.autoencoders.autoencoder_kl_wan",
    "diffusers.pipelines.wan.pipeline_wan_i2v", "peft", "accelerate",
)  # fmt: skip
PROGRAMS = {
    "evaluation.generate",
    "microworld.model.pretrain",
    "models.robot.encode",
    "training.encode",
    "training.train",
}
# Those that need less start warm as well once the process that forks is there.
SMALL_PROGRAMS = {
    "evaluation.benchmarks.dreamgen", "evaluation.benchmarks.vbvr", "evaluation.judge", "evaluation.preference",
    "evaluation.report", "evaluation.score",
}  # fmt: skip
SUBREAPER, DEATH_SIGNAL = 36, 1  # of prctl(2)
MESSAGE_BYTES = 2**20


# The process that forks


def serve(channel: socket.socket) -> dict:
    """Forks for each message until nobody is left who could send one. Returns, in a new process, what it is to run."""
    for name in LIBRARIES:
        importlib.import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # the collector of a new process would touch, and so copy, every page
    channel.send(b"ready")
    while True:
        data, descriptors, _, _ = socket.recv_fds(channel, MESSAGE_BYTES, 64)
        if not data:
            os._exit(0)
        between = os.fork()
        if between == 0:
            if os.fork() != 0:
                os._exit(0)  # so that the program becomes a child of who asked
            told = json.loads(data)
            while os.getppid() != told["parent"]:
                time.sleep(0.001)
            channel.send(str(os.getpid()).encode())
            channel.close()
            return told | {"descriptors": descriptors}
        for descriptor in descriptors:
            os.close(descriptor)
        os.waitpid(between, 0)


def become(told: dict) -> int:
    """Makes this process what a fresh `python -m module arguments` would be, and runs it.

    Returns the exit status, less than 0 for the signal by which an interpreter ends itself.
    """
    if told["session"]:
        os.setsid()
    for number, descriptor in enumerate(told["descriptors"][:3]):
        os.dup2(descriptor, number)
        os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        raw = io.FileIO(number, "w" if number else "r", closefd=False)
        setattr(sys, name, io.TextIOWrapper(raw, "utf-8", errors="replace", write_through=True))
    os.chdir(told["cwd"])
    os.environ.clear()
    os.environ.update(told["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if told["death_signal"]:
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGTERM)
    sys.argv = ["-m", *told["arguments"]]
    sys.path[0] = told["cwd"]
    try:
        runpy.run_module(told["module"], run_name="__main__", alter_sys=True)
    except SystemExit as left:
        if isinstance(left.code, str):
            print(left.code, file=sys.stderr)
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException as error:
        sys.excepthook(*sys.exc_info())
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def leave(status: int) -> None:
    """Ends as the interpreter does, but does not take torch apart, which costs a second."""
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


# The process that asks


class Warm:
    """Stands in for `subprocess`'s own fork_exec: the same arguments, the same answer."""

    def __init__(self, cold: Callable):
        self.cold, self.lock, self.channel = cold, threading.Lock(), None
        self.started = 0
        self.prctl = getattr(ctypes.CDLL(None), "prctl", None)

    def __call__(self, *given) -> int:
        args, _, _, kept, cwd, environment, stdin, _, _, stdout, _, stderr, _, errors, _, session, *others = given
        environment = (
            dict(os.environ) if environment is None else dict(os.fsdecode(one).split("=", 1) for one in environment)
        )
        alike = all(environment.get(name) == os.environ.get(name) for name in ("PYTHONPATH", "OMP_NUM_THREADS"))
        module = args[2] if list(args[:2]) == [sys.executable, "-m"] and len(args) > 2 else ""
        known = module in PROGRAMS or (module in SMALL_PROGRAMS and self.channel is not None)
        if not known or not alike or self.prctl is None:
            return self.cold(*given)
        told = {
            "parent": os.getpid(),
            "module": module,
            "arguments": [os.fsdecode(one) for one in args[3:]],
            "cwd": os.path.abspath(os.fsdecode(cwd or ".")),
            "environment": environment,
            "session": bool(session),
            "death_signal": others[-2] is not None,  # the one preexec_fn of the rooms: storage/processes.py
        }
        standard = [one if one != -1 else number for number, one in enumerate((stdin, stdout, stderr))]
        with self.lock:
            channel = self.running()
            self.prctl(SUBREAPER, 1)
            try:
                socket.send_fds(channel, [json.dumps(told).encode()], [*standard, *(set(kept) - {errors})])
                pid = int(channel.recv(64))
            finally:
                self.prctl(SUBREAPER, 0)  # orphans of other programs are not ours
        self.started += 1
        return pid

    def running(self) -> socket.socket:
        """The way to the process that forks, started when first asked for."""
        if self.channel is None:
            self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command = [sys.executable, "-m", "tests.warm", str(theirs.fileno())]
            root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "cwd": root}
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], **quiet)
            theirs.close()
            assert self.channel.recv(64) == b"ready"
        return self.channel

    def end(self) -> None:
        if self.channel is not None:
            self.channel.close()
            self.process.wait()


@contextlib.contextmanager
def switched_on() -> Iterator[Warm]:
    warm = Warm(subprocess._fork_exec)
    subprocess._fork_exec = warm
    try:
        yield warm
    finally:
        subprocess._fork_exec = warm.cold
        warm.end()


if __name__ == "__main__":
    leave(become(serve(socket.socket(fileno=int(sys.argv[1])))))
