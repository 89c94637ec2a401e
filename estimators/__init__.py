"""The Estimator way of working, on TensorFlow 2.21 and Keras 3."""

from estimators import export
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
from estimators.hooks import (
  CheckpointSaverListener,
  Hook,
  NanLossDuringTrainingError,
)
from estimators.in_memory import InMemoryEvaluatorHook
from estimators.objects import get_global_step, once
from estimators.random_fourier import RandomFourierFeatureMapper
from estimators.run_config import RunConfig
from estimators.spec import EstimatorSpec, ModeKeys, minimize
from estimators.train_and_evaluate import (
  EvalSpec,
  TrainSpec,
  train_and_evaluate,
)
from estimators.warm_start import VocabInfo, WarmStartSettings

__all__ = [
  "BestExporter",
  "CheckpointSaverHook",
  "CheckpointSaverListener",
  "Estimator",
  "EstimatorSpec",
  "EvalSpec",
  "Exporter",
  "FinalExporter",
  "FinalOpsHook",
  "GlobalStepWaiterHook",
  "Hook",
  "InMemoryEvaluatorHook",
  "LatestExporter",
  "LoggingTensorHook",
  "ModeKeys",
  "NanLossDuringTrainingError",
  "NanTensorHook",
  "ProfilerHook",
  "RandomFourierFeatureMapper",
  "RunConfig",
  "StepCounterHook",
  "StopAtStepHook",
  "SummarySaverHook",
  "TrainSpec",
  "VocabInfo",
  "WarmStartSettings",
  "add_metrics",
  "export",
  "get_global_step",
  "make_early_stopping_hook",
  "minimize",
  "once",
  "stop_if_higher_hook",
  "stop_if_lower_hook",
  "stop_if_no_decrease_hook",
  "stop_if_no_increase_hook",
  "train_and_evaluate",
]
