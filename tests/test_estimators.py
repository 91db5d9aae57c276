"""The estimators are scikit-learn's: they pass its own checks and work in its tools."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import dovetail as dt
from dovetail.estimators import Estimator

REASONS = {
    "check_sample_weight_equivalence_on_dense_data": (
        "minibatches are drawn by position: without an example, or with it twice, the others meet in other batches, "
        "and stochastic descent takes another path to as good an end"
    )
}


@pytest.mark.parametrize("estimator", [dt.Classifier(), dt.Regressor()], ids=lambda e: type(e).__name__)
def test_scikit_learn_s_own_checks(estimator: Estimator) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks mean to provoke them
        results = check_estimator(estimator, expected_failed_checks=REASONS, on_fail=None, on_skip=None)
    assert {r["check_name"]: str(r["exception"]) for r in results if r["status"] == "failed"} == {}
    assert sum(r["status"] == "passed" for r in results) > 50


def test_they_work_in_pipelines_searches_and_cross_validation() -> None:
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    pipeline = make_pipeline(StandardScaler(), dt.Classifier(epochs=15))
    assert cross_val_score(pipeline, x, names, cv=3).mean() > 0.9
    search = GridSearchCV(dt.Classifier(epochs=10), {"batch": [16, 64], "network": [[dt.linear("outputs")]]}, cv=3)
    search.fit(x, names)
    assert search.best_params_["batch"] == 16
    assert set(search.predict(x)) == set(names)
    np.testing.assert_allclose(search.predict_proba(x).sum(1), 1)


def test_weights_count() -> None:
    x, y = load_iris(return_X_y=True)
    lopsided = dt.Classifier(epochs=15).fit(x, y, sample_weight=np.where(y == 2, 0.0, 1.0))
    assert set(lopsided.predict(x)) == {0, 1}


def test_pickles_hold_text_and_tensors_and_answer_alike() -> None:
    x, y = load_diabetes(return_X_y=True)
    fitted = dt.Regressor(epochs=5, network=[dt.linear(8), dt.tanh(), dt.linear("outputs")]).fit(x, y)
    state = fitted.__getstate__()
    assert "linear" in state["recipe_"]
    assert json.loads(state["facts_"])["target"]["form"] == "numbers"
    assert isinstance(state["tensors_"], bytes)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(x), fitted.predict(x))
    assert not hasattr(clone(again), "tensors_")


def test_images_and_recipes_by_name() -> None:
    digits = load_digits()
    images = np.clip(digits.images * 16, 0, 255).astype(np.uint8)
    small = dt.Classifier(network=[dt.conv(8, 3), dt.relu(), dt.flatten(), dt.linear("outputs")], epochs=6)
    assert small.fit(images[:1000], digits.target[:1000]).score(images[1000:], digits.target[1000:]) > 0.9
    named = dt.Classifier("mlp", epochs=4, settings={"freeze": ["network.1.*"]}).fit(
        images[:1000], digits.target[:1000]
    )
    assert named.score(images[1000:], digits.target[1000:]) > 0.8
    assert named.recipe_.network[1] == dt.linear(500)
    assert not Path("runs").exists()


def test_partial_fit_goes_on_where_it_was() -> None:
    x, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    going = dt.Classifier(optimizer={"rule": "adam", "rate": 0.01})
    with pytest.raises(ValueError, match="classes must be given to the first call of partial_fit"):
        going.partial_fit(x, y)
    scores = []
    for _ in range(12):
        for part in np.array_split(order, 3):
            going.partial_fit(x[part], y[part], classes=[0, 1, 2])
        scores.append(going.score(x, y))
    assert scores[-1] > 0.93
    assert scores[-1] > scores[0]
    with pytest.raises(ValueError, match=r"^y\[1\] is the class .*9.*, which the first call did not name$"):
        going.partial_fit(x[:3], [0, 9, 1])
    numbers = dt.Regressor(optimizer={"rule": "adam", "rate": 0.01})
    a, b = load_diabetes(return_X_y=True)
    for _ in range(30):
        numbers.partial_fit(a, np.stack([b, -b], 1))
    assert numbers.predict(a).shape == (442, 2)
    assert numbers.score(a, np.stack([b, -b], 1)) > 0.4


def test_averaged_weights_answer_and_the_others_are_trained_on() -> None:
    x, y = load_iris(return_X_y=True)
    averaged = {"optimizer": {"rate": 0.05, "average": {"ema": 0.9}}}
    classifier = dt.Classifier(epochs=5, settings=averaged).fit(x, y)
    assert classifier.tensors_ != classifier.weights_
    for _ in range(3):
        classifier.partial_fit(x, y)
    assert classifier.score(x, y) > 0.9
    plain = dt.Classifier(epochs=5, settings={"optimizer": {"rate": 0.05}}).fit(x, y)
    assert plain.tensors_ is plain.weights_
