"""What the tests of several ranks run under torchrun: ``ranks.py FOLDER together`` and ``ranks.py FOLDER fail``."""

import os
import signal
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

import ffnet
from fflabels import design, named_set
from ffnet.runs.checkpoint import save_state
from ffnet.system.ranks import ALONE, join
from ffnet.training.forward_forward import Draws, FFLearner

SHAPE, IMAGES, STEPS = (1, 14, 14), 48, 6
SMALL = ["net.widths=[4,6,6]", "net.kernel=3", "net.pools=[2,1,1]", "dtype=float64", "train.batch=8"]
CASES = {
    "default": [],
    "paper": ["train.goodness=sum", "train.loss=bce", "net.norm=layer", "train.negatives=uniform"],
    "rms": ["net.norm=rms", "train.negatives=balanced", "train.negatives_each=2", "net.label_every_layer=true"],
    "random": ["net.first_layer=random", "net.norm=none", "train.negatives_each=2"],
    "morph": ["labels.set=morph", "train.loss=softplus"],
    "learned": [
        "train.goodness=learned-contrast",
        "train.negatives=hard-balanced",
        "train.crop=2",
        "train.flip=true",
        "net.label_every_layer=true",
        "net.offered_waves=2",
    ],
    "peer": [
        "train.goodness=sum",
        "train.loss=bce",
        "net.norm=layer",
        "net.init=measured",
        "train.peer=3",
        "train.relu_gradient=full",
        "train.weight_decay=3e-4",
    ],
    "regions": ["net.regions=2", "train.goodness=learned-contrast"],
}
RUN = [
    "data.limit=128", "net.widths=[4,6]", "net.pools=[2,2]", "net.kernel=3", "train.epochs=3", "dtype=float64",
    "labels.set=fourier:paper10", "inference.linear_epochs=2", "train.checkpoint_seconds=0",
]  # fmt: skip


def trained_state(settings, ranks=ALONE):
    """All state after some steps, tables and figures included."""
    config = ffnet.Config().override([*SMALL, *settings])
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (IMAGES, *SHAPE), generator=generator, dtype=torch.uint8)
    train = ffnet.data.dataset.Split(images, torch.randint(10, (IMAGES,), generator=generator))
    morph = config.labels.set == "morph"
    labels = design("morph", 10, candidates=40, shape=SHAPE) if morph else named_set("fourier:paper10")
    net = ffnet.FFNet(config, SHAPE, labels)
    learner = FFLearner(net, IMAGES, ranks)
    draws = Draws(config, train.classes, 10, 0)
    for k in range(STEPS):
        learner.step(train, draws, k)
    return save_state(net, learner)


def together(folder):
    ranks = join()
    for name, settings in CASES.items():
        state = trained_state(settings, ranks)
        save_file(state, folder / f"{name}-{ranks.rank}.safetensors")

    def terminate(what, done, total):
        if what == "training" and done == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    config = ffnet.Config().override(RUN)
    ffnet.train(config, out=folder / "whole")
    try:
        ffnet.train(config, out=folder / "parts", progress=terminate)
    except ffnet.Interrupted:
        (folder / f"interrupted-{ranks.rank}").touch()
    found = ffnet.resume(folder / "parts")
    assert (found.results is not None) is ranks.first


def fail(folder):
    step = FFLearner.step

    def failing(self, train, draws, k):
        if self.ranks.rank == 1 and k == 3:
            sys.exit("this rank has failed")
        step(self, train, draws, k)

    FFLearner.step = failing
    ffnet.train(ffnet.Config().override(RUN), out=folder / "run")


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"together": together, "fail": fail}[sys.argv[2]](Path(sys.argv[1]))
