"""Deep autoencoder for anomalies in machine sounds, as in the MLPerf Tiny benchmark (C. Banbury et al., 2021).

input:      [1, 640] float32, 5 frames of 128 log-mel bands.
output:     [1, 640] float32, the same frames as the network remembers them; the squared difference is the anomaly.
parameters: 267,928.
weights:    by seed; `weights:` takes a state_dict with these names.
"""

from seeded import mosaics, seeded
from torch import Tensor, nn

FEATURES = 640
HIDDEN = (128, 128, 128, 128, 8, 128, 128, 128, 128)


class DeepAutoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = FEATURES
        for hidden in HIDDEN:
            layers += [nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU()]
            width = hidden
        self.layers = nn.Sequential(*layers, nn.Linear(width, FEATURES))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


ModelUnderTest = seeded(DeepAutoencoder(), mosaics(256, (1, 5, 128), seed=1).flatten(1), seed=0)
ModelInputs = (mosaics(1, (1, 5, 128), seed=2).flatten(1),)
