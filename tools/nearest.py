"""Asks word vectors: what is near a word, and what completes an analogy.

    python -m tools.nearest --model_dir=/tmp/word2vec nearby king queen
    python -m tools.nearest --model_dir=/tmp/word2vec analogy man king woman
    python -m tools.nearest --vectors=vectors.bin

The last one, without a command, asks for commands until `quit` or the end of
the input. Vectors are those of the newest checkpoint of a model of
experiments.word2vec, or of a file in word2vec's text or binary format. Exits
non-zero when a word is not in the vocabulary.
"""

import sys

from absl import app, flags

from experiments.word2vec import neighbours, vectors

FLAGS = flags.FLAGS


def define_flags(values=FLAGS):
  """Defines this program's flags."""
  flags.DEFINE_string(
    "model_dir", None, "Folder of a trained model.", flag_values=values
  )
  flags.DEFINE_string(
    "vectors", None, "File of vectors, text or binary.", flag_values=values
  )
  flags.DEFINE_integer(
    "num", 20, "How many neighbours are shown.",
    lower_bound=1, upper_bound=neighbours.MAX_NEIGHBOURS, flag_values=values,
  )  # fmt: skip
  flags.mark_flags_as_mutual_exclusive(
    ["model_dir", "vectors"], required=True, flag_values=values
  )
  values.set_gnu_getopt()  # flags may come after the command


def ask(values, command):
  """Answers a command, or those at a prompt.

  Args:
    values: flags.FlagValues of `define_flags`, parsed.
    command: list of str; none for the prompt.

  Raises:
    ValueError, OSError: the vectors, the command or a word is not what it must
      be.
  """
  if values.vectors:
    found = vectors.read(values.vectors)
  else:
    found = vectors.load(values.model_dir)
  nearest = neighbours.Nearest(found.words, found.vectors)
  if command:
    print("\n".join(neighbours.run(nearest, command, values.num)))
  else:
    neighbours.prompt(nearest, values.num)


def main(argv):
  try:
    ask(FLAGS, argv[1:])
  except (ValueError, OSError) as error:
    sys.exit(f"tools.nearest: {error}")


if __name__ == "__main__":
  define_flags()
  app.run(main)
