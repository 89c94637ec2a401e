"""The features of a batch, and what columns have made of them so far."""

import collections.abc

import tensorflow as tf


class FeatureCache:
  """Wraps a dictionary of features, so that each is transformed once.

  Layers make one of the features they are called with. Called with the same
  one, several layers share the work:

      features = FeatureCache(features)
      logits = linear(features) + dense(inputs(features))

  Args:
    features: dictionary of name to tensor [B], [B, n] or of higher rank, to
      `tf.SparseTensor` or `tf.RaggedTensor` [B, n], or what TensorFlow makes a
      tensor of.

  Raises:
    ValueError: it is no dictionary.
  """

  def __init__(self, features):
    if not isinstance(features, collections.abc.Mapping):
      raise ValueError(
        "features must be a dictionary of name to tensor, since columns name "
        f"the features they want, but are {features!r}."
      )
    self._features = features
    self._raw, self._made = {}, {}
    self._sized = None  # (name of the first feature with a known size, size)

  @classmethod
  def of(cls, features):
    """Returns features when they are a FeatureCache, or a new one of them."""
    return features if isinstance(features, cls) else cls(features)

  def once(self, key, make):
    """Returns what make() gave when first called for a key."""
    if key not in self._made:
      self._made[key] = make()
    return self._made[key]

  @property
  def batch_size(self):
    """B, an int when the shapes of the features tell, or an int64 scalar."""
    return self.once(("batch_size",), self._batch_size)

  def _batch_size(self):
    if self._sized is not None:
      return self._sized[1]
    raw = next(iter(self._raw.values()))
    if isinstance(raw, tf.SparseTensor):
      return raw.dense_shape[0]
    return tf.shape(raw, tf.int64)[0]

  def raw(self, name):
    """Returns a feature as it came: a tensor or SparseTensor of rank >= 1.

    Raises:
      ValueError: it is not there, a scalar, or of another batch size.
    """
    if name not in self._raw:
      self._raw[name] = self._checked(name)
    return self._raw[name]

  def vector(self, name):
    """Returns `raw`, but [B] where that is known to be [B, 1]."""

    def make():
      raw = self.raw(name)
      if isinstance(raw, tf.SparseTensor) or raw.shape.rank != 2:
        return raw
      return tf.reshape(raw, [-1]) if raw.shape[1] == 1 else raw

    return self.once(("vector", name), make)

  def matrix(self, name):
    """Returns `raw`, but [B, 1] where that is [B]."""

    def make():
      raw = self.raw(name)
      if isinstance(raw, tf.SparseTensor):
        if raw.shape.rank != 1:
          return raw
        return tf.sparse.reshape(raw, [-1, 1])
      return raw[:, None] if raw.shape.rank == 1 else raw

    return self.once(("matrix", name), make)

  def _checked(self, name):
    if name not in self._features:
      raise ValueError(
        f"Feature {name!r} is not in the features, but a column needs it; they "
        f"have {sorted(self._features)}. Add it in the input function, or "
        "leave the column out."
      )
    raw = self._features[name]
    if isinstance(raw, tf.RaggedTensor):
      raw = raw.to_sparse()
    elif not isinstance(raw, tf.SparseTensor):
      raw = tf.convert_to_tensor(raw)
    if raw.shape.rank == 0:
      raise ValueError(
        f"Feature {name!r} must have a value for each example, but is a "
        f"scalar, of rank 0: {raw}; batch the input."
      )
    if raw.shape.rank is None:
      raw = _flat(raw)
    self._check_size(name, raw)
    return raw

  def _check_size(self, name, raw):
    size = raw.shape[0]
    if size is None:
      return
    if self._sized is None:
      self._sized = name, size
    elif self._sized[1] != size:
      raise ValueError(
        f"all features must have as many examples, but {self._sized[0]!r} has "
        f"{self._sized[1]} and {name!r} has {size}, of shape {raw.shape}."
      )


def _flat(raw):
  """Returns a tensor of unknown rank as [B, n]."""
  if isinstance(raw, tf.SparseTensor):
    return tf.sparse.reshape(raw, [raw.dense_shape[0], -1])
  return tf.reshape(raw, tf.stack([tf.shape(raw)[0], -1]))
