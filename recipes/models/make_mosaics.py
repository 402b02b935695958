"""Write the calibration samples and test vectors of the recipes whose networks have seeded weights.

    python recipes/models/make_mosaics.py

writes ../data/mosaic_<rows>x<columns>_{calibration,test}.npz: input_0 [samples, channels, rows, columns], float16
that float32 holds exactly. The same numbers everywhere.
"""

from pathlib import Path

import numpy as np
from seeded import mosaics

DATA = Path(__file__).parent.parent / "data"
CALIBRATION_SAMPLES = 32
TEST_SAMPLES = 8

SHAPES = ((3, 224, 224), (3, 96, 96), (3, 32, 32), (3, 16, 16), (1, 49, 10), (1, 5, 128))


def main() -> None:
    for shape in SHAPES:
        for name, samples, seed in (("calibration", CALIBRATION_SAMPLES, 3), ("test", TEST_SAMPLES, 4)):
            path = DATA / f"mosaic_{shape[1]}x{shape[2]}_{name}.npz"
            np.savez_compressed(path, input_0=mosaics(samples, shape, seed).numpy().astype(np.float16))


if __name__ == "__main__":
    main()
