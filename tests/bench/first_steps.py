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
LOOKED_AT = (0, 100, 1000, STEPS)
"""Steps after which the filters' activities are compared."""

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


@torch.no_grad()
def alike(net, images):
    """Return for each layer how alike its filters' activities are, and the share of neurons that are active.

    Alike: the mean cosine of two filters' activities over all images and pixels; 1 where all filters do the same.
    """
    net.eval()
    embedded = net.embedder.embed(net.prepare(images), torch.arange(len(images)) % len(net.labels))
    found = []
    for y_NCHW in net.activities(embedded):
        a_CP = torch.nn.functional.normalize(y_NCHW.float().transpose(0, 1).flatten(1))
        cosine_CC, count = a_CP @ a_CP.T, len(a_CP)
        mean = (cosine_CC.sum() - cosine_CC.trace()) / (count * (count - 1))
        found.append([round(float(mean), 4), round(float((y_NCHW > 0).float().mean()), 4)])
    net.train()
    return found


def run(name, seed):
    """Train one net and keep its curves."""
    preset, settings = ARMS[name]
    config = ffnet.load_preset(preset).config.override([*settings, "dtype=auto", f"seed={seed}"])
    data = ffnet.load_data(config.data)
    net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, data))
    learner, step, few = Recorder(net, len(data.train)), 0, data.validation[:VALIDATION]
    began, filters = time.process_time(), {}
    for epoch in range(-(-STEPS // (len(data.train) // config.train.batch))):
        draws = Draws(config, data.train.classes, data.classes, epoch, labels_device=learner.labels_device)
        for k in range(min(len(draws), STEPS - step)):
            if step in LOOKED_AT:
                filters[step] = alike(net, few.images[:100])
            learner.step(data.train, draws, k)
            step += 1
    filters[step] = alike(net, few.images[:100])
    seconds = time.process_time() - began
    points = torch.stack([torch.stack(rows) for rows in learner.seen])  # layers, steps, figures
    curves = points.unflatten(1, (-1, EVERY)).mean(2)
    right = ffnet.goodness_scores(net.eval(), few.images).argmax(1) == few.classes
    found = {
        "name": name, "seed": seed, "settings": settings, "steps": STEPS, "cpu_seconds": round(seconds),
        "accuracy": round(float(right.float().mean()), 4),
        "discrimination_last_500": [round(float(x), 4) for x in points[:, -500:, 4].mean(1)],
        "discrimination_least": [round(float(x), 4) for x in curves[:, :, 4].min(1).values],
        "alike_and_active": filters,
        "curves": [[[round(float(v), 4) for v in point] for point in layer] for layer in curves],
    }  # fmt: skip
    ROWS.mkdir(exist_ok=True)
    (ROWS / f"{name}-{seed}.json").write_text(json.dumps(found) + "\n")
    print({key: value for key, value in found.items() if key != "curves"}, flush=True)


def rows():
    """Return what was kept of every net, by name, seeds in order."""
    found = {}
    for path in sorted(ROWS.glob("*.json")):
        row = json.loads(path.read_text())
        found.setdefault(row["name"], []).append(row)
    return {name: found[name] for name in ARMS if name in found}


def table(found, data):
    """Return the lines of the table of one data set."""
    head = ("initial weights, and what else", "n", "discrimination of the layers, last 500 steps", "least",
            "filters alike after 100 steps", "neurons active then", "accuracy, %", "CPU s")  # fmt: skip
    lines = ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head))]
    for name, nets in found.items():
        if name.startswith("cifar10-") is (data == "cifar10"):
            cells = [
                " / ".join(f"{sum(net[key][k] for net in nets) / len(nets):.3f}" for k in range(len(nets[0][key])))
                for key in ("discrimination_last_500", "discrimination_least")
            ]
            shapes = [[net["alike_and_active"]["100"] for net in nets] for _ in (0, 1)]
            cells += [
                " / ".join(
                    f"{sum(shape[k][i] for shape in shapes[i]) / len(nets):.2f}" for k in range(len(shapes[i][0]))
                )
                for i in (0, 1)
            ]
            accuracy = 100 * sum(net["accuracy"] for net in nets) / len(nets)
            seconds = sum(net["cpu_seconds"] for net in nets) / len(nets)
            title = name.removeprefix("cifar10-").replace("+", ", +")
            lines.append(f"| {title} | {len(nets)} | {' | '.join(cells)} | {accuracy:.1f} | {seconds:.0f} |")
    return lines


