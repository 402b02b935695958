"""A .pt2 file that anybody may have written: nothing in it is run, and programs that are only data are loaded."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from etbuild.compile.exported_program import load_program
from etbuild.compile.untrusted_program import is_plain
from etbuild.errors import StepError

Edit = Callable[[Any], None]


class Small(torch.nn.Module):
    """A convolution, a buffer, a module name that is no identifier, dictionaries, a symbolic size."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module("conv-1", torch.nn.Conv2d(1, 2, 3))
        self.register_buffer("scale", torch.ones(2, 1, 1))

    def forward(self, x: torch.Tensor, more: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        y = self.get_submodule("conv-1")(x) * self.scale + more["bias"]
        size = x.shape[0] * 2
        return {"a": y.reshape(size, -1), "rounded": torch.div(y, 2, rounding_mode="floor")}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program as torch.export.save writes it."""
    path = tmp_path_factory.mktemp("program") / "small.pt2"
    inputs = (torch.rand(2, 1, 4, 4), {"bias": torch.rand(1)})
    shapes = ({0: torch.export.Dim("batch", min=1, max=8)}, {"bias": {}})
    torch.export.save(torch.export.export(Small().eval(), inputs, dynamic_shapes=shapes), path)
    return path


class Loud:
    """What an attacker pickles."""

    def __init__(self, mark: Path):
        self.mark = str(mark)

    def __reduce__(self) -> Any:
        return (Path.touch, (Path(self.mark),))


def changed(archive: Path, target: Path, files: dict[str, bytes] | None = None, edit: Edit | None = None) -> Path:
    """A copy of the archive. files: written instead of, or beside, those of that name. edit: of the program's JSON."""
    new = dict(files or {})
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as made:
        for name in old.namelist():
            data = new.pop(name.partition("/")[2], None) or old.read(name)
            if edit and name.endswith("models/model.json"):
                program = json.loads(data)
                edit(program)
                data = json.dumps(program).encode()
            made.writestr(name, data)
        for name, data in new.items():
            made.writestr(f"small/{name}", data)
    return target


def saved(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def config(archive: Path, kind: str, path_name: str) -> dict[str, bytes]:
    """A configuration of weights or constants in which the first, or a new one, is pickled in that file."""
    name = f"data/{kind}/model_{kind}_config.json"
    with zipfile.ZipFile(archive) as old:
        known = json.loads(old.read(next(entry for entry in old.namelist() if entry.endswith(name))))
    key = next(iter(known["config"]), "extra")
    known["config"][key] = {"path_name": path_name, "is_param": False, "use_pickle": True, "tensor_meta": None}
    return {name: json.dumps(known).encode()}


def pickled_files(archive: Path, mark: Path) -> dict[str, dict[str, bytes]]:
    """Every file of a .pt2 that torch.export.load unpickles, with a pickle that makes the mark."""
    loud, tensors = saved({"x": Loud(mark)}), pickle.dumps(Loud(mark))
    return {
        "sample inputs": {"data/sample_inputs/model.pt": loud},
        "old weights": {"data/weights/model.pt": loud},
        "old constants": {"data/constants/model.pt": loud},
        "weights": {**config(archive, "weights", "weight_9"), "data/weights/weight_9": loud},
        "constants": {**config(archive, "constants", "tensor_9"), "data/constants/tensor_9": loud},
        "objects": {**config(archive, "constants", "opaque_obj_0"), "data/constants/opaque_obj_0": tensors},
    }


KINDS = ["sample inputs", "old weights", "old constants", "weights", "constants", "objects"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_program_that_needs_pickle_is_refused_and_nothing_in_it_is_run(
    archive: Path, tmp_path: Path, kind: str
) -> None:
    """Wherever PyTorch would unpickle it."""
    mark = tmp_path / "mark"
    path = changed(archive, tmp_path / "hostile.pt2", pickled_files(archive, mark)[kind])
    what = "pickled objects" if kind == "objects" else "pickled objects that are not tensors"

    with pytest.raises(StepError) as error:
        load_program(path)

    assert not mark.exists()
    assert str(error.value) == (
        f"{path}: got a program with {what}, wanted one that is loaded without running code from the file\n"
        "    export it again from its model, with tensors alone as weights, constants and example inputs, "
        "or name the model: model.source"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_pytorch_itself_would_run_it(archive: Path, tmp_path: Path, kind: str) -> None:
    """Else the test above would show nothing."""
    mark = tmp_path / "mark"
    path = changed(archive, tmp_path / "hostile.pt2", pickled_files(archive, mark)[kind])

    try:
        torch.export.load(path)
    except Exception:
        assert mark.exists()
    assert mark.exists()


def test_a_program_in_the_old_format_is_not_unpickled_either(archive: Path, tmp_path: Path) -> None:
    """PyTorch reads it when the new format fails."""
    mark, path = tmp_path / "mark", tmp_path / "old.pt2"
    with zipfile.ZipFile(archive) as new:
        program = new.read(next(name for name in new.namelist() if name.endswith("models/model.json")))
    from torch._export.serde.schema import SCHEMA_VERSION

    with zipfile.ZipFile(path, "w") as old:
        old.writestr("version", ".".join(map(str, SCHEMA_VERSION)))
        old.writestr("serialized_exported_program.json", program)
        for name in ("state_dict", "constants", "example_inputs"):
            old.writestr(f"serialized_{name}.pt", saved({"x": Loud(mark)}))

    with pytest.raises(StepError):
        load_program(path)

    assert not mark.exists()


def test_a_compiled_library_in_a_program_is_refused(archive: Path, tmp_path: Path) -> None:
    """AOTInductor's packages have the same format."""
    path = changed(archive, tmp_path / "hostile.pt2", {"data/aotinductor/model/model.so": b"\x7fELF"})

    with pytest.raises(StepError, match="got a program with a compiled library, wanted"):
        load_program(path)


def _first_size(program: Any) -> Any:
    return program["graph_module"]["graph"]["tensor_values"]["x"]["sizes"]


def _expression(mark: Path) -> Edit:
    text = f"__import__('pathlib').Path({str(mark)!r}).touch() or 2"
    return lambda program: _first_size(program).__setitem__(0, {"as_expr": {"expr_str": text, "hint": {"as_int": 2}}})


def _called(target: str, *arguments: str) -> Edit:
    """A node that calls the function with these strings."""

    def edit(program: Any) -> None:
        node = program["graph_module"]["graph"]["nodes"][0]
        node["target"] = target
        node["inputs"] = [{"name": "", "arg": {"as_string": text}, "kind": 1} for text in arguments]

    return edit


def _renamed(mark: Path) -> Edit:
    """The last parameter's name has a default value, which is an expression."""
    name = f"more_bias=__import__('pathlib').Path({str(mark)!r}).touch()"

    def rename(value: Any) -> Any:
        if isinstance(value, dict):
            return {rename(key): rename(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [rename(entry) for entry in value]
        return name if value == "more_bias" else value

    return lambda program: program.update(rename(program))


def _guarded(mark: Path) -> Edit:
    return lambda program: program.update(guards_code=[f"__import__('pathlib').Path({str(mark)!r}).touch() or True"])


def _shaped(mark: Path) -> Edit:
    """A type of another module among the arguments."""

    def edit(program: Any) -> None:
        signature = program["graph_module"]["module_call_graph"][0]["signature"]
        context = {"default_factory_module": "this", "default_factory_name": "s", "dict_context": ["bias"]}
        leaf = {"type": None, "context": None, "children_spec": []}
        spec = {"type": "collections.defaultdict", "context": context, "children_spec": [leaf]}
        signature["in_spec"] = json.dumps([1, spec])

    return edit


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (_expression, "an expression that is not arithmetic"),
        (lambda mark: _called("torch.os.system", f"touch {mark}"), "a call of torch.os.system"),
        (lambda mark: _called("torch.hub.load", "a", "b"), "a call of torch.hub.load"),
        (lambda mark: _called("torch.ops.load_library", str(mark)), "a call of torch.ops.load_library"),
        (lambda mark: _called("_operator.call", str(mark)), "a call of _operator.call"),
        (
            lambda mark: _called("torch.ops.aten.from_file.default", str(mark)),
            "a call of torch.ops.aten.from_file.default",
        ),
        (_renamed, """the name "more_bias=__import__"""),
        (_guarded, "a check of its inputs that is not arithmetic"),
        (_shaped, "types of other modules in its arguments"),
    ],
    ids=["size", "call", "hub", "library", "operator", "file", "name", "guard", "type"],
)
def test_code_hidden_elsewhere_in_a_program_is_refused(
    archive: Path, tmp_path: Path, edit: Callable[[Path], Edit], what: str
) -> None:
    """PyTorch evaluates sizes, executes source with names and checks in it, and calls any function of torch."""
    mark = tmp_path / "mark"
    path = changed(archive, tmp_path / "hostile.pt2", edit=edit(mark))

    with pytest.raises(StepError, match=f"got a program with {what}"):
        load_program(path)

    assert not mark.exists()


@pytest.mark.parametrize("edit", [_expression, _renamed])
def test_pytorch_itself_would_run_that_too(archive: Path, tmp_path: Path, edit: Callable[[Path], Edit]) -> None:
    """While it loads the program, without any pickle."""
    mark = tmp_path / "mark"
    path = changed(archive, tmp_path / "hostile.pt2", edit=edit(mark))

    try:
        torch.export.load(path)
    except Exception:
        assert mark.exists()
    assert mark.exists()


def test_a_program_that_is_only_data_is_loaded_as_before(archive: Path) -> None:
    """Symbolic sizes, dictionaries, strings as arguments and unusual names among it."""
    inputs = (torch.rand(3, 1, 4, 4), {"bias": torch.rand(1)})
    mine, theirs = load_program(archive), torch.export.load(archive)

    assert mine.graph_module.code == theirs.graph_module.code
    assert str(mine.range_constraints) == str(theirs.range_constraints)
    results, expected = mine.module()(*inputs), theirs.module()(*inputs)
    assert results.keys() == expected.keys()
    assert all(torch.equal(results[name], expected[name]) for name in results)


def test_loading_changes_nothing_of_pytorch_for_good(archive: Path, tmp_path: Path) -> None:
    """A model's own code may unpickle what it likes."""
    before = torch.load, torch._C._pickle_load_obj
    load_program(archive)
    with pytest.raises(StepError):
        load_program(changed(archive, tmp_path / "hostile.pt2", {"data/sample_inputs/model.pt": b"x"}))

    assert (torch.load, torch._C._pickle_load_obj) == before


@pytest.mark.parametrize(
    ("expression", "plain"),
    [
        ("Symbol('s77', positive=True, integer=True)", True),
        ("Mul(Integer(2), FloorDiv(Symbol('s0', integer=True), Integer(3)))", True),
        ("2*s0 + Max(1, u3) // 4", True),
        ("L['x'].size()[0] >= 2 and not math.isnan(L['y'])", True),
        ("Equality(Mod(Symbol('s0'), Integer(2)), Integer(0))", True),
        ("__import__('os')", False),
        ("(lambda: 0)()", False),
        ("[x for x in y]", False),
        ("x.__class__", False),
        ("eval('1')", False),
        ("sympify('1')", False),
        ("f'{x}'", False),
        ("Symbol('a(b)')", False),
        ("Max(*x)", False),
        ("(x := 2)", False),
        ("Max(1)(2)", False),
        ("s0; s1", False),
        ("", False),
        ("(" * 999, False),
        ("\0", False),
    ],
)
def test_only_arithmetic_is_plain(expression: str, plain: bool) -> None:
    """What PyTorch writes for sizes and checks is; what leads out of it is not."""
    assert is_plain(expression) is plain
