"""The report of a run: its sections, what it says where something is missing, and how a browser shows it."""

import dataclasses
import html
import itertools
import re
import shlex
import shutil
import subprocess

import msgspec
import pytest
from click.testing import CliRunner
from fflabels_cli.app import ffnet_group
from reference import SMALL_TRAINED as SMALL

import ffnet
from fflabels.errors import FFLabelsError
from ffnet.config import Config
from ffnet.report.advice import advice
from ffnet.report.headline import _baseline_command
from ffnet.report.page import verdict, write_report
from ffnet.runs.folder import load_run

pytestmark = pytest.mark.slow


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
        assert not re.findall(r'(?:src|href)="(?!data:image/png;base64,|#)', page)
        assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
        headings = re.findall(r'<h2 id=".*?">(.*?)</h2>', page)
        shared = ["Accuracy, %", "Learning", "Confusion matrices", "Most confident mistakes", "Class activation maps",
                  "Use this net", "Settings", "Provenance"]  # fmt: skip
        own = {"Labels", "Each layer alone", "Label confusions"} if name == "ff0" else set()
        assert set(headings) == {*shared, *own}
        assert re.findall(r'<a href="#.*?">(.*?)</a>', page) == headings
    assert "Back-propagation: the baseline" in page


def test_the_headline_has_chance_the_untrained_net_and_back_propagation(runs, tmp_path):
    page = write_report(runs["ff0"], out=tmp_path / "page.html", baseline=runs["bp"]).read_text()
    test, bars = runs["ff0"].results.test, re.findall(r"<dt>(.*?)</dt>\s*<dd.*?>([\d.]+)</dd>", page)
    expected = {
        "goodness": test.goodness.accuracy, "goodness, untrained net": test.goodness.untrained,
        "linear": test.linear.accuracy, "linear, untrained net": test.linear.untrained,
        "back-propagation": runs["bp"].results.test.bp.accuracy, "guessing": 0.1,
    }  # fmt: skip
    assert dict(bars) == {name: f"{100 * share:.1f}" for name, share in expected.items()}
    assert f"{100 * test.linear.accuracy:.1f} % of 360 test images recognised" in page
    assert "--algorithm bp" not in page


def test_without_a_baseline_the_page_says_how_to_make_one(runs, tmp_path):
    page = write_report(runs["ff0"], out=tmp_path / "page.html").read_text()
    command = html.unescape(re.search(r"To compare with back-propagation: (.*?), then", page)[1])
    done = CliRunner().invoke(ffnet_group, [*shlex.split(command)[1:-1], str(tmp_path / "bp")])
    assert done.exit_code == 0, done.output
    baseline = load_run(tmp_path / "bp")
    assert (baseline.config.algorithm, baseline.config.net) == ("bp", runs["ff0"].config.net)
    folder, page = str(runs["ff0"].folder), tmp_path / "beside.html"
    done = CliRunner().invoke(ffnet_group, ["report", folder, "--beside", str(tmp_path / "bp"), "--out", str(page)])
    assert done.exit_code == 0, done.output
    assert "back-propagation</dt>" in page.read_text()


def test_the_command_for_a_baseline_fits_nets_of_any_depth_and_names_the_folder_of_the_data():
    config = ffnet.load_preset("paper-cifar10-fourier").config.replaced({"data.root": "some where"})
    words = shlex.split(_baseline_command(config))
    assert words[:6] == ["ffnet", "train", "--dataset", "cifar10", "--data", "some where"]
    settings = [word for option, word in itertools.pairwise(words) if option == "--set"]
    baseline = ffnet.load_preset("quick-cifar10").config.override(["algorithm=bp", *settings])
    assert baseline.net.widths == config.net.widths


def test_what_discrimination_is_depends_on_the_loss(runs, tmp_path):
    for loss, words in (
        ("bce", "above the threshold with the right label"),
        ("softmax", "higher goodness than a wrong"),
    ):
        config = runs["ff0"].config.override([f"train.loss={loss}"])
        page = write_report(dataclasses.replace(runs["ff0"], config=config), out=tmp_path / f"{loss}.html").read_text()
        assert words in page


def test_a_run_on_data_from_python_names_no_command_for_a_baseline(data, tmp_path):
    given = ffnet.Data.from_arrays(data.train.images[:60], data.train.classes[:60], name="mine")
    config = ffnet.Config().replaced({**SMALL, "train.epochs": 1, "data.limit": None})
    run = ffnet.train(config, data=given, out=tmp_path / "run")
    assert "To compare with back-propagation" not in write_report(run, out=tmp_path / "page.html").read_text()


