"""Goodness of a trained net of label pairs in float32 and in bfloat16, with the same weights, layer by layer.

``python tests/bench/number_types.py RUN [--images N] [--data DIR]``: the share of validation images whose goodness is
largest for the right label, and the share of (right, wrong) pairs that each layer tells apart.
"""

import argparse
from pathlib import Path

import torch

from ffnet.inference.passes import layer_goodness
from ffnet.runs.folder import load_run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--data")
    given = parser.parse_args()
    run = load_run(given.run)
    part = run.data(given.data).validation[: given.images]
    for dtype in (torch.float32, torch.bfloat16):
        run.net.dtype = dtype
        for k, goodness_NC in enumerate(layer_goodness(run.net, part.images), 1):
            right_N1 = goodness_NC.gather(1, part.classes[:, None])
            accuracy = (goodness_NC.argmax(1) == part.classes).double().mean()
            pairs = (right_N1 > goodness_NC).double().sum(1).mean() / (goodness_NC.shape[1] - 1)
            print(
                f"{str(dtype)[6:]:9} layer {k}: accuracy {100 * accuracy:.1f} %, pairs told apart {100 * pairs:.1f} %"
            )


if __name__ == "__main__":
    main()
