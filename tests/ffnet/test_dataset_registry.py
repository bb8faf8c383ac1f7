"""A data set that is registered here works everywhere by its name."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from fflabels_cli.app import ffnet_group

torch = pytest.importorskip("torch")

import ffnet  # noqa: E402
from fflabels import FFLabelsError  # noqa: E402
from ffnet.data.dataset import split_data  # noqa: E402
from ffnet.data.load import DATASETS, KNOWN, register  # noqa: E402
from ffnet.presets import quick_preset  # noqa: E402

SETTINGS = [
    "labels.candidates=16", "train.epochs=1", "net.widths=[2,3]", "net.pools=[2,1]", "net.kernel=3",
    "inference.linear_epochs=1",
]  # fmt: skip


@pytest.fixture
def stripes():
    @register("stripes", "three frequencies of stripes", settings={"train.batch": 8})
    def load_stripes(config):
        classes = np.arange(90) % 3
        waves = np.sin(np.arange(8) * (1 + classes[:, None]) + np.arange(90)[:, None])
        images = np.round(127 * (1 + waves)).astype(np.uint8)[:, None, None, :].repeat(8, axis=2)
        return split_data(config, "stripes", (images[:60], classes[:60]), (images[60:], classes[60:]), tuple("abc"), 12)

    yield
    del DATASETS["stripes"]


@pytest.mark.usefixtures("stripes")
def test_ffnet_train_knows_it(tmp_path):
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    run = tmp_path / "run"
    done = CliRunner().invoke(
        ffnet_group, ["train", "--labels", "fourier", "--dataset", "stripes", *settings, "--out", str(run)]
    )
    assert done.exit_code == 0, done.output
    assert ffnet.load_run(run).config.train.batch == 8
    assert len(json.loads((run / "labels.json").read_text())["recipes"]) == 3


@pytest.mark.usefixtures("stripes")
def test_it_is_loaded_and_listed():
    data = ffnet.load_data(ffnet.Config().override(["data.name=stripes", "data.limit=20"]).data)
    assert (len(data.train), len(data.validation), len(data.test), data.shape) == (20, 12, 30, (1, 8, 8))
    assert "stripes" in KNOWN
    assert quick_preset("stripes").name == "quick-digits"


@pytest.mark.usefixtures("stripes")
def test_an_unknown_one_suggests_the_nearest():
    with pytest.raises(FFLabelsError, match=r"neither a data set nor a folder; got stripe \(did you mean 'stripes'\?"):
        ffnet.load_data(ffnet.Config().override(["data.name=stripe"]).data)


@pytest.mark.usefixtures("stripes")
def test_a_name_is_registered_once():
    with pytest.raises(FFLabelsError, match="the name is taken; got stripes"):
        register("stripes", "again")


def test_each_has_its_quick_preset():
    quick = {name: quick_preset(name).name for name in ("digits", "mnist", "fashion-mnist", "cifar10", "a/folder")}
    assert list(quick.values()) == ["quick-digits", "quick-mnist", "quick-mnist", "quick-cifar10", "quick-digits"]
    assert quick_preset("cifar100", pairs=True).config.labels.set == "fourier:low100"
