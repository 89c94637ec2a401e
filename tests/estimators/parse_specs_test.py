"""What is parsed for canned estimators."""

import inspect

import tensorflow as tf
from absl.testing import absltest, parameterized

from estimators import feature_columns as fc
from estimators import parse_specs

COLUMNS = [
  fc.numeric_column("x"),
  fc.categorical_column_with_hash_bucket("h", 5),
]
FEATURES = {
  "x": tf.io.FixedLenFeature((1,), tf.float32),
  "h": tf.io.VarLenFeature(tf.string),
}


class ParseSpecsTest(parameterized.TestCase):
  def test_classifier(self):
    self.assertEqual(
      parse_specs.classifier_parse_example_spec(COLUMNS, "y"),
      FEATURES | {"y": tf.io.FixedLenFeature((1,), tf.int64)},
    )
    self.assertEqual(
      parse_specs.classifier_parse_example_spec(
        COLUMNS, "y", tf.string, "no", "w"
      ),
      FEATURES
      | {
        "y": tf.io.FixedLenFeature((1,), tf.string, "no"),
        "w": tf.io.FixedLenFeature((1,), tf.float32),
      },
    )

  def test_regressor(self):
    weight = fc.numeric_column("w", dtype=tf.float64, default_value=1.0)
    self.assertEqual(
      parse_specs.regressor_parse_example_spec(
        COLUMNS, "y", label_dimension=3, weight_column=weight
      ),
      FEATURES
      | {
        "y": tf.io.FixedLenFeature((3,), tf.float32),
        "w": tf.io.FixedLenFeature((1,), tf.float64, (1.0,)),
      },
    )

  def test_it_parses(self):
    spec = parse_specs.classifier_parse_example_spec(
      COLUMNS, "y", label_default=7
    )
    example = tf.train.Example()
    example.features.feature["x"].float_list.value.append(1.5)
    example.features.feature["h"].bytes_list.value.extend([b"a", b"b"])
    parsed = tf.io.parse_example([example.SerializeToString()], spec)
    self.assertEqual(parsed["y"].numpy().tolist(), [[7]])
    self.assertEqual(parsed["x"].numpy().tolist(), [[1.5]])
    self.assertEqual(parsed["h"].values.numpy().tolist(), [b"a", b"b"])

  def test_arguments(self):
    """Those of tf.estimator 2.15, in their order."""

    def names(function):
      return list(inspect.signature(function).parameters)

    first = ["feature_columns", "label_key", "label_dtype", "label_default"]
    self.assertEqual(
      names(parse_specs.classifier_parse_example_spec),
      [*first, "weight_column"],
    )
    self.assertEqual(
      names(parse_specs.regressor_parse_example_spec),
      [*first, "label_dimension", "weight_column"],
    )

  @parameterized.parameters(
    (dict(label_key="x"), "label_key='x' is also a feature.*'h', 'x'"),
    (dict(label_key=None), "str.*None"),
    (dict(weight_column="x"), "weight_column='x' is also a feature"),
    (dict(weight_column="y"), "weight_column='y' is also"),
    (dict(feature_columns=["x"]), "of type str"),
  )
  def test_what_is_refused(self, arguments, message):
    arguments = {"feature_columns": COLUMNS, "label_key": "y"} | arguments
    for function in (
      parse_specs.classifier_parse_example_spec,
      parse_specs.regressor_parse_example_spec,
    ):
      with self.assertRaisesRegex(ValueError, message):
        function(**arguments)

  def test_the_weight_is_no_category(self):
    with self.assertRaisesRegex(TypeError, "numeric_column, but is Hashed"):
      parse_specs.classifier_parse_example_spec(
        COLUMNS, "y", weight_column=COLUMNS[1]
      )


if __name__ == "__main__":
  absltest.main()
