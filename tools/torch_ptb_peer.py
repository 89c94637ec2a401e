"""The part of the PTB benchmark that PyTorch runs: the published model.

    /path/to/torch/bin/python tools/torch_ptb_peer.py --model=small \\
      --data_dir=~/data/ptb --epochs=2 --seed=1
    /path/to/torch/bin/python tools/torch_ptb_peer.py --model=small --steps=100

The network, its initial values, batches, dropout, clipping and schedule are
those of Zaremba et al. 2014 as experiments/ptb has them. Each epoch is a JSON
object on stdout: perplexities and words per second; stderr shows the progress.
With --steps nothing but so many training steps is timed, on random words if
there is no --data_dir, and the last line is words_per_second as a JSON object.

PyTorch is no dependency of the project: this needs a Python of its own.
"""

import argparse
import collections
import dataclasses
import json
import math
import os
import sys
import time

import torch
from torch import nn
from torch.nn import functional

WARMUP_STEPS = 5
BATCH_SIZE = 20
VOCAB_SIZE = 10_000
RANDOM_WORDS = 200_000


@dataclasses.dataclass(frozen=True)
class Config:
  """What the published models differ in; all have two layers."""

  init_scale: float
  max_grad_norm: float
  num_steps: int
  hidden_size: int
  max_epoch: int  # epochs at the first rate, which is 1
  dropout_rate: float
  lr_decay: float


CONFIGS = {
  "small": Config(0.1, 5, 20, 200, 4, 0.0, 0.5),
  "medium": Config(0.05, 5, 35, 650, 6, 0.5, 0.8),
  "large": Config(0.04, 10, 35, 1500, 14, 0.65, 1 / 1.15),
}


class Network(nn.Module):
  """Embedding, two LSTM layers, softmax; ids [T, B] to logits [T, B, V]."""

  def __init__(self, config, vocab_size):
    super().__init__()
    size, rate = config.hidden_size, config.dropout_rate
    self.embedding = nn.Embedding(vocab_size, size)
    self.dropout = nn.Dropout(rate)
    self.lstm = nn.LSTM(size, size, num_layers=2, dropout=rate)
    self.softmax = nn.Linear(size, vocab_size)
    for name, values in self.named_parameters():
      if name.startswith("lstm.bias"):
        nn.init.zeros_(values)
        # PyTorch adds two biases; the published cell has one.
        values.requires_grad_("bias_hh" not in name)
      else:
        nn.init.uniform_(values, -config.init_scale, config.init_scale)

  def forward(self, words, state):
    inputs = self.dropout(self.embedding(words))
    outputs, state = self.lstm(inputs, state)
    return self.softmax(self.dropout(outputs)), state


def read_words(path):
  with open(os.path.expanduser(path), encoding="utf-8") as file:
    return file.read().replace("\n", " <eos> ").split()


def load(data_dir):
  """Returns the ids of the training and validation text, and how many are."""
  train = read_words(os.path.join(data_dir, "ptb.train.txt"))
  valid = read_words(os.path.join(data_dir, "ptb.valid.txt"))
  counts = collections.Counter(train)
  ordered = sorted(counts, key=lambda word: (-counts[word], word))
  ids = {word: i for i, word in enumerate(ordered)}
  train = torch.tensor([ids[word] for word in train])
  valid = torch.tensor([ids[word] for word in valid if word in ids])
  return train, valid, len(ids)


