"""A picture that changed on disk since its row was written is an error with its cure, in every stage that reads it."""

from pathlib import Path

import cv2
import pyarrow as pa
import pytest

from curation.aesthetics.options import AestheticsOptions
from curation.aesthetics.score import score_frames
from curation.frame_files import DamagedImage, changed_pictures_removed, read_frame
from curation.quality.filter import filter_frames
from curation.quality.options import QualityOptions
from curation.run_shard import run_shard
from curation.screening.options import ScreeningOptions
from curation.screening.screen import screen_frames
from curation.stage import Stage
from curation.tasks.generate import write_tasks
from curation.tasks.options import TasksOptions
from storage.collection import Store
from storage.files import PathOutsideRoot
from tests.curation.aesthetics.conftest import quality_row  # noqa: F401 - a fixture
from tests.curation.quality.conftest import texture  # noqa: F401 - a fixture
from tests.curation.tasks.conftest import WrittenVLM, frame_rows, written_vlm  # noqa: F401 - fixtures

PAIRS = {"pairs": [{"task": f"[A disc]: Move to place {i}.", "solution": "The disc moves right."} for i in range(8)]}


def screened(rows: list[dict], folder: Path, vlm: WrittenVLM) -> list[dict]:
    return screen_frames(rows, folder, vlm, folder / "s.sqlite", ScreeningOptions(), 2)


def written(rows: list[dict], folder: Path, vlm: WrittenVLM) -> list[dict]:
    return write_tasks(rows, folder, vlm, folder / "t.sqlite", TasksOptions(max_malformed_share=1.0), 2)


@pytest.mark.parametrize(("stage", "answer"), [(screened, 1.0), (written, PAIRS)])
@pytest.mark.parametrize("change", ["byte", "other", "gone"])
def test_no_vlm_is_asked_about_another_picture(stage, answer, change, frame_rows, written_vlm, tmp_path):  # noqa: F811
    rows, asked = frame_rows(4), []
    path = tmp_path / rows[2]["image"]
    match change:
        case "byte":
            path.write_bytes(b"q" + path.read_bytes()[1:])
        case "other":
            path.write_bytes((tmp_path / rows[1]["image"]).read_bytes())
        case "gone":
            path.unlink()
    vlm = written_vlm(lambda prompt, media: asked.append(media[0].data) or answer)
    with pytest.raises(DamagedImage, match=r"2\.jpg is damaged .*clip_00000002"):
        stage(rows, tmp_path, vlm)
    assert set(asked) <= {b"picture 0", b"picture 1", b"picture 3"}
    path.write_bytes(b"picture 2")
    assert len(stage(rows, tmp_path, vlm)) in (4, 4 * 8)
    assert sorted(asked) == [b"picture %d" % number for number in range(4)], "nothing is asked twice"


def measured(rows: list[dict], folder: Path) -> list[dict]:
    return list(filter_frames(rows, folder, QualityOptions(), 2))


def scored(rows: list[dict], folder: Path) -> list[dict]:
    return score_frames(rows, folder, AestheticsOptions(), folder / "cut.json")


@pytest.mark.parametrize("stage", [measured, scored])
@pytest.mark.parametrize("change", ["tail", "other", "gone"])
def test_another_picture_is_not_measured_although_it_decodes(stage, change, texture, quality_row, tmp_path):  # noqa: F811
    rows = [quality_row(f"clip_{number}", texture(number, 360, 640)) for number in range(4)]
    right = stage(rows, tmp_path)
    (tmp_path / "cut.json").unlink(missing_ok=True)
    path = tmp_path / rows[1]["image"]
    data = path.read_bytes()
    match change:
        case "tail":
            path.write_bytes(data[:-4000])
            assert cv2.imread(str(path)) is not None
        case "other":
            path.write_bytes((tmp_path / rows[2]["image"]).read_bytes())
        case "gone":
            path.unlink()
    with pytest.raises(DamagedImage, match=r"clip_1\.jpg is damaged .*clip_1"), changed_pictures_removed():
        stage(rows, tmp_path)
    assert not path.exists() and not (tmp_path / "cut.json").exists()
    path.write_bytes(data)
    assert stage(rows, tmp_path) == right


def test_a_stage_removes_what_changed_so_that_frames_makes_it_again(frame_rows, written_vlm, tmp_path):  # noqa: F811
    schema = pa.schema([("status", pa.string()), ("reason", pa.string())])
    stage = Stage(name="screening", title="", unit="frames", schema=schema, decided_by=())
    rows = frame_rows(3)
    changed, gone = (tmp_path / rows[number]["image"] for number in (1, 2))
    changed.write_bytes(b"another")

    def build(shard: str) -> list[dict]:
        screened(rows, tmp_path, written_vlm(lambda question, media: 1.0))
        return [{"status": "kept", "reason": ""}]

    def run():
        store = Store(tmp_path / "data", "small", ("shard-0000",))
        return run_shard(store, stage, "shard-0000", {}, build, source=lambda shard: "")

    with pytest.raises(DamagedImage, match="It was removed: run again, and `frames` will make it again"):
        run()
    assert not changed.exists() and gone.exists()
    changed.write_bytes(b"picture 1")
    gone.unlink()
    with pytest.raises(DamagedImage, match=r"is not there.*: run again, and `frames` will make it again"):
        run()
    gone.write_bytes(b"picture 2")
    assert run().kept == 1


def test_a_path_that_leaves_the_folder_is_no_picture_and_stays(tmp_path, frame_rows):  # noqa: F811
    (row,) = frame_rows(1)
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"private")
    folder = tmp_path / "collection"
    folder.mkdir()
    for image in ("../secret.jpg", str(secret), "/etc/hostname"):
        with pytest.raises(PathOutsideRoot), changed_pictures_removed():
            read_frame(folder, row | {"image": image})
    assert secret.exists()
