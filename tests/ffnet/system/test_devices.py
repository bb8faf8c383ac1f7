"""The settings of a device while a net is trained."""

import pytest
import torch

from ffnet.system.devices import deterministic


@pytest.mark.parametrize("allowed", [True, False])
def test_training_leaves_the_precision_of_convolutions_to_the_user(allowed):
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic
    try:
        cudnn.allow_tf32, cudnn.benchmark = allowed, True
        with deterministic():
            assert (cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic) == (allowed, False, True)
        assert (cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic) == (allowed, True, before[2])
    finally:
        cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic = before
