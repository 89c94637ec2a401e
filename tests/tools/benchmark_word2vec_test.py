"""Tests of the word2vec benchmark: what runs are, and how they are read."""

import os
import random

import pytest
import tensorflow as tf

from tools import benchmark, benchmark_word2vec, gensim_peer


class BenchmarkWord2vecTest(tf.test.TestCase):
  def test_runs_read_the_last_line_and_the_memory(self):
    script = (
      "import json, time; b = b'b' * 150_000_000; time.sleep(0.3); print('{');"
      "print(json.dumps({'words_per_second': 5})); print('end')"
    )
    found, megabytes = benchmark_word2vec.run(["-c", script])
    self.assertEqual(found, {"words_per_second": 5})
    self.assertBetween(megabytes, 150, 200)

  def test_a_failed_run_says_what_it_wrote(self):
    with self.assertRaisesRegex(RuntimeError, "ended with 3:\nno text"):
      benchmark_word2vec.run(["-c", "print('no text'); raise SystemExit(3)"])

  @pytest.mark.slow
  def test_both_learn_what_the_ratios_need(self):
    # Two topics: of six words each, of which the file asks.
    rng = random.Random(0)
    topics = [[f"{topic}{i}" for i in range(6)] for topic in "ab"]
    text = os.path.join(self.get_temp_dir(), "text")
    with open(text, "w") as stream:
      for _ in range(200):
        stream.write(" ".join(rng.choices(rng.choice(topics), k=20)) + " ")
    questions = os.path.join(self.get_temp_dir(), "questions")
    with open(questions, "w") as stream:
      stream.write(": topics\na0 a1 b0 b1\nb2 b3 a2 a3\n")

    programs = benchmark_word2vec.programs(text, questions, epochs=1)
    measured = benchmark.measure_in_turn(programs[:2], rounds=1)

    names = [
      f"{program}_25_negatives_{what}"
      for program in ("estimator", "gensim")
      for what in ("words", "mb", "right")
    ]
    self.assertEqual(list(measured), names)
    for name in names:
      if not name.endswith("right"):
        self.assertGreater(measured[name][0], 50)
      else:
        self.assertIn(measured[name][0], [0, 50, 100])  # of two questions
    lines = benchmark.report(measured)
    units = [line.split()[-1] for line in lines]
    self.assertEqual(units, 2 * ["words/s", "MB", "%"] + 2 * ["x"])
    self.assertEqual(
      [line.split()[0] for line in lines[6:]],
      [
        f"estimator_25_negatives_{what}_over_gensim_25_negatives_{what}"
        for what in ("words", "mb")
      ],
    )

  def test_each_ratio_is_of_two_measurements(self):
    names = {
      program._name for program in benchmark_word2vec.programs("t", None, 1)
    }
    for ratio in benchmark_word2vec.RATIOS:
      for side in ratio.split("_over_"):
        self.assertIn(side.rsplit("_", 1)[0], names)

  def test_gensim_gets_sentences_of_a_thousand_words(self):
    path = os.path.join(self.get_temp_dir(), "text")
    with open(path, "w") as stream:
      stream.write("a b " * 1250)
    sentences = gensim_peer.sentences_of(path)
    self.assertEqual([len(words) for words in sentences], [1000, 1000, 500])


if __name__ == "__main__":
  tf.test.main()
