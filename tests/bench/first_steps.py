"""How a net's goodness starts and moves over the first steps of the paper's recipe, for several initial weights.

``FFNET_DATA=DIR python tests/bench/first_steps.py run [NAME …] [--seed K]`` trains the nets of `ARMS` for 3,000 steps and
keeps a small file of each; ``… page`` writes docs/results/first-steps.md and its plot from them. MNIST: `paper-mnist` with
3×16 filters 5×5, 5e-5; CIFAR10: `paper-cifar10-fourier` at a quarter of the width, 1e-4. No test image is read; accuracy
is by goodness on 1,000 validation images.
"""

import argparse
import json
import time
from pathlib import Path

import torch

import ffnet
from ffnet.training.draws import Draws
from ffnet.training.forward_forward import FFLearner

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
ROWS = RESULTS / "first-steps"

STEPS = 3000
EVERY = 25
"""Steps that a point of the curves is the mean of."""
VALIDATION = 1000

SMALL = {
    "mnist": ("paper-mnist", ["net.widths=[16,16,16]", "net.kernel=5"]),
    "cifar10": ("paper-cifar10-fourier", ["net.widths=[32,32,64,64,64,128]"]),
}
TORCH = ["net.init=torch", "train.peer=0", "train.relu_gradient=true", "train.weight_decay=0", "net.first_layer=local"]
"""All that the arms change, as it was before."""
PEER, FULL, DECAY, RANDOM = (
    "train.peer=0.03", "train.relu_gradient=full", "train.weight_decay=3e-4", "net.first_layer=random",
)  # fmt: skip
EXTRAS = {
    "": [],
    "+peer": [PEER],
    "+peer+full": [PEER, FULL],
    "+decay": [DECAY],
    "+base": [PEER, FULL, DECAY],
    "+random": [RANDOM],
    "+base+random": [PEER, FULL, DECAY, RANDOM],
}
INITS = ("torch", "base", "unit", "measured")
ARMS = {
    f"{data}{init}{name}": (preset, [*small, *TORCH, f"net.init={init}", *extra])
    for data, (preset, small) in (("", SMALL["mnist"]), ("cifar10-", SMALL["cifar10"]))
    for init in INITS
    for name, extra in EXTRAS.items()
}
"""Name → preset and settings."""


class Recorder(FFLearner):
    """A learner that keeps mean y² of positives and negatives, layer by layer."""

    def __init__(self, net, images):
        super().__init__(net, images)
        self.seen = [[] for _ in net.layers]

    def _objective(self, k, s_NC, pixels, each):
        squares_KB = s_NC.detach().mean(1).view(each, -1)
        above_KB = squares_KB > 1
        right = (above_KB[0].float().mean() + 1 - above_KB[1].float().mean()) / 2
        mean_K, spread_K = squares_KB.mean(1), squares_KB.std(1)
        self.seen[k].append(torch.stack([mean_K[0], spread_K[0], mean_K[1], spread_K[1], right]))
        return super()._objective(k, s_NC, pixels, each)


def run(name, seed):
    """Train one net and keep its curves."""
    preset, settings = ARMS[name]
    config = ffnet.load_preset(preset).config.override([*settings, "dtype=auto", f"seed={seed}"])
    data = ffnet.load_data(config.data)
    net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, data))
    learner, step = Recorder(net, len(data.train)), 0
    began = time.process_time()
    for epoch in range(-(-STEPS // (len(data.train) // config.train.batch))):
        draws = Draws(config, data.train.classes, data.classes, epoch, labels_device=learner.labels_device)
        for k in range(min(len(draws), STEPS - step)):
            learner.step(data.train, draws, k)
            step += 1
    seconds = time.process_time() - began
    points = torch.stack([torch.stack(rows) for rows in learner.seen])  # layers, steps, figures
    curves = points.unflatten(1, (-1, EVERY)).mean(2)
    few = data.validation[:VALIDATION]
    right = ffnet.goodness_scores(net.eval(), few.images).argmax(1) == few.classes
    found = {
        "name": name, "seed": seed, "settings": settings, "steps": STEPS, "cpu_seconds": round(seconds),
        "accuracy": round(float(right.float().mean()), 4),
        "discrimination_last_500": [round(float(x), 4) for x in points[:, -500:, 4].mean(1)],
        "discrimination_least": [round(float(x), 4) for x in curves[:, :, 4].min(1).values],
        "curves": [[[round(float(v), 4) for v in point] for point in layer] for layer in curves],
    }  # fmt: skip
    ROWS.mkdir(exist_ok=True)
    (ROWS / f"{name}-{seed}.json").write_text(json.dumps(found) + "\n")
    print({key: value for key, value in found.items() if key != "curves"}, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["run", "page"])
    parser.add_argument("names", nargs="*", choices=[*ARMS, []])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name in given.names or ARMS:
        run(name, given.seed)
