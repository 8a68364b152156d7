"""PSNR, SSIM and LPIPS of frames are the numbers that their closed forms and their authors' code give."""

import math

import lpips
import pytest
import torch
import torchvision
from pydantic import ValidationError
from torchmetrics.image import StructuralSimilarityIndexMeasure

from evaluation.rollouts import metrics
from evaluation.rollouts.lpips_backbone import NoBackbone
from evaluation.rollouts.metrics import frame_scores, reward_of, view_weights
from evaluation.rollouts.options import NO_BACKBONE, MetricSettings

VIEWS = ("external_1", "external_2", "wrist")


def frames(seed: int, *shape: int) -> torch.Tensor:
    return torch.randint(0, 256, (*shape, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def alexnet_file(tmp_path_factory):
    """A file as torchvision's, of random weights; a seed makes the state of the classifier irrelevant."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("backbone") / "alexnet.pth"
    torch.save(torchvision.models.alexnet(weights=None).state_dict(), path)
    return path


@pytest.mark.parametrize("apart", [1, 7, 255])
def test_psnr_is_20_log10_255_over_a_constant_difference(apart):
    zero = torch.zeros(2, 3, 3, 16, 24, 3, dtype=torch.uint8)
    found = frame_scores(zero + apart, zero)["psnr"]
    assert found.dtype == torch.float64 and found.shape == (2, 3, 3)
    torch.testing.assert_close(found, torch.full_like(found, 20 * math.log10(255 / apart)), rtol=0, atol=1e-12)


def test_identical_frames_have_the_capped_psnr_and_ssim_1():
    same = frames(0, 1, 2, 3, 16, 16)
    found = frame_scores(same, same, MetricSettings(psnr_cap=50))
    assert (found["psnr"] == 50).all()
    torch.testing.assert_close(found["ssim"], torch.ones(1, 2, 3).double(), rtol=0, atol=1e-6)


def test_ssim_is_torchmetrics_one_by_one():
    ours, theirs = frames(1, 2, 3, 2, 24, 40), frames(2, 2, 3, 2, 24, 40)
    ours = (ours.float() * 0.2 + theirs.float() * 0.8).to(torch.uint8)
    module = StructuralSimilarityIndexMeasure(data_range=1.0, gaussian_kernel=True, sigma=1.5)
    flat = [x.flatten(0, 2).movedim(-1, 1).float() / 255 for x in (ours, theirs)]
    single = [module(a[None], b[None]).item() for a, b in zip(*flat, strict=True)]
    found = frame_scores(ours, theirs)["ssim"].flatten().tolist()
    assert found == pytest.approx(single, abs=1e-6) and 0.5 < min(found) < 0.999


def test_many_frames_in_blocks_equal_one_by_one(monkeypatch):
    ours, theirs = frames(3, 3, 4, 2, 16, 16), frames(4, 3, 4, 2, 16, 16)
    whole = frame_scores(ours, theirs)
    monkeypatch.setattr(metrics, "BLOCK_PIXELS", 5 * 16 * 16)
    blocks = frame_scores(ours, theirs)
    assert torch.equal(whole["psnr"], blocks["psnr"])
    torch.testing.assert_close(whole["ssim"], blocks["ssim"], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("side", "kernel"), [(3, 3), (4, 3), (8, 7), (10, 9), (11, 11), (64, 11)])
def test_a_small_frame_shrinks_the_kernel_and_the_record_says_so(side, kernel):
    record = MetricSettings().record(side, 40)["ssim"]
    assert (record["kernel"], record["kernel_asked"]) == (kernel, 11)
    assert int(3.5 * record["sigma"] + 0.5) * 2 + 1 == kernel  # the rule by which torchmetrics sizes its window
    assert record["sigma"] == pytest.approx(1.5 * kernel / 11)
    assert torch.isfinite(frame_scores(frames(5, 1, 1, 1, side, 40), frames(6, 1, 1, 1, side, 40))["ssim"]).all()


def test_lpips_is_the_authors_on_the_same_backbone(alexnet_file):
    settings = MetricSettings(lpips_backbone=str(alexnet_file))
    ours, theirs = frames(7, 2, 2, 1, 64, 64), frames(8, 2, 2, 1, 64, 64)
    found = frame_scores(ours, theirs, settings)["lpips"].flatten()
    official = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    trunk = torchvision.models.alexnet(weights=None)
    trunk.load_state_dict(torch.load(alexnet_file, weights_only=True))
    for part in (
        official.net.slice1,
        official.net.slice2,
        official.net.slice3,
        official.net.slice4,
        official.net.slice5,
    ):
        for place, layer in part.named_children():
            layer.load_state_dict(trunk.features[int(place)].state_dict())
    a, b = (x.flatten(0, 2).movedim(-1, 1).float() / 127.5 - 1 for x in (ours, theirs))
    single = torch.cat([official(x[None], y[None]).detach().flatten() for x, y in zip(a, b, strict=True)])
    torch.testing.assert_close(found, single.double(), rtol=1e-5, atol=1e-7)
    assert found.min() > 0
    record = settings.record(64, 64)["lpips"]
    assert record["net"] == "alex" and len(record["backbone_sha256"]) == 64


def test_without_a_backbone_lpips_is_off_by_name():
    settings = MetricSettings()
    assert settings.names == ("psnr", "ssim") and settings.off == NO_BACKBONE
    assert settings.record(64, 64)["lpips"] == "lpips: off, no backbone path given"
    assert set(frame_scores(frames(0, 1, 1, 1, 16, 16), frames(1, 1, 1, 1, 16, 16))) == {"psnr", "ssim"}


def test_a_backbone_that_is_none_is_refused_by_name(tmp_path, alexnet_file):
    one = frames(0, 1, 1, 1, 64, 64)
    with pytest.raises(NoBackbone, match=r"is no file: give torchvision's alexnet-owt-7be5be79\.pth"):
        frame_scores(one, one, MetricSettings(lpips_backbone=str(tmp_path / "none.pth")))
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(NoBackbone, match="cannot be read as weights"):
        frame_scores(one, one, MetricSettings(lpips_backbone=str(tmp_path / "text.pth")))
    with pytest.raises(NoBackbone, match=r"lacks features\.5\.weight|does not fit net vgg|lacks features\.2\.weight"):
        frame_scores(one, one, MetricSettings(lpips_backbone=str(alexnet_file), lpips_net="vgg"))


def test_frames_that_are_too_small_for_lpips_are_named(alexnet_file):
    settings = MetricSettings(lpips_backbone=str(alexnet_file))
    least = frames(0, 1, 1, 1, 31, 31)
    assert frame_scores(least, 255 - least, settings)["lpips"].item() > 0
    with pytest.raises(ValueError, match="frames are 30x31: LPIPS of net alex needs 31 pixels a side"):
        frame_scores(least[:, :, :, 1:], least[:, :, :, 1:], settings)


def test_wrong_shapes_dtypes_and_kernels_are_named():
    one = frames(0, 1, 1, 1, 16, 16)
    with pytest.raises(ValueError, match=r"predicted frames \(1, 1, 1, 16, 16, 3\), true ones \(1, 1, 16, 16, 3\)"):
        frame_scores(one, one[0])
    with pytest.raises(ValueError, match=r"true ones torch\.float32: both must be uint8"):
        frame_scores(one, one.float())
    with pytest.raises(ValidationError, match="ssim_kernel is 8: it must be odd"):
        MetricSettings(ssim_kernel=8)


def test_the_reward_is_the_papers():
    """Means over frames, then over views, by hand; the wrist's weight is its share of the mean over views."""
    generator = torch.Generator().manual_seed(0)
    scores = {name: torch.rand(4, 5, 3, generator=generator).double() for name in ("psnr", "ssim", "lpips")}
    weights = {"lpips": 1.0, "ssim": 1.0, "psnr": 1 / 32}
    by_hand = (-scores["lpips"] + scores["ssim"] + scores["psnr"] / 32).mean(1)
    torch.testing.assert_close(reward_of(scores, weights, VIEWS), by_hand.mean(1), rtol=0, atol=1e-12)
    twice = (by_hand[:, 0] + by_hand[:, 1] + 2 * by_hand[:, 2]) / 4
    torch.testing.assert_close(reward_of(scores, weights, VIEWS, 2.0), twice, rtol=0, atol=1e-12)


def test_one_nan_makes_one_reward_nan_and_no_other():
    scores = {"psnr": torch.full((3, 2, 3), 20.0).double()}
    scores["psnr"][1, 0, 2] = math.nan
    assert reward_of(scores, {"psnr": 1 / 32}, VIEWS).isnan().tolist() == [False, True, False]


def test_a_weight_without_a_score_and_no_view_that_counts_are_refused():
    with pytest.raises(KeyError, match="no score of lpips, which has a weight: there are psnr"):
        reward_of({"psnr": torch.zeros(1, 1, 1)}, {"psnr": 1.0, "lpips": 1.0}, ("external_1",))
    with pytest.raises(ValueError, match=r"wrist_weight is 0\.0 and the views are wrist: no view counts"):
        view_weights(("wrist",), 0.0)
