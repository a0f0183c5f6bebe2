"""Files that are made to harm: each writes itself and says how it is read.

What is small and inflates to gigabytes, claims to, links elsewhere, or carries a program.
"""

import gzip
import io
import json
import os
import pickle
import struct
import zipfile
import zlib

import numpy as np
import torch

from fuzz import files

ATTACKS = {}


def attack(reader, ends=("refused",)):
    """Register a function ``(root, mark)`` that writes a file and returns the arguments.

    Args:
        reader: Who reads it.
        ends: How that may end.
    """

    def register(function):
        ATTACKS[function.__name__] = (reader, ends, function)
        return function

    return register


class Program:
    """A pickle that writes a file when it is read."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


def _both(root, name, content):
    path = root / name
    path.write_bytes(content)
    return {"source": str(path)}


def _zeros(count, times):
    """Gzip that inflates to ``count * times`` zeros."""
    return gzip.compress(bytes(count)) * times


def _png(width, height, rows=b""):
    def chunk(kind, content):
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


# Images


@attack("read_images")
def png_that_claims_to_be_huge(root, mark):
    return _both(root, "a.png", _png(2**31 - 1, 2**31 - 1, bytes(100)))


@attack("read_images", ("refused", "value"))
def png_just_below_the_limit(root, mark):
    return _both(root, "a.png", _png(9400, 9400, bytes(9401 * 9400)))


@attack("read_images")
def png_just_below_the_limit_made_small(root, mark):
    return _both(root, "a.png", _png(9400, 9400, bytes(100))) | {"size": 8}


@attack("read_images", ("refused", "value"))
def png_with_a_bomb_of_text(root, mark):
    content = files.image()
    text = b"a\0\0" + zlib.compress(bytes(10**8), 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + text))
    return _both(root, "a.png", content[:33] + chunk + content[33:])


@attack("read_images")
def postscript(root, mark):
    program = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n({mark}) (w) file closefile\n"
    return _both(root, "a.eps", program.encode() + b"showpage\n%%EOF\n")


@attack("read_images")
def a_folder_that_contains_itself(root, mark):
    (root / "given").mkdir()
    (root / "given" / "a").symlink_to(root / "given")
    (root / "given" / "b").symlink_to(root / "given" / "b")
    (root / "given" / "c").symlink_to("/")
    return {"source": str(root / "given")}


@attack("read_images", ("value",))
def a_folder_with_things_that_are_no_files(root, mark):
    (root / "given").mkdir()
    os.mkfifo(root / "given" / "a.png")
    (root / "given" / "b.png").write_bytes(files.image())
    (root / "given" / "c.png").symlink_to("/dev/zero")
    return {"source": str(root / "given")}


@attack("read_images", ("value", "refused"))
def names_that_are_not_text(root, mark):
    for name in (b"\xff\xfe", b"\x1b[2J", b"<script>alert(1)</script>"):
        folder = os.path.join(os.fsencode(root), name)
        os.makedirs(folder)
        with open(os.path.join(folder, b"\xff.png"), "wb") as file:
            file.write(files.image())
    return {"source": str(root)}


@attack("read_images")
def a_pipe(root, mark):
    os.mkfifo(root / "a.png")
    return {"source": str(root / "a.png")}


@attack("read_images")
def a_pipe_of_arrays(root, mark):
    os.mkfifo(root / "a.npz")
    return {"source": str(root / "a.npz")}


# IDX


@attack("read_images")
def idx_that_inflates_without_end(root, mark):
    files.write_idx(root, files.idx(files.PIXELS), files.idx(files.LABELS), ".gz")
    path = root / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes() + _zeros(2**26, 400))
    return {"source": f"mnist:{root}"}


@attack("read_stream")
def idx_that_inflates_without_end_in_pieces(root, mark):
    return idx_that_inflates_without_end(root, mark)


@attack("read_images")
def idx_that_claims_and_inflates_to_gigabytes(root, mark):
    path = root / "train-images-idx3-ubyte.gz"
    files.write_idx(root, files.idx(files.PIXELS), files.idx(files.LABELS), ".gz")
    header = files.idx(np.zeros(0, np.uint8), (50, 2**13, 2**13))
    path.write_bytes(gzip.compress(header) + _zeros(2**26, 50))
    return {"source": f"mnist:{root}"}


@attack("read_stream")
def idx_of_one_image_of_gigabytes(root, mark):
    path = root / "train-images-idx3-ubyte.gz"
    files.write_idx(root, files.idx(files.PIXELS), files.idx(files.LABELS[:1]), ".gz")
    header = files.idx(np.zeros(0, np.uint8), (1, 50 * 2**13, 2**13))
    path.write_bytes(gzip.compress(header) + _zeros(2**26, 50))
    return {"source": f"mnist:{root}"}


# NumPy's archives


@attack("read_images")
def npz_that_inflates_to_gigabytes(root, mark):
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 20000, 20000)}"
    member = files.npy_with_header(header, bytes(20000**2))
    return _both(root, "a.npz", files.zipped([("images.npy", member)]))


@attack("read_images")
def npz_whose_header_claims_gigabytes(root, mark):
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 60000, 60000)}"
    member = files.npy_with_header(header, bytes(1000))
    return _both(root, "a.npz", files.zipped([("images.npy", member)]))


@attack("read_images")
def npz_with_values_of_gigabytes_each(root, mark):
    header = "{'descr': '<U900000000', 'fortran_order': False, 'shape': (6,)}"
    members = [
        ("images.npy", files.npy(files.PIXELS)),
        ("labels.npy", files.npy_with_header(header)),
    ]
    return _both(root, "a.npz", files.zipped(members))


@attack("read_images", ("refused", "value"))
def npz_with_a_second_member_behind_the_name(root, mark):
    members = [("images.npy", files.npy(files.PIXELS)), ("images", bytes(3 * 10**8))]
    return _both(root, "a.npz", files.zipped(members))


@attack("read_images")
def npz_of_objects(root, mark):
    values = np.array([Program(mark)], dtype=object)
    return _both(root, "a.npz", files.npz(images=values))


@attack("read_images")
def npz_of_objects_as_labels(root, mark):
    values = np.array([Program(mark)] * 6, dtype=object)
    return _both(root, "a.npz", files.npz(images=files.PIXELS, labels=values))


@attack("read_stream")
def npz_of_objects_in_pieces(root, mark):
    return npz_of_objects_as_labels(root, mark)


@attack("read_images")
def npz_that_is_a_pickle(root, mark):
    return _both(root, "a.npz", pickle.dumps(Program(mark)))


@attack("read_images")
def npz_member_that_is_a_pickle(root, mark):
    return _both(root, "a.npz", files.zipped([("images.npy", pickle.dumps(Program(mark)))]))


@attack("read_images", ("refused", "value"))
def npz_with_names_that_lead_elsewhere(root, mark):
    members = [("../../images.npy", files.npy(files.PIXELS)), (str(mark), b"here")]
    return _both(root, "a.npz", files.zipped([*members, ("images.npy", files.npy(files.PIXELS))]))


@attack("read_images", ("refused", "value"))
def npz_by_lzma(root, mark):
    content = files.zipped([("images.npy", files.npy(files.PIXELS))], zipfile.ZIP_LZMA)
    at = content.index(b"images.npy") + len("images.npy") + 20
    return _both(root, "a.npz", content[:at] + b"\xff" * 20 + content[at + 20 :])


@attack("read_images")
def npz_with_a_nested_header(root, mark):
    return _both(root, "a.npz", files.zipped([("images.npy", files.npy_with_header("(" * 9000))]))


@attack("read_images")
def npz_with_a_header_that_is_no_literal(root, mark):
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (open('x', 'w'),)}"
    return _both(root, "a.npz", files.zipped([("images.npy", files.npy_with_header(header))]))


@attack("read_images")
def npz_with_an_unfinished_header(root, mark):
    return _both(root, "a.npz", files.zipped([("images.npy", files.npy_with_header("{'''descr"))]))


@attack("read_stream")
def npz_with_labels_of_a_quintillion(root, mark):
    labels = np.array([0, 1, 2, 3, 4, 10**18])
    return _both(root, "a.npz", files.npz(images=files.PIXELS, labels=labels))


@attack("read_images")
def npz_with_labels_beyond_64_bits(root, mark):
    labels = np.array([0, 1, 2, 3, 4, 2**64 - 1], dtype=np.uint64)
    return _both(root, "a.npz", files.npz(images=files.PIXELS, labels=labels))


@attack("read_images")
def npz_with_labels_that_are_no_characters(root, mark):
    labels = np.frombuffer(struct.pack("<6I", *[0x7FFFFFFF] * 6), dtype="<U1")
    return _both(root, "a.npz", files.npz(images=files.PIXELS, labels=labels))


@attack("read_images", ("refused", "value"))
def npz_with_classes_that_are_half_characters(root, mark):
    classes = np.frombuffer(struct.pack("<3I", *[0xD800] * 3), dtype="<U1")
    given = {"images": files.PIXELS, "labels": files.LABELS, "classes": classes}
    return _both(root, "a.npz", files.npz(**given))


# Zarr


def _zarr(root, change=None, version=3, **arrays):
    path = files.write_zarr(root / "a.zarr", version, **arrays)
    if change is not None:
        files.edit_json(path / "images" / ("zarr.json" if version == 3 else ".zarray"), change)
    return path


def _regular(values):
    return values["chunk_grid"]["configuration"]


@attack("read_stream")
def zarr_of_a_quadrillion_chunks(root, mark):
    def change(values):
        values["shape"] = [2**50, 5, 4]

    return {"source": str(_zarr(root, change))}


@attack("read_stream")
def zarr_with_a_chunk_of_terabytes(root, mark):
    def change(values):
        values["shape"] = _regular(values)["chunk_shape"] = [2**30, 2**10, 2**10]

    path = _zarr(root, change)
    return {"source": str(path)}


@attack("read_stream")
def zarr_with_a_chunk_that_inflates(root, mark):
    def change(values):
        gzipped = {"name": "gzip", "configuration": {"level": 5}}
        values["codecs"] = [{"name": "bytes"}, gzipped]

    path = _zarr(root, change)
    for chunk in (path / "images" / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(_zeros(2**26, 50))
    return {"source": str(path)}


@attack("read_stream")
def zarr_with_a_chunk_that_claims_gigabytes(root, mark):
    path = _zarr(root)
    for chunk in (path / "images" / "c").rglob("*"):
        if chunk.is_file():
            content = chunk.read_bytes()
            frame = b"\x28\xb5\x2f\xfd" + b"\xe0" + struct.pack("<Q", 2**36)
            chunk.write_bytes(frame + content[6:])
    return {"source": str(path)}


@attack("read_stream")
def zarr_of_pickles(root, mark):
    def change(values):
        values |= {"dtype": "|O", "filters": [{"id": "pickle"}], "compressor": None}
        values |= {"fill_value": None}

    path = _zarr(root, change, version=2)
    for chunk in (path / "images").iterdir():
        if not chunk.name.startswith("."):
            chunk.write_bytes(pickle.dumps(Program(mark)))
    return {"source": str(path)}


@attack("read_stream")
def zarr_of_pickled_labels(root, mark):
    path = _zarr(root, version=2)

    def change(values):
        values |= {"dtype": "|O", "filters": [{"id": "pickle"}], "compressor": None}
        values |= {"fill_value": None}

    files.edit_json(path / "labels" / ".zarray", change)
    for chunk in (path / "labels").iterdir():
        if not chunk.name.startswith("."):
            chunk.write_bytes(pickle.dumps(Program(mark)))
    return {"source": str(path)}


@attack("read_stream")
def zarr_of_pickles_of_the_third_version(root, mark):
    def change(values):
        values["codecs"] = [{"name": "numcodecs.pickle", "configuration": {}}]

    path = _zarr(root, change)
    for chunk in (path / "images" / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(pickle.dumps(Program(mark)))
    return {"source": str(path)}


@attack("read_stream", ("refused", "value"))
def zarr_with_links_to_the_outside(root, mark):
    path = _zarr(root)
    (path / "loop").symlink_to(root)
    (path / "up").symlink_to("/")
    return {"source": str(path)}


@attack("read_stream", ("refused",))
def zarr_key_that_leads_elsewhere(root, mark):
    files.write_zarr(root / "private.zarr")
    path = _zarr(root)
    return {"source": str(path), "key": "../private.zarr/images"}


# Sums


@attack("read_moments")
def sums_of_a_header_of_gigabytes(root, mark):
    (root / "a").write_bytes(struct.pack("<Q", 2**40) + files.moments()[8:])
    return {"path": str(root / "a")}


def _sums(root, change):
    content = files.moments()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    facts = json.loads(header["__metadata__"]["augmoments"])
    facts = change(facts, header) or facts
    header["__metadata__"]["augmoments"] = facts if isinstance(facts, str) else json.dumps(facts)
    text = json.dumps(header).encode()
    (root / "a").write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
    return {"path": str(root / "a")}


@attack("read_moments")
def sums_whose_facts_are_no_mapping(root, mark):
    return _sums(root, lambda facts, header: "[1, 2]")


@attack("read_moments")
def sums_whose_facts_are_nested(root, mark):
    return _sums(root, lambda facts, header: "[" * 10**5)


@attack("read_moments")
def sums_of_a_shape_that_is_none(root, mark):
    return _sums(root, lambda facts, header: facts | {"shape": ["a", None, -1]})


@attack("read_moments")
def sums_of_a_shape_of_terabytes(root, mark):
    return _sums(root, lambda facts, header: facts | {"shape": [1, 10**6, 10**6]})


@attack("read_moments")
def sums_of_no_whole_number_of_images(root, mark):
    return _sums(root, lambda facts, header: facts | {"count": "many"})


@attack("read_moments")
def sums_of_no_shape(root, mark):
    return _sums(root, lambda facts, header: {k: v for k, v in facts.items() if k != "shape"})


@attack("read_moments")
def sums_that_are_a_pickle(root, mark):
    torch.save({"weight": Program(mark)}, root / "a")
    return {"path": str(root / "a")}


@attack("read_moments")
def sums_that_are_a_folder(root, mark):
    return {"path": str(root)}


@attack("read_moments")
def sums_that_are_a_pipe(root, mark):
    os.mkfifo(root / "a")
    return {"path": str(root / "a")}


# Policies and configurations


def _text(root, text):
    (root / "a.yaml").write_text(text)
    return {"path": str(root / "a.yaml")}


@attack("read_policy")
def yaml_that_calls_a_program(root, mark):
    return _text(root, f"!!python/object/apply:os.system ['touch {mark}']\n")


@attack("read_policy")
def yaml_that_makes_an_object(root, mark):
    return _text(root, "policy: [!!python/object:augmoments.RandomInvert {p: 1}]\n")


@attack("read_policy")
def yaml_of_another_tag(root, mark):
    return _text(root, "policy: !include /etc/passwd\n")


def _laughs(levels=30, many=10):
    lines = ["a0: &a0 [1, 2]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * many)}]")
    return "\n".join(lines)


@attack("read_policy")
def yaml_of_a_billion_laughs(root, mark):
    return _text(root, _laughs() + "\npolicy: [{RandomRotation: {degrees: *a29}}]\n")


@attack("read_policy")
def yaml_of_a_billion_laughs_as_a_step(root, mark):
    text = "- &a [RandomInvert]\n"
    for level in range(40):
        text += f"- &{'a' * (level + 2)} [{', '.join([f'*{chr(97) * (level + 1)}'] * 9)}]\n"
    return _text(root, text)


@attack("read_policy")
def yaml_of_a_billion_laughs_that_is_wanted(root, mark):
    text = "policy:\n- RandomApply: {transforms: &a0 [RandomInvert]}\n"
    for level in range(1, 25):
        step = f"{{RandomApply: {{transforms: *a{level - 1}}}}}"
        inner = ", ".join([step] * 4)
        text += f"- RandomApply: {{transforms: &a{level} [{inner}]}}\n"
    return _text(root, text)


@attack("read_config")
def configuration_of_a_billion_laughs(root, mark):
    return _text(root, _laughs() + "\n")


@attack("read_config")
def configuration_of_a_billion_laughs_as_a_value(root, mark):
    return _text(root, "policy: &a [1, 2]\nsize: &b [*a, *a]\nkey: *b\n")


@attack("read_config")
def yaml_of_merged_laughs(root, mark):
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, 30):
        lines.append(f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 10)}]}}")
    return _text(root, "\n".join(lines) + "\n")


@attack("read_policy")
def yaml_that_contains_itself(root, mark):
    return _text(root, "policy: &a [{RandomApply: {transforms: *a}}]\n")


@attack("read_policy")
def yaml_nested_deeply(root, mark):
    return _text(root, "[" * 50000)


@attack("read_policy")
def policy_nested_deeply(root, mark):
    return _text(root, "[{RandomApply: {transforms: " * 90 + "RandomInvert" + "}}]" * 90)


@attack("read_policy")
def yaml_of_a_megabyte(root, mark):
    return _text(root, "[" + "a," * 500_000 + "b]")


@attack("read_policy")
def yaml_without_end(root, mark):
    return {"path": "/dev/zero"}


@attack("read_policy")
def yaml_with_a_number_of_a_thousand_digits(root, mark):
    return _text(root, f"- RandomRotation: {{degrees: {'9' * 1000}}}\n")


@attack("read_policy")
def yaml_with_a_number_of_too_many_digits(root, mark):
    return _text(root, f"- RandomRotation: {{degrees: 0x{'f' * 10000}}}\n")


@attack("read_policy")
def yaml_with_an_order_of_many(root, mark):
    return _text(root, f"- RandomOrder: {{transforms: [{', '.join(['RandomInvert'] * 5000)}]}}\n")


@attack("read_images")
def a_path_with_a_zero(root, mark):
    return {"source": str(root / "a\0b")}


@attack("read_images")
def a_path_that_is_too_long(root, mark):
    return {"source": str(root / ("a" * 5000))}


# Models


@attack("read_model")
def model_that_is_a_pickle(root, mark):
    torch.save(Program(mark), root / "a")
    return {"path": str(root / "a")}


@attack("read_model")
def model_that_is_an_old_pickle(root, mark):
    torch.save(Program(mark), root / "a", _use_new_zipfile_serialization=False)
    return {"path": str(root / "a")}


@attack("read_model")
def model_that_is_a_bare_pickle(root, mark):
    (root / "a").write_bytes(pickle.dumps(Program(mark)))
    return {"path": str(root / "a")}


@attack("read_model")
def model_that_is_a_state_dict(root, mark):
    torch.save({"weight": torch.zeros(2)}, root / "a")
    return {"path": str(root / "a")}


@attack("read_model")
def model_that_is_safetensors(root, mark):
    (root / "a").write_bytes(files.moments())
    return {"path": str(root / "a")}


def _repacked(root, content, change):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts = change(parts) or parts
    (root / "a").write_bytes(files.zipped(parts.items()))
    return {"path": str(root / "a")}


@attack("read_model", ("refused", "value"))
def model_with_a_bomb_beside_it(root, mark):
    def change(parts):
        return parts | {"model/data/other": bytes(8 * 10**8)}

    return _repacked(root, files.model(), change)


@attack("read_model", ("refused", "value"))
def model_with_pickled_inputs_that_inflate(root, mark):
    def change(parts):
        name = next(name for name in parts if name.endswith("sample_inputs/model.pt"))
        buffer = io.BytesIO()
        torch.save((torch.zeros(10**8),), buffer)
        with zipfile.ZipFile(buffer) as archive:
            inner = [(name, archive.read(name)) for name in archive.namelist()]
        parts[name] = files.zipped(inner)

    return _repacked(root, files.model(), change)


@attack("read_model", ("refused", "value"))
def script_with_a_pickled_program(root, mark):
    def change(parts):
        name = next(name for name in parts if name.endswith("/data.pkl"))
        parts[name] = pickle.dumps(Program(mark), protocol=2)

    return _repacked(root, files.model("script"), change)


@attack("read_model")
def model_that_is_a_pipe(root, mark):
    os.mkfifo(root / "a")
    return {"path": str(root / "a")}
