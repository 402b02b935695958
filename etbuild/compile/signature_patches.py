"""A patch for the pinned PyTorch: the properties of a program's signature are not computed for each question.

It has the parts that `etbuild.compile.patches` names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from etbuild.compile.patches import replaced

# Of ExportGraphSignature: tuples and mappings that cannot be changed, of what is in its lists of inputs and outputs.
_PROPERTIES = (
    *("parameters", "buffers", "non_persistent_buffers", "lifted_tensor_constants", "lifted_custom_objs"),
    *("user_inputs", "user_outputs", "inputs_to_parameters", "inputs_to_buffers", "buffers_to_mutate"),
    *("inputs_to_lifted_tensor_constants", "inputs_to_lifted_custom_objs"),
)


@contextmanager
def remembered_signatures() -> Iterator[None]:
    """Inside this context a property of a signature is computed again after a change of a signature.

    Passes ask of each node whether it is a parameter or a buffer, for which PyTorch goes through all inputs.

    Replaces: the properties of ExportGraphSignature, and the assignment to attributes of what it consists of.
    Saves:    a twentieth of lowering MobileNetV2.
    Same:     a property depends on the lists of inputs and outputs: they have to be equal, and no attribute of an
              entry, in any signature, may have been assigned since.
    Delete:   when PyTorch remembers them, or a pass asks once for all nodes.
    """
    from torch.export import graph_signature

    signature = graph_signature.ExportGraphSignature
    changes = [0]
    known: dict[tuple[int, str], tuple[Any, ...]] = {}

    def assigned(self: Any, name: str, value: Any) -> None:
        changes[0] += 1
        object.__setattr__(self, name, value)

    def remembering(name: str, compute: Callable[[Any], Any]) -> property:
        def read(self: Any) -> Any:
            _, count, inputs, outputs, value = known.get((id(self), name), (None, -1, None, None, None))
            # Equal entries are mostly the same objects, which Python compares first.
            if count != changes[0] or inputs != self.input_specs or outputs != self.output_specs:
                value = compute(self)
                # The signature too: while it lives, no other one has its number.
                known[id(self), name] = self, changes[0], list(self.input_specs), list(self.output_specs), value
            return value

        return property(read)

    entries = graph_signature.InputSpec, graph_signature.OutputSpec, graph_signature.TensorArgument
    arguments = graph_signature.ConstantArgument, graph_signature.CustomObjArgument, graph_signature.SymIntArgument
    with ExitStack() as stack:
        for entry in (*entries, *arguments, graph_signature.SymFloatArgument, graph_signature.SymBoolArgument):
            stack.enter_context(replaced(entry, "__setattr__", assigned))
        for name in _PROPERTIES:
            stack.enter_context(replaced(signature, name, remembering(name, vars(signature)[name].fget)))
        yield
