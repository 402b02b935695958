"""The answers of models to a data set, as arrays in a folder: what steps predict and execute write, evaluate reads.

float_0.npy, quantized_0.npy or executed_0.npy, ...: each output, [samples, ...], in floating point where it has
quantisation parameters. <model>_error.npy: mean squared difference of each sample's output to its input, of models
whose output has the size of their one input. inputs.npy: a digest of each sample. labels.npy; answers.json: names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etbuild.compile.methods import new_folder
from etbuild.errors import StepError

if TYPE_CHECKING:
    from etbuild.verify.data_set import Dataset

DIGEST_BYTES = 8


@dataclass(frozen=True)
class Answers:
    """Of one model. outputs: [samples, ...] each. error: see above; None where there is no such array."""

    outputs: tuple[Any, ...]
    error: Any


@dataclass(frozen=True)
class Recorded:
    """What a folder holds. digests: [samples] of the inputs. labels: None when the data has none."""

    names: tuple[str, ...]
    labels: Any
    digests: Any
    models: dict[str, Answers]


class AnswersFolder:
    """A new folder of answers, written sample by sample; processes that are forked after `begin` share its arrays."""

    def __init__(self, folder: Path, data: Dataset):
        import numpy as np

        new_folder(folder)
        self._folder, self._count = folder, len(data.names)
        self._arrays: dict[str, Any] = {}
        self._inputs = self._array("inputs", (DIGEST_BYTES,), np.dtype(np.uint8))
        text = {"names": data.names, "labels": data.labels is not None}
        (folder / "answers.json").write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")
        if data.labels is not None:
            np.save(folder / "labels.npy", data.labels)

    def begin(self, model: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Make a model's arrays. inputs, outputs: arrays of any sample."""
        import numpy as np

        for index, output in enumerate(outputs):
            self._array(f"{model}_{index}", output.shape, output.dtype)
        if _restores(inputs, outputs):
            self._array(f"{model}_error", (), np.dtype(np.float64))

    def set(self, model: str, number: int, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """One sample's outputs. raises: StepError for other shapes than those of `begin`."""
        import numpy as np

        for index, output in enumerate(outputs):
            array = self._arrays[f"{model}_{index}"]
            if array.shape[1:] != output.shape:
                raise StepError(f"output {index}: got shape {list(output.shape)}, wanted {list(array.shape[1:])}")
            array[number] = output
        if (error := self._arrays.get(f"{model}_error")) is not None:
            difference = outputs[0].reshape(-1).astype(np.float64) - inputs[0].reshape(-1)
            error[number] = (difference**2).mean()

    def set_digest(self, number: int, inputs: Sequence[Any]) -> None:
        """Remember which inputs a sample has."""
        import numpy as np

        digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
        for array in inputs:
            digest.update(np.ascontiguousarray(array).tobytes())
        self._inputs[number] = np.frombuffer(digest.digest(), np.uint8)

    def end(self) -> None:
        """All bytes to the files."""
        for array in self._arrays.values():
            array.flush()

    def _array(self, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        import numpy as np

        path = self._folder / f"{name}.npy"
        made = np.lib.format.open_memmap(path, "w+", dtype, (self._count, *shape))  # type: ignore[no-untyped-call]
        self._arrays[name] = made
        return made


def read_answers(folder: Path) -> Recorded:
    """What a folder holds. Its arrays are mapped, not read."""
    import numpy as np

    known = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    arrays = {file.stem: np.load(file, mmap_mode="r") for file in sorted(folder.glob("*.npy"))}
    models = dict[str, Answers]()
    for model in dict.fromkeys(name.rpartition("_")[0] for name in arrays if "_" in name):
        outputs = [name for name in arrays if name.rpartition("_")[0] == model and name.rpartition("_")[2].isdigit()]
        outputs.sort(key=lambda name: int(name.rpartition("_")[2]))
        models[model] = Answers(tuple(arrays[name] for name in outputs), arrays.get(f"{model}_error"))
    return Recorded(tuple(known["names"]), arrays.get("labels"), arrays["inputs"], models)


def _restores(inputs: Sequence[Any], outputs: Sequence[Any]) -> bool:
    """Whether the model's output has the size of its input, as that of an autoencoder has."""
    if len(inputs) != 1 or len(outputs) != 1 or inputs[0].size != outputs[0].size:
        return False
    return all(array.dtype.kind == "f" for array in (*inputs, *outputs))