def windows(ids, num_steps):
  """Returns the (words, targets) of an epoch, each int64 [T, B]."""
  length = len(ids) // BATCH_SIZE
  rows = ids[: BATCH_SIZE * length].view(BATCH_SIZE, length).t().contiguous()
  return [
    (rows[i : i + num_steps], rows[i + 1 : i + 1 + num_steps])
    for i in range(0, (length - 1) // num_steps * num_steps, num_steps)
  ]


def cost_of(network, words, targets, state):
  """Returns the sum over time of the mean over the batch, and the state."""
  logits, state = network(words, state)
  cost = functional.cross_entropy(
    logits.flatten(0, 1), targets.flatten(), reduction="sum"
  )
  return cost / BATCH_SIZE, tuple(part.detach() for part in state)


def train_step(network, optimizer, config, words, targets, state):
  """Returns the cost and the state after the window."""
  optimizer.zero_grad()
  cost, state = cost_of(network, words, targets, state)
  cost.backward()
  nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
  optimizer.step()
  return cost.item(), state


def train_epoch(network, optimizer, config, ids):
  """Returns the perplexity and the words per second."""
  network.train()
  state, total, num_words = None, 0.0, 0
  epoch = windows(ids, config.num_steps)
  start = time.perf_counter()
  for step, (words, targets) in enumerate(epoch, 1):
    cost, state = train_step(network, optimizer, config, words, targets, state)
    total += cost
    num_words += words.numel()
    speed = num_words / (time.perf_counter() - start)
    if step % max(len(epoch) // 10, 1) == 0:
      perplexity = math.exp(total * BATCH_SIZE / num_words)
      print(
        f"{step / len(epoch):.3f} perplexity: {perplexity:.3f} "
        f"speed: {speed:.0f} wps",
        file=sys.stderr,
        flush=True,
      )
  return math.exp(total * BATCH_SIZE / num_words), speed


@torch.inference_mode()
def evaluate(network, config, ids):
  """Returns the perplexity."""
  network.eval()
  state, total = None, 0.0
  epoch = windows(ids, config.num_steps)
  for words, targets in epoch:
    cost, state = cost_of(network, words, targets, state)
    total += cost.item()
  return math.exp(total / (len(epoch) * config.num_steps))


def time_steps(network, optimizer, config, ids, steps):
  """Returns the words per second of that many steps."""
  network.train()
  epoch = windows(ids, config.num_steps)
  state = None
  for step in range(WARMUP_STEPS + steps):
    if step == WARMUP_STEPS:
      start = time.perf_counter()
    words, targets = epoch[step % len(epoch)]
    _, state = train_step(network, optimizer, config, words, targets, state)
  seconds = time.perf_counter() - start
  return steps * BATCH_SIZE * config.num_steps / seconds


def parse_arguments():
  parser = argparse.ArgumentParser()
  parser.add_argument("--model", choices=CONFIGS, default="small")
  parser.add_argument("--data_dir")
  parser.add_argument("--epochs", type=int, default=2)
  parser.add_argument("--steps", type=int)
  parser.add_argument("--seed", type=int, default=1)
  arguments = parser.parse_args()
  if not (arguments.data_dir or arguments.steps):
    parser.error("epochs need --data_dir, the folder of ptb.train.txt")
  return arguments


def main():
  arguments = parse_arguments()
  torch.manual_seed(arguments.seed)
  torch.set_num_threads(os.cpu_count())  # As many as TensorFlow takes.
  config = CONFIGS[arguments.model]
  if arguments.data_dir:
    train, valid, vocab_size = load(arguments.data_dir)
  else:
    train, vocab_size = torch.randint(VOCAB_SIZE, [RANDOM_WORDS]), VOCAB_SIZE
  network = Network(config, vocab_size)
  parameters = [p for p in network.parameters() if p.requires_grad]
  optimizer = torch.optim.SGD(parameters, lr=1.0)
  if arguments.steps:
    speed = time_steps(network, optimizer, config, train, arguments.steps)
    print(json.dumps({"words_per_second": speed}))
    return
  for epoch in range(arguments.epochs):
    rate = config.lr_decay ** max(epoch + 1 - config.max_epoch, 0)
    optimizer.param_groups[0]["lr"] = rate
    perplexity, speed = train_epoch(network, optimizer, config, train)
    found = {
      "epoch": epoch + 1,
      "learning_rate": rate,
      "train_perplexity": perplexity,
      "valid_perplexity": evaluate(network, config, valid),
      "words_per_second": speed,
    }
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
  main()
