"""Exported nets: the files predict what the net predicts, in software that is not ours."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from reference import net

import ffnet
from fflabels import morphology
from fflabels.errors import FFLabelsError, MissingExtraError
from ffnet.data.dataset import Data, Split
from ffnet.fitting import fit_heads
from ffnet.inference.export import export_net
from ffnet.inference.predict import scores
from ffnet.labels.choose import choose_labels

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

IMAGES = torch.rand(12, 1, 14, 14, generator=torch.Generator().manual_seed(0))
SPLIT = Split(IMAGES, torch.arange(12) % 10)
DATA = Data("X", SPLIT, SPLIT, SPLIT, tuple("abcdefghij"))


def fitted(*settings, codes=False):
    """A net with random weights and statistics, and its heads fitted."""
    torch.manual_seed(0)
    if codes:
        chosen = ffnet.load_preset("quick-digits").config.override(["net.widths=[8,16]", "net.pools=[2,1]", *settings])
        made = ffnet.FFNet(chosen, (1, 14, 14), choose_labels(chosen, DATA))
    else:
        made = net(*settings)
    list(made.train().activities(made.embed(IMAGES.to(made.accumulate_dtype), SPLIT.classes)))
    fit_heads(made.eval(), DATA)
    return made


NETS = {
    "labels in the image": {},
    "label channels, mirrored": {
        "settings": ("labels.layers.set=waves:reed-solomon", "labels.layers.channels=2", "inference.mirror=true")
    },
    "label channels, two layers": {
        "settings": ("labels.layers.set=imprint", "net.widths=[4,6]", "net.pools=[2,2]"),
    },
    "weighted layers": {"settings": ("inference.layers=weighted", "train.goodness=sum")},
    "codes": {"codes": True},
    "codes, last layer, pooled": {"codes": True, "settings": ("inference.layers=last", "inference.linear_pool=2")},
}


@pytest.mark.slow
@pytest.mark.parametrize("made", NETS)
def test_a_net_returns_the_scores_of_inference(made):
    ours = fitted(*NETS[made].get("settings", ()), codes=NETS[made].get("codes", False))
    with torch.no_grad():
        first = "goodness" if ours.has_codes else "linear"
        torch.testing.assert_close(ours(IMAGES).float(), scores(ours, IMAGES, inference=first))
        ours.linear = None
        expected = scores(ours, IMAGES, inference="goodness")
        torch.testing.assert_close(ours(IMAGES), expected)
        torch.testing.assert_close(ours((IMAGES * 255).round().byte()), expected, atol=0.02, rtol=0.02)
        compiled = torch.compile(ours, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(IMAGES), expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "inference"),
    [
        ("labels in the image", "linear"),
        ("label channels, two layers", "goodness"),
        ("codes", "goodness"),
        ("codes, last layer, pooled", "linear"),
    ],
)
def test_files_predict_what_the_net_predicts(made, inference, tmp_path):
    ours = fitted(*NETS[made].get("settings", ()), codes=NETS[made].get("codes", False))
    expected = scores(ours, IMAGES, inference=inference)
    path = tmp_path / "net.onnx"
    found = export_net(ours, path, IMAGES, inference=inference, class_names=DATA.class_names)
    assert (found.images, found.same) == (12, 12)
    session = onnxruntime.InferenceSession(path)
    for count in (1, 7):  # any number of images
        (given,) = session.run(None, {"images": IMAGES[:count].numpy()})
        np.testing.assert_allclose(given, expected[:count].float().numpy(), rtol=1e-3, atol=1e-4)
    (names,) = [p.value for p in onnx.load(path).metadata_props if p.key == "class_names"]
    assert json.loads(names) == list(DATA.class_names)

    export_net(ours, tmp_path / "net.pt2", IMAGES, inference=inference, class_names=DATA.class_names)
    extra = {"class_names": ""}
    program = torch.export.load(tmp_path / "net.pt2", extra_files=extra).module()
    torch.testing.assert_close(program(IMAGES[:3]).detach().float(), expected[:3].float(), rtol=1e-3, atol=1e-4)
    assert json.loads(extra["class_names"]) == list(DATA.class_names)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
@pytest.mark.parametrize(("codes", "inference"), [(True, "goodness"), (False, "linear")])
def test_an_onnx_file_of_any_net_computes_in_float32(dtype, codes, inference, tmp_path):
    ours = fitted(f"dtype={dtype}", codes=codes)
    expected = scores(ours, IMAGES, inference=inference).float().numpy()
    found = export_net(ours, tmp_path / "net.onnx", IMAGES, inference=inference)
    assert found.same >= 11
    (given,) = onnxruntime.InferenceSession(tmp_path / "net.onnx").run(None, {"images": IMAGES.numpy()})
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, expected, atol=(2e-2 if dtype == "bfloat16" else 1e-4) * np.abs(expected).max())
    assert ours.dtype == getattr(torch, dtype)  # only a copy was converted


@pytest.mark.slow
def test_the_baseline_is_exported_too(tmp_path):
    baseline = ffnet.BPNet(
        ffnet.Config().override(["algorithm=bp", "net.widths=[4,6]", "net.pools=[2,2]"]), (1, 14, 14), 10
    )
    assert export_net(baseline, tmp_path / "net.onnx", IMAGES).same == 12


class Operated(torch.nn.Module):
    """An operator, as a module."""

    def __init__(self, operator, footprint):
        super().__init__()
        self.operator, self.footprint = operator, footprint

    def forward(self, images):
        return getattr(morphology, self.operator)(images, self.footprint, 5)


@pytest.mark.slow
@pytest.mark.parametrize("operator", ["opening", "gradient", "black_tophat"])
@pytest.mark.parametrize("footprint", ["square", "disk", "line45"])
def test_morphology_is_exported_for_any_number_of_images(operator, footprint):
    module = Operated(operator, footprint)
    program = torch.export.export(module, (IMAGES[:2],), dynamic_shapes=({0: torch.export.Dim("N")},)).module()
    for images in (IMAGES[:1], IMAGES):
        assert torch.equal(program(images), module(images))


def refuse(*_, **__):
    raise RuntimeError("a call of NumPy\nin 40 lines")


@pytest.mark.slow
def test_what_cannot_be_exported_is_said_and_nothing_written(tmp_path, monkeypatch):
    ours = fitted()
    for arguments, message in [
        ({"path": "net.tflite"}, "format: unknown format; got tflite; expected onnx or pt2"),
        ({"inference": "cascade:2"}, "inference: cannot be exported; got cascade:2; expected linear or goodness"),
        ({"images": IMAGES[:1]}, "images: too few images to compare on; got 1"),
        ({"images": IMAGES[:, :, :5]}, "images do not fit the net"),
    ]:
        settings = {"path": "net.pt2", "images": IMAGES, **arguments}
        with pytest.raises(FFLabelsError, match=message):
            export_net(ours, tmp_path / settings.pop("path"), settings.pop("images"), **settings)
    with monkeypatch.context() as patch:
        patch.setattr(torch.export, "export", refuse)
        with pytest.raises(FFLabelsError, match=r"^inference goodness: PyTorch cannot export it: a call of NumPy$"):
            export_net(ours, tmp_path / "net.pt2", IMAGES, inference="goodness")
    monkeypatch.setitem(ffnet.inference.export._READERS, "pt2", lambda _, images: torch.zeros(len(images), 10))
    with pytest.raises(FFLabelsError, match="the file gives other scores than the net"):
        export_net(ours, tmp_path / "net.pt2", IMAGES)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(
        MissingExtraError, match=r"ONNX files need more packages: pip install .fflabels\[export\] @ git"
    ):
        export_net(ours, tmp_path / "net.onnx", IMAGES)
    assert not list(tmp_path.iterdir())
