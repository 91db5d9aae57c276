"""Keras 3 on JAX: `fit` on arrays in memory, normalised once beforehand (which the others do anew each epoch)."""

import os
from collections.abc import Callable

os.environ["KERAS_BACKEND"] = "jax"  # read when keras is imported
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: F401  so that a missing jax is seen here
import keras
import numpy as np

from .common import BATCH, MEAN, MOMENTUM, RATE, STD, mnist


def prepare() -> Callable[[], float]:
    """What is timed: `fit` of one epoch. The first call compiles and is to be left out."""
    keras.utils.set_random_seed(0)
    pixels, classes = mnist()
    images = ((pixels[..., None].astype(np.float32) - MEAN) / STD).astype(np.float32)  # (N, 28, 28, 1)
    labels = classes.astype(np.int32)
    network = keras.Sequential(
        [
            keras.layers.Input((28, 28, 1)),
            keras.layers.Conv2D(20, 5),
            keras.layers.MaxPooling2D(2),
            keras.layers.Conv2D(50, 5),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(500, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    network.compile(
        optimizer=keras.optimizers.SGD(learning_rate=RATE, momentum=MOMENTUM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    if network.count_params() != 431_080:
        raise ValueError(f"the network has {network.count_params()} weights, LeNet has 431,080")

    def epoch() -> float:
        return float(network.fit(images, labels, batch_size=BATCH, epochs=1, verbose=0).history["loss"][-1])

    return epoch
