"""Which stored outputs a step finds, and which it must not."""

from dataclasses import replace

import pytest
from cached_project import STEP, TRACED, Machine, outputs

from etbuild.build_engine.execute import Executor
from etbuild.build_engine.step import Step
from etbuild.errors import StepError, UsageError
from etbuild.plan.engine import executor as real_executor


def test_a_second_checkout_finds_what_the_first_has_built(machine: Machine) -> None:
    """The same bytes in another folder, with the record of the run, and nothing to do afterwards."""
    first, second = machine.checkout("first"), machine.checkout("second")
    ran = first.run(STEP)

    cached = second.run(STEP)

    assert (ran.how, cached.how, second.run(STEP).how) == ("ran", "cached", "up to date")
    assert outputs(second) == outputs(first)
    assert second.workspace.record(STEP) == first.workspace.record(STEP)
    assert machine.runs == 1


def test_a_hit_starts_no_process(machine: Machine) -> None:
    """Not even a short one."""
    machine.checkout("first").run(STEP)
    root = machine.checkout("second").workspace.root

    def refuse(step: Step) -> list[str]:
        raise AssertionError(step)

    assert real_executor(root, refuse, lambda step: {}).run(STEP).how == "cached"


def test_hits_leave_no_temporary_files(machine: Machine) -> None:
    """The folder that outputs are restored in is removed at the end of the build."""
    machine.checkout("first").run(STEP)
    second = machine.checkout("second")
    second.run(STEP)
    sandboxes = second.workspace.state / "sandbox"
    during = len(list(sandboxes.iterdir()))

    second.save()

    assert (during, list(sandboxes.iterdir())) == (2, [])


def test_outputs_that_were_cleaned_come_back(machine: Machine) -> None:
    """doit clean, then doit."""
    checkout = machine.checkout("first")
    checkout.run(STEP)
    before = outputs(checkout)
    checkout.workspace.clean(STEP)

    assert checkout.run(STEP).how == "cached"
    assert outputs(checkout) == before


def test_a_forced_step_runs_whatever_the_cache_has(machine: Machine) -> None:
    """doit -a."""
    checkout = machine.checkout("first")
    checkout.run(STEP)

    assert checkout.run(STEP, forced=True).how == "ran"


