"""Steps predict, execute and evaluate: three models on a whole data set, and its metric."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from project import CONV, CPU, U55, Project, Quantize, compile_steps, inside, recipe

from etbuild.errors import StepError
from etbuild.recipe.evaluate_sections import Evaluate, OwnMetric
from etbuild.steps import evaluate, execute, predict

if TYPE_CHECKING:
    from collections.abc import Callable

    from etbuild.hardware.target import Target

pytestmark = pytest.mark.e2e

COUNT = 7


@pytest.fixture(scope="module")
def small(small: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy, because the tests add files."""
    root = tmp_path_factory.mktemp("evaluated") / "project"
    shutil.copytree(small.root, root)
    return Project(root)


def inputs(count: int = COUNT) -> Any:
    return np.random.default_rng(5).standard_normal((count, 2, 4, 4)).astype(np.float32)


def evaluated(project: Project, wanted: Evaluate) -> dict[str, Any]:
    """Run the three steps; evaluate.json."""
    one = recipe(evaluate=wanted)
    steps = predict.step(one, "tosa-u55"), execute.step(one, U55), evaluate.step(one, U55)
    project.run(*filter(None, steps))
    return dict(project.json("build/r/ethos-u55-128/evaluate.json"))


def failure(project: Project, wanted: Evaluate) -> str:
    with pytest.raises(StepError) as caught:
        evaluated(project, wanted)
    return str(caught.value)


def saved(project: Project, name: str = "data.npz", **arrays: Any) -> Evaluate:
    np.savez(project.root / name, **{"input_0": inputs(), **arrays})
    return Evaluate(Path(name))


def answers(project: Project, model: str) -> Any:
    folder = "ethos-u55-128/executed" if model == "executed" else "tosa-u55/answers"
    return np.load(project.root / "build/r" / folder / f"{model}_0.npy")


