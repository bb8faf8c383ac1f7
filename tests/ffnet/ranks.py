"""What the tests of several ranks run under torchrun: ``ranks.py FOLDER together`` and ``ranks.py FOLDER fail``."""

import os
import signal
import sys
from pathlib import Path

import torch
from reference import SHAPE, SMALL, SMALL_RUN, with_regions
from safetensors.torch import save_file

import ffnet
from fflabels import design, named_set
from ffnet.labels.codes import choose_codes
from ffnet.runs.checkpoint import save_state
from ffnet.runs.session import Watcher
from ffnet.system.ranks import SINGLE, join_ranks
from ffnet.training.draws import Draws
from ffnet.training.forward_forward import FFLearner
from ffnet.training.loop import make_learner

IMAGES, STEPS = 48, 6
CASES = {
    "default": [],
    "paper": ["train.goodness=sum", "train.loss=bce", "net.norm=layer", "train.negatives=uniform"],
    "rms": ["net.norm=rms", "train.negatives=balanced", "train.negatives_each=2", "labels.layers.set=imprint"],
    "random": ["net.first_layer=random", "net.norm=none", "train.negatives_each=2"],
    "morph": ["labels.set=morph", "train.loss=softplus"],
    "learned": [
        "train.goodness=learned-contrast",
        "train.negatives=hard",
        "train.crop=2",
        "train.flip=true",
        "labels.layers.set=waves:reed-solomon",
        "labels.layers.channels=2",
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
    "measured": ["net.init=measured", "net.norm=batch"],
    "regions": ["train.goodness=learned-contrast"],
    "codes": ["net.widths=[6,8,8]", "labels.goodness.set=code", "labels.goodness.learn=true", "labels.candidates=16"],
}
RUN = [*SMALL_RUN, "dtype=float64"]


def trained_state(settings, ranks=SINGLE):
    """All state after some steps, tables and figures included."""
    config = ffnet.Config().override([*SMALL, "dtype=float64", "train.batch=8", *settings])
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (IMAGES, *SHAPE), generator=generator, dtype=torch.uint8)
    train = ffnet.data.dataset.Split(images, torch.randint(10, (IMAGES,), generator=generator))
    morph = config.labels.set == "morph"
    labels = design("morph", 10, candidates=16, shape=SHAPE) if morph else named_set("fourier:paper10")
    net = ffnet.FFNet(config, SHAPE, choose_codes(config, 10) if config.has_codes else labels)
    net = with_regions(net, 2) if settings == CASES["regions"] else net
    learner = make_learner(net, IMAGES, ranks)
    draws = Draws(config, train.classes, 10, 0)
    for k in range(STEPS):
        learner.step(train, draws, k)
    return save_state(net, learner)


def together(folder):
    ranks = join_ranks()
    for name, settings in CASES.items():
        state = trained_state(settings, ranks)
        save_file(state, folder / f"{name}-{ranks.rank}.safetensors")

    def terminate(what, done, total):
        if what == "training" and done == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    config = ffnet.Config().override(RUN)
    ffnet.train(config, out=folder / "whole")
    try:
        ffnet.train(config, out=folder / "parts", watcher=Watcher(progress=terminate))
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
