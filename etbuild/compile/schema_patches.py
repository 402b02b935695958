"""A patch for the pinned PyTorch: the types of a saved program's fields are looked at once, not for each object.

It has the parts that `etbuild.compile.patches` names.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from etbuild.compile.pass_patches import is_known
from etbuild.compile.patches import replaced

# Of torch._export.serde.serialize._dict_to_dataclass.
SOURCE_OF_DICT_TO_DATACLASS = "caf63dd8c94356b1"


@contextmanager
def fields_by_type() -> Iterator[None]:
    """Inside this context an object of a .pt2 is made by a function for its type, which knows those of the fields.

    Replaces: torch._export.serde.serialize._dict_to_dataclass.
    Source:   SOURCE_OF_DICT_TO_DATACLASS.
    Saves:    a fiftieth of quantising and of lowering MobileNetV2: a file has ten thousands of objects.
    Same:     the types follow from the class alone, and a value is converted as PyTorch does; what it refuses, and a
              type that is a name, go to PyTorch's own.
    Delete:   when PyTorch looks at the types of a class once.
    """
    from torch._export.serde import serialize

    own = serialize._dict_to_dataclass
    if not is_known(own, SOURCE_OF_DICT_TO_DATACLASS):
        yield
        return
    readers = _Readers(serialize, own)
    with replaced(serialize, "_dict_to_dataclass", lambda cls, data: readers.of(cls)(data)):
        yield


class _Readers:
    """For each type of PyTorch's schema the function that makes its objects of what JSON has."""

    def __init__(self, serialize: Any, own: Callable[[Any, Any], Any]) -> None:
        self._serialize, self._own = serialize, own
        self._known: dict[Any, Callable[[Any], Any]] = {}

    def of(self, cls: Any) -> Callable[[Any], Any]:
        reader = self._known.get(cls)
        if reader is None:
            reader = self._known[cls] = self._made(self._serialize._resolve_schema_cls(cls))
        return reader

    def _made(self, cls: Any) -> Callable[[Any], Any]:
        if isinstance(cls, str):
            return lambda data: self._own(cls, data)
        origin, arguments = typing.get_origin(cls), typing.get_args(cls)
        if origin is typing.Annotated:
            return self.of(cls.__origin__)
        if origin in (typing.Union, types.UnionType) and type(None) in arguments:
            if len(arguments) != 2:
                return lambda data: self._own(cls, data)
            return lambda data: None if data is None else self.of(arguments[0])(data)
        if isinstance(cls, type) and issubclass(cls, self._serialize._Union):
            return self._union(cls)
        if dataclasses.is_dataclass(cls):
            return self._dataclass(cls)
        return self._other(cls, arguments)

    def _hints(self, cls: Any) -> dict[str, Any]:
        return typing.get_type_hints(cls, globalns=vars(self._serialize.schema))

    def _union(self, cls: Any) -> Callable[[Any], Any]:
        hints = self._hints(cls)

        def read(data: Any) -> Any:
            if type(data) is not dict or len(data) != 1:
                return self._own(cls, data)
            ((name, value),) = data.items()
            return cls.create(**{name: self.of(hints[name])(value)})

        return read

    def _dataclass(self, cls: Any) -> Callable[[Any], Any]:
        hints = self._hints(cls)
        fields = [(one.name, hints[one.name]) for one in dataclasses.fields(cls)]
        readers: list[tuple[str, Callable[[Any], Any]]] = []

        def read(data: Any) -> Any:
            # Not before: a field may have the type that it is in.
            if not readers:
                readers.extend((name, self.of(kind)) for name, kind in fields)
            return cls(**{name: reader(data[name]) for name, reader in readers if name in data})

        return read

    def _other(self, cls: Any, arguments: Any) -> Callable[[Any], Any]:
        if cls in (bool, int, str):
            return lambda data: self._own(cls, data) if isinstance(data, list | dict) else data

        def read(data: Any) -> Any:
            if isinstance(data, list):
                return [*map(self.of(arguments[0]), data)] if data else data
            if isinstance(data, dict):
                of_values = self.of(arguments[1])
                return {key: of_values(value) for key, value in data.items()}
            return float(data) if cls is float else data

        return read
