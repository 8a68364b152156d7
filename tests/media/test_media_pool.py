"""Whatever a file does to its worker, the others are done; nothing hangs and no process stays behind."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from media.errors import MediaError
from media.pool import MediaPool

VERBS = "tests.media.bad_verbs"


def outcomes(jobs, **options):
    """What each job gave, by its number."""
    with MediaPool(**{"workers": 2, "timeout_s": 20.0, "verbs": VERBS, **options}) as pool:
        return {job["number"]: result for job, result in pool.run({**job, "number": i} for i, job in enumerate(jobs))}


def gone(pid, within_s=5.0):
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        status = Path(f"/proc/{pid}/stat")
        if not status.exists() or status.read_text().rsplit(") ", 1)[1][0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_every_job_gives_its_own_result_whatever_the_number_of_workers():
    jobs = [{"verb": "echo", "value": i * i} for i in range(30)]
    for workers in (1, 3):
        assert outcomes(jobs, workers=workers) == {i: i * i for i in range(30)}


CALLER = """
import signal, sys
from media.pool import MediaPool
number, heard = int(sys.argv[1]), []
signal.signal(number, lambda *_: heard.append(1))
with MediaPool(1, verbs=sys.argv[2]) as pool:
    print([result for _, result in pool.run([{"verb": "signal_all", "signal": number}])], heard)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_is_the_callers_and_breaks_no_file(repository, number):
    command = [sys.executable, "-c", CALLER, str(int(number)), VERBS]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, start_new_session=True)
    assert done.stdout == "['read'] [1]\n", done.stderr


@pytest.mark.parametrize(
    ("verb", "reason", "words"),
    [
        ("abort", "decoder_crashed", "signal 6"),
        ("segfault", "decoder_crashed", "signal 11"),
        ("kill", "decoder_crashed", "signal 9"),
        ("leave", "worker_failed", "exit status 0"),
        ("bug", "worker_failed", "KeyError: 'a bug of ours'"),
        ("refuse", "not_a_video", "words"),
        ("bomb", "out_of_memory", "memory"),
    ],
)
def test_a_file_that_breaks_its_worker_costs_only_itself(verb, reason, words):
    jobs = [{"verb": "echo", "value": 1}, {"verb": verb}, *[{"verb": "echo", "value": 2}] * 3]
    results = outcomes(jobs)
    broken = results.pop(1)
    assert isinstance(broken, MediaError) and broken.reason == reason and words in broken.detail
    assert results == {0: 1, 2: 2, 3: 2, 4: 2}


def test_a_hang_is_killed_at_its_time_limit_and_the_rest_is_done():
    jobs = [{"verb": "hang"}, *[{"verb": "echo", "value": i} for i in range(4)], {"verb": "hang"}]
    results = outcomes(jobs, timeout_s=1.5)
    assert [results[i].reason for i in (0, 5)] == ["timeout", "timeout"] and "1.5 s" in results[0].detail
    assert [results[i] for i in (1, 2, 3, 4)] == [0, 1, 2, 3]


def test_a_reply_in_time_counts_however_late_the_caller_looks():
    with MediaPool(2, timeout_s=1.0, verbs=VERBS) as pool:
        running = pool.run([{"verb": "echo", "value": 1}, {"verb": "slow", "seconds": 0.5}])
        first = next(running)
        time.sleep(1.2)
        assert [result for _, result in (first, *running)] == [1, "done"]


def test_output_of_libraries_does_not_mix_with_replies():
    assert outcomes([{"verb": "chatter"}, {"verb": "chatter"}], workers=1) == {0: "reply", 1: "reply"}


def test_a_large_reply_comes_whole():
    assert len(outcomes([{"verb": "large"}])[0]) == 3_000_000


def test_a_full_disk_is_no_files_fault_and_stops_the_run():
    with pytest.raises(OSError, match="No space left") as caught:
        outcomes([{"verb": "echo", "value": 1}, {"verb": "full_disk"}, {"verb": "echo", "value": 1}])
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == "out/frame.jpg"


def test_workers_stay_for_the_next_run_and_end_with_the_pool():
    with MediaPool(1, verbs=VERBS) as pool:
        pids = {result for _ in range(3) for _, result in pool.run([{"verb": "pid"}] * 2)}
        assert len(pids) == 1
    assert gone(pids.pop())


def test_an_idle_worker_killed_from_outside_is_replaced():
    with MediaPool(1, verbs=VERBS) as pool:
        ((_, pid),) = pool.run([{"verb": "pid"}])
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
        ((_, other),) = pool.run([{"verb": "pid"}])
        assert other != pid


def test_leaving_a_run_early_kills_what_is_still_running():
    with MediaPool(2, verbs=VERBS) as pool:
        running = pool.run([{"verb": "pid"}, {"verb": "hang"}])
        next(running)
        busy = [worker._process.pid for worker in pool._busy]
        running.close()
        assert len(busy) == 1 and gone(busy[0])
        assert [result for _, result in pool.run([{"verb": "echo", "value": 3}])] == [3]


def test_jobs_are_taken_only_as_workers_become_free():
    taken = []

    def jobs():
        for i in range(10):
            taken.append(i)
            yield {"verb": "echo", "value": i}

    with MediaPool(2, verbs=VERBS) as pool:
        running = pool.run(jobs())
        next(running)
        assert len(taken) <= 5
        running.close()


@pytest.mark.parametrize("verb", ["hang", "echo"])
def test_workers_die_with_their_parent_even_while_they_hang(repository, tmp_path, verb):
    script = f"""
import json, sys, threading, time
from media.pool import MediaPool
with MediaPool(1, verbs={VERBS!r}) as pool:
    list(pool.run([{{"verb": "echo", "value": 0}}]))
    print(pool._idle[0]._process.pid, flush=True)
    list(pool.run([{{"verb": {verb!r}, "value": 0}}]))
    time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=repository, stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    time.sleep(0.2)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(worker)


def test_a_worker_ends_at_the_end_of_its_input(repository):
    command = [sys.executable, "-m", "media.worker", VERBS, str(4 << 30), str(os.getpid())]
    job = json.dumps({"verb": "echo", "value": 5}) + "\n"
    done = subprocess.run(command, input=job, capture_output=True, text=True, cwd=repository, timeout=20)
    assert done.returncode == 0
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"ready": True}, {"result": 5}]


def test_a_worker_that_cannot_start_is_an_error_with_its_last_words():
    with pytest.raises(RuntimeError, match="does not start: ModuleNotFoundError: No module named 'no_such'"):
        outcomes([{"verb": "echo", "value": 1}], verbs="no_such")


@pytest.mark.slow
def test_real_files_good_and_bad_go_through_together(clips, bad_files):
    jobs = [{"verb": "probe", "path": str(path)} for path in (*clips.values(), *bad_files.values())]
    with MediaPool(2) as pool:
        results = {job["path"]: result for job, result in pool.run(jobs)}
    assert all(results[str(path)]["frame_count"] for path in clips.values())
    for case, path in bad_files.items():
        assert results[str(path)].reason == case.split(",")[0]


@pytest.mark.parametrize("options", [{"workers": 0}, {"timeout_s": 0}, {"timeout_s": float("nan")}])
def test_options_out_of_range_name_themselves(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        MediaPool(**options)
