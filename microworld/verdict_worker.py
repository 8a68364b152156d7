"""A process that judges microworld videos, one at a time, so that judging takes another core than the caller's.

    python -m microworld.verdict_worker

Jobs come as JSON lines on stdin, {"frames": [base64 of a JPEG or PNG, ...], "task": T}; one JSON line a job goes to
stdout after {"ready": true}: {"verdict": {"task", "agent", "consistency", "notes"}} or {"error": text} for media that
cannot be judged. Anything else that is raised is a bug: the process ends with a traceback. It ends with its stdin.
"""

import base64
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

import cv2

from microworld.exact_judge import LIMIT, Verdict, judge
from microworld.grammar import TaskNotUnderstood
from microworld.vision import decode


def main() -> None:
    cv2.setNumThreads(1)
    reply({"ready": True})
    for line in sys.stdin.buffer:
        job = json.loads(line)
        try:
            verdict = judge_encoded([base64.b64decode(data) for data in job["frames"]], job["task"])
        except ValueError as error:
            reply({"error": str(error)})
        else:
            reply({"verdict": asdict(verdict)})


def reply(value: dict) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def judge_encoded(frames: Sequence[bytes], task: str) -> Verdict:
    """`judge` of encoded frames; a text that is no task of the microworld has failed in all respects.

    Raises ValueError for frames that are no pictures, are fewer than two, or differ in size.
    """
    pixels = [decode(frame) for frame in frames]
    try:
        return judge(pixels, task)
    except TaskNotUnderstood:
        return Verdict(-LIMIT, -LIMIT, -LIMIT)


if __name__ == "__main__":
    main()
