"""The four networks of `vision.py` in Keras 3, on the backend that the contestant's name begins with."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

BACKEND = next((word for word in ("jax", "torch") if f":{word}_" in " ".join(sys.argv)), "jax")
os.environ["KERAS_BACKEND"] = BACKEND  # read when keras is imported
os.environ["JAX_PLATFORMS"] = "cpu"

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers as L  # noqa: E402
from keras import ops  # noqa: E402

from .vision import CLASSES, MOMENTUM, NETWORKS, RATE, data  # noqa: E402


class LocalNorm(L.Layer):  # type: ignore[misc]
    """x / (1 + 1e-4 / 5 * the sum over five channels of x^2)^0.75."""

    def call(self, x: Any) -> Any:
        wide = ops.pad(ops.square(x), [[0, 0], [0, 0], [0, 0], [2, 2]])
        near = sum(wide[..., i : i + x.shape[-1]] for i in range(5))
        return x / ops.power(1.0 + (1e-4 / 5) * near, 0.75)


def conv(x: Any, filters: int, kernel: int, stride: int = 1, pad: int | None = None) -> Any:
    if pad:
        x = L.ZeroPadding2D(pad)(x)
    return L.Conv2D(filters, kernel, stride, padding="valid" if pad is not None else "same", activation="relu")(x)


def pool(x: Any) -> Any:
    """3x3 at every second place; "same" rounds up, as GoogLeNet does."""
    return L.MaxPooling2D(3, 2, padding="same")(x)


def inception(x: Any, c1: int, c3: Sequence[int], c5: Sequence[int], pooled: int) -> Any:
    branches = [conv(x, c1, 1), conv(conv(x, c3[0], 1), c3[1], 3), conv(conv(x, c5[0], 1), c5[1], 5)]
    branches.append(conv(L.MaxPooling2D(3, 1, padding="same")(x), pooled, 1))
    return L.Concatenate()(branches)


def full(x: Any, dropout: float, *widths: int) -> Any:
    for width in widths:
        x = L.Dropout(dropout)(L.Dense(width, activation="relu")(x))
    return L.Dense(CLASSES)(x)


def lenet(x: Any) -> list[Any]:
    x = L.MaxPooling2D(2)(L.Conv2D(20, 5)(x))
    x = L.MaxPooling2D(2)(L.Conv2D(50, 5)(x))
    return [L.Dense(CLASSES)(L.Dense(500, activation="relu")(L.Flatten()(x)))]


def vgg_a(x: Any) -> list[Any]:
    for stage in ([64], [128], [256, 256], [512, 512], [512, 512]):
        for width in stage:
            x = conv(x, width, 3)
        x = L.MaxPooling2D(2)(x)
    return [full(L.Flatten()(x), 0.5, 4096, 4096)]


def alexnet(x: Any) -> list[Any]:
    x = L.MaxPooling2D(3, 2)(conv(x, 64, 11, 4, pad=2))
    x = L.MaxPooling2D(3, 2)(conv(x, 192, 5))
    x = L.MaxPooling2D(3, 2)(conv(conv(conv(x, 384, 3), 256, 3), 256, 3))
    return [full(L.Dropout(0.5)(L.Flatten()(x)), 0.5, 4096, 4096)]


def googlenet(x: Any) -> list[Any]:
    x = LocalNorm()(pool(conv(x, 64, 7, 2, pad=3)))
    x = pool(LocalNorm()(conv(conv(x, 64, 1), 192, 3)))
    x = inception(inception(x, 64, (96, 128), (16, 32), 32), 128, (128, 192), (32, 96), 64)
    x = inception(pool(x), 192, (96, 208), (16, 48), 64)
    sides = [side(x)]
    for widths in ((160, (112, 224), (24, 64), 64), (128, (128, 256), (24, 64), 64), (112, (144, 288), (32, 64), 64)):
        x = inception(x, *widths)
    sides.append(side(x))
    x = pool(inception(x, 256, (160, 320), (32, 128), 128))
    x = inception(inception(x, 256, (160, 320), (32, 128), 128), 384, (192, 384), (48, 128), 128)
    return [L.Dense(CLASSES)(L.Dropout(0.4)(L.GlobalAveragePooling2D()(x))), *sides]


def side(x: Any) -> Any:
    x = conv(L.AveragePooling2D(min(5, x.shape[1]), 3)(x), 128, 1)
    return full(L.Flatten()(x), 0.7, 1024)


def prepare(name: str) -> Callable[[], float]:
    """`fit` on arrays in memory; the first call compiles and is to be left out."""
    images, labels, batch, _ = data(name)
    x, y = np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy()), labels.numpy().astype(np.int32)
    given = L.Input(x.shape[1:])
    outputs = globals()[name](given)
    model = keras.Model(given, outputs if len(outputs) > 1 else outputs[0])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(learning_rate=RATE, momentum=MOMENTUM)
    many = len(outputs) > 1
    model.compile(optimizer, [loss] * 3 if many else loss, loss_weights=[1.0, 0.3, 0.3] if many else None)
    targets = [y] * 3 if many else y
    steps = NETWORKS[name][3]
    return lambda: steps * float(model.fit(x, targets, batch_size=batch, epochs=1, verbose=0).history["loss"][-1])


def __getattr__(word: str) -> Callable[[], Callable[[], float]]:
    _, _, name = word.partition("_")
    if name not in NETWORKS:
        raise AttributeError(word)
    return lambda: prepare(name)
