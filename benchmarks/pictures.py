"""Pictures, from the value in the notebook to the block of a request.

The floor knows beforehand which size and format go, and does nothing but read, shrink, encode and
write base64. chatlas takes files and the current plot: an image or an array is saved first, as its
user would have to, in the format that claude_magic sends; it is asked for the same size.
"""

from __future__ import annotations

import base64
import functools
import importlib
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import samples
from benchmarks.cases import CPU, FLOOR, OURS, PEAK, TIME, Case, Measure, Scene, Way
from benchmarks.meter import metered
from claude_magic.messages.limits import ImageLimits, fit_size, lookup

SENT, FITS = "base64 sent", "JPEG that fits"
_AFAR = ", from afar"
CLOSE, FAR = "claude-sonnet-5-5", "claude-haiku-4-5"
"""A model that looks closely, and one that looks from afar."""
Size = tuple[int, int]
Block = dict[str, Any]


class Given(NamedTuple):
    """A value as a user has it.

    Attributes
    ----------
    value : object
    size : tuple of int
        Width and height in pixels, upright.
    """

    value: Any
    size: Size


def make(scene: Scene) -> None:
    """Write the pictures into the scene's folder."""
    import numpy as np

    def photograph(width: int, height: int) -> Any:
        return samples.photograph(width // scene.scale, height // scene.scale)

    twelve = photograph(4000, 3000)
    samples.save_photograph(twelve, scene.folder / "12mp.jpg")
    samples.save_photograph(twelve, scene.folder / "turned.jpg", orientation=6)
    samples.save_photograph(photograph(8000, 6000), scene.folder / "48mp.jpg")
    samples.save_photograph(photograph(1568, 1176), scene.folder / "fits.jpg")
    np.save(scene.folder / "frame.npy", np.asarray(photograph(1920, 1080)))
    samples.figure(2000 // scene.scale).savefig(scene.folder / "graphic.png")


def describe(made: Block) -> dict[str, Any]:
    """Size, format and bytes of a block."""
    from PIL import Image

    data = made["source"]["data"]
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    return {"size": f"{image.width}x{image.height}", "format": image.format, "data": f"{len(data) / 1000:.0f} kB"}


# The values


def file(name: str, scene: Scene, *, turned: bool = False) -> Given:
    """A path."""
    from PIL import Image

    path = scene.folder / name
    with Image.open(path) as image:
        width, height = image.size
    return Given(path, (height, width) if turned else (width, height))


def image(scene: Scene) -> Given:
    """A PIL image, its pixels read."""
    from PIL import Image

    opened = Image.open(scene.folder / "graphic.png")
    opened.load()
    return Given(opened, opened.size)


def opaque(scene: Scene) -> Given:
    """A photograph as a PIL image, with a channel for transparency that is not used."""
    from PIL import Image

    opened = Image.open(scene.folder / "12mp.jpg").convert("RGBA")
    return Given(opened, opened.size)


def frame(scene: Scene) -> Given:
    """An array."""
    import numpy as np

    array = np.load(scene.folder / "frame.npy")
    return Given(array, (array.shape[1], array.shape[0]))


def figure(scene: Scene) -> Given:
    """A matplotlib figure; drawing it belongs to what is measured."""
    pixels = 2000 // scene.scale
    return Given(samples.figure(pixels), (pixels, pixels))


# The least that must be done


def shrunk(path: Path, size: Size) -> Block:
    """A JPEG decoded at a fraction of its size, shrunk, and encoded."""
    from PIL import Image

    opened = Image.open(io.BytesIO(path.read_bytes()))
    opened.draft(None, size)
    return _encoded(opened.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0), "JPEG")


def shrunk_and_turned(path: Path, size: Size) -> Block:
    """The same, turned by a quarter when it is small."""
    from PIL import Image

    opened = Image.open(io.BytesIO(path.read_bytes()))
    opened.draft(None, size[::-1])
    small = opened.resize(size[::-1], Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _encoded(small.transpose(Image.Transpose.ROTATE_270), "JPEG")


def as_it_is(path: Path, size: Size) -> Block:
    """A file, unchanged."""
    return _block(path.read_bytes(), "JPEG")


def encoded_image(image: Any, size: Size, *, format: str) -> Block:
    """An image that is transparent nowhere, shrunk."""
    from PIL import Image

    return _encoded(image.convert("RGB").resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0), format)


def encoded_frame(array: Any, size: Size) -> Block:
    """An array, shrunk if it must be, as JPEG."""
    from PIL import Image

    image = Image.fromarray(array)
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _encoded(image, "JPEG")


def drawn(figure: Any, size: Size) -> Block:
    """A figure, drawn at the size that goes."""
    buffer = io.BytesIO()
    dpi = size[0] / figure.get_size_inches()[0]
    figure.savefig(buffer, format="png", dpi=dpi, pil_kwargs={"compress_level": 3})
    return _block(buffer.getvalue(), "PNG")


def _encoded(image: Any, format: str) -> Block:
    buffer = io.BytesIO()
    image.save(buffer, format, **({"quality": 85} if format == "JPEG" else {"compress_level": 3}))
    return _block(buffer.getvalue(), format)


def _block(data: bytes, format: str) -> Block:
    text = base64.b64encode(data).decode("ascii")
    return {"type": "image", "source": {"type": "base64", "media_type": f"image/{format.lower()}", "data": text}}


# claude_magic


def payload(value: object, limits: ImageLimits) -> Block:
    """As a question does it."""
    from claude_magic.content.convert import to_parts

    (part,) = to_parts(value, "it")
    return part.block(limits)


# chatlas


def of_file(path: Path, size: Size) -> Block:
    """A file, shrunk."""
    return _of_chatlas("content_image_file", str(path), resize=f"{size[0]}x{size[1]}")


def of_file_lying(path: Path, size: Size) -> Block:
    """A file that has to be turned, shrunk; chatlas does not turn it."""
    return of_file(path, size[::-1])


def of_file_as_it_is(path: Path, size: Size) -> Block:
    """A file, unchanged."""
    return _of_chatlas("content_image_file", str(path), resize="none")


def of_image(image: Any, size: Size) -> Block:
    """An image, saved as PNG, and then the file, shrunk."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.png")
        image.save(path)
        return of_file(path, size)


def of_photograph(image: Any, size: Size) -> Block:
    """An image, saved as JPEG, and then the file, shrunk if it must be."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.jpg")
        image.save(path, quality=85)
        return of_file_as_it_is(path, size) if image.size == size else of_file(path, size)


