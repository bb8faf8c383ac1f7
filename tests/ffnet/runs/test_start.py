"""Runs that start from another run: what they keep of it, and what they do not."""

import pytest
import torch
from reference import make_folder

import ffnet
from fflabels import named_set
from fflabels.errors import FFLabelsError

SMALL = {
    "data.limit": 64, "net.widths": [4, 4], "net.pools": [2, 2], "train.epochs": 1, "inference.linear_epochs": 1,
    "labels.candidates": 16,
}  # fmt: skip
TINY = {"train.lr": 1e-12}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A run with labels in the image and label channels of later layers."""
    folder = tmp_path_factory.mktemp("start") / "pairs"
    return ffnet.train(labels="fourier", out=folder, seed=5, **{**SMALL, "labels.layers.set": "waves"})


@pytest.fixture(scope="module")
def codes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("start") / "codes"
    return ffnet.train(labels="code:groups", out=folder, **{**SMALL, "net.widths": [16, 16]})


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["bp", "local"])
def test_a_baseline_that_starts_from_codes_is_a_baseline(codes, algorithm, tmp_path):
    run = ffnet.train(start=codes, algorithm=algorithm, out=tmp_path / "run", **TINY)
    assert isinstance(run.net, {"bp": ffnet.BPNet, "local": ffnet.LocalNet}[algorithm])
    torch.testing.assert_close(run.net.layers[0].weight, codes.net.layers[0].weight, atol=1e-6, rtol=0)
    assert list(ffnet.load_run(tmp_path / "run").results.test.accuracies) == [algorithm]


@pytest.mark.slow
def test_label_channels_go_with_the_labels(pairs, tmp_path):
    run = ffnet.train(start=pairs, seed=6, out=tmp_path / "run", **TINY)
    assert run.net.labels == pairs.net.labels
    assert run.net.layer_labels == pairs.net.layer_labels


@pytest.mark.slow
def test_layers_of_other_widths_are_refused(codes, tmp_path):
    with pytest.raises(FFLabelsError, match="layers differ"):
        ffnet.train(start=codes, out=tmp_path / "run", **{"net.widths": [16, 24]})


@pytest.mark.slow
def test_labels_without_use_are_refused(tmp_path):
    with pytest.raises(FFLabelsError, match="labels: not used; got onehot; expected none with algorithm=bp"):
        ffnet.train(labels="onehot", algorithm="bp", out=tmp_path / "run", **SMALL)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_another_folder_has_a_range_of_its_own(tmp_path, monkeypatch):
    first = ffnet.train(
        dataset=str(make_folder(tmp_path / "dark")), out=tmp_path / "a",
        **{**SMALL, "data.limit": None, "data.range": "0:100", "data.size": 16},
    )  # fmt: skip
    make_folder(tmp_path / "light")
    other = ffnet.train(start=first, dataset=str(tmp_path / "light"), out=tmp_path / "b", **TINY)
    same = ffnet.train(start=first, out=tmp_path / "c", **TINY)
    monkeypatch.chdir(tmp_path)
    typed = ffnet.train(start=first, dataset="dark", out="d", **TINY)
    assert [run.config.data.range for run in (first, other, same, typed)] == ["0:100", "type", "0:100", "0:100"]


@pytest.mark.slow
def test_a_stopped_run_needs_the_file_of_its_label_channels_no_more(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named_set("waves:reed-solomon", 10, (8, 16, 16), 0).save(tmp_path / "waves.json")
    ffnet.train(labels="fourier", out="run", **{**SMALL, "labels.layers.set": "waves.json"})
    (tmp_path / "waves.json").unlink()
    (tmp_path / "run" / "results.json").unlink()  # as if it had been stopped at the end
    assert ffnet.resume("run").results
    assert ffnet.train(start="run", out="more", **TINY).results
    history = ffnet.fit(ffnet.load_run("run").net, ffnet.load_run("run").data())
    assert len(history) == 1


@pytest.mark.slow
def test_a_loaded_net_is_fitted_from_its_weights(tmp_path):
    settings = {**SMALL, "net.init": "measured"}
    ffnet.train(labels="fourier", out=tmp_path / "run", **settings)
    run = ffnet.load_run(tmp_path / "run")
    before = run.net.layers[0].weight.detach().clone()
    run.net.config = run.config.replaced(TINY)
    ffnet.fit(run.net, run.data())
    torch.testing.assert_close(run.net.layers[0].weight.detach(), before, atol=1e-6, rtol=0)
