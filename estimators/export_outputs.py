"""The outputs that a model function offers to serving: one per signature."""

import tensorflow as tf

DEFAULT_SERVING_KEY = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


class ExportOutput:
  """Base class: named tensors and the serving method that returns them.

  Attributes:
    outputs: dictionary of str to tensor.
    method_name: the TensorFlow Serving method of the signature.
  """

  method_name = tf.compat.v1.saved_model.signature_constants.PREDICT_METHOD_NAME
  # Classify and Regress take serialized examples, in one string tensor.
  needs_examples = False

  def __init__(self, outputs):
    self.outputs = outputs


class PredictOutput(ExportOutput):
  """Any tensors, by name; a single tensor is named `output`."""

  def __init__(self, outputs):
    if not isinstance(outputs, dict):
      outputs = {"output": outputs}
    for name, value in outputs.items():
      if not isinstance(name, str) or not tf.is_tensor(value):
        raise TypeError(
          "a PredictOutput needs a tensor or a dictionary of str to tensor, "
          f"but got {name!r}: {value!r}."
        )
    super().__init__(dict(outputs))


class ClassificationOutput(ExportOutput):
  """Classes and their scores, for the Classify method.

  Args:
    scores: float tensor [B, n] (or [B]).
    classes: string tensor of the same shape.
  """

  method_name = (
    tf.compat.v1.saved_model.signature_constants.CLASSIFY_METHOD_NAME
  )
  needs_examples = True

  def __init__(self, scores=None, classes=None):
    if scores is None and classes is None:
      raise ValueError("a ClassificationOutput needs scores, classes or both.")
    if scores is not None and not (
      tf.is_tensor(scores) and scores.dtype.is_floating
    ):
      raise ValueError(f"scores must be a floating tensor, but are {scores!r}.")
    if classes is not None and not (
      tf.is_tensor(classes) and classes.dtype == tf.string
    ):
      raise ValueError(f"classes must be a string tensor, but are {classes!r}.")
    outputs = {"scores": scores, "classes": classes}
    super().__init__({k: v for k, v in outputs.items() if v is not None})


class RegressionOutput(ExportOutput):
  """One value per example, for the Regress method.

  Args:
    value: floating tensor [B] or [B, 1].
  """

  method_name = tf.compat.v1.saved_model.signature_constants.REGRESS_METHOD_NAME
  needs_examples = True

  def __init__(self, value):
    if not (tf.is_tensor(value) and value.dtype.is_floating):
      raise ValueError(f"value must be a floating tensor, but is {value!r}.")
    super().__init__({"outputs": value})


def checked(outputs):
  """Returns export outputs as a dictionary, after checks; None gives {}.

  Raises:
    TypeError: not a dictionary of str to ExportOutput.
    ValueError: several outputs, and none is the default.
  """
  if outputs is None:
    return {}
  if not isinstance(outputs, dict):
    raise TypeError(
      "export_outputs must be a dictionary of signature name to ExportOutput, "
      f"but is {outputs!r}."
    )
  for key, value in outputs.items():
    if not isinstance(value, ExportOutput):
      raise TypeError(
        f"export_outputs[{key!r}] must be an export.ExportOutput such as "
        f"export.PredictOutput({{...}}), but is {value!r}."
      )
  if len(outputs) > 1 and DEFAULT_SERVING_KEY not in outputs:
    raise ValueError(
      f"export_outputs has several entries ({sorted(outputs)}), so one must be "
      f"the default: name it {DEFAULT_SERVING_KEY!r}."
    )
  return dict(outputs)


def with_default(outputs, predictions):
  """Returns the outputs of a prediction, with a default among them."""
  if not outputs:
    return {DEFAULT_SERVING_KEY: PredictOutput(predictions)}
  if DEFAULT_SERVING_KEY in outputs:
    return outputs
  (only,) = outputs.values()
  return {**outputs, DEFAULT_SERVING_KEY: only}
