"""A LoRA on and off: on, the very policy that training had; off, the base; and no file that is none is taken."""

import json

import cv2
import pytest
import torch

from evaluation.generation.folder import Job
from evaluation.generation.generate_runs import generate_runs
from evaluation.generation.options import SamplerOptions
from evaluation.generation.sampling import sample_videos
from evaluation.records import MANIFEST, RUN, RunRecord, Sample, VideoRecord, read_lines, read_one
from models.video.build_video_model import build_video_model
from models.video.lora import METADATA, WEIGHTS, BadLoRA, find_lora, wearing
from models.video.options import VideoModelOptions
from models.video.wan.facts import WAN
from storage.files import sha256_file
from training.loop.held_out import BASE, DEMONSTRATOR, EXECUTOR, HeldOut
from training.policies.card import CardFacts
from training.policies.export import export_lora
from training.policies.lora import Policies

CARD = CardFacts({"method": "wmsd"}, "v1", "", "base", numbers={})


def stir(policies: Policies, scale: float = 0.3) -> None:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in policies.parameters("executor"):
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trainer whose Executor is far from the base, its LoRA, and its held-out tasks as jobs of ours."""
    from tests.training import tiny_run

    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("trained")
    bench = tiny_run.bench(root)
    trainer = bench.trainer(root / "out", {"held_out": {"tasks": 2, "steps": 2, "seed": 9}})
    stir(trainer.policies)
    export_lora(trainer.policies, "executor", root / "lora", family=WAN, card=CARD)
    held_out = HeldOut(trainer.options, trainer.predictor, trainer.store, trainer.parts.judge, trainer.world)
    jobs = {"task": [], "solution": []}
    for pair in held_out.pairs:
        path = root / f"{pair.pair_id}.png"
        path.write_bytes(cv2.imencode(".png", tiny_run.SHADES[pair.image_id][:, :, ::-1])[1].tobytes())
        sample = Sample(pair.pair_id, path.name, pair.task, pair.solution)
        for prompt in jobs:
            jobs[prompt].append(Job(sample, 9, "", getattr(pair, prompt), path, ""))
    return bench, held_out, root / "lora", jobs


@pytest.mark.slow
def test_base_demonstrator_and_executor_are_training_s_own(trained):
    bench, held_out, lora, jobs = trained
    model = build_video_model(VideoModelOptions.model_validate(bench.model))
    sampler = SamplerOptions(steps=2)
    with wearing(model.transformer, find_lora(str(lora))):
        executor, _ = sample_videos(model, jobs["task"], sampler)
    base, _ = sample_videos(model, jobs["task"], sampler)
    demonstrator, _ = sample_videos(model, jobs["solution"], sampler)
    for ours, arm in ((executor, EXECUTOR), (base, BASE), (demonstrator, DEMONSTRATOR)):
        assert torch.equal(torch.from_numpy(ours), held_out.videos(arm, range(2))), arm.name
    assert (executor != base).any() and (demonstrator != base).any()


@pytest.mark.slow
def test_a_taken_off_lora_leaves_the_model_as_it_was(trained):
    bench, _, lora, _ = trained
    model = build_video_model(VideoModelOptions.model_validate(bench.model))
    before = {name: p.clone() for name, p in model.transformer.named_parameters()}
    for _ in range(2):
        with wearing(model.transformer, find_lora(str(lora))):
            assert any("lora_" in name for name, _ in model.transformer.named_parameters())
        after = dict(model.transformer.named_parameters())
        assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ltx2", "hunyuan15", "wan-held"])
def test_other_models_wear_theirs_too(kind, tmp_path):
    """In bfloat16, where adapters are float32 in training: not a number differs."""
    from tests.models.video import tiny_video

    path = tiny_video.BUILDERS[kind](tmp_path / "base")
    options = VideoModelOptions(**tiny_video.options_for(kind, path, dtype="bfloat16"))
    model, other = build_video_model(options), build_video_model(options)
    policies = Policies(model.transformer, ["executor"], rank=3, alpha=7.0, targets=model.lora_targets, seed=1)
    stir(policies)
    export_lora(policies, "executor", tmp_path / "lora", family=WAN, card=CARD)
    shape = model.shape
    image = torch.randint(0, 256, (1, shape.height, shape.width, 3), dtype=torch.uint8)
    condition = model.encode_image(image) | model.encode_prompt(["[Disc]: go."])
    x, sigma = model.start(model.noise([1]), condition), torch.tensor([0.7])
    with torch.no_grad(), policies.use("executor"), wearing(other.transformer, find_lora(str(tmp_path / "lora"))):
        assert torch.equal(other.velocity(x, sigma, condition), model.velocity(x, sigma, condition))


@pytest.mark.slow
def test_runs_of_base_and_executor_share_the_model_in_any_order(trained, bench, tmp_path, quiet):
    _, _, lora, _ = trained
    of = {"base": "", "executor": str(lora)}
    for first, second in (("base", "executor"), ("executor", "base")):
        runs = [bench.options(tmp_path / first / name, lora=of[name]) for name in (first, second)]
        generate_runs(runs, quiet)
    for name in of:
        ones = [list(read_lines(tmp_path / x / name / MANIFEST, VideoRecord)) for x in ("base", "executor")]
        assert [one.sha256 for one in ones[0]] == [one.sha256 for one in ones[1]]
    record = read_one(tmp_path / "base" / "executor" / RUN, RunRecord)
    assert (record.lora, record.lora_sha256) == (str(lora), sha256_file(lora / WEIGHTS))


def rewritten(source, target, tensors=None, metadata=None):
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(source / WEIGHTS, framework="pt") as file:
        kept = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        told = file.metadata()
    save_file((tensors or (lambda t: t))(kept), target, metadata=(metadata or (lambda m: m))(told))
    return target


def first(tensors, ending):
    return next(key for key in sorted(tensors) if key.endswith(ending))


def edited(**changes):
    def change(metadata):
        told = json.loads(metadata[METADATA]) | {f"transformer.{key}": value for key, value in changes.items()}
        return metadata | {METADATA: json.dumps(told)}

    return change


@pytest.mark.parametrize(
    ("tensors", "metadata", "told"),
    [
        (lambda t: t | {first(t, "lora_A.weight"): torch.zeros(2, 3)}, None, r"has A \[2, 3\] and B"),
        (lambda t: {k: v for k, v in t.items() if k != first(t, "lora_B.weight")}, None, "has only lora_A"),
        (lambda t: t | {"transformer.nowhere.lora_A.weight": torch.zeros(2, 24)}, None, "names no linear layer"),
        (lambda t: t | {"transformer.blocks.0.attn1.to_q.dora_scale": torch.zeros(2)}, None, "belong to a plain LoRA"),
        (lambda t: t | {first(t, "B.weight"): t[first(t, "B.weight")] * float("nan")}, None, "not finite"),
        (lambda t: {"x": torch.zeros(1)}, None, "does not belong to a plain LoRA"),
        (None, edited(use_dora=True), "has use_dora: only a plain LoRA"),
        (None, edited(lora_alpha="much"), "alpha .* must be above 0"),
        (None, edited(lora_alpha=-1), "alpha .* must be above 0"),
        (None, lambda m: m | {METADATA: "[1]"}, "not a JSON object of an adapter"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name_and_leaves_the_base(trained, tmp_path, tensors, metadata, told):
    bench, _, lora, _ = trained
    model = build_video_model(VideoModelOptions.model_validate(bench.model))
    path = rewritten(lora, tmp_path / "odd.safetensors", tensors, metadata)
    with pytest.raises(BadLoRA, match=told) as caught, wearing(model.transformer, find_lora(str(path))):
        pass
    assert "odd.safetensors" in str(caught.value)
    assert not any("lora_" in name for name, _ in model.transformer.named_parameters())


def test_a_file_of_others_without_metadata_has_the_scale_one(trained, tmp_path):
    bench, _, lora, _ = trained
    model = build_video_model(VideoModelOptions.model_validate(bench.model))
    path = rewritten(lora, tmp_path / "plain.safetensors", metadata=lambda m: {"format": "pt"})
    with wearing(model.transformer, find_lora(str(path))):
        layers = [layer for layer in model.transformer.modules() if hasattr(layer, "scaling")]
        assert layers and all(set(layer.scaling.values()) == {1.0} for layer in layers)


def test_what_is_no_lora_is_told_before_anything_is_loaded(tmp_path):
    for missing in (str(tmp_path / "none"), str(tmp_path), "a/b/c", "./a"):
        with pytest.raises(FileNotFoundError, match="no LoRA"):
            find_lora(missing)
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    with pytest.raises(BadLoRA, match=r"cut\.safetensors"):
        find_lora(str(tmp_path / "cut.safetensors"))
    with pytest.raises(ValueError, match="is only for Hub ids"):
        find_lora(str(tmp_path / "cut.safetensors"), "main")
    with pytest.raises(FileNotFoundError, match="nor could it be downloaded"):
        find_lora("nobody/nothing")
