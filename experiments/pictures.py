"""Pictures and animations as files."""

import os

import tqdm
from PIL import Image

from estimators import atomic_files
from estimators.progress import progress_is_shown

# What Pillow calls the format of a name's end, and how it is to write it.
_ANIMATIONS = {
  ".gif": {"format": "GIF"},
  ".webp": {"format": "WEBP", "quality": 80},
}
# Pixels of a side, for which the formats have 16 and 14 bits.
_LONGEST_SIDE = {".gif": 2**16 - 1, ".webp": 2**14 - 1}


def write_png(path, pixels):
  """Writes a PNG file; what was there before goes.

  Args:
    path: str.
    pixels: uint8 [H, W] (grey) or [H, W, 3] (red, green, blue), NumPy.

  Raises:
    OSError: it cannot be written.
  """
  with atomic_files.writing(path) as stream:
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)


def check_animation(name, width, height):
  """Makes sure that an animation can be written; call it before the work.

  Args:
    name: str, of the file, given by --animation; --output_dir is its folder.
    width: int, columns of pixels.
    height: int, rows of pixels.

  Raises:
    ValueError: the name has a folder, or another end than .gif and .webp, or
      the format does not go as far as a side.
  """
  end = _end(name)
  if end not in _ANIMATIONS:
    raise ValueError(
      f"--animation needs a name, and must end in {' or '.join(_ANIMATIONS)}, "
      f"but is {name}; call it movie.webp, say."
    )
  if os.path.basename(name) != name:
    raise ValueError(
      f"--animation must be a name without folders, but is {name}; name the "
      "folder by --output_dir."
    )
  longest = max(width, height)
  if longest > _LONGEST_SIDE[end]:
    gif_can = longest <= _LONGEST_SIDE[".gif"]
    raise ValueError(
      f"an animation that ends in {end} must have sides of at most "
      f"{_LONGEST_SIDE[end]} pixels, but {name} would have {width}x{height}; "
      f"take a smaller size{', or .gif' * gif_can}."
    )


def _end(path):
  return os.path.splitext(path)[1].lower()


def write_animation(path, frames, num_frames, frame_ms=40):
  """Writes an animated file that plays for ever; what was there before goes.

  On a terminal a bar shows how many frames are done. When making a frame ends
  in an error, or in Ctrl-C, no file is left.

  Args:
    path: str; its end, .gif or .webp, decides the format. GIF has at most 256
      colours in a frame; WebP is smaller, and loses a little.
    frames: iterable of pixels as for `write_png`, all of one shape, at least
      one. A frame is asked for when the one before has been taken.
    num_frames: int, how many there are.
    frame_ms: int, milliseconds that a frame is shown.

  Raises:
    ValueError: as for `check_animation`.
    OSError: it cannot be written.
  """
  shown = tqdm.tqdm(
    frames, total=num_frames, unit="frame", disable=not progress_is_shown()
  )
  images = map(Image.fromarray, shown)
  with atomic_files.writing(path) as stream:
    first = next(images)
    check_animation(os.path.basename(path), *first.size)
    first.save(
      stream,
      save_all=True,
      append_images=images,
      duration=frame_ms,
      loop=0,
      **_ANIMATIONS[_end(path)],
    )
