"""``make same-bits BASE=<commit>``: do the working tree and a commit give the same bits?

Both run `produce.py` with one thread in the same virtual environment; what the base gave is kept in build/ for the next
time. Tensors are compared bit by bit, metrics and results value by value, label sets by recipes and scores. Settings
and the version number are not compared. `RENAMED` lists the names that have changed since.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEPT = ROOT / "build" / "same-bits"

RENAMED: dict[str, str] = {
    "calibration.weight_L": "layer_weights.weight_L",
    **{f"readout.{name}": f"linear.{name}" for name in ("mean", "scale", "weight", "bias")},
}
"""Old names of tensors and of keys in JSON → new ones."""

REMOVED = {"calibration.offset_LC", "offered_code", "net.offered_code"}
"""Tensors that are no more."""


NOT_COMPARED = {"imprints", "version", "sha256", "labelers", "continued", "format"}
"""Keys in JSON that say how a file is written, or were added."""


def produce(tree: Path, folder: Path) -> None:
    """Let a tree fill a folder."""
    path = os.pathsep.join([str(tree), str(tree / "cli")])
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, HERE / "produce.py", folder], cwd=tree, env=env, check=True)


def of_base(commit: str) -> Path:
    """Return the folder that a commit filled, now or earlier."""
    sha = subprocess.check_output(["git", "rev-parse", commit], cwd=ROOT, text=True).strip()
    script = hashlib.sha256((HERE / "produce.py").read_bytes()).hexdigest()
    folder = KEPT / f"{sha[:12]}-{script[:12]}"
    if not folder.exists():
        with tempfile.TemporaryDirectory() as parent:
            tree, made = Path(parent) / "tree", Path(parent) / "made"
            subprocess.run(["git", "worktree", "add", "--detach", "--quiet", tree, sha], cwd=ROOT, check=True)
            try:
                produce(tree, made)
            finally:
                subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)
            KEPT.mkdir(parents=True, exist_ok=True)
            shutil.move(made, folder)
    return folder


def renamed(value):
    """Return JSON with the names of today."""
    if isinstance(value, dict):
        return {RENAMED.get(key, key): renamed(each) for key, each in value.items() if key not in NOT_COMPARED}
    return [renamed(each) for each in value] if isinstance(value, list) else value


def json_of(path: Path):
    """Return the values of a JSON or JSONL file, without what depends on the version number."""
    text = path.read_text()
    found = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
    for labels in [found, *(found.values() if path.name == "sets.json" else [])] if isinstance(found, dict) else []:
        if isinstance(labels, dict) and "labeler" in labels:
            del labels["sha256"], labels["labeler"]["distribution"], labels["labeler"]["version"]
    return found


def differences(base: Path, ours: Path) -> list[str]:
    """Return the files that differ, and how."""
    found = []
    named = {path.relative_to(base) for pattern in ("*.safetensors", "scores", "*.json", "*.jsonl")
             for path in base.rglob(pattern) if path.name not in ("timings.jsonl", "about.json", "seal.json")}  # fmt: skip
    for name in sorted(named):
        old, new = base / name, ours / name
        if not new.exists():
            found.append(f"{name}: is missing")
        elif name.suffix in (".json", ".jsonl"):
            if renamed(json_of(old)) != renamed(json_of(new)):
                found.append(f"{name}: other values")
        else:
            tensors = {RENAMED.get(key, key): t for key, t in load_file(old).items() if key not in REMOVED}
            others = load_file(new)
            if tensors.keys() != others.keys():
                found.append(f"{name}: other tensors, {sorted(tensors.keys() ^ others.keys())}")
            found += [
                f"{name}: {key} differs"
                for key in tensors.keys() & others.keys()
                if tensors[key].dtype != others[key].dtype or not torch.equal(tensors[key], others[key])
            ]
    return found


def main(commit: str) -> None:
    """Compare; exit 1 with what differs."""
    base = of_base(commit)
    with tempfile.TemporaryDirectory() as parent:
        ours = Path(parent) / "made"
        produce(ROOT, ours)
        found = differences(base, ours)
    print("\n".join(found) or f"the same bits as {commit}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
