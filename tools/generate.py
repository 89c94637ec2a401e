"""Writes text with a language model.

    python -m tools.generate --export_dir=/tmp/ptb/export --prompt="the company"
    python -m tools.generate --export_dir=/tmp/ptb/export --temperature=0.7 \\
      --top_k=100 --num_words=200 --num_samples=3 --seed=2

The text begins after the end of a line, with the words of the prompt. Words are
drawn one after another, as likely as the model has them; where it draws <eos>,
a line ends. The same flags give the same text. Words of the prompt that the
model does not know are <unk> to it. Exits non-zero when something is wrong.
"""

import sys

import tensorflow as tf
from absl import app, flags, logging

from experiments.ptb import generation
from input_pipelines import common
from input_pipelines.ptb import END
from tools.language_model import LanguageModel

FLAGS = flags.FLAGS
_RULE = "=" * 37  # between samples


def define_flags(values=FLAGS):
  """Defines this program's flags."""

  def integer(name, default, text, lower_bound=None):
    flags.DEFINE_integer(
      name, default, text, lower_bound=lower_bound, flag_values=values
    )

  flags.DEFINE_string(
    "export_dir",
    None,
    "A SavedModel of experiments.ptb, or a folder of numbered ones.",
    flag_values=values,
  )
  flags.DEFINE_string(
    "prompt", "", "The first words; they are separated by spaces.",
    flag_values=values,
  )  # fmt: skip
  integer("num_words", 50, "How many words are drawn, ends of lines too.", 1)
  flags.DEFINE_float(
    "temperature",
    1.0,
    "What logits are divided by; 0: always the likeliest word.",
    lower_bound=0.0,
    flag_values=values,
  )
  integer("top_k", 0, "Draw from so many of the likeliest words; 0: all.", 0)
  integer("seed", 1, "Of what is drawn.")
  integer("num_samples", 1, "How many texts are written.", 1)
  flags.mark_flag_as_required("export_dir", values)


def samples(values):
  """Returns texts, list of str.

  Args:
    values: flags.FlagValues of `define_flags`, parsed.

  Raises:
    ValueError, tf.errors.OpError: a flag or the SavedModel is not what it must
      be.
  """
  model = LanguageModel(values.export_dir)
  prompt = values.prompt.split()
  unknown = sorted({word for word in prompt if word not in model.ids})
  ids = model.ids_of([END, *prompt])
  if unknown:
    print(
      "tools.generate: the model does not know, and reads as <unk>: "
      + ", ".join(unknown),
      file=sys.stderr,
    )
  found = _generated(model, [ids] * values.num_samples, values).numpy()
  return [
    text_of(prompt + [model.words[number] for number in row]) for row in found
  ]


def _generated(model, prompts, values):
  """Returns ids that go on with those of prompts: int32 [B, num_words]."""

  def step(ids, state):
    outputs = model.read(ids, state)
    return outputs["logits"], outputs["state"]

  @tf.function(autograph=False)
  def run(prompts, state):
    return generation.generate(
      step,
      state,
      prompts,
      values.num_words,
      values.temperature,
      values.top_k,
      values.seed,
    )

  return run(tf.constant(prompts), model.start(len(prompts)))


def text_of(words):
  """Returns the text of words, in which END ends lines."""
  lines = [[]]
  for word in words:
    if word == END:
      lines.append([])
    else:
      lines[-1].append(word)
  return "\n".join(map(" ".join, lines))


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(
      f"Nothing but flags is known; got {argv[1:]}. A prompt of several words "
      'is --prompt="the company".'
    )
  logging.set_verbosity(logging.WARNING)  # TensorFlow tells what it loads.
  try:
    print(f"\n{_RULE}\n".join(samples(FLAGS)))
  except (ValueError, OSError, tf.errors.OpError) as error:
    sys.exit(f"tools.generate: {common.plain_message(error)}")


if __name__ == "__main__":
  define_flags()
  app.run(main)
