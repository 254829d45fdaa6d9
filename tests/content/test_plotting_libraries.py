"""Charts of Plotly, Altair and Folium: drawn if their library can do it, else refused with a cure."""

from __future__ import annotations

import sys
import types
from typing import Any

import pandas as pd
import pytest

from claude_magic.content.convert import to_parts
from claude_magic.content.picture import Picture
from claude_magic.content.values import Named
from claude_magic.conversation.conversation import Conversation
from claude_magic.messages.errors import BadInput
from claude_magic.simulator import Simulator
from tests.judges import require_judge

REASON = "its charts are tried"


def plotly_figure() -> Any:
    express = pytest.importorskip("plotly.express", reason=REASON)
    return express.line(x=[1, 2, 3], y=[1, 3, 2])


def plotly_empty() -> Any:
    return pytest.importorskip("plotly.graph_objects", reason=REASON).Figure()


def altair_chart() -> Any:
    altair = pytest.importorskip("altair", reason=REASON)
    return altair.Chart(pd.DataFrame({"x": [1, 2], "y": [3, 4]})).mark_line().encode(x="x", y="y")


def altair_side_by_side() -> Any:
    return altair_chart() | altair_chart()


def folium_map(png_enabled: bool = True) -> Any:
    return pytest.importorskip("folium", reason=REASON).Map([52, 13], png_enabled=png_enabled)


PLOTLY = ("Plotly", "%pip install kaleido")
ALTAIR = ("Altair", "%pip install vl-convert-python")
FOLIUM = ("Folium", "%pip install selenium")


@pytest.fixture
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packages that draw: a None stands for a module that is not there."""
    for helper in ("kaleido", "vl_convert", "selenium"):
        monkeypatch.setitem(sys.modules, helper, None)


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (plotly_figure, PLOTLY),
        (plotly_empty, PLOTLY),
        (altair_chart, ALTAIR),
        (altair_side_by_side, ALTAIR),
        (folium_map, FOLIUM),
    ],
)
def test_errors_without_a_drawing_package(
    claude: Conversation, simulator: Simulator, make: Any, words: tuple[str, str]
) -> None:
    chart = make()
    for value, name in ((chart, "chart"), ([chart], "chart[0]"), (Picture(chart, detail="low"), "chart")):
        with pytest.raises(BadInput) as caught:
            claude.ask([Named("chart", value), "What does it show?"])
        assert all(word in str(caught.value) for word in (f"{name} is ", *words, "Or send its data."))
    assert simulator.requests == []


def test_a_map_is_drawn_only_with_its_owners_consent() -> None:
    with pytest.raises(BadInput, match="then set png_enabled = True"):
        to_parts(folium_map(png_enabled=False), "m")


def test_a_bokeh_plot_is_known_by_its_class(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = type("LayoutDOM", (), {"__module__": "bokeh.models.layouts"})
    monkeypatch.setitem(sys.modules, "bokeh.models.layouts", types.SimpleNamespace(LayoutDOM=layout))
    plot = type("figure", (layout,), {"__module__": "bokeh.plotting._figure", "__str__": lambda _: "figure(id='p1')"})()
    for value in (plot, [plot], Picture(plot)):
        with pytest.raises(BadInput, match=r"is a Bokeh plot, .*: bokeh\.io\.export_png\(.*Or send its data"):
            to_parts(value, "chart")


def test_an_altair_chart_is_drawn(claude: Conversation) -> None:
    pytest.importorskip("vl_convert", reason="altair draws with it")
    reply = claude.ask([Named("chart", altair_chart()), "What does it show?"])
    assert reply.sent == ("chart (348x347, 169 tokens)",)
    assert "PNG, 348 x 347 pixels, mostly white; looks like a graphic" in reply.text


def test_a_chart_that_cannot_be_drawn_is_one_line() -> None:
    altair = pytest.importorskip("altair", reason=REASON)
    pytest.importorskip("vl_convert", reason="altair draws with it")
    with pytest.raises(BadInput, match="^chart could not be drawn: ") as caught:
        to_parts(altair.Chart("no-such-file.csv").mark_line().encode(x="x:Q", y=altair.Y("y")), "chart")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_plotly_figure_is_drawn(claude: Conversation) -> None:
    figure = plotly_figure()
    pytest.importorskip("kaleido", reason="plotly draws with it")
    require_judge("chromium")
    reply = claude.ask([Named("fig", figure), "What does it show?"])
    assert reply.sent == ("fig (700x500, 450 tokens)",)
    assert "PNG, 700 x 500 pixels" in reply.text
