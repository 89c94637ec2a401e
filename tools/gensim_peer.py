"""The part of the word2vec benchmark that gensim runs.

    python -m tools.gensim_peer TEXT NEGATIVES THREADS EPOCHS [QUESTIONS]

The settings are those of word2vec_optimized; benchmark_word2vec.py, which runs
this, says more. The last line is words_per_second and, with QUESTIONS, accuracy
as one JSON object.
"""

import json
import sys
import time

from gensim.models import Word2Vec

SENTENCE_WORDS = 1000


def sentences_of(path):
  """Returns the words of a text, in lists of `SENTENCE_WORDS`."""
  with open(path) as stream:
    words = stream.read().split()
  return [
    words[i : i + SENTENCE_WORDS] for i in range(0, len(words), SENTENCE_WORDS)
  ]


def main(text, negatives, threads, epochs, questions=None):
  sentences = sentences_of(text)
  model = Word2Vec(
    vector_size=200,
    window=5,
    min_count=5,
    sample=1e-3,
    sg=1,
    alpha=0.025,
    negative=int(negatives),
    workers=int(threads),
  )
  model.build_vocab(sentences)
  start = time.perf_counter()
  model.train(sentences, total_examples=len(sentences), epochs=int(epochs))
  seconds = time.perf_counter() - start
  num_words = int(epochs) * sum(map(len, sentences))
  found = {"words_per_second": num_words / seconds}
  if questions:
    found["accuracy"], _ = model.wv.evaluate_word_analogies(
      questions, restrict_vocab=len(model.wv)
    )
  print(json.dumps(found))


if __name__ == "__main__":
  main(*sys.argv[1:])
