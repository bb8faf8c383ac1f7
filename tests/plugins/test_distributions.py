"""The three plugins, as pip installs them: found, checked, selected from, trained on, missed once they are gone."""

import json

import pytest
from conftest import ROOT
from installed import SHORT

pytestmark = pytest.mark.slow

PLUGINS = ("gabor", "walsh", "wavelet")
LABELERS = {"gabor": "gabor", "walsh": "walsh", "walsh-code": "walsh", "wavelet": "wavelet"}
"""Labeler → the plugin that has it."""


@pytest.fixture(scope="module")
def installed(environment):
    environment.pip("install", *(f"./plugins/fflabels-{name}" for name in PLUGINS))
    return environment


def test_they_are_found_and_each_loads(installed, tmp_path):
    done = installed.command("fflabels", "plugins", "list", "--check", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    states = {e["name"]: (e["state"], e["distribution"], e["version"]) for e in json.loads(done.stdout)}
    assert {name: states[name] for name in LABELERS} == {
        name: ("ok", f"fflabels-{plugin}", "0.1.0") for name, plugin in LABELERS.items()
    }
    assert installed.command("fflabels", "doctor", "--check", cwd=tmp_path).returncode == 0


def test_their_own_tests_pass(installed):
    folders = [f"fflabels-{name}/tests" for name in PLUGINS]
    done = installed.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *folders, cwd=ROOT / "plugins")
    assert done.returncode == 0, done.stdout


def test_the_commands_take_them(installed, tmp_path):
    gabor = ("--kind", "gabor", "--param", "spread=0.3", "--candidates", "40")
    done = installed.command("fflabels", "select", *gabor, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert installed.command("fflabels", "show", "labels-gabor-10.json", cwd=tmp_path).returncode == 0
    document = json.loads((tmp_path / "labels-gabor-10.json").read_text())
    assert document["labeler"] == {
        "name": "gabor", "distribution": "fflabels-gabor", "version": "0.1.0",
        "params": {"min_frequency": 1.0, "max_frequency": 8.0, "spread": 0.3},
    }  # fmt: skip
    compared = installed.command(
        "fflabels", "compare", "walsh", "wavelet levels=1", "--n", "5", "--candidates", "30", "--json", cwd=tmp_path
    )
    found = {(r["kind"], r["params"], r["metric"]): r["selected"] for r in json.loads(compared.stdout)}
    codes = ("--kind", "walsh-code", "--shape", "64x1x1", "--candidates", "40")
    done = installed.command("fflabels", "select", "--n", "20", *codes, cwd=tmp_path)
    assert "pearson       0.000" in done.stdout, done.stderr
    assert found["walsh", "", "pearson"] < 1e-6 < found["wavelet", "levels=1", "pearson"] < 1


@pytest.mark.parametrize("labels", ["walsh", "wavelet"])
def test_networks_train_on_them(installed, tmp_path, labels):
    done = installed.command("ffnet", "train", "--labels", labels, *SHORT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"run folder: runs/digits-{labels}-0" in done.stdout


def test_a_set_and_a_run_of_one_that_is_gone_say_what_to_install(environment, tmp_path):
    environment.pip("install", "./plugins/fflabels-walsh")
    chosen = ("--kind", "walsh", "--shape", "1x16x16", "--candidates", "40")
    environment.command("fflabels", "select", *chosen, cwd=tmp_path)
    environment.command("ffnet", "train", "--labels", "labels-walsh-10.json", *SHORT, cwd=tmp_path)
    environment.pip("uninstall", "--yes", "fflabels-walsh")
    missing = (
        "made by the labeler walsh of fflabels-walsh 0.1.0, which is not installed (pip install fflabels-walsh==0.1.0)"
    )
    [run] = (tmp_path / "runs").iterdir()
    for command, where in ((("fflabels", "score", "labels-walsh-10.json"), "labels-walsh-10.json"),
                           (("ffnet", "eval", str(run)), f"{run}/labels.json")):  # fmt: skip
        done = environment.command(*command, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (1, f"Error: {where}: {missing}\n")
