"""Small whole files of every kind that is read, to be damaged."""

import gzip
import io
import json
import struct
import warnings
import zipfile

import numpy as np
import torch
import zarr
from PIL import Image

import augmoments as am

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
LABELS = np.array([1, 0, 2, 1, 0, 2], dtype=np.uint8)

POLICY = """\
policy:
  - RandomRotation: {degrees: 15, interpolation: bilinear}
  - RandomTranslation: {x: {Uniform: [-2, 2]}, y: {Normal: {loc: 0, std: 1e-1}}}
  - RandomApply: {p: 0.5, transforms: [{ColorJitter: {brightness: 0.2, clamp: false}}]}
  - RandomChoice: {transforms: [RandomHorizontalFlip, {RandomZoom: [0.9, 1.1]}], p: [1, 2]}
  - Normalize: {mean: [0.5], std: [0.25]}
  - RandomHorizontalFlip
"""
CONFIG = """\
images: digits
policy: [RandomHorizontalFlip, {RandomErasing: {p: 0.2}}]
size: [8, 8]
limit: 4
tol: 1e-2
seed: 3
json: true
"""
IMAGE_FORMATS = ("png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm", "tga", "ico", "jp2", "pcx")


def image(kind="png", size=(8, 6), mode="RGB"):
    """The bytes of an image."""
    pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, {"jp2": "jpeg2000"}.get(kind, kind))
    return buffer.getvalue()


def idx(array, shape=None):
    """An IDX file; ``shape`` is what its header tells."""
    shape = array.shape if shape is None else shape
    return bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + array.tobytes()


def write_idx(root, images, labels, suffix=""):
    """A folder as ``mnist:`` wants it; contents are compressed where the names say so."""
    root.mkdir(exist_ok=True)
    for name, content in (("images-idx3", images), ("labels-idx1", labels)):
        packed = gzip.compress(content) if suffix else content
        (root / f"train-{name}-ubyte{suffix}").write_bytes(packed)
    return root


def npz(**arrays):
    """An ``.npz`` file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy(array):
    """An ``.npy`` file."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array)
    return buffer.getvalue()


def npy_with_header(header, content=b"", version=1):
    """An ``.npy`` file whose header is any text."""
    text = header.encode("latin1") + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes((version, 0)) + length + text + content


def zipped(members, method=zipfile.ZIP_DEFLATED):
    """A ``.zip`` archive of names and contents, in which a name may stand twice."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name, content in members:
                archive.writestr(name, content)
    return buffer.getvalue()


def write_zarr(path, version=3, images=PIXELS, labels=LABELS):
    """A group of images and labels, three chunks each."""
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    with zarr.config.set({"array.write_empty_chunks": True}):
        for name, values in (("images", images), ("labels", labels)):
            pieces = (2, *values.shape[1:])
            array = group.create_array(name, shape=values.shape, chunks=pieces, dtype=values.dtype)
            array[...] = values
    return path


def edit_json(path, change):
    """Change the values in a file of JSON."""
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def moments():
    """Sums of a dataset as :class:`DatasetMoments` saves them."""
    import tempfile
    from pathlib import Path

    data = am.DatasetMoments(am.RandomHorizontalFlip())
    data.update(torch.from_numpy(PIXELS)[:, None].double() / 255, torch.from_numpy(LABELS).double())
    with tempfile.TemporaryDirectory() as folder:
        data.save(Path(folder, "sums.safetensors"))
        return Path(folder, "sums.safetensors").read_bytes()


def model(kind="exported"):
    """A small classifier of 8 x 8 gray images, as an exported program or TorchScript."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)).eval()
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "script":
            torch.jit.save(torch.jit.script(network), buffer)
        else:
            images = (torch.rand(2, 1, 8, 8),)
            shapes = ({0: torch.export.Dim.AUTO},)
            torch.export.save(torch.export.export(network, images, dynamic_shapes=shapes), buffer)
    return buffer.getvalue()
