"""``make bench``: quicker goodness against the full answer, on nets that are trained here for a minute or two each.

Real data from FFNET_DATA, the embedded digits without it. One thread; the ways in turn, part by part of the images.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from statistics import median  # noqa: E402

import torch  # noqa: E402
from harness import Row, once, write  # noqa: E402

import ffnet  # noqa: E402
from fflabels.errors import FFLabelsError  # noqa: E402
from ffnet.inference.shortlist import cascade_scores, halving_scores  # noqa: E402
from ffnet.model.compute_type import with_dtype  # noqa: E402
from ffnet.presets import quick_preset  # noqa: E402

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "bench-inference.md"

AT_THE_INPUT = ["labels.layers.set=none", "labels.intensity=0.35"]
TRAINING = ["data.limit=20000", "data.offline=true", "train.epochs=2", "inference.linear_epochs=5",
            *AT_THE_INPUT, "inference.layers=sum", "inference.mirror=false"]  # fmt: skip
# data set, images read, in parts of; the classifier's shortlist, how much quicker it must be; halving too
NETS = [
    ("digits", 160, 40, 3, None, True),
    ("mnist", 2000, 200, 3, 3, True),
    ("cifar10", 2000, 200, 3, 3, True),
    ("cifar100", 1000, 100, 5, 20, False),
]
HALVING, AGREEMENT = 2, 0.98
LOST = 0.002
"""Accuracy that a shortlist among 100 classes may lose against the full answer."""


def trained(name):
    """Return the data and a net that was trained a little, or the reason why not."""
    config = quick_preset(name, pairs=True).config.override(TRAINING if name != "digits" else AT_THE_INPUT)
    if name.startswith("cifar"):
        labels = "fourier" if name == "cifar100" else "fourier:paper10"
        config = config.override([f"labels.set={labels}", "labels.assign=order"])
    try:
        data = ffnet.load_data(config.data)
    except FFLabelsError as error:
        return None, str(error)
    config = with_dtype(config, torch.device("cpu"))
    net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, data))
    ffnet.fit(net, data)
    return data, net


def race(ways, images, size):
    """Return each way's median seconds a part, its answers, and its passes an image; the first part is run twice."""
    seconds, answers, passes = ({name: [] for name in ways} for _ in range(3))
    parts = images.split(size)
    for k, part in enumerate([parts[0], *parts]):
        for name, way in ways.items():
            begin = time.perf_counter()
            found = way(part)
            if k:
                seconds[name].append(time.perf_counter() - begin)
                answers[name].append(getattr(found, "scores", found).argmax(1))
                passes[name].append(getattr(found, "passes", 0))
    return {
        name: (median(seconds[name]), torch.cat(answers[name]), sum(passes[name]) / len(passes[name])) for name in ways
    }


def main():
    """Run everything; exit 1 when a floor is missed."""
    torch.set_num_threads(1)
    rows, notes = [], []
    for name, count, size, k, floor, halves in NETS:
        data, net = trained(name)
        if data is None:
            notes.append(f"{name} was skipped: {net}")
            continue
        ways = {
            "full": lambda part, net=net: ffnet.goodness_scores(net, part),
            f"cascade of up to {k}": lambda part, net=net, k=k: cascade_scores(net, part, k),
            f"cascade of always {k}": lambda part, net=net, k=k: cascade_scores(net, part, k, likely=0),
        }
        if halves:
            fitting = once(
                lambda net=net, data=data: setattr(net, "forecast", ffnet.fit_forecast(net, data.train.images))
            )
            notes.append(f"{name}: the forecast of halving was fitted in {fitting:.0f} s")
            ways["halving"] = lambda part, net=net: halving_scores(net, part)
        images, classes = data.validation.images[:count], data.validation.classes[:count]
        found = race(ways, images, size)
        full_seconds, full, _ = found.pop("full")
        right = (full == classes).double().mean().item()
        notes.append(f"{name}: {data.classes} classes, {net.dtype}, {len(data.train)} training images, "
                     f"{net.config.train.epochs} epochs; full goodness takes {1e3 * full_seconds / size:.2f} ms per image and is "
                     f"right for {100 * right:.1f} % of {count} validation images")  # fmt: skip
        for way, (seconds, answers, passes) in found.items():
            agreed, accuracy = ((answers == other).double().mean().item() for other in (full, classes))
            ratio = full_seconds / seconds
            holds = owed = None
            if floor and way == "halving":
                holds, owed = (
                    ratio >= HALVING and agreed >= AGREEMENT,
                    f"{HALVING}×, agrees for {100 * AGREEMENT:.0f} %",
                )
            elif floor and "up to" in way:
                holds, owed = ratio >= floor, f"{floor}×"
                if data.classes == 100:
                    holds, owed = holds and accuracy >= right - LOST, f"{owed}, loses ≤ {100 * LOST} points"
            measured = (f"{ratio:.1f}×, {passes:.2f} passes; agrees for {100 * agreed:.1f} %, "
                        f"right for {100 * accuracy:.1f} %, {100 * (accuracy - right):+.1f}")  # fmt: skip
            rows.append(Row(f"{name}, {way}", measured, holds, owed or "–"))
    notes.append("nets see the label in the image alone, at K 0.35")
    notes.append(
        "passes: mean number of passes per image, with the neutral pass; full goodness takes one per class; agrees: same answer as full goodness; the last number: accuracy minus that of full goodness, in points"
    )
    if not write("Goodness in fewer passes: cascade and halving", rows, notes, RESULTS, "make bench"):
        sys.exit("a floor was missed")


if __name__ == "__main__":
    main()