def csv_rows(project: Project) -> list[dict[str, str]]:
    with (project.root / "build/r/ethos-u55-128/evaluate.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_all_three_models_answer_every_sample(small: Project) -> None:
    """The metric counts what the arrays of answers hold; the compiled program computes what PyTorch simulates."""
    labels = np.arange(COUNT) % 3
    found = evaluated(small, replace(saved(small, labels=labels), fail_below=0.0))

    right = {
        name: float((answers(small, name).reshape(COUNT, 3).argmax(1) == labels).mean()) for name in found["values"]
    }
    assert found["values"] == right
    assert found["samples"] == COUNT
    assert np.abs(answers(small, "executed") - answers(small, "quantized")).max() < 0.02
    assert np.array(found["confusion"]).sum() == COUNT


def test_the_answers_are_those_of_pytorch_sample_by_sample(small: Project) -> None:
    """Folded weights and joined roundings change no bit of the quantised program, nor do several processes."""
    import torch

    from etbuild.compile.exported_program import load_program

    evaluated(small, saved(small, labels=np.zeros(COUNT, int)))
    with torch.no_grad(), inside(small.root):
        for name, file in (("float", "export/exported.pt2"), ("quantized", "tosa-u55/quantized.pt2")):
            module = load_program(Path("build/r") / file).module(check_guards=False)
            wanted = [module(torch.from_numpy(one[None])).numpy() for one in inputs()]
            assert np.array_equal(answers(small, name), np.stack(wanted))


def test_each_sample_has_a_line_with_the_answers_of_all_models(small: Project) -> None:
    """evaluate.csv says what each model answered, and whether the compiled one agrees with the float one."""
    evaluated(small, saved(small, labels=np.array([2, 0, 1, 2, 0, 1, 2])))
    rows = csv_rows(small)

    assert [row["label"] for row in rows] == ["2", "0", "1", "2", "0", "1", "2"]
    assert [row["name"] for row in rows][:2] == ["data.npz#0", "data.npz#1"]
    for number, row in enumerate(rows):
        for model in ("float", "quantized", "executed"):
            assert int(row[model]) == answers(small, model)[number].argmax()
        assert row["agree"] == str(int(row["float"] == row["executed"]))


def test_another_metric_runs_no_model_again() -> None:
    """Steps predict and execute read neither the metric nor its limits, so their command lines do not change."""
    first = Evaluate(Path("data.npz"), fail_below=0.5)
    second = Evaluate(Path("data.npz"), metric=OwnMetric(Path("metric.py"), "f1"))
    one, other = recipe(evaluate=first), recipe(evaluate=second)

    assert predict.step(one, "tosa-u55") == predict.step(other, "tosa-u55")
    assert execute.step(one, U55) == execute.step(other, U55)
    assert evaluate.step(one, U55) != evaluate.step(other, U55)


def test_a_recipe_without_the_section_has_none_of_the_steps() -> None:
    """Nothing of a recipe without `evaluate` changes."""
    one = recipe(U55, CPU)

    assert [predict.step(one, "cpu"), execute.step(one, CPU), evaluate.step(one, CPU)] == [None, None, None]


def test_a_metric_below_the_limit_fails_the_step(small: Project) -> None:
    """The message names the metric of all three models, and the limit that accepts it."""
    labels = 3 - 1 - (np.arange(COUNT) * 0)
    evaluated(small, saved(small, labels=labels))
    worst = int(answers(small, "executed").reshape(COUNT, 3).argmin(1)[0])

    text = failure(small, replace(saved(small, labels=np.full(COUNT, worst)), fail_below=1.0))
    got = small.json("build/r/ethos-u55-128/evaluate.json")["values"]
    assert text.startswith(f"evaluate.fail_below: got top1 {got['executed']:.4g} of the compiled program (")
    assert "wanted at least 1\n    evaluate: {fail_below: " in text


METRIC = """
    import numpy as np

    def spread(outputs, labels):
        return np.ptp(outputs) if labels is None else {returned}
"""


def test_a_metric_of_the_user_gets_outputs_and_labels(small: Project) -> None:
    """It is called once a model, may have no labels, and its file is an input of step evaluate."""
    small.write("metric.py", METRIC.replace("{returned}", "0"))
    np.savez(small.root / "unlabelled.npz", input_0=inputs())
    found = evaluated(small, Evaluate(Path("unlabelled.npz"), metric=OwnMetric(Path("metric.py"), "spread")))

    assert found["values"]["executed"] == pytest.approx(float(np.ptp(answers(small, "executed"))))
    depfile = small.json("build/r/ethos-u55-128/evaluate_deps.json")
    assert depfile["untracked"] == []


SAMPLES = """
    import numpy as np
    from scale import FACTOR

    def samples():
        generator = np.random.default_rng(1)
        for number in range(9):
            yield generator.standard_normal((2, 4, 4), np.float32) * FACTOR, number % 3
"""


def test_a_function_yields_the_samples(small: Project) -> None:
    """No more are asked for than the recipe takes; what the function's file imports is an input of the step."""
    small.write("scale.py", "FACTOR = 2.0")
    small.write("val.py", SAMPLES)
    found = evaluated(small, Evaluate(Path("val.py"), samples=4))

    assert found["samples"] == 4
    assert [row["name"] for row in csv_rows(small)] == [f"samples#{number}" for number in range(4)]
    # Step execute runs in the same process here, which has imported the file already.
    assert "scale.py" in small.json("build/r/tosa-u55/predict_deps.json")["inputs"]


def test_samples_that_differ_from_call_to_call_are_refused(small: Project) -> None:
    """The models must have seen the same inputs, or their agreement means nothing."""
    small.write("scale.py", "FACTOR = 2.0")
    small.write("val.py", SAMPLES.replace("default_rng(1)", "default_rng()"))

    assert failure(small, Evaluate(Path("val.py"))) == (
        "evaluate.data: sample 0: got other inputs when the models ran, wanted the same each time\n"
        "    let the function yield the same samples in the same order whenever it is called; seed what is random"
    )


def test_a_folder_a_class_has_its_labels_in_its_names(small: Project) -> None:
    """The classes are the folders in the order of their names."""
    for name, rows in (("b_cat", inputs()[:2]), ("a_dog", inputs()[2:5])):
        (small.root / "classes" / name).mkdir(parents=True)
        for number, row in enumerate(rows):
            np.save(small.root / "classes" / name / f"{number}.npy", row)
    evaluated(small, Evaluate(Path("classes")))

    assert [(row["name"], row["label"]) for row in csv_rows(small)] == [
        *((f"a_dog/{number}.npy", "0") for number in range(3)),
        *((f"b_cat/{number}.npy", "1") for number in range(2)),
    ]
    first = answers(small, "float")[3:]
    evaluated(small, saved(small, labels=np.zeros(COUNT, int)))
    np.testing.assert_array_equal(first, answers(small, "float")[:2])


BAD: dict[str, tuple[Callable[[], dict[str, Any]], dict[str, Any], str]] = {
    "no labels": (
        dict,
        {},
        "evaluate.metric: top1: got data without labels, wanted one for each sample\n"
        "    an array labels in the .npz, a folder a class, or the second of each pair that a function yields",
    ),
    "a class too many": (
        lambda: {"labels": np.array([0, 1, 2, 3, 0, 1, 2])},
        {},
        "evaluate.metric: top1: sample 3: got the label 3, wanted a class from 0 to 2, which the model has",
    ),
    "labels that are no classes": (
        lambda: {"labels": np.full(COUNT, 0.5)},
        {},
        "evaluate.metric: top1: got the label 0.5, wanted classes: integers from 0 to 2",
    ),
    "a label short": (
        lambda: {"labels": np.zeros(COUNT - 1, int)},
        {},
        "data.npz: labels: got 6, wanted 7, one per sample",
    ),
    "more samples than there are": (
        lambda: {"labels": np.zeros(COUNT, int)},
        {"samples": 8},
        "data.npz: got 7 samples, wanted 8",
    ),
    "inputs of another shape": (
        lambda: {"input_0": np.zeros((7, 3, 4, 4), np.float32)},
        {},
        "data.npz: input 0: got an array of [7, 3, 4, 4], wanted [samples, ...] with samples of [1, 2, 4, 4]",
    ),
    "inputs that are no numbers": (
        lambda: {"input_0": np.full((7, 2, 4, 4), np.nan, np.float32)},
        {},
        "data.npz: input 0: got NaN or infinity, wanted finite values",
    ),
    "targets of another size": (
        lambda: {"labels": np.zeros((COUNT, 2))},
        {"metric": OwnMetric(entry="mae")},
        "evaluate.metric: mae: got labels of 2 elements a sample, wanted 3, as many as the first output has",
    ),
    "more than two classes for a curve": (
        lambda: {"labels": np.arange(COUNT) % 2},
        {"metric": OwnMetric(entry="auc")},
        "evaluate.metric: auc: got a model with 3 output elements, wanted a score, two classes, or an output of the "
        "input's size\n    a metric of your own takes any: evaluate: {metric: {source, entry}}",
    ),
    "k beyond the classes": (
        lambda: {"labels": np.zeros(COUNT, int)},
        {"metric": OwnMetric(entry="topk"), "k": 4},
        "evaluate.k: got 4, wanted at most 3, the classes of the model",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_data_that_does_not_fit_is_named(small: Project, name: str) -> None:
    """Each mistake has one message, with file, input or sample, and what is wanted."""
    arrays, keys, wanted = BAD[name]

    assert failure(small, replace(saved(small, **arrays()), **keys)) == wanted


def test_a_metric_that_returns_no_number_is_named(small: Project) -> None:
    """So is an error in it, with the user's line and no traceback."""
    small.write("metric.py", METRIC.replace("{returned}", "'high'"))
    wanted = replace(saved(small, labels=np.zeros(COUNT, int)), metric=OwnMetric(Path("metric.py"), "spread"))
    assert failure(small, wanted) == "metric.py: spread(): got a str, wanted a number"

    small.write("metric.py", METRIC.replace("{returned}", "1 / 0"))
    assert failure(small, wanted).splitlines() == [
        "metric.py: spread(): got ZeroDivisionError: division by zero",
        "    metric.py:4 in spread: return np.ptp(outputs) if labels is None else 1 / 0",
    ]


def test_a_sample_that_a_function_yields_wrongly_is_named(small: Project) -> None:
    """By its number, in the words of the model's inputs."""
    small.write(
        "val.py", "import numpy as np\ndef samples():\n    yield np.zeros((2, 4, 4)), 1\n    yield np.zeros(3), 1\n"
    )
    assert failure(small, Evaluate(Path("val.py"))) == (
        "val.py: samples(): sample 1: input 0: got shape [3], wanted [1, 2, 4, 4]"
    )
    small.write("val.py", "def samples():\n    raise ValueError('no disk')\n")
    assert failure(small, Evaluate(Path("val.py"))).startswith("val.py: samples(): got ValueError: no disk\n")


def test_report_json_is_the_same_on_equal_runs(small: Project) -> None:
    """No time and no order of processes is in the files."""
    wanted = saved(small, labels=np.zeros(COUNT, int))
    first = evaluated(small, wanted)

    assert json.dumps(evaluated(small, wanted)) == json.dumps(first)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "io"), [(U55, "int8"), (CPU, "float32")])
def test_programs_with_integers_and_for_the_cpu_are_evaluated(project: Project, target: Target, io: str) -> None:
    """Integers at the model's ends are converted to its unit; without an NPU the kernels compute everything."""
    scheme = "int8" if target.npu != "none" else "none"
    project.write("model.py", CONV)
    wanted = saved(project, labels=np.arange(COUNT) % 3)
    one = recipe(target, quantize=Quantize(scheme=scheme, io=io), evaluate=wanted)
    steps = *compile_steps(one, target), predict.step(one, target.profile), execute.step(one, target)
    project.run(*(one for one in (*steps, evaluate.step(one, target)) if one))

    found = project.json(f"build/r/{target.variant}/evaluate.json")
    assert found["agreement_of_executed"]["quantized"] == 1.0
    assert found["max_error"] < 0.1
