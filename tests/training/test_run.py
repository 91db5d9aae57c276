"""What a run gives once it is there: figures, predictions, weights for others to begin from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from training.systems import small

import dovetail as dt
from dovetail.recipe.errors import DataError, RecipeError, RunError, UsageError
from dovetail.training import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return dt.train(small(epochs=2), run=str(tmp_path_factory.mktemp("runs") / "trained"))


def test_a_run_is_opened_by_path_or_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dt.load(str(run.path)).metrics == run.metrics
    monkeypatch.chdir(run.path.parent)
    (run.path.parent / "runs").symlink_to(run.path.parent, target_is_directory=True)
    assert dt.load("trained").facts == run.facts


def test_figures_are_those_of_the_modules_themselves(run: Run) -> None:
    images, labels, _ = run.source.part("test").fetch(torch.arange(360))
    system = run.system()
    mean, deviation = run.facts.input.mean[0], run.facts.input.deviation[0]
    scores = system.network((images.float() - mean) / deviation).detach()
    wrong = int((scores.argmax(1) != labels).sum())
    figures = run.test()
    assert figures == {**run.metrics[-1]["test"], "confusion": figures["confusion"]}
    assert figures["error"] == wrong / 360
    assert figures["loss"] == pytest.approx(float(torch.nn.functional.cross_entropy(scores, labels)), rel=1e-5)
    assert figures["standard_error"] == pytest.approx((figures["error"] * (1 - figures["error"]) / 360) ** 0.5)
    assert sum(figures["confusion"][i][i] for i in range(10)) == 360 - wrong
    probability, decided = scores.softmax(1).max(1)
    answers = run.predict(images.numpy())
    assert [answer["class"] for answer in answers] == [str(label) for label in decided.tolist()]
    assert [answer["probability"] for answer in answers] == pytest.approx(probability.tolist(), rel=1e-5)


def test_parts(run: Run) -> None:
    counts = {part: run.test(part=part)["count"] for part in ("train", "validation", "test", "all")}
    assert counts == {"train": 1257, "validation": 180, "test": 360, "all": 1797}


def test_the_best_model_is_the_best_on_validation(run: Run) -> None:
    lines = [line["validation"]["error"] for line in run.metrics if "validation" in line]
    assert run.test(part="validation", best=True)["error"] == min(lines)


def test_image_files_are_answered_like_arrays(run: Run, tmp_path: Path) -> None:
    images, _, _ = run.source.part("test").fetch(torch.arange(3))
    for i, image in enumerate(images[:, 0].numpy()):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
        Image.fromarray(image).convert("RGBA").resize((56, 56), Image.Resampling.NEAREST).save(
            tmp_path / f"{i}-big.png"
        )
    from_arrays = run.predict(images.numpy())
    from_files = run.predict([f"{i}.png" for i in range(3)])
    assert from_files == [{"input": f"{i}.png", **answer} for i, answer in enumerate(from_arrays)]
    large = run.predict([f"{i}-big.png" for i in range(3)])
    assert [answer["class"] for answer in large] == [answer["class"] for answer in from_arrays]


def test_other_data_of_the_same_kind(run: Run) -> None:
    images, labels, _ = run.source.part("test").fetch(torch.arange(100))
    figures = run.test(dt.arrays(images.numpy(), labels.numpy(), test=0))
    assert figures["count"] == 100
    shifted = run.test(dt.arrays(images.numpy(), (labels.numpy() + 1) % 10, test=0))
    assert shifted["error"] > 0.8
    with pytest.raises(DataError, match=r"^arrays: the run knows no class '10'; its classes: 0, 1, 2"):
        run.test(dt.arrays(images.numpy(), labels.numpy() + 1, test=0))
    with pytest.raises(DataError, match=r"^arrays: image of 1x20x20, the run takes image of 1x28x28$"):
        run.test(dt.arrays(images[:, :, 4:24, 4:24].numpy(), labels.numpy(), test=0))


def test_begin_from_other_weights_with_a_new_head_and_a_frozen_trunk(run: Run) -> None:
    said: list[str] = []
    odd = np.asarray(run.source.part("train").fetch(torch.arange(1257))[1]) % 2
    images = run.source.part("train").fetch(torch.arange(1257))[0].numpy()
    settings = {"data": dt.arrays(images, odd), "start": str(run.path), "freeze": ["network.0.*", "network.1.*"]}
    tuned = dt.train(small(epochs=1), run="tuned", say=said.append, **settings)
    assert said == [
        "start: 9 tensors taken over; 2 of another shape, left as initialized (network.7.weight, network.7.bias)"
    ]
    before, after = (load_file(each.path / "model.safetensors") for each in (run, tuned))
    moved = {name for name in before if name in after and not torch.equal(before[name], after[name])}
    assert not {name for name in moved if name.startswith(("network.0.", "network.1."))}  # statistics included
    assert {"network.5.weight", "network.7.weight"} <= moved
    again = dt.train(small(epochs=1, start="tuned", **{k: v for k, v in settings.items() if k != "start"}), run="again")
    assert again.recipe.start == "tuned"
    save_file({"elsewhere": torch.zeros(3)}, "other.safetensors")
    with pytest.raises(
        RecipeError, match=r"^start: none of the 1 tensors of .*other.safetensors \(elsewhere, \.\.\.\)"
    ):
        dt.train(small(start="other.safetensors"), run="no")
    with pytest.raises(RecipeError, match=r"^freeze: 'network.9.\*' matches no parameter"):
        dt.train(small(freeze=["network.9.*"]), run="no")
    assert not Path("runs/no").exists()


def test_built_networks_take_a_runs_weights(run: Run) -> None:
    """`dt.build` gives PyTorch's own modules, whose state is a run's without its prefix."""
    network = dt.build([*run.recipe.network[:-1], dt.linear(10)], torch.zeros(1, 1, 28, 28))
    state = load_file(run.path / "model.safetensors")
    network.load_state_dict({name.removeprefix("network."): tensor for name, tensor in state.items()})
    assert type(network[0]) is torch.nn.Conv2d
    assert type(network[5]) is torch.nn.Linear


def test_what_opening_refuses(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^no run 'nowhere': neither a folder nor a name under runs/\.$"):
        dt.load("nowhere")
    with pytest.raises(RunError, match=rf"^{tmp_path} is not a run folder: there is no recipe.yaml in it$"):
        dt.load(str(tmp_path))
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("recipe.yaml", "environment.json"):
        (copy / name).write_bytes((run.path / name).read_bytes())
    with pytest.raises(RunError, match=rf"^{copy}: cannot be read as a run: .*facts.json"):
        dt.load(str(copy))
    (copy / "facts.json").write_text(json.dumps({"input": 3}))
    with pytest.raises(RunError, match=rf"^{copy}: cannot be read as a run"):
        dt.load(str(copy))
    (copy / "facts.json").write_bytes((run.path / "facts.json").read_bytes())
    with pytest.raises(
        RunError, match="has no model: it has not come to its end, or the file is gone; go on with: dovetail resume"
    ):
        dt.load(str(copy)).test()
    with pytest.raises(UsageError, match=r"^there is no part 'dev': it is train, validation, test or all$"):
        run.test(part="dev")


def test_a_taken_name_is_refused_with_the_command_that_resumes() -> None:
    dt.train(small(epochs=1), run="name")
    with pytest.raises(
        UsageError, match=r"^runs/name exists. Go on with it: dovetail resume runs/name; or name another"
    ):
        dt.train(small(epochs=1), run="name")
    with pytest.raises(UsageError, match=r"^run=a b: a run's name is made of letters"):
        dt.train(small(epochs=1), run="a b")


def test_changed_data_are_not_resumed() -> None:
    np.save("x.npy", np.random.default_rng(0).normal(size=(40, 3)))
    np.save("y.npy", np.arange(40) % 2)
    network = [dt.linear("outputs")]
    dt.train(network=network, objective=dt.softmax(), data=dt.arrays("x.npy", "y.npy"), epochs=1, run="on-files")
    np.save("x.npy", np.zeros((40, 3)))
    with pytest.raises(DataError, match=r"^arrays: the data have changed since the run began \(32 train, 0 validation"):
        dt.resume("on-files", "epochs=2")


def test_metrics_that_are_damaged_are_told(tmp_path: Path) -> None:
    run = dt.train(small(epochs=1), run=str(tmp_path / "run"))
    (run.path / "metrics.jsonl").write_text("{\n")
    with pytest.raises(RunError, match=r"metrics\.jsonl is damaged"):
        _ = run.metrics
