"""Draws the curves of docs/benchmarks.json as SVG files, and puts the table into the page.

`python -m benchmarks plots [--figures FILE] [--page FILE]`. The drawings are plain SVG with words
in the reader's own font; colours are told apart by those who see fewer of them, too.
"""

import argparse
import math
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from benchmarks.figures import Result, load, table

__all__ = ["bars", "lines", "main"]

Points = Sequence[tuple[float, float]]

_DOCS: Final = Path(__file__).parent.parent / "docs"
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_WIDTH: Final = 720
_BEGIN: Final = "<!-- figures: written by `python -m benchmarks plots` -->\n"
_END: Final = "<!-- end of figures -->"


def _svg(title: str, height: int, body: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="sans-serif" font-size="13" role="img">\n<title>{escape(title)}</title>\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>\n'
        f'<text x="10" y="22" font-size="15" font-weight="bold">{escape(title)}</text>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def bars(title: str, values: Mapping[str, float], unit: str) -> str:
    """Draw a bar for each value, the shortest first."""
    most = max(values.values())
    body = []
    for number, (name, value) in enumerate(sorted(values.items(), key=lambda v: v[1])):
        y = 40 + 28 * number
        width = max(1.0, 430 * value / most)
        colour = _COLOURS[0] if name == "ours" else "#999999"
        body += [
            f'<text x="150" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="158" y="{y}" width="{width:.1f}" height="20" fill="{colour}"/>',
            f'<text x="{164 + width:.1f}" y="{y + 15}">{value:,.3g} {escape(unit)}</text>',
        ]
    return _svg(title, 50 + 28 * len(values), body)


def lines(title: str, curves: Mapping[str, Points], *, x: str, y: str, logarithmic: bool) -> str:
    """Draw a line for each curve, both axes from zero, or logarithmic."""
    place_x = _scale([p[0] for c in curves.values() for p in c], 60, 500, logarithmic=logarithmic)
    place_y = _scale([p[1] for c in curves.values() for p in c], 300, 50, logarithmic=logarithmic)
    body = ['<path d="M60 50V300H500" fill="none" stroke="black"/>']
    for at in _ticks([p[0] for c in curves.values() for p in c], logarithmic=logarithmic):
        body.append(f'<text x="{place_x(at):.0f}" y="317" text-anchor="middle">{at:g}</text>')
    for at in _ticks([p[1] for c in curves.values() for p in c], logarithmic=logarithmic):
        body.append(f'<text x="54" y="{place_y(at) + 4:.0f}" text-anchor="end">{at:g}</text>')
    body.append(f'<text x="280" y="338" text-anchor="middle">{escape(x)}</text>')
    body.append(f'<text x="60" y="42">{escape(y)}</text>')
    for number, (name, points) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = "L".join(f"{place_x(a):.1f} {place_y(b):.1f}" for a, b in points)
        body += [
            f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<path d="M515 {60 + 22 * number}h24" stroke="{colour}" stroke-width="3"/>',
            f'<text x="546" y="{64 + 22 * number}">{escape(name)}</text>',
        ]
    return _svg(title, 350, body)


def _scale(
    values: Sequence[float], start: float, end: float, *, logarithmic: bool
) -> Callable[[float], float]:
    """Return where on an axis a value stands."""
    if not logarithmic:
        most = max(values) or 1.0
        return lambda value: start + (end - start) * value / most
    low, high = math.log(min(v for v in values if v > 0)), math.log(max(values))
    span = (high - low) or 1.0
    return lambda value: start + (end - start) * (math.log(value) - low) / span


def _ticks(values: Sequence[float], *, logarithmic: bool) -> list[float]:
    """Choose round values that an axis names."""
    if logarithmic:
        low, high = min(v for v in values if v > 0), max(values)
        tens = [10.0**e for e in range(-6, 10)]
        return [m * t for t in tens for m in (1, 2, 4) if low <= m * t * 1.0001 and m * t <= high]
    most = max(values) or 1.0
    step = 10 ** math.floor(math.log10(most))
    step = next(s for s in (step / 5, step / 2, step, step * 2) if most / s <= 6)
    return [n * step for n in range(int(most / step) + 1)]


def file_of(title: str) -> str:
    """Return the file name of a drawing."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") + ".svg"


def render(result: Result) -> dict[str, str]:
    """Return the drawings by file name."""
    drawings = {}
    for title, curves in result.curves.items():
        name = file_of(title)
        if all(len(points) == 1 for points in curves.values()):
            values = {label: points[0][1] for label, points in curves.items()}
            drawings[name] = bars(title, values, "us")
        elif "concurrency" in title:
            drawings[name] = lines(
                title, curves, x="calls in flight", y="p99 of latency in ms", logarithmic=True
            )
        else:
            drawings[name] = lines(
                title, curves, x="seconds", y="requests per second", logarithmic=False
            )
    return drawings


def main(argv: Sequence[str] | None = None) -> None:
    """Write the drawings beside the page, and table and environment into it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--figures", type=Path, default=_DOCS / "benchmarks.json")
    parser.add_argument("--page", type=Path, default=_DOCS / "benchmarks.md")
    options = parser.parse_args(argv)
    result = load(options.figures)
    folder = options.page.with_suffix("")
    folder.mkdir(exist_ok=True)
    drawings = render(result)
    for name, text in drawings.items():
        (folder / name).write_text(text, encoding="utf-8")
    words = [f"- {name}: {value}" for name, value in result.environment.items()]
    pictures = [f"![{title}]({folder.name}/{file_of(title)})" for title in result.curves]
    written = "\n\n".join([table(result.figures), "\n".join(words), *pictures])
    page = options.page.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    text = f"{before}{_BEGIN}\n{written}\n\n{_END}{after}"
    options.page.write_text(text, encoding="utf-8")
    print(f"{options.page}: {len(result.figures)} figures, {len(drawings)} drawings")
