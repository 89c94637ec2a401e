"""The Estimator way of working, on TensorFlow 2.21 and Keras 3."""

from estimators import export, feature_columns
from estimators.add_metrics import add_metrics
from estimators.builtin_hooks import (
  CheckpointSaverHook,
  FinalOpsHook,
  GlobalStepWaiterHook,
  LoggingTensorHook,
  NanTensorHook,
  ProfilerHook,
  StepCounterHook,
  StopAtStepHook,
  SummarySaverHook,
)
from estimators.canned.baseline import (
  BaselineClassifier,
  BaselineEstimator,
  BaselineRegressor,
)
from estimators.canned.dnn import DNNClassifier, DNNEstimator, DNNRegressor
from estimators.canned.dnn_linear_combined import (
  DNNLinearCombinedClassifier,
  DNNLinearCombinedEstimator,
  DNNLinearCombinedRegressor,
)
from estimators.canned.kernel_linear import KernelLinearClassifier
from estimators.canned.linear import (
  LinearClassifier,
  LinearEstimator,
  LinearRegressor,
)
from estimators.canned.rnn import RNNClassifier, RNNEstimator
from estimators.continuous_evaluation import evaluate_continuously
from estimators.distribute import distribution_strategy
from estimators.dropout import Dropout
from estimators.early_stopping import (
  make_early_stopping_hook,
  stop_if_higher_hook,
  stop_if_lower_hook,
  stop_if_no_decrease_hook,
  stop_if_no_increase_hook,
)
from estimators.estimator import Estimator
from estimators.exporters import (
  BestExporter,
  Exporter,
  FinalExporter,
  LatestExporter,
)
from estimators.heads.base import Head
from estimators.heads.binary_class import BinaryClassHead
from estimators.heads.multi_class import MultiClassHead
from estimators.heads.multi_head import MultiHead
from estimators.heads.multi_label import MultiLabelHead
from estimators.heads.regression import (
  LogisticRegressionHead,
  PoissonRegressionHead,
  RegressionHead,
)
from estimators.heads.sequence import SequentialHeadWrapper
from estimators.hooks import (
  CheckpointSaverListener,
  Hook,
  NanLossDuringTrainingError,
)
from estimators.in_memory import InMemoryEvaluatorHook
from estimators.objects import get_global_step, once
from estimators.parse_specs import (
  classifier_parse_example_spec,
  regressor_parse_example_spec,
)
from estimators.random_fourier import RandomFourierFeatureMapper
from estimators.run_config import RunConfig
from estimators.spec import EstimatorSpec, ModeKeys, minimize, move_averages
from estimators.train_and_evaluate import train_and_evaluate
from estimators.train_specs import EvalSpec, TrainSpec
from estimators.training_lock import ModelDirInUseError
from estimators.warm_start import VocabInfo, WarmStartSettings
from estimators.workers import WorkerLostError

__all__ = [
  "BaselineClassifier",
  "BaselineEstimator",
  "BaselineRegressor",
  "BestExporter",
  "BinaryClassHead",
  "CheckpointSaverHook",
  "CheckpointSaverListener",
  "DNNClassifier",
  "DNNEstimator",
  "DNNLinearCombinedClassifier",
  "DNNLinearCombinedEstimator",
  "DNNLinearCombinedRegressor",
  "DNNRegressor",
  "Dropout",
  "Estimator",
  "EstimatorSpec",
  "EvalSpec",
  "Exporter",
  "FinalExporter",
  "FinalOpsHook",
  "GlobalStepWaiterHook",
  "Head",
  "Hook",
  "InMemoryEvaluatorHook",
  "KernelLinearClassifier",
  "LatestExporter",
  "LinearClassifier",
  "LinearEstimator",
  "LinearRegressor",
  "LoggingTensorHook",
  "LogisticRegressionHead",
  "ModeKeys",
  "ModelDirInUseError",
  "MultiClassHead",
  "MultiHead",
  "MultiLabelHead",
  "NanLossDuringTrainingError",
  "NanTensorHook",
  "PoissonRegressionHead",
  "ProfilerHook",
  "RNNClassifier",
  "RNNEstimator",
  "RandomFourierFeatureMapper",
  "RegressionHead",
  "RunConfig",
  "SequentialHeadWrapper",
  "StepCounterHook",
  "StopAtStepHook",
  "SummarySaverHook",
  "TrainSpec",
  "VocabInfo",
  "WarmStartSettings",
  "WorkerLostError",
  "add_metrics",
  "classifier_parse_example_spec",
  "distribution_strategy",
  "evaluate_continuously",
  "export",
  "feature_columns",
  "get_global_step",
  "make_early_stopping_hook",
  "minimize",
  "move_averages",
  "once",
  "regressor_parse_example_spec",
  "stop_if_higher_hook",
  "stop_if_lower_hook",
  "stop_if_no_decrease_hook",
  "stop_if_no_increase_hook",
  "train_and_evaluate",
]
