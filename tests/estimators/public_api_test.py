"""Compares the public names and arguments with those of tf.estimator 2.15.

What is missing, or new, is listed with the reason; nothing else may differ.
"""

import dataclasses
import inspect

import tensorflow as tf
from absl.testing import parameterized

import estimators
from estimators import Estimator

# The arguments of tf.estimator 2.15, in their order.
REFERENCE = {
  "Estimator": "model_fn model_dir config params warm_start_from",
  "EstimatorSpec": "mode predictions loss train_op eval_metric_ops "
  "export_outputs training_chief_hooks training_hooks scaffold "
  "evaluation_hooks prediction_hooks",
  "RunConfig": "model_dir tf_random_seed save_summary_steps "
  "save_checkpoints_steps save_checkpoints_secs session_config "
  "keep_checkpoint_max keep_checkpoint_every_n_hours log_step_count_steps "
  "train_distribute device_fn protocol eval_distribute "
  "experimental_distribute experimental_max_worker_delay_secs "
  "session_creation_timeout_secs checkpoint_save_graph_def",
  "TrainSpec": "input_fn max_steps hooks saving_listeners",
  "EvalSpec": "input_fn steps name hooks exporters start_delay_secs "
  "throttle_secs",
  "train_and_evaluate": "estimator train_spec eval_spec",
  "WarmStartSettings": "ckpt_to_initialize_from vars_to_warm_start "
  "var_name_to_vocab_info var_name_to_prev_var_name",
  "VocabInfo": "new_vocab new_vocab_size num_oov_buckets old_vocab "
  "old_vocab_size backup_initializer axis",
  "BestExporter": "name serving_input_receiver_fn event_file_pattern "
  "compare_fn assets_extra as_text exports_to_keep",
  "LatestExporter": "name serving_input_receiver_fn assets_extra as_text "
  "exports_to_keep",
  "FinalExporter": "name serving_input_receiver_fn assets_extra as_text",
  "add_metrics": "estimator metric_fn",
  "InMemoryEvaluatorHook": "estimator input_fn steps hooks name every_n_iter",
  "make_early_stopping_hook": "estimator should_stop_fn run_every_secs "
  "run_every_steps",
  "stop_if_higher_hook": "estimator metric_name threshold eval_dir min_steps "
  "run_every_secs run_every_steps",
  "stop_if_lower_hook": "estimator metric_name threshold eval_dir min_steps "
  "run_every_secs run_every_steps",
  "stop_if_no_increase_hook": "estimator metric_name "
  "max_steps_without_increase eval_dir min_steps run_every_secs "
  "run_every_steps",
  "stop_if_no_decrease_hook": "estimator metric_name "
  "max_steps_without_decrease eval_dir min_steps run_every_secs "
  "run_every_steps",
  "LoggingTensorHook": "tensors every_n_iter every_n_secs at_end formatter",
  "StopAtStepHook": "num_steps last_step",
  "CheckpointSaverHook": "checkpoint_dir save_secs save_steps saver "
  "checkpoint_basename scaffold listeners save_graph_def",
  "StepCounterHook": "every_n_steps every_n_secs output_dir summary_writer",
  "NanTensorHook": "loss_tensor fail_on_nan_loss",
  "SummarySaverHook": "save_steps save_secs output_dir summary_writer "
  "scaffold summary_op",
  "ProfilerHook": "save_steps save_secs output_dir show_dataflow show_memory",
  "FinalOpsHook": "final_ops final_ops_feed_dict",
  "GlobalStepWaiterHook": "wait_until_step",
  "LinearClassifier": "feature_columns model_dir n_classes weight_column "
  "label_vocabulary optimizer config warm_start_from loss_reduction "
  "sparse_combiner",
  "LinearRegressor": "feature_columns model_dir label_dimension weight_column "
  "optimizer config warm_start_from loss_reduction sparse_combiner",
  "LinearEstimator": "head feature_columns model_dir optimizer config "
  "sparse_combiner warm_start_from",
  "DNNClassifier": "hidden_units feature_columns model_dir n_classes "
  "weight_column label_vocabulary optimizer activation_fn dropout config "
  "warm_start_from loss_reduction batch_norm",
  "DNNRegressor": "hidden_units feature_columns model_dir label_dimension "
  "weight_column optimizer activation_fn dropout config warm_start_from "
  "loss_reduction batch_norm",
  "DNNEstimator": "head hidden_units feature_columns model_dir optimizer "
  "activation_fn dropout config warm_start_from batch_norm",
  "DNNLinearCombinedClassifier": "model_dir linear_feature_columns "
  "linear_optimizer dnn_feature_columns dnn_optimizer dnn_hidden_units "
  "dnn_activation_fn dnn_dropout n_classes weight_column label_vocabulary "
  "config warm_start_from loss_reduction batch_norm linear_sparse_combiner",
  "DNNLinearCombinedRegressor": "model_dir linear_feature_columns "
  "linear_optimizer dnn_feature_columns dnn_optimizer dnn_hidden_units "
  "dnn_activation_fn dnn_dropout label_dimension weight_column config "
  "warm_start_from loss_reduction batch_norm linear_sparse_combiner",
  "DNNLinearCombinedEstimator": "head model_dir linear_feature_columns "
  "linear_optimizer dnn_feature_columns dnn_optimizer dnn_hidden_units "
  "dnn_activation_fn dnn_dropout config batch_norm linear_sparse_combiner",
  "BaselineClassifier": "model_dir n_classes weight_column label_vocabulary "
  "optimizer config loss_reduction",
  "BaselineRegressor": "model_dir label_dimension weight_column optimizer "
  "config loss_reduction",
  "BaselineEstimator": "head model_dir optimizer config",
  "RNNClassifier": "sequence_feature_columns context_feature_columns units "
  "cell_type rnn_cell_fn return_sequences model_dir n_classes weight_column "
  "label_vocabulary optimizer loss_reduction sequence_mask config",
  "RNNEstimator": "head sequence_feature_columns context_feature_columns units "
  "cell_type rnn_cell_fn return_sequences model_dir optimizer config",
  "BinaryClassHead": "weight_column thresholds label_vocabulary "
  "loss_reduction loss_fn name",
  "MultiClassHead": "n_classes weight_column label_vocabulary loss_reduction "
  "loss_fn name",
  "MultiLabelHead": "n_classes weight_column thresholds label_vocabulary "
  "loss_reduction loss_fn classes_for_class_based_metrics name",
  "RegressionHead": "label_dimension weight_column loss_reduction loss_fn "
  "inverse_link_fn name",
  "PoissonRegressionHead": "label_dimension weight_column loss_reduction "
  "compute_full_loss name",
  "LogisticRegressionHead": "weight_column loss_reduction name",
  "MultiHead": "heads head_weights",
  "Head.loss": "self labels logits features mode regularization_losses",
  "Head.predictions": "self logits keys",
  "Head.metrics": "self regularization_losses",
  "Head.update_metrics": "self eval_metrics features logits labels "
  "regularization_losses",
  "Head.create_estimator_spec": "self features mode logits labels optimizer "
  "trainable_variables train_op_fn update_ops regularization_losses",
  "classifier_parse_example_spec": "feature_columns label_key label_dtype "
  "label_default weight_column",
  "regressor_parse_example_spec": "feature_columns label_key label_dtype "
  "label_default label_dimension weight_column",
  "export.ServingInputReceiver": "features receiver_tensors "
  "receiver_tensors_alternatives",
  "export.TensorServingInputReceiver": "features receiver_tensors "
  "receiver_tensors_alternatives",
  "export.build_raw_serving_input_receiver_fn": "features default_batch_size",
  "export.build_parsing_serving_input_receiver_fn": "feature_spec "
  "default_batch_size",
  "export.PredictOutput": "outputs",
  "export.ClassificationOutput": "scores classes",
  "export.RegressionOutput": "value",
  "Estimator.train": "self input_fn hooks steps max_steps saving_listeners",
  "Estimator.evaluate": "self input_fn steps hooks checkpoint_path name",
  "Estimator.predict": "self input_fn predict_keys hooks checkpoint_path "
  "yield_single_examples",
  "Estimator.export_saved_model": "self export_dir_base "
  "serving_input_receiver_fn assets_extra as_text checkpoint_path "
  "experimental_mode",
  "Estimator.eval_dir": "self name",
  "Estimator.latest_checkpoint": "self",
  "Estimator.get_variable_names": "self",
  "Estimator.get_variable_value": "self name",
}

