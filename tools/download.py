"""Fetches a data set into a folder; what is there and right is left alone.

python -m tools.download mnist --data_dir=~/data/mnist

An interrupted download goes on where it stopped. Exits non-zero on failure.
"""

import sys

from absl import app, flags

from input_pipelines import downloads

FLAGS = flags.FLAGS


def define_flags(values=FLAGS):
  """Defines this program's flags."""
  flags.DEFINE_string(
    "data_dir", None, "The folder to fill.", flag_values=values
  )
  flags.mark_flag_as_required("data_dir", values)


def main(argv):
  if len(argv) != 2:
    raise app.UsageError(
      f"Name one data set, one of {sorted(downloads.DATASETS)}; got {argv[1:]}."
    )
  try:
    paths = downloads.download(argv[1], FLAGS.data_dir)
  except (ValueError, OSError, downloads.DownloadError) as error:
    sys.exit(f"tools.download: {error}")
  print(f"{argv[1]}: {len(paths)} files in {FLAGS.data_dir}")


if __name__ == "__main__":
  define_flags()
  app.run(main)
