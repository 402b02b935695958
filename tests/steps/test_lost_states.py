"""A state that a program would not keep is named, and refused; what begins a sequence is what the model has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from project import Project, inside
from stateful import RECURRENT, source

from etbuild.compile.calibration import require_order
from etbuild.compile.exporting import export
from etbuild.compile.states import require_states
from etbuild.errors import StepError
from etbuild.recipe.data_sections import Data
from etbuild.recipe.model_sections import Export, Model

if TYPE_CHECKING:
    from pathlib import Path


def exported(folder: Path, text: str) -> Any:
    made = Project(folder)
    made.write("model.py", text)
    with inside(folder):
        return export(Model(source=made.root / "model.py"), Export())


def test_an_exported_program_begins_as_the_model_does(tmp_path: Path) -> None:
    """export calls the model once with its example inputs, which changes it."""
    program = exported(tmp_path, source(RECURRENT))

    assert program.state_dict["h"].unique().tolist() == [0.5]
    assert program.state_dict["calls"].tolist() == [7]


_WANTED = "wanted each state in a buffer of its own\n    in __init__: self.register_buffer"
_CHANGED = "in forward change that in place"
_CALL = "call {} of the exported program gives another output 0 than the model"


@pytest.mark.parametrize(
    "made, forward, message",
    [
        (
            'self.at = 0; self.register_buffer("rows", torch.zeros(8, 4))',
            "self.rows[self.at] = x[0, 0]; self.at += 1; return self.rows * 2",
            f'self.at, self.rows; {_CALL.format(2)}, {_WANTED}("at", torch.tensor(...)); {_CHANGED}',
        ),
        (
            "self.total = torch.zeros(1, 4)",
            "self.total = self.total + x; return self.total * 2",
            f'self.total; {_CALL.format(2)}, {_WANTED}("total", torch.tensor(...)); {_CHANGED}',
        ),
        (
            "self.seen = []",
            "self.seen.append(x); return torch.stack(self.seen).sum(0)",
            f'self.seen; {_CALL.format(2)}, {_WANTED}("seen", torch.tensor(...)); {_CHANGED}',
        ),
        (
            "self.total = torch.zeros(1, 4)",
            "self.total[:] = self.total + x[0]; return self.total * 2",
            f'self.total, {_WANTED}("total", torch.tensor(...)); {_CHANGED}',
        ),
        (
            "self.total = torch.nn.Parameter(torch.zeros(1, 1, 4))",
            "self.total.add_(x); return self.total * 2",
            f'self.total, {_WANTED}("total", torch.tensor(...)); {_CHANGED}',
        ),
        (
            'a = torch.zeros(2, 4); self.register_buffer("all", a); self.register_buffer("first", a[:1])',
            "self.all.add_(x[0]); return self.first * 2",
            f'self.all, self.first; {_CALL.format(1)}, {_WANTED}("all", torch.tensor(...)); {_CHANGED}',
        ),
    ],
    ids=["number", "assigned", "list", "in place", "parameter", "view"],
)
def test_a_state_that_would_be_lost_is_named(made: str, forward: str, message: str, tmp_path: Path) -> None:
    """torch.export takes what is no buffer for a constant; a .pte has no buffers in one memory."""
    with pytest.raises(StepError) as caught:
        exported(tmp_path, source((made, forward)))

    assert str(caught.value) == f"{tmp_path}/model.py: forward changes {message}"


def test_an_attribute_that_changes_no_output_is_no_state(tmp_path: Path) -> None:
    """Such as the shape of the last input."""
    program = exported(tmp_path, source(("self.last = None", "self.last = tuple(x.shape); return x * 2")))

    assert program.graph_signature.buffers_to_mutate == {}


@pytest.mark.parametrize("section", ["vectors", "quantize.calibration"])
def test_a_random_choice_of_steps_is_refused(section: str, tmp_path: Path) -> None:
    """A state that begins in the middle of its sequence is another one."""
    program = exported(tmp_path, source(RECURRENT))

    with pytest.raises(StepError) as caught:
        require_order(section, Data(tmp_path / "steps.npz", 4, seed=3), program)

    assert str(caught.value) == (
        f"{section}.seed: got 3, a random choice of the samples, wanted them in order: the model keeps state in h, "
        "calls\n    leave out seed: the first 4 are taken"
    )


def test_a_program_that_no_longer_changes_a_buffer_is_refused(tmp_path: Path) -> None:
    """Whatever loses it on the way to the .pte; here it is another model's program."""
    program, other = (
        exported(tmp_path / str(at), source(model)) for at, model in enumerate((RECURRENT, ("", "return x")))
    )

    with pytest.raises(StepError) as caught:
        require_states("quantized.pt2: lowering for tosa-u85", program, other)

    assert str(caught.value) == (
        "quantized.pt2: lowering for tosa-u85: got a program that does not change the buffer h, which the model "
        "changes\n    make it an input and an output of the model, and keep it in the application"
    )
