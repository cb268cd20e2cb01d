"""The benchmarks' command: what it lists, runs, judges and draws."""

import ast
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks import SUBJECTS
from benchmarks.__main__ import available, compare, main
from benchmarks.figures import Figure, Result, load, save, table
from benchmarks.plots import bars, render
from benchmarks.plots import main as plot

HERE = Path(__file__).parent.parent.parent / "benchmarks"
GOOD = Figure(row=2, name="good", value=0.5, must=1.0, target=0.6)
FAIR = Figure(row=1, name="fair", value=5.0, must=4.0, target=6.0, least=True)
BAD = Figure(row=3, name="bad", value=2.0, must=1.0, target=0.6, note="noted")


def test_every_module_with_a_main_is_listed() -> None:
    """A benchmark that nobody lists is run by nobody."""
    mains = {
        path.stem
        for path in HERE.glob("*.py")
        if any(
            isinstance(node, ast.FunctionDef) and node.name == "main"
            for node in ast.parse(path.read_text(encoding="utf-8")).body
        )
    } - {"__main__"}
    assert mains == dict(available()).keys()
    assert mains >= set(SUBJECTS)


def test_the_list_says_what_each_measures(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name the command lists, and imports nothing to do so."""
    assert main([]) == 0
    shown = capsys.readouterr().out
    for name, text in available():
        assert name in shown
        assert text.endswith((".", ":")) or text
        assert text in shown


def test_an_unknown_name_is_refused() -> None:
    """A slip is told, not run as nothing."""
    with pytest.raises(SystemExit, match="2"):
        main(["cals"])


@pytest.mark.parametrize(("figure", "verdict"), [(GOOD, "target"), (FAIR, "must"), (BAD, "missed")])
def test_a_figure_is_judged_by_its_bounds(figure: Figure, verdict: str) -> None:
    """The target first, then what must be; bounds are the most, or the least."""
    assert figure.verdict == verdict


def test_figures_come_back_from_their_file(tmp_path: Path) -> None:
    """What is compared later is what was measured."""
    result = Result(figures=[GOOD, FAIR], curves={"a": {"b": [(1.0, 2.0)]}}, environment={"c": "d"})
    save(tmp_path / "x.json", result)
    assert load(tmp_path / "x.json") == result


def test_one_benchmark_renews_its_figures_and_no_others() -> None:
    """What was measured again replaces what was known; the rest of its row stays."""
    again = Figure(row=FAIR.row, name=GOOD.name, value=0.4, must=None, target=0.6)
    result = Result(figures=[GOOD, FAIR])
    result.renew(Result(figures=[again]))
    assert result.figures == [FAIR, again]


def test_the_table_is_in_the_order_of_the_rows() -> None:
    """One line a figure, with its verdict, whatever ran first."""
    lines = table([GOOD, FAIR, BAD]).splitlines()[2:]
    assert [line.split(" | ")[0] for line in lines] == ["| 1", "| 2", "| 3"]
    assert "bad (noted)" in lines[2]
    assert lines[2].endswith("missed |")


def test_changes_are_shown_largest_first() -> None:
    """Only figures that both runs have are compared."""
    before = [
        Figure(row=2, name="good", value=0.4, must=1.0, target=0.6),
        Figure(row=1, name="fair", value=5.1, must=4.0, target=6.0, least=True),
    ]
    shown = compare([FAIR, GOOD, BAD], before).splitlines()
    assert [line.split()[:2] for line in shown] == [["+25.0%", "good:"], ["-2.0%", "fair:"]]


def test_drawings_are_wellformed_and_whole() -> None:
    """Bars for single values, lines for courses, and every label in the picture."""
    curves = {
        "CPU per call, asyncio": {"ours": [(0.0, 40.0)], "plain <aiohttp>": [(0.0, 120.0)]},
        "p99 by concurrency, asyncio": {"ours": [(1.0, 0.2), (64.0, 7.0)]},
        "requests per second": {"accepted": [(0.0, 0.0), (1.0, 80.0)], "429s": [(0.0, 1.0)]},
    }
    drawings = render(Result(curves=curves))
    assert len(drawings) == 3
    for (title, labels), text in zip(curves.items(), drawings.values(), strict=True):
        root = ET.fromstring(text)
        words = {element.text for element in root.iter() if element.text}
        assert {title, *labels} <= words


def test_the_longest_bar_is_the_largest_value() -> None:
    """Lengths are in proportion."""
    root = ET.fromstring(bars("a", {"ours": 10.0, "theirs": 40.0}, "us"))
    widths = [float(r.get("width", "")) for r in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths[2] == 4 * widths[1]


def test_the_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    """Figures are put between their marks; done twice, the page is the same."""
    save(tmp_path / "x.json", Result(figures=[GOOD], environment={"python": "3.x"}))
    page = tmp_path / "page.md"
    begin = "<!-- figures: written by `python -m benchmarks plots` -->"
    page.write_text(f"Before\n\n{begin}\nold\n<!-- end of figures -->\n\nAfter\n")
    words = ["--figures", str(tmp_path / "x.json"), "--page", str(page)]
    plot(words)
    first = page.read_text()
    plot(words)
    assert page.read_text() == first
    assert first.startswith("Before\n\n<!--")
    assert first.endswith("-->\n\nAfter\n")
    assert "| good | 0.5 x |" in first
    assert "old" not in first
