"""The examples of the page "Basic usage" (TensorFlow 0.12), as they are today.

    python -m experiments.line_fit.basic_usage

There a program built a graph of operations, and a session ran parts of it. Now
operations compute when they are called; `tf.function` makes a graph of a Python
function. What was fetched is what the function returns, what was fed are its
arguments, and one that is missing is an error, as a placeholder without a value
was.
"""

import tensorflow as tf


def product():
  """Returns a row times a column, float32 [1, 1]: 12."""
  # "GPU:1" is the second GPU; without a device TensorFlow chooses.
  with tf.device("CPU:0"):
    return tf.matmul([[3.0, 3.0]], [[2.0], [2.0]])


def subtraction():
  """Returns a variable minus a constant, float32 [2]: -2 and -1."""
  x = tf.Variable([1.0, 2.0])
  a = tf.constant([3.0, 3.0])
  return x - a


def counter(num_updates=3):
  """Yields the value of a counter at first and after each update, int32."""
  state = tf.Variable(0)

  @tf.function
  def update():
    return state.assign_add(1)

  yield state.numpy()
  for _ in range(num_updates):
    yield update().numpy()


@tf.function(input_signature=3 * [tf.TensorSpec([])])
def fetches(input1, input2, input3):
  """Returns a product, and the sum that is one of its factors: float32 []."""
  intermed = input2 + input3
  return input1 * intermed, intermed


@tf.function(input_signature=[tf.TensorSpec([1]), tf.TensorSpec([1])])
def feeds(input1, input2):
  """Returns the product of what it is given, float32 [1] each."""
  return input1 * input2


def main():
  print(product().numpy())
  print(subtraction().numpy())
  print(*counter(), sep="\n")
  print([float(value) for value in fetches(3.0, 2.0, 5.0)])
  print([feeds([7.0], [2.0]).numpy()])


if __name__ == "__main__":
  main()
