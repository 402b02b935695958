"""A state whose rows are along an inner axis, which Vela leaves out: the message names the model's buffers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from project import U85, Project, compile_steps, recipe
from stateful import source

from etbuild.compile import delegate_states
from etbuild.errors import StepError

if TYPE_CHECKING:
    from pathlib import Path

# [1, heads, positions, depth]
HEADS = (
    """
    self.key, self.value = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
    self.register_buffer("keys", torch.zeros(1, 2, 8, 2), persistent=False)
    self.register_buffer("values", torch.zeros(1, 2, 8, 2), persistent=False)
    """,
    """
    self.keys.index_copy_(2, position, self.key(x).view(1, 1, 2, 2).transpose(1, 2))
    self.values.index_copy_(2, position, self.value(x).view(1, 1, 2, 2).transpose(1, 2))
    return torch.relu(self.keys * 2.0) @ self.values.transpose(2, 3)
    """,
)


@pytest.mark.e2e
def test_a_state_with_rows_along_an_inner_axis_is_refused_by_its_name(project: Project) -> None:
    """The names that the model's source has, and what to write instead."""
    project.write("model.py", source(HEADS))

    with pytest.raises(StepError) as caught:
        project.run(*compile_steps(recipe(), U85))

    assert str(caught.value) == (
        "delegate 0: got 2 outputs from Vela, wanted 3: what the model writes to one of the buffers keys and values is "
        "lost: an output that the NPU also reads itself is left out, and would never be written\n"
        "    write rows of self.keys along its first axis that has more than one element, as in [1, positions, width], "
        "and split\n"
        "    what is read of it; or make it an input and an output of the model, and keep it in the application"
    )


def test_a_program_without_states_has_no_file_of_them(tmp_path: Path) -> None:
    """So that its delegates' folder, an input of step vela, is what it was."""
    delegate_states.write({}, tmp_path)

    assert list(tmp_path.iterdir()) == []
    assert delegate_states.read(tmp_path, 0) == {}
