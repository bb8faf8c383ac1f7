"""The estimator in the manner of scikit-learn, and the presets."""

import pickle

import numpy as np
import pytest

import ffnet
from fflabels.errors import FFLabelsError
from fflabels.images import digits
from ffnet.presets import quick_preset

SETTINGS = ["labels.candidates=40", "net.widths=[8,16]", "net.pools=[2,1]", "inference.linear_epochs=5"]


def test_fit_predict_score():
    images, classes = digits()
    names = np.array(["zero", "one", "two"])[classes[classes < 3]]
    X = images[classes < 3][:, 0]
    model = ffnet.FFClassifier("fourier", epochs=20, settings=SETTINGS).fit(X[:300], names[:300])
    assert list(model.classes_) == ["one", "two", "zero"]
    assert model.score(X[300:], names[300:]) > 0.85
    assert model.decision_function(X[:4]).shape == (4, 3)
    again = ffnet.FFClassifier("fourier", epochs=20, settings=SETTINGS).fit(
        (X[:300] * 255).round().astype(np.uint8), names[:300]
    )
    assert (again.predict(X[300:]) == model.predict(X[300:])).mean() > 0.9
    model.set_params(inference="linear")
    assert model.score(X[300:], names[300:]) > 0.9


def test_morphology_labels_and_colour_images():
    X = np.random.default_rng(0).random((40, 3, 12, 12), dtype=np.float32)
    model = ffnet.FFClassifier(labels="morph", epochs=1, settings=SETTINGS).fit(X, np.arange(40) % 2)
    assert set(model.predict(X)) <= {0, 1}


def test_parameters_are_kept_as_scikit_learns_tools_expect():
    model = ffnet.FFClassifier("morph", epochs=3, seed=5)
    clone = ffnet.FFClassifier(**model.get_params())
    assert clone.get_params() == model.get_params()
    with pytest.raises(FFLabelsError, match="no such parameter; got epohcs"):
        model.set_params(epohcs=3)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((6, 64)), [0, 1] * 3, r"X: not images; got shape \(6, 64\); expected \(N, H, W\)"),
        (np.full((6, 8, 8), 16.0), [0, 1] * 3, "X: out of range; got 16 to 16; expected 0 to 1"),
        (np.full((6, 8, 8), np.nan), [0, 1] * 3, "X: out of range"),
        (np.zeros((6, 8, 8)), [0, 1], r"y: not one class an image; got \(2,\); expected \(6,\)"),
        (np.zeros((6, 8, 8)), [1] * 6, "y: a single class"),
        (
            np.zeros((6, 12, 12, 3)),
            [0, 1] * 3,
            r"X: channels last; got shape \(6, 12, 12, 3\); expected \(N, C, H, W\)",
        ),
    ],
)
def test_what_does_not_fit_is_said(X, y, message):
    with pytest.raises(FFLabelsError, match=message):
        ffnet.FFClassifier().fit(X, y)


def test_settings_win_and_are_a_list():
    X, y = np.random.default_rng(0).random((20, 8, 8))[::-1], np.arange(20) % 2
    model = ffnet.FFClassifier(settings=[*SETTINGS, "train.epochs=2"]).fit((X * 255).astype(np.uint8)[::-1], y)
    assert len(model.history_) == 2
    assert pickle.loads(pickle.dumps(model)).predict(X).tolist() == model.predict(X).tolist()
    for settings, message in [
        ("train.lr=1", "one text; got train.lr=1"), (["algorithm=bp"], "not forward-forward"),
        (["device=tpu"], "device: unknown device; got tpu"), (["data.limit=9"], "settings: the data are X and y"),
        (["train.loss=none"], "train.loss: unknown loss; got none"),
    ]:  # fmt: skip
        with pytest.raises(FFLabelsError, match=message):
            ffnet.FFClassifier(settings=settings).fit(X, y)
    with pytest.raises(FFLabelsError, match="inference: unknown inference; got linaer"):
        ffnet.FFClassifier(inference="linaer").fit(X, y)


def test_before_fit_there_is_nothing_to_predict():
    with pytest.raises(FFLabelsError, match="call fit first"):
        ffnet.FFClassifier().predict(np.zeros((2, 8, 8)))


def test_the_presets_say_what_the_paper_says():
    presets = {p.name: p for p in ffnet.list_presets()}
    assert {n for n in presets if not presets[n].ours} == {
        "paper-mnist", "paper-mnist-bp", "paper-cifar10-fourier", "paper-cifar10-morph", "paper-cifar10-bp",
        "paper-cifar100-fourier", "paper-cifar100-morph",
        "paper-cifar100-fourier-random", "paper-cifar100-morph-random",
    }  # fmt: skip
    mnist, bp = presets["paper-mnist"].config, presets["paper-mnist-bp"].config
    assert (mnist.net.widths, mnist.net.kernel, mnist.net.norm) == ((128, 128, 128), 7, "layer")
    assert (mnist.labels.intensity, mnist.train.lr, mnist.train.batch, mnist.train.epochs) == (0.35, 5e-5, 50, 200)
    assert (mnist.train.schedule, mnist.train.goodness, mnist.train.loss) == ("cooldown", "sum", "bce")
    assert (mnist.train.theta, mnist.train.temperature, mnist.train.negatives) == (None, 1, "uniform")
    assert (bp.algorithm, bp.net.widths, bp.net.kernel, bp.train.lr) == ("bp", (16, 16, 16), 5, 1e-3)
    for name in ("paper-cifar10-fourier", "paper-cifar10-morph", "paper-cifar100-morph"):
        cifar = presets[name].config
        assert (cifar.net.widths, cifar.net.pools) == ((128, 128, 256, 256, 256, 512), (2, 1, 2, 1, 1, 2))
        assert (cifar.labels.intensity, cifar.train.lr, cifar.train.batch, cifar.train.epochs) == (0.3, 1e-4, 32, 100)
        assert (cifar.train.schedule, cifar.net.norm, cifar.net.kernel) == ("constant", "batch", 3)
    for kind in ("fourier", "morph"):
        selected, by_chance = (presets[f"paper-cifar100-{kind}{end}"].config for end in ("", "-random"))
        assert (selected.labels.method, selected.labels.candidates) == ("best", 2000)
        assert by_chance == selected.override(["labels.method=random"])
    assert all(p.config.layer_local is (p.config.algorithm == "ff") for p in presets.values())
    waves = {"labels.layers.set": "waves:reed-solomon", "labels.layers.channels": 8, "labels.intensity": 0.2}
    assert presets["quick-digits"].config == ffnet.Config().replaced(waves)


def test_presets_by_pattern_and_by_data_set():
    assert {p.name for p in ffnet.list_presets("quick-*")} == {"quick-digits", "quick-mnist", "quick-cifar10"}
    assert quick_preset("fashion-mnist").config.data.name == "fashion-mnist"
    assert quick_preset("cifar100").config.labels.set == "fourier:low100"
    assert quick_preset("some/folder").name == "quick-digits"
    with pytest.raises(FFLabelsError, match=r"no such preset; got paper-minst .did you mean 'paper-mnist'"):
        ffnet.load_preset("paper-minst")
