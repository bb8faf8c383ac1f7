"""Installed distributions that are broken in every way: each harms only the command that names it, and is named there."""

import json
import re
import textwrap
import time
from pathlib import Path

import pytest
from commands import start

pytestmark = pytest.mark.slow

SOUND = """
import numpy as np
from fflabels import FFLabelsError, Labeler, Recipe
from fflabels.arrays import array_namespace, constant_like

class StripeRecipe(Recipe, frozen=True):
    period: float

class Stripes(Labeler):
    name = "{name}"
    image_independent = True
    recipe_type = StripeRecipe

    def propose(self, rng, shape):
        {propose}
        return StripeRecipe(float(rng.integers(2, 99)))

    def imprint(self, images, recipe):
        {imprint}
        stripes = np.arange(images.shape[-1]) % recipe.period < recipe.period / 2
        imprint = array_namespace(images).broadcast_to(constant_like(stripes, images), images.shape)
        {result}

{after}
"""
RETURN = "return imprint"


def labeler(propose="pass", imprint="pass", result=RETURN, after=""):
    return lambda name: SOUND.format(name=name, propose=propose, imprint=imprint, result=result, after=after)


NETWORK = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/weights', timeout=1)"
BROKEN = {
    "importless": ("import no_such_module", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
    "leaving": ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
    "gone": ("import os; os._exit(7)", "the process ended with code 7"),
    "crashing": ("import ctypes; ctypes.string_at(0)", "the process was killed by signal 11"),
    "classless": ("Stripes = 5", "not a labeler; got 5; expected a subclass of fflabels.Labeler"),
    "functional": ("def Stripes(): pass", "not a labeler; got <function Stripes"),
    "signature": (labeler(after="Stripes.propose = lambda self: StripeRecipe(2.0)"), "TypeError: .*takes 1 positional argument"),
    "future": (labeler(after="Stripes.api_version = 2"), "written for another version of the contract; got 2; expected 1"),
    "infinite": (labeler("return StripeRecipe(float('inf'))"), "ValidationError: Expected a finite number, got `inf`"),
    "mutating": (labeler(imprint="images *= 0"), "changes its images in place .ValueError: output array is read-only"),
    "nan": (labeler(result="return imprint * np.nan"), "imprint with NaN or infinite pixels"),
    "reshaping": (labeler(result="return imprint[..., 1:]"), r"imprint of a wrong shape or type; got float32 \(1, 1, 16, 15\)"),
    "doubling": (labeler(result="return imprint.astype(float)"), "imprint of a wrong shape or type; got float64"),
    "online": (labeler(NETWORK), "URLError: .*Connection refused"),
    "interrupting": (labeler("raise KeyboardInterrupt('stop')"), "KeyboardInterrupt: stop"),
    "loud": (labeler("import sys; sys.stderr.write('x' * 9_000_000); import os; os._exit(3)"), "the process ended with code 3: x{200}\n"),
    "needy": (labeler(after="from fflabels import Params\nclass P(Params, frozen=True):\n    width: int\nStripes.params_type = P"),
              "parameters without a default; got width"),
    "shapeless": ("", "its entry point is not module:Class; got nothing"),
    "relative": ("", r"its entry point is not module:Class; got \.relative:Stripes"),
    "exiting": (labeler("import os; os._exit(0)"), "the process ended with code 0"),
}  # fmt: skip
LATE = {
    "gambling": (labeler("np.random.seed(0)"), "global_random_state: the global state of numpy.random"),
    "numpy": (labeler(result="return np.array(imprint)"), "torch_tensors: imprint on a tensor"),
}  # fmt: skip
HANGING = {
    "hanging": ("while True: pass", "not done within"),
    "endless": (labeler("while True: pass"), "not done within"),
}
VALUES = {"shapeless": "nothing", "relative": ".relative:Stripes"}
SPAWNING = {
    "forking": labeler("import os, time\n        os.fork() or time.sleep(1000)"),
    "threaded": labeler("import threading, time\n        threading.Thread(target=time.sleep, args=(1000,)).start()"),
}
TWICE = {"twice": labeler(), "twice-too": labeler()}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with all of them, as pip would install them."""
    folder = tmp_path_factory.mktemp("site")

    def install(distribution, name, code):
        module = distribution.replace("-", "_")
        (folder / f"{module}.py").write_text(textwrap.dedent(code(name) if callable(code) else code))
        info = folder / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        value = VALUES.get(name, f"{module}:Stripes")
        (info / "entry_points.txt").write_text(f"[fflabels.labelers]\n{name} = {value}\n")

    for name, (code, _) in {**BROKEN, **LATE, **HANGING}.items():
        install(f"ffl-{name}", name, code)
    for distribution, code in TWICE.items():
        install(f"ffl-{distribution}", "twice", code)
    for name, code in SPAWNING.items():
        install(f"ffl-{name}", name, code)
    (folder / "nameless-1.dist-info").mkdir()
    (folder / "nameless-1.dist-info" / "entry_points.txt").write_text("[fflabels.labelers]\nnameless = none:None\n")
    install("ffl-sound", "sound", labeler())
    install(
        "ffl-large", "large", labeler("if shape[1] < 20: raise FFLabelsError('too small', where='shape', got=shape)")
    )
    return folder


@pytest.fixture
def run(site, tmp_path):
    def command(*arguments, **environment):
        environment = {"PYTHONPATH": f"{site}", "PATH": "", **environment}
        return start(*arguments, cwd=tmp_path, env=environment).end(120)

    return command


FEW = ("--epochs", "1", "--set=data.limit=100", "--set=labels.candidates=16", "--set=net.widths=[4,4,4]")
POOL = ("--n", "2", "--candidates", "3", "--shape", "1x16x16")


@pytest.mark.parametrize(
    "arguments",
    [
        ["fflabels", "--help"],
        ["fflabels", "--version"],
        ["fflabels", "list"],
        ["fflabels", "plugins"],
        ["fflabels", "plugins", "list", "--json"],
        ["fflabels", "doctor", "--json"],
        ["fflabels", "select", "--help"],
        ["fflabels", "select", "--kind", "fourier", *POOL],
        ["fflabels", "score", "fourier:paper10"],
        ["fflabels", "select", "--kind", "sound", *POOL],
        ["ffnet", "--help"],
        ["ffnet", "presets"],
        ["ffnet", "train", "--labels", "sound", *FEW],
    ],
    ids=" ".join,
)
def test_commands_that_do_not_name_a_broken_one_work(run, arguments):
    done = run(*arguments)
    assert "Error" not in done.stderr
    if "doctor" in arguments:  # it says what is ambiguous
        assert done.returncode == 1
        expected = "more than one distribution|entry point is not module:Class|no module none"
        assert all(re.search(expected, trouble) for trouble in json.loads(done.stdout)["troubles"])
    else:
        assert done.returncode == (2 if arguments[-1] == "plugins" else 0), done.stderr


@pytest.mark.parametrize("name", BROKEN)
def test_the_command_that_names_one_says_which_and_what(run, name):
    done = run("fflabels", "select", "--kind", name, *POOL)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    expected = rf"^Error: labeler {name} of ffl-{name} 1\.2: {BROKEN[name][1]}"
    assert re.search(expected, done.stderr), done.stderr


def test_training_names_it_too(run):
    done = run("ffnet", "train", "--labels", "gone")
    assert (done.returncode, done.stderr) == (
        1, "Error: labeler gone of ffl-gone 1.2: the process ended with code 7\n"
    )  # fmt: skip


def test_one_that_draws_on_numpy_alone_is_named_in_training(run):
    done = run("ffnet", "train", "--labels", "numpy", *FEW)
    assert done.stderr.endswith(
        "Error: labeler numpy of ffl-numpy 1.2: imprint of a wrong shape or type; got float32 (1, 1, 16, 16); "
        "expected torch.float32 (1, 1, 16, 16)\n"
    )


def test_one_that_refuses_small_images_is_not_broken(run):
    assert run("fflabels", "select", "--kind", "large", "--n", "2", "--candidates", "3").returncode == 0
    done = run("fflabels", "select", "--kind", "large", *POOL)
    assert done.stderr == "Error: labeler large of ffl-large 1.2: shape: too small; got (1, 16, 16)\n"


@pytest.mark.parametrize("name", SPAWNING)
def test_what_a_plugin_starts_ends_with_its_trial(run, name):
    done = run("fflabels", "plugins", "check", name, "--json")
    failed = {r["check"]: r["message"] for r in json.loads(done.stdout)["results"] if r["status"] == "failed"}
    assert set(failed) - {"pace"} == ({"no_outside_access"} if name == "forking" else set())  # a busy machine is slow
    deadline = time.monotonic() + 10  # who is killed takes a moment to be gone
    while (left := _running(name)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


def _running(name):
    return [c for c in Path("/proc").glob("[0-9]*/cmdline") if f"\0{name}\0".encode() in _content(c)]


def _content(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_two_owners_are_both_named(run):
    done = run("fflabels", "select", "--kind", "twice", *POOL)
    assert "twice exists in several distributions (say which: ffl-twice:twice (1.2), ffl-twice-too:twice" in done.stderr
    assert run("fflabels", "select", "--kind", "ffl-twice-too:twice", *POOL).returncode == 0


def test_one_that_hangs_is_named_in_time(run):
    for name in HANGING:
        done = run("fflabels", "plugins", "check", name, "--time-limit", "5")
        assert done.returncode == 1
        assert "failed: loads: not done within 5 s" in done.stdout
        assert "0 passed, 1 failed, 21 skipped" in done.stdout


@pytest.mark.parametrize("name", LATE)
def test_a_check_fails_what_only_a_check_sees(run, name):
    found = json.loads(run("fflabels", "plugins", "check", name, "--json").stdout)
    [failed] = [r for r in found["results"] if r["status"] == "failed"]
    assert f"{failed['check']}: {failed['message']}".startswith(LATE[name][1])


def test_the_list_tells_all_apart(run):
    some = "sound,gambling,gone,leaving,nan,endless,twice"
    done = run("fflabels", "plugins", "list", "--check", "--json", "--time-limit", "6", FFLABELS_PLUGINS=some)
    assert done.returncode == 1
    found = {(e["distribution"], e["name"]): (e["state"], e["trouble"]) for e in json.loads(done.stdout)}
    assert {name: state for (_, name), (state, _) in found.items()} == {
        "code": "builtin", "fourier": "builtin", "morph": "builtin", "onehot": "builtin", "waves": "builtin", "sound": "ok", "gambling": "ok",
        "gone": "broken", "leaving": "broken", "nan": "broken", "endless": "broken", "twice": "ambiguous",
    }  # fmt: skip
    assert found["ffl-gone", "gone"][1] == "labeler gone of ffl-gone 1.2: the process ended with code 7"
    assert found["ffl-endless", "endless"][1] == "labeler endless of ffl-endless 1.2: not done within 6 s"


def test_the_environment_leaves_plugins_out(run):
    listed = json.loads(run("fflabels", "plugins", "list", "--json", FFLABELS_PLUGINS="sound,ffl-nan").stdout)
    assert [e["name"] for e in listed if e["state"] != "builtin"] == ["nan", "sound"]
