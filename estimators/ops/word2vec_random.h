// The random draws of the word2vec ops.
//
// Every draw is a function of a seed, a stream and a number (a raw word number
// of the training, say), so that results depend neither on threads nor on what
// was drawn before, and a run can go on anywhere.
#ifndef ESTIMATORS_OPS_WORD2VEC_RANDOM_H_
#define ESTIMATORS_OPS_WORD2VEC_RANDOM_H_

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace word2vec {

// What is drawn; each has numbers of its own.
enum Stream : uint64_t { kKeep = 0, kReach = 1, kNegative = 2 };

// The finaliser of SplitMix64 (Steele et al. 2014,
// doi:10.1145/2660193.2660195).
inline uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

class Draws {
 public:
  Draws(int64_t seed, Stream stream)
      : key_(Mix(static_cast<uint64_t>(seed) +
                 (stream + 1) * 0xD1B54A32D192ED03u)) {}

  uint64_t operator()(uint64_t number) const {
    return Mix(key_ + (number + 1) * 0x9E3779B97F4A7C15u);
  }

 private:
  uint64_t key_;
};

// Uniform in [0, 1), of 24 bits: all that a float holds.
inline float Uniform(uint64_t draw) {
  return static_cast<float>(draw >> 40) * 0x1p-24f;
}

// Uniform in 0 .. n - 1.
inline uint32_t Below(uint64_t draw, uint32_t n) {
  return static_cast<uint32_t>(((draw >> 32) * n) >> 32);
}

// Draws words from a distribution by the alias method (Walker 1977): a bucket,
// and then the bucket's own word or its other one.
class NoiseTable {
 public:
  struct Bucket {
    uint32_t threshold;  // the bucket's own word below it, in 2^-32
    int32_t alias;
  };

  explicit NoiseTable(std::vector<Bucket> buckets)
      : buckets_(std::move(buckets)) {}

  int32_t operator()(uint64_t draw) const {
    const uint32_t word = Below(draw, static_cast<uint32_t>(buckets_.size()));
    const Bucket& bucket = buckets_[word];
    return static_cast<uint32_t>(draw) < bucket.threshold ? word : bucket.alias;
  }

 private:
  std::vector<Bucket> buckets_;
};

// The share of a word's occurrences that subsampling keeps, as in the authors'
// word2vec.c; eq. 5 of Mikolov et al. 2013, arXiv:1310.4546, keeps fewer.
//
// count: occurrences of the word; total: of all words; threshold: a share of
// the corpus, 0 to keep all.
inline float KeepProbability(double count, double total, double threshold) {
  if (threshold <= 0 || count <= 0) return 1;
  const double ratio = threshold * total / count;
  return static_cast<float>(std::fmin(1, std::sqrt(ratio) + ratio));
}

}  // namespace word2vec

#endif  // ESTIMATORS_OPS_WORD2VEC_RANDOM_H_
