"""What --self_test checks, besides that the benchmark runs."""

import tensorflow as tf

from experiments.alexnet import model

PARAMETERS = 2_469_696
POOL5 = (2, 6, 6, 256)


def problems(rows):
  """Returns one line for each thing that is wrong; none when all is well.

  Args:
    rows: the rows of `report`, of the two passes.
  """
  found = []
  net = model.network()
  shape = tuple(net(model.random_images(2)).shape)
  if shape != POOL5:
    found.append(f"pool5 should be {POOL5}, but is {shape}")
  if net.count_params() != PARAMETERS:
    found.append(f"parameters should be {PARAMETERS}: {net.count_params()}")
  slope, difference = slopes()
  if abs(slope - difference) > 1e-5 * abs(difference):
    found.append(
      f"the gradient's slope should be that of the objective, {difference}, "
      f"but is {slope}"
    )
  forward, both = (row["mean_sec"] for row in rows)
  if both <= forward:
    found.append(
      f"forward-backward should take longer than forward, {forward} s, but "
      f"took {both} s"
    )
  return found


def slopes(image_size=64, epsilon=1e-7):
  """Returns the objective's slope in a random direction of all weights, twice.

  In float64 and on small images, for which the network is the same.

  Returns:
    (by the gradients, by the difference of two objectives), floats.
  """
  net = model.network(3, image_size, "float64")
  images = model.random_images(1, 4, image_size, "float64")
  weights = [variable.value for variable in net.trainable_variables]
  directions = [
    tf.random.stateless_normal(weight.shape, [5, i], dtype="float64")
    for i, weight in enumerate(weights)
  ]
  products = [
    tf.reduce_sum(gradient * direction)
    for gradient, direction in zip(
      model.gradients(net, images), directions, strict=True
    )
  ]
  values = []
  for step in (epsilon, -2 * epsilon):
    for weight, direction in zip(weights, directions, strict=True):
      weight.assign_add(step * direction)
    values.append(float(model.objective(net, images)))
  return float(sum(products)), (values[0] - values[1]) / (2 * epsilon)
