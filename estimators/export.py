"""SavedModels: writing a model with the signatures that serving calls.

A serving input receiver function says how a request becomes features. It is
called once, in a graph of its own, where it may use placeholders:

    def serving_input_receiver_fn():
      examples = tf.compat.v1.placeholder(tf.string, [None])
      features = tf.io.parse_example(examples, feature_spec)
      return ServingInputReceiver(features, {"examples": examples})
"""

import glob
import logging
import os
import re
import shutil
import socket
import time

import tensorflow as tf

from estimators import atomic_files, checkpoints, op_errors, processes
from estimators.export_outputs import (
  DEFAULT_SERVING_KEY,
  ClassificationOutput,
  ExportOutput,
  PredictOutput,
  RegressionOutput,
  with_default,
)
from estimators.receivers import (
  ServingInputReceiver,
  TensorServingInputReceiver,
  build_parsing_serving_input_receiver_fn,
  build_raw_serving_input_receiver_fn,
)
from estimators.spec import ModeKeys

__all__ = [
  "ClassificationOutput",
  "ExportOutput",
  "PredictOutput",
  "RegressionOutput",
  "ServingInputReceiver",
  "TensorServingInputReceiver",
  "build_parsing_serving_input_receiver_fn",
  "build_raw_serving_input_receiver_fn",
]

_logger = tf.get_logger()
_PREDICT = "predict"  # what the heads call the signature of all predictions
_TABLES = (
  tf.lookup.StaticHashTable,
  tf.lookup.StaticVocabularyTable,
  tf.lookup.experimental.MutableHashTable,
  tf.lookup.experimental.DenseHashTable,
)


def write(model, plan, receiver, export_dir_base, assets_extra=None):
  """Writes a SavedModel, under a temporary name first; returns its path."""
  outputs = with_default(plan.spec.export_outputs, plan.spec.predictions)
  signatures, methods = {}, {}
  for alternative, specs in receiver.inputs.items():
    for signature, key in _fitting(outputs, specs, alternative).items():
      name = f"{alternative}:{signature}" if alternative else signature
      signatures[name] = _signature(
        model, receiver.functions[alternative], specs, key, outputs[key]
      )
      methods[name] = outputs[key].method_name
  if not signatures:
    raise ValueError(
      f"none of the outputs {sorted(outputs)} fits the receiver, so the "
      "SavedModel would have no signature; use "
      "export.build_parsing_serving_input_receiver_fn, or add a PredictOutput."
    )
  path, temporary = _new_folder(export_dir_base)
  try:
    with op_errors.full_disk_named(export_dir_base, "a SavedModel"):
      tf.saved_model.save(_module(plan), temporary, signatures=signatures)
      _set_methods(temporary, methods)
    _copy_assets(temporary, assets_extra)
    _sync(temporary)
    os.rename(temporary, path)
    atomic_files.sync(export_dir_base)
  except BaseException:
    shutil.rmtree(temporary, ignore_errors=True)
    raise
  _logger.info("SavedModel written to: %s", path)
  return path


def _fitting(outputs, specs, alternative):
  """Returns which output each signature of a receiver gives, by name.

  Classify and Regress need serialized examples. Where they would have been the
  default of the usual receiver, and it has none, the output "predict" is.
  """
  if _is_examples(specs):
    return {key: key for key in outputs}
  fit = {key: key for key, o in outputs.items() if not o.needs_examples}
  if not alternative and DEFAULT_SERVING_KEY not in fit and _PREDICT in fit:
    _logger.info(
      "The signature %r of the SavedModel gives the outputs of %r, as its own "
      "would need serialized examples.",
      DEFAULT_SERVING_KEY,
      _PREDICT,
    )
    fit[DEFAULT_SERVING_KEY] = _PREDICT
  _log_left_out(sorted(outputs.keys() - fit.keys()), specs, alternative)
  return fit


def _log_left_out(keys, specs, alternative):
  if not keys:
    return
  # Of several ways in, not all are for examples.
  level = logging.INFO if alternative else logging.WARNING
  _logger.log(
    level,
    "The signatures %s are left out of the SavedModel for the receiver of %s: "
    "they need one string tensor of serialized examples. Use "
    "export.build_parsing_serving_input_receiver_fn to have them.",
    keys,
    sorted(specs),
  )


def _module(plan):
  """Returns what a SavedModel has to hold: variables by name, and tables."""
  holder = tf.Module()
  holder.objects = plan.objects
  module = tf.Module()
  module.model = checkpoints.tree(plan.variables)
  module.tables = [
    trackable
    for trackable in tf.train.TrackableView(holder).descendants()
    if isinstance(trackable, _TABLES)
  ]
  return module


def _signature(model, features_from, specs, key, output):
  """Returns the concrete function of one export output."""
  specs = dict(specs)
  rename = output.needs_examples
  if rename:  # TensorFlow Serving wants this name.
    ((receiver_name, spec),) = specs.items()
    specs = {"inputs": tf.TensorSpec(spec.shape, spec.dtype, name="inputs")}

  @tf.function(autograph=False)
  def serve(**values):
    if rename:
      values = {receiver_name: values["inputs"]}
    spec = model.call(features_from(values), None, ModeKeys.PREDICT)
    return with_default(spec.export_outputs, spec.predictions)[key].outputs

  with model.scope():
    return serve.get_concrete_function(**specs)


def _is_examples(specs):
  return len(specs) == 1 and next(iter(specs.values())).dtype == tf.string


def _set_methods(path, methods):
  """Writes the methods of signatures other than Predict."""
  changed = {
    name: method
    for name, method in methods.items()
    if method != ExportOutput.method_name
  }
  if not changed:
    return
  updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(path)
  for name, method in changed.items():
    updater.replace_method_name(name, method, tags="serve")
  updater.save()


def _new_folder(base):
  """Returns (path of a folder named by the time, temporary folder)."""
  os.makedirs(base, exist_ok=True)
  _remove_leftovers(base)
  number = int(time.time())
  while True:
    path = os.path.join(base, str(number))
    temporary = os.path.join(base, f"temp-{number}{_owner(os.getpid())}")
    if not os.path.exists(path):
      try:
        os.mkdir(temporary)
        return path, temporary
      except FileExistsError:
        pass
    number += 1


def _owner(pid):
  return f"-{socket.gethostname()}-{pid}"


def _remove_leftovers(base):
  """Removes the temporary folders of this machine's processes that are gone."""
  for folder in glob.glob(os.path.join(glob.escape(base), "temp-*")):
    pid = re.search(re.escape(_owner("")) + r"(\d+)$", folder)
    if pid and not processes.is_alive(int(pid[1])):
      shutil.rmtree(folder)


def _sync(folder):
  """Puts all of a folder on the disk: its new name must not come before."""
  for parent, _, files in os.walk(folder):
    for name in files:
      atomic_files.sync(os.path.join(parent, name))
    atomic_files.sync(parent)


def _copy_assets(path, assets_extra):
  for destination, source in (assets_extra or {}).items():
    target = os.path.join(path, "assets.extra", destination)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy(source, target)
