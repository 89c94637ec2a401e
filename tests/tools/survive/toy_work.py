"""Work for workers that are watched; imports nothing that takes time."""

import os
import time


def work(hang_at, crash_at, number):
  if number == hang_at:
    time.sleep(60)
  if number == crash_at:
    os.abort()
  return "done", str(10 * number)


def take_memory(number):
  try:
    bytearray(number)
  except MemoryError:
    return "refused", ""
  return "taken", ""
