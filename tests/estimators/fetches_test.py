import tensorflow as tf

from estimators import EstimatorSpec, Hook, LoggingTensorHook, ModeKeys
from estimators.fetches import fetch, fetched_specs, names_of, values_for
from estimators.model import Plan


def hook_with(tensors):
  hook = Hook()
  hook.tensors = tensors
  return hook


def plan_of(make, batch=None):
  """Returns a plan whose graph is what `make` builds from a [B] input."""
  graph = tf.Graph()
  element_spec = tf.TensorSpec([batch], tf.float32)
  with graph.as_default():
    x = tf.compat.v1.placeholder(tf.float32, [batch])
    hooks = make(x)
    spec = EstimatorSpec(
      ModeKeys.EVAL, loss=tf.constant(1.0), evaluation_hooks=hooks
    )
  return Plan(ModeKeys.EVAL, spec, graph, element_spec, {}, {})


def name_tensors(x):
  tf.identity(tf.stack([x, x], 1), name="pairs")
  tf.identity(tf.reduce_sum(x), name="total")
  with tf.name_scope("part"):
    tf.unique_with_counts(tf.cast(x, tf.int32), name="unique")
  return [hook_with({"twice": 2 * x, "pairs": "pairs"})]


class FetchesTest(tf.test.TestCase):
  def test_names_of_hooks(self):
    graph_tensor = tf.constant(1)
    hooks = [
      LoggingTensorHook(["a", "b:1"], every_n_iter=1),
      hook_with({"x": "a", "y": graph_tensor}),
      Hook(),
    ]
    self.assertEqual(names_of(hooks), {"a", "b:1"})

  def test_tensors_by_name_and_of_hooks(self):
    plan = plan_of(name_tensors)
    with plan.graph.as_default():
      found = fetch(plan.spec, {"pairs", "total:0", "part/unique:2"})
    self.assertEqual(
      {key: tensor.dtype for key, tensor in found.items()},
      {
        "pairs": tf.float32,
        "total:0": tf.float32,
        "part/unique:2": tf.int32,
        "hook0/twice": tf.float32,
      },
    )
    self.assertEqual(found["part/unique:2"].op.type, "UniqueWithCounts")

  def test_specs_leave_the_batch_open(self):
    names = {"pairs", "total", "part/unique"}
    for batch in (None, 4):
      specs = fetched_specs(plan_of(name_tensors, batch), names)
      self.assertEqual(
        {key: spec.shape.as_list() for key, spec in specs.items()},
        {
          "pairs": [None, 2],
          "total": [],
          "part/unique": [None],
          "hook0/twice": [None],
        },
      )
    fixed = plan_of(lambda x: [hook_with({"a": tf.zeros([3, 2])})], 4)
    self.assertEqual(fetched_specs(fixed, ())["hook0/a"].shape, [3, 2])

  def test_values_by_tag(self):
    fetched = {"a": tf.constant([1, 2]), "hook1/t": tf.constant(3.0)}
    hook = hook_with({"x": "a", "t": tf.constant(0.0)})
    values = values_for(hook, fetched, 1)
    self.assertAllEqual(values["x"], [1, 2])
    self.assertEqual(values["t"], 3.0)
    self.assertEqual(values_for(Hook(), fetched), {})

  def test_a_name_that_is_not_there(self):
    plan = plan_of(name_tensors)
    with self.assertRaisesRegex(
      ValueError, r"'pears'.*near it: \['pairs'.*tf.identity"
    ):
      fetched_specs(plan, {"pears"})


if __name__ == "__main__":
  tf.test.main()
