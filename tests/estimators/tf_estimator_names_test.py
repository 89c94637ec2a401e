import tensorflow as tf
from absl.testing import parameterized

from estimators.tf_estimator_names import Stored, ours

ADAM = "training/Adam/dnn/logits/bias"
TABLE = "dnn/input_from_feature_columns/input_layer/a_b_shared_embedding"


def names(shapes):
  """Returns dictionary of our name to its keys."""
  return {name: stored.keys for name, stored in ours(shapes).items()}


class NamesTest(tf.test.TestCase, parameterized.TestCase):
  def test_weights_keep_their_names(self):
    shapes = {
      "linear/linear_model/bias_weights": [1],
      "dnn/hiddenlayer_0/batchnorm_0/moving_mean": [3],
      "training/step_size": [],  # a scope of the user's own
      "part_0/kernel": [2, 2],
      "part_1/kernel": [2, 2],
    }
    self.assertEqual(
      ours(shapes), {n: Stored([n], s) for n, s in shapes.items()}
    )

  def test_the_slots_of_keras(self):
    shapes = {
      "global_step": [],
      "dnn/logits/bias": [2],
      f"{ADAM}/m": [2],
      f"{ADAM}/v": [2],
      f"{ADAM}/vhat": [2],
      "training/Adam/learning_rate": [],
      "training/Adam/beta_1": [],
    }
    self.assertEqual(
      names(shapes),
      {
        "global_step": ["global_step"],
        "dnn/logits/bias": ["dnn/logits/bias"],
        "optimizer/dnn/logits/bias/momentum": [f"{ADAM}/m"],
        "optimizer/dnn/logits/bias/velocity": [f"{ADAM}/v"],
        "optimizer/dnn/logits/bias/velocity_hat": [f"{ADAM}/vhat"],
        "optimizer/iteration": ["global_step"],
      },
    )

  @parameterized.parameters("training", "training_2")
  def test_a_scope_with_a_number(self, scope):
    key = f"{scope}/SGD/baseline/bias/momentum"
    self.assertEqual(
      names({"baseline/bias": [1], key: [1]}),
      {
        "baseline/bias": ["baseline/bias"],
        "optimizer/baseline/bias/momentum": [key],
      },
    )

  def test_two_optimizers_of_one_class(self):
    weights = {"linear/linear_model/bias_weights": [1], "dnn/logits/bias": [1]}
    dnn = "training/Adagrad/dnn/logits/bias/accumulator"
    linear = "training/Adagrad_1/linear/linear_model/bias_weights/accumulator"
    shapes = {**weights, dnn: [1], linear: [1], "global_step": []}
    shapes["training/Adagrad_1/iter"] = []
    found = names(shapes)
    for name in [*weights, "global_step"]:
      self.assertEqual(found.pop(name), [name])
    self.assertEqual(
      found,
      {
        "dnn_optimizer/dnn/logits/bias/accumulator": [dnn],
        "linear_optimizer/linear/linear_model/bias_weights/accumulator": [
          linear
        ],
        "dnn_optimizer/iteration": ["global_step"],
        "linear_optimizer/iteration": ["global_step"],
      },
    )

  @parameterized.parameters(
    ("Ftrl", ["Ftrl", "Ftrl_1"], ["accumulator", "linear"]),
    ("Adam", ["Adam", "Adam_1"], ["momentum", "velocity"]),
    ("Adagrad", ["Adagrad"], ["accumulator"]),
    ("RMSProp", ["RMSProp", "RMSProp_1"], ["velocity", "momentum"]),
    (
      "centered RMSProp",
      ["RMSProp", "RMSProp_1", "RMSProp_2"],
      ["velocity", "average_gradient", "momentum"],
    ),
  )
  def test_the_slots_of_tensorflow_1(self, _, keys, slots):
    for part in ("", "part_0/", "t_0/"):
      shapes = {"a/w": [2]} | {f"a/w/{part}{key}": [2] for key in keys}
      self.assertEqual(
        names(shapes),
        {"a/w": ["a/w"]}
        | {
          f"optimizer/a/w/{slot}": [f"a/w/{part}{key}"]
          for key, slot in zip(keys, slots, strict=True)
        },
      )

  def test_what_is_not_understood_is_left_out(self):
    shapes = {
      "a/w": [2],
      "a/w/MyOptimizer": [2],
      "training/Adamax/a/w/m": [2],
      "training/Adam/a/w/unknown": [2],
      "beta1_power": [],
      "dnn/head/beta2_power": [],
      "signal_early_stopping/STOP": [],
    }
    self.assertEqual(names(shapes), {"a/w": ["a/w"]})

  def test_momenta_of_tensorflow_1_begin_at_zero(self):
    shapes = {"a/w": [2], "a/w/Momentum": [2]}
    self.assertEqual(ours(shapes)["optimizer/a/w/momentum"], Stored([], [2]))

  def test_parts_saved_apart(self):
    keys = [f"a/w/part_{i}" for i in range(11)]
    shapes = {key: [2, 3] for key in sorted(keys)} | {
      "a/w/part_0/Adagrad": [2, 3]
    }
    shapes |= {f"{key}/Adagrad": [2, 3] for key in keys}
    self.assertEqual(
      ours(shapes),
      {
        "a/w": Stored(keys, [22, 3]),
        "optimizer/a/w/accumulator": Stored(
          [f"{key}/Adagrad" for key in keys], [22, 3]
        ),
      },
    )

  def test_parts_of_which_one_is_missing_are_variables(self):
    shapes = {"a/w/part_0": [2], "a/w/part_2": [2]}
    self.assertEqual(names(shapes), {name: [name] for name in shapes})

  def test_slots_of_slices(self):
    # The parts of the weight itself are joined by TensorFlow.
    keys = ["a/w/part_0/Adagrad", "a/w/part_1/Adagrad"]
    self.assertEqual(
      ours({"a/w": [4, 1], **dict.fromkeys(keys, [4, 1])}),
      {
        "a/w": Stored(["a/w"], [4, 1]),
        "optimizer/a/w/accumulator": Stored(keys, [4, 1], are_slices=True),
      },
    )

  def test_shared_embeddings(self):
    # No optimizer had them, so that the slots that others have begin anew.
    shapes = {
      "a_b_shared_embedding": [4, 3],
      "dnn/logits/bias": [1],
      "training/Ftrl/dnn/logits/bias/accumulator": [1],
      "training/Ftrl/dnn/logits/bias/linear": [1],
    }
    found = ours(shapes)
    self.assertNotIn("a_b_shared_embedding", found)
    table = f"{TABLE}/embedding_weights"
    self.assertEqual(found[table], Stored(["a_b_shared_embedding"], [4, 3]))
    self.assertEqual(
      {n: s for n, s in found.items() if n.startswith(f"optimizer/{table}")},
      {
        f"optimizer/{table}/accumulator": Stored([], [4, 3], first_value=0.1),
        f"optimizer/{table}/linear": Stored([], [4, 3]),
      },
    )

  def test_shared_embeddings_of_both_parts(self):
    linear = "linear/linear_model/a_shared_embedding/weights"
    found = names(
      {
        "a_b_shared_embedding": [4, 3],
        "dnn/logits/bias": [1],
        linear: [3, 1],
      }
    )
    for scope in (TABLE, "linear/linear_model/a_b_shared_embedding"):
      self.assertEqual(
        found[f"{scope}/embedding_weights"], ["a_b_shared_embedding"]
      )
    # When the linear part has no such column, it has no such table.
    found = names(
      {
        "a_b_shared_embedding": [4, 3],
        "dnn/logits/bias": [1],
        "linear/linear_model/a/weights": [3, 1],
      }
    )
    self.assertLen(found, 3)

  def test_a_matrix_of_a_model_of_ones_own(self):
    self.assertEqual(names({"w": [4, 3], "b": [3]}), {"w": ["w"], "b": ["b"]})


if __name__ == "__main__":
  tf.test.main()
