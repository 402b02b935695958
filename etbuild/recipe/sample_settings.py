"""What the settings of all sections with samples share: the path `data`."""

from __future__ import annotations

from typing import Any

DATA_SUFFIXES = (".npy", ".npz", ".pt", ".pth")
DATA = (
    "A .npy, .npz or .pt file, or a folder of such files in the order of their names; an array's first axis counts"
    " samples. An .npz holds input_0, input_1, ... (or one array of any name); an array of nested or keyword inputs has"
    " the input's path in its name, as input_1.0 or input_mask"
)
DATA_LIMITS: dict[str, Any] = {
    "wanted": "the path of a file or folder",
    "suffixes": DATA_SUFFIXES,
    "folder": True,
    "option": "",
}
