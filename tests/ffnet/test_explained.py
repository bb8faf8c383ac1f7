"""Maps, diagnoses, comparisons and the report: against the formulas, rigged nets, and a browser."""

import dataclasses
import re
import shutil
import subprocess

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from scipy import stats  # noqa: E402

import ffnet  # noqa: E402
from fflabels import FFLabelsError  # noqa: E402
from ffnet.config import Config  # noqa: E402
from ffnet.inference.passes import features, linear_scores  # noqa: E402
from ffnet.report.page import verdict, write_report  # noqa: E402
from ffnet.runs.compare import Group, differences, group_runs  # noqa: E402
from ffnet.runs.folder import load_run  # noqa: E402

SMALL = {
    "labels.candidates": 20, "data.limit": 200, "net.widths": [4, 6, 6], "train.epochs": 2,
    "inference.linear_epochs": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two forward-forward runs that differ in their seed, and one by back-propagation."""
    folder = tmp_path_factory.mktemp("runs")
    made = {}
    for name, values in {"ff0": {}, "ff1": {"seed": 1}, "bp": {"algorithm": "bp"}}.items():
        made[name] = ffnet.train(Config().replaced({**SMALL, **values}), out=folder / name)
    return made


@pytest.fixture(scope="module")
def data():
    return ffnet.load_data(Config().replaced(SMALL).data)


@pytest.mark.parametrize("pool", [0, 3, 4])
def test_the_maps_of_a_class_add_up_to_its_logit_but_for_a_constant(runs, data, pool):
    config = Config().replaced({**SMALL, "inference.linear_pool": pool, "net.pools": [2, 1, 1]})
    net = ffnet.FFNet(config, data.shape, runs["ff0"].net.labels)
    net.readout = ffnet.training.loop.fit_linear(net, data.train[:64])
    images, logits = data.test.images[:6], linear_scores(net, data.test.images[:6])
    for k in range(10):
        maps = ffnet.activation_maps(net, images, torch.full((6,), k))
        evidence = sum(layer.sum((1, 2)) for layer in maps.layers.values())
        rest = logits[:, k] - evidence
        torch.testing.assert_close(rest, rest[:1].expand(6), atol=2e-4, rtol=0)
        torch.testing.assert_close(maps.total.sum((1, 2)), evidence, atol=1e-3, rtol=1e-4)
    assert list(maps.layers) == [2, 3]
    assert all(p.grad is None for p in net.layers.parameters())


def test_they_are_weight_times_activity_channel_by_channel(runs, data):
    net, images = runs["ff0"].net, data.test.images[:4]
    net.eval()
    with torch.no_grad():
        last = list(net.activities(net.embedder.neutral(net.prepare(images))))[-1]
    weights = (net.readout.weight * net.readout.scale)[:, -last[0].numel() :].view(10, *last.shape[1:])
    maps = ffnet.activation_maps(net, images)
    assert features(net, images).shape[1] > last[0].numel()
    torch.testing.assert_close(maps.classes, ffnet.predict(net, images))
    torch.testing.assert_close(maps.layers[3], torch.einsum("nchw,nchw->nhw", weights[maps.classes].detach(), last))


def test_those_of_back_propagation_are_the_heads_weights_on_the_last_maps(runs, data):
    net, images = runs["bp"].net, data.test.images[:4]
    maps = ffnet.activation_maps(net, images, torch.tensor([0, 1, 2, 9]))
    rest = net.logits(images)[torch.arange(4), maps.classes] - maps.layers[3].sum((1, 2))
    torch.testing.assert_close(rest, net.head.bias[maps.classes].detach(), atol=1e-4, rtol=0)
    assert maps.total.shape == (4, 16, 16)


@pytest.mark.parametrize("classes", [[0, 10], [0], [0.5, 1.0], [-1, 2]])
def test_classes_that_do_not_exist_are_refused(runs, data, classes):
    with pytest.raises(FFLabelsError, match=r"classes: bad classes; .*expected 2 integers from 0 to 9"):
        ffnet.activation_maps(runs["ff0"].net, data.test.images[:2], torch.tensor(classes))


def test_a_net_without_a_classifier_has_no_maps(runs, data):
    net = ffnet.FFNet(runs["ff0"].config, data.shape, runs["ff0"].net.labels)
    with pytest.raises(FFLabelsError, match="no linear classifier"):
        ffnet.activation_maps(net, data.test.images[:2])


def test_pairs_count_the_mistakes_between_two_classes(runs, data):
    found = ffnet.diagnose(runs["ff0"].net, data, count=150)
    images, classes = data.validation.images[:150], data.validation.classes[:150]
    predicted = ffnet.predict(runs["ff0"].net, images, method="goodness")
    assert (found.split, found.count, len(found.pairs)) == ("validation", 150, 45)
    for pair in found.pairs:
        either = (classes == pair.a) | (classes == pair.b)
        mistaken = ((classes == pair.a) & (predicted == pair.b)) | ((classes == pair.b) & (predicted == pair.a))
        assert pair.mistaken == pytest.approx(float(mistaken.sum() / either.sum()))
    for metric, value in found.rank_correlation.items():
        alike = [p.similarity[metric] for p in found.pairs]
        expected = stats.spearmanr(alike, [p.mistaken for p in found.pairs]).statistic if len(set(alike)) > 1 else None
        assert value == pytest.approx(expected)


def test_a_net_that_sees_the_label_alone_is_found_out(data):
    config = Config().replaced({**SMALL, "labels.intensity": 1.0})
    net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, data)).eval()
    for line in ffnet.diagnose(net, data).shortcuts:
        assert line.images == line.noise == line.other
        assert line.favourite == 1


def test_a_net_that_sees_the_image_is_at_one_half_without_it():
    data = ffnet.load_data(Config().data)
    config = Config().replaced({"labels.candidates": 20, "train.epochs": 3})
    net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, data))
    ffnet.fit(net, data)
    *layers, decides = ffnet.diagnose(net, data).shortcuts
    assert [line.layer for line in layers] == [1, 2, 3]
    assert decides.layer == 0
    assert decides.images > 0.8
    assert abs(decides.noise - 0.5) < 0.2
    assert abs(decides.other - 0.5) < 0.2


def test_two_classes_have_no_third(data):
    two = {name: getattr(data, name)[getattr(data, name).classes < 2] for name in ("train", "validation", "test")}
    pair = dataclasses.replace(data, **two, class_names=("0", "1"))
    config = Config().replaced(SMALL)
    net = ffnet.FFNet(config, data.shape, ffnet.label_set(config, pair)).eval()
    assert {line.other for line in ffnet.diagnose(net, pair).shortcuts} == {None}


def test_runs_are_grouped_by_all_but_their_seed(runs):
    first, second = group_runs(list(runs.values()))
    assert (first.name, second.name) == ("algorithm=ff", "algorithm=bp")
    assert [len(first.runs), len(second.runs)] == [2, 1]
    assert first.accuracies["goodness"] == [runs[n].results.test.goodness.accuracy for n in ("ff0", "ff1")]
    assert set(first.accuracies) == {"goodness", "linear", "untrained"}
    found = {one.reading: one.difference for one in differences([first, second])}
    assert found == {
        f"bp against {reading}": np.mean(second.accuracies["bp"]) - np.mean(first.accuracies[reading])
        for reading in ("goodness", "linear")
    }
    assert [one.reading for one in differences([second, first])] == ["goodness against bp", "linear against bp"]


def test_differences_are_welchs():
    a, b = [0.9, 0.92, 0.91], [0.95, 0.96, 0.93, 0.955]
    groups = [Group("a", ["1"], {"goodness": a, "linear": [0.5]}), Group("b", ["2"], {"goodness": b, "linear": [0.6]})]
    wide, narrow = differences(groups)
    variances = np.var(a, ddof=1) / 3, np.var(b, ddof=1) / 4
    freedom = sum(variances) ** 2 / (variances[0] ** 2 / 2 + variances[1] ** 2 / 3)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(sum(variances))
    gap = np.mean(b) - np.mean(a)
    assert [wide.difference, wide.low, wide.high] == pytest.approx([gap, gap - half, gap + half])
    assert wide.p == pytest.approx(2 * stats.t.sf(gap / np.sqrt(sum(variances)), freedom))
    assert (narrow.reading, narrow.low, narrow.p) == ("linear", None, None)
    assert narrow.difference == pytest.approx(0.1)


def test_runs_that_cannot_be_compared_are_named(runs, tmp_path):
    with pytest.raises(FFLabelsError, match="the same run twice"):
        group_runs([runs["ff0"], runs["ff0"]])
    shutil.copytree(runs["ff0"].folder, tmp_path / "copy")
    with pytest.raises(FFLabelsError, match="two runs of one seed are one run"):
        group_runs([runs["ff0"], load_run(tmp_path / "copy")])
    other = ffnet.train(Config().replaced({**SMALL, "data.limit": 100, "train.epochs": 1}), out=tmp_path / "other")
    with pytest.raises(FFLabelsError, match="another data set"):
        group_runs([runs["ff0"], other])


@pytest.fixture(scope="module")
def unfinished(runs, tmp_path_factory):
    """A run of which there are a checkpoint and a line of its diary, but no results."""
    folder = tmp_path_factory.mktemp("unfinished") / "half"
    shutil.copytree(runs["ff0"].folder, folder)
    for name in ("results.json", "model.safetensors"):
        (folder / name).unlink()
    return load_run(folder)


def test_a_page_has_all_that_there_is_and_asks_for_nothing_from_outside(runs, data):
    for name in ("ff0", "bp"):
        page = write_report(runs[name], data).read_text()
        assert page.startswith("<!doctype html>")
        assert not re.findall(r'(?:src|href)="(?!data:image/png;base64,)', page)
        assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
        headings = re.findall(r"<h2>(.*?)</h2>", page)
        shared = ["Accuracy, %", "Learning", "Which class is taken for which", "Most confident mistakes",
                  "Class activation maps", "Settings", "Provenance"]  # fmt: skip
        own = {"Labels", "Each layer alone", "What the net makes of its labels"} if name == "ff0" else set()
        assert set(headings) == {*shared, *own}
    assert "Back-propagation: the baseline" in page


def test_an_unfinished_run_has_a_page_that_says_so(unfinished, data):
    page = write_report(unfinished, data).read_text()
    assert "This run is not finished: ffnet resume" in page
    assert "Accuracy, %" not in page
    assert "Learning" in page


def test_a_page_without_images_says_so(runs, tmp_path):
    page = write_report(runs["ff0"], out=tmp_path / "page.html").read_text()
    assert "data set was not at hand" in page
    assert "Class activation maps" not in page
    assert "Accuracy, %" in page


def test_a_page_shows_what_later_layers_are_offered(data, tmp_path):
    waves = {"net.label_every_layer": True, "net.offered_waves": 2, "data.limit": 100, "train.epochs": 1}
    run = ffnet.train(Config().replaced({**SMALL, **waves}), out=tmp_path / "run")
    page = write_report(run, data).read_text()
    assert "<h2>The label in later layers</h2>" in page
    assert "is offered 2 low waves of the label, a channel each" in page


def test_names_are_text_and_no_markup(runs, tmp_path):
    folder = tmp_path / "<img src=x>&"
    shutil.copytree(runs["ff0"].folder, folder)
    page = write_report(load_run(folder)).read_text()
    assert "<img src=x>" not in page
    assert "&lt;img src=x&gt;&amp;" in page


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"train.negatives": "uniform"},
            "Pure forward–forward: each layer learns from its own activity alone; the label enters only at the input",
        ),
        ({}, "Pure .* own activity, with wrong labels that the last layer takes for right; the label enters only"),
        ({"net.label_every_layer": True}, "Pure forward–forward: .* the label enters at every layer"),
        ({"net.label_every_layer": True, "labels.intensity": 0}, "Pure .* the label enters behind layer 1"),
        ({"net.first_layer": "with_next"}, "Not layer-local: layer 1 learns from layer 2's loss"),
        ({"net.detach": False}, "Not layer-local: the summed loss reaches back"),
        ({"algorithm": "bp"}, "Back-propagation: the baseline, not forward–forward"),
    ],
)
def test_the_verdict_on_purity(runs, values, words):
    run = ffnet.Run(runs["ff0"].folder, Config().replaced(values), runs["ff0"].about, runs["ff0"].net)
    assert re.match(words, verdict(run))


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
@pytest.mark.parametrize("width", [400, 1200])
def test_a_browser_shows_every_picture_and_nothing_sticks_out(runs, data, tmp_path, width):
    page = write_report(runs["ff0"], data, out=tmp_path / "page.html")
    look = """<script>addEventListener("load", () => {
      const shown = [...document.images].every(image => image.naturalWidth > 0);
      document.body.dataset.found = [document.images.length, shown, document.body.scrollWidth <= innerWidth];
    })</script></body>"""
    page.write_text(page.read_text().replace("</body>", look))
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},800",
         f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert re.search(r'data-found="7,true,true"', done.stdout), done.stderr[-500:]
