import contextlib
import dataclasses
import io
import json
import os
import tempfile
from unittest import mock

import numpy as np
import tensorflow as tf
from absl import flags
from absl.testing import parameterized
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator

from experiments.pde import film, main, self_test, simulate
from experiments.pde.config import Config

SMALL = Config(size=12, num_drops=3, num_steps=25, frame_every=10, seed=4)


def parse(*args):
  values = flags.FlagValues()
  main.define_flags(values)
  values(["main", *args])
  return main.config_from_flags(values)


def read_png(path):
  with Image.open(path) as image:
    return np.asarray(image)


class ConfigTest(tf.test.TestCase, parameterized.TestCase):
  def test_without_flags_it_is_the_tutorials(self):
    self.assertEqual(
      parse(),
      Config(
        size=500,
        num_drops=40,
        num_steps=1000,
        eps=0.03,
        damping=0.04,
        scheme="euler",
        frame_every=50,
      ),
    )

  def test_flags(self):
    found = parse(
      "--size=9",
      "--num_drops=2",
      "--num_steps=7",
      "--eps=0.5",
      "--damping=0",
      "--scheme=semi_implicit",
      "--seed=3",
      "--frame_every=2",
      "--animation=a.webp",
      "--output_dir=~/pond",
    )
    folder = os.path.expanduser("~/pond")
    self.assertEqual(
      found,
      Config(9, 2, 7, 0.5, 0.0, "semi_implicit", 3, 2, "a.webp", folder),
    )
    found = parse("--self_test", "--num_steps=7")
    self.assertTrue(found.self_test)
    self.assertEqual((found.size, found.num_steps), (40, 7))

  @parameterized.parameters(
    ("--eps=0.5", "--eps must be at most 0.03658 "),
    ("--num_steps=5000", "at most 0.01788 .* and --num_steps=5000, .* is 0.03"),
    ("--damping=-1", "--damping must be between 0 and 1000000, but is -1"),
    ("--size=8193", "--size must be at most 8192 cells, .* but is 8193; the"),
    ("--animation=a.mp4", "must end in .gif or .webp, but is a.mp4"),
    ("--animation=b/a.gif", "must be a name without folders, but is b/a.gif"),
    ("--train_steps=3", "no use for --train_steps"),
    ("--use_fp16", "no use for --use_fp16"),
  )
  def test_what_is_refused(self, flag, message):
    with self.assertRaisesRegex(ValueError, message):
      parse(flag)

  def test_the_largest_pond(self):
    self.assertEqual(parse("--size=8192").size, 8192)

  @parameterized.parameters(
    "size=0",
    "num_steps=0",
    "num_steps=9223372036854775808",
    "frame_every=0",
    "scheme=",
    "seed=-1",
  )
  def test_flags_out_of_range(self, flag):
    with self.assertRaisesRegex(
      flags.IllegalFlagValueError, flag.split("=")[0]
    ):
      parse(f"--{flag}")


class RunTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = self.enterContext(tempfile.TemporaryDirectory())

  def run_small(self, **changes):
    return main.run(
      dataclasses.replace(SMALL, output_dir=self.folder, **changes)
    )

  def states(self):
    """Returns (u, ut) after 0, 10, 20 and 25 steps."""
    u = simulate.drops(12, 3, seed=4)
    return [
      simulate.run(u, 0 * u, 0.03, 0.04, steps) for steps in (0, 10, 20, 25)
    ]

  def test_metrics(self):
    found = self.run_small()
    states = self.states()
    heights = np.asarray(states[-1][0])
    for name in ("start", "end", "animation"):
      self.assertTrue(os.path.exists(found.pop(name)))
    start, end = (float(simulate.energy(*states[i])) for i in (0, -1))
    self.assertAllClose(
      found,
      {
        "steps": 25,
        "seconds": found["seconds"],
        "energy_start": start,
        "energy_end": end,
        "energy_kept": end / start,
        "energy_highest": end / start,
        "growth": 1.006**12.5,
        "lowest": heights.min(),
        "highest": heights.max(),
      },
      rtol=1e-5,
    )
    self.assertGreater(found["seconds"], 0)

  def test_the_highest_energy_is_that_of_a_frame(self):
    settings = {"eps": 0.5, "scheme": "semi_implicit"}
    found = self.run_small(frame_every=1, num_steps=9, **settings)
    u = simulate.drops(12, 3, seed=4)
    states = simulate.history(u, 0.5, 0.04, 9, 1, "semi_implicit")
    energies = [float(simulate.energy(*state)) for _, *state in states]
    highest = max(energies) / energies[0]
    self.assertGreater(highest, max(1.5, energies[-1] / energies[0]))
    self.assertAllClose(found["energy_highest"], highest)
    # That of the start when it falls.
    found = self.run_small(num_steps=400, **settings | {"eps": 0.03})
    self.assertEqual(found["energy_highest"], 1)

  def test_the_bar_knows_how_many_frames_there_are(self):
    with mock.patch.object(
      main, "write_animation", wraps=main.write_animation
    ) as write:
      for frame_every, frames in ((10, 4), (5, 6), (30, 2)):
        metrics = self.run_small(frame_every=frame_every)
        self.assertEqual(write.call_args.args[2], frames)
        with Image.open(metrics["animation"]) as image:
          self.assertEqual(image.n_frames, frames)

  def test_files(self):
    metrics = self.run_small(animation="a.webp")
    files = [
      os.path.join(self.folder, name)
      for name in ("start.png", "end.png", "a.webp")
    ]
    self.assertEqual(
      files, [metrics[name] for name in ("start", "end", "animation")]
    )
    start, *_, end = (film.pixels(u) for u, _ in self.states())
    self.assertAllEqual(read_png(files[0]), start)
    self.assertAllEqual(read_png(files[1]), end)
    self.assertGreater(np.count_nonzero(start != end), 20)
    with Image.open(files[2]) as image:
      self.assertEqual((image.n_frames, image.size), (4, (12, 12)))

  def test_tensorboard(self):
    self.run_small()
    events = event_accumulator.EventAccumulator(
      self.folder, size_guidance={event_accumulator.TENSORS: 0}
    ).Reload()
    states = self.states()
    pictures, energies = events.Tensors("pond"), events.Tensors("energy")
    for found in (pictures, energies):
      self.assertEqual([event.step for event in found], [0, 10, 20, 25])
    for event, (u, _) in zip(pictures, states, strict=True):
      width, height, encoded = event.tensor_proto.string_val
      self.assertEqual((width, height), (b"12", b"12"))
      found = tf.io.decode_png(encoded)[..., 0]
      self.assertAllEqual(found, film.pixels(u))
    for event, state in zip(energies, states, strict=True):
      found = tf.make_ndarray(event.tensor_proto)
      self.assertAllClose(found, simulate.energy(*state), rtol=1e-6)

  def test_a_folder_can_be_used_again(self):
    self.run_small()
    start = self.run_small(seed=5)["start"]
    u = simulate.drops(12, 3, seed=5)
    self.assertAllEqual(read_png(start), film.pixels(u))

  def test_still_water(self):
    found = self.run_small(num_drops=0)
    self.assertEqual(found["energy_end"], 0)
    self.assertIsNone(found["energy_kept"])
    self.assertIsNone(found["energy_highest"])

  def test_without_a_folder_there_is_a_temporary_one(self):
    with mock.patch.object(tempfile, "mkdtemp", return_value=self.folder):
      start = main.run(SMALL)["start"]
    self.assertEqual(os.path.dirname(start), self.folder)

  def test_a_pond_that_is_not_finite_is_an_error(self):
    broken = np.full([12, 12], np.nan, np.float32)
    states = [(0, broken, broken)]
    with mock.patch.object(simulate, "history", return_value=states):
      with self.assertRaisesRegex(ValueError, "must be finite to be drawn"):
        self.run_small()
    self.assertNoCommonElements(
      os.listdir(self.folder), ["end.png", "pond.gif"]
    )


class MainTest(tf.test.TestCase, parameterized.TestCase):
  def run_main(self, **changes):
    """Returns (exit status, metrics, what was complained of)."""
    folder = self.enterContext(tempfile.TemporaryDirectory())
    config = dataclasses.replace(SMALL, output_dir=folder, **changes)
    with (
      mock.patch.object(main, "config_from_flags", return_value=config),
      contextlib.redirect_stdout(io.StringIO()) as out,
      contextlib.redirect_stderr(io.StringIO()) as err,
    ):
      code = main.main([])
    *_, last = out.getvalue().splitlines()
    return code, json.loads(last), err.getvalue()

  def test_the_last_line_is_json(self):
    code, metrics, _ = self.run_main()
    self.assertEqual((code, metrics["steps"]), (0, 25))
    self.assertTrue(os.path.exists(metrics["animation"]))

  def test_the_self_test(self):
    code, _, complaints = self.run_main(self_test=True)
    self.assertEqual((code, complaints), (0, ""))

  @parameterized.parameters(
    ("laplace", lambda u: u, "a drop should have the Laplacian"),
    ("modified_energy", lambda *_: 1, "should fall, .* 1.0 to 1.0 in step 1 "),
    ("modified_energy", lambda u, *_: -np.sum(u**2), "should fall, .* step 1 "),
    ("modified_energy", lambda u, *_: u[4, 4] + 9, "should fall, and be above"),
    ("run", lambda u, ut, *_: (u + 1, ut), "still water should stay still"),
    ("run", lambda u, ut, *_: (u, ut), "should do what NumPy does, but is 0"),
  )
  def test_what_the_self_test_finds(self, name, function, problem):
    with mock.patch.object(simulate, name, function):
      self.assertRegex("\n".join(self_test.problems([])), problem)

  def test_what_the_self_test_finds_in_the_run(self):
    found = self_test.problems(["/no/file"])
    self.assertEqual(found, ["/no/file should be there, but is not"])
    with mock.patch.object(self_test, "problems", return_value=["it leaks"]):
      code, _, complaints = self.run_main(self_test=True)
    self.assertEqual((code, complaints), (1, "self test: it leaks\n"))

  def test_mistakes_are_one_line(self):
    with mock.patch.object(main, "run", side_effect=ValueError("no water")):
      with self.assertRaisesRegex(SystemExit, "^pde: no water$"):
        self.run_main()


if __name__ == "__main__":
  tf.test.main()
