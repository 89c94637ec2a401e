"""From counts to colours."""

import numpy as np

COLORINGS = ("published", "smooth")


def colors(counts, inside):
  """Returns the colours of counts, those of the tutorial.

  They come round after 20 steps.

  Args:
    counts: float32 [R, C].
    inside: bool [R, C], the pixels that are to be black.

  Returns:
    uint8 [R, C, 3], red, green, blue.
  """
  angles = 6.28 * counts[..., np.newaxis] / 20
  pixels = np.concatenate(
    [
      10 + 20 * np.cos(angles),
      30 + 50 * np.sin(angles),
      155 - 80 * np.cos(angles),
    ],
    axis=-1,
  )
  pixels[inside] = 0
  return np.uint8(np.clip(pixels, 0, 255))


def picture(counts, max_steps, coloring):
  """Returns the picture of a window, uint8 [R, C, 3].

  Args:
    counts: float32 [R, C], of `escape_counts`, for smooth the smooth ones.
    max_steps: int, the count of points that have not escaped.
    coloring: published or smooth. The tutorial makes the largest count of the
      picture black, whatever it is: where all points have escaped, that is a
      few of those. Smooth makes only those black that have not escaped.
  """
  largest = counts.max() if coloring == "published" else max_steps
  return colors(counts, counts == largest)
