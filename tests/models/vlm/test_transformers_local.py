"""Real Qwen-VL classes with tiny random weights: what the in-process client answers, alone and over HTTP."""

import asyncio
import dataclasses
import math

import pytest

from models.vlm.openai_server import OpenAIServer
from models.vlm.options import VLMOptions
from models.vlm.protocol import Prompt, Video, VLMUnavailable
from models.vlm.transformers_local import TransformersVLM
from tests.models.vlm.chat_server import SCHEMA, ChatServer, ModelScorer

PROMPT = Prompt("words", 1, "0" * 16, "Say a word.")


def local(folder, **options):
    return VLMOptions(backend="transformers", model=str(folder), device="cpu", min_mass=0.0, **options)


@pytest.fixture(scope="module")
def vlm(tiny):
    model = TransformersVLM(local(tiny, dtype="float32"))
    yield model
    asyncio.run(model.aclose())


def test_log_odds_look_at_the_picture_and_repeat_to_the_last_bit(vlm, images, question):
    first, other, again = (asyncio.run(vlm.log_odds(question, [images[i]])) for i in (0, 1, 0))
    assert first == again
    assert first.value != other.value
    assert first.exact
    assert first.value == pytest.approx(first.log_p_yes - first.log_p_no)
    assert first.log_p_yes < 0 > first.log_p_no


def test_log_odds_over_http_are_the_models_own(vlm, tiny, images, question):
    """The whole way: data URLs, the chat template on the server, token ids, JSON."""

    async def over_http(server):
        client = OpenAIServer(VLMOptions(backend="openai", base_url=server.base_url, model="tiny", min_mass=0.0))
        answers = [await client.log_odds(question, media) for media in (images[:1], images[1:3], [])]
        await client.aclose()
        return answers

    with ChatServer(ModelScorer(tiny)) as server:
        remote = asyncio.run(over_http(server))
    for media, answer in zip((images[:1], images[1:3], []), remote, strict=True):
        local = asyncio.run(vlm.log_odds(question, media))
        assert answer.exact
        assert answer.value == pytest.approx(local.value, abs=1e-4)
        assert answer.log_p_yes == pytest.approx(local.log_p_yes, abs=1e-4)
        assert answer.log_p_no == pytest.approx(local.log_p_no, abs=1e-4)


def test_log_odds_weigh_every_one_token_spelling(vlm, images, question):
    import torch

    logprobs, length = vlm.token_logprobs(question.text, images[:1])
    probabilities = logprobs.double().exp()
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-5)
    assert (len(vlm.yes_ids), len(vlm.no_ids)) == (5, 5)
    odds = asyncio.run(vlm.log_odds(question, images[:1]))
    wanted = torch.log(probabilities[vlm.yes_ids].sum() / probabilities[vlm.no_ids].sum())
    assert odds.value == pytest.approx(wanted.item(), abs=1e-4)
    assert odds.usage.prompt_tokens == length


def test_a_model_in_this_process_weighs_the_tokens_of_the_digits(vlm, images, question):
    import torch

    tokenizer = vlm.processor.tokenizer
    one, zero = (tokenizer.encode(digit, add_special_tokens=False) for digit in "10")
    if len(one) != 1 or len(zero) != 1 or one == zero:
        pytest.skip("the tiny model's vocabulary has no digits")
    spelt = [[tokenizer.encode(word, add_special_tokens=False) for word in (digit, f" {digit}")] for digit in "10"]
    ones, zeros = ({tokens[0] for tokens in side if len(tokens) == 1} for side in spelt)
    probabilities = vlm.token_logprobs(question.text, images[:1])[0].double().exp()
    wanted = torch.log(probabilities[sorted(ones)].sum() / probabilities[sorted(zeros)].sum())
    odds = asyncio.run(vlm.log_odds(dataclasses.replace(question, digits=True), images[:1]))
    assert odds.value == pytest.approx(wanted.item(), abs=1e-4)


def test_requests_at_once_answer_as_alone(vlm, images, video, question):
    """The same bytes whatever else is asked: batch composition must not decide what a frame's score is."""
    media = [[images[0]], [video], [images[1], images[2]], [], [images[3]]]

    async def together():
        odds = [vlm.log_odds(question, each) for each in media]
        texts = [vlm.complete(PROMPT, each, SCHEMA, max_tokens=4) for each in media]
        return await asyncio.gather(*odds, *texts)

    alone = [asyncio.run(vlm.log_odds(question, each)) for each in media]
    alone += [asyncio.run(vlm.complete(PROMPT, each, SCHEMA, max_tokens=4)) for each in media]
    assert asyncio.run(together()) == alone


