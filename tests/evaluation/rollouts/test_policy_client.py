"""A policy behind a socket, against a stand-in server on this machine; messages that could run code are refused."""

import json
import pickle
import threading
from contextlib import contextmanager

import av
import msgpack
import numpy as np
import pytest
from websockets.sync.server import serve

from evaluation.commands import run_command
from evaluation.rollouts.acting import DriveOptions, act, drive, told
from evaluation.rollouts.environment import WorldModelEnv
from evaluation.rollouts.msgpack_arrays import BadMessage, packed, unpacked
from evaluation.rollouts.policy_client import PolicyClient, PolicyError


@contextmanager
def server(answer):
    """A policy's server: says who it is, then answers each message, as `answer(observation)` in bytes or text."""

    def handle(connection):
        connection.send(packed({"robot": "stand-in"}))
        for message in connection:
            connection.send(answer(unpacked(message)))

    with serve(handle, "127.0.0.1", 0, max_size=None) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{running.socket.getsockname()[1]}"
        finally:
            running.shutdown()
            thread.join()


@pytest.mark.parametrize("array", [np.arange(6, dtype=np.uint8).reshape(2, 3), np.float32([1.5]), np.array(True)])
def test_arrays_arrive_as_they_were(array):
    found = unpacked(packed({"a": array, "n": np.int64(7), "text": "go", "list": [1, 2.5]}))
    assert found["a"].dtype == array.dtype and np.array_equal(found["a"], array) and found["a"].shape == array.shape
    assert found["n"] == 7 and found["text"] == "go" and found["list"] == [1, 2.5]


def test_the_wire_is_openpis():
    raw = msgpack.unpackb(packed({"a": np.float32([1, 2])}))
    said = {b"__ndarray__": True, b"data": np.float32([1, 2]).tobytes(), b"dtype": "<f4", b"shape": [2]}
    assert raw == {"a": said}


@pytest.mark.parametrize("dtype", ["|O", "<c8", "V8", "<f4,<i4", "nonsense", 3])
def test_objects_records_and_nonsense_are_refused(dtype):
    data = pickle.dumps(print)
    message = msgpack.packb({b"__ndarray__": True, b"data": data, b"dtype": dtype, b"shape": [1]})
    with pytest.raises(BadMessage, match="an array of dtype"):
        unpacked(message)


@pytest.mark.parametrize("shape", [[3], [2, 2], [-1, 5], ["a"], 4])
def test_an_array_that_is_not_what_it_says_is_refused(shape):
    message = msgpack.packb({b"__ndarray__": True, b"data": b"1234", b"dtype": "<f4", b"shape": shape})
    with pytest.raises(BadMessage, match="that is not what it says"):
        unpacked(message)


def test_what_cannot_be_sent_and_what_is_no_message_are_named():
    with pytest.raises(BadMessage, match="an array of dtype object"):
        packed({"a": np.array([print])})
    with pytest.raises(BadMessage, match="a set cannot be sent"):
        packed({"a": {1}})
    with pytest.raises(BadMessage, match="a message that is no msgpack"):
        unpacked(b"\xc1")


def test_a_policy_acts_in_the_world_until_it_ends(tiny_model, store, timing):
    asked = []

    def answer(observation):
        asked.append(observation)
        return packed({"actions": np.zeros((10, 7), np.float32) + observation["proprio"][0]})

    env = WorldModelEnv(tiny_model, store, timing, chunks=2, steps=1)
    options = DriveOptions(
        model={"path": "tiny"},
        episodes="none",
        episode="a",
        start=2,
        names={"state": "proprio", "wrist": "cam"},
        every=2,
        output="x.mp4",
    )
    with server(answer) as address, PolicyClient(address) as policy:
        assert policy.metadata == {"robot": "stand-in"}
        frames = act(env, policy, options)
    assert frames.shape == (timing.unique(2), 3, 16, 24, 3)
    assert [set(one) for one in asked] == [
        {"observation/external_1", "observation/external_2", "cam", "proprio", "prompt"}
    ] * 2
    assert asked[0]["prompt"] == "text of a" and (asked[0]["cam"] == store.frames("a", [2])[0, 2]).all()
    assert (asked[1]["proprio"] == asked[0]["proprio"][0]).all()  # the pose it was driven to
    assert (asked[1]["cam"] == frames[timing.new, 2]).all()


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ("Traceback: out of memory", PolicyError, "failed: Traceback: out of memory"),
        (packed({"other": 1}), PolicyError, "answered actions NoneType"),
        (packed({"actions": np.zeros(7)}), PolicyError, r"answered actions float64 \[7\]"),
        (packed({"actions": np.full((5, 7), np.nan)}), PolicyError, "actions that are not finite"),
        (packed([1]), BadMessage, "sent a list: a map is expected"),
    ],
)
def test_a_server_that_fails_is_named(answer, error, said):
    with server(lambda _: answer) as address, PolicyClient(address) as policy, pytest.raises(error, match=said):
        policy.actions({"observation/state": np.zeros(7)})


def test_no_server_and_a_wrong_name_are_named():
    with pytest.raises(PolicyError, match=r"no policy at ws://127\.0\.0\.1:1"):
        PolicyClient("127.0.0.1:1", timeout_s=2)
    with pytest.raises(ValueError, match=r"names has \['wirst'\]: observed are wrist and prompt"):
        told({"wrist": np.zeros(1)}, "", {"wirst": "x"})


def test_the_command_drives_a_checkpoint_and_writes_what_was_seen(tmp_path, tiny_folder, store, timing, capsys):
    config = {
        "model": {"path": str(tiny_folder), "height": 16, "width": 24, "history": 3, "frames": 3, "dtype": "float32"},
        "episodes": str(store.folder),
        "episode": "c",
        "chunks": 2,
        "steps": 1,
        "output": str(tmp_path / "seen.mp4"),
    }
    with server(lambda seen: packed({"actions": np.zeros((4, 7))})) as address:
        (tmp_path / "drive.json").write_text(json.dumps(config | {"policy": address}))
        assert run_command("", DriveOptions, drive, ["--config", str(tmp_path / "drive.json")]) == 0
    frames, height, width = video_size(tmp_path / "seen.mp4")  # small pictures are enlarged for players
    assert (frames, width / height) == (timing.unique(2), 3 * 24 / 16)
    (tmp_path / "drive.json").write_text(json.dumps(config | {"policy": "127.0.0.1:1"}))
    assert run_command("", DriveOptions, drive, ["--config", str(tmp_path / "drive.json")]) == 1
    assert "PolicyError: no policy at ws://127.0.0.1:1" in capsys.readouterr().err


def video_size(path) -> tuple[int, int, int]:
    """(frames, height, width) as they decode."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return len(frames), *frames[0].shape[:2]
