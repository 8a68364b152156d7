"""LeRobot data sets in which every frame shows its own number, and that of its camera, as a picture."""

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BITS, BLOCK = 16, 16  # 16 bits in 4 x 4 blocks of 16 x 16 pixels
SIDE = 4 * BLOCK
CAMERAS = ("observation.images.exterior_1", "observation.images.exterior_2", "observation.images.wrist")
# Of the small sets of tests/robots/layouts: rows of each episode, and how many of them each file of a camera holds.
LENGTHS = [6, 8, 7]
FILES = [[3], [1, 2], [2, 1]]
COLUMNS = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")


def picture(number: int) -> np.ndarray:
    """uint8 [64, 64, 3]: bit i of `number` is block i, white or black."""
    bits = np.array([number >> i & 1 for i in range(BITS)], np.uint8).reshape(4, 4) * 255
    return np.repeat(np.kron(bits, np.ones((BLOCK, BLOCK), np.uint8))[..., None], 3, axis=2)


def numbers(frames: np.ndarray) -> list[int]:
    """The numbers that frames, uint8 [n, h, w, 3] of any size, show."""
    n, h, w = frames.shape[:3]
    blocks = frames.mean(axis=3).reshape(n, 4, h // 4, 4, w // 4).mean(axis=(2, 4)).reshape(n, BITS)
    return [int(sum(1 << i for i in range(BITS) if row[i] > 127)) for row in blocks]


def shown(camera: int, frame: int) -> int:
    """The number of a camera's frame, counted over all of its episodes."""
    return camera << 12 | frame


def write_numbered(path: Path, shows: list[int], fps: Fraction, codec: str = "libx264", gop: int = 12) -> Path:
    options = {"libx264": {"crf": "20"}, "libsvtav1": {"crf": "30", "preset": "12"}}[codec]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.width = stream.height = SIDE
        stream.pix_fmt, stream.codec_context.gop_size = "yuv420p", gop
        for number in shows:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), "rgb24")))
        container.mux(stream.encode())
    return path


def states_of(length: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(0, 0.02, (length, len(COLUMNS))), axis=0).astype(np.float32)


def data_table(states: np.ndarray, episode: int, fps: Fraction) -> pa.Table:
    n = len(states)
    rows = pa.array(states.astype(np.float32).tolist(), pa.list_(pa.float32(), states.shape[1]))
    times = pa.array([float(i / fps) for i in range(n)], pa.float32())
    return pa.table(
        {
            "observation.state": rows,
            "action": rows,
            "timestamp": times,
            "frame_index": pa.array(range(n), pa.int64()),
            "episode_index": pa.array([episode] * n, pa.int64()),
            "task_index": pa.array([0] * n, pa.int64()),
        }
    )


def info(version: str, fps: Fraction, episodes: int, **more) -> dict:
    video = {"dtype": "video", "shape": [SIDE, SIDE, 3], "names": ["height", "width", "channels"]}
    state = {"dtype": "float32", "shape": [len(COLUMNS)], "names": list(COLUMNS)}
    paths = {
        "v2.1": {
            "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
            "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
        },
        "v3.0": {
            "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
            "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        },
    }[version]
    features = {camera: video for camera in CAMERAS} | {"observation.state": state, "action": state}
    splits = {"train": f"0:{episodes}"}
    rate = int(fps) if fps.denominator == 1 else float(fps)
    said = {"codebase_version": version, "fps": rate, "chunks_size": 2, "features": features, "splits": splits}
    return said | paths | more


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_table(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def write_v21(folder: Path, lengths: list[int], fps: Fraction = Fraction(15), codec: str = "libx264") -> Path:
    write_json(folder / "meta/info.json", info("v2.1", fps, len(lengths)))
    lines, first = [], 0
    for episode, length in enumerate(lengths):
        place = f"chunk-{episode // 2:03d}"
        write_table(
            folder / f"data/{place}/episode_{episode:06d}.parquet", data_table(states_of(length, episode), episode, fps)
        )
        for camera, key in enumerate(CAMERAS):
            shows = [shown(camera, first + i) for i in range(length)]
            write_numbered(folder / f"videos/{place}/{key}/episode_{episode:06d}.mp4", shows, fps, codec)
        lines.append(json.dumps({"episode_index": episode, "tasks": [f"task {episode}"], "length": length}))
        first += length
    (folder / "meta/episodes.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def write_v3(
    folder: Path, lengths: list[int], files: list[list[int]], fps: Fraction = Fraction(15), codec: str = "libx264"
) -> Path:
    """files: of each camera, how many episodes lie in each of its files, one after the other."""
    write_json(folder / "meta/info.json", info("v3.0", fps, len(lengths)))
    tables = [data_table(states_of(length, episode), episode, fps) for episode, length in enumerate(lengths)]
    half = len(lengths) // 2
    write_table(folder / "data/chunk-000/file-000.parquet", pa.concat_tables(tables[:half]))
    write_table(folder / "data/chunk-001/file-000.parquet", pa.concat_tables(tables[half:]))
    rows = [
        {
            "episode_index": episode,
            "tasks": [f"task {episode}"],
            "length": length,
            "data/chunk_index": int(episode >= half),
            "data/file_index": 0,
        }
        for episode, length in enumerate(lengths)
    ]
    for camera, (key, counts) in enumerate(zip(CAMERAS, files, strict=True)):
        episode = first = 0
        for file, count in enumerate(counts):
            shows: list[int] = []
            for row in rows[episode : episode + count]:
                begins, ends = len(shows), len(shows) + row["length"]
                row[f"videos/{key}/chunk_index"], row[f"videos/{key}/file_index"] = file // 2, file % 2
                row[f"videos/{key}/from_timestamp"] = float(begins / fps)
                row[f"videos/{key}/to_timestamp"] = float(ends / fps)
                shows += [shown(camera, first + i) for i in range(row["length"])]
                first += row["length"]
            episode += count
            write_numbered(folder / f"videos/{key}/chunk-{file // 2:03d}/file-{file % 2:03d}.mp4", shows, fps, codec)
        assert episode == len(lengths)
    write_table(folder / "meta/episodes/chunk-000/file-000.parquet", pa.Table.from_pylist(rows[:1]))
    write_table(folder / "meta/episodes/chunk-000/file-001.parquet", pa.Table.from_pylist(rows[1:]))
    return folder
