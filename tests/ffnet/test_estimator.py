"""The scikit-learn classifier, and the presets."""

import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import ffnet
from fflabels.errors import FFLabelsError, install_command
from fflabels.images import digits
from ffnet.presets import quick_preset

SETTINGS = ["labels.candidates=16", "net.widths=[8,16]", "net.pools=[2,1]", "inference.linear_epochs=5"]
SMALL = {"labels.candidates": 16, "net.widths": [8, 16], "net.pools": [2, 1], "inference.linear_epochs": 5}


def three_digits(count=150):
    """Images (N, 8, 8) of three digits, and their names."""
    images, classes = digits()
    of_three = np.flatnonzero(classes < 3)[:count]
    return images[of_three, 0], np.array(["zero", "one", "two"])[classes[of_three]]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*recommended to delay parameter validation:UserWarning")
@parametrize_with_checks([ffnet.FFClassifier(settings=SMALL)])  # no check is expected to fail
def test_what_scikit_learn_expects_of_an_estimator(estimator, check):
    check(estimator)


@pytest.mark.slow
def test_a_grid_over_settings_and_kinds_of_labels_in_processes():
    X, y = three_digits()
    grid = {"train.lr": [1e-6, 2e-3], "labels": ["fourier", "onehot"]}
    model = ffnet.FFClassifier(epochs=8, inference="linear", settings=SMALL)
    search = GridSearchCV(model, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    tried = search.cv_results_["params"]
    assert len(tried) == 4
    assert search.best_estimator_.net_.config.train.lr == search.best_params_["train.lr"]
    assert search.best_estimator_.net_.labels.labeler.name == search.best_params_["labels"]
    assert search.best_score_ > 0.9
    assert "train.lr" not in model.get_params()


@pytest.mark.slow
def test_flattened_images_in_a_pipeline():
    X, y = three_digits()
    flat = X.reshape(len(X), -1) * 255
    model = ffnet.FFClassifier(epochs=10, inference="linear", settings=SMALL)
    assert cross_val_score(make_pipeline(MinMaxScaler(), model), flat, y, cv=2, error_score="raise").mean() > 0.9
    model.fit(flat, y)
    assert (model.n_features_in_, model.net_.shape) == (64, (1, 8, 8))
    square = clone(model).fit(X / X.max(), y)
    assert (square.n_features_in_, square.net_.shape) == (64, (1, 8, 8))
    assert (square.predict(X / X.max()) == model.predict(flat)).all()
    wide = clone(model).set_params(image_shape=(1, 4, 16)).fit(flat, y)
    assert wide.net_.shape == (1, 4, 16)
    with pytest.raises(FFLabelsError, match=r"image_shape: does not fit; got \(3, 4, 4\); expected 64 values"):
        clone(model).set_params(image_shape=(3, 4, 4)).fit(flat, y)


@pytest.mark.parametrize("inference", ["goodness", "linear", "cascade:2"])
def test_probabilities_add_up_and_agree_with_predictions(inference, tmp_path):
    X, y = three_digits()
    model = ffnet.FFClassifier(epochs=2, inference=inference, settings=SMALL).fit(X, y)
    p = model.predict_proba(X)
    assert p.shape == (len(X), 3)
    assert np.allclose(p.sum(1), 1)
    assert (p >= 0).all()
    assert (model.classes_[p.argmax(1)] == model.predict(X)).all()
    joblib.dump(model, tmp_path / "model.joblib")
    assert (joblib.load(tmp_path / "model.joblib").predict_proba(X) == p).all()


@pytest.mark.parametrize(("labels", "inference"), [(None, "goodness"), ("fourier", "halving")])
def test_two_classes_have_one_decision_value(labels, inference):
    X, y = three_digits()
    two = y != "two"
    model = ffnet.FFClassifier(labels, epochs=2, inference=inference, settings=SMALL).fit(X[two], y[two])
    decision = model.decision_function(X)
    assert decision.shape == (len(X),)
    assert np.isfinite(decision).all()  # a halving keeps the score of one class alone
    assert (model.classes_[(decision > 0).astype(int)] == model.predict(X)).all()


@pytest.mark.slow
@pytest.mark.parametrize("inference", ["goodness", "linear", "cascade:2", "halving"])
def test_decision_values_are_finite_so_that_they_can_be_calibrated(inference):
    X, y = three_digits(90)
    model = ffnet.FFClassifier("fourier", epochs=2, inference=inference, settings=SMALL).fit(X, y)
    decisions = model.decision_function(X)
    assert np.isfinite(decisions).all()
    assert (model.classes_[decisions.argmax(1)] == model.predict(X)).all()
    calibrated = CalibratedClassifierCV(model, cv=2).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(calibrated.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize(("inference", "message"), [("cascade", "not needed with codes"), ("bp", "another kind")])
def test_an_inference_method_of_another_net_is_refused_before_the_training(inference, message, monkeypatch):
    monkeypatch.setattr("ffnet.estimator.fit", lambda *_: pytest.fail("trained"))
    with pytest.raises(FFLabelsError, match=message):
        ffnet.FFClassifier(preset="quick-digits", inference=inference).fit(*three_digits(30))


@pytest.mark.slow
def test_images_that_come_class_by_class_train_as_well():
    X, y = three_digits()
    by_class = np.argsort(y, kind="stable")
    few = {**SMALL, "inference.linear_images": 60}
    model = ffnet.FFClassifier("fourier", epochs=2, inference="linear", settings=few).fit(X[by_class], y[by_class])
    assert model.score(X, y) > 0.9
    blank = np.where((y == "one")[:, None, None], 0, X)  # all images of the first class
    ffnet.FFClassifier("fourier", epochs=1, settings=SMALL).fit(blank[by_class], y[by_class])


def test_a_preset_and_its_exceptions():
    X, y = three_digits(60)
    with pytest.raises(FFLabelsError, match=r"not one label per class; got 10.*labels.set=fourier designs as many"):
        ffnet.FFClassifier(preset="pairs-mnist").fit(X, y)
    model = ffnet.FFClassifier("fourier", preset="pairs-mnist", epochs=1, settings={**SMALL, "net.strides": []}).fit(
        X, y
    )
    preset = ffnet.load_preset("pairs-mnist").config
    assert model.net_.config.labels.layers.count == preset.labels.layers.count > 0
    assert model.net_.config.train.epochs == 1
    assert model.net_.config.data == ffnet.Config().data
    with pytest.raises(FFLabelsError, match=r"no such preset; got pairs-mnits .did you mean 'pairs-mnist'"):
        ffnet.FFClassifier(preset="pairs-mnits").fit(X, y)


@pytest.mark.slow
def test_the_random_state_decides_and_None_draws_a_new_seed():
    X, y = three_digits(40)
    seeds = [
        ffnet.FFClassifier(epochs=1, random_state=state, settings=SMALL).fit(X, y).net_.config.seed
        for state in (7, np.int64(7), np.random.RandomState(3), np.random.RandomState(3), None, None)
    ]
    assert seeds[0] == seeds[1] == 7
    assert seeds[2] == seeds[3]
    assert seeds[4] != seeds[5]
    with pytest.warns(DeprecationWarning, match="seed= is now random_state="):
        assert ffnet.FFClassifier(epochs=1, seed=5, settings=SMALL).fit(X, y).net_.config.seed == 5


@pytest.mark.slow
def test_without_scikit_learn_all_but_the_classifier_works():
    code = (
        "import sys; sys.modules['sklearn'] = None; import ffnet; ffnet.load_preset('quick-digits')\n"
        "try: ffnet.FFClassifier\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"FFClassifier needs scikit-learn: {install_command('sklearn')}\n"


@pytest.mark.slow
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
    model = ffnet.FFClassifier("morph", epochs=3, random_state=5, settings=["train.lr=0.5"])
    assert clone(model).get_params() == model.get_params()
    model.set_params(labels="fourier", **{"train.batch": 8})
    assert model.get_params()["settings"] == {"train.lr": 0.5, "train.batch": 8}
    assert model.get_params()["train.batch"] == 8
    with pytest.raises(ValueError, match="Invalid parameter 'epohcs'"):
        model.set_params(epohcs=3)
    X, y = three_digits(20)
    with pytest.raises(FFLabelsError, match=r"no such setting; got train.lrr .did you mean 'lr'"):
        model.set_params(**{"train.lrr": 1}).fit(X, y)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((6, 1, 1, 8, 8)), [0, 1] * 3, r"X: not images; got shape \(6, 1, 1, 8, 8\); expected \(N, H, W\)"),
        (np.full((6, 8, 8), 16.0), [0, 1] * 3, "X: out of range; got 16 to 16; expected 0 to 1"),
        (np.full((6, 8, 8), np.nan), [0, 1] * 3, "X contains NaN"),
        (np.zeros((6, 8, 8)), [0, 1], r"inconsistent numbers of samples: \[6, 2\]"),
        (np.zeros((6, 8, 8)), [1] * 6, "y: a single class"),
        (
            np.zeros((6, 12, 12, 3)),
            [0, 1] * 3,
            r"X: channels last; got shape \(6, 12, 12, 3\); expected \(N, C, H, W\)",
        ),
    ],
)
def test_what_does_not_fit_is_said(X, y, message):
    with pytest.raises(ValueError, match=message):
        ffnet.FFClassifier().fit(X, y)


