"""skorch: `NeuralNetClassifier.partial_fit` on arrays in memory, normalised once beforehand; no validation split."""

from collections.abc import Callable

import numpy as np
import skorch
import torch

from .common import BATCH, MEAN, MOMENTUM, RATE, STD, lenet, mnist


def prepare() -> Callable[[], float]:
    """What is timed: `partial_fit` of one epoch; weights and momentum go on from call to call."""
    torch.manual_seed(0)
    pixels, classes = mnist()
    images = ((pixels[:, None].astype(np.float32) - MEAN) / STD).astype(np.float32)  # (N, 1, 28, 28)
    labels = classes.astype(np.int64)
    net = skorch.NeuralNetClassifier(
        lenet,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.SGD,
        optimizer__momentum=MOMENTUM,
        lr=RATE,
        max_epochs=1,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    ).initialize()

    def epoch() -> float:
        net.partial_fit(images, labels)
        return float(net.history[-1, "train_loss"])

    return epoch
