"""Damage to files, drawn from a random state: the same one, the same damage."""

import struct

# What a size or a count in a header may come to claim.
_NUMBERS = (0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1,
            2**60, 2**63 - 1, 2**64 - 1)  # fmt: skip
_WIDTHS = ("B", "H", "I", "Q")
_HEADER_BYTES = 32


def mutated(content, other, random):
  """Returns a content that was damaged in one to three ways.

  Args:
    content: bytes, not empty.
    other: bytes, of another file of the format.
    random: random.Random.
  """
  for _ in range(random.choice((1, 1, 1, 2, 3))):
    kind = random.choice(_KINDS)
    content = kind(content, other, random)
  return content


def _truncate(content, other, random):
  return content[: random.randrange(len(content) + 1)]


def _flip(content, other, random):
  """Flips one to eight bits."""
  damaged = bytearray(content)
  for _ in range(random.randint(1, 8) if damaged else 0):
    damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
  return bytes(damaged)


def _set(content, other, random):
  """Sets one to four bytes to an extreme, or to what ends things in texts."""
  damaged = bytearray(content)
  for _ in range(random.randint(1, 4) if damaged else 0):
    damaged[random.randrange(len(damaged))] = random.choice(
      b'\0\xff\x80\n\r",;:'
    )
  return bytes(damaged)


def _range(content, random):
  start = random.randrange(len(content) + 1)
  return start, min(start + random.choice((1, 4, 16, 100)), len(content))


def _delete(content, other, random):
  start, end = _range(content, random)
  return content[:start] + content[end:]


def _duplicate(content, other, random):
  start, end = _range(content, random)
  return content[:end] + content[start:]


def _zero(content, other, random):
  start, end = _range(content, random)
  return content[:start] + bytes(end - start) + content[end:]


def _claim(content, other, random):
  """Writes an extreme number, mostly into the header."""
  width = random.choice(_WIDTHS)
  last = len(content) if random.random() < 0.2 else _HEADER_BYTES
  start = random.randrange(max(min(last, len(content)), 1))
  size = struct.calcsize(width)
  number = random.choice(_NUMBERS) & (1 << 8 * size) - 1
  packed = struct.pack(random.choice("<>") + width, number)
  return content[:start] + packed + content[start + size :]


def _splice(content, other, random):
  """Goes on as another file does from some place on."""
  start, _ = _range(content, random)
  begin, end = _range(other, random)
  tail = content[start:] if random.random() < 0.5 else other[end:]
  return content[:start] + other[begin:end] + tail


def _encode(content, other, random):
  """Writes the text in another encoding, or with a byte order mark."""
  codec = random.choice(("utf-16", "utf-16-le", "utf-8-sig", "utf-8"))
  return content.decode("latin-1").encode(codec)


def _empty(content, other, random):
  return b""


# The rare ones are there once.
_KINDS = (
  *(_truncate, _flip, _set, _delete, _duplicate, _zero, _claim, _splice) * 8,
  *(_encode, _encode, _empty),
)
