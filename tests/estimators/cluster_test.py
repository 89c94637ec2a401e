"""Tests of TF_CONFIG, and of what a RunConfig says about it."""

import json
import os
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from estimators import Estimator, RunConfig, workers
from estimators.cluster import VARIABLE
from tests.estimators import toys
from tests.estimators.helpers import new_folder

CHIEF = {"chief": ["c:1"], "worker": ["w:1", "w:2"], "ps": ["p:1", "p:2"]}
WORKERS = {"worker": ["w:1", "w:2", "w:3"]}
MASTER = {"master": ["m:1"], "worker": ["w:1"], "ps": ["p:1"]}


def text_of(cluster=None, task_type=None, index=None, **others):
  config = dict(others)
  if cluster is not None:
    config["cluster"] = cluster
  if task_type is not None or index is not None:
    config["task"] = {"type": task_type, "index": index}
  return json.dumps(config)


def run_config(text, **fields):
  with mock.patch.dict(os.environ, {VARIABLE: text}):
    return RunConfig(**fields)


class TasksTest(parameterized.TestCase):
  @parameterized.parameters(
    # Columns: cluster, task; chief?, workers, ps, global id, master.
    (CHIEF, "chief", 0, True, 3, 2, 0, "grpc://c:1"),
    (CHIEF, "worker", 0, False, 3, 2, 1, "grpc://w:1"),
    (CHIEF, "worker", 1, False, 3, 2, 2, "grpc://w:2"),
    (CHIEF, "ps", 1, False, 3, 2, 4, "grpc://p:2"),
    (CHIEF, "evaluator", 0, False, 0, 0, None, ""),
    (WORKERS, "worker", 0, True, 3, 0, 0, "grpc://w:1"),
    (WORKERS, "worker", "2", False, 3, 0, 2, "grpc://w:3"),
    (WORKERS, "evaluator", 0, False, 0, 0, None, ""),
    (MASTER, "master", 0, True, 2, 1, 0, "grpc://m:1"),
    (MASTER, "ps", 0, False, 2, 1, 2, "grpc://p:1"),
    ({"ps": ["p:1"], "worker": ["w:1"]}, "ps", 0, False, 1, 1, 1, "grpc://p:1"),
    ({"chief": ["c:1"]}, "chief", 0, True, 1, 0, 0, ""),
    (None, "worker", 0, True, 1, 0, 0, ""),
    (None, None, None, True, 1, 0, 0, ""),
  )
  def test_properties(
    self, cluster, task_type, index, chief, workers, ps, global_id, master
  ):
    config = run_config(text_of(cluster, task_type, index))
    in_cluster = cluster is not None and task_type != "evaluator"
    self.assertEqual(
      config.cluster_spec.as_dict(), cluster if in_cluster else {}
    )
    self.assertEqual(config.task_type, task_type or "worker")
    self.assertEqual(config.task_id, int(index or 0))
    self.assertEqual(config.is_chief, chief)
    self.assertEqual(config.num_worker_replicas, workers)
    self.assertEqual(config.num_ps_replicas, ps)
    self.assertEqual(config.global_id_in_cluster, global_id)
    self.assertEqual(config.master, master)
    self.assertEqual(config.evaluation_master, "")
    self.assertIsNone(config.service)

  def test_without_the_variable_or_with_an_empty_one(self):
    for text in ("", "{}"):
      config = run_config(text)
      self.assertEqual((config.task_type, config.is_chief), ("worker", True))

  def test_sessions_and_service(self):
    service = {"platform": "x"}
    config = run_config(
      text_of(CHIEF, "chief", 0, session_master="a", service=service)
    )
    self.assertEqual((config.master, config.service), ("a", service))
    config.service["platform"] = "y"
    self.assertEqual(config.service, service)
    config = run_config(text_of(CHIEF, "evaluator", 0, eval_session_master="e"))
    self.assertEqual(config.evaluation_master, "e")
    config = run_config(text_of(session_master="a", eval_session_master="e"))
    self.assertEqual((config.master, config.evaluation_master), ("a", "e"))

  def test_copies_are_of_the_same_task(self):
    config = run_config(text_of(WORKERS, "worker", 1)).replace(model_dir="/m")
    self.assertEqual((config.task_id, config.is_chief), (1, False))
    self.assertEqual(config.model_dir, "/m")


class ModelDirTest(tf.test.TestCase):
  def test_from_the_variable(self):
    text = text_of(model_dir="/m")
    self.assertEqual(run_config(text).model_dir, "/m")
    self.assertEqual(run_config(text, model_dir="/m").model_dir, "/m")
    with self.assertRaisesRegex(ValueError, "'/n'.*TF_CONFIG names '/m'"):
      run_config(text, model_dir="/n")

  def test_a_cluster_must_share_one(self):
    for task in (("worker", 1), ("evaluator", 0)):
      with self.assertRaisesRegex(ValueError, "the same model_dir"):
        Estimator(toys.line_fn, config=run_config(text_of(WORKERS, *task)))


