import numpy as np
import tensorflow as tf

from estimators.heads import losses

LOGITS = tf.constant([-90.0, -20.0, -1.0, 0.0, 0.5, 3.0, 20.0, 90.0])
LABELS = tf.constant([1.0, 1.0, 0.25, 0.5, 1.0, 0.0, 1.0, 0.0])


class SigmoidCrossEntropyTest(tf.test.TestCase):
  def test_values_also_far_from_zero(self):
    x, y = LOGITS.numpy().astype(np.float64), LABELS.numpy()
    expected = np.logaddexp(0, x) - y * x
    found = losses.sigmoid_cross_entropy(LABELS, LOGITS)
    self.assertAllClose(found, expected)
    # Here the difference of two large numbers would lose all digits.
    self.assertAllClose(found[6] / np.exp(-20), 1.0, 1e-5)

  def test_gradients(self):
    with tf.GradientTape() as outer:
      outer.watch(LOGITS)
      with tf.GradientTape() as tape:
        tape.watch([LABELS, LOGITS])
        total = tf.reduce_sum(
          [1.0, 2, 3, 4, 5, 6, 7, 8]
          * losses.sigmoid_cross_entropy(LABELS, LOGITS)
        )
      of_labels, of_logits = tape.gradient(total, [LABELS, LOGITS])
    p = 1 / (1 + np.exp(-LOGITS.numpy().astype(np.float64)))
    scale = np.arange(1, 9)
    self.assertAllClose(of_logits, scale * (p - LABELS))
    self.assertAllClose(of_labels, -scale * LOGITS)
    second = outer.gradient(of_logits, LOGITS)
    self.assertAllClose(second, scale * p * (1 - p))
