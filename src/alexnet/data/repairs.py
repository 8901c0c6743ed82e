"""What reading a picture file changes in its pixels, for the report of `prepare`; only the header is looked at."""

from alexnet.data.picture import open_picture, orientation


def repairs(data: bytes, name: str) -> tuple[str, ...]:
    """Each change that `read_picture` makes to these bytes and that a person may want to know of.

    Gray and palette pictures become RGB without a pixel changing its colour, so they are not named.

    Raises:
        UnreadablePicture: as `read_picture`.
    """
    with open_picture(data, name) as picture:
        held = orientation(picture)
        found = {
            f"turned upright (EXIF orientation {held})": held != 1,
            "transparency laid on white": picture.has_transparency_data,
            f"scaled to 8 bits (mode {picture.mode})": picture.mode.startswith(("I", "F")),
            f"converted from {picture.mode}": picture.mode in ("CMYK", "YCbCr", "LAB", "HSV"),
        }
    return tuple(change for change, is_made in found.items() if is_made)
