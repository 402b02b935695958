"""The rules about operators: what stays on the CPU, pads, means, and a softmax at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from etbuild.lint.finding import Finding
from etbuild.lint.graph import Subject, is_called_once, line_of, module_of, operator_of, producer, readers, shape
from etbuild.lint.patches import of_expression, of_modules, of_rewriting

_NO_ADVICE = "compute it in the application, before or after the model, or use another operator"
_IMAGE = 4


def cpu_operators(subject: Subject) -> Iterator[Finding]:
    """What the partitioner leaves to the CPU, with its reason and the alternative of compile/advice.yaml."""
    keys = ("operator", "line", "module", "reason", "advice")
    counts = Counter(
        tuple(one[key] for key in keys)
        for one in subject.operators
        if one["class"] == "compute" and one["place"] == "CPU"
    )
    for (operator, line, module, reason, advice), count in counts.items():
        yield Finding(
            "cpu-operator",
            subject.profile,
            f"{operator} runs on the CPU",
            " ".join((reason or "no reason is known").split()),
            advice or _NO_ADVICE,
            line,
            module,
            count,
            _on_npu(subject, operator, module),
        )


def pads(subject: Subject) -> Iterator[Finding]:
    """Zeros around an image, then a convolution that could add them itself; none for a recipe whose rule does that."""
    for node in () if "pads" in subject.rules else subject.nodes("constant_pad_nd", "pad"):
        next_ones = readers(node)
        if len(next_ones) != 1 or operator_of(next_ones[0]) != "convolution" or len(shape(node)) != _IMAGE:
            continue
        widths, conv = [int(width) for width in node.args[1]], next_ones[0]
        left, right, top, bottom = (*widths, 0, 0, 0, 0)[:4]
        other = [value for value in node.args[2:] if value not in ("constant", None, 0)]
        if any(widths[4:]) or other or min(widths) < 0:
            continue
        equal = left == right and top == bottom
        here, there = module_of(node)[0], module_of(conv)[0]
        padding = tuple(before + own for before, own in zip((top, left), conv.args[4], strict=True))
        yield Finding(
            "pad-before-convolution",
            subject.profile,
            f"zeros (left {left}, right {right}, top {top}, bottom {bottom}) are written before convolution "
            f"{there or conv.name}",
            "the padded image is a copy that is written and read again; the NPU pads in the convolution at no cost",
            f"nn.Conv2d(..., padding={padding}) without the padding before it"
            if equal
            else "rewrite: {rules: [pads]} in the recipe; padding= of nn.Conv2d cannot say that two sides differ",
            line_of(node),
            here or there or None,
            patch=(equal and _padding(subject, here, there, padding)) or of_rewriting(subject, "pads"),
        )


def means(subject: Subject) -> Iterator[Finding]:
    """The mean of an image in each channel, which the partitioner sees as a sum and a multiplication."""
    for node in subject.nodes("sum", "mean"):
        before = shape(producer(node.args[0]))
        dims = node.args[1] if len(node.args) > 1 else ()
        if len(before) != _IMAGE or {dim % _IMAGE for dim in dims} != {2, 3}:
            continue
        scaled = [one for one in readers(node) if operator_of(one) == "mul"]
        if (operator_of(node) == "sum" and not scaled) or _is_of_a_norm(node, scaled):
            continue
        line = line_of(node)
        yield Finding(
            "mean-as-reduction",
            subject.profile,
            f"the mean of {before[2]}x{before[3]} values of {before[1]} channels is a sum and a multiplication",
            "two sums along one axis each, with a rescaling and a multiplication after them, instead of one pooling",
            "nn.AdaptiveAvgPool2d(1)(x).flatten(1) is one operation of the NPU",
            line,
            module_of(node)[0] or None,
            patch=of_expression(subject, line, "an average pooling instead of a mean", exact=True),
        )


def last_softmax(subject: Subject) -> Iterator[Finding]:
    """Softmax as the last operator of an output."""
    for value in subject.graph.graph.output_node().args[0]:
        node: Any = producer(value) if hasattr(value, "op") else None
        if node is None or not _is_softmax(node):
            continue
        path, of = module_of(node)
        patch = None
        if of == "Softmax" and is_called_once(subject.graph, path):
            patch = of_modules(
                subject, "the model ends with logits", False, [f'model.set_submodule("{path}", nn.Identity())']
            )
        yield Finding(
            "softmax-at-end",
            subject.profile,
            "the model's last operator is a softmax",
            "it costs several operations of the NPU, and its result in 8 bits has steps of 1/256; the largest logit is "
            "the same class",
            "give the logits as output; compute a softmax in the application if its values are needed",
            line_of(node),
            path or None,
            patch=patch,
        )


def _is_of_a_norm(node: Any, scaled: list[Any]) -> bool:
    """Whether a sum is part of x - mean(x) or of mean(y) + epsilon. scaled: what multiplies it by 1/n."""
    after = {operator_of(one) for mean in scaled for one in readers(mean)}
    return "sub" in {operator_of(one) for one in readers(producer(node.args[0]))} or bool(after & {"sub", "add"})


def _is_softmax(node: Any) -> bool:
    """exp(x) * (1 / sum(exp(x))), as the partitioner sees it; or whole, where it stays on the CPU."""
    if operator_of(node) in ("_softmax", "softmax"):
        return True
    chain = ["mul", "reciprocal", "sum", "exp"]
    while chain and operator_of(node) == chain.pop(0):
        if not chain:
            return True
        found = [producer(one) for one in node.all_input_nodes]
        node = next((one for one in found if operator_of(one) == chain[0]), node)
    return False


def _padding(subject: Subject, pad: str, conv: str, padding: tuple[int, ...]) -> Any:
    """The convolution pads; None where pad or convolution is no module of its own, or is called several times."""
    modules = {path: of for path, of in map(module_of, subject.graph.graph.nodes) if path in (pad, conv)}
    if modules.get(pad) not in ("ZeroPad2d", "ConstantPad2d") or modules.get(conv) != "Conv2d":
        return None
    if not (is_called_once(subject.graph, pad) and is_called_once(subject.graph, conv)):
        return None
    statements = [
        f'model.get_submodule("{conv}").padding = {padding}',
        f'model.set_submodule("{pad}", nn.Identity())',
    ]
    return of_modules(subject, f"{conv} pads itself", True, statements)


def _on_npu(subject: Subject, operator: str, module: str | None) -> Any:
    """What runs on the NPU in place of an operator, for a module that is replaced whole."""
    nodes = [node for node in subject.nodes(operator.partition(".")[0]) if module_of(node)[0] == module]
    if not module or len(nodes) != 1 or not is_called_once(subject.graph, module):
        return None
    if operator.startswith("upsample_nearest2d"):
        return _repeated(subject, nodes[0], module)
    return None


def _repeated(subject: Subject, node: Any, module: str) -> Any:
    """Nearest upsampling by whole factors as repetitions."""
    before, after = shape(producer(node.args[0])), shape(node)
    if len(before) != _IMAGE or module_of(node)[1] not in ("Upsample", "UpsamplingNearest2d"):
        return None
    (high, rest), (wide, more) = (divmod(after[axis], before[axis]) for axis in (2, 3))
    if rest or more:
        return None
    made = (
        'type("Repeated", (nn.Module,), {"forward": lambda self, x: '
        f"x.repeat_interleave({high}, 2).repeat_interleave({wide}, 3)}})()"
    )
    return of_modules(subject, f"{module} repeats rows and columns", True, [f'model.set_submodule("{module}", {made})'])
