"""The picture reader against Pillow and tifffile: colours, depth, orientation, frames and pages, refusals."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from fflabels import FFLabelsError, References, load_references
from fflabels.errors import PictureWarning
from fflabels.images import load_classed, read_file, read_picture

H, W = 12, 18
RNG = np.random.default_rng(0)
SMOOTH = np.asarray(Image.fromarray(RNG.integers(0, 256, (4, 5, 3), dtype=np.uint8)).resize((W, H)))
PICTURE = Image.fromarray(SMOOTH)
GREY = np.asarray(PICTURE.convert("L"))


def values(path):
    """Return all images of a file as parts of white."""
    stack = read_file(Path(path))
    return np.stack([image.values / image.white for image in stack.pick(range(stack.count))])


def as_rgb(path):
    """Return what Pillow shows of a file's first page, in RGB."""
    with Image.open(path) as opened:
        return np.asarray(ImageOps.exif_transpose(opened).convert("RGB")) / 255


def shown(path):
    """Return the reader's one image as RGB."""
    [image] = values(path)
    return np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0)


# Colours


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "RGBA", "LA"])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
def test_a_tiff_has_the_colours_that_pillow_shows(tmp_path, mode, compression):
    if mode == "YCbCr" and compression != "raw":
        pytest.skip("Pillow writes it uncompressed only")
    picture = PICTURE.quantize(16) if mode == "P" else PICTURE.convert(mode)
    picture.save(tmp_path / "x.tif", compression=compression)
    np.testing.assert_allclose(shown(tmp_path / "x.tif"), as_rgb(tmp_path / "x.tif"), atol=1e-6)


def test_inks_of_16_bits_are_refused_with_advice_that_helps(tmp_path):
    inks = np.asarray(PICTURE.convert("CMYK")).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "x.tif", inks, photometric="separated")
    with pytest.raises(FFLabelsError, match=r"Pillow keeps 8 of 16 bits; got SEPARATED NONE \(convert it to RGB\)"):
        values(tmp_path / "x.tif")


def test_lab_is_converted(tmp_path):
    from PIL import ImageCms

    lab = ImageCms.profileToProfile(
        PICTURE, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    lab.save(tmp_path / "x.tif")
    np.testing.assert_allclose(shown(tmp_path / "x.tif"), SMOOTH / 255, atol=0.06)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_min_is_white_is_inverted(tmp_path, dtype):
    deep = GREY.astype(dtype) * (1 if dtype == np.uint8 else 257)
    tifffile.imwrite(tmp_path / "w.tif", np.iinfo(dtype).max - deep, photometric="miniswhite")
    np.testing.assert_allclose(values(tmp_path / "w.tif")[0, 0], GREY / 255, atol=1e-6)


def test_fax_pages_are_as_pillow_shows_them(tmp_path):
    PICTURE.convert("1").save(tmp_path / "fax.tif", compression="group4")
    np.testing.assert_array_equal(shown(tmp_path / "fax.tif"), as_rgb(tmp_path / "fax.tif"))


def test_palettes_of_tifffile(tmp_path):
    palette = RNG.integers(0, 256, (3, 256)).astype(np.uint16) * 257
    indices = RNG.integers(0, 256, (H, W), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "p.tif", indices, photometric="palette", colormap=palette)
    np.testing.assert_allclose(values(tmp_path / "p.tif")[0], palette[:, indices] / 65535, atol=1e-6)
    np.testing.assert_allclose(shown(tmp_path / "p.tif"), as_rgb(tmp_path / "p.tif"), atol=1e-6)


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_transparent_tiffs_lie_on_white(tmp_path, kind, planes):
    alpha = RNG.integers(0, 256, (H, W, 1), dtype=np.uint8)
    colours = SMOOTH if kind == "unassalpha" else (SMOOTH * (alpha / 255)).round().astype(np.uint8)
    pixels = np.concatenate([colours, alpha], axis=2)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels if planes == "contig" else pixels.transpose(2, 0, 1),
        photometric="rgb", planarconfig=planes, extrasamples=[kind],
    )  # fmt: skip
    white = Image.new("RGBA", (W, H), "white")
    laid = Image.alpha_composite(white, Image.fromarray(np.concatenate([SMOOTH, alpha], axis=2), "RGBA"))
    np.testing.assert_allclose(shown(tmp_path / "a.tif"), np.asarray(laid.convert("RGB")) / 255, atol=0.006)


