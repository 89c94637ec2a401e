"""What TensorBoard's Projector tab needs to name the vectors of a model_dir.

It reads the variable `emb` from the newest checkpoint there, and the words
beside it from metadata.tsv: a row for each id, in order.
"""

import os

from estimators import atomic_files

CONFIG_FILE = "projector_config.pbtxt"
METADATA_FILE = "metadata.tsv"
_HEADER = "word\tcount\n"  # As there are two columns; one would have none.
_CONFIG = f"""embeddings {{
  tensor_name: "emb/.ATTRIBUTES/VARIABLE_VALUE"
  metadata_path: "{METADATA_FILE}"
}}
"""


def write_projector(model_dir, words, counts):
  """Writes projector_config.pbtxt and metadata.tsv.

  Args:
    model_dir: str, folder of the checkpoints; made if it is missing.
    words: sequence of str, by id, without white space.
    counts: sequence of int, by id.

  Raises:
    ValueError: there are not as many counts as words.
  """
  os.makedirs(model_dir, exist_ok=True)
  rows = [
    f"{word}\t{count}\n" for word, count in zip(words, counts, strict=True)
  ]
  # The configuration comes last, as it refers to the other.
  for name, text in (
    (METADATA_FILE, _HEADER + "".join(rows)),
    (CONFIG_FILE, _CONFIG),
  ):
    with atomic_files.writing(os.path.join(model_dir, name)) as stream:
      stream.write(text.encode())
