"""Where things of a chart are: scales, ticks and points in the chart's own units. It draws nothing: templates do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from etbuild.report.page.text import count_text, size_text

WIDTH, HEIGHT = 760, 240
LEFT, RIGHT, TOP, BOTTOM = 74, 16, 14, 44


class Tick(NamedTuple):
    """A mark on an axis. at: in the chart's units."""

    at: float
    text: str


class Frame(NamedTuple):
    """The plotting area of a chart and its axes."""

    x_title: str
    y_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    top: int = TOP

    @property
    def right(self) -> int:
        return self.width - RIGHT

    @property
    def bottom(self) -> int:
        return self.height - BOTTOM


class Bar(NamedTuple):
    """A rectangle of a chart with what it stands for."""

    x: float
    y: float
    width: float
    height: float
    text: str
    is_peak: bool = False


class Point(NamedTuple):
    """A mark of a chart with what it stands for."""

    x: float
    y: float
    name: str
    text: str
    is_best: bool
    label_left: bool = False
    label_y: float = 0.0


def nice_step(high: float, most: int, binary: bool) -> float:
    """The distance of ticks: 1, 2 or 5 times a power of ten, or a power of two for sizes; at most `most` fit."""
    wanted = high / most
    if binary:
        return float(2 ** math.ceil(math.log2(max(wanted, 1))))
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted * (1 - 1e-9))


def ticks(high: float, most: int, binary: bool = False) -> list[float]:
    """The values of an axis from 0 on; the last is at least `high`."""
    if high <= 0:
        return [0.0, 1.0]
    step = nice_step(high, most, binary)
    return [step * number for number in range(math.ceil(high / step - 1e-9) + 1)]


class Columns(NamedTuple):
    """A chart of one bar a step, side by side, without gaps."""

    frame: Frame
    bars: tuple[Bar, ...]


def columns(sizes: Sequence[int], texts: Sequence[str], x_title: str, y_title: str) -> Columns:
    """Bytes over the steps of a program. texts: what each bar stands for."""
    area = Frame(x_title, y_title, (), ())
    values = ticks(max(sizes, default=0), 5, binary=True)
    height, width = area.bottom - area.top, area.right - area.left
    y_ticks = tuple(Tick(area.bottom - height * value / values[-1], size_text(value, 2)) for value in values)
    each = width / max(len(sizes), 1)
    x_ticks = _steps(len(sizes), area, each)
    peak = max(sizes, default=0)
    bars = tuple(
        Bar(area.left + each * number, area.bottom - tall, each, tall, text, size == peak)
        for number, (size, text) in enumerate(zip(sizes, texts, strict=True))
        for tall in (height * size / values[-1],)
    )
    return Columns(area._replace(x_ticks=x_ticks, y_ticks=y_ticks), bars)


class Span(NamedTuple):
    """Something that lies at `offset` during some steps. is_peak: it is there when most is."""

    first: int
    last: int
    offset: int
    bytes: int
    text: str
    is_peak: bool


def spans(found: Sequence[Span], steps: int, x_title: str, y_title: str) -> Columns:
    """Addresses over the steps of a program."""
    area = Frame(x_title, y_title, (), (), height=300)
    values = ticks(max(one.offset + one.bytes for one in found), 6, binary=True)
    height, width = area.bottom - area.top, area.right - area.left
    scale, each = height / values[-1], width / max(steps, 1)
    bars = tuple(
        Bar(
            area.left + each * one.first,
            area.bottom - scale * (one.offset + one.bytes),
            each * (one.last - one.first + 1),
            scale * one.bytes,
            one.text,
            one.is_peak,
        )
        for one in found
    )
    y_ticks = tuple(Tick(area.bottom - scale * value, size_text(value, 2)) for value in values)
    return Columns(area._replace(x_ticks=_steps(steps, area, each), y_ticks=y_ticks), bars)


def _steps(count: int, area: Frame, each: float) -> tuple[Tick, ...]:
    apart = max(1, int(nice_step(count or 1, 12, binary=False)))
    return tuple(Tick(area.left + each * (one + 0.5), str(one)) for one in range(0, count, apart))


class Scatter(NamedTuple):
    """A chart of points; `front` are those that no other is better than, as a line."""

    frame: Frame
    points: tuple[Point, ...]
    front: str


class Dot(NamedTuple):
    """A point before it is placed. x: in ms; y: in bytes."""

    name: str
    x: float
    y: float
    is_best: bool


def scatter(dots: Sequence[Dot], x_title: str, y_title: str) -> Scatter:
    """Times against sizes."""
    area = Frame(x_title, y_title, (), (), height=320)
    xs, ys = ticks(max(dot.x for dot in dots), 6), ticks(max(dot.y for dot in dots), 5, binary=True)
    width, height = area.right - area.left, area.bottom - area.top

    def place(dot: Dot) -> tuple[float, float]:
        return area.left + width * dot.x / xs[-1], area.bottom - height * dot.y / ys[-1]

    middle = area.left + 0.6 * width
    points = tuple(
        Point(x, y, dot.name, f"{dot.x:.3f} ms, {size_text(dot.y)}", dot.is_best, x > middle)
        for dot in dots
        for x, y in (place(dot),)
    )
    points = _labelled(points)
    best = sorted((point for point in points if point.is_best), key=lambda point: point.x)
    return Scatter(
        area._replace(
            x_ticks=tuple(Tick(area.left + width * value / xs[-1], count_text(value)) for value in xs),
            y_ticks=tuple(Tick(area.bottom - height * value / ys[-1], size_text(value, 2)) for value in ys),
        ),
        points,
        " ".join(f"{point.x:.1f},{point.y:.1f}" for point in best),
    )


def _labelled(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points, with the label of each of the best where no other label is: above it, below it, or further."""
    taken: list[tuple[float, float, float]] = []
    made = []
    for point in points:
        length = 7.0 * len(point.name)
        left = point.x - 9 - length if point.label_left else point.x + 9
        for apart in (-7, 18, -21, 32, -35, 46):
            at = point.y + apart
            free = all(left + length < x or x + long < left or abs(at - y) > 12 for x, y, long in taken)
            if free:
                break
        if point.is_best:
            taken.append((left, at, length))
        made.append(point._replace(label_y=at))
    return tuple(made)
