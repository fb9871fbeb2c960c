"""Figures beside their bar and goal, the tables behind them, and how both are shown."""

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from statistics import quantiles

from msgspec import Struct
from rich.console import Console
from rich.table import Table as ScreenTable


class Figure(Struct, frozen=True, kw_only=True):
    """One measured number. `bar` is what must be reached, `goal` what we aim at; `terms` is how they came about.

    Without the two the number is only told.
    """

    what: str
    how: str
    reached: float
    bar: float | None = None
    goal: float | None = None
    unit: str = ""
    lower_is_better: bool = False
    terms: str = ""

    @property
    def verdict(self) -> str:
        """How many times better than the bar, and how far it came."""
        if self.bar is None:
            return "-"
        ratio = self.bar / self.reached if self.lower_is_better else self.reached / self.bar
        reached = "goal" if self._meets(self.goal) else "bar" if self._meets(self.bar) else "missed"
        return f"{number(ratio)} x, {reached}"

    def _meets(self, limit: float | None) -> bool:
        if limit is None:
            return False
        return self.reached <= limit if self.lower_is_better else self.reached >= limit


class Table(Struct, frozen=True, kw_only=True):
    """What a figure was made of."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Section(Struct, frozen=True, kw_only=True):
    """The result of one module; `notes` say what the numbers do not."""

    title: str
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()


FIGURES_HEAD = ("what", "how measured", "reached", "bar", "goal", "against the bar")


def main(measure: Callable[[bool], Section]) -> None:
    """Run one module from the command line and show what it found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, to see that it works")
    show(measure(parser.parse_args().quick))


def show(section: Section) -> None:
    """On the terminal."""
    console = Console()
    tables = [Table(title=section.title, head=FIGURES_HEAD, rows=figure_rows([section]))] if section.figures else []
    for table in [*tables, *section.tables]:
        screen = ScreenTable(*table.head, title=table.title, title_justify="left")
        for row in table.rows:
            screen.add_row(*row)
        console.print(screen)
    for note in section.notes:
        console.print(f"- {note}")


def figure_rows(sections: Iterable[Section]) -> list[list[str]]:
    """A row for each figure under FIGURES_HEAD."""
    rows = []
    for figure in (figure for section in sections for figure in section.figures):
        terms = f" ({figure.terms})" if figure.terms else ""
        rows.append(
            [
                figure.what,
                figure.how,
                f"**{number(figure.reached)}** {figure.unit}".strip(),
                "-" if figure.bar is None else f"{number(figure.bar)} {figure.unit}{terms}".strip(),
                "-" if figure.goal is None else f"{number(figure.goal)} {figure.unit}".strip(),
                figure.verdict,
            ]
        )
    return rows


def markdown(table: Table) -> str:
    """As a Markdown table under its title."""
    rows = [table.head, ["---"] * len(table.head), *table.rows]
    return "\n".join([f"**{table.title}**", "", *(f"| {' | '.join(row)} |" for row in rows)])


def number(value: float) -> str:
    """Three digits that count, and thousands with a comma; a dash for what could not be measured."""
    if math.isnan(value):
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}"


def percentile(values: Sequence[float], percent: int) -> float:
    """Of at least two values."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]
