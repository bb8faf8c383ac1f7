"""Optimizers that need no compiler take the same steps."""

import subprocess
import sys

import pytest
import torch

from ffnet.system.eager import eager

KINDS = {"Adam": {"fused": True}, "AdamW": {"weight_decay": 0.1}, "LBFGS": {"max_iter": 3}}


def trained(kind, settings):
    weight = torch.nn.Parameter(torch.linspace(-1, 1, 20).view(4, 5))
    optimizer = kind([{"params": [weight], "lr": 0.1}], **settings)

    def closure():
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = (weight**4 + weight.sum(0, keepdim=True) ** 2).sum()
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    return weight.detach()


@pytest.mark.parametrize("name", KINDS)
def test_steps_are_those_of_pytorch(name):
    kind = getattr(torch.optim, name)
    assert torch.equal(trained(eager(kind), KINDS[name]), trained(kind, KINDS[name]))


@pytest.mark.slow
def test_training_does_not_import_the_compiler(tmp_path):
    small = "**{'data.limit': 60, 'net.widths': [8, 8], 'net.pools': [2, 2], 'inference.linear_epochs': 1}"
    code = (
        f"import sys, ffnet; ffnet.train('quick-digits', epochs=1, out='run', {small})\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
