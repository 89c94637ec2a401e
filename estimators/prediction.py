"""One call of `Estimator.predict`: the generator that it returns."""

import tensorflow as tf

from estimators import fetches
from estimators.model import split_batch
from estimators.runner import Run, call_hooks
from estimators.spec import ModeKeys


def predict(
  estimator, loaded, plan, dataset, predict_keys, hooks, path, single
):
  """Yields predictions.

  Args:
    estimator: the Estimator.
    loaded: its `LoadedModel`.
    plan: the `Plan` of prediction.
    dataset: `tf.data.Dataset`.
    predict_keys, hooks: as for `Estimator.predict`.
    path: str, the checkpoint to predict from; None for the initial values.
    single: bool, whether to yield examples; otherwise batches.
  """
  _check_predict_keys(predict_keys, plan.spec.predictions)
  run = Run(
    estimator,
    ModeKeys.PREDICT,
    loaded.global_step,
    estimator.model_dir,
    writer=tf.summary.create_noop_writer(),
  )
  hooks = [*hooks, *plan.spec.hooks]
  function = loaded.blocks.predict(plan, fetches.names_of(hooks))
  for hook in hooks:
    hook.begin(run)
  for batch in _batches(dataset):
    # Between two batches the caller may have trained, or read another
    # generator: the values must again be those of this checkpoint.
    loaded.load(path, plan)
    features, _ = split_batch(batch, ModeKeys.PREDICT)
    with loaded.model.scope():
      predictions, fetched = function(features)
    if predict_keys is not None:
      predictions = {key: predictions[key] for key in predict_keys}
    predictions = tf.nest.map_structure(lambda t: t.numpy(), predictions)
    run.steps += 1
    call_hooks(run, hooks, plan.spec.hooks, fetched)
    yield from _examples(predictions) if single else [predictions]
    if run.stop_requested:
      break
  for hook in hooks:
    hook.end(run)


def _batches(dataset):
  """Yields the batches of a dataset.

  Where the input ends, `next` keeps some hundred bytes for good.
  """
  iterator = iter(dataset)
  while True:
    optional = iterator.get_next_as_optional()
    if not optional.has_value():
      return
    yield optional.get_value()


def _check_predict_keys(keys, predictions):
  if keys is None:
    return
  if not isinstance(predictions, dict):
    raise ValueError(
      f"predict_keys is {keys}, but the model function's predictions are one "
      "tensor without keys; pass predict_keys=None."
    )
  unknown = sorted(set(keys) - set(predictions))
  if unknown or not keys:
    raise ValueError(
      f"predict_keys has {unknown or 'nothing'}, but the predictions are "
      f"{sorted(predictions)}."
    )


def _examples(predictions):
  """Yields the predictions of each example of a batch."""
  if not isinstance(predictions, dict):
    yield from predictions
    return
  sizes = {
    key: value.shape[0] if value.ndim else None
    for key, value in predictions.items()
  }
  if len(set(sizes.values())) > 1 or None in sizes.values():
    raise ValueError(
      "all predictions must have the batch as their leading dimension, but "
      f"these are {sizes}; pass yield_single_examples=False for batches."
    )
  for row in zip(*predictions.values(), strict=True):
    yield dict(zip(predictions, row, strict=True))
