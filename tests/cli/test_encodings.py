"""What a terminal cannot show, what a shell leaves empty, and interrupts that come as other errors."""

import io
import subprocess
import sys

import pytest
from fflabels_cli.app import _empty, _interrupted
from fflabels_cli.encodings import write_in_any_encoding


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", "d' 0-4 >= 2 3x3 e ? ..."),
        ("latin-1", "d' 0-4 >= 2 3×3 é ? ..."),
        ("cp1252", "d' 0–4 >= 2 3×3 é ? …"),
        ("utf-8", "d′ 0–4 ≥ 2 3×3 é 字 …"),
    ],
)
def test_output_in_any_encoding(monkeypatch, encoding, shown):
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding=encoding))
    monkeypatch.setattr("sys.stderr", None)
    write_in_any_encoding()
    sys.stdout.write("d′ 0–4 ≥ 2 3×3 é 字 …")
    sys.stdout.flush()
    assert written.getvalue().decode(encoding) == shown


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["select", "--references", "", "--n", "2"], "an empty argument after --references"),
        (["select", "--references="], "an empty argument after --references"),
        (["score", ""], "an empty argument"),
        ([""], "an empty argument"),
        (["select", "--n", "2"], None),
        (["train", "--set", "a="], None),
        ([], None),
    ],
)
def test_empty_arguments_are_found(arguments, found):
    assert _empty(arguments) == found


def test_an_interrupt_behind_another_error_is_one():
    def disguised():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise RuntimeError("Error calling __set_name__") from error

    with pytest.raises(RuntimeError) as caught:
        disguised()
    assert _interrupted(caught.value)
    assert not _interrupted(RuntimeError("other"))


@pytest.mark.slow
def test_commands_work_without_docstrings(tmp_path):
    program = "import sys; sys.argv = sys.argv[1:]; from fflabels_cli.app import fflabels; fflabels()"
    small = [
        "--n",
        "2",
        "--kind",
        "fourier",
        "--candidates",
        "5",
        "--shape",
        "1x8x8",
        "--out",
        str(tmp_path / "x.json"),
    ]
    done = subprocess.run([sys.executable, "-OO", "-c", program, "fflabels", "select", *small], capture_output=True)
    assert done.returncode == 0, done.stderr
