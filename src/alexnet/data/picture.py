"""One file to one picture: upright, RGB, 8 bits a channel; or a square of it.

Embedded colour profiles are not applied: no lineage was trained with them.
"""

import io
import stat
import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from alexnet.errors import PictureTooLarge, UnreadablePicture
from alexnet.lineages.spec import Fit

try:
    import simplejpeg
except ImportError:  # the extra `fast`: the same pixels, sooner
    simplejpeg = None

MAX_PIXELS = 2**27  # 134 megapixels, 400 MB as RGB: above what a camera gives, below what a bomb needs
MAX_BYTES = 2**29
MAX_RATIO = 16  # of the long side to the short one; beyond it the ends are cut before resizing

# Plugins that only read pixels. Pillow's others include EPS, which runs Ghostscript.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", "AVIF")

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

IMPOSTORS = (  # what else is found under a picture's name, by its first bytes in lower case
    (b"<!doctype html", "a web page (HTML)"),
    (b"<html", "a web page (HTML)"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML file"),
    (b"{", "JSON text"),
    (b"version https://git-lfs", "a Git LFS pointer: the file itself was not fetched"),
    (b"%pdf", "a PDF file"),
    (b"%!ps", "a PostScript file"),
    (b"pk\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\0\0\0\0\0\0\0\0", "a run of zero bytes"),
)


def read_picture(source: Path | bytes | Image.Image, name: str = "", max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The first frame of a picture file: upright by its EXIF, RGB, transparency on white, 16 bits scaled to 8.

    JPEGs go through simplejpeg where it is installed; the pixels are Pillow's either way.

    Args:
        source: a file, its bytes, or an opened picture, which is left as it is.
        name: what errors call it; the path by default.
        max_pixels: what a file's header may announce; looked up before anything is decoded.

    Raises:
        UnreadablePicture: missing, truncated, or not a picture; the message says which.
        PictureTooLarge: more pixels than that.
    """
    name = name or (str(source) if isinstance(source, Path) else "picture")
    if isinstance(source, Image.Image):
        return _upright_rgb(source, name)
    data = read_bytes(source, name) if isinstance(source, Path) else source
    pixels = decode_jpeg(data, max_pixels)
    if pixels is None:
        return _upright_rgb(open_picture(data, name, max_pixels), name)
    picture = Image.fromarray(pixels)
    if b"Exif" in data or b"Orientation" in data:
        return _turn(picture, orientation(open_picture(data, name)))
    return picture


def to_square(picture: Image.Image, side: int, fit: Fit) -> np.ndarray:
    """An RGB picture as a square, by Pillow's antialiased bilinear filter.

    "short" scales the short side to `side` and the long one to `side * long / short`, rounded down, then cuts the
    centre at an offset rounded down: 256 x 341 loses 42 columns on the left and 43 on the right. "warp" scales
    both sides to `side`.

    Returns:
        (side, side, 3) uint8.
    """
    if fit == "warp":
        return np.array(picture.resize((side, side), Image.Resampling.BILINEAR))
    short = min(picture.size)
    picture = _cut_center(picture, MAX_RATIO * short, MAX_RATIO * short)
    width, height = (side * length // short for length in picture.size)
    return np.array(_cut_center(picture.resize((width, height), Image.Resampling.BILINEAR), side, side))


def decode_jpeg(data: bytes, max_pixels: int = MAX_PIXELS) -> np.ndarray | None:
    """The pixels of a JPEG as stored, not turned: (H, W, 3) uint8, equal to Pillow's; None where Pillow has to do it.

    That is: simplejpeg is not installed, the colours are CMYK, or the file is damaged, large or no JPEG at all.
    """
    if simplejpeg is None or not data.startswith(b"\xff\xd8\xff"):
        return None
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
        if colors in ("YCbCr", "RGB", "Gray") and height * width <= max_pixels:
            return np.asarray(simplejpeg.decode_jpeg(data, "RGB"))
    except ValueError:
        pass  # damaged, and it stays with Pillow to say whether so badly that it is refused
    return None


def open_picture(data: bytes, name: str = "picture", max_pixels: int = MAX_PIXELS) -> Image.Image:
    """A picture with only its header read: format, mode, size and EXIF are known, nothing is decoded yet.

    Raises:
        UnreadablePicture: as `read_picture`.
    """
    try:
        with _PILLOW_SILENCED:
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise PictureTooLarge(f"{name}: {error} Make it smaller.") from None
    except Exception as error:
        raise _refusal(data, name, error) from error
    if picture.width * picture.height > max_pixels:
        raise PictureTooLarge(
            f"{name}: {picture.width} x {picture.height} pixels are more than the limit of {max_pixels}. "
            "Make it smaller."
        )
    return picture


def orientation(picture: Image.Image) -> int:
    """How the camera was held, 1 to 8 as EXIF counts; 1 is upright, and what damaged EXIF gives."""
    try:
        with _PILLOW_SILENCED:
            value = picture.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # whatever a stranger's EXIF does to the parser, the pixels are still good
        return 1
    return value if value in TURNS else 1


def read_bytes(path: Path, name: str = "") -> bytes:
    """The content of a picture file.

    Raises:
        UnreadablePicture: missing, not a regular file, not permitted, or larger than `MAX_BYTES`.
    """
    name = name or str(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnreadablePicture(f"{name}: not a regular file. Remove it.")
        if status.st_size > MAX_BYTES:
            raise UnreadablePicture(f"{name}: {status.st_size} bytes are more than the limit of {MAX_BYTES}.")
        return path.read_bytes()
    except OSError as error:
        raise UnreadablePicture(f"{name}: cannot be read ({error.strerror}).") from error


def _upright_rgb(picture: Image.Image, name: str) -> Image.Image:
    try:
        with _PILLOW_SILENCED:
            picture.load()
            rgb = _rgb(picture)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, zlib.error, IndexError, ...
        raise UnreadablePicture(
            f"{name}: cannot be decoded ({error}). Copy it again from where it came, or remove it."
        ) from error
    return _turn(rgb, orientation(picture))  # asked after load(), which turns TIFFs by itself


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bits(np.asarray(picture))).convert("RGB")
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Gray levels as uint8: 16 bits divided by 257; wider types by the range they use.

    Floats in 0..1 are multiplied by 255. Otherwise values in 0..255 stay, values in 0..65535 count as 16 bits, and
    all else is stretched from its lowest to its highest.
    """
    if values.dtype.itemsize == 2:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    levels = values.astype(np.float64)
    low, high = float(levels.min()), float(levels.max())
    if not np.isfinite(high - low):
        raise ValueError("it holds values that are not finite")
    if low < 0 or high > 65535:
        levels = (levels - low) * 255 / (high - low or 1)
    elif high > 255:
        levels = levels / 257
    elif high <= 1 and values.dtype.kind == "f":
        levels = levels * 255
    return (levels + 0.5).astype(np.uint8)


def _turn(picture: Image.Image, held: int) -> Image.Image:
    return picture.transpose(TURNS[held]) if held in TURNS else picture


def _cut_center(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The central `width` x `height`, or less where the picture has less."""
    width, height = min(width, picture.width), min(height, picture.height)
    if (width, height) == picture.size:
        return picture
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def _refusal(data: bytes, name: str, error: Exception) -> UnreadablePicture:
    """Why these bytes did not open, in the words of someone who looks into the file."""
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    known = next((what for prefix, what in IMPOSTORS if start.startswith(prefix)), None)
    if not data:
        return UnreadablePicture(f"{name}: the file is empty. Copy it again from where it came, or remove it.")
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
        return UnreadablePicture(f"{name}: a HEIC picture, which is not supported. Convert it to JPEG.")
    if known:
        return UnreadablePicture(f"{name}: {known}, not a picture. Fetch it again, or remove it.")
    if isinstance(error, UnidentifiedImageError):
        return UnreadablePicture(f"{name}: not a picture (it starts with {data[:8]!r}). Remove it.")
    return UnreadablePicture(f"{name}: cannot be opened ({error}). Copy it again from where it came, or remove it.")


class _Silence:
    """Pillow's warnings are ignored while any thread is inside.

    `warnings.catch_warnings` would restore one thread's filters in the middle of another's work.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filter: object = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._filter not in warnings.filters:
                warnings.filterwarnings("ignore", module=r"PIL\.")
                self._filter = warnings.filters[0]

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._filter in warnings.filters:
                warnings.filters.remove(self._filter)  # type: ignore[attr-defined]


_PILLOW_SILENCED = _Silence()
