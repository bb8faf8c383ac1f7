"""CUDA equals the CPU within tolerance, and itself after a resume. Needs a GPU; skipped without one."""

import pytest
import torch

import ffnet
from fflabels import design, named_set
from ffnet.inference.passes import features, layer_goodness
from ffnet.runs.session import Watcher
from ffnet.training.draws import Draws
from ffnet.training.forward_forward import FFLearner

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

PAPER = ["train.goodness=sum", "train.loss=bce", "net.norm=layer", "train.negatives=uniform"]


@pytest.fixture(autouse=True)
def exact():
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


def config(*settings):
    return ffnet.Config().override(
        ["net.widths=[8,16,16]", "data.limit=256", "train.epochs=2", "labels.set=fourier:paper10",
         "inference.linear_epochs=2", *settings]
    )  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        [],
        PAPER,
        ["labels.layers.set=imprint", "train.negatives=balanced"],
        ["labels.layers.set=waves:reed-solomon", "labels.layers.channels=4"],
        ["net.first_layer=with_next"],
    ],
    ids=["default", "paper", "label_every_layer", "offered_waves", "with_next"],
)
@pytest.mark.parametrize("kind", ["fourier", "morph"])
def test_ten_steps_equal_the_cpus(settings, kind):
    chosen = config(*settings)
    data = ffnet.load_data(chosen.data)
    labels = named_set("fourier:paper10") if kind == "fourier" else design("morph", 10, candidates=40, shape=data.shape)
    nets = []
    for device in ("cpu", "cuda"):
        net = ffnet.FFNet(chosen, data.shape, labels).to(device)
        train = data.train.to(torch.device(device))
        learner, draws = FFLearner(net, len(train)), Draws(chosen, train.classes, 10, 0)
        for k in range(8):
            learner.step(train, draws, k)
        nets.append(net.eval())
    for ours, theirs in zip(nets[0].layers, nets[1].layers, strict=True):
        torch.testing.assert_close(ours.weight, theirs.weight.cpu(), rtol=0, atol=2e-4)
    images = data.validation.images
    torch.testing.assert_close(
        layer_goodness(nets[0], images), layer_goodness(nets[1], images).cpu(), rtol=2e-2, atol=2e-2
    )
    torch.testing.assert_close(features(nets[0], images), features(nets[1], images).cpu(), rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("settings", [[], ["dtype=bfloat16", "labels.layers.set=imprint"], ["algorithm=bp"]])
def test_a_run_stopped_and_resumed_on_the_gpu_ends_as_one_left_alone(tmp_path, settings):
    class StopError(Exception):
        pass

    def stop(what, done, total):
        if what == "training" and done == 5:
            raise StopError

    chosen = config("device=cuda", "train.checkpoint_seconds=0", *settings)
    whole = ffnet.train(chosen, out=tmp_path / "whole")
    with pytest.raises(StopError):
        ffnet.train(chosen, out=tmp_path / "parts", watcher=Watcher(progress=stop))
    assert ffnet.resume(tmp_path / "parts").results == whole.results
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    assert "NVIDIA" in whole.about.device


def test_a_run_of_the_gpu_is_read_on_the_cpu(tmp_path):
    run = ffnet.train(config("device=cuda", "dtype=auto"), out=tmp_path / "run")
    loaded = ffnet.load_run(tmp_path / "run")
    images = torch.rand(20, 1, 16, 16)
    same = loaded.predict(images, inference="goodness") == run.predict(images, inference="goodness").cpu()
    assert same.float().mean() > 0.8
