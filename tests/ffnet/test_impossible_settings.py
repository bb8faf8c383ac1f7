"""Settings that cannot work are refused, with their name, before anything is made."""

import pytest
from reference import SMALL_RUN

import ffnet
from fflabels.errors import FFLabelsError


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.lr=inf", "train.lr: not finite; got inf"),
        ("train.theta=nan", "train.theta: not finite; got nan"),
        ("train.theta=-inf", "train.theta: not finite"),
        ("train.alpha=1e308", r"train.alpha: too large for float32; got 1e\+308"),
        ("train.temperature=1e-300", "train.temperature: too small for float32"),
        ("train.peer=inf", "train.peer: not finite"),
        ("train.weight_decay=inf", "train.weight_decay: not finite"),
        ("train.checkpoint_seconds=inf", "train.checkpoint_seconds: not finite"),
        ("inference.linear_lr=inf", "inference.linear_lr: not finite"),
        ("inference.linear_decay=inf", "inference.linear_decay: not finite"),
    ],
)
def test_numbers_that_no_net_can_compute_with(setting, message):
    with pytest.raises(FFLabelsError, match=message):
        ffnet.Config().override([setting])


@pytest.mark.parametrize("algorithm", ["bp", "local"])
@pytest.mark.parametrize(("setting", "value"), [("train.peer", "0.03"), ("train.relu_gradient", "full")])
def test_baselines_take_the_gradient_of_their_loss_alone(algorithm, setting, value):
    with pytest.raises(FFLabelsError, match=f"{setting}: forward-forward layers only; got {value} with algorithm="):
        ffnet.Config().override([f"algorithm={algorithm}", f"{setting}={value}"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["labels.set=fourier:low10", "labels.params.waves=3"], "labels.params: without effect on a finished set"),
        (["labels.set=fourier:low10", "labels.min_visibility=2"], "labels.min_visibility: without effect"),
    ],
)
def test_settings_of_the_design_have_no_effect_on_a_finished_set(settings, message):
    config = ffnet.Config().override([*SMALL_RUN, *settings])
    with pytest.raises(FFLabelsError, match=message):
        ffnet.label_set(config, ffnet.load_data(config.data))


@pytest.mark.parametrize("setting", ["labels.min_visibility=2", "labels.layers.channels=4"])
def test_settings_of_labels_in_the_image_have_no_effect_on_codes(setting):
    with pytest.raises(FFLabelsError, match=f"{setting.partition('=')[0]}: only for labels in the image"):
        ffnet.load_preset("quick-digits").config.override([setting])


def test_zero_is_a_number():
    assert ffnet.Config().override(["train.theta=0.0", "train.peer=0.0"]).train.theta == 0


def test_a_kernel_larger_than_the_images_is_refused(tmp_path):
    with pytest.raises(FFLabelsError, match=r"net.kernel: .*; got 101; expected at most 31 for images 16×16"):
        ffnet.train(ffnet.Config().override([*SMALL_RUN, "net.kernel=101"]), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "cause"),
    [("train.lr=1e30", "lower train.lr"), ("train.alpha=1e38", "train.alpha"), ("train.peer=1e38", "peer")],
)
def test_a_loss_that_is_not_finite_names_more_than_the_learning_rate(tmp_path, setting, cause):
    with pytest.raises(FFLabelsError, match=r"is not finite") as told:
        ffnet.train(ffnet.Config().override([*SMALL_RUN, setting]), out=tmp_path / "run")
    assert cause in str(told.value)


@pytest.mark.slow
def test_a_label_that_is_nowhere_is_refused(tmp_path):
    nowhere = [*SMALL_RUN, "labels.intensity=0", "labels.layers.set=none"]
    with pytest.raises(FFLabelsError, match=r"labels.intensity: no image and no layer receives the label; got 0"):
        ffnet.train(ffnet.Config().override(nowhere), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    overwriting = ffnet.Config().override([*nowhere, "labels.set=onehot"])  # K plays no part
    assert len(ffnet.train(overwriting, out=tmp_path / "onehot").labels) == 10
