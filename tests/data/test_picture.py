"""Every kind of picture file that people have, drawn and encoded here."""

import io
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from alexnet.data import picture as room
from alexnet.data.picture import decode_jpeg, open_picture, orientation, read_picture, to_square
from alexnet.errors import PictureTooLarge, UnreadablePicture

RED, WHITE = (255, 0, 0), (255, 255, 255)


def drawn(width: int = 40, height: int = 30, channels: int = 3, seed: int = 0) -> Image.Image:
    """Soft coloured blobs, no two corners alike."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (max(2, height // 6), max(2, width // 6), channels), np.uint8)
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[channels]
    return Image.fromarray(small.squeeze(), mode=None if channels < 4 else mode).resize((width, height))


def encoded(picture: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def pixels(source: bytes) -> np.ndarray:
    return np.array(read_picture(source))


def with_orientation(held: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = held
    return exif


def png(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG by hand: gray, 8 bits, whatever size it claims."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


class TestColours:
    @pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
    def test_a_lossless_picture_keeps_its_pixels(self, format: str) -> None:
        assert np.array_equal(pixels(encoded(drawn(), format)), np.array(drawn()))

    @pytest.mark.parametrize("format", ["GIF", "WEBP", "JPEG2000", "AVIF", "JPEG"])
    def test_a_lossy_picture_keeps_its_size_and_about_its_pixels(self, format: str) -> None:
        read = pixels(encoded(drawn(), format))
        assert read.shape == (30, 40, 3)
        assert np.abs(read.astype(int) - np.array(drawn())).mean() < 12

    def test_gray_repeats_in_three_channels(self) -> None:
        read = pixels(encoded(drawn(channels=1), "PNG"))
        assert np.array_equal(read, np.repeat(np.array(drawn(channels=1))[:, :, None], 3, axis=2))

    def test_one_bit_is_black_and_white(self) -> None:
        bits = np.arange(12).reshape(3, 4) % 3 == 0
        read = pixels(encoded(Image.fromarray(bits), "PNG"))
        assert np.array_equal(read[:, :, 0], bits * 255)

    def test_a_palette_is_looked_up(self) -> None:
        picture = drawn().quantize(8)
        assert np.array_equal(pixels(encoded(picture, "PNG")), np.array(picture.convert("RGB")))

    def test_cmyk_red_is_red(self) -> None:
        for format in ("TIFF", "JPEG"):
            red = pixels(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), format))
            assert np.abs(red.astype(int) - RED).max() <= 3, format

    @pytest.mark.parametrize("mode", ["LAB", "YCbCr"])
    def test_other_colour_spaces_are_converted_or_refused_by_name(self, mode: str) -> None:
        data = encoded(Image.new(mode, (8, 8)), "TIFF")
        try:
            assert pixels(data).shape == (8, 8, 3)
        except UnreadablePicture as error:
            assert mode in str(error)  # noqa: PT017, either answer is right


class TestTransparency:
    @pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
    def test_clear_is_white_and_half_clear_is_half_white(self, format: str) -> None:
        picture = Image.new("RGBA", (3, 1), (255, 0, 0, 255))
        picture.putpixel((1, 0), (255, 0, 0, 0))
        picture.putpixel((2, 0), (0, 0, 0, 128))
        options = {"lossless": True, "exact": True} if format == "WEBP" else {}
        solid, clear, half = pixels(encoded(picture, format, **options))[0].tolist()
        assert (solid, clear, half) == (list(RED), list(WHITE), [127, 127, 127])

    def test_gray_with_alpha(self) -> None:
        picture = Image.new("LA", (2, 1), (10, 255))
        picture.putpixel((1, 0), (10, 0))
        assert pixels(encoded(picture, "PNG"))[0, :, 0].tolist() == [10, 255]

    @pytest.mark.parametrize("format", ["PNG", "GIF"])
    def test_a_clear_palette_entry_is_white(self, format: str) -> None:
        picture = Image.new("P", (2, 1), 0)
        picture.putpalette([255, 0, 0, 0, 0, 255])
        picture.putpixel((1, 0), 1)
        assert pixels(encoded(picture, format, transparency=1))[0].tolist() == [list(RED), list(WHITE)]

    def test_a_palette_with_shades_of_alpha(self) -> None:
        picture = Image.new("P", (2, 1), 0)
        picture.putpalette([0, 0, 0, 255, 0, 0])
        picture.putpixel((1, 0), 1)
        read = pixels(encoded(picture, "PNG", transparency=bytes([128, 255])))[0].tolist()
        assert read == [[127, 127, 127], list(RED)]

    @pytest.mark.parametrize(("mode", "clear"), [("RGB", RED), ("L", 9)])
    def test_a_clear_colour_is_white(self, mode: str, clear: Any) -> None:
        picture = Image.new(mode, (2, 1), clear)
        picture.putpixel((1, 0), 0)
        assert pixels(encoded(picture, "PNG", transparency=clear))[0].tolist() == [list(WHITE), [0, 0, 0]]


class TestDeepPictures:
    LEVELS = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)

    @pytest.mark.parametrize("format", ["PNG", "TIFF"])
    def test_sixteen_bits_are_scaled_not_clipped(self, format: str) -> None:
        read = pixels(encoded(Image.fromarray(self.LEVELS), format))[0, :, 0].tolist()
        assert read == [0, 0, 1, 1, 128, 255]

    def test_big_endian_sixteen_bits(self) -> None:
        picture = Image.frombytes("I;16B", (6, 1), self.LEVELS.astype(">u2").tobytes())
        assert pixels(encoded(picture, "TIFF"))[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]

    def test_a_dark_sixteen_bit_picture_stays_dark(self) -> None:
        assert pixels(encoded(Image.fromarray(np.full((2, 2), 255, np.uint16)), "PNG")).max() == 1

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            (np.array([[0, 7, 255]], np.int32), [0, 7, 255]),
            (np.array([[0, 257, 65535]], np.int32), [0, 1, 255]),
            (np.array([[-100, 0, 100]], np.int32), [0, 128, 255]),
            (np.array([[0, 100_000, 200_000]], np.int32), [0, 128, 255]),
            (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
            (np.array([[0.0, 7.0, 200.4]], np.float32), [0, 7, 200]),
            (np.array([[0.0, 257.0, 65535.0]], np.float32), [0, 1, 255]),
            (np.array([[-1.0, 0.0, 1.0]], np.float32), [0, 128, 255]),
            (np.array([[-5.0, -5.0, -5.0]], np.float32), [0, 0, 0]),
        ],
    )
    def test_wide_types_are_scaled_by_the_range_they_use(self, values: np.ndarray, expected: list[int]) -> None:
        assert pixels(encoded(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == expected

    def test_values_that_are_not_finite_are_refused(self) -> None:
        with pytest.raises(UnreadablePicture, match="not finite"):
            pixels(encoded(Image.fromarray(np.array([[0, np.nan]], np.float32)), "TIFF"))


class TestUpright:
    @pytest.mark.parametrize("held", range(1, 9))
    @pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
    def test_every_orientation_of_every_format_comes_out_upright(self, format: str, held: int) -> None:
        upright = np.zeros((32, 48, 3), np.uint8)
        upright[:16, :24], upright[:16, 24:], upright[16:, :24] = RED, (0, 255, 0), (0, 0, 255)
        # by the EXIF standard: where row 0 and column 0 of the stored picture lie in the upright one
        stored = {
            1: upright,
            2: upright[:, ::-1],
            3: upright[::-1, ::-1],
            4: upright[::-1],
            5: upright.transpose(1, 0, 2),
            6: upright.transpose(1, 0, 2)[::-1],
            7: upright.transpose(1, 0, 2)[::-1, ::-1],
            8: upright.transpose(1, 0, 2)[:, ::-1],
        }[held]
        data = encoded(Image.fromarray(np.ascontiguousarray(stored)), format, exif=with_orientation(held))
        read = pixels(data).astype(int)
        assert read.shape == upright.shape
        for y, x in ((4, 4), (4, 44), (28, 4), (28, 44)):
            assert np.abs(read[y, x] - upright[y, x]).max() < 30
        assert orientation(open_picture(data)) == held

    def test_an_unknown_or_damaged_orientation_counts_as_upright(self) -> None:
        plain = pixels(encoded(drawn(), "JPEG"))
        for exif in (with_orientation(0).tobytes(), with_orientation(9).tobytes(), b"Exif\0\0II*\0\xff\xff\xff\xff"):
            assert np.array_equal(pixels(encoded(drawn(), "JPEG", exif=exif)), plain)

    def test_a_picture_in_memory_is_turned_and_left_as_it_is(self) -> None:
        stored = Image.open(io.BytesIO(encoded(drawn(40, 30), "JPEG", exif=with_orientation(6))))
        assert read_picture(stored).size == (30, 40)
        assert stored.size == (40, 30) and orientation(stored) == 6

    def test_an_upright_picture_in_memory_keeps_its_pixels(self) -> None:
        assert np.array_equal(np.array(read_picture(drawn())), np.array(drawn()))


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_of_several_frames_the_first_is_read(format: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, (0, 255, 0), (0, 0, 255))]
    read = pixels(encoded(frames[0], format, save_all=True, append_images=frames[1:])).astype(int)
    assert read.shape == (16, 16, 3) and np.abs(read - RED).max() < 6


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"", "empty"),
            (b"\xef\xbb\xbf\n <!DOCTYPE html><html>404", "web page"),
            (b"<HTML><body>", "web page"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
            (b"<?xml version='1.0'?><Error/>", "XML"),
            (b'{"error": "not found"}', "JSON"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS"),
            (b"%PDF-1.7", "PDF"),
            (
                b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
                "PostScript",
            ),  # not to Ghostscript
            (b"PK\x03\x04rest", "zip"),
            (b"\x1f\x8b\x08rest", "gzip"),
            (bytes(4096), "zero bytes"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
            (b"just some words", "just som"),
            (b"\x89PNG\r\n\x1a\n", "not a picture|cannot be opened"),
            (b"\xff\xd8\xff", "not a picture|cannot be opened"),
        ],
    )
    def test_what_is_no_picture_is_called_what_it_is(self, data: bytes, said: str) -> None:
        with pytest.raises(UnreadablePicture, match=f"^cat.jpg: .*({said})"):
            read_picture(data, "cat.jpg")

    @pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF"])
    @pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
    def test_a_truncated_file_is_refused(self, format: str, share: float) -> None:
        data = encoded(drawn(200, 150), format)
        with pytest.raises(UnreadablePicture, match=r"^a\.jpg: "):
            read_picture(data[: int(share * len(data))], "a.jpg")

    @pytest.mark.parametrize("missing", [1, 2, 3, 20])
    def test_a_jpeg_without_its_last_bytes_is_refused(self, missing: int) -> None:
        with pytest.raises(UnreadablePicture, match="truncated"):
            read_picture(encoded(drawn(200, 150), "JPEG")[:-missing])

    def test_the_process_wide_leniency_of_pillow_is_not_touched(self) -> None:
        assert ImageFile.LOAD_TRUNCATED_IMAGES is False

    @pytest.mark.parametrize("side", [11_600, 16_000, 60_000])  # above our limit; above Pillow's two limits
    def test_a_decompression_bomb_is_refused_before_it_is_decoded(self, side: int) -> None:
        with pytest.raises(UnreadablePicture, match=r"pixels.*Make it smaller"):
            read_picture(png(side, side), "bomb.png")

    def test_below_the_limit_pillow_does_not_warn_of_bombs(self) -> None:
        picture = open_picture(png(9_500, 9_500))  # Pillow warns from 89 megapixels, ours end at 134
        assert picture.size == (9_500, 9_500)

    def test_a_jpeg_bomb_is_refused_too(self) -> None:
        with pytest.raises(PictureTooLarge, match="40 x 30 pixels"):
            read_picture(encoded(drawn(), "JPEG"), max_pixels=40 * 30 - 1)
        assert read_picture(encoded(drawn(), "JPEG"), max_pixels=40 * 30).size == (40, 30)

    def test_a_huge_file_is_refused_before_it_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "film.jpg"
        with path.open("wb") as file:
            file.truncate(room.MAX_BYTES + 1)  # a hole: takes no space
        with pytest.raises(UnreadablePicture, match="bytes are more than the limit"):
            read_picture(path)

    def test_a_missing_file_and_a_folder_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadablePicture, match=r"gone.jpg: cannot be read .No such file"):
            read_picture(tmp_path / "gone.jpg")
        with pytest.raises(UnreadablePicture, match="not a regular file"):
            read_picture(tmp_path)


class TestWarnings:
    BAD_EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12\0\x03"  # says five entries, ends in the first

    def test_pillow_does_warn_of_this_exif(self) -> None:
        with pytest.warns(UserWarning, match="EXIF"):
            Image.open(io.BytesIO(encoded(drawn(), "JPEG", exif=self.BAD_EXIF))).getexif()

    def test_damaged_exif_is_read_in_silence_by_many_threads(self) -> None:
        data = encoded(drawn(), "JPEG", exif=self.BAD_EXIF)
        before, errors = list(warnings.filters), []

        def read() -> None:
            try:
                for _ in range(50):
                    read_picture(data)
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        assert list(warnings.filters) == before

    def test_the_first_reader_to_leave_does_not_end_the_silence(self) -> None:
        with room._PILLOW_SILENCED:
            with room._PILLOW_SILENCED:
                pass
            Image.open(io.BytesIO(encoded(drawn(), "JPEG", exif=self.BAD_EXIF))).getexif()  # a warning is an error

    def test_other_warnings_are_heard_while_a_picture_is_read(self) -> None:
        with room._PILLOW_SILENCED, pytest.warns(UserWarning, match="mine"):
            warnings.warn("mine", stacklevel=1)


class TestSimplejpeg:
    """The same pixels with and without it."""

    pytestmark = pytest.mark.skipif(find_spec("simplejpeg") is None, reason="needs the extra `fast`")

    SIZES = ((1, 1), (8, 8), (17, 9), (33, 250), (255, 31), (500, 375))

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("progressive", [False, True])
    @pytest.mark.parametrize("kind", ["4:4:4", "4:2:2", "4:2:0", "4:1:1", "gray", "rgb"])
    def test_every_kind_of_jpeg_decodes_to_the_pixels_of_pillow(
        self, kind: str, progressive: bool, size: tuple[int, int]
    ) -> None:
        options: dict[str, Any] = {"subsampling": kind} if ":" in kind else {"keep_rgb": kind == "rgb"}
        for quality in (30, 75, 95):
            picture = drawn(*size, channels=1 if kind == "gray" else 3, seed=quality)
            data = encoded(picture, "JPEG", quality=quality, progressive=progressive, **options)
            fast = decode_jpeg(data)
            assert fast is not None, "simplejpeg did not decode it"
            assert np.array_equal(fast, np.array(Image.open(io.BytesIO(data)).convert("RGB")))

    def test_cmyk_is_left_to_pillow(self) -> None:
        assert decode_jpeg(encoded(drawn(channels=4), "JPEG")) is None

    def test_damage_gets_the_verdict_and_the_pixels_of_pillow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data, random = encoded(drawn(200, 150), "JPEG", quality=85), np.random.default_rng(0)
        refused = 0
        for _ in range(150):
            damaged = bytearray(data)
            for place in random.integers(200, len(data), 3):
                damaged[place] ^= int(random.integers(1, 256))
            fast = self.outcome(bytes(damaged))
            with monkeypatch.context() as patch:
                patch.setattr(room, "simplejpeg", None)
                assert self.outcome(bytes(damaged)) == fast
            refused += fast.startswith(b"picture: ")
        assert 0 < refused < 150  # both verdicts occur

    @staticmethod
    def outcome(data: bytes) -> bytes:
        try:
            return pixels(data).tobytes()
        except UnreadablePicture as error:
            return str(error).encode()


class TestSquare:
    @pytest.mark.parametrize("size", [(341, 256), (256, 341), (640, 480), (37, 53), (256, 256), (1000, 64)])
    def test_short_is_torchvisions_resize_then_the_centre_rounded_down(self, size: tuple[int, int]) -> None:
        picture = drawn(*size)
        width, height = size
        scaled = (int(32 * width / height), 32) if width > height else (32, int(32 * height / width))
        left, top = (scaled[0] - 32) // 2, (scaled[1] - 32) // 2
        oracle = np.array(picture.resize(scaled, Image.Resampling.BILINEAR))[top : top + 32, left : left + 32]
        assert np.array_equal(to_square(picture, 32, "short"), oracle)

    def test_warp_keeps_all_and_not_the_ratio(self) -> None:
        picture = Image.new("RGB", (400, 100), RED)
        picture.paste((0, 0, 255), (0, 0, 100, 100))
        square = to_square(picture, 64, "warp")
        assert square.shape == (64, 64, 3)
        assert square[:, :12].tolist() == np.full((64, 12, 3), (0, 0, 255)).tolist()

    def test_a_square_of_the_right_side_keeps_its_pixels(self) -> None:
        for fit in ("short", "warp"):
            assert np.array_equal(to_square(drawn(48, 48), 48, fit), np.array(drawn(48, 48)))

    def test_shrinking_averages_and_does_not_skip_pixels(self) -> None:
        stripes = np.zeros((512, 512, 3), np.uint8)
        stripes[:, ::2] = 255
        square = to_square(Image.fromarray(stripes), 64, "short")
        assert square.min() >= 118 and square.max() <= 137

    def test_a_sliver_does_not_take_gigabytes(self) -> None:
        sliver = Image.new("RGB", (2_000_000, 2), RED)  # 256 x 256,000,000 if all of it were scaled
        sliver.paste((0, 0, 255), (999_999, 0, 1_000_001, 2))  # all that the centre square shows
        square = to_square(sliver, 256, "short")
        assert square.shape == (256, 256, 3) and square[:, 128].tolist() == [[0, 0, 255]] * 256

    def test_the_array_can_be_written(self) -> None:
        assert to_square(drawn(), 8, "short").flags.writeable

    @pytest.mark.parametrize("fit", ["short", "warp"])
    def test_one_pixel_fills_a_square(self, fit: Any) -> None:
        assert np.array_equal(to_square(Image.new("RGB", (1, 1), RED), 16, fit), np.full((16, 16, 3), RED))


def test_reading_pictures_does_not_import_torch() -> None:
    code = "import alexnet.data.source, alexnet.data.inspect, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
