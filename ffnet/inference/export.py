"""Export a trained net as a file for other software: ONNX, or a PyTorch program. The file is checked before it is kept.

ONNX needs the extra ``export``.
"""

from __future__ import annotations

import copy
import io
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from fflabels.errors import FFLabelsError, MissingExtraError
from fflabels.files import write_whole
from ffnet.data.images import check_images_fit, to_unit
from ffnet.model.net import FFNet, Net

Format: TypeAlias = Literal["onnx", "pt2"]

SAME = 1e-3
"""Scores of the file may differ by this share of their largest value, since additions are in another order."""


class Compared(NamedTuple):
    """How an exported file compares with its net.

    Attributes
    ----------
    images, same
        The number of images, and of those for which both predict the same class.
    difference
        The largest difference of scores.
    """

    images: int
    same: int
    difference: float


class Scorer(nn.Module):
    """A net by one inference method, as a function of images (N, C, H, W), floats in [0, 1]."""

    def __init__(self, net: Net, inference: str) -> None:
        super().__init__()
        self.net, self.inference = net, inference

    def forward(self, images: Tensor) -> Tensor:
        """Return the score of each class, (N, classes)."""
        return self.net.scores(self.inference, images)


def export_net(
    net: Net,
    path: str | Path,
    images: Tensor,
    *,
    format: Format | None = None,  # noqa: A002 - the usual word
    inference: str | None = None,
    class_names: Sequence[str] = (),
) -> Compared:
    """Write a net as a file that maps images to scores, if the file gives the same scores as the net.

    The file takes float32 images (N, C, H, W) in [0, 1], any number of them, and returns the score of each class (N,
    classes). The class names are stored in it, as JSON under ``class_names``. An ONNX file computes in float32,
    whatever the net computes in.

    Parameters
    ----------
    net
        A trained net.
    path
        The file.
    images
        Images to compare the predictions on, (N, C, H, W), at least two.
    format
        ``onnx``, or ``pt2`` for `torch.export.load`. Default: the ending of `path`.
    inference
        ``linear``, or ``goodness``; a baseline has a single method. Default: as in `ffnet.predict`. Goodness takes one
        pass where labels are codes, else the file holds one pass per label.
    class_names
        Names of the classes.

    Raises
    ------
    FFLabelsError
        For another format or inference method, labels whose drawing PyTorch cannot export, and when the file gives
        other scores than the net: then no file is written.
    MissingExtraError
        When ONNX is not installed.
    """
    # What is exported.
    path = Path(path)
    kind = format or path.suffix.removeprefix(".")
    if kind not in get_args(Format):
        raise FFLabelsError("unknown format", where="format", got=kind, expected="onnx or pt2")
    method = _method(net, inference)
    check_images_fit(images, net.shape)
    if len(images) < 2:
        raise FFLabelsError("too few images to compare on", where="images", got=len(images), expected="2 or more")
    inputs = to_unit(images.cpu())

    # Trace a copy on the CPU, by PyTorch's own operations alone.
    scorer = Scorer(copy.deepcopy(net).cpu().eval(), method).eval()
    for layer in scorer.net.layers:
        layer.full_gradient = False
    with torch.no_grad():
        predicted = scorer(inputs).argmax(1)
    if kind == "onnx":  # no runtime convolves in bfloat16, and few in float64
        scorer.float()
        scorer.net.dtype = torch.float32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = _exported(scorer, inputs[:2], kind, json.dumps(list(class_names)))

    # Compare, then keep the file.
    with torch.no_grad():
        expected = scorer(inputs)
    exported = torch.as_tensor(_READERS[kind](data, inputs))
    difference = float((exported - expected).abs().max())
    limit = SAME * float(expected.abs().max())
    if not difference <= limit:
        got, allowed = f"{difference:g} apart", f"at most {limit:g}"
        raise FFLabelsError("the file gives other scores than the net", where=str(path), got=got, expected=allowed)
    write_whole(path, data)
    return Compared(len(inputs), int((exported.argmax(1) == predicted).sum()), difference)


def _exported(scorer: Scorer, images: Tensor, kind: str, class_names: str) -> bytes:
    """Return the file of a program that takes any number of images."""
    try:
        program = torch.export.export(scorer, (images,), dynamic_shapes=({0: Dim("N")},))
        return _WRITERS[kind](program, class_names)
    except (FFLabelsError, MissingExtraError):
        raise
    except Exception as error:  # the labels of a plugin may be drawn by anything
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise FFLabelsError(f"PyTorch cannot export it: {why}", where=f"inference {scorer.inference}") from error


def _method(net: Net, inference: str | None) -> str:
    """Return the inference method to export."""
    if not isinstance(net, FFNet):
        if inference not in (None, net.inference):
            raise FFLabelsError("this net has one", where="inference", got=inference, expected=net.inference)
        return net.inference
    method = inference or net.inference
    if method not in ("linear", "goodness"):
        raise FFLabelsError("cannot be exported", where="inference", got=method, expected="linear or goodness")
    if method == "linear":
        net.fitted_linear()
    return method


def _write_pt2(program: ExportedProgram, class_names: str) -> bytes:
    data = io.BytesIO()
    torch.export.save(program, data, extra_files={"class_names": class_names})
    return data.getvalue()


def _read_pt2(data: bytes, images: Tensor) -> Tensor:
    scores: Tensor = torch.export.load(io.BytesIO(data)).module()(images)
    return scores.detach()


def _write_onnx(program: ExportedProgram, class_names: str) -> bytes:
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("ONNX files need more packages", extra="export") from error
    made = torch.onnx.export(program, dynamo=True, verbose=False, input_names=["images"], output_names=["scores"])
    assert made is not None
    made.model.metadata_props["class_names"] = class_names
    return bytes(made.model_proto.SerializeToString())


def _read_onnx(data: bytes, images: Tensor) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images.numpy()})[0]


_WRITERS: dict[str, Callable[[ExportedProgram, str], bytes]] = {"onnx": _write_onnx, "pt2": _write_pt2}
_READERS: dict[str, Callable[[bytes, Tensor], Any]] = {"onnx": _read_onnx, "pt2": _read_pt2}
