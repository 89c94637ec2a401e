import os
import pathlib

import tensorflow as tf
from absl.testing import parameterized

from tests.estimators.helpers import new_folder
from tests.tools.predict_helpers import (
  PredictTestCase,
  function_of,
  saved,
)


class ModelTest(PredictTestCase):
  """Which SavedModel, signature and outputs."""

  def signatures(self, *names, path=None):
    """Saves signatures whose y is x times 1, 2, ...; returns the path."""

    def times(factor):
      return function_of(
        lambda x: {"y": factor * x, "x": x}, x=([None], tf.float32)
      )

    return saved(
      {name: times(float(i)) for i, name in enumerate(names, 1)}, path
    )

  @parameterized.parameters(
    (["serving_default", "predict", "regression"], None, 2),
    (["regression", "serving_default"], None, 2),
    (["regression"], None, 1),
    (["predict", "other"], "other", 2),
  )
  def test_signature(self, names, given, expected):
    others = {"signature": given} if given else {}
    model = self.signatures(*names)
    (row,) = self.predicted(model, "x\n1\n", **others)
    self.assertEqual(row["y"], expected)
    notes = self.noted(model, "x\n1\n", **others)
    self.assertIn(f"signature {names[expected - 1]!r}; features: 1;", notes)
    self.assertIn("fed as they are", notes)

  def test_no_such_signature(self):
    self.assert_refused(
      r"--signature must be one of \['a', 'b'\].*got 'c'",
      self.signatures("a", "b"),
      "x\n1\n",
      signature="c",
    )

  def test_several_signatures(self):
    self.assert_refused(
      r"has \['a', 'b'\]; choose with --signature",
      self.signatures("a", "b"),
      "x\n1\n",
    )

  def test_no_signature(self):
    self.assert_refused(r"but has \[\]", saved({}), "x\n1\n")

  def test_newest_of_a_folder(self):
    base = new_folder()
    for number, names in (("999", ["a"]), ("1000", ["b", "predict"])):
      self.signatures(*names, path=os.path.join(base, number))
    for name in ("2000", "temp-3000"):  # no SavedModel, and an unfinished one
      os.mkdir(os.path.join(base, name))
    self.assertEqual(self.predicted(base, "x\n1\n"), [{"x": 1.0, "y": 2.0}])
    self.assertIn(os.path.join(base, "1000"), self.noted(base, "x\n1\n"))

  def test_no_saved_model(self):
    folder = new_folder()
    self.assert_refused("is no folder", os.path.join(folder, "no"), "x\n1\n")
    os.mkdir(os.path.join(folder, "model"))
    self.assert_refused(r"holds \['model'\]; name", folder, "x\n1\n")

  def test_keys(self):
    model = self.signatures("a")
    path, _ = self.run_with(model, self.write("x\n3\n"), keys="y")
    self.assertEqual(pathlib.Path(path).read_text(), '{"y": 3.0}\n')
    path, _ = self.run_with(model, self.write("x\n3\n"), keys="y,x")
    self.assertEqual(pathlib.Path(path).read_text(), '{"y": 3.0, "x": 3.0}\n')
    self.assert_refused(
      r"--keys must name outputs .* \['x', 'y'\]; got \['z'\]",
      model,
      "x\n3\n",
      keys="y,z",
    )

  def test_output_that_is_not_of_rows(self):
    model = saved(
      function_of(
        lambda x: {
          "y": x,
          "mean": tf.reduce_mean(x),
          "all": tf.constant([0.0]),
        },
        x=([None], tf.float32),
      )
    )
    rows = "x\n1\n2\n"
    self.assert_refused(r"all has the shape \(1,\).*--keys", model, rows)
    self.assert_refused(r"mean has the shape \(\)", model, rows, keys="mean")
    self.assertLen(self.predicted(model, rows, keys="y"), 2)

  def test_output_of_complex_numbers(self):
    model = saved(
      function_of(lambda x: {"y": tf.complex(x, x)}, x=([None], tf.float32))
    )
    self.assert_refused("y is complex64", model, "x\n1\n")
