"""Small texts for the tests of the programs."""

import os

from experiments.word2vec import inputs
from tests.estimators.helpers import new_folder

# Lewis Carroll, Alice's Adventures in Wonderland (1865), the first paragraph.
ALICE = (
  "alice was beginning to get very tired of sitting by her sister on the bank "
  "and of having nothing to do once or twice she had peeped into the book her "
  "sister was reading but it had no pictures or conversations in it and what "
  "is the use of a book thought alice without pictures or conversation"
)


def alice():
  """Returns the paths of the paragraph, and of questions with its words."""
  folder = new_folder()
  paths = [os.path.join(folder, name) for name in ("alice", "questions")]
  questions = ": things\nalice sister book bank\nalice was it had\n"
  questions += ": others\nthe queen of hearts\nShe had alice was\n"
  for path, text in zip(paths, (ALICE, questions), strict=True):
    with open(path, "w") as stream:
      stream.write(text)
  return paths


def topics():
  """Returns the path of the invented text of the self test."""
  path = os.path.join(new_folder(), "topics")
  inputs.write_self_test_text(path)
  return path
