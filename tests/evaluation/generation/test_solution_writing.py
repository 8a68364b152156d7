"""The conditioning `vlm`: what it costs is counted, what was answered is kept, what was refused is a failure."""

import pytest

from evaluation.generation import folder as run_folder
from evaluation.generation.generate_runs import generate
from evaluation.generation.options import WriterOptions
from evaluation.generation.run_record import ChangedRun
from evaluation.generation.writing import Shares, write_solutions
from evaluation.records import MANIFEST, RUN, RunRecord, VideoRecord, read_lines, read_one
from models.vlm.failures import TooManyFailures
from storage.journal import Journal
from tests.evaluation.generation.conftest import png
from tests.evaluation.generation.solution_server import Writer

OPTIONS = WriterOptions(vlm={"concurrency": 2})


@pytest.fixture
def asked(tmp_path):
    """id -> (T, image file) of eight samples."""
    found = {}
    for number in range(8):
        path = tmp_path / f"{number}.png"
        path.write_bytes(png(number))
        found[f"s{number}"] = (f"[A]: Go {number}.", path)
    return found


def test_shares_add_up_to_the_time_in_which_anything_was_under_way():
    times = iter([0.0, 2.0, 3.0, 7.0, 100.0, 101.0])
    shares = Shares(lambda: next(times))
    one = shares.begin()  # 0
    two = shares.begin()  # 2
    assert shares.end(one) == 2.0 + 0.5  # 3
    assert shares.end(two) == 0.5 + 4.0  # 7
    three = shares.begin()  # 100: nothing was under way before
    assert shares.end(three) == 1.0


def test_an_answer_is_kept_with_its_time_and_not_asked_for_again(asked, tmp_path):
    vlm = Writer()
    with Journal(tmp_path / "journal") as journal:
        first = write_solutions(asked, OPTIONS, journal, lambda _: vlm)
        assert first["s3"].text == "[A]: Go 3. done" and all(one.seconds > 0 for one in first.values())
        assert (len(vlm.asked), vlm.closed) == (8, 1)
        assert write_solutions(asked, OPTIONS, journal, lambda _: pytest.fail("built")) == first
        more = asked | {"s8": ("[A]: Go 8.", asked["s0"][1])}
        write_solutions(more, OPTIONS, journal, lambda _: vlm)
    assert vlm.asked[8:] == ["[A]: Go 8."]


def test_another_image_model_or_limit_is_another_question(asked, tmp_path):
    vlm = Writer()
    with Journal(tmp_path / "journal") as journal:
        write_solutions(asked, OPTIONS, journal, lambda _: vlm)
        asked["s0"][1].write_bytes(png(77))
        write_solutions(asked, OPTIONS, journal, lambda _: vlm)
        assert len(vlm.asked) == 9
        write_solutions(asked, WriterOptions(max_tokens=99), journal, lambda _: vlm)
        assert len(vlm.asked) == 17
        patient = WriterOptions(vlm={"concurrency": 7, "max_retries": 9})
        write_solutions(asked, patient, journal, lambda _: vlm)
        assert len(vlm.asked) == 17


def test_a_refusal_is_final_and_a_dead_server_is_asked_again(asked, tmp_path):
    with Journal(tmp_path / "journal") as journal:
        found = write_solutions(asked, OPTIONS, journal, lambda _: Writer(refuses="Go 2", fails="Go 5"))
        assert found["s2"].failure == "vlm_refused: I will not." and not found["s2"].text
        assert found["s5"].failure == "vlm_unavailable: http_500: the server is down"
        well = Writer()
        again = write_solutions(asked, OPTIONS, journal, lambda _: well)
    assert well.asked == ["[A]: Go 5."] and not again["s5"].failure and again["s2"] == found["s2"]


