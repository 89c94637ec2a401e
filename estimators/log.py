"""Log lines, by TensorFlow's logger."""

import logging

import tensorflow as tf


def show():
  """Makes INFO lines visible, each once.

  A level that the program has set stays as it is. TensorFlow's logger has a
  handler of its own, to which one of the root logger that comes later (absl's,
  for example) would add a second line.
  """
  logger = tf.get_logger()
  if logger.level == logging.NOTSET:
    logger.setLevel(logging.INFO)
  if logger.handlers:
    logger.propagate = False
