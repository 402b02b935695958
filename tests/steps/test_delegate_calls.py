"""What a program gives to its delegates and what Vela compiled: the same number of tensors."""

import pytest
from project import U55, Project, compile_steps, recipe

from etbuild.errors import StepError

# The first convolution's output is read by the second one, in the same delegate, and after relu6, which the Ethos-U55
# lacks, by an addition in another delegate.
TWO_READERS = """
    import torch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(3, 8, 3, padding=1)
            self.second = torch.nn.Conv2d(8, 8, 3, padding=1, groups=8)

        def forward(self, x):
            x = torch.relu(self.first(x))
            return x + torch.nn.functional.relu6(self.second(x))

    torch.manual_seed(0)
    ModelUnderTest = Net().eval()
    ModelInputs = (torch.randn(1, 3, 8, 8),)
"""


@pytest.mark.e2e
def test_an_output_that_vela_leaves_out_fails_the_build(project: Project) -> None:
    """No runtime would write it: the program would compute with old memory, without an error."""
    project.write("model.py", TWO_READERS)

    with pytest.raises(StepError) as caught:
        project.run(*compile_steps(recipe(), U55))

    name, _, rest = str(caught.value).removeprefix("delegate 0: got 1 outputs from Vela, wanted 2: ").partition(" ")
    assert name  # ExecuTorch's
    assert rest == (
        "(int8[1, 8, 8, 8]) is lost: an output that the NPU also reads itself is left out, and would never be written\n"
        "    what it has to give depends on the operators that are not on the NPU: partition.json says why they are not"
    )