def test_a_baseline_is_a_finished_run_on_the_same_data(runs, unfinished, tmp_path):
    with pytest.raises(FFLabelsError, match="not finished"):
        write_report(runs["ff0"], out=tmp_path / "page.html", baseline=unfinished)
    about = runs["bp"].about
    other = msgspec.structs.replace(about, data=msgspec.structs.replace(about.data, sha256="0"))
    unread = dataclasses.replace(runs["bp"], results=msgspec.structs.replace(runs["bp"].results, test=None))
    with pytest.raises(FFLabelsError, match="has no accuracy to show beside; expected test images"):
        write_report(runs["ff0"], out=tmp_path / "page.html", baseline=unread)
    with pytest.raises(FFLabelsError, match="another data set"):
        write_report(runs["ff0"], out=tmp_path / "page.html", baseline=dataclasses.replace(runs["bp"], about=other))


def test_the_snippet_loads_the_net(runs, tmp_path):
    page = write_report(runs["ff0"], out=tmp_path / "page.html").read_text()
    snippet = html.unescape(re.search(r"<pre><code>(import ffnet.*?)</code></pre>", page, re.DOTALL)[1])
    names: dict = {}
    exec(snippet, names)
    assert len(names["predicted"]) == 8


def advised(run, **changes):
    """Return the advice on a run whose validation accuracies and last metrics are changed."""
    metrics = [*run.metrics[:-1], {**run.metrics[-1], "dead_layers": changes.pop("dead", [])}]
    accuracies = {
        name: msgspec.structs.replace(accuracy, **changes.get(name, {}))
        for name, accuracy in run.results.validation.accuracies.items()
    }
    validation = msgspec.structs.replace(run.results.validation, accuracies=accuracies)
    results = msgspec.structs.replace(run.results, validation=validation)
    return " ".join(advice(dataclasses.replace(run, metrics=metrics, results=results)))


def test_advice(runs):
    run, learned = runs["ff0"], {"accuracy": 0.9, "untrained": 0.5, "confusion": [[2, 0], [1, 2]]}
    assert advised(run, goodness=learned, linear=learned) == ""
    assert "30.0 points below linear: train longer" in advised(
        run, goodness={**learned, "accuracy": 0.6}, linear=learned
    )
    assert "Layer 2 never fires" in advised(run, goodness=learned, linear=learned, dead=[2])
    poor = {**learned, "accuracy": 0.5}
    assert "no better on this net than on the untrained one" in advised(run, goodness=learned, linear=poor)
    one = {**learned, "confusion": [[3, 0], [2, 0]]}
    assert "predicts 0 for every image" in advised(run, goodness=one, linear=learned)
    few = {**learned, "confusion": [[3, 0, 0], [2, 1, 0], [0, 1, 0]]}
    assert "never predicts 2: look at its images" in advised(run, goodness=few, linear=learned)


def test_an_unfinished_run_has_a_page_that_says_so(unfinished, data):
    page = write_report(unfinished, data).read_text()
    assert f"This run is not finished: ffnet resume {unfinished.folder} continues it" in page
    assert "Accuracy, %" not in page
    assert "Learning" in page


def test_a_page_without_images_says_so(runs, tmp_path):
    page = write_report(runs["ff0"], out=tmp_path / "page.html").read_text()
    assert "data set was not available" in page
    assert "Class activation maps" not in page
    assert "Accuracy, %" in page


def test_a_page_shows_what_later_layers_receive(data, tmp_path):
    waves = {
        "labels.layers.set": "waves:reed-solomon",
        "labels.layers.channels": 2,
        "data.limit": 100,
        "train.epochs": 1,
    }
    run = ffnet.train(Config().replaced({**SMALL, **waves}), out=tmp_path / "run")
    page = write_report(run, data).read_text()
    assert ">The label in later layers</h2>" in page
    assert "Each layer after the first also receives 2 patterns of the label as channels." in page


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
        ({}, "Pure .* own activity and from wrong labels drawn by the last layer's goodness; the label enters only"),
        ({"labels.layers.set": "imprint"}, "Pure forward–forward: .* the label enters at every layer"),
        ({"labels.layers.set": "imprint", "labels.intensity": 0}, "Pure .* the label enters after layer 1"),
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


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["fourier", "code:groups"])
def test_of_many_labels_the_first_are_shown(labels, tmp_path, monkeypatch):
    monkeypatch.setattr("ffnet.report.label_sections.MAX_LABELS", 4)
    small = {"data.limit": 60, "labels.candidates": 16, "net.widths": [16, 32], "net.pools": [2, 1]}
    run = ffnet.train(labels=labels, epochs=1, out=tmp_path / "run", **small, **{"inference.linear_epochs": 1})
    assert "The first 4 of 10." in write_report(run, run.data()).read_text()
