"""Trains, evaluates, predicts, exports and serves a model, in about a minute.

    python -m tools.demo

The network of the layers tutorial learns the 1,797 handwritten digits that come
with scikit-learn, at a higher learning rate than the tutorial's.
"""

import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

import numpy as np

from estimators import Estimator
from experiments.mnist import inputs
from experiments.mnist.config import model_params, published
from experiments.mnist.main import run
from experiments.mnist.model import model_fn
from input_pipelines.arrays import numpy_input_fn

TRAIN_STEPS, LEARNING_RATE = 200, 0.1
# The probabilities of a batch are logged: NumPy shortens more than 1,000.
BATCH_SIZE = 128
NUM_SHOWN = 4
SHADES = " .:oO@"  # of a pixel, from paper to ink

# What a program needs to use the exported model: TensorFlow, and nothing of
# this project. It gets the folder, a file of images and one for the answers.
SERVE = """
import sys
import numpy as np
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
images = tf.constant(np.load(sys.argv[2]))
answers = model.signatures["serving_default"](x=images)
np.save(sys.argv[3], answers["probabilities"].numpy())
"""


def demo_config(folder):
  return published(
    "cnn",
    dataset="digits",
    train_steps=TRAIN_STEPS,
    learning_rate=LEARNING_RATE,
    batch_size=BATCH_SIZE,
    model_dir=str(folder / "model"),
    export_dir=str(folder / "export"),
  )


def predict(config, splits, images):
  """Returns a dictionary for each image, from the trained Estimator."""
  params = model_params(config, len(splits.train.labels))
  estimator = Estimator(model_fn, config.model_dir, params=params)
  input_fn = numpy_input_fn({"x": images}, shuffle=False)
  return list(estimator.predict(input_fn))


def drawing(image):
  """Returns 7 lines of 14 characters that show a float image [784]."""
  # A character is about twice as high as wide: it stands for 4 x 2 pixels.
  shades = image.reshape(7, 4, 14, 2).mean(axis=(1, 3)) * (len(SHADES) - 1)
  return ["".join(SHADES[i] for i in row) for row in shades.round().astype(int)]


def print_predictions(images, labels, predictions):
  for line in zip(*map(drawing, images), strict=True):
    print("  ".join(line))
  print("\nlabel  predicted  probabilities of 0 to 9")
  for label, prediction in zip(labels, predictions, strict=True):
    row = " ".join(f"{p:.2f}" for p in prediction["probabilities"])
    print(f"{label:>5}  {prediction['classes']:>9}  {row}")


def serve(export_path, images):
  """Returns the exported model's probabilities, from a fresh process."""
  with tempfile.TemporaryDirectory() as folder:
    asked, answered = f"{folder}/images.npy", f"{folder}/probabilities.npy"
    np.save(asked, images)
    command = [sys.executable, "-c", SERVE, export_path, asked, answered]
    subprocess.run(command, check=True)
    return np.load(answered)


def main():
  start = time.monotonic()
  folder = pathlib.Path(tempfile.mkdtemp(prefix="mnist_demo_"))
  config = demo_config(folder)
  print(f"Training on the digits of scikit-learn for {TRAIN_STEPS} steps.")
  metrics = run(config)

  splits = inputs.load(config)
  images = splits.test.images[:NUM_SHOWN]
  predictions = predict(config, splits, images)
  print(f"\nThe first {NUM_SHOWN} of the test images:\n")
  print_predictions(images, splits.test.labels[:NUM_SHOWN], predictions)

  served = serve(metrics["export"], images)
  predicted = [prediction["probabilities"] for prediction in predictions]
  np.testing.assert_allclose(served, predicted, atol=1e-5)
  print("\nA fresh process loaded the export and gave the same probabilities.")

  print(f"""
Test accuracy {metrics["test_accuracy"]:.1%} after {metrics["steps"]} steps; \
{time.monotonic() - start:.0f} seconds in all.
The exported model:  {metrics["export"]}
The training curves: {shlex.quote(str(pathlib.Path(sys.executable).parent))}\
/tensorboard --logdir={config.model_dir}""")


if __name__ == "__main__":
  main()
