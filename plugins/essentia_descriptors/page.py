"""What `deephits essentia fit` learnt, as one HTML page with a scatter plot a descriptor."""

from __future__ import annotations

from typing import Any

import jinja2
from matplotlib.figure import Figure

from deephits_keras.report.pages import data_uri
from deephits_keras.report.style import BLUE, MUTED, VERMILLION, styled

from .fit import Fit, FittedDescriptor
from .mapping import RANGES

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Essentia calibration</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td,th{padding:.2rem .7rem;text-align:right}
td:first-child,th:first-child,td:last-child,th:last-child{text-align:left}
tr{border-bottom:1px solid #d8dee4}img{width:32%;min-width:18rem}</style></head><body>
<h1>Essentia's measurements on Spotify's scales</h1>
<p>{{ fit.tracks }} tracks of {{ corpus }}; every figure is of tracks that the mapping hadn't seen
({{ folds }} folds, no artist in two of them where artists are known).
{% if synthetic %}The corpus is synthetic: the figures say nothing of real music.{% endif %}</p>
<table><tr><th>descriptor<th>tracks<th>R²<th>MAE<th>R², default<th>MAE, default<th>outcome</tr>
{% for d in fit.descriptors %}<tr><td>{{ d.name }}<td>{{ d.tracks }}<td>{{ d.r2|number }}
<td>{{ d.mae|number }}<td>{{ d.default_r2|number }}<td>{{ d.default_mae|number }}<td>{{ d.outcome }}
</tr>{% endfor %}{% for name, reason in fit.skipped.items() %}
<tr><td>{{ name }}<td colspan="5"><td>{{ reason }}</tr>{% endfor %}</table>
{% for name, share in fit.agreement.items() %}<p>{{ name }}: as measured the same as Spotify's on
{{ "{:.1%}".format(share) }} of the tracks.</p>{% endfor %}
{% for name, uri in pictures.items() %}<img alt="{{ name }}" src="{{ uri }}">{% endfor %}
</body></html>
"""


def render_page(fit: Fit, corpus: str, *, synthetic: bool, folds: int) -> str:
    """The page: no scripts, nothing loaded from elsewhere."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["number"] = lambda value: "" if value is None else f"{value:.3f}"
    pictures = {d.name: data_uri(scatter(d)) for d in fit.descriptors}
    return environment.from_string(TEMPLATE).render(
        fit=fit, corpus=corpus, synthetic=synthetic, folds=folds, pictures=pictures
    )


@styled
def scatter(descriptor: FittedDescriptor) -> Figure:
    """A descriptor's learnt and default values against Spotify's."""
    figure = Figure(figsize=(4, 3.8))
    axes = figure.subplots()
    ends = (float(descriptor.true.min()), float(descriptor.true.max()))
    axes.plot(ends, ends, color=VERMILLION, linewidth=1, linestyle="--", label="equal", zorder=3)
    look: dict[str, Any] = {"s": 9, "alpha": 0.4, "linewidths": 0, "rasterized": True}
    if descriptor.default is not None:
        axes.scatter(descriptor.true, descriptor.default, color=MUTED, label="default", **look)
    axes.scatter(descriptor.true, descriptor.learnt, color=BLUE, label="learnt, held out", **look)
    unit = {"loudness": ", dB", "tempo": ", BPM"}.get(descriptor.name, "")
    axes.set(
        title=f"{descriptor.name}: R² {descriptor.r2:.2f}, MAE {descriptor.mae:.3g}",
        xlabel=f"Spotify{unit}",
        ylabel=f"from Essentia{unit}",
    )
    if RANGES[descriptor.name] == (0.0, 1.0):
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.legend(loc="best")
    return figure