def plot(found, data, path):
    """Draw mean y² of positives and negatives, with their spread, then discrimination: a column for each start."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    prefix = "cifar10-" if data == "cifar10" else ""
    names = [prefix + init for init in INITS if prefix + init in found]
    depth = len(found[names[0]][0]["curves"])
    layers = list(range(1, depth) if depth <= 3 else (1, depth // 2, depth - 1))
    figure, axes = plt.subplots(
        len(layers) + 1, len(names), figsize=(3.1 * len(names), 2.2 * len(layers) + 2.2), sharex=True, sharey="row",
        squeeze=False,
    )  # fmt: skip
    for column, name in enumerate(names):
        curves = found[name][0]["curves"]
        steps = [EVERY * (i + 0.5) for i in range(len(curves[0]))]
        for axis, k in zip(axes[:, column], layers, strict=False):
            for start, label, colour, style in (
                (0, "positives", "#1b6ca8", "-"), (2, "negatives", "#c1440e", "--")
            ):  # fmt: skip
                middle = [p[start] for p in curves[k]]
                low, high = ([max(p[start] + sign * p[start + 1], 1e-3) for p in curves[k]] for sign in (-1, 1))
                axis.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
                axis.plot(steps, middle, style, color=colour, label=label, linewidth=1.4)
            axis.axhline(1, color="black", linewidth=0.8, linestyle=":")
            axis.set_yscale("log")
            axis.set_yticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
            axis.minorticks_off()
            if column == 0:
                axis.set_ylabel(f"layer {k + 1}: mean y²")
        axis = axes[-1][column]
        for k, colour in zip(layers, ("#5b8c5a", "#7b4b94", "#b5838d"), strict=False):
            smooth = [sum(p[4] for p in curves[k][i : i + 5]) / len(curves[k][i : i + 5]) for i in range(len(steps))]
            axis.plot(steps, smooth, color=colour, label=f"layer {k + 1}", linewidth=1.4)
        axis.axhline(0.5, color="black", linewidth=0.8, linestyle=":")
        axis.set_xlabel("step")
        axes[0][column].set_title(f"net.init = {name.removeprefix(prefix)}")
    axes[-1][0].set_ylabel("discrimination")
    axes[0][0].legend(frameon=False, fontsize=8)
    axes[-1][0].legend(frameon=False, fontsize=8)
    figure.suptitle("The first 3,000 steps; dotted: the threshold, and chance", fontsize=11)
    figure.tight_layout()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)


def page():
    """Write the tables between the marks of docs/results/first-steps.md, and the plots."""
    found = rows()
    target = RESULTS / "first-steps.md"
    text = target.read_text()
    for data in SMALL:
        if any(name.startswith("cifar10-") is (data == "cifar10") for name in found):
            begin, end = f"<!-- {data} -->", f"<!-- end of {data} -->"
            head, _, rest = text.partition(begin)
            text = "\n".join([head + begin, *table(found, data), end]) + rest.partition(end)[2]
            plot(found, data, RESULTS.parent / "_static" / "first-steps" / f"{data}.png")
    target.write_text(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["run", "page"])
    parser.add_argument("names", nargs="*", choices=[*ARMS, []])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.what == "page":
        page()
    else:
        for name in given.names or ARMS:
            run(name, given.seed)
