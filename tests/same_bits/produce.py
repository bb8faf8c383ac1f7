"""Train, score, design and select with whichever tree is on the path, and keep every tensor and figure in a folder.

``python tests/same_bits/produce.py FOLDER``. Only public names are used, so that the trees of two commits can both run
it; `compare.py` then compares their folders.
"""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

import ffnet
from fflabels import design, select

COMMAND = "import sys; from fflabels_cli.app import ffnet; sys.argv = ['ffnet', *sys.argv[1:]]; ffnet()"
SHORT = ["data.name=digits", "data.limit=200", "train.epochs=2", "inference.linear_epochs=2", "labels.candidates=100"]
SMALL = [
    *SHORT, "net.widths=[4,6,6]", "net.kernel=3", "net.pools=[2,2,1]", "labels.set=fourier:paper10",
    "train.checkpoint_seconds=0",
]  # fmt: skip
NARROW = {
    "paper-mnist": ["net.widths=[32,32,32]"],
    "pairs-best-cifar10": ["net.widths=[16,32,64,128]"],
    "paper-cifar10-morph": ["net.widths=[32,32,64,64,64,128]"],
}
"""Fewer filters, so that all of it takes a minute or two."""

FIXED = [
    "net.init=torch", "net.first_layer=local", "train.peer=0", "train.relu_gradient=true", "train.weight_decay=0",
]  # fmt: skip
"""What presets may change and this matrix does not."""

PRESETS = ["pairs-digits", "paper-mnist", "pairs-best-cifar10", "paper-cifar10-morph", "paper-mnist-bp"]

IS_OLD = hasattr(ffnet.Config().net, "label_every_layer")
"""Whether this tree is from before label codes: its names of presets and of label channels are others."""

OLD_PRESETS = {"pairs-digits": "quick-digits", "pairs-best-cifar10": "best-cifar10"}
OLD_SETTINGS = {
    "labels.layers.set=imprint": ["net.label_every_layer=true"],
    "labels.layers.set=waves:reed-solomon": ["net.label_every_layer=true", "net.offered_waves=4"],
    "labels.layers.channels=4": [],
}

SMALL_CASES = {
    "with-next": ["net.first_layer=with_next"],
    "joint": ["net.detach=false"],
    "label-channel": ["labels.layers.set=imprint"],
    "label-waves": ["labels.layers.set=waves:reed-solomon", "labels.layers.channels=4"],
    "uniform": ["train.negatives=uniform", "train.negatives_each=2"],
    "balanced": ["train.negatives=balanced", "net.norm=rms", "train.loss=softplus"],
    "stride": ["net.strides=[2,1,1]"],
    "moved": ["train.crop=2", "train.flip=true", "inference.mirror=true", "inference.layers=weighted"],
    "spectral": ["net.widths=[16,16,16]", "net.kernel=7", "net.pools=[1,1,2]"],
    "morph": ["labels.set=morph", "dtype=bfloat16"],
    "morph-channel": ["labels.set=morph", "labels.layers.set=imprint"],
    "peer": ["net.init=measured", "train.peer=0.03", "train.relu_gradient=full", "train.weight_decay=3e-4"],
    "bp": ["algorithm=bp"],
}


def cases():
    """Yield the name and settings of every run."""
    for preset in PRESETS:
        config = ffnet.load_preset(OLD_PRESETS.get(preset, preset) if IS_OLD else preset).config
        config = config.override([*SHORT, *FIXED, *NARROW.get(preset, [])])
        for dtype in ("float32", "float64"):
            yield f"{preset}-{dtype}", config.override([f"dtype={dtype}"])
    for name, settings in SMALL_CASES.items():
        if IS_OLD:
            settings = [old for setting in settings for old in OLD_SETTINGS.get(setting, [setting])]
        yield name, ffnet.Config().override([*SMALL, *settings])


def score(run, images):
    """Return the scores of a run's net by each of its inference methods."""
    if run.config.algorithm == "bp":
        return {"classes": run.predict(images)}
    keyword = "inference" if "inference" in inspect.signature(run.predict).parameters else "method"
    found = {"goodness": ffnet.goodness_scores(run.net, images)}
    for name in ("goodness", "linear", "cascade:3", "halving"):
        if name == "halving":
            run.fit_forecast(ffnet.load_data(run.config.data))
        found[f"classes by {name}"] = run.predict(images, **{keyword: name})
    return found


def killed_and_resumed(folder):
    """Kill a training as soon as it has saved its third step, and resume it."""
    settings = [part for setting in SMALL for part in ("--set", setting)]
    arguments = ["train", "--labels", "fourier:paper10", *settings, "--set", "train.epochs=4", "--out", str(folder)]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None:
        if any("step-00000003" in path.name for path in folder.glob("checkpoints/*.safetensors")):
            process.send_signal(signal.SIGKILL)
        time.sleep(0.001)
    process.wait()
    ffnet.resume(folder)


def main(folder):
    """Produce everything."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True)
    for name, config in cases():
        began = time.perf_counter()
        run = ffnet.train(config, out=folder / name)
        images = ffnet.load_data(config.data).test.images[:40]
        save_file({key: tensor.contiguous() for key, tensor in score(run, images).items()}, folder / name / "scores")
        print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)
    killed_and_resumed(folder / "killed")
    sets = {}
    for kind in ("fourier", "morph", "onehot"):
        for metric in ("pearson", "shift", "dprime"):
            for seed in (0, 1):
                chosen = {"shape": (1, 16, 16), "metric": metric, "seed": seed, "references": "digits"}
                labels = design(kind, 10, candidates=120, **chosen)
                sets[f"{kind} {metric} {seed}"] = json.loads(labels.to_json())
    (folder / "sets.json").write_text(json.dumps(sets))
    rng = np.random.default_rng(0)
    similarity = np.abs(np.corrcoef(rng.normal(size=(60, 12))))
    chosen = select(similarity, 6, seed=0, certify=True)
    selection = {
        "indices": [int(i) for i in chosen.indices],
        "score": float(chosen.score),
        "bound": float(chosen.bound),
    }
    (folder / "selection.json").write_text(json.dumps(selection))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1]))
