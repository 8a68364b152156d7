"""Wall time of judging a run, against requests x latency / concurrency, on a local server of fixed latency.

python tests/bench/bench_judging_runs.py [--quick]

The server is another process, so that its work does not count as the judging's; it shares the machine's cores. Each
judging begins without a journal; "again" is one that finds everything answered.
"""

import argparse
import asyncio
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import machine

from evaluation.judging.judge_runs import JOURNAL, judge_runs
from evaluation.judging.options import JudgingOptions
from evaluation.records import MANIFEST, SAMPLES, Sample, VideoRecord, write_lines
from evaluation.videos import write_video
from storage.files import sha256_file


async def serve(latency_s: float) -> None:
    """Answers every chat request with yes after `latency_s`, and has no /tokenize."""
    top = [{"token": "yes", "logprob": -0.2}, {"token": "no", "logprob": -1.7}]
    logprobs = {"content": [{"token": "yes", "top_logprobs": top}]}
    choice = {"index": 0, "finish_reason": "length", "logprobs": logprobs, "message": {"content": "yes"}}
    body = json.dumps({"choices": [choice]}).encode()

    def response(status: str, text: bytes) -> bytes:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        return head.encode() + text

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length:")[1].split("\r\n")[0])
                begun = time.monotonic()
                await reader.readexactly(length)
                if "/chat/completions" in head.split("\r\n")[0]:
                    # Latency runs from the request's head: its transfer is part of it.
                    await asyncio.sleep(max(0.0, latency_s - (time.monotonic() - begun)))
                    writer.write(response("200 OK", body))
                else:
                    writer.write(response("404 Not Found", b"{}"))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=2**24)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def make_run(folder: Path, videos: int, frames: int, height: int, width: int, seed: int) -> Path:
    """Smooth random pictures in motion, written as evaluations write them."""
    rng = np.random.default_rng(seed)
    samples, records = [], []
    for number in range(videos):
        coarse = rng.integers(0, 256, (height // 16 + 2, width // 16 + 2 + frames, 3)).astype(np.uint8)
        large = coarse.repeat(16, axis=0).repeat(16, axis=1)
        moving = np.stack([large[:height, 4 * t : 4 * t + width] for t in range(frames)])
        name = f"videos/{number}.mp4"
        (folder / "videos").mkdir(parents=True, exist_ok=True)
        write_video(folder / name, moving, 8)
        size = {"frames": frames, "height": height, "width": width, "fps": 8.0}
        sha256 = sha256_file(folder / name)
        samples.append(Sample(f"s{number}", "", f"[Thing {number}]: Move."))
        records.append(VideoRecord(f"s{number}-s0", f"s{number}", 0, name, "", "", sha256, **size))
    write_lines(folder / SAMPLES, samples)
    write_lines(folder / MANIFEST, records)
    return folder


def timed(folder: Path, url: str, concurrency: int, image_format: str) -> tuple[float, float, int]:
    """(wall seconds, CPU seconds of this process, requests) of judging a run."""
    vlm = {"backend": "openai", "model": "m", "base_url": url}
    options = JudgingOptions(vlm=vlm, concurrency=concurrency, image_format=image_format)
    wall, cpu = time.perf_counter(), time.process_time()
    (result,) = judge_runs([folder], options)
    assert not result.failures, result.failures
    return time.perf_counter() - wall, time.process_time() - cpu, result.asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer videos, once")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve is not None:
        asyncio.run(serve(given.serve))
        return
    count, repeats = (64, 1) if given.quick else (128, 3)
    kinds = [(0.5, 16, 8, 32, 32, "png"), (1.0, 32, 8, 32, 32, "png"), (2.0, 32, 49, 288, 512, "jpeg")]
    print(f"{machine('av', 'openai', 'opencv-python-headless')}; medians of {repeats}, {count} videos, 3 questions\n")
    print("| latency s | in flight | video | requests | wall s | ideal s | ratio | own CPU s | again s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for latency_s, concurrency, frames, height, width, image_format in kinds:
        command = [sys.executable, __file__, "--serve", str(latency_s)]
        with (
            tempfile.TemporaryDirectory() as folder,
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        ):
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
            timed(make_run(Path(folder) / "warm", 2, frames, height, width, 99), url, 2, image_format)
            run = make_run(Path(folder) / "run", count, frames, height, width, 0)
            times = []
            for _ in range(repeats):
                for journal in run.glob(f"{JOURNAL}*"):
                    journal.unlink()
                times.append(timed(run, url, concurrency, image_format))
            again = timed(run, url, concurrency, image_format)[0]
            server.terminate()
        wall, cpu, requests = (statistics.median(column) for column in zip(*times, strict=True))
        ideal = requests * latency_s / concurrency
        video = f"{frames} x {height} x {width}, {image_format}"
        row = [f"{latency_s:g}", concurrency, video, requests, f"{wall:.2f}", f"{ideal:.2f}", f"{wall / ideal:.3f}"]
        print(f"| {' | '.join(map(str, row))} | {cpu:.1f} | {again:.2f} |", flush=True)
    print(f"\nPeak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