def test_a_refusal_is_asked_again_where_that_is_asked_for(asked, tmp_path):
    patient, well = WriterOptions(vlm={"concurrency": 2}, ask_failed_again=True), Writer()
    with Journal(tmp_path / "journal") as journal:
        first = write_solutions(asked, OPTIONS, journal, lambda _: Writer(refuses="Go 2"))
        again = write_solutions(asked, patient, journal, lambda _: well)
        assert well.asked == ["[A]: Go 2."] and again["s2"].text == "[A]: Go 2. done" and not again["s2"].failure
        assert again | {"s2": first["s2"]} == first
        assert write_solutions(asked, OPTIONS, journal, lambda _: pytest.fail("built")) == again


def test_a_server_that_is_down_ends_the_writing_and_what_was_answered_stays(asked, tmp_path):
    down = Writer(fails="Go")
    with Journal(tmp_path / "journal") as journal:
        with pytest.raises(TooManyFailures, match=r"2 requests for solutions got no answer, .* at most 1"):
            write_solutions(asked, OPTIONS, journal, lambda _: down)
        assert down.closed == 1 and len(journal) == 0


def run_with(vlm, bench, tmp_path, quiet, monkeypatch, **changes):
    monkeypatch.setattr(run_folder, "write_solutions", lambda *given: write_solutions(*given, lambda _: vlm))
    return generate(bench.options(tmp_path / "run", conditioning="vlm", **changes), quiet)


def test_a_run_under_what_the_vlm_wrote(bench, tmp_path, quiet, monkeypatch):
    vlm = Writer(refuses="Green")
    done = run_with(vlm, bench, tmp_path, quiet, monkeypatch, seeds=[1, 2])
    records = list(read_lines(tmp_path / "run" / MANIFEST, VideoRecord))
    assert len(vlm.asked) == 3 and (done.made, done.failures) == (4, 2)
    for one in records:
        if one.sample_id == "1_1":
            assert one.failure == "vlm_refused: I will not." and not one.sha256
        else:
            assert one.prompt.endswith("done") and one.seconds > one.vlm_seconds > 0
    record = read_one(tmp_path / "run" / RUN, RunRecord)
    assert record.vlm == "scripted:microworld" and record.extra["writer"]["prompt"].startswith("solution.v1:")
    again = run_with(Writer(), bench, tmp_path, quiet, monkeypatch, seeds=[1, 2])
    assert again.made == 0 and list(read_lines(tmp_path / "run" / MANIFEST, VideoRecord)) == records


def test_a_run_of_another_writer_in_the_same_folder_is_refused(bench, tmp_path, quiet, monkeypatch):
    run_with(Writer(), bench, tmp_path, quiet, monkeypatch)
    with pytest.raises(ChangedRun, match=r"extra\.writer\.vlm\.flaw_rate: 0\.085 -> 0\.0"):
        run_with(Writer(), bench, tmp_path, quiet, monkeypatch, writer={"vlm": {"flaw_rate": 0.0}})


@pytest.mark.slow
def test_the_scripted_vlm_writes_the_exact_solution_from_pixels_but_for_its_flaws(tmp_path):
    from evaluation.benchmarks.worldtasks.microworld import read_microworld

    benchmark = read_microworld(tmp_path / "microworld", 24, 5)
    asked = {s.sample_id: (s.task, benchmark.folder / s.image) for s in benchmark.samples}
    asked["foreign"] = ("[Knight]: Open the gate.", benchmark.folder / benchmark.samples[0].image)
    with Journal(tmp_path / "journal") as journal:
        exact = write_solutions(asked, WriterOptions(vlm={"flaw_rate": 0.0}), journal)
        spoiled = write_solutions(asked, WriterOptions(vlm={"flaw_rate": 1.0}), journal)
    assert exact["foreign"].failure.startswith("vlm_refused")
    written = [exact[s.sample_id].text for s in benchmark.samples]
    same = [one.split(".")[0] == s.solution.split(".")[0] for one, s in zip(written, benchmark.samples, strict=True)]
    assert sum(same) >= 22, "the way begins where it does, as far as pixels tell"
    assert sum(a.text == b.text for a, b in zip(exact.values(), spoiled.values(), strict=True)) < len(exact)
