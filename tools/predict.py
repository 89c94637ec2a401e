"""Predicts with a SavedModel: rows in, predictions out.

    python -m tools.predict --export_dir=/tmp/census/export --input=rows.csv
    python -m tools.predict --export_dir=/tmp/census/export/1234 --input=- \\
      --format=jsonl --keys=probabilities --output=predictions.csv

Needs none of the code that made the model. Its signature has an input for each
feature, or takes serialized tf.train.Examples, which are then made of the rows:
their features are those that the model's graph parses.

Rows are those of a CSV file whose first line names the columns (or
--column_names does), or JSON lines: an object a line, a list for several
values. A feature of several values is in the columns name_0, name_1, ... of a
CSV file. An empty field, or null, is no value; in a CSV file it is an empty
text, where the model needs a text. Columns that the model does not know are
ignored, and said so.

Predictions come in the order of the rows, as JSON lines, or as CSV where the
name of --output ends in .csv. Text that is not UTF-8 has \\x.. in it; "NaN",
"Infinity" and "-Infinity" are text in JSON. Exits non-zero, and makes no file,
when a row is bad.
"""

import itertools
import sys

import tensorflow as tf
import tqdm
from absl import app, flags, logging

from tools import predict_outputs, predict_rows
from tools.predict_model import ServedModel, newest_export

FLAGS = flags.FLAGS


def define_flags(values=FLAGS):
  """Defines this program's flags."""

  def string(name, default, text):
    flags.DEFINE_string(name, default, text, flag_values=values)

  string("export_dir", None, "A SavedModel, or a folder of numbered ones.")
  string("input", None, "The file of rows; - for standard input.")
  string("output", "", "The file to write; standard output without it.")
  string("signature", None, "Which to use; default: predict, if it is there.")
  flags.DEFINE_enum(
    "format",
    None,
    ["csv", "jsonl"],
    f"Of --input; default: jsonl for {', '.join(predict_rows.JSON_ENDINGS)}, "
    "else csv.",
    flag_values=values,
  )
  flags.DEFINE_list(
    "column_names",
    [],
    "The columns of a CSV file whose first line does not name them.",
    flag_values=values,
  )
  flags.DEFINE_list(
    "keys", [], "The outputs to write; default: all.", flag_values=values
  )
  flags.DEFINE_integer(
    "batch_size",
    1000,
    "How many rows are fed at once.",
    lower_bound=1,
    flag_values=values,
  )
  flags.mark_flags_as_required(["export_dir", "input"], values)


def predict(values):
  """Writes the predictions for the rows of a file.

  Args:
    values: flags.FlagValues of `define_flags`, parsed.

  Raises:
    ValueError, OSError, tf.errors.OpError: a flag, the SavedModel or a row is
      not what it must be.
  """
  with predict_rows.opened(values.input) as (source, name):
    path = newest_export(values.export_dir)
    model = ServedModel(path, values.signature, values.keys)
    _note(f"{path}: {model}")
    rows = _rows(values, source, name, model.features)
    batches = _batches(rows, model.batch_size or values.batch_size)
    with (
      predict_outputs.opened(values.output) as stream,
      _progress(values.output) as progress,
    ):
      writer = predict_outputs.writer(stream, values.output)
      for outputs in _predictions(model, batches, name):
        writer.write(outputs)
        progress.update(len(next(iter(outputs.values()))))


def _rows(values, source, name, features):
  """Yields (line, {feature: value}) of the input."""
  is_csv = (values.format or predict_rows.format_of(values.input)) == "csv"
  if is_csv:
    rows = predict_rows.csv_rows(source, name, values.column_names)
  else:
    rows = predict_rows.json_rows(source, name)
  return predict_rows.RowReader(features, name, is_csv, _note).read(rows)


def _batches(rows, size):
  """Yields lists of `size` rows, the last of them of what is left."""
  rows = iter(rows)
  while batch := list(itertools.islice(rows, size)):
    yield batch


def _predictions(model, batches, name):
  """Yields the outputs for each batch; errors name its lines."""
  batch = None
  for batch in batches:
    try:
      yield model([row for _, row in batch])
    except (ValueError, tf.errors.OpError) as error:
      lines = f"lines {batch[0][0]} to {batch[-1][0]}"
      raise ValueError(f"{name}, {lines}: {_one_line(error)}") from error
  if batch is None:
    raise ValueError(f"{name} must have rows; it has none.")


def _one_line(error):
  """Returns what an error says, without where in the graph it was."""
  if isinstance(error, tf.errors.OpError):
    return error.message.split("\n\t [[")[0].splitlines()[-1]
  return str(error).splitlines()[0]


def _progress(output):
  """Returns a bar, on a terminal that does not show the predictions."""
  shown = sys.stderr.isatty() and (output or not sys.stdout.isatty())
  return tqdm.tqdm(unit="row", file=sys.stderr, disable=not shown)


def _note(line):
  tqdm.tqdm.write(f"tools.predict: {line}", file=sys.stderr)


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f"Nothing but flags is known; got {argv[1:]}.")
  logging.set_verbosity(logging.WARNING)  # TensorFlow tells what it loads.
  try:
    predict(FLAGS)
  except BrokenPipeError:
    sys.exit(1)  # Who reads the predictions has had enough.
  except (ValueError, OSError, tf.errors.OpError) as error:
    sys.exit(f"tools.predict: {_one_line(error)}")


if __name__ == "__main__":
  define_flags()
  app.run(main)
