"""Pictures to measure with, the same ones each time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

_DETAIL = 6
"""How many layers of noise a photograph has, each half as coarse as the one before."""
_ORIENTATION, _MAKER, _POSITION = 0x0112, 0x010F, 0x8825
_INCHES = 10


def photograph(width: int, height: int) -> Image:
    """Clouds: detail of every size, from half the picture down to the grain of a sensor."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(2026)
    picture = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    for layer in range(_DETAIL):
        across, down = width >> (_DETAIL + 1 - layer) or 1, height >> (_DETAIL + 1 - layer) or 1
        noise = Image.fromarray(random.integers(0, 256, (down, across, 3), np.uint8))
        picture = Image.blend(picture, noise.resize((width, height)), 0.5 if layer == 0 else 0.25)
    grain = Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8))
    return Image.blend(picture, grain, 0.03)


def save_photograph(picture: Image, path: Path, *, orientation: int = 1) -> None:
    """As a camera does: a JPEG that says how it was held, who made it and where."""
    from PIL import Image

    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    exif[_MAKER] = "claude_magic"
    exif.get_ifd(_POSITION).update({1: "N", 2: (48.0, 51.0, 29.9)})
    picture.save(path, "JPEG", quality=90, exif=exif)


def figure(pixels: int) -> Any:
    """A square plot: points, a curve, words."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt
    import numpy as np

    random = np.random.default_rng(2026)
    x = np.sort(random.normal(size=500))
    drawn, axes = plt.subplots(figsize=(_INCHES, _INCHES), dpi=pixels / _INCHES)
    axes.scatter(x, x**2 + random.normal(size=500), c=x, alpha=0.6, label="measured")
    axes.plot(x, x**2, color="black", label="expected")
    axes.set(title="Growth of the sample", xlabel="distance", ylabel="growth")
    axes.legend()
    axes.grid(visible=True)
    return drawn
