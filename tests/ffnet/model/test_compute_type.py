"""Which type ``dtype = "auto"`` takes."""

import pytest
import torch

import ffnet
from ffnet.model import compute_type
from ffnet.model.compute_type import with_dtype

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
WIDE, NARROW = ["net.widths=[128,128,128]", "net.kernel=7"], ["net.widths=[16,16,16]", "net.kernel=5"]


def chosen(device, *settings, shape=(1, 28, 28)):
    config = ffnet.load_preset("paper-mnist").config.override(["dtype=auto", *settings])
    return with_dtype(config, device, shape).dtype


@pytest.fixture(params=[True, False], ids=["bfloat16", "no bfloat16"])
def native(request, monkeypatch):
    monkeypatch.setattr(compute_type, "has_bfloat16", lambda device: request.param)
    return request.param


def test_nets_that_transforms_make_much_cheaper_are_in_float32_on_a_cpu(native):
    fast = "bfloat16" if native else "float32"
    assert chosen(CPU, *WIDE) == "float32"
    assert chosen(CPU, *NARROW) == fast
    assert chosen(CPU, *WIDE, "convolution=direct") == fast
    assert chosen(CPU, *WIDE, shape=None) == fast
    assert chosen(CUDA, *WIDE) == fast
    assert chosen(CPU, *WIDE, "net.strides=[1,2,1]", "net.pools=[1,7,1]") == fast


def test_a_given_type_stays(native):
    assert chosen(CPU, *WIDE, "dtype=float64") == "float64"
    assert chosen(CPU, *WIDE, "dtype=bfloat16") == "bfloat16"


def test_a_net_takes_the_type_of_its_shape(native):
    config = ffnet.load_preset("paper-mnist-bp").config.override(["dtype=auto", *WIDE])
    assert ffnet.BPNet(config, (1, 28, 28), 10).config.dtype == "float32"


def test_codes_over_regions_use_no_transforms(native):
    wide = ffnet.load_preset("best-mnist").config.override(["dtype=auto", *WIDE, "net.pools=[1,1,1]"])
    assert with_dtype(wide, CPU, (1, 28, 28)).dtype == "float32"
    over_regions = wide.override(["labels.goodness.regions=[2,2,2]"])
    assert with_dtype(over_regions, CPU, (1, 28, 28)).dtype == ("bfloat16" if native else "float32")
