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


def check_animation_name(path):
  """Makes sure that a name ends in .gif or .webp.

  Raises:
    ValueError: it does not.
  """
  if os.path.splitext(path)[1].lower() not in _ANIMATIONS:
    raise ValueError(
      f"an animation's name must end in {' or '.join(_ANIMATIONS)}, but is "
      f"{path}; end it in one of these."
    )


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
    ValueError: the name's end is another.
    OSError: it cannot be written.
  """
  check_animation_name(path)
  options = _ANIMATIONS[os.path.splitext(path)[1].lower()]
  shown = tqdm.tqdm(
    frames, total=num_frames, unit="frame", disable=not progress_is_shown()
  )
  images = map(Image.fromarray, shown)
  with atomic_files.writing(path) as stream:
    next(images).save(
      stream,
      save_all=True,
      append_images=images,
      duration=frame_ms,
      loop=0,
      **options,
    )
