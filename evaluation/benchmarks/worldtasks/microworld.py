"""The microworld's held-out tasks as a benchmark: those that training holds out under the same options."""

from pathlib import Path

from evaluation.benchmarks.benchmark import Benchmark, version_of
from evaluation.records import SAMPLES, Sample, read_lines, write_lines
from storage.files import sha256_bytes, write_bytes
from storage.folders import building


def read_microworld(folder: Path, count: int = 200, seed: int = 1, unseen_share: float = 0.25) -> Benchmark:
    """`count` tasks, written into `folder`/SEED-COUNT-SHARE with their pictures (PNG) unless they are there.

    Ids are those of training's held-out pairs, and the pixels those it encoded.
    """
    from microworld.held_out import held_out_tasks

    made = held_out_tasks(count, seed, unseen_share)
    place = folder / f"microworld-{seed}-{count}-{unseen_share:g}"
    samples = tuple(
        Sample(
            one.task_id,
            f"images/{one.image_id}.png",
            one.task.text,
            one.task.solution,
            one.task.instruction.agent,
            one.task.family,
            "object",
        )
        for one in made
    )
    pictures = [_png(one.picture) for one in made]
    if not _is_there(place, samples, pictures):
        with building(place) as building_folder:
            for sample, data in zip(samples, pictures, strict=True):
                write_bytes(building_folder / sample.image, data)
            write_lines(building_folder / SAMPLES, samples)
    version = version_of(samples, [sha256_bytes(data) for data in pictures])
    return Benchmark("microworld", f"microworld-{version}", place, samples)


def _is_there(place: Path, samples: tuple[Sample, ...], pictures: list[bytes]) -> bool:
    if tuple(read_lines(place / SAMPLES, Sample)) != samples:
        return False
    paths = [place / sample.image for sample in samples]
    return all(path.is_file() and path.read_bytes() == data for path, data in zip(paths, pictures, strict=True))


def _png(pixels) -> bytes:
    import cv2

    written, data = cv2.imencode(".png", pixels[:, :, ::-1])
    if not written:
        raise ValueError(f"a picture of shape {pixels.shape} cannot be written as PNG")
    return data.tobytes()