def test_a_fit_that_fails_leaves_nothing_fitted():
    X, y = three_digits(30)
    model = ffnet.FFClassifier("fourier", epochs=1, settings=SMALL).fit(X, y)
    with pytest.raises(FFLabelsError, match="unknown labeler"):
        model.set_params(labels="fourir").fit(X, np.array(list("abc"))[np.arange(len(X)) % 3])
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_a_shape_that_images_do_not_have_is_refused():
    X, y = three_digits(30)
    with pytest.raises(
        FFLabelsError, match=r"image_shape: not that of the images; got \(1, 9, 9\); expected \(1, 8, 8\)"
    ):
        ffnet.FFClassifier(image_shape=(1, 9, 9)).fit(X, y)
    ffnet.FFClassifier("fourier", epochs=1, settings=SMALL, image_shape=(1, 8, 8)).fit(X, y)


def test_layers_that_a_preset_weights_on_validation_images_are_summed():
    X, y = three_digits(30)
    few = {"net.widths": [4, 8], "net.pools": [2, 1], "labels.goodness.regions": [], "inference.linear_epochs": 1}
    assert ffnet.load_preset("quick-cifar10").config.inference.layers == "weighted"
    model = ffnet.FFClassifier(preset="quick-cifar10", epochs=1, settings=few).fit(X, y)
    assert model.net_.config.inference.layers == "sum"
    with pytest.raises(FFLabelsError, match="validation"):
        model.set_params(**{"inference.layers": "weighted"}).fit(X, y)


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
    with pytest.raises(NotFittedError, match="call fit first"):
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
    for name, preset in presets.items():
        if preset.ours or preset.config.algorithm == "bp":
            continue
        net, train = preset.config.net, preset.config.train
        assert (net.first_layer, net.init, net.detach) == ("random", "base", True), name
        assert (train.goodness, train.loss, train.negatives, train.negatives_each) == ("sum", "bce", "uniform", 1), name
        assert (train.theta, train.temperature, train.peer, train.relu_gradient) == (None, 1, 0.03, "full"), name
        assert train.weight_decay == 3e-4, name
    for kind in ("fourier", "morph"):
        selected, by_chance = (presets[f"paper-cifar100-{kind}{end}"].config for end in ("", "-random"))
        assert (selected.labels.method, selected.labels.candidates) == ("best", 2000)
        assert by_chance == selected.override(["labels.method=random"])
    assert all(p.config.layer_local is (p.config.algorithm == "ff") for p in presets.values())
    waves = {"labels.layers.set": "waves:reed-solomon", "labels.layers.channels": 8, "labels.intensity": 0.2}
    assert presets["pairs-digits"].config == ffnet.Config().replaced(waves)
    codes = {"labels.goodness.set": "code:hadamard,code", "labels.goodness.learn": True}
    assert presets["quick-digits"].config == ffnet.Config().replaced(codes)


def test_presets_by_pattern_and_by_data_set():
    quick = {f"quick-{name}" for name in ("cells", "cifar10", "cifar100", "digits", "mnist")}
    assert {p.name for p in ffnet.list_presets("quick-*")} == quick
    assert quick_preset("fashion-mnist").config.data.name == "fashion-mnist"
    assert quick_preset("cifar100", pairs=True).config.labels.set == "fourier:low100"
    assert not quick_preset("cells", pairs=True).config.has_codes
    assert quick_preset("some/folder").name == "quick-digits"
    with pytest.raises(FFLabelsError, match=r"no such preset; got paper-minst .did you mean 'paper-mnist'"):
        ffnet.load_preset("paper-minst")
