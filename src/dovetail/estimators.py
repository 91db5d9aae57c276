"""scikit-learn's interface: `Classifier` and `Regressor` fit, predict and score like any of its estimators."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .data.prepare import Prepare
from .data.reading import check_array
from .recipe.facts import Facts
from .recipe.recipe import Recipe, parse, recipe_of
from .recipe.recipe import load as load_recipe
from .recipe.spec import Spec
from .training.machine import dtype_of, resolved, settled
from .training.run import make_source
from .training.system import System
from .training.tensors import tensor_bytes
from .training.trainer import Trainer

DEFAULT: dict[str, Any] = {  # what an estimator is where its constructor names nothing
    "network": ["flatten", {"linear": 64}, "relu", {"linear": "outputs"}],
    "optimizer": {"rule": "adam", "rate": {"cosine": 0.01}},
    "epochs": 50,
    "batch": 32,
    "precision": "float64",  # so that an answer does not depend, in its last digit, on how many are asked for at once
}
SELDOM = "1000000 epochs"


class Estimator(BaseEstimator, ABC):  # type: ignore[misc]
    """What both estimators share: a system described by their constructor's words, trained in memory."""

    recipe_: Recipe
    facts_: Facts
    tensors_: bytes  # the system's, as safetensors
    weights_: bytes  # before they are averaged, where the recipe averages them
    moments_: bytes  # what the rule remembers, where partial_fit may go on

    def __init__(
        self,
        recipe: str | Recipe | None = None,
        network: Any = None,
        objective: Any = None,
        optimizer: Any = None,
        epochs: float | None = None,
        batch: int | None = None,
        seed: int = 0,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.recipe, self.network, self.objective, self.optimizer = recipe, network, objective, optimizer
        self.epochs, self.batch, self.seed, self.settings = epochs, batch, seed, settings

    def _described(self, data: Spec) -> Recipe:
        """The recipe of the constructor's words, on these data."""
        own = {
            "network": self.network,
            "objective": self.objective,
            "optimizer": self.optimizer,
            "epochs": self.epochs,
            "batch": self.batch,
        }
        given = {name: value for name, value in own.items() if value is not None}
        given = {**given, **(self.settings or {}), "seed": self.seed, "data": data}
        if self.recipe is None:
            return recipe_of({"objective": self._usual_objective(), **DEFAULT, **given})
        named = load_recipe(self.recipe) if isinstance(self.recipe, str) else self.recipe
        fields = {item.name: getattr(named, item.name) for item in dataclasses.fields(named)}
        return recipe_of({**fields, **given})

    @abstractmethod
    def _usual_objective(self) -> str:
        """The objective where the constructor names none."""

    def _train(self, x: np.ndarray, y: np.ndarray, names: list[str] | None, weight: Any, more: bool) -> Estimator:
        from .data.arrays import arrays

        held: dict[str, Any] = {"x": x, "y": y, "names": names, "test": 0}
        if weight is not None:
            held["weight"] = _check_sample_weight(weight, x, ensure_non_negative=True)
        described = self._described(arrays(**held))
        recipe = dataclasses.replace(resolved(described), evaluate=SELDOM, checkpoint=SELDOM)
        source = make_source(recipe.data, Path())
        if more and hasattr(self, "tensors_"):
            source.adopt(self.facts_)
            recipe = dataclasses.replace(recipe, epochs=1)
        with tempfile.TemporaryDirectory(prefix="dovetail-") as folder, settled(recipe):
            trainer = Trainer(recipe, source, Path(folder))
            if more and hasattr(self, "tensors_"):
                trainer.system.load_state_dict(load_tensors(self.weights_))
                moments = load_tensors(self.moments_)
                if moments:  # `fit` leaves none
                    trainer.descent.load(moments)
            trainer.run()
        self.recipe_, self.facts_ = recipe, source.facts
        self.weights_ = self.tensors_ = tensor_bytes(trainer.system.state_dict())
        self.moments_ = tensor_bytes(trainer.descent.state() if more else {})
        if recipe.optimizer.average is not None:
            with trainer.descent.evaluated():
                self.tensors_ = tensor_bytes(trainer.system.state_dict())
        return self

    def _output(self, X: Any) -> tuple[Any, torch.Tensor]:
        """The objective, and the network's answer for each row of X."""
        check_is_fitted(self, "tensors_")
        x = validate_data(self, X, reset=False, allow_nd=True, dtype=_kind(X))
        raw = check_array(self.facts_.input, x, "X")
        system = System(self.recipe_, self.facts_)
        system.load_state_dict(load_tensors(self.tensors_))
        system.to(self.recipe_.device).eval()
        prepare = Prepare(self.facts_.input, torch.device(self.recipe_.device), dtype_of(self.recipe_))
        rows = 2 * self.recipe_.batch
        with settled(self.recipe_), torch.inference_mode():
            pieces = [system.answer(prepare(raw[i : i + rows])).cpu() for i in range(0, len(raw), rows)]
        return system.cpu().objective, torch.cat(pieces)

    def __getstate__(self) -> dict[str, Any]:
        """Recipe and facts as text, tensors as safetensors: unpickling builds nothing of ours by itself."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "tensors_" in state:
            state["recipe_"] = self.recipe_.write(complete=True)
            state["facts_"] = json.dumps(self.facts_.plain())
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "tensors_" in state:
            state = {**state, "recipe_": parse(state["recipe_"]), "facts_": Facts.of(json.loads(state["facts_"]))}
        super().__setstate__(state)


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A system that tells classes apart, as a scikit-learn estimator.

    `recipe` is a recipe's name, path or object, else `network` a list of specs, else a small perceptron; the other
    words are a recipe's own, and `settings` takes the rest of them. X: (N, features) numbers, or images (N, H, W) or
    (N, C, H, W) of bytes; y: (N,). Raises what scikit-learn raises.

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> bool(Classifier(epochs=20).fit(x, y).score(x, y) > 0.9)
    True
    """

    def _usual_objective(self) -> str:
        return "softmax"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Classifier:
        """Train on X and y from the beginning."""
        return self._fit(X, y, sample_weight, None, more=False)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Classifier:
        """Train one epoch more, on X and y; the first call is told all classes, and sets the scale of the inputs."""
        if classes is None and not hasattr(self, "classes_"):
            raise ValueError("classes must be given to the first call of partial_fit")
        return self._fit(X, y, sample_weight, classes, more=True)

    def _fit(self, X: Any, y: Any, weight: Any, classes: Any, more: bool) -> Classifier:
        first = not more or not hasattr(self, "tensors_")
        x, y = validate_data(self, X, y, reset=first, allow_nd=True, dtype=_kind(X))
        check_classification_targets(y)
        if first:
            self.classes_ = np.unique(y if classes is None else classes)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class only, {self.classes_[0]}: a classifier needs two at least")
        numbers = np.searchsorted(self.classes_, y)
        strange = (self.classes_[np.minimum(numbers, len(self.classes_) - 1)] != y).nonzero()[0]
        if len(strange):
            raise ValueError(f"y[{strange[0]}] is the class {y[strange[0]]!r}, which the first call did not name")
        self._train(x, numbers, [str(name) for name in self.classes_], weight, more)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """(N,): the class of each row."""
        objective, output = self._output(X)
        decided: np.ndarray = self.classes_[objective.decode(output).numpy()]
        return decided

    def predict_proba(self, X: Any) -> np.ndarray:
        """(N, classes): how likely each class is, in the order of `classes_`."""
        objective, output = self._output(X)
        likely = objective.probabilities(output).double()
        normalized: np.ndarray = (likely / likely.sum(1, keepdim=True)).numpy()
        return normalized


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A system that tells numbers, as a scikit-learn estimator; its words are those of `Classifier`.

    X as there; y: (N,) or (N, outputs) numbers.

    >>> from sklearn.datasets import load_diabetes
    >>> x, y = load_diabetes(return_X_y=True)
    >>> bool(Regressor(epochs=20).fit(x, y).score(x, y) > 0.4)
    True
    """

    def _usual_objective(self) -> Any:
        return {"squares": {"standardize": True}}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Regressor:
        """Train on X and y from the beginning."""
        return self._fit(X, y, sample_weight, more=False)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Regressor:
        """Train one epoch more, on X and y; the first call sets the scale of the inputs and of the targets."""
        return self._fit(X, y, sample_weight, more=True)

    def _fit(self, X: Any, y: Any, weight: Any, more: bool) -> Regressor:
        first = not more or not hasattr(self, "tensors_")
        x, y = validate_data(self, X, y, reset=first, allow_nd=True, multi_output=True, y_numeric=True, dtype=_kind(X))
        self.flat_ = np.ndim(y) == 1
        self._train(x, np.asarray(y, np.float64), None, weight, more)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """(N,) or (N, outputs): the numbers of each row."""
        objective, output = self._output(X)
        decided: np.ndarray = objective.decode(output).double().numpy()
        return decided[:, 0] if self.flat_ else decided


def _kind(X: Any) -> Any:
    """Images of bytes stay bytes, everything else becomes numbers."""
    array = X if hasattr(X, "dtype") else np.asarray(X)
    if array.dtype == np.uint8 and array.ndim > 2:
        return None
    return "numeric" if array.dtype.kind in "fiub" else np.float64