SESSION = "belonged to graph sessions"
CLUSTER = "belonged to clusters of sessions"
TEXT = "SavedModels are written as binary files"
WRITER = "summaries go to the run's writer, or to output_dir"
LEFT_OUT = {
  "EstimatorSpec": {"scaffold": SESSION},
  "RunConfig": {
    "session_config": SESSION,
    "device_fn": SESSION,
    "protocol": CLUSTER,
    "experimental_distribute": CLUSTER,
    "experimental_max_worker_delay_secs": CLUSTER,
    "session_creation_timeout_secs": SESSION,
    "checkpoint_save_graph_def": "checkpoints hold no graph",
  },
  "BestExporter": {
    "event_file_pattern": "the best results are in a file of their own",
    "as_text": TEXT,
  },
  "LatestExporter": {"as_text": TEXT},
  "FinalExporter": {"as_text": TEXT},
  "CheckpointSaverHook": {
    "checkpoint_dir": "it is model_dir",
    "saver": SESSION,
    "checkpoint_basename": "it is model.ckpt",
    "scaffold": SESSION,
    "save_graph_def": "checkpoints hold no graph",
  },
  "StepCounterHook": {"summary_writer": WRITER},
  "NanTensorHook": {"loss_tensor": "it is the loss"},
  "SummarySaverHook": {
    "summary_writer": WRITER,
    "scaffold": SESSION,
    "summary_op": "summaries are not merged into one operation; see tensors",
  },
  "ProfilerHook": {
    "show_dataflow": "TensorBoard's Profile tab shows it",
    "show_memory": "TensorBoard's Profile tab shows it",
  },
  "FinalOpsHook": {"final_ops_feed_dict": SESSION},
  "Estimator.export_saved_model": {
    "as_text": TEXT,
    "experimental_mode": "only what serves is exported",
  },
}
WARM = {"warm_start_from": "as for the other canned estimators"}
NEW = {
  "DNNLinearCombinedEstimator": WARM,
  "RNNClassifier": WARM,
  "RNNEstimator": WARM,
  "RunConfig": {
    "deterministic": "of the whole process, as TensorFlow has it",
    "settings": "what else determines the result, for config.json",
    "overwrite_config": "goes on with other settings",
  },
  "StepCounterHook": {"log": "a progress bar shows the rate already"},
  "SummarySaverHook": {"tensors": "names of what to write; it comes first"},
  "GlobalStepWaiterHook": {"poll_secs": "for tests that do not wait"},
  "EvalSpec": {"every_checkpoint": "an evaluator beside may miss none"},
  "Estimator.evaluate": {"untrained": "asks for the initial values"},
  "Estimator.predict": {"untrained": "asks for the initial values"},
}
CLASSES = {
  "n_classes": 2,
  "weight_column": None,
  "label_vocabulary": None,
  "loss_reduction": "sum_over_batch_size",
}
NUMBERS = {
  "label_dimension": 1,
  "weight_column": None,
  "loss_reduction": "sum_over_batch_size",
}
LINEAR = {"optimizer": "Ftrl", "sparse_combiner": "sum"}
DNN = {"optimizer": "Adagrad", "dropout": None, "batch_norm": False}
COMBINED = {
  "linear_optimizer": "Ftrl",
  "linear_sparse_combiner": "sum",
  "dnn_optimizer": "Adagrad",
  "dnn_hidden_units": None,
  "dnn_dropout": None,
  "batch_norm": False,
}
RNN = {"optimizer": "Adagrad", "return_sequences": False, "units": None}
DEFAULTS = {
  "LinearClassifier": CLASSES | LINEAR,
  "LinearRegressor": NUMBERS | LINEAR,
  "LinearEstimator": LINEAR,
  "DNNClassifier": CLASSES | DNN,
  "DNNRegressor": NUMBERS | DNN,
  "DNNEstimator": DNN,
  "DNNLinearCombinedClassifier": CLASSES | COMBINED,
  "DNNLinearCombinedRegressor": NUMBERS | COMBINED,
  "DNNLinearCombinedEstimator": COMBINED,
  "BaselineClassifier": CLASSES | {"optimizer": "Ftrl"},
  "BaselineRegressor": NUMBERS | {"optimizer": "Ftrl"},
  "BaselineEstimator": {"optimizer": "Ftrl"},
  "RNNClassifier": CLASSES | RNN | {"sequence_mask": "sequence_mask"},
  "RNNEstimator": RNN,
  "KernelLinearClassifier": CLASSES | {"optimizer": "Ftrl"},
  "BinaryClassHead": {
    "weight_column": None,
    "label_vocabulary": None,
    "loss_reduction": "sum_over_batch_size",
    "loss_fn": None,
    "name": None,
  },
  "RegressionHead": NUMBERS | {"inverse_link_fn": None},
  "PoissonRegressionHead": NUMBERS | {"compute_full_loss": True},
  "classifier_parse_example_spec": {
    "label_dtype": tf.int64,
    "label_default": None,
    "weight_column": None,
  },
  "regressor_parse_example_spec": {
    "label_dtype": tf.float32,
    "label_default": None,
    "label_dimension": 1,
  },
  "RunConfig": {
    "save_summary_steps": 100,
    "save_checkpoints_steps": None,
    "save_checkpoints_secs": 600,
    "keep_checkpoint_max": 5,
    "keep_checkpoint_every_n_hours": 10000,
    "log_step_count_steps": 100,
    "tf_random_seed": None,
  },
  "EvalSpec": {"start_delay_secs": 120, "throttle_secs": 600},
  "WarmStartSettings": {"vars_to_warm_start": ".*"},
  "VocabInfo": {"old_vocab_size": -1, "axis": 0, "backup_initializer": None},
  "BestExporter": {"name": "best_exporter", "exports_to_keep": 5},
  "LatestExporter": {"exports_to_keep": 5},
  "InMemoryEvaluatorHook": {"every_n_iter": 100},
  "make_early_stopping_hook": {"run_every_secs": 60, "run_every_steps": None},
  "stop_if_higher_hook": {"min_steps": 0, "run_every_secs": 60},
  "stop_if_no_increase_hook": {"min_steps": 0, "run_every_secs": 60},
  "StepCounterHook": {"every_n_steps": 100},
  "NanTensorHook": {"fail_on_nan_loss": True},
  "Estimator.predict": {"yield_single_examples": True},
}

