"""Natural calls from Python: they work, or the error says what to write."""

import dataclasses
import io

import numpy as np
import pytest
import torch
from fflabels_cli.net_output import description
from PIL import Image
from torch.utils.data import TensorDataset

import ffnet
from fflabels import named_set
from fflabels.errors import FFLabelsError
from ffnet.runs.compare import group_runs
from ffnet.runs.files import CONFIG
from ffnet.runs.start import starting_settings

TINY = {"net.widths": [16, 16], "net.pools": [2, 2], "inference.linear_epochs": 2, "data.limit": 64}


def images_of_three(count=48, channels=1):
    rng = np.random.default_rng(0)
    y = np.arange(count) % 3
    X = rng.random((count, channels, 16, 16), dtype=np.float32) * 0.5
    for k, c in enumerate(y):
        X[k, :, 5 * c : 5 * c + 5] += 0.5
    return X, y


def test_data_sets_by_name():
    data = ffnet.load_data("digits", limit=50, size=12)
    assert (len(data.train), data.shape) == (50, (1, 12, 12))
    with pytest.raises(FFLabelsError, match=r"no such setting; got data.limt .did you mean 'limit'"):
        ffnet.load_data("digits", limt=50)


def test_settings_in_few_words():
    assert ffnet.Config(labels="morph", data="cells") == ffnet.Config().replaced(
        {"labels.set": "morph", "data.name": "cells"}
    )
    assert ffnet.Config().override({"train.lr": 1e-3}).train.lr == 1e-3
    for call, message in [
        (lambda: ffnet.Config(train=1e-3), r'train: not a section; got 0.001; .*replaced.*"train.KEY": value'),
        (lambda: ffnet.Config().replaced({"lr": 1}), r"no such setting; got lr .did you mean 'train.lr'"),
        (lambda: ffnet.Config().override(["seed_=1"]), r"got seed_ .did you mean 'seed'"),
        (lambda: ffnet.Config().override(["limit=1"]), r"got limit .did you mean 'data.limit'"),
    ]:
        with pytest.raises(FFLabelsError, match=message):
            call()


@pytest.mark.slow
def test_train_in_few_words(tmp_path):
    run = ffnet.train("quick-digits", epochs=1, seed=3, out=tmp_path / "a", **TINY)
    assert (run.config.train.epochs, run.config.seed, run.config.net.widths) == (1, 3, (16, 16))
    assert (tmp_path / "a" / CONFIG).read_text().startswith("# preset quick-digits\n")
    assert ffnet.load_run(tmp_path / "a").config == run.config
    chosen = starting_settings("quick-digits", labels="morph").config
    assert (chosen.has_codes, chosen.labels.set) == (False, "morph")
    assert starting_settings(labels="code").config.labels.goodness.set == "code"
    run = ffnet.train(labels="onehot", dataset="digits", epochs=1, out=tmp_path / "b", **TINY, **{"train.lr": 1e-3})
    assert (run.net.labels.labeler.name, run.config.train.lr) == ("onehot", 1e-3)
    assert (tmp_path / "b" / CONFIG).read_text().startswith("# preset pairs-digits\n")
    with pytest.raises(FFLabelsError, match=r"got lr .did you mean 'train.lr'"):
        ffnet.train(lr=1e-3)
    for part in ("Run(", "digits", "goodness", "linear"):
        assert part in repr(run)
    assert "\n" not in repr(run)
    assert len(repr(run)) < 200
    assert "<svg" not in run._repr_html_()
    assert "<th>test, 360 images</th>" in run._repr_html_()


def test_arrays_become_a_data_set():
    X, y = images_of_three()
    data = ffnet.Data.from_arrays(X, y, ["a", "b", "c"], validation=6)
    assert repr(data) == "Data('arrays', 1×16×16, 3 classes, 34 training, 6 validation, 8 test images)"
    assert data.class_names == ("a", "b", "c")
    words = np.array(["long", "round", "flat"])[y]
    named = ffnet.Data.from_arrays((X * 255).astype(np.uint8), words, test=(X[:6], words[:6]))
    assert named.class_names == ("flat", "long", "round")
    assert [named.class_names[k] for k in named.test.classes] == words[:6].tolist()
    assert named.train.images.dtype == torch.uint8
    for arguments, message in [
        ((X, y, ["a", "b"]), "y: out of range; got 0 to 2; expected 0 to 1, as there are names"),
        ((X, words, ["long", "flat"]), "y: a class without a name; got round; expected long, flat"),
        ((X, y[:5]), r"y: not one class per image; got shape \(5,\); expected \(48,\)"),
        ((X * 300, y), "X: out of range"),
        ((X, y / 2), "y: not classes; got float64; expected integers or strings"),
        ((X, np.where(y > 1, np.nan, y)), "y: not classes; got float64"),
        ((X[:5], y[:5]), "X: too few images; got 5; expected at least 6, or a test"),
        ((X, [None] * 48), "y: not classes; got object"),
    ]:
        with pytest.raises(FFLabelsError, match=message):
            ffnet.Data.from_arrays(*arguments)
    for test, message in [
        ((X[:5], y[:4]), r"test: not one class per image; got shape \(4,\); expected \(5,\)"),
        ((X[:5], y[:5] + 5), "test: a class without a name; got 5"),
    ]:
        with pytest.raises(FFLabelsError, match=message):
            ffnet.Data.from_arrays(X, y, test=test)
    for validation, message in [
        (0.1, "validation: .*0.1"),
        (-5, "validation: out of range; got -5; expected 0 or"),
        (40, "^validation: leaves no training image; got 40; expected below 40"),
    ]:
        with pytest.raises(FFLabelsError, match=message):
            ffnet.Data.from_arrays(X, y, validation=validation)