def test_off_is_no_cache(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """ETBUILD_CACHE=off: nothing is written anywhere."""
    monkeypatch.setenv("ETBUILD_CACHE", "off")
    machine.checkout("first").run(STEP)

    assert machine.checkout("second").run(STEP).how == "ran"
    assert not machine.store.exists()


def test_an_unknown_mode_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing error must not give write access."""
    monkeypatch.setenv("ETBUILD_REMOTE_CACHE_MODE", "readonly")

    with pytest.raises(
        UsageError, match=r'^ETBUILD_REMOTE_CACHE_MODE: got "readonly", wanted read-only or read-write$'
    ):
        machine.checkout("first").run(STEP)


@pytest.mark.parametrize(
    ("step", "tool", "model"),
    [
        (STEP._replace(argv=("--x", "2")), "1.0", "one"),
        (STEP._replace(name="lower:r"), "1.0", "one"),
        (STEP._replace(outputs=STEP.outputs[:1]), "1.0", "one"),
        (STEP, "2.0", "one"),
        (STEP, "1.0", "two"),
    ],
    ids=["arguments", "kind", "outputs", "tool", "input"],
)
def test_another_action_has_another_key(machine: Machine, step: Step, tool: str, model: str) -> None:
    """Each of these determines the outputs."""
    machine.checkout("first").run(STEP._replace(tools=("vela",)))
    other = machine.checkout("second")
    (other.workspace.root / "model.py").write_text(model)
    other.workspace.current = replace(other.workspace.current, tools=lambda step: {"vela": tool})

    assert other.run(step._replace(tools=("vela",))).how == "ran"


def test_the_source_of_a_step_is_part_of_its_key(machine: Machine) -> None:
    """A step of another etbuild is another step."""
    machine.checkout("first").run(STEP)
    other = machine.checkout("second")
    other.workspace.current = replace(other.workspace.current, source=lambda step: {"steps/export.py": "0" * 64})

    assert other.run(STEP).how == "ran"


def test_the_name_of_a_recipe_is_not_part_of_the_key(machine: Machine) -> None:
    """But paths are: they are in the arguments, and outputs may contain them."""
    machine.checkout("first").run(STEP)

    assert machine.checkout("second").run(STEP._replace(name="export:other")).how == "cached"


def test_an_input_outside_the_project_counts_by_its_content(machine: Machine) -> None:
    """By the current content at its absolute path."""
    outside = machine.base / "weights.bin"
    outside.write_text("1")
    step = STEP._replace(inputs=("model.py", str(outside)))
    machine.checkout("first").run(step)
    unchanged = machine.checkout("second").run(step).how

    outside.write_text("2")

    assert (unchanged, machine.checkout("third").run(step).how) == ("cached", "ran")


def test_files_that_a_step_read_besides_its_inputs_count_too(machine: Machine) -> None:
    """Known only after a run; then by their content in each checkout."""
    machine.behave(imports=("blocks.py",))
    machine.checkout("first").run(TRACED)
    same, other, back = (machine.checkout(name) for name in ("same", "other", "back"))
    (other.workspace.root / "blocks.py").write_text("2")

    assert same.run(TRACED).how == "cached"
    assert other.run(TRACED).how == "ran"
    assert back.run(TRACED).how == "cached"
    assert back.workspace.reasons(TRACED) == ()


def change_imports(checkout: Executor) -> Executor:
    (checkout.workspace.root / "blocks.py").write_text("2")
    (checkout.workspace.root / "more.py").write_text("more")
    return checkout


def test_runs_of_one_step_may_have_read_different_files(machine: Machine) -> None:
    """Each list of paths is stored; a list with a missing file leads to no hit."""
    machine.behave(imports=("blocks.py", "more.py"))
    first, second = machine.checkout("first"), change_imports(machine.checkout("second"))
    first.run(TRACED)
    second.run(TRACED)
    like_first, like_second = machine.checkout("like first"), change_imports(machine.checkout("like second"))

    assert (like_first.run(TRACED).how, like_second.run(TRACED).how) == ("cached", "cached")
    assert like_first.workspace.record(TRACED) == first.workspace.record(TRACED)
    assert like_second.workspace.record(TRACED) == second.workspace.record(TRACED)


def test_a_file_that_was_read_outside_the_project_counts_at_its_path(machine: Machine) -> None:
    """An absolute path in a depfile: it exists and is unchanged, or there is no hit."""
    outside = machine.base / "table.py"
    outside.write_text("1")
    machine.behave(imports=(str(outside),))
    machine.checkout("first").run(TRACED)
    same = machine.checkout("same").run(TRACED).how
    outside.write_text("2")
    changed = machine.checkout("changed").run(TRACED).how
    outside.unlink()

    assert (same, changed, machine.checkout("gone").run(TRACED).how) == ("cached", "ran", "ran")


@pytest.mark.parametrize("how", ["fail", "die", "nothing"])
def test_a_step_that_failed_is_not_stored(machine: Machine, how: str) -> None:
    """Nor any part of it."""
    machine.behave(how)

    with pytest.raises(StepError):
        machine.checkout("first").run(STEP)

    assert machine.stored() == []


@pytest.mark.parametrize(
    ("change", "step"),
    [
        ("(project / 'model.py').write_text('two')", STEP),
        ("(project / 'model.py').write_text('two'); (project / 'model.py').write_text('one')", STEP),
        ("(project / 'blocks.py').write_text('2')", TRACED),
    ],
    ids=["input", "input and back", "discovered"],
)
def test_a_run_whose_inputs_changed_meanwhile_is_not_stored(machine: Machine, change: str, step: Step) -> None:
    """Nobody knows which content the outputs came from."""
    script = (
        f"{change}\n"
        "Path('build/r/a.bin').write_text('made')\n"
        "Path('build/r/folder').mkdir(exist_ok=True)\n"
        "Path('build/r/deps.json').write_text('{\"inputs\": [\"blocks.py\"]}')\n"
    )

    machine.scripted("first", script).run(step)

    assert machine.stored() == []


def test_a_run_while_our_own_source_was_edited_is_not_stored(machine: Machine) -> None:
    """The process may have imported either version."""
    checkout = machine.checkout("first")
    workspace = checkout.workspace
    workspace.current = replace(workspace.current, source=lambda step: {"steps/export.py": "0" * 64})
    workspace.source = lambda step: {"steps/export.py": "0" * 64}  # type: ignore[method-assign]

    checkout.run(STEP)

    assert machine.stored() == []