def test_the_event_loop_stays_free(vlm, images, question):
    async def run():
        ticks = 0
        task = asyncio.create_task(vlm.log_odds(question, images[:1]))
        while not task.done():
            ticks += 1
            await asyncio.sleep(0)
        return ticks

    assert asyncio.run(run()) > 2


def test_a_videos_times_reach_the_model(vlm, video, question):
    slower = Video(video.frames, tuple(2 * time_s for time_s in video.times_s))
    single = Video(video.frames[:1], (0.25,))
    odds = [asyncio.run(vlm.log_odds(question, [each])).value for each in (video, slower, single)]
    assert len(set(odds)) == 3


def test_uneven_frame_times_are_written_into_the_prompt(vlm, video):
    if not hasattr(vlm.processor, "_calculate_timestamps"):
        pytest.skip("this family writes no times into the prompt")
    uneven = Video(video.frames, (0.0, 0.1, 2.0, 3.0))
    ids = vlm.inputs("Look.", [uneven])["input_ids"][0]
    text = vlm.processor.tokenizer.decode(ids)
    assert "<0.1 seconds>" in text, "frames are joined in pairs, at their mean time"
    assert "<2.5 seconds>" in text


def test_frames_of_different_sizes_are_refused(vlm, video, question):
    odd = Video((video.frames[0], image_of_another_size()), (0.0, 1.0))
    with pytest.raises(ValueError, match="all must have one size"):
        asyncio.run(vlm.log_odds(question, [odd]))


def image_of_another_size() -> bytes:
    import io

    import PIL.Image

    buffer = io.BytesIO()
    PIL.Image.new("RGB", (32, 32)).save(buffer, "PNG")
    return buffer.getvalue()


def test_answers_are_validated_and_cut_ones_named(vlm, images):
    answer = asyncio.run(vlm.complete(PROMPT, images[:1], SCHEMA, max_tokens=5))
    assert (answer.value, answer.error) == (None, "truncated")
    assert answer.usage.completion_tokens == 5
    assert answer.usage.prompt_tokens > 50


def test_sampling_is_seeded_and_leaves_the_process_random_state_alone(tiny, images):
    import torch

    vlm = TransformersVLM(local(tiny, temperature=1.0))
    before = torch.random.get_rng_state()

    async def run():
        seeds = (0, 1, 0)
        texts = [(await vlm.complete(PROMPT, images[:1], SCHEMA, max_tokens=12, seed=seed)).text for seed in seeds]
        await vlm.aclose()
        return texts

    first, other, again = asyncio.run(run())
    assert first == again != other
    assert vlm.model_id.endswith(";temperature=1")
    assert torch.equal(before, torch.random.get_rng_state())


def test_thinking_is_off_unless_asked_for(vlm, images):
    text = vlm.processor.tokenizer.decode(vlm.inputs("Look.", images[:1])["input_ids"][0])
    assert text.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")


def test_a_model_without_one_token_for_yes_is_refused(tiny, monkeypatch):
    monkeypatch.setattr("models.vlm.answers.YES", ("yes indeed",))
    with pytest.raises(ValueError, match="'yes indeed' is one token of this model, but"):
        TransformersVLM(local(tiny))


def test_a_chat_template_that_does_not_know_of_thinking_gives_no_warning_a_request(vlm, images, question, monkeypatch):
    import logging

    said = []
    handler = logging.Handler()
    handler.emit = said.append
    logger = logging.getLogger("transformers.processing_utils")
    logger.addHandler(handler)
    plain = vlm.processor.chat_template.replace("enable_thinking", "unnamed")
    monkeypatch.setattr(vlm.processor, "chat_template", plain)
    try:
        asyncio.run(vlm.log_odds(question, images[:1]))
    finally:
        logger.removeHandler(handler)
    assert not said


def test_the_mass_is_that_of_both_sides_and_below_min_mass_there_is_no_answer(vlm, images, question, monkeypatch):
    odds = asyncio.run(vlm.log_odds(question, images[:1]))
    assert 0 < odds.mass < 0.5  # random weights: yes and no are two of hundreds
    assert odds.mass == pytest.approx(math.exp(odds.log_p_yes) + math.exp(odds.log_p_no))
    monkeypatch.setattr(vlm, "min_mass", 0.5)
    with pytest.raises(VLMUnavailable, match="no_answer") as caught:
        asyncio.run(vlm.log_odds(question, images[:1]))
    assert caught.value.mass == odds.mass
