"""The microworld's own video model: what captions say, how clips are weighted, and that the shipped base follows D."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from microworld.exact_judge import judge
from microworld.families import sample_tasks
from microworld.model.captions import FACTS, KINDS, UNKNOWN, facts, loose, terse
from microworld.model.flow_training import motion_weights
from microworld.model.options import PretrainOptions
from microworld.model.parts import MAX_TOKENS, make_parts, make_tokenizer
from microworld.model.pretrain import pretrain
from microworld.model.pretrain_clips import draw_clips
from microworld.model.vae_training import decode, start_from_pca, things
from microworld.motion import slowed, states
from microworld.render import render_batch
from microworld.scene import sample_scene
from models.video.frame_vae import FrameVAE

pytestmark = pytest.mark.slow

CHECKPOINT = Path(__file__).resolve().parents[2] / "microworld" / "checkpoint"
D = (
    "Counted from the top left, the orange square starts at row 3, column 2. It glides one cell up along column 2, "
    "coming to rest at row 2, column 3, directly to the left of the green diamond. Everything else keeps its place."
)


def named(text: str) -> dict[str, int]:
    return {name: value for name, value in zip(FACTS, facts(text), strict=True) if value != UNKNOWN}


def test_the_facts_of_d_are_its_agent_its_last_place_and_what_lies_there():
    told = named(D)
    assert (told["end row"], told["end column"]) == (1, 2)  # from 0; not the place it starts at
    assert told["relation"] == KINDS.index("left")
    assert (told["agent colour"], told["agent shape"], told["target colour"], told["target shape"]) == (1, 1, 2, 3)
    assert "new colour" not in told


def test_t_and_the_loose_caption_tell_the_same_but_for_the_place():
    t = named("[Orange square]: Stop directly to the left of the green diamond.")
    brief = D.split(". ")[1].replace("It", "The orange square") + "."
    assert named(loose(brief)) == t
    assert "row" not in loose(brief) and "column" not in loose(brief)
    assert {name: value for name, value in named(D).items() if not name.startswith("end")} == t


def test_the_terse_caption_says_what_happens_where_t_gives_an_order():
    assert terse("[Red disc]: First turn green, then move to the blue ring.") == (
        "The red disc first turns green, then moves to the blue ring."
    )
    assert terse("[Pink cross]: Push the red disc onto the blue pad.").startswith("The pink cross pushes the red disc")
    rng = np.random.default_rng(4)
    for _ in range(60):
        for task in sample_tasks(sample_scene(rng).layout, rng, 3):
            assert facts(terse(task.text)) == facts(task.text), task.text
            assert not any(mark in terse(task.text) for mark in "[]:")


def test_a_turn_tells_its_new_colour_and_no_place():
    assert named("The green cross keeps still while its colour fades from green to red.")["new colour"] == 0
    assert "end row" not in named("[Green cross]: Turn red.")


def test_every_word_of_the_microworld_is_known_and_every_text_fits():
    tokenizer, rng = make_tokenizer(), np.random.default_rng(3)
    for _ in range(60):
        for task in sample_tasks(sample_scene(rng).layout, rng, 3):
            for text in (task.text, task.solution, task.brief, loose(task.brief), terse(task.text)):
                ids = tokenizer(text).input_ids
                assert tokenizer.unk_token_id not in ids, text
                assert len(ids) <= MAX_TOKENS


def test_clips_are_of_seen_combinations_and_their_captions_never_t():
    rng = np.random.default_rng(0)
    clips = draw_clips(120, rng)
    assert clips.pixels.shape == (120, 8, 32, 32, 3) and clips.pixels.dtype == np.uint8
    assert clips.terses == [terse(task) for task in clips.tasks]
    captions = {clips.caption(i, rng, 0.5) for i in range(120) for _ in range(8)}
    assert not captions & set(clips.tasks) and captions & set(clips.terses)


def test_without_a_loose_share_captions_are_detailed():
    rng = np.random.default_rng(0)
    clips = draw_clips(100, rng)
    captions = {clips.caption(i, rng, 0.0) for i in range(100) for _ in range(8)}
    assert captions <= {*clips.solutions, *clips.briefs} and not captions <= set(clips.solutions)


def test_moving_cells_count_more_and_the_mean_weight_is_one():
    x0 = torch.zeros(2, 4, 3, 8, 8)
    x0[0, :, 2, 4, 4] = 2.0
    weights = motion_weights(x0)
    assert weights.mean().item() == pytest.approx(1.0)
    assert weights[0, 0, 2, 4, 4] == weights[0, 0, 2, 3, 5] == 9 * weights[0, 0, 0, 4, 4]
    assert weights[0, 0, 2, 4, 4] > weights[1, 0, 2, 4, 4]


def test_a_frame_of_zeros_is_encoded_as_the_frame_before_it():
    vae, x = FrameVAE(z_dim=4, width=8), torch.zeros(1, 3, 4, 8, 8)
    x[0, :, 0], x[0, :, 2] = 0.5, -0.7
    z = vae.encode(x).latents
    assert torch.equal(z[:, :, 1], z[:, :, 0]) and torch.equal(z[:, :, 3], z[:, :, 2])
    assert not torch.equal(z[:, :, 2], z[:, :, 0])
    alone = vae.encode(torch.zeros(1, 3, 1, 8, 8)).latents
    assert torch.isfinite(alone).all()


def test_the_vae_starts_as_good_as_pca_and_weighs_things_five_times():
    rng = np.random.default_rng(1)
    pixels, vae = draw_clips(100, rng).pixels, FrameVAE(z_dim=16, width=8)
    start_from_pca(vae, pixels, rng)
    x = torch.from_numpy(pixels[:8, 0]).permute(0, 3, 1, 2).float() / 127.5 - 1
    latents = vae.encode(x[:, :, None]).latents[:, :, 0]
    assert (decode(vae, latents) - x).square().mean() < 0.02
    weights = things(x)
    assert set(weights.unique().tolist()) == {1.0, 5.0}


TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"
SMALL = {"clips": 100, "batch": 4, "held_out": 2, "vae_steps": 2, "decoder_steps": 2, "language_steps": 2}
SMALL |= {"broad_steps": 2, "settled_steps": 2, "filmed_steps": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("model") / "checkpoint"
    pretrain(PretrainOptions(out=str(out), **SMALL))
    return out


def test_pretraining_leaves_a_whole_checkpoint_with_its_scores(made):
    told = json.loads((made / "scores.json").read_text())
    assert told["options"]["clips"] == 100 and set(told["scores"]) == {"T", "D"}
    config = json.loads((made / "vae" / "config.json").read_text())
    assert len(config["latents_mean"]) == 16 and min(config["latents_std"]) > 0


def test_a_vae_taken_from_a_checkpoint_is_not_trained_again(made, tmp_path, monkeypatch):
    monkeypatch.setattr("microworld.model.score.score_model", lambda *_: {})
    for program in ("fit_vae", "fit_decoder"):
        monkeypatch.setattr(f"microworld.model.pretrain.{program}", lambda *_: pytest.fail("the VAE was trained"))
    pretrain(PretrainOptions(out=str(tmp_path / "next"), vae_from=str(made), **SMALL))
    for file in ("diffusion_pytorch_model.safetensors", "config.json"):  # the mean and std of its latents too
        assert (tmp_path / "next" / "vae" / file).read_bytes() == (made / "vae" / file).read_bytes(), file


def test_an_older_checkpoint_stays_until_the_new_one_is_whole_with_its_scores(made, tmp_path, monkeypatch):
    out = tmp_path / "checkpoint"
    shutil.copytree(made, out)
    before = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}

    def scored(folder, *_) -> dict:
        assert {path: path.read_bytes() for path in before} == before and folder != out
        raise KeyboardInterrupt

    monkeypatch.setattr("microworld.model.score.score_model", scored)
    with pytest.raises(KeyboardInterrupt):
        pretrain(PretrainOptions(out=str(out), vae_from=str(out), **SMALL))
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before


def test_kept_averages_change_nothing_and_the_last_is_how_a_stage_ends(made, tmp_path, monkeypatch):
    monkeypatch.setattr("microworld.model.score.score_model", lambda *_: {})
    for out, keep_every in (("plain", 0), ("kept", 1)):
        pretrain(PretrainOptions(out=str(tmp_path / out), vae_from=str(made), keep_every=keep_every, **SMALL))
    kept = {path.name: (path / TRANSFORMER).read_bytes() for path in tmp_path.iterdir()}
    steps = [f"kept-{stage}-{step}" for stage in ("broad", "settled", "filmed") for step in (1, 2)]
    assert kept.keys() == {"plain", "kept", *steps}
    assert kept["plain"] == kept["kept"] == kept["kept-filmed-2"]
    assert len({kept[name] for name in steps}) == len(steps)


def test_later_stages_can_go_on_from_a_kept_one(made, tmp_path, monkeypatch):
    monkeypatch.setattr("microworld.model.score.score_model", lambda *_: {})
    whole, again = tmp_path / "whole", tmp_path / "again"
    pretrain(PretrainOptions(out=str(whole), vae_from=str(made), keep_every=2, **SMALL))
    rest = SMALL | {"broad_steps": 0}
    pretrain(PretrainOptions(out=str(again), go_on_from=f"{whole}-broad-2", **rest))
    for part in (TRANSFORMER, "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"):
        assert (again / part).read_bytes() == (whole / part).read_bytes(), part


def test_two_sources_of_a_vae_are_refused_and_no_machine_path_is_kept(made):
    with pytest.raises(ValueError, match="go_on_from a brings its own VAE: remove vae_from b"):
        PretrainOptions(go_on_from="a", vae_from="b")
    for folder in (made, CHECKPOINT):
        assert "_name_or_path" not in "".join(path.read_text() for path in folder.glob("*/config.json"))


def test_unfinished_clips_end_before_the_thing_is_done_and_are_captioned_as_the_others():
    finished, unfinished = (draw_clips(100, np.random.default_rng(3), share) for share in (0.0, 1.0))
    late, later = (np.abs(c.pixels[:, -1].astype(int) - c.pixels[:, -2]).max((1, 2, 3)) for c in (finished, unfinished))
    assert np.mean(late > 40) < 0.05 and np.mean(later > 40) > 0.6
    scene = sample_scene(np.random.default_rng(4))
    task = sample_tasks(scene.layout, np.random.default_rng(5), 1)[0]
    usual, slow = (np.concatenate(states(scene.layout, p, 15), -1) for p in (task.program, slowed(task.program, 0.5)))
    assert np.allclose(usual[0], slow[0]) and not np.allclose(usual[-1], slow[-1])
    assert judge(render_batch([scene], [task.program], 8, 32)[0], task.text).task > 0
    assert judge(render_batch([scene], [slowed(task.program, 0.3)], 8, 32)[0], task.text).task < 0


def test_the_shipped_base_has_the_size_and_parts_that_the_program_makes():
    parts = make_parts()
    for name, file in (
        ("transformer", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ):
        from safetensors import safe_open

        with safe_open(CHECKPOINT / name / f"{file}.safetensors", "pt") as handle:
            shipped = {key: tuple(handle.get_slice(key).get_shape()) for key in handle.keys()}  # noqa: SIM118
        own = {key: tuple(value.shape) for key, value in parts[name].state_dict().items()}
        assert shipped.items() <= own.items(), name
    transformer = sum(p.numel() for p in parts["transformer"].parameters())
    assert 300_000 < transformer < 2_000_000


def test_the_shipped_base_follows_d_well_but_not_perfectly_and_t_less():
    from microworld.model.score import score_model

    scores = score_model(CHECKPOINT, 80, seed=5)
    assert 0.25 < scores["D"]["task"] < 0.6, "well above nothing, with room above it"
    assert scores["T"]["task"] < scores["D"]["task"]