# Names that have another shape, or none of their own, in tf.estimator.
OWN = {
  "CheckpointSaverListener",
  "Dropout",
  "Exporter",
  "Head",
  "Hook",
  "KernelLinearClassifier",
  "ModeKeys",
  "ModelDirInUseError",
  "NanLossDuringTrainingError",
  "RandomFourierFeatureMapper",
  "SequentialHeadWrapper",
  "WorkerLostError",
  "distribution_strategy",
  "evaluate_continuously",
  "export",
  "feature_columns",
  "get_global_step",
  "minimize",
  "move_averages",
  "once",
}


def public(name):
  found = estimators
  for part in name.split("."):
    found = getattr(found, part)
  return found


def parameters(name):
  return inspect.signature(public(name)).parameters


class PublicApiTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(*REFERENCE)
  def test_arguments(self, name):
    left_out, new = LEFT_OUT.get(name, {}), NEW.get(name, {})
    wanted = [arg for arg in REFERENCE[name].split() if arg not in left_out]
    found = [arg for arg in parameters(name) if arg not in new]
    self.assertEqual(found, wanted)
    self.assertContainsSubset(new, parameters(name))
    # The lists name nothing that is not so.
    self.assertContainsSubset(left_out, REFERENCE[name].split())
    self.assertEmpty(set(new) & set(REFERENCE[name].split()))

  @parameterized.parameters(*DEFAULTS)
  def test_defaults(self, name):
    if name == "RunConfig":  # It settles some of them when it is made.
      found = dataclasses.asdict(estimators.RunConfig())
    else:
      found = {key: arg.default for key, arg in parameters(name).items()}
    wanted = DEFAULTS[name]
    self.assertEqual({key: found[key] for key in wanted}, wanted)

  def test_evaluations_take_the_whole_set_by_default(self):
    self.assertIsNone(parameters("EvalSpec")["steps"].default)

  def test_all_is_listed_here_and_there(self):
    names = {name for name in REFERENCE if "." not in name} | OWN
    self.assertCountEqual(estimators.__all__, names)
    found = {name for name in dir(estimators) if not name.startswith("_")}
    modules = {n for n in found if inspect.ismodule(public(n))}
    self.assertEqual(found - modules | {"export", "feature_columns"}, names)

  def test_modes(self):
    modes = estimators.ModeKeys
    self.assertEqual(
      (modes.TRAIN, modes.EVAL, modes.PREDICT), ("train", "eval", "infer")
    )

  def test_properties_of_an_estimator(self):
    for name in ("config", "model_dir", "model_fn", "params"):
      self.assertIsInstance(getattr(Estimator, name), property)

  def test_methods_of_hooks(self):
    for name in ("begin", "after_run", "end"):
      self.assertIn("run", parameters(f"Hook.{name}"))
    for name in ("begin", "before_save", "after_save", "end"):
      self.assertIn("run", parameters(f"CheckpointSaverListener.{name}"))

  def test_everything_says_what_it_is_for(self):
    for name in (*estimators.__all__, *REFERENCE):
      self.assertNotEmpty(public(name).__doc__ or "", name)


if __name__ == "__main__":
  tf.test.main()
