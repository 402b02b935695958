"""Train mnist.py on scikit-learn's handwritten digits; write its weights, calibration samples and test vectors.

    python recipes/models/train_mnist.py

writes mnist.safetensors beside this file, and ../data/digits_calibration.npz and ../data/digits_test.npz. The same
versions of torch and scikit-learn on the same kind of CPU give the same bytes. No sample is in two of the three sets.

The digits are the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak; UCI, CC BY 4.0):
1,797 scans of 8x8 pixels with 17 levels, here scaled to 28x28 bilinearly and to ink 0..1.
Weights and samples are stored as float16, which float32 holds exactly; the accuracy printed is that of the stored ones.
"""

from pathlib import Path

import numpy as np
import torch
from mnist import Mnist
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import Tensor, nn

HERE = Path(__file__).parent
DATA = HERE.parent / "data"

SEED = 20
EPOCHS = 40
BATCH = 32
CALIBRATION_SAMPLES = 64
TEST_SAMPLES = 360


def scaled_digits() -> tuple[Tensor, Tensor]:
    """All digits as ink [1797, 1, 28, 28] in steps of 1/256, exact in float16, and their labels [1797]."""
    digits = load_digits()
    ink = torch.from_numpy(digits.images).float().unsqueeze(1) / 16
    ink = nn.functional.interpolate(ink, size=(28, 28), mode="bilinear", align_corners=False)
    return torch.round(ink * 256) / 256, torch.from_numpy(digits.target).long()


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """The images moved by up to two pixels each way, all of a batch alike; paper comes in at the border."""
    down, right = (int(step) for step in torch.randint(0, 5, (2,), generator=generator))
    return nn.functional.pad(images, (2, 2, 2, 2))[:, :, down : down + 28, right : right + 28]


def trained(images: Tensor, labels: Tensor) -> Mnist:
    """Adam with a rate that falls to zero, and shifted batches; then the weights as float16 holds them."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    model = Mnist().train()
    steps_per_epoch = -(-len(images) // BATCH)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * steps_per_epoch)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images), generator=generator).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(shifted(images[batch], generator)), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    return model.half().float().eval()


def accuracy(model: Mnist, images: Tensor, labels: Tensor) -> float:
    with torch.inference_mode():
        return float((model(images).argmax(1) == labels).double().mean())


def write_samples(path: Path, images: Tensor, labels: Tensor) -> None:
    np.savez_compressed(path, input_0=images.numpy().astype(np.float16), labels=labels.numpy().astype(np.uint8))


def main() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    images, labels = scaled_digits()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SEED))
    test, calibration, training = order.split(
        [TEST_SAMPLES, CALIBRATION_SAMPLES, len(order) - TEST_SAMPLES - CALIBRATION_SAMPLES]
    )
    model = trained(images[training], labels[training])
    for name, part in (("training", training), ("calibration", calibration), ("test", test)):
        print(f"{name}: {len(part)} digits, accuracy {accuracy(model, images[part], labels[part]):.4f}")

    save_file({name: value.half() for name, value in model.state_dict().items()}, HERE / "mnist.safetensors")
    write_samples(DATA / "digits_calibration.npz", images[calibration], labels[calibration])
    write_samples(DATA / "digits_test.npz", images[test], labels[test])


if __name__ == "__main__":
    main()
