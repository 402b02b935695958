"""Two convolutions round an operator that the Ethos-U55 lacks, so that the CPU works between two delegates.

The operator is nearest upsampling by 3 (by 2 would go to the NPU). It only copies, so integers pass it unchanged.

input:      [1, 3, 16, 16] float32, about -3..3.
output:     [1, 4] float32.
parameters: 1,460; by seed.
"""

from seeded import mosaics, seeded
from torch import Tensor, nn


class Fallback(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.up = nn.Upsample(scale_factor=3, mode="nearest")
        self.conv = nn.Conv2d(8, 16, 3, padding=1)
        self.relu = nn.ReLU()
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(self.relu(self.down(x)))
        return self.head(self.relu(self.conv(x)).mean((2, 3)))


ModelUnderTest = seeded(Fallback(), mosaics(32, (3, 16, 16), seed=1), seed=0)
ModelInputs = (mosaics(1, (3, 16, 16), seed=2),)