def test_pictures_of_any_mode_become_grey_or_red_green_and_blue():
    grey = Image.fromarray(np.full((16, 16), 200, np.uint8))
    palette = grey.convert("RGB").quantize(2)  # its pixels are indices
    assert np.asarray(palette).max() < 2
    for mode, channels in (("P", 3), ("L", 1), ("LA", 1), ("RGBA", 3), ("CMYK", 3)):
        picture = palette if mode == "P" else grey.convert("RGB").convert(mode)
        images = ffnet.Data.from_dataset([(picture, k % 2) for k in range(8)]).train.images
        assert images.shape[1:] == (channels, 16, 16)
        assert set(images.flatten().tolist()) == {200}
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    assert set(ffnet.Data.from_dataset([(clear, k % 2) for k in range(8)]).train.images.flatten().tolist()) == {255}
    with pytest.raises(FFLabelsError, match="dataset: no images"):
        ffnet.Data.from_dataset([])


def test_pictures_of_more_than_8_bits_keep_their_grey_levels():
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    for pixels in (levels, (levels / 65535).astype(np.float32)):
        data = ffnet.Data.from_dataset([(Image.fromarray(pixels), k % 2) for k in range(8)])
        assert data.shape == (1, 16, 16)
        np.testing.assert_allclose(data.train.images[0, 0].numpy(), levels / 65535, atol=1e-6)
    half_deep = [Image.fromarray(levels), *[Image.fromarray((levels // 257).astype(np.uint8))] * 7]
    mixed = ffnet.Data.from_dataset([(picture, k % 2) for k, picture in enumerate(half_deep)])
    for images in (mixed.train.images, mixed.test.images):
        np.testing.assert_allclose(images.numpy(), np.broadcast_to(levels / 65535, images.shape), atol=1e-6)
    deep = np.random.default_rng(0).integers(0, 65536, (16, 16, 3)).astype(np.uint16)
    coded = b"P6 16 16 65535\n" + deep.astype(">u2").tobytes()  # read from memory: Pillow keeps 8 bits of colours
    colours = ffnet.Data.from_dataset([(Image.open(io.BytesIO(coded)), k % 2) for k in range(8)]).train.images[0]
    np.testing.assert_allclose(colours.permute(1, 2, 0).numpy(), deep / 65535 * 255, atol=1)
    with pytest.raises(FFLabelsError, match=r"dataset\[0\]: 32-bit integers; got mode I; expected another mode"):
        ffnet.Data.from_dataset([(Image.fromarray(levels).convert("I"), k % 2) for k in range(8)])
    loud = [(Image.fromarray(np.full((16, 16), 7, np.float32)), k % 2) for k in range(8)]
    with pytest.raises(FFLabelsError, match=r"dataset\[0\]: values out of range; got 7 to 7"):
        ffnet.Data.from_dataset(loud)


def test_a_data_set_that_can_only_be_iterated_is_read():
    X, y = images_of_three()

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return zip(X, y, strict=True)

    data, expected = ffnet.Data.from_dataset(Stream()), ffnet.Data.from_arrays(X, y)
    assert torch.equal(data.train.images, expected.train.images)
    assert torch.equal(data.train.classes, expected.train.classes)


def test_arrays_are_split_class_by_class():
    X, y = np.zeros((72, 16, 16)), np.repeat(np.arange(12), 6)  # class by class, as from files
    data = ffnet.Data.from_arrays(X, y)
    assert data.splits == "by class"
    for split, least in ((data.test, 1), (data.train, 4)):
        counts = np.bincount(split.classes.numpy(), minlength=12)
        assert counts.min() >= least
    assert data.train.classes.numpy().tolist() != sorted(data.train.classes.tolist())
    rare = ffnet.Data.from_arrays(X, np.minimum(np.arange(72), 3))  # three classes of one image
    assert np.bincount(rare.train.classes.numpy(), minlength=4).min() == 1
    given = ffnet.Data.from_arrays(X, y, test=(X, y), validation=12)
    assert np.bincount(given.validation.classes.numpy()).tolist() == [1] * 12


def test_a_pytorch_data_set_is_trained_on(tmp_path):
    X, y = images_of_three()
    dataset = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    run = ffnet.train(data=dataset, epochs=1, out=tmp_path / "run", **{**TINY, "data.limit": None})
    assert run.about.data.name == run.config.data.name == "TensorDataset"
    assert len(ffnet.Data.from_dataset(dataset, test=dataset).test) == 48
    with pytest.raises(FFLabelsError, match="the run was trained on data from Python; got TensorDataset"):
        run.data()


@pytest.mark.slow
@pytest.mark.parametrize("labels", [None, "fourier"])
def test_fine_tuning_starts_from_a_run_with_other_classes_and_resumes(labels, tmp_path):
    X, y = images_of_three()
    names = ["a", "b", "c"]
    first = ffnet.train(
        labels=labels, data=ffnet.Data.from_arrays(X, y, names), epochs=6, out=tmp_path / "a",
        **{**TINY, "data.limit": None, "labels.candidates": 16 if labels else None},
    )  # fmt: skip
    same = ffnet.train(start=tmp_path / "a", data=ffnet.Data.from_arrays(X, y, names), epochs=1, out=tmp_path / "b")
    assert same.config == first.config.replaced({"train.epochs": 1})
    assert same.net.labels == first.net.labels
    colour = ffnet.Data.from_arrays(*images_of_three(channels=3), names)
    with pytest.raises(FFLabelsError, match="images of other channels; got 1 channels; expected 3"):
        ffnet.train(start=first, data=colour, epochs=1, out=tmp_path / "colour")
    two = y < 2
    other = ffnet.Data.from_arrays(X[two], y[two], ["a", "b"])
    tuned = ffnet.train(start=first, data=other, out=tmp_path / "c", **{"train.lr": 1e-9, "train.epochs": 1})
    for ours, theirs in zip(tuned.net.layers, first.net.layers, strict=True):
        torch.testing.assert_close(ours.weight, theirs.weight, atol=1e-5, rtol=0)
    assert len(tuned.net.labels) == 2
    for checkpoint in (tmp_path / "c" / "checkpoints").iterdir():  # as if killed before the first checkpoint
        checkpoint.unlink()
    for name in ("results.json", "model.safetensors"):
        (tmp_path / "c" / name).unlink()
    (tmp_path / "c" / "start.safetensors").rename(tmp_path / "elsewhere")
    with pytest.raises(FFLabelsError, match=r"start.safetensors: .*put it back"):
        ffnet.resume(tmp_path / "c", data=other)
    (tmp_path / "elsewhere").rename(tmp_path / "c" / "start.safetensors")
    again = ffnet.resume(tmp_path / "c", data=other)
    assert all(
        torch.equal(a, b) for a, b in zip(again.net.state_dict().values(), tuned.net.state_dict().values(), strict=True)
    )
    with pytest.raises(FFLabelsError, match=r"the layers differ; got 0.weight: \(16, 1, 5, 5\); expected \(18, 1, "):
        ffnet.train(start=first, data=other, out=tmp_path / "d", **{"net.widths": [18, 6]})
    assert not (tmp_path / "d" / CONFIG).exists()


@pytest.mark.slow
def test_weights_of_another_run_are_not_scaled(tmp_path):
    settings = {**TINY, "net.init": "measured", "train.lr": 1e-2}
    first = ffnet.train(labels="fourier:paper10", epochs=1, out=tmp_path / "a", **settings)
    tuned = ffnet.train(start=first, epochs=1, out=tmp_path / "b", **{"train.lr": 1e-12})
    for ours, theirs in zip(tuned.net.layers, first.net.layers, strict=True):
        torch.testing.assert_close(ours.weight, theirs.weight, atol=1e-6, rtol=0)


@pytest.mark.slow
def test_without_test_images_the_validation_images_are_evaluated(tmp_path):
    data = ffnet.load_data(ffnet.Config().replaced(TINY).data)
    untested = dataclasses.replace(data, test=data.test[:0])
    run = ffnet.train(data=untested, epochs=1, out=tmp_path / "a", **TINY)
    assert run.results.test is None
    assert ffnet.load_run(run.folder).results == run.results
    with pytest.raises(FFLabelsError, match="test: no images; expected 1 or more"):
        ffnet.evaluate(run.net, untested, "test")
    neither = dataclasses.replace(untested, validation=data.validation[:0])
    with pytest.raises(FFLabelsError, match="test split: no images to evaluate on; got 0 images"):
        ffnet.train(data=neither, epochs=1, out=tmp_path / "b", **{**TINY, "inference.layers": "sum"})
    assert not (tmp_path / "b").exists()


def test_what_is_given_twice_or_is_no_data_and_no_name_is_refused(tmp_path):
    X, y = images_of_three()
    data = ffnet.Data.from_arrays(X, y)
    for given, message in [
        ({"dataset": "cells", "data": data}, "dataset: given twice; got cells, and data"),
        ({"data": (X, y)}, r"data: not data; got tuple; expected ffnet.Data .ffnet.Data.from_arrays"),
        ({"labels": named_set("fourier:paper10")}, r"labels: not a name; got LabelSet; .*labels.save"),
    ]:
        with pytest.raises(FFLabelsError, match=message):
            ffnet.train(out=tmp_path / "run", **given)
    assert not (tmp_path / "run").exists()
    with pytest.raises(FFLabelsError, match="two classes of one name; got a"):
        ffnet.train(data=ffnet.Data.from_arrays(X, y, ["a", "b", "a"]), out=tmp_path / "run")


def test_data_of_another_shape_or_number_of_classes_do_not_fit_a_net():
    data = ffnet.load_data("digits", limit=40)
    net = ffnet.FFNet(ffnet.Config(), data.shape, named_set("fourier:paper10"))
    X, y = images_of_three()
    three, colour = ffnet.Data.from_arrays(X, y), ffnet.Data.from_arrays(*images_of_three(channels=3))
    for other, got in ((three, "1×16×16, 3 classes"), (colour, "3×16×16, 3 classes")):
        for use in (ffnet.fit, lambda net, data: ffnet.evaluate(net, data, "validation")):
            with pytest.raises(FFLabelsError, match=f"not for this net; got {got}; expected 1×16×16, 10 classes"):
                use(net, other)


@pytest.mark.parametrize("algorithm", ["bp", "local"])
def test_a_baseline_that_starts_from_another_keeps_its_classifiers(algorithm, tmp_path):
    first = ffnet.train(algorithm=algorithm, epochs=1, out=tmp_path / "a", **TINY)
    same = ffnet.train(start=first, epochs=1, out=tmp_path / "b", **{"train.lr": 1e-12})
    for name, tensor in first.net.state_dict().items():
        if "head" in name:
            torch.testing.assert_close(same.net.state_dict()[name], tensor, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_a_run_tells_which_one_it_started_from_and_is_compared_with_its_like(tmp_path):
    first = ffnet.train(epochs=1, out=tmp_path / "a", **TINY)
    tuned = ffnet.train(start=first, seed=1, out=tmp_path / "b")
    alike = ffnet.train(epochs=1, seed=2, out=tmp_path / "c", **TINY)
    assert tuned.about.started.run == str(first.folder)
    assert tuned.about.started.epochs == 1
    assert [len(group.runs) for group in group_runs([first, tuned, alike], "validation")] == [2, 1]
    assert any(line.startswith("start ") and str(first.folder) in line for line in description(tuned))


def test_more_epochs_for_a_run_are_a_new_training(tmp_path):
    with pytest.raises(FFLabelsError, match=r"epochs: .*train\(start=.*, epochs=9\)"):
        ffnet.resume(tmp_path, epochs=9)


def test_sets_of_labels_are_shown_in_one_line_and_as_pictures():
    from fflabels import named_set

    labels = named_set("fourier:paper10")
    assert repr(labels).startswith("LabelSet(10 fourier labels, ")
    assert len(repr(labels)) < 100
    assert labels.plot().size[0] > 100
    assert labels._repr_html_().startswith('<img alt="10 fourier labels')
    assert labels.plot(names=list("abcdefghij")).size == labels.plot().size


def test_how_to_read_data_that_are_given_cannot_be_set(tmp_path):
    X, y = images_of_three()
    data = ffnet.Data.from_arrays(X, y, name="mine")
    with pytest.raises(FFLabelsError, match=r"data\.limit: without effect on data that are given; got 20"):
        ffnet.train(data=data, out=tmp_path / "run", **{"data.limit": 20})
    assert not (tmp_path / "run").exists()
    run = ffnet.train(ffnet.Config(labels="onehot").replaced(TINY), data=data, epochs=1, out=tmp_path / "run")
    assert (run.config.data.name, run.config.data.limit) == ("mine", None)


def test_arrays_with_test_images_need_no_order_and_bools_are_classes():
    X, y = images_of_three()
    by_class = np.argsort(y, kind="stable")
    data = ffnet.Data.from_arrays(X[by_class], y[by_class], test=(X, y))
    assert set(data.train.classes[:8].tolist()) == {0, 1, 2}
    assert data.test.classes.tolist() == y.tolist()
    named = ffnet.Data.from_arrays(X, y > 0, ["first", "others"])
    assert len(named.train.classes.bincount()) == 2
