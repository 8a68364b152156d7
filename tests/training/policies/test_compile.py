"""`memory.compile`: what is captured once goes on heeding which adapter is on and which copy of it stands in."""

import pytest
import torch

from training.policies.lora import Shadow

pytestmark = pytest.mark.slow


def test_compiled_velocities_are_those_of_the_policy_that_is_asked(tiny_bench, tmp_path, monkeypatch):
    """Adapters are switched by attributes of peft's layers and copies by `.data`: a capture that did not look at them
    again would answer with the wrong policy, and say nothing."""
    from torch._dynamo.utils import counters

    compiled = []
    counters.clear()

    def captured(self, **options):
        """Captured and guarded as always; run op by op, since what is tested is the capture and no code generator."""
        compiled.append(self)
        self._compiled_call_impl = torch.compile(self._call_impl, backend="eager")

    monkeypatch.setattr(torch.nn.Module, "compile", captured)
    found = []
    for on in (False, True):
        trainer = tiny_bench.trainer(tmp_path / str(on), {"memory": {"compile": on}}, method="dmd")
        rng = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for name in ("executor", "fake"):
                for parameter in trainer.policies.parameters(name):
                    parameter.copy_(0.1 * torch.randn(parameter.shape, generator=rng))
        shadow = Shadow(trainer.policies.parameters("executor"))
        with torch.no_grad():
            for tensor in shadow.tensors:
                tensor.mul_(-2)
        pairs = trainer.store.pairs("train")[:2]
        condition = trainer.store.executor(pairs)
        x = trainer.model.start(trainer.model.noise((1, 2)), condition)
        sigma = torch.tensor([0.9, 0.4])

        def velocity(policy, shadow=None, grad=False, trainer=trainer, given=(x, sigma, condition)):
            return trainer.predictor.velocity(policy, *given, shadow=shadow, grad=grad).detach()

        asked = [(None,), ("executor",), ("executor", shadow), ("fake",), (None,), ("executor", None, True), ("fake",)]
        found.append([velocity(*one) for one in asked])
    assert len(compiled) == 1 and counters["frames"]["ok"] > 0
    eager, captured_ = found
    for ours, theirs in zip(captured_, eager, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    assert all((eager[0] - other).abs().max() > 1e-3 for other in (eager[1], eager[2], eager[3]))
