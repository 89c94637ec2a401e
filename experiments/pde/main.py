"""Rain drops on a pond: a partial differential equation, and its pictures.

    python -m experiments.pde.main --output_dir=/tmp/pond
    python -m experiments.pde.main --scheme=semi_implicit --num_steps=5000

Expect start.png, end.png and pond.gif there within a few seconds; TensorBoard
shows the same pictures and the energy. That grows from 49 to 11,124, as short
waves grow with the tutorial's step; with semi_implicit it is 14.8 after as many
steps. The README says why.
"""

import contextlib
import functools
import json
import math
import os
import sys
import time

import tensorflow as tf
from absl import app, flags

from experiments import common_flags
from experiments.pde import film, self_test, simulate, stability
from experiments.pde.config import Config, config_of
from experiments.pictures import write_animation, write_png

FLAGS = flags.FLAGS
FRAME_MS = 100


def define_flags(values=FLAGS):
  """Defines the common flags, then those of the pond."""
  common_flags.define_common_flags(values)
  flags.adopt_module_key_flags(common_flags, values)  # for --help
  string, integer, number = (
    functools.partial(define, default=None, flag_values=values)
    for define in (
      flags.DEFINE_string,
      flags.DEFINE_integer,
      flags.DEFINE_float,
    )
  )
  integer("size", help="Cells along each side; else 500.", lower_bound=1)
  integer("num_drops", help="Drops at the start; else 40.", lower_bound=0)
  integer(
    "num_steps",
    help="Steps in time; else 1000.",
    lower_bound=1,
    upper_bound=2**63 - 1,  # TensorBoard's
  )
  number("eps", help="Length of a step in time; else 0.03.")
  number(
    "damping",
    help="Share of its speed that water loses per unit of time; else 0.04.",
  )
  flags.DEFINE_enum(
    "scheme",
    None,
    stability.SCHEMES,
    "euler, the tutorial's, takes height and speed from the old state, and "
    "waves of few cells grow slowly. semi_implicit takes the height from the "
    "new speed, and no wave grows for ever. Else euler.",
    flag_values=values,
  )
  integer(
    "frame_every",
    help="Steps from one frame of the animation to the next; else 50.",
    lower_bound=1,
  )
  string(
    "animation",
    help="The animation's file in --output_dir, .gif or .webp; else pond.gif.",
  )
  string("output_dir", help="Folder for the files; else a temporary one.")


def config_from_flags(values):
  """Returns the Config that parsed flags stand for.

  Raises:
    ValueError: a flag was given that has no use here, or `Config` refuses it.
  """
  return config_of(common_flags.given_fields(values, Config))


def run(config):
  """Simulates the pond and draws it.

  Args:
    config: Config.

  Returns:
    The metrics, a dictionary: steps; seconds of simulation and drawing
    together; energy_start; energy_end; energy_kept and energy_highest, the
    share of the first that the last frame has, and the frame that has most, or
    None when there was none; growth, by how much the wave that grows most does
    in all (see `stability`); lowest and highest, heights at the end; and the
    paths of the files start, end and animation.

  Raises:
    OSError: the files cannot be written.
  """
  folder = common_flags.output_folder(config)
  files = {
    name: os.path.join(folder, file)
    for name, file in {
      "start": "start.png",
      "end": "end.png",
      "animation": config.animation,
    }.items()
  }
  began = time.perf_counter()
  u = simulate.drops(config.size, config.num_drops, config.seed)
  write_png(files["start"], film.pixels(u))
  pond = _filmed(config, u, folder, files["animation"])
  write_png(files["end"], film.pixels(pond.heights))
  growth = stability.growth(config.eps, config.damping, config.scheme)
  first, last = pond.energies[0], pond.energies[-1]
  return {
    "steps": config.num_steps,
    "seconds": round(time.perf_counter() - began, 3),
    "energy_start": first,
    "energy_end": last,
    "energy_kept": last / first if first else None,
    "energy_highest": max(pond.energies) / first if first else None,
    "growth": growth**config.num_steps,
    "lowest": float(pond.heights.min()),
    "highest": float(pond.heights.max()),
    **files,
  }


def _filmed(config, u, folder, animation):
  """Returns the Film of a run, shown to its end."""
  pond = film.Film(
    simulate.history(
      u,
      config.eps,
      config.damping,
      config.num_steps,
      config.frame_every,
      config.scheme,
    )
  )
  writer = tf.summary.create_file_writer(folder)
  num_frames = 1 + math.ceil(config.num_steps / config.frame_every)
  with contextlib.closing(writer), writer.as_default():
    write_animation(animation, pond, num_frames, FRAME_MS)
  return pond


def main(argv):
  del argv
  with common_flags.mistakes_in_one_line("pde"):
    config = config_from_flags(FLAGS)
    metrics = run(config)
  print(f"pictures and TensorBoard events: {os.path.dirname(metrics['end'])}")
  files = [metrics[name] for name in ("start", "end", "animation")]
  problems = self_test.problems(files) if config.self_test else []
  for problem in problems:
    print(f"self test: {problem}", file=sys.stderr)
  print(json.dumps(metrics), flush=True)
  return 1 if problems else 0


if __name__ == "__main__":
  define_flags()
  app.run(main)