def of_opaque(image: Any, size: Size) -> Block:
    """An image, which JPEG does not take before its transparency is gone."""
    return of_photograph(image.convert("RGB"), size)


def of_frame(array: Any, size: Size) -> Block:
    """An array, as an image."""
    from PIL import Image

    return of_photograph(Image.fromarray(array), size)


def of_plot(figure: Any, size: Size) -> Block:
    """The current plot."""
    dpi = round(size[0] / figure.get_size_inches()[0])
    return _of_chatlas("content_image_plot", width=size[0], height=size[1], dpi=dpi)


def _of_chatlas(function: str, *arguments: Any, **options: Any) -> Block:
    content = getattr(importlib.import_module("chatlas"), function)(*arguments, **options)
    source = {"type": "base64", "media_type": content.image_content_type, "data": content.data}
    return {"type": "image", "source": source}


# The cases


def _limits(model: str, scene: Scene) -> ImageLimits:
    edge, tokens, side = lookup(model).image_tier
    return ImageLimits(edge // scene.scale, tokens // scene.scale**2, side)


Maker = Callable[[Scene], Callable[[], Block]]
"""Gets ready; what comes back makes a block."""


def _makers(
    given: Callable[[Scene], Given],
    floor: Callable[[Any, Size], Block],
    peer: Callable[[Any, Size], Block],
    model: str = CLOSE,
) -> dict[str, Maker]:
    def knowing_the_size(do: Callable[[Any, Size], Block]) -> Maker:
        def ready(scene: Scene) -> Callable[[], Block]:
            value, size = given(scene)
            return functools.partial(do, value, fit_size(*size, _limits(model, scene)))

        return ready

    def ours(scene: Scene) -> Callable[[], Block]:
        return functools.partial(payload, given(scene).value, _limits(model, scene))

    def theirs(scene: Scene) -> Callable[[], Block]:
        importlib.import_module("chatlas")
        return knowing_the_size(peer)(scene)

    return {FLOOR: knowing_the_size(floor), OURS: ours, "chatlas": theirs}


def _way(maker: Maker) -> Way:
    return lambda scene: metered(maker(scene), lambda block: {SENT: len(block["source"]["data"]) / 1000})


def _case(name: str, makers: dict[str, Maker]) -> Case:
    measures = [Measure(TIME, "ms", ratio=2.0 if name == FITS else 1.1), Measure(CPU, "ms")]
    measures += [Measure(SENT, "kB"), Measure(PEAK, "MB")]
    return Case(name, {subject: _way(maker) for subject, maker in makers.items()}, measures)


_twelve, _turned, _48, _fits = (
    functools.partial(file, "12mp.jpg"),
    functools.partial(file, "turned.jpg", turned=True),
    functools.partial(file, "48mp.jpg"),
    functools.partial(file, "fits.jpg"),
)
_graphic, _photograph = (functools.partial(encoded_image, format=format) for format in ("PNG", "JPEG"))
MAKERS = {
    "photograph of 12 MP": _makers(_twelve, shrunk, of_file),
    f"photograph of 12 MP{_AFAR}": _makers(_twelve, shrunk, of_file, FAR),
    "photograph of 12 MP, turned": _makers(_turned, shrunk_and_turned, of_file_lying),
    "photograph of 48 MP": _makers(_48, shrunk, of_file),
    f"photograph of 48 MP{_AFAR}": _makers(_48, shrunk, of_file, FAR),
    FITS: _makers(_fits, as_it_is, of_file_as_it_is),
    "PIL image, 2000x2000": _makers(image, _graphic, of_image),
    f"PIL image, 2000x2000{_AFAR}": _makers(image, _graphic, of_image, FAR),
    "PIL image of 12 MP, opaque RGBA": _makers(opaque, _photograph, of_opaque),
    "figure, 2000x2000": _makers(figure, drawn, of_plot),
    f"figure, 2000x2000{_AFAR}": _makers(figure, drawn, of_plot, FAR),
    "array, 1920x1080": _makers(frame, encoded_frame, of_frame),
    f"array, 1920x1080{_AFAR}": _makers(frame, encoded_frame, of_frame, FAR),
}
"""How each subject makes the block of each case."""
CASES = tuple(_case(name, makers) for name, makers in MAKERS.items())
