"""Operators of a user, as torch.library has them: one with a shape function alone, one with an `out` variant too."""

import torch


@torch.library.custom_op("own::soft_clip", mutates_args=())
def soft_clip(x: torch.Tensor, bound: float) -> torch.Tensor:
    """x / (1 + |x| / bound): odd, between -bound and bound."""
    return x / (1 + x.abs() / bound)


@soft_clip.register_fake
def _(x: torch.Tensor, bound: float) -> torch.Tensor:
    return torch.empty_like(x)


LIBRARY = torch.library.Library("own", "FRAGMENT")
LIBRARY.define("split_sign(Tensor x) -> (Tensor, Tensor)")


@torch.library.impl(LIBRARY, "split_sign", "CompositeExplicitAutograd")
def split_sign(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The positive and the negative part."""
    return x.clamp(min=0), x.clamp(max=0)
