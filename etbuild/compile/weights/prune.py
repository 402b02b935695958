"""Makes the smallest weights of each layer zero, which Vela's compression stores in fewer bits.

By magnitude, as PyTorch's own pruning chooses them. Without training afterwards (quantize.qat) half of the weights are
mostly too many.

source: S. Han et al., Learning both Weights and Connections for Efficient Neural Networks, 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etbuild.compile.weights.layers import Layer, Setting


def apply(layers: Sequence[Layer], setting: Setting) -> list[str]:
    """Prune each layer; the names of the layers."""
    import torch
    from torch.nn.utils.prune import L1Unstructured

    pruning = L1Unstructured(setting.one.share)
    for layer in layers:
        weight = layer.weight
        layer.set_weight(weight * pruning.compute_mask(weight, torch.ones_like(weight)))
    return [layer.name for layer in layers]
