"""Ways to damage bytes and values, drawn by hypothesis."""

import copy
import string

from hypothesis import strategies as st

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 2, 255, 2**31 - 1, 2**32, 2**40, 2**63 - 1, 2**64, 10**30, 10**400]),
    st.sampled_from([0.0, -0.0, 0.5, 1e-300, 1e308, float("inf"), float("-inf"), float("nan")]),
    st.text(string.printable + "\x00\x1bé\u202e😀", max_size=12),
    st.sampled_from(["", ".", "..", "../../x", "/", "\x00", "a" * 2000, "<b>x</b>", "%s{}", "1e9"]),
    st.lists(st.integers(-3, 3), max_size=4),
    st.sampled_from([[], {}, [[]], [[[[[[]]]]]], {"": ""}, {"a": {"b": [1]}}, [None] * 50]),
)
"""Values that nobody asked for."""


@st.composite
def damaged(draw, content):
    """``content`` cut short, flipped, spliced, repeated, or with numbers made huge."""
    found = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        size = len(found)
        at = draw(st.one_of(st.integers(0, max(size - 1, 0)), st.integers(0, min(size, 64))))
        width = draw(st.sampled_from([1, 2, 4, 8, 16, 64]))
        match draw(st.sampled_from(["cut", "flip", "huge", "zero", "splice", "repeat", "insert"])):
            case "cut":
                del found[draw(st.sampled_from([at, size - 1, size // 2, 4, 1, 0])) :]
            case "flip" if size:
                found[min(at, size - 1)] ^= draw(st.integers(1, 255))
            case "huge":
                value = draw(st.sampled_from([b"\xff", b"\x7f", b"\x80"]))
                found[at : at + width] = value * len(found[at : at + width])
            case "zero":
                found[at : at + width] = bytes(len(found[at : at + width]))
            case "splice":
                start = draw(st.integers(0, size))
                found[at : at + width] = found[start : start + width]
            case "repeat":
                found[at:at] = found[at : at + width] * draw(st.integers(1, 40))
            case "insert":
                found[at:at] = draw(st.binary(max_size=12))
    return bytes(found)


def _places(value, at=()):
    """The ways to all values inside, and to the whole."""
    yield at
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(part, (*at, key))


@st.composite
def changed(draw, value, junk=JUNK):
    """A copy of JSON values in which some are replaced, removed, or stand elsewhere."""
    found = [copy.deepcopy(value)]
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from([(0, *place) for place in _places(found[0])]))
        holder = found
        for key in way:
            holder = holder[key]
        match draw(st.sampled_from(["junk", "junk", "junk", "remove", "wrap", "another", "add"])):
            case "junk":
                holder[last] = copy.deepcopy(draw(junk))
            case "remove" if way:
                del holder[last]
            case "wrap":
                holder[last] = [holder[last]]
            case "another":
                place = draw(st.sampled_from(list(_places(found[0]))))
                other = found[0]
                for key in place:
                    other = other[key]
                holder[last] = copy.deepcopy(other)
            case "add" if isinstance(holder[last], dict):
                holder[last][draw(st.text(string.ascii_letters, max_size=6))] = copy.deepcopy(
                    draw(junk)
                )
    return found[0]
