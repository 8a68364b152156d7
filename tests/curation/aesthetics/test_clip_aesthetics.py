"""The CLIP scorer: the real class on random weights of a small model with the same parts as ViT-L/14."""

import itertools
import json
import pickle

import cv2
import numpy as np
import pyarrow as pa
import pytest

from curation.aesthetics.score import AestheticsOptions, score_frames
from curation.schemas import AESTHETICS
from models.clip import ARCHITECTURE, HEAD_LAYERS, ClipAesthetics, collapse_head, load_head, weights_file

WIDTHS = (768, 1024, 128, 64, 16, 1)
# ViT-L-14 with fewer, narrower layers and the same embedding, so that the published head's shape fits.
SMALL = {
    "embed_dim": 768,
    "vision_cfg": {"image_size": 56, "layers": 2, "width": 128, "patch_size": 14},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 64, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """(folder, open_clip model, head stack): random weights written as the two safetensors files."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("weights")
    (folder / "ViT-small-14.json").write_text(json.dumps(SMALL))
    open_clip.add_model_config(folder / "ViT-small-14.json")
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-small-14", force_quick_gelu=True).eval()
    with torch.no_grad():  # let the MLPs, and so their activation, have a say
        for block in model.visual.transformer.resblocks:
            block.mlp.c_fc.weight.mul_(4)
            block.mlp.c_proj.weight.mul_(50)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(WIDTHS)]
    head = {
        f"layers.{i}.{k}": v
        for i, layer in zip(HEAD_LAYERS, layers, strict=True)
        for k, v in layer.state_dict().items()
    }
    save_file(head, folder / "model.safetensors")
    yield folder, model, torch.nn.Sequential(*layers).double()
    # open_clip's registry is the process's: leave it as it was found.
    open_clip.factory._MODEL_CONFIG_PATHS.remove(folder / "ViT-small-14.json")
    open_clip.factory._MODEL_CONFIGS.pop("ViT-small-14")


@pytest.fixture(scope="module")
def scorer(weights):
    folder = str(weights[0])
    return ClipAesthetics(folder, folder, device="cpu", batch_size=4, architecture="ViT-small-14")


def jpeg(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def test_scores_and_embeddings_are_those_of_open_clip_and_the_stacked_head(weights, scorer, texture):
    import io

    import open_clip
    import torch
    from PIL import Image

    _, model, stack = weights
    images = [jpeg(texture(seed, 60 + 20 * seed, 90)) for seed in range(6)]
    transform = open_clip.image_transform(56, is_train=False)  # open_clip's defaults are OpenAI's
    with torch.inference_mode():
        batch = torch.stack([transform(Image.open(io.BytesIO(data))) for data in images])
        expected = model.encode_image(batch, normalize=True)
        expected_scores = stack(expected.double())[:, 0].numpy()
    scores, embeddings = scorer.score(images)
    assert (scores.dtype, embeddings.dtype, embeddings.shape) == (np.float64, np.float32, (6, 768))
    np.testing.assert_allclose(embeddings, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_quick_gelu_is_on_and_matters(weights, scorer, texture):
    import open_clip
    import torch
    from open_clip.transformer import QuickGELU

    activations = [block.mlp.gelu for block in scorer.visual.transformer.resblocks]
    assert len(activations) == 2 and all(isinstance(activation, QuickGELU) for activation in activations)
    x = torch.linspace(-4, 4, 9)
    assert torch.allclose(activations[0](x), x * torch.sigmoid(1.702 * x))
    plain = open_clip.create_model("ViT-small-14", pretrained=str(weights[0] / "open_clip_model.safetensors")).eval()
    images = [jpeg(texture(1))]
    quick = scorer.score(images)[1]
    with torch.inference_mode():
        tensor = scorer._tensor(images[0])[None]
        usual = plain.encode_image(tensor, normalize=True).numpy()
    assert np.abs(quick - usual).max() > 1e-4  # two orders above rounding


def test_the_default_architecture_is_vit_l_14_with_quick_gelu():
    import open_clip
    import torch

    config = open_clip.get_model_config(ARCHITECTURE)
    assert config["quick_gelu"] and config["embed_dim"] == WIDTHS[0]
    with torch.device("meta"):  # shapes without the 1.7 GB
        model = open_clip.CLIP(**config)
    assert model.visual.patch_size == (14, 14) and model.visual.image_size == (224, 224)
    assert len(model.visual.transformer.resblocks) == 24
    assert sum(parameter.numel() for parameter in model.parameters()) == 427_616_513


def test_the_head_collapses_to_one_vector_exactly():
    rng = np.random.default_rng(0)
    shapes = list(zip(WIDTHS[1:], WIDTHS, strict=False))
    layers = [(rng.integers(-3, 4, shape).astype(np.float32), rng.integers(-3, 4, shape[:1])) for shape in shapes]
    x = rng.integers(-2, 3, WIDTHS[0]).astype(np.float64)
    stacked = x
    for weight, bias in layers:
        stacked = weight.astype(np.float64) @ stacked + bias
    weight, bias = collapse_head(layers)
    assert weight.shape == (768,)
    assert weight @ x + bias == stacked[0]  # small integers: float64 is exact


def test_a_head_that_ends_in_more_than_one_number_is_refused():
    with pytest.raises(ValueError, match="ends in 2 numbers"):
        collapse_head([(np.zeros((2, 3)), np.zeros(2))])


def test_what_does_not_decode_is_nan_and_leaves_the_others_alone(scorer, texture):
    good = jpeg(texture(1))
    scores, embeddings = scorer.score([b"", good, b"junk", good[:200], jpeg(texture(2))])
    assert np.isnan(scores).tolist() == [True, False, True, True, False]
    assert np.isnan(embeddings).all(axis=1).tolist() == [True, False, True, True, False]
    assert scores[1] == pytest.approx(scorer.score([good])[0][0], abs=2e-4)
    assert np.isnan(scorer.score([b""])[0]).all()
    assert scorer.score([])[1].shape == (0, 768)


def test_scores_do_not_depend_on_the_batch(scorer, texture):
    images = [jpeg(texture(seed)) for seed in range(6)]
    alone = [scorer.score([image])[0][0] for image in images]
    assert scorer.score(images)[0] == pytest.approx(alone, abs=2e-4)


def test_the_name_changes_with_either_file(weights, scorer, tmp_path):
    from safetensors.numpy import load_file, save_file

    head = load_file(weights[0] / "model.safetensors")
    save_file(head | {"layers.7.bias": head["layers.7.bias"] + 1}, tmp_path / "other.safetensors")
    other = ClipAesthetics(str(weights[0]), str(tmp_path / "other.safetensors"), "cpu", architecture="ViT-small-14")
    kind, architecture, clip_hash, head_hash = scorer.name.split(":")
    assert (kind, architecture) == ("clip", "ViT-small-14")
    assert other.name.split(":")[2] == clip_hash and other.name.split(":")[3] != head_hash


def test_frames_are_scored_into_rows_with_embeddings(scorer, quality_row, texture, tmp_path):
    rows = [quality_row(f"a_{i:02}", texture(i)) for i in range(10)] + [quality_row("b", b"junk")]
    judged = score_frames(rows, tmp_path, AestheticsOptions(), tmp_path / "cut.json", scorer)
    table = pa.Table.from_pylist(judged, schema=AESTHETICS)
    assert [row["status"] for row in judged].count("kept") == 9
    assert {len(value) for value in table["embedding"].to_pylist()[:10]} == {768}
    assert table["embedding"].to_pylist()[10] is None
    assert set(table["scorer"].to_pylist()) == {scorer.name}


@pytest.mark.parametrize("name", ["head.pth", "clip.pt", "pytorch_model.bin", "weights", "w.npz"])
def test_other_formats_are_refused_with_what_to_do(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps({}))
    with pytest.raises(ValueError, match=r"not a \.safetensors file.*save_file"):
        weights_file(str(tmp_path / name), "model.safetensors")


def test_a_pickle_renamed_to_safetensors_is_refused_and_not_run(weights, tmp_path):
    class Touch:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    (tmp_path / "open_clip_model.safetensors").write_bytes(pickle.dumps(Touch()))
    with pytest.raises(ValueError, match="does not hold open_clip weights of ViT-small-14"):
        ClipAesthetics(str(tmp_path), str(weights[0]), "cpu", architecture="ViT-small-14")
    with pytest.raises(ValueError, match="is not a safetensors file"):
        load_head(tmp_path / "open_clip_model.safetensors")
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_shape_and_a_foreign_head_are_named(weights):
    folder = str(weights[0])
    with pytest.raises(ValueError, match="does not hold open_clip weights"):
        ClipAesthetics(str(weights[0] / "model.safetensors"), folder, "cpu", architecture="ViT-small-14")
    with pytest.raises(ValueError, match="the linear aesthetic head with"):
        load_head(weights[0] / "open_clip_model.safetensors")


@pytest.mark.parametrize("where", ["absent.safetensors", "./no/such/place", "", "a/b/c"])
def test_nothing_there_is_an_error_that_says_what_is_expected(where, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="a Hub id owner/name is expected"):
        weights_file(where, "model.safetensors")


def test_a_hub_id_is_fetched_as_safetensors_at_its_revision(monkeypatch, tmp_path):
    import huggingface_hub

    asked = []
    monkeypatch.setattr(
        huggingface_hub,
        "hf_hub_download",
        lambda repo, name, revision: asked.append((repo, name, revision)) or tmp_path,
    )
    assert weights_file("owner/clip-model.v1@abc/1", "model.safetensors") == tmp_path
    weights_file("owner/name", "open_clip_model.safetensors")
    assert asked == [
        ("owner/clip-model.v1", "model.safetensors", "abc/1"),
        ("owner/name", "open_clip_model.safetensors", None),
    ]
