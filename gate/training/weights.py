"""Weights as files, read without torch: the headers of safetensors, checked before any library opens them.

A header says of each tensor its type, its shape and where its bytes lie. What it says has to add up to the file, byte
for byte, so that a file that was cut off, or that hides something between its tensors, is refused before a run starts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gate.errors import InputError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
LARGEST_HEADER = 100_000_000
"""Bytes; the format's own bound (safetensors, MAX_HEADER_SIZE)."""
LARGEST_JSON = 64 << 20
"""Bytes of an index or a configuration; the index of a model of a trillion parameters has some 10 MB."""

BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "I16": 16, "U16": 16, "I32": 32, "U32": 32, "I64": 64, "U64": 64,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
    "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E5M2FNUZ": 8, "F8_E4M3FNUZ": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Of one element of each type of the format."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor, as a header describes it."""

    dtype: str
    """One of `BITS`."""
    shape: tuple[int, ...]
    file: str

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * BITS[self.dtype] // 8


class BadWeights(InputError):
    """Weights that cannot be used, or that nobody should use."""


def read_json(path: Path, largest: int = LARGEST_JSON) -> dict[str, object]:
    """A JSON object from a file that nobody vouches for.

    Raises:
        InputError: it cannot be read, is larger than any honest one, or is no JSON object.
    """
    where = str(path)
    try:
        size = path.stat().st_size
        if size > largest:
            raise InputError(f"it has {size:,} bytes, and none of its kind has more than {largest:,}", where=where)
        said = json.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise InputError(f"it cannot be read ({error.strerror})", where=where) from None
    except (ValueError, RecursionError):
        raise InputError("it is not JSON", where=where, remedy="copy or download it again") from None
    if not isinstance(said, dict):
        raise InputError("it is no JSON object", where=where, remedy="copy or download it again")
    return said


def read_weights(folder: Path) -> dict[str, StoredTensor]:
    """Every tensor of a model by name, from `model.safetensors`, or from the files that its index names.

    Raises:
        BadWeights: a file is not there, was cut off, or does not hold what its header or the index says.
    """
    if (folder / SINGLE).is_file():  # as transformers looks for them: the single file first
        return read_header(folder / SINGLE)
    index = folder / INDEX
    placed = read_json(index).get("weight_map")
    if not isinstance(placed, dict) or not placed or not all(isinstance(each, str) for each in placed.values()):
        raise BadWeights("it has no `weight_map` of tensors and their files", where=str(index))
    tensors: dict[str, StoredTensor] = {}
    for name in sorted(set(placed.values())):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise BadWeights(f"it names `{name}`, which is no safetensors file beside it", where=str(index))
        if not (folder / name).is_file():
            raise BadWeights(
                f"it names `{name}`, which is not there", where=str(index), remedy="copy or download the model again"
            )
        found = read_header(folder / name)
        if twice := sorted(found.keys() & tensors.keys()):
            raise BadWeights(f"`{twice[0]}` stands in two files", where=str(folder / name))
        tensors |= found
    for tensor, name in placed.items():
        if tensor not in tensors or tensors[tensor].file != name:
            raise BadWeights(f"it says that `{tensor}` lies in {name}, where it is not", where=str(index))
    return tensors


def weight_files(folder: Path) -> list[str]:
    """The names of the files that `read_weights` reads, its index among them."""
    if (folder / SINGLE).is_file():
        return [SINGLE]
    placed = read_json(folder / INDEX).get("weight_map")
    return [INDEX, *sorted({str(each) for each in placed.values()})] if isinstance(placed, dict) else [INDEX]


def read_header(path: Path) -> dict[str, StoredTensor]:
    """The tensors of one safetensors file by name; its size and its header have to agree to the byte.

    Raises:
        BadWeights: they do not.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, LARGEST_HEADER):
                raise _damaged(path, "its header is longer than the file" if size >= 8 else "it is empty")
            header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_once)
    except OSError as error:
        raise BadWeights(f"it cannot be read ({error.strerror})", where=str(path)) from None
    except (ValueError, RecursionError):
        raise _damaged(path, "its header is not what safetensors writes") from None
    if not isinstance(header, dict):
        raise _damaged(path, "its header is not what safetensors writes")
    header.pop("__metadata__", None)
    end = 0
    tensors = {}
    for name, tensor, start, stop in sorted(_tensors(path, header), key=lambda each: (each[2], each[3])):
        if start != end or (stop - start) * 8 != tensor.elements * BITS[tensor.dtype]:
            raise _damaged(path, f"the bytes of `{name}` do not lie where its header says")
        end, tensors[name] = stop, tensor
    if 8 + length + end != size:
        lack = 8 + length + end - size
        raise _damaged(
            path, f"{lack:,} bytes are missing at its end" if lack > 0 else f"it has {-lack:,} bytes too many"
        )
    return tensors


def _tensors(path: Path, header: Mapping[str, object]) -> Iterator[tuple[str, StoredTensor, int, int]]:
    for name, said in header.items():
        try:
            dtype, shape, (start, stop) = said["dtype"], tuple(said["shape"]), said["data_offsets"]  # type: ignore[index]
            whole = all(type(each) is int and each >= 0 for each in (*shape, start, stop))
        except (TypeError, KeyError, ValueError):
            whole, dtype = False, None
        if not whole or dtype not in BITS:
            raise _damaged(path, f"its header does not describe `{name[:100]}`")
        yield name, StoredTensor(dtype, shape, path.name), start, stop


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose keys stand once."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice")
    return made


def _damaged(path: Path, what: str) -> BadWeights:
    return BadWeights(f"not whole: {what}", where=str(path), remedy="copy or download the file again")