@pytest.mark.parametrize("suffix", ["png", "webp", "gif"])
def test_transparent_pictures_lie_on_white(tmp_path, suffix):
    clear = Image.new("RGBA", (W, H), (0, 0, 0, 0))
    clear.paste(PICTURE, (0, 0), Image.new("L", (W // 2, H)).resize((W, H)))
    clear.save(tmp_path / f"x.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    assert (shown(tmp_path / f"x.{suffix}") == 1).all()


# Depth


def write_png16(path, pixels, clear=None, interlaced=False):
    """Write (H, W, C) of 16 bits without Pillow, every row with another filter."""
    height, width, channels = pixels.shape
    rows, above = b"", np.zeros(width * channels * 2, np.int64)
    for y, row in enumerate(pixels):
        now = np.frombuffer(row.astype(">u2").tobytes(), np.uint8).astype(np.int64)
        left = np.concatenate([np.zeros(2 * channels, np.int64), now[: -2 * channels]])
        corner = np.concatenate([np.zeros(2 * channels, np.int64), above[: -2 * channels]])
        estimate = left + above - corner
        away = np.abs(np.stack([left, above, corner]) - estimate)
        paeth = np.choose(away.argmin(axis=0), [left, above, corner])
        guess = [np.zeros_like(now), left, above, (left + above) // 2, paeth][y % 5]
        rows += bytes([y % 5]) + ((now - guess) % 256).astype(np.uint8).tobytes()
        above = now

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    body = chunk(b"IHDR", head) + (chunk(b"tRNS", np.array(clear, ">u2").tobytes()) if clear is not None else b"")
    body += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_keeps_its_16_bits(tmp_path, channels):
    pixels = RNG.integers(0, 4096, (H, W, channels))
    write_png16(tmp_path / "x.png", pixels)
    [image] = read_file(tmp_path / "x.png").pick([0])
    np.testing.assert_array_equal(image.values, pixels.transpose(2, 0, 1))
    assert image.white == 65535
    found = load_references(tmp_path / "x.png", (channels, H, W), value_range="auto").images[0]
    np.testing.assert_allclose(found, pixels.transpose(2, 0, 1) / 4095, atol=1e-6)


@pytest.mark.parametrize("channels", [2, 4])
def test_a_transparent_png_of_16_bits_lies_on_white(tmp_path, channels):
    pixels = RNG.integers(0, 65536, (H, W, channels))
    write_png16(tmp_path / "x.png", pixels)
    colours, opacity = pixels[..., :-1] / 65535, pixels[..., -1:] / 65535
    laid = (colours * opacity + 1 - opacity).transpose(2, 0, 1)
    np.testing.assert_allclose(values(tmp_path / "x.png")[0], laid, atol=1e-5)


def test_the_transparent_colour_of_a_png_of_16_bits_is_white(tmp_path):
    pixels = RNG.integers(0, 65536, (H, W, 3))
    write_png16(tmp_path / "x.png", pixels, clear=pixels[2, 3])
    found = values(tmp_path / "x.png")[0]
    assert (found[:, 2, 3] == 1).all()
    np.testing.assert_allclose(found[:, 5, 5], pixels[5, 5] / 65535)


def test_a_ppm_keeps_its_16_bits(tmp_path):
    pixels = RNG.integers(0, 4096, (H, W, 3))
    (tmp_path / "x.ppm").write_bytes(b"P6\n%d %d\n4095\n" % (W, H) + pixels.astype(">u2").tobytes())
    np.testing.assert_allclose(values(tmp_path / "x.ppm")[0], pixels.transpose(2, 0, 1) / 4095)
    (tmp_path / "x.pgm").write_bytes(b"P5\n%d %d\n4095\n" % (W, H) + pixels[..., 0].astype(">u2").tobytes())
    np.testing.assert_allclose(values(tmp_path / "x.pgm")[0, 0], pixels[..., 0] / 4095, atol=1e-5)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_deep_tiffs(tmp_path, compression, order):
    pixels = RNG.integers(0, 65536, (H, W, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="rgb", compression=compression, byteorder=order)
    np.testing.assert_allclose(values(tmp_path / "x.tif")[0], pixels.transpose(2, 0, 1) / 65535)


def test_a_compressed_tiff_is_read_by_pillow_unless_bits_would_be_lost(tmp_path):
    deep = RNG.integers(0, 65536, (H, W), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.tif", compression="tiff_lzw")
    np.testing.assert_allclose(values(tmp_path / "deep.tif")[0, 0], deep / 65535)
    PICTURE.save(tmp_path / "jpeg.tif", compression="jpeg")
    np.testing.assert_allclose(shown(tmp_path / "jpeg.tif"), as_rgb(tmp_path / "jpeg.tif"), atol=1e-6)


RAMP = np.linspace(0, 4095, 32 * 48).reshape(32, 48).astype(np.uint16)
"""12 bits, smooth, so that JPEG changes little."""

COLOURS = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], -1)
TWELVE, COLOUR = {"bitspersample": 12}, {"photometric": "rgb"}
CODECS = {
    "packed.tif": (RAMP, TWELVE, 4095, 0),
    "lzw.tif": (16 * COLOURS, {**COLOUR, "compression": "lzw"}, 65535, 0),
    "zstd.tif": (RAMP, {"compression": "zstd"}, 65535, 0),
    "jpeg.tif": (RAMP, {**TWELVE, "compression": "jpeg"}, 4095, 0.01),
    "colour-jpeg.tif": (COLOURS, {**COLOUR, **TWELVE, "compression": "jpeg"}, 4095, 0.03),
}


def write_coded(folder, name):
    pytest.importorskip("imagecodecs", reason="the extra tiff is not installed")
    pixels, options, _, _ = CODECS[name]
    tifffile.imwrite(folder / name, pixels, **options)


@pytest.mark.parametrize("name", CODECS)
def test_a_tiff_of_rare_codecs_is_read_with_all_its_bits_by_the_extra(tmp_path, name):
    write_coded(tmp_path, name)
    pixels, _, white, tolerance = CODECS[name]
    expected = (pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None]) / white
    np.testing.assert_allclose(values(tmp_path / name)[0], expected, atol=tolerance + 1e-6)


@pytest.mark.slow
def test_without_the_extra_it_is_named_or_pillow_reads_all_bits(tmp_path):
    for name in CODECS:
        write_coded(tmp_path, name)
    code = """
import sys, warnings
import numpy as np
sys.modules["imagecodecs"] = None  # as if it were not installed
from fflabels import load_references
warnings.simplefilter("ignore")
for path in sys.argv[1:]:
    try:
        print(len(np.unique(load_references(path, (3 if "lzw" in path or "colour" in path else 1, 32, 48)).images)))
    except ValueError as error:
        print(error)
"""
    paths = [str(tmp_path / name) for name in CODECS]
    found = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True).stdout
    for name, line in zip(CODECS, found.splitlines(), strict=True):
        assert 'pip install "fflabels[tiff]' in line or int(line) > 1000, (name, line)
    assert found.count('pip install "fflabels[tiff]') >= 2


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif", "lzw.tif", "deep.png"])
def test_pictures_are_turned_upright(tmp_path, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    if name == "x.tif":
        tifffile.imwrite(tmp_path / name, SMOOTH, photometric="rgb", extratags=[(0x0112, "H", 1, orientation, True)])
    else:
        picture = Image.fromarray(GREY.astype(np.uint16) * 257) if name == "deep.png" else PICTURE
        picture.save(tmp_path / name, exif=exif, **({"compression": "tiff_lzw"} if name == "lzw.tif" else {}))
    with Image.open(tmp_path / name) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened)) / (65535 if name == "deep.png" else 255)
    found = values(tmp_path / name)[0]
    assert found.shape[1:] == ((W, H) if orientation > 4 else (H, W))
    np.testing.assert_allclose(found.squeeze() if name == "deep.png" else found.transpose(1, 2, 0), expected)


# Pages and frames

PAGES = RNG.integers(0, 256, (12, H, W), dtype=np.uint8)


def loop(path):
    with tifffile.TiffWriter(path) as writer:
        for page in PAGES:
            writer.write(page, compression="zlib")


def all_at_once(path):
    tifffile.imwrite(path, PAGES, compression="zlib")


def imagej(path):
    tifffile.imwrite(path, PAGES.reshape(12, H, W), imagej=True, metadata={"axes": "TYX"})


def appended(path):
    for page in PAGES:
        tifffile.imwrite(path, page, append=True)


def by_pillow(path):
    first, *others = (Image.fromarray(page) for page in PAGES)
    first.save(path, save_all=True, append_images=others, compression="tiff_lzw")


@pytest.mark.parametrize("write", [loop, all_at_once, imagej, appended, by_pillow])
def test_all_pages_of_a_tiff_are_read(tmp_path, write):
    write(tmp_path / "x.tif")
    np.testing.assert_allclose(values(tmp_path / "x.tif")[:, 0], PAGES / 255)


@pytest.mark.parametrize("write", [loop, all_at_once, imagej, appended])
@pytest.mark.parametrize("part", [0.3, 0.5, 0.9])
def test_a_tiff_that_is_cut_off_is_refused(tmp_path, write, part):
    write(tmp_path / "x.tif")
    data = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(data[: int(part * len(data))])
    with pytest.raises(FFLabelsError, match=r"x.tif: (is cut off|cannot be read as images)"):
        values(tmp_path / "x.tif")


def test_pages_of_several_sizes_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        writer.write(PAGES[0, :4, :6])
        for page in PAGES:
            writer.write(page)
    with pytest.raises(FFLabelsError, match=r"images of several sizes in one file; got 1 of 4x6, 12 of 12x18"):
        read_file(tmp_path / "x.tif")


def test_previews_that_say_so_are_left_out(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        writer.write(PAGES[0, ::2, ::2], subfiletype=1)
        writer.write(PAGES[0])
    np.testing.assert_allclose(values(tmp_path / "x.tif")[:, 0], PAGES[:1] / 255)


@pytest.mark.parametrize("axes", ["TCYX", "CTYX", "TZYX", "ZCYX"])
@pytest.mark.parametrize("kind", ["plain", "imagej", "ome", "zlib"])
def test_stacks_are_images_and_channels_channels(tmp_path, axes, kind):
    if kind == "imagej" and axes == "CTYX":
        pytest.skip("ImageJ's axes are in the order TZCYX")
    stack = RNG.integers(0, 256, (3, 2, H, W), dtype=np.uint8)
    name = "x.ome.tif" if kind == "ome" else "x.tif"
    tifffile.imwrite(
        tmp_path / name, stack, metadata={"axes": axes}, imagej=kind == "imagej",
        compression="zlib" if kind == "zlib" else None,
    )  # fmt: skip
    moved = stack.swapaxes(0, 1) if axes == "CTYX" else stack
    expected = moved if "C" in axes else moved.reshape(6, 1, H, W)
    np.testing.assert_allclose(values(tmp_path / name), expected / 255)


def ome_set(folder):
    """Write a set of four planes in four files, each of which names them all."""
    for k in range(4):
        blocks = "".join(
            f'<TiffData FirstT="{t}" IFD="0" PlaneCount="1">'
            f'<UUID FileName="p{t}.ome.tif">urn:uuid:{t}</UUID></TiffData>'
            for t in range(4)
        )
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{k}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" '
            f'SizeX="{W}" SizeY="{H}" SizeZ="1" SizeC="1" SizeT="4">{blocks}</Pixels></Image></OME>'
        )
        tifffile.imwrite(folder / f"p{k}.ome.tif", PAGES[k], description=xml, metadata=None)


def test_an_ome_set_in_several_files_gives_each_plane_once(tmp_path):
    ome_set(tmp_path)
    found = load_references(tmp_path, (1, H, W)).images
    np.testing.assert_allclose(found[:, 0], PAGES[:4] / 255, atol=1e-6)
    (tmp_path / "p2.ome.tif").unlink()
    with pytest.raises(FFLabelsError, match=r"an OME set of 4 files, of which some are missing; got p2.ome.tif"):
        load_references(tmp_path, (1, H, W))


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_all_frames_are_read(tmp_path, suffix):
    frames = [Image.fromarray(page.repeat(4, 0).repeat(4, 1)).convert("RGB") for page in PAGES[:3]]
    lossless = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"x.{suffix}", save_all=True, append_images=frames[1:], duration=50, **lossless)
    found = values(tmp_path / f"x.{suffix}")
    assert len(found) == 3
    np.testing.assert_allclose(found[:, 0, ::4, ::4], PAGES[:3] / 255, atol=0.02)
    with pytest.raises(FFLabelsError, match=r"several images in one file; got 3"):
        read_picture(tmp_path / f"x.{suffix}")


# Folders


def save_grey(path, value=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(GREY if value is None else np.full_like(GREY, value)).save(path)


def test_a_stray_picture_does_not_hide_the_classes(tmp_path):
    for name in ("cat/a", "cat/b", "dog/a", "preview"):
        save_grey(tmp_path / f"{name}.png")
    with pytest.warns(PictureWarning, match=r"not read: 1 picture beside the class folders \(preview.png\)"):
        found = load_classed(tmp_path, (1, H, W))
    assert found.classes.tolist() == [0, 0, 1]


def test_pictures_below_a_folder_of_pictures_are_named(tmp_path):
    for name in ("a", "b", "c", "old/a"):
        save_grey(tmp_path / f"{name}.png")
    with pytest.warns(PictureWarning, match=r"not read: 1 picture in subfolders \(old/a.png\)"):
        assert len(load_references(tmp_path, (1, H, W)).images) == 3


def test_what_is_no_file_is_not_read_and_named(tmp_path):
    save_grey(tmp_path / "a.png")
    (tmp_path / "thumb.png").mkdir()
    (tmp_path / "x.png").symlink_to("missing.png")
    (tmp_path / "y.png").symlink_to("y.png")
    os.mkfifo(tmp_path / "z.png")
    with pytest.warns(PictureWarning, match=r"not read: the broken link x.png, …"):
        assert len(load_references(tmp_path, (1, H, W)).images) == 1
    with pytest.raises(FFLabelsError, match=r"not a file"):
        load_references(tmp_path / "z.png", (1, H, W))


@pytest.mark.parametrize("name", ["__MACOSX", "@eaDir", ".cache", "empty"])
def test_folders_of_systems_and_empty_ones_are_no_classes(tmp_path, name):
    for kind in ("cat", "dog"):
        save_grey(tmp_path / kind / "a.png")
    (tmp_path / name).mkdir()
    if name != "empty":
        save_grey(tmp_path / name / "a.png")
    assert load_classed(tmp_path, (1, H, W)).classes.tolist() == [0, 1]


@pytest.mark.parametrize("read", [load_references, load_classed])
def test_an_empty_name_is_refused(tmp_path, monkeypatch, read):
    save_grey(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    for name in ("", " "):
        with pytest.raises(FFLabelsError, match=r"references: an empty name.*is a variable of the shell unset"):
            read(name, (1, H, W))
    assert read(Path(), (1, H, W)).name == tmp_path.name


def test_a_folder_with_the_name_of_built_in_images_is_told_from_them(tmp_path, monkeypatch):
    save_grey(tmp_path / "photographs" / "a.png")
    monkeypatch.chdir(tmp_path)
    assert load_references("./photographs", (1, H, W)).name == "./photographs"
    assert load_references("photographs", (1, H, W)).name == "photographs"


# Arrays


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((9, 13, 8, 8), 13), ((9, 8, 8, 13), 13), ((9, 13, 9, 8), 13), ((9, 9, 8, 13), 13), ((2, 3, 10, 12), 3),
        ((2, 10, 12, 3), 3), ((2, 32, 32, 1), 1), ((2, 1, 32, 32), 1), ((2, 5, 40, 60), 5),
    ],
)  # fmt: skip
def test_channels_are_found_among_four_axes(tmp_path, shape, wanted):
    images = RNG.random(shape, dtype=np.float32)
    np.save(tmp_path / "x.npy", images)
    first = images if shape[1] == wanted else images.transpose(0, 3, 1, 2)
    found = load_references(tmp_path / "x.npy", first.shape[1:]).images
    np.testing.assert_allclose(found, first, atol=1e-6)


@pytest.mark.parametrize(("numbers", "expected"), [([0, 1, 3], [0, 1, 3]), (["b", "a", "c"], [1, 0, 2])])
def test_class_numbers_are_kept(tmp_path, numbers, expected):
    np.savez(tmp_path / "x.npz", images=RNG.random((3, 8, 8)), classes=np.array(numbers))
    assert load_classed(tmp_path / "x.npz", (1, 8, 8)).classes.tolist() == expected


@pytest.mark.parametrize("classes", [[-1, 0, 1], [0.5, 1, 2], [1j, 0, 0], [0, 1, np.nan]])
def test_class_numbers_that_are_none_are_refused(tmp_path, classes):
    np.savez(tmp_path / "x.npz", images=RNG.random((3, 8, 8)), classes=np.array(classes))
    with pytest.raises(FFLabelsError, match=r"x.npz: classes: not class numbers"):
        load_classed(tmp_path / "x.npz", (1, 8, 8))


def test_damaged_archives_are_named(tmp_path):
    np.savez(tmp_path / "x.npz", images=RNG.random((3, 8, 8)), classes=np.array(["a", None, "c"], object))
    with pytest.raises(FFLabelsError, match=r"x.npz: cannot be read as images: Object arrays"):
        load_classed(tmp_path / "x.npz", (1, 8, 8))
    np.savez(tmp_path / "y.npz", images=RNG.random((3, 8, 8)), classes=np.arange(3))
    data = bytearray((tmp_path / "y.npz").read_bytes())
    data[data.rindex(b"\x93NUMPY") + 130] ^= 255
    (tmp_path / "y.npz").write_bytes(data)
    with pytest.raises(FFLabelsError, match=r"y.npz: cannot be read as images: Bad CRC-32"):
        load_classed(tmp_path / "y.npz", (1, 8, 8))


def test_floats_may_exceed_their_range_by_rounding(tmp_path):
    images = RNG.random((2, 8, 8), dtype=np.float32)
    images[0, 0, 0] = np.nextafter(np.float32(1), np.float32(2))
    assert load_references(images, (1, 8, 8)).images.max() <= 1
    images[0, 0, 0] = 1.00001
    with pytest.raises(FFLabelsError, match=r"values out of range; got .* to 1.0000100"):
        load_references(images, (1, 8, 8))


@pytest.mark.parametrize("images", [np.eye(8, dtype=np.uint8)[None].repeat(3, 0), np.zeros((3, 8, 8), np.uint16)])
def test_nearly_black_images_are_named(images):
    images = images.copy()
    if images.dtype == np.uint16:
        images[:, 1, 1] = 200
        images[0, 0, 0] = 65535
    with pytest.warns(PictureWarning, match=r"% of their range \(RMS contrast 0.0"):
        load_references(
            np.tile(images, (1, 8, 8)) if images.dtype == np.uint8 else np.pad(images, ((0, 0), (0, 92), (0, 92))),
            (1, 64, 64),
        )


@pytest.mark.parametrize("text", ["", "auto:1", "1:0", "nan:1", "0:inf", "3", "a:b"])
def test_ranges_that_are_none_are_refused(text):
    with pytest.raises(FFLabelsError, match=r"range: not a range of values.*expected type, auto or LOW:HIGH"):
        load_references(RNG.random((2, 8, 8)), (1, 8, 8), value_range=text)


def test_references_are_checked_like_arrays():
    images = RNG.integers(0, 256, (3, 1, 8, 8), dtype=np.uint8)
    np.testing.assert_array_equal(References(images).images, load_references(images, (1, 8, 8)).images)
    for wrong in (images[0], [1, 2], object(), images.astype(np.float32)):
        with pytest.raises(FFLabelsError, match=r"given: "):
            References(wrong)


def test_tensors_of_any_kind_are_read_or_refused():
    torch = pytest.importorskip("torch")
    images = torch.rand(3, 1, 8, 8)
    expected = load_references(images.numpy(), (1, 8, 8)).images
    np.testing.assert_array_equal(load_references(images.requires_grad_(), (1, 8, 8)).images, expected)
    np.testing.assert_allclose(load_references(images.bfloat16(), (1, 8, 8)).images, expected, atol=0.01)
    with pytest.raises(FFLabelsError, match=r"references: not an array"):
        load_references(images.to("meta"), (1, 8, 8))


# Memory


def test_a_large_picture_is_fitted_band_by_band_to_the_same_bits():
    from fflabels.images import resize
    from fflabels.images.stored import Stored

    pixels = RNG.integers(0, 256, (3, 301, 203), dtype=np.uint8)
    whole = resize.to_shape_one(Stored(pixels, 255.0), (1, 32, 24))
    before, resize.BAND = resize.BAND, 5000
    try:
        np.testing.assert_array_equal(resize.to_shape_one(Stored(pixels, 255.0), (1, 32, 24)), whole)
    finally:
        resize.BAND = before
    plain = Image.fromarray(resize.grey((pixels / np.float32(255)).astype(np.float32))[0])
    np.testing.assert_array_equal(whole[0], np.asarray(plain.resize((24, 32), Image.Resampling.BILINEAR)))


PEAK = """
import resource, sys
import numpy as np
from fflabels import load_references

load_references("digits", (1, 32, 32))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = load_references(sys.argv[1], (1, 32, 32))
print(len(found.images), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def peak_of(path):
    """Return how many images a process reads, and by how many MiB its memory grows."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    count, grown = done.stdout.split()
    return int(count), float(grown)


@pytest.mark.slow
def test_pictures_are_in_memory_one_by_one(tmp_path):
    Image.fromarray(SMOOTH).resize((2048, 2048)).save(tmp_path / "00.png", compress_level=1)  # 12 MiB
    for k in range(1, 12):
        os.link(tmp_path / "00.png", tmp_path / f"{k:02}.png")
    count, grown = peak_of(tmp_path)
    assert count == 12
    assert grown < 75  # all together: 144 MiB as bytes, 576 as floats


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_arrays_take_no_more_than_their_file(tmp_path, name):
    images = RNG.integers(0, 65536, (20_000, 32, 32), dtype=np.uint16)  # 39 MiB
    (np.save if name == "x.npy" else np.savez)(tmp_path / name, images)
    count, grown = peak_of(tmp_path / name)
    assert count == 64
    assert grown < 60
