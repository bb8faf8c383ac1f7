"""A step on fake CUDA tensors, which needs no GPU."""

import torch
from reference import SHAPE, code_net, net

import ffnet
from ffnet.inference.passes import features
from ffnet.model.heads import LinearHead
from ffnet.training.codes import CodeLearner
from ffnet.training.forward_forward import FFLearner


def on_cuda(ours):
    """Move a net to fake CUDA tensors, without a driver."""
    for module in ours.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = torch.nn.Parameter(parameter.to("cuda"))
        for name, buffer in module._buffers.items():
            module._buffers[name] = None if buffer is None else buffer.to("cuda")
    return ours


def test_the_step_runs_on_cuda_without_a_stray_tensor_or_a_hidden_wait(monkeypatch):
    from torch._subclasses.fake_tensor import FakeTensorMode

    # The engine wants a driver even for fake tensors; what it is given, the loss and s, is checked all the same.
    monkeypatch.setattr(torch.autograd, "grad", lambda loss, of: [torch.zeros_like(s) + 0 * loss for s in of])

    for changes in (
        [],
        ["train.negatives=hard", "dtype=bfloat16", "net.norm=batch"],
        ["train.negatives=hard", "train.goodness=learned-contrast"],
        ["train.goodness=sum", "train.loss=bce", "labels.layers.set=imprint", "inference.mirror=true"],
        ["labels.layers.set=waves:reed-solomon", "labels.layers.channels=3"],
        ["train.peer=0.03", "train.relu_gradient=full", "net.init=unit", "train.weight_decay=3e-4"],
    ):
        with FakeTensorMode(allow_non_fake_inputs=True):
            ours = on_cuda(net(*changes))
            learner = FFLearner(ours, 8)
            images = torch.zeros(8, *SHAPE, dtype=torch.uint8, device="cuda")
            labels = torch.zeros(8, 2, dtype=torch.int64, device="cuda")
            learner.learn(images, labels, torch.zeros(8, dtype=torch.int64, device="cuda"))
            assert ffnet.predict(ours, images, inference="goodness").device.type == "cuda"
            with torch.device("cuda"):
                ours.linear = LinearHead(features(ours, images).shape[1], 10)
            assert ffnet.predict(ours, images, inference="linear").device.type == "cuda"


def test_a_step_with_codes_runs_on_cuda_without_a_stray_tensor_or_a_hidden_wait(monkeypatch):
    from torch._subclasses.fake_tensor import FakeTensorMode

    monkeypatch.setattr(torch.autograd, "grad", lambda loss, of: [torch.zeros_like(s) + 0 * loss for s in of])
    for changes in (
        [],
        ["labels.goodness.learn=true", "dtype=bfloat16", "inference.mirror=true"],
        ["labels.goodness.regions=[3,7,1]"],
    ):
        with FakeTensorMode(allow_non_fake_inputs=True):
            ours = on_cuda(code_net(*changes))
            images = torch.zeros(8, *SHAPE, dtype=torch.uint8, device="cuda")
            CodeLearner(ours).learn(images, torch.zeros(8, dtype=torch.int64, device="cuda"))
            assert ffnet.predict(ours, images, inference="goodness").device.type == "cuda"
