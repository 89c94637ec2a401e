#include "word2vec_train.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>

#include "word2vec_vectors.h"

namespace word2vec {
namespace {

// The loss is that of every so many windows of a sentence: logarithms of all
// would cost more than they tell.
constexpr int kLossEvery = 16;

// The logistic function by linear interpolation in a table (the authors'
// word2vec.c has one without interpolation). Off by at most 3e-6 within
// [-8, 8], and constant outside of it, where it is within 4e-4 of 0 or 1.
class Sigmoid {
 public:
  float operator()(float x) const {
    // Written so that NaN becomes a number that is in the table.
    x = x > -kLimit ? x : -kLimit;
    x = x < kLimit ? x : kLimit;
    const float place = (x + kLimit) * (kCells / (2 * kLimit));
    const int cell = static_cast<int>(place);
    return values_[cell] + (place - static_cast<float>(cell)) *
                               (values_[cell + 1] - values_[cell]);
  }

  Sigmoid() {
    for (int i = 0; i < kCells + 2; ++i) {
      const double x = i * (2.0 * kLimit / kCells) - kLimit;
      values_[i] = static_cast<float>(1 / (1 + std::exp(-x)));
    }
  }

 private:
  static constexpr float kLimit = 8;
  static constexpr int kCells = 1024;
  std::array<float, kCells + 2> values_;
};

const Sigmoid& GetSigmoid() {
  static const Sigmoid* const sigmoid = new Sigmoid;
  return *sigmoid;
}

// Calls f(M, first) for rows first .. first + M - 1, until there are all of
// them; M is a constant for the compiler.
template <typename F>
VECTORS_INLINE void ForRows(int num_rows, const F& f) {
  for (int first = 0; first < num_rows; first += kMaxRows) {
    switch (std::min(num_rows - first, kMaxRows)) {
      case 1:
        f(std::integral_constant<int, 1>(), first);
        break;
      case 2:
        f(std::integral_constant<int, 2>(), first);
        break;
      case 3:
        f(std::integral_constant<int, 3>(), first);
        break;
      case 4:
        f(std::integral_constant<int, 4>(), first);
        break;
      case 5:
        f(std::integral_constant<int, 5>(), first);
        break;
      case 6:
        f(std::integral_constant<int, 6>(), first);
        break;
      case 7:
        f(std::integral_constant<int, 7>(), first);
        break;
      default:
        f(std::integral_constant<int, 8>(), first);
    }
  }
}

double SoftPlus(double x) {
  return std::log1p(std::exp(-std::abs(x))) + std::fmax(x, 0);
}

// Adds the losses of the window, whose logits are in its errors.
void AddLoss(const Window& w) {
  const int pairs = w.num_contexts;
  for (int i = 0; i < pairs; ++i) w.loss->sum += SoftPlus(-w.errors[i]);
  for (int i = pairs; i < w.num_targets * pairs; ++i) {
    w.loss->sum += SoftPlus(w.errors[i]);
  }
  w.loss->num_pairs += pairs;
}

// errors = contexts . targets^T, the logits.
template <typename... Vs>
VECTORS_INLINE void SetLogits(const Window& w) {
  ForRows(w.num_contexts, [&](auto rows, int first) VECTORS_INLINE_LAMBDA {
    for (int j = 0; j < w.num_targets; ++j) {
      Dots<rows.value, Vs...>(w.contexts + first, w.targets[j], w.dim,
                              w.errors + j * w.num_contexts + first);
    }
  });
}

// From logits to the learning rate times the errors: 1 for the word itself, 0
// for a negative, less what the model says.
VECTORS_INLINE void SetErrors(const Window& w, const Sigmoid& sigmoid) {
  for (int i = 0; i < w.num_targets * w.num_contexts; ++i) {
    w.errors[i] = -w.learning_rate * sigmoid(w.errors[i]);
  }
  for (int i = 0; i < w.num_contexts; ++i) w.errors[i] += w.learning_rate;
}

// changes = errors^T . targets, what the contexts are to be changed by.
template <typename... Vs>
VECTORS_INLINE void SetChanges(const Window& w) {
  ForRows(w.num_contexts, [&](auto rows, int first) VECTORS_INLINE_LAMBDA {
    constexpr int M = decltype(rows)::value;
    ForColumns<Vs...>(
        0, w.dim, [&](auto* type, int column) VECTORS_INLINE_LAMBDA {
          using V = std::remove_pointer_t<decltype(type)>;
          V sums[M] = {};
          const float* errors = w.errors + first;
          for (int j = 0; j < w.num_targets; ++j, errors += w.num_contexts) {
            const V target = Load<V>(w.targets[j] + column);
            for (int i = 0; i < M; ++i) sums[i] += errors[i] * target;
          }
          for (int i = 0; i < M; ++i) {
            Store<V>(w.changes + (first + i) * w.dim + column, sums[i]);
          }
        });
  });
}

// targets += errors . contexts.
template <typename... Vs>
VECTORS_INLINE void UpdateTargets(const Window& w) {
  ForRows(w.num_contexts, [&](auto rows, int first) VECTORS_INLINE_LAMBDA {
    constexpr int M = decltype(rows)::value;
    ForColumns<Vs...>(
        0, w.dim, [&](auto* type, int column) VECTORS_INLINE_LAMBDA {
          using V = std::remove_pointer_t<decltype(type)>;
          V contexts[M];
          for (int i = 0; i < M; ++i) {
            contexts[i] = Load<V>(w.contexts[first + i] + column);
          }
          const float* errors = w.errors + first;
          for (int j = 0; j < w.num_targets; ++j, errors += w.num_contexts) {
            V target = Load<V>(w.targets[j] + column);
            for (int i = 0; i < M; ++i) target += errors[i] * contexts[i];
            Store<V>(w.targets[j] + column, target);
          }
        });
  });
}

// contexts += changes.
template <typename... Vs>
VECTORS_INLINE void UpdateContexts(const Window& w) {
  for (int i = 0; i < w.num_contexts; ++i) {
    const float* const changes = w.changes + i * w.dim;
    ForColumns<Vs...>(
        0, w.dim, [&](auto* type, int column) VECTORS_INLINE_LAMBDA {
          using V = std::remove_pointer_t<decltype(type)>;
          float* const context = w.contexts[i] + column;
          Store<V>(context, Load<V>(context) + Load<V>(changes + column));
        });
  }
}

// One row may stand in a window several times: all reading is done before any
// row of the same matrix is written, and what is written is added up.
template <typename... Vs>
VECTORS_INLINE void TrainWindow(const Window& w, const Sigmoid& sigmoid) {
  SetLogits<Vs...>(w);
  if (w.loss != nullptr) AddLoss(w);
  SetErrors(w, sigmoid);
  SetChanges<Vs...>(w);
  UpdateTargets<Vs...>(w);
  UpdateContexts<Vs...>(w);
}

void TrainWindowScalar(const Window& w) {
  TrainWindow<Float4, float>(w, GetSigmoid());
}

#if defined(__x86_64__)
VECTORS_AVX2 void TrainWindowAvx2(const Window& w) {
  TrainWindow<Float8, Float4, float>(w, GetSigmoid());
}

VECTORS_AVX512 void TrainWindowAvx512(const Window& w) {
  TrainWindow<Float16, Float8, Float4, float>(w, GetSigmoid());
}
#endif

auto WindowFunction([[maybe_unused]] InstructionSet instructions) {
#if defined(__x86_64__)
  if (instructions == InstructionSet::kAvx512) return TrainWindowAvx512;
  if (instructions == InstructionSet::kAvx2) return TrainWindowAvx2;
#endif
  return TrainWindowScalar;
}

// Asks for a row ahead of its use.
void Prefetch(const float* row, int dim) {
  constexpr int kFloatsPerLine = 16;
  for (int i = 0; i < dim; i += kFloatsPerLine) __builtin_prefetch(row + i, 1);
}

}  // namespace

SentenceTrainer::SentenceTrainer(InstructionSet instructions,
                                 const Embeddings& embeddings,
                                 const Settings& settings)
    : embeddings_(embeddings),
      settings_(settings),
      train_window_(WindowFunction(instructions)),
      keeps_(settings.seed, kKeep),
      reaches_(settings.seed, kReach),
      negatives_(settings.seed, kNegative) {}

void SentenceTrainer::Train(const Sentence& sentence, Loss* loss) {
  Keep(sentence);
  const int num_words = static_cast<int>(words_.size());
  if (num_words < 2) return;
  SetTargets(words_[0], &next_targets_);
  for (int i = 0; i < num_words; ++i) {
    std::swap(targets_, next_targets_);
    if (i + 1 < num_words) SetTargets(words_[i + 1], &next_targets_);
    SetContexts(i);
    MakeRoom();
    train_window_({contexts_.data(), static_cast<int>(contexts_.size()),
                   targets_.data(), static_cast<int>(targets_.size()),
                   embeddings_.dim, sentence.learning_rate, errors_.data(),
                   changes_.data(), i % kLossEvery == 0 ? loss : nullptr});
  }
}

void SentenceTrainer::Keep(const Sentence& sentence) {
  words_.clear();
  for (int i = 0; i < sentence.num_words; ++i) {
    const uint64_t number = static_cast<uint64_t>(sentence.position) + i;
    const int32_t id = sentence.words[i];
    if (Uniform(keeps_(number)) < settings_.keep[id]) {
      words_.push_back({id, number});
    }
  }
}

void SentenceTrainer::SetTargets(const Word& word,
                                 std::vector<float*>* targets) const {
  const auto add = [&](int32_t id) {
    float* const row =
        embeddings_.out + static_cast<int64_t>(id) * embeddings_.dim;
    Prefetch(row, embeddings_.dim);
    targets->push_back(row);
  };
  targets->clear();
  add(word.id);
  const uint64_t first = word.number * settings_.num_negatives;
  for (int j = 0; j < settings_.num_negatives; ++j) {
    const int32_t id = (*settings_.noise)(negatives_(first + j));
    if (id != word.id) add(id);
  }
}

void SentenceTrainer::SetContexts(int centre) {
  const int reach = 1 + static_cast<int>(Below(reaches_(words_[centre].number),
                                               settings_.window_size));
  const int end = std::min(centre + reach + 1, static_cast<int>(words_.size()));
  contexts_.clear();
  for (int i = std::max(0, centre - reach); i < end; ++i) {
    if (i != centre) {
      contexts_.push_back(embeddings_.in +
                          static_cast<int64_t>(words_[i].id) * embeddings_.dim);
    }
  }
}

void SentenceTrainer::MakeRoom() {
  const size_t errors = targets_.size() * contexts_.size();
  const size_t changes = contexts_.size() * embeddings_.dim;
  if (errors_.size() < errors) errors_.resize(errors);
  if (changes_.size() < changes) changes_.resize(changes);
}

void TrainPairs(const Embeddings& embeddings, const int32_t* examples,
                const int32_t* labels, int64_t num_pairs, float learning_rate,
                const NoiseTable& noise, int num_negatives, int64_t seed,
                int64_t first) {
  const Draws negatives(seed, kNegative);
  const int dim = embeddings.dim;
  std::vector<float> change(dim);
  for (int64_t i = 0; i < num_pairs; ++i) {
    float* const v = embeddings.in + static_cast<int64_t>(examples[i]) * dim;
    std::fill(change.begin(), change.end(), 0.0f);
    const auto train = [&](int32_t target, float truth) {
      float* const u = embeddings.out + static_cast<int64_t>(target) * dim;
      float logit = 0;
      Dots<1, Float4, float>(&v, u, dim, &logit);
      const float g = learning_rate * (truth - 1 / (1 + std::exp(-logit)));
      for (int k = 0; k < dim; ++k) change[k] += g * u[k];
      for (int k = 0; k < dim; ++k) u[k] += g * v[k];
    };
    train(labels[i], 1);
    const uint64_t number = (static_cast<uint64_t>(first) + i) * num_negatives;
    for (int j = 0; j < num_negatives; ++j) {
      const int32_t id = noise(negatives(number + j));
      if (id != labels[i]) train(id, 0);
    }
    for (int k = 0; k < dim; ++k) v[k] += change[k];
  }
}

}  // namespace word2vec
