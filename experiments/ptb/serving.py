"""The exported model: words and a state in, what may come next and a state out.

L layers, S states of a layer (h and c of an LSTM, h of a GRU), T words, B rows,
H units, V words of the vocabulary.
"""

import tensorflow as tf

from estimators import EstimatorSpec, ModeKeys, export
from experiments.ptb import network, vocabulary

HOW_TO_USE = """Exported to {path}
  python -m tools.generate --export_dir={path} --prompt="the company"
  python -m tools.score --export_dir={path} < lines.txt"""


def prediction_spec(features, params, vocabulary_path):
  """Returns the EstimatorSpec that reads words on from a state.

  A word outside of the vocabulary is `<unk>`; it is an error where the
  vocabulary has no `<unk>`.

  Args:
    features: {"words": string [B, T], with T at least 1, "state": float32
      [B, L, S, H], zeros where a text begins}.
    params: the params of the model function.
    vocabulary_path: str, the model's vocab.txt; it becomes an asset of the
      SavedModel.

  Returns:
    EstimatorSpec with predictions {"logits": float32 [B, V], of the word after
    the last; "log_probabilities": float32 [B, T - 1], in nats, of each word
    after the first, given those before it and the state; "state": float32
    [B, L, S, H], to go on with}.
  """
  tables = vocabulary.vocabulary_tables(vocabulary_path)
  ids = tf.transpose(vocabulary.ids_of(tables, features["words"]))
  state = tf.transpose(features["state"], [1, 2, 0, 3])
  net = network.network(params)
  # Of TensorFlow's own ops alone, which all that serves a SavedModel has.
  outputs, state = network.run_layers(net, ids, state, backend="keras")
  logits = network.next_logits(net, outputs)  # [T, B, V]
  losses = tf.nn.sparse_softmax_cross_entropy_with_logits(ids[1:], logits[:-1])
  predictions = {
    "logits": logits[-1],
    "log_probabilities": -tf.transpose(losses),
    "state": tf.transpose(state, [2, 0, 1, 3]),
  }
  return EstimatorSpec(ModeKeys.PREDICT, predictions=predictions)


def export_model(estimator, export_dir):
  """Writes a SavedModel, prints how to use it, and returns its path.

  Args:
    estimator: an Estimator whose model function gives `prediction_spec`.
    export_dir: str, the folder in which a folder named by the time is made.
  """
  layers, states, _, units = network.state_shape(estimator.params)
  receiver_fn = export.build_raw_serving_input_receiver_fn(
    {
      "words": tf.TensorSpec([None, None], tf.string),
      "state": tf.TensorSpec([None, layers, states, units], tf.float32),
    }
  )
  path = estimator.export_saved_model(export_dir, receiver_fn)
  print(HOW_TO_USE.format(path=path), flush=True)
  return path
