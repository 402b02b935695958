"""Writes the expected plans: python tests/plans/write.py. Review a change of them like a change of code."""

from pathlib import Path

from etbuild.build_engine.execute import command_line
from etbuild.plan.plan import plan_of
from etbuild.recipe.load import load_all
from etbuild.steps.kinds import KINDS

ROOT = Path(__file__).parent.parent.parent
RECIPES = ("mnist_u55", "mnist", "fallback_u55", "mv2_u65")


def texts() -> dict[str, str]:
    """The plan of each recipe of RECIPES, as in <recipe>.txt."""
    recipes = [recipe for recipe in load_all(ROOT) if recipe.name in RECIPES]
    return {recipe.name: "\n".join(_text(step) for step in plan_of([recipe]).steps) for recipe in recipes}


def _text(step) -> str:  # type: ignore[no-untyped-def]
    lines = [step.name, f"    {command_line(step, KINDS[step.kind].module)}"]
    lines += [f"    reads  {path}" for path in step.inputs]
    lines += [f"    writes {path}{' (depfile)' if path == step.depfile else ''}" for path in step.outputs]
    lines += [f"    with   {' '.join(step.tools)}"] if step.tools else []
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for name, text in texts().items():
        Path(__file__).with_name(f"{name}.txt").write_text(text)
