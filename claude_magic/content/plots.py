"""Plots: matplotlib's figures, and charts that only a browser draws."""

from __future__ import annotations

import importlib.util
import io
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from claude_magic.messages.errors import BadInput
from claude_magic.messages.limits import fit_size, widest_limits
from claude_magic.messages.text import one_line

_MOST_ITEMS = 10_000
"""Items of a list up to which plots are looked for among them."""


def drawn(value: object, name: str) -> bytes | None:
    """A plot as PNG; None if the value is no plot.

    Parameters
    ----------
    value : object
        A matplotlib figure or anything on one, a plotly figure, an altair chart, a folium map, or a bokeh plot.
    name : str

    Raises
    ------
    BadInput
        If it is empty, or what its library needs for a picture is not there.
    """
    if (figure := figure_of(value)) is not None:
        return _of_matplotlib(figure, name)
    for module, class_name, draw in _INTERACTIVE:
        if is_a(value, module, class_name):
            return draw(value, name)
    return None


def is_a(value: object, module: str, name: str) -> bool:
    """Whether a value is of a class of a package that may not have been imported."""
    found = getattr(sys.modules.get(module), name, None)
    return isinstance(found, type) and isinstance(value, found)


def figure_of(value: object) -> Any:
    """The matplotlib figure that a plot belongs to; None if the value is no plot.

    A plot is a figure, axes, any artist, a container or a list or array of these, or an object with a
    ``figure`` (seaborn's grids).
    """
    if "matplotlib.figure" not in sys.modules:
        return None
    figures = set(itertools.islice(_figures(value), _MOST_ITEMS)) - {None}
    return figures.pop() if len(figures) == 1 else None


def _figures(value: object, depth: int = 0) -> Iterator[Any]:
    """The figure of a value and of all that is in it, None where there is none."""
    from matplotlib.artist import Artist
    from matplotlib.figure import FigureBase

    if isinstance(value, FigureBase):
        yield value.figure if value.figure is not None else value
    elif isinstance(value, Artist):
        if (figure := value.get_figure()) is not None:
            yield from _figures(figure)
    elif isinstance(value, list | tuple) or is_a(value, "numpy", "ndarray"):
        yield None
        items: Iterable[Any] = value if isinstance(value, list | tuple) else _objects(value)
        for item in items if depth < 3 else ():
            yield from _figures(item, depth + 1)
    else:
        figure = getattr(value, "figure", None)
        yield figure if isinstance(figure, FigureBase) else None


def _objects(array: Any) -> Iterable[Any]:
    return array.flat if array.dtype == object and array.size <= 1000 else ()


def _of_matplotlib(figure: Any, name: str) -> bytes:
    """Drawn once, at the size at which it is sent."""
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


# Charts that are web pages. Each library can draw them itself, with a package that it does not require.


def _of_plotly(figure: Any, name: str) -> bytes:
    if importlib.util.find_spec("kaleido") is None:
        raise _only_in_a_browser(name, "a plotly figure", "%pip install kaleido (it needs Chrome)")
    return _attempted(lambda: figure.to_image("png"), name)


def _of_altair(chart: Any, name: str) -> bytes:
    if importlib.util.find_spec("vl_convert") is None:
        raise _only_in_a_browser(name, "an altair chart", "%pip install vl-convert-python")

    def draw() -> bytes:
        buffer = io.BytesIO()
        chart.save(buffer, format="png")
        return buffer.getvalue()

    return _attempted(draw, name)


def _of_folium(map: Any, name: str) -> bytes:
    # It starts a browser and fetches the map's tiles, so folium itself asks for consent.
    if not map.png_enabled or importlib.util.find_spec("selenium") is None:
        cure = "%pip install selenium (it needs Firefox), then set png_enabled = True of the map"
        raise _only_in_a_browser(name, "a folium map", cure)
    return _attempted(map._repr_png_, name)


def _of_bokeh(plot: Any, name: str) -> bytes:
    cure = 'bokeh.io.export_png(…, filename="plot.png") (it needs selenium and a browser), then send Path("plot.png")'
    raise _only_in_a_browser(name, "a bokeh plot", cure)


_INTERACTIVE: list[tuple[str, str, Callable[[Any, str], bytes]]] = [
    ("plotly.basedatatypes", "BaseFigure", _of_plotly),
    ("altair", "TopLevelMixin", _of_altair),
    ("folium", "Map", _of_folium),
    ("bokeh.models.layouts", "LayoutDOM", _of_bokeh),
]


def _only_in_a_browser(name: str, kind: str, cure: str) -> BadInput:
    return BadInput(
        f"{name} is {kind}, which only a browser draws. For a picture of it: {cure}. Or send the data behind it."
    )


def _attempted(draw: Callable[[], bytes], name: str) -> bytes:
    try:
        return draw()
    except Exception as error:  # noqa: BLE001  (a browser or a converter may fail in any way)
        raise BadInput(f"{name} could not be drawn: {one_line(str(error), 300)}") from None
