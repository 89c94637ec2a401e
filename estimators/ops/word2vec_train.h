// Skip-gram with negative sampling on rows of floats; knows no TensorFlow.
#ifndef ESTIMATORS_OPS_WORD2VEC_TRAIN_H_
#define ESTIMATORS_OPS_WORD2VEC_TRAIN_H_

#include <cstdint>
#include <vector>

#include "shared_vectors.h"
#include "word2vec_random.h"

namespace word2vec {

// The two matrices that are trained, row-major float [vocabulary, dim].
struct Embeddings {
  float* in;
  float* out;
  int dim;
};

struct Settings {
  int window_size;
  int num_negatives;
  int64_t seed;
  const float* keep;  // [vocabulary], the share of a word that is kept
  const NoiseTable* noise;
};

// A piece of the corpus in its order.
struct Sentence {
  const int32_t* words;  // ids, all of them in the vocabulary
  int num_words;
  int64_t position;  // of the first word in the whole training
  float learning_rate;
};

// The loss of some pairs of a word and a neighbour.
struct Loss {
  double sum = 0;
  int64_t num_pairs = 0;
};

// The neighbours of one word, and what they are trained against.
struct Window {
  float* const* contexts;  // rows of `in`
  int num_contexts;
  float* const* targets;  // rows of `out`: of the word, then of the negatives
  int num_targets;
  int dim;
  float learning_rate;
  float* errors;   // room for num_targets x num_contexts
  float* changes;  // room for num_contexts x dim
  Loss* loss;      // to add to, or null
};

using vectors::InstructionSet;

// Trains sentences; one object for each thread.
//
// All neighbours of a word are trained at once, against the word itself and
// negatives that they share, so that the work is three small products of
// matrices (Ji et al. 2016, arXiv:1604.04661).
//
// Several threads may train the same embeddings. That races, on purpose: a row
// may be read while another thread writes it, and of two updates at the very
// same time one may be lost (Hogwild, Recht et al. 2011, arXiv:1106.5730). Rows
// are many and updates small, so that it does not show in what is learned.
class SentenceTrainer {
 public:
  SentenceTrainer(InstructionSet instructions, const Embeddings& embeddings,
                  const Settings& settings);

  void Train(const Sentence& sentence, Loss* loss);

 private:
  // A kept word of the sentence.
  struct Word {
    int32_t id;
    uint64_t number;  // of the raw word in the whole training
  };

  void Keep(const Sentence& sentence);
  void SetTargets(const Word& word, std::vector<float*>* targets) const;
  void SetContexts(int centre);
  // For errors_ and changes_ of the window that is set.
  void MakeRoom();

  const Embeddings embeddings_;
  const Settings settings_;
  void (*const train_window_)(const Window&);
  const Draws keeps_, reaches_, negatives_;
  std::vector<Word> words_;
  std::vector<float*> contexts_, targets_, next_targets_;
  std::vector<float> errors_, changes_;
};

// Trains one pair after another, each with negatives of its own, like the
// NegTrain op of the word2vec tutorial. The i-th pair takes the negatives of
// number first + i.
void TrainPairs(const Embeddings& embeddings, const int32_t* examples,
                const int32_t* labels, int64_t num_pairs, float learning_rate,
                const NoiseTable& noise, int num_negatives, int64_t seed,
                int64_t first);

}  // namespace word2vec

#endif  // ESTIMATORS_OPS_WORD2VEC_TRAIN_H_
