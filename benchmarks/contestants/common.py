"""What the contestants share: the MNIST training set, Caffe's LeNet, the network and the batches of `step.py`."""

import gzip
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

BATCH = 64
RATE = 0.01
MOMENTUM = 0.9
MEAN = 0.1307 * 255  # of the pixels of the training set, on the scale of the file (0 to 255)
STD = 0.3081 * 255


def data_folder() -> Path:
    """The folder of data sets: $DOVETAIL_DATA, or `shared/data` beside the repository."""
    given = os.environ.get("DOVETAIL_DATA")
    return Path(given) if given else Path(__file__).resolve().parents[3] / "shared" / "data"


def _idx(name: str, header: int) -> np.ndarray:
    with gzip.open(data_folder() / "mnist" / name) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header).copy()


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """The 60,000 training images (N, 28, 28) and their classes (N,), both uint8, in the order of the files."""
    images = _idx("train-images-idx3-ubyte.gz", header=16).reshape(-1, 28, 28)
    labels = _idx("train-labels-idx1-ubyte.gz", header=8)
    if images.shape != (60_000, 28, 28) or labels.shape != (60_000,):
        raise ValueError(f"{data_folder() / 'mnist'}: {images.shape} images and {labels.shape} labels are not MNIST's")
    return images, labels


def test_images() -> np.ndarray:
    """The 10,000 test images (N, 28, 28)."""
    return _idx("t10k-images-idx3-ubyte.gz", header=16).reshape(-1, 28, 28)


def lenet() -> nn.Sequential:
    """LeNet as distributed with Caffe, 431,080 weights: one ReLU, after the first linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 20, 5),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 5),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(800, 500),
        nn.ReLU(),
        nn.Linear(500, 10),
    )


def mlp() -> nn.Sequential:
    """The network of `step.py`: 784-256-128-10."""
    return nn.Sequential(
        nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
    )  # fmt: skip


def step_batches(count: int = 50, size: int = 128) -> list[tuple[Tensor, Tensor]]:
    """The batches of `step.py`: normal inputs (size, 784) and classes drawn by chance, the same at every call."""
    draw = torch.Generator().manual_seed(0)
    return [(torch.randn(size, 784, generator=draw), torch.randint(10, (size,), generator=draw)) for _ in range(count)]
