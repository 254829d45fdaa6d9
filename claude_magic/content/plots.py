"""Plots as PNG files: Matplotlib figures, and charts that only a browser can draw."""

from __future__ import annotations

import importlib.util
import io
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from claude_magic.content.class_lookup import find_by_class, known_name
from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import fit_size, widest_limits
from claude_magic.messages.text import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_ITEMS = 10_000
"""Items of a list that are searched for plots."""


def draw(value: object, name: str) -> bytes | None:
    """Draw a plot as PNG; None if the value is not a plot.

    Parameters
    ----------
    value : object
        A Matplotlib figure or anything on one, a Plotly figure, an Altair chart, a Folium map, or a Bokeh plot.
    name : str
        The user's expression, for errors.

    Raises
    ------
    BadInput
        If the figure is empty, or its library lacks a package or program for drawing.
    """
    if (figure := figure_of(value)) is not None:
        return _of_matplotlib(figure, name)
    draw_chart = find_by_class(type(value), _CHARTS)
    return None if draw_chart is None else draw_chart(value, name)


def figure_of(value: object) -> Figure | None:
    """The Matplotlib figure that a plot belongs to; None if the value is not a plot.

    A plot is a figure, axes, any artist, a container or a list or array of these, or an object with a
    ``figure`` (seaborn's grids).
    """
    if "matplotlib.figure" not in sys.modules:
        return None
    figures = set(itertools.islice(_figures(value), _MOST_ITEMS)) - {None}
    return figures.pop() if len(figures) == 1 else None


def is_plot(items: Sequence[object]) -> bool:
    """Whether a list or tuple is what a plotting call returned: artists of one figure, perhaps with numbers."""
    if not items or figure_of(items) is None:
        return False
    return isinstance(items, tuple) or all(figure_of(item) is not None for item in items)


def _figures(value: object, depth: int = 0) -> Iterator[Figure | None]:
    """The figures of a value and of all that it contains; None for everything that has no figure."""
    from matplotlib.artist import Artist
    from matplotlib.figure import FigureBase

    if isinstance(value, FigureBase):
        yield cast("Figure", value.figure if value.figure is not None else value)
    elif isinstance(value, Artist):
        if (figure := value.get_figure()) is not None:
            yield from _figures(figure)
    elif isinstance(value, list | tuple) or known_name(type(value), {"numpy.ndarray"}):
        yield None
        items: Iterable[object] = value if isinstance(value, list | tuple) else _objects(value)
        for item in items if depth < 3 else ():
            yield from _figures(item, depth + 1)
    else:
        figure = getattr(value, "figure", None)
        yield cast("Figure", figure) if isinstance(figure, FigureBase) else None


def _objects(array: Any) -> Iterable[object]:
    return array.flat if array.dtype == object and array.size <= 1000 else ()


def _of_matplotlib(figure: Figure, name: str) -> bytes:
    """Draw a figure once, at the size that it is sent at."""
    if not figure.axes:
        raise BadInput(
            f"{name} is an empty figure. Plots are closed at the end of their cell: keep fig = plt.gcf() there."
        )
    width, height = figure.get_size_inches() * figure.dpi
    fitted, _ = fit_size(max(round(width), 1), max(round(height), 1), widest_limits())
    buffer = io.BytesIO()
    dpi = figure.dpi if fitted >= round(width) else fitted / figure.get_size_inches()[0]
    figure.savefig(buffer, format="png", dpi=dpi, pil_kwargs={"compress_level": 3})
    return buffer.getvalue()


# Charts that are web pages. Their libraries can draw them with the help of an optional package.


def _of_plotly(figure: Any, name: str) -> bytes:
    if importlib.util.find_spec("kaleido") is None:
        raise _only_in_a_browser(name, "a Plotly figure", "%pip install kaleido (it needs Chrome)")
    return _attempted(lambda: figure.to_image("png"), name)


def _of_altair(chart: Any, name: str) -> bytes:
    if importlib.util.find_spec("vl_convert") is None:
        raise _only_in_a_browser(name, "an Altair chart", "%pip install vl-convert-python")

    def save() -> bytes:
        buffer = io.BytesIO()
        chart.save(buffer, format="png")
        return buffer.getvalue()

    return _attempted(save, name)


def _of_folium(map: Any, name: str) -> bytes:
    # This starts a browser and downloads map tiles, so Folium itself asks for consent (png_enabled).
    if not map.png_enabled or importlib.util.find_spec("selenium") is None:
        cure = "%pip install selenium (it needs Firefox), then set png_enabled = True on the map"
        raise _only_in_a_browser(name, "a Folium map", cure)
    return _attempted(map._repr_png_, name)


def _of_bokeh(plot: Any, name: str) -> bytes:
    cure = 'bokeh.io.export_png(…, filename="plot.png") (it needs selenium and a browser), then send Path("plot.png")'
    raise _only_in_a_browser(name, "a Bokeh plot", cure)


_CHARTS: dict[str, Callable[[Any, str], bytes]] = {
    "plotly.BaseFigure": _of_plotly,
    "altair.TopLevelMixin": _of_altair,
    "folium.Map": _of_folium,
    "bokeh.LayoutDOM": _of_bokeh,
}


def _only_in_a_browser(name: str, kind: str, cure: str) -> BadInput:
    return BadInput(
        f"{name} is {kind}, which only a browser can draw. To send a picture of it: {cure}. Or send its data."
    )


def _attempted(draw: Callable[[], bytes], name: str) -> bytes:
    try:
        return draw()
    except Exception as error:  # noqa: BLE001  (browsers and converters raise many kinds of errors)
        raise BadInput(f"{name} could not be drawn: {one_line(str(error), 300)}") from None