class ErrorsTest(parameterized.TestCase):
  def test_malformed_json(self):
    text = '{"cluster": {"worker": [\'host:1\']}}'
    with self.assertRaises(ValueError) as caught:
      run_config(text)
    message = str(caught.exception)
    self.assertIn("TF_CONFIG must be JSON", message)
    self.assertIn("character 24", message)
    self.assertIn('{"cluster": {"worker": [>>>\'host:1\']}}', message)
    self.assertIn(repr(text), message)
    self.assertLess(len(message), 300)

  @parameterized.parameters(
    ("[]", r"must be an object in \{\}, but it is '\[\]'"),
    ('{"cluster": []}', r"'cluster' must be an object.*\[\]"),
    ('{"task": 3}', "'task' must be an object.* 3"),
    ('{"service": 3}', "'service' must be an object.* 3"),
    ('{"model_dir": 3}', "'model_dir' must be a string.* 3"),
    (text_of({"workers": ["a"]}, "worker", 0), "jobs.*there is 'workers'"),
    (text_of({"worker": "a"}, "worker", 0), "list of addresses.*it is 'a'"),
    (text_of({"worker": []}, "worker", 0), r"list of addresses.*it is \[\]"),
    (text_of({"worker": [3]}, "worker", 0), r"list of addresses.*\[3\]"),
    (text_of({"worker": ["a"]}, "worker", 0), "\"host:port\".* one is 'a'"),
    (text_of({"worker": [":1"]}, "worker", 0), "one is ':1'"),
    (text_of({"worker": ["a:x"]}, "worker", 0), "one is 'a:x'"),
    (text_of({"worker": ["a:65536"]}, "worker", 0), "one is 'a:65536'"),
    (text_of({"worker": ["::1:1"]}, "worker", 0), "one is '::1:1'"),
    (text_of({"worker": ["a:1"] * 2}, "worker", 0), r"own, .*\['a:1'\] more"),
    (
      text_of({"worker": ["a:1"], "ps": ["a:1"]}, "worker", 0),
      "more than once",
    ),
    (text_of({"chief": ["a:1", "b:1"]}, "chief", 0), "only one 'chief'"),
    (text_of({"master": ["a:1", "b:1"]}, "master", 0), "only one 'master'"),
    (text_of({"ps": ["a:1"]}, "ps", 0), "one 'chief', or a 'worker'.*'ps'"),
    (text_of(CHIEF | MASTER, "chief", 0), "'cluster' has both"),
    (text_of({"evaluator": ["e:1"]}, "evaluator", 0), "no part of the cluster"),
    (text_of(WORKERS), "type and index must be given.*None and None"),
    (text_of(WORKERS, "worker"), "'worker' and None"),
    (text_of(WORKERS, None, 0), "None and 0"),
    (text_of(WORKERS, 3, 0), "'type' must be a string.* 3"),
    (text_of(WORKERS, "worker", "one"), "whole number.* it is 'one'"),
    (text_of(WORKERS, "worker", 1.7), "whole number.* it is 1.7"),
    (text_of(WORKERS, "worker", True), "whole number.* it is True"),
    (text_of(WORKERS, "worker", 1e999), "whole number.* it is inf"),
    (text_of(session_master=3), "'session_master' must be a string.* 3"),
    (text_of(eval_session_master=3), "'eval_session_master' must be a string"),
    (text_of(WORKERS, "worker", 3), "must be 0 to 2, but it is 3"),
    (text_of(WORKERS, "worker", -1), "must be 0 to 2, but it is -1"),
    (text_of(WORKERS, "chief", 0), r"\['worker'\], or 'evaluator', but.*chief"),
    (text_of(WORKERS, "evaluator", 1), "one evaluator, of index 0.* 1"),
    (text_of(MASTER, "evaluator", 0), "must be a job.*it is 'evaluator'"),
    (text_of(None, "evaluator", 0), "without 'cluster'.*evaluator 0"),
    (text_of(None, "worker", 1), "without 'cluster'.*worker 1"),
    (
      text_of(CHIEF, "chief", 0, eval_session_master="e"),
      "for the evaluator's task alone, but this is chief 0",
    ),
  )
  def test_what_does_not_fit(self, text, message):
    with self.assertRaisesRegex(ValueError, f"TF_CONFIG does not.*{message}"):
      run_config(text)


class TrainTest(parameterized.TestCase):
  @parameterized.parameters(
    (CHIEF, "ps", 0, "chief or worker to train, but this task is ps 0"),
    (WORKERS, "evaluator", 0, "this task is evaluator 0; evaluators go by"),
    (CHIEF, "chief", 0, "3 workers and 2 parameter servers.*chief 0"),
    (WORKERS, "worker", 1, "worker 1, and train_distribute=None.*multi_worker"),
  )
  def test_tasks_that_cannot_train(self, cluster, task_type, index, message):
    config = run_config(text_of(cluster, task_type, index))
    estimator = Estimator(toys.line_fn, new_folder(), config)
    with self.assertRaisesRegex(ValueError, message):
      estimator.train(toys.input_of([1.0], np.float32([1])), steps=1)

  def test_only_training_waits_for_the_other_workers(self):
    group = mock.Mock()
    with mock.patch.object(workers, "of", return_value=group):
      estimator = Estimator(toys.line_fn, new_folder())
    data = toys.input_of([1.0], np.float32([1]))
    estimator.evaluate(data, untrained=True)
    next(estimator.predict(data, untrained=True))
    self.assertEmpty(group.mock_calls)

  def test_a_chief_alone_trains(self):
    config = run_config(text_of({"chief": ["c:1"]}, "chief", 0))
    estimator = Estimator(toys.line_fn, new_folder(), config)
    estimator.train(toys.input_of([1.0], np.float32([1])), steps=1)
    self.assertIsNotNone(estimator.latest_checkpoint())


if __name__ == "__main__":
  tf.test.main()
