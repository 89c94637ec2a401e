// The stream of skip-gram pairs of a text.
#ifndef ESTIMATORS_OPS_WORD2VEC_PAIRS_H_
#define ESTIMATORS_OPS_WORD2VEC_PAIRS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "word2vec_corpus.h"
#include "word2vec_random.h"

namespace word2vec {

// A place in the stream: the raw word where its sentence begins, counted over
// all epochs, and how many pairs of the sentence lie before it.
struct Position {
  int64_t word;
  int64_t pair;
};

// One of `count` equal parts of the text; its words are counted from its own
// beginning.
struct Shard {
  int64_t index;
  int64_t count;
};

// Gives the pairs of a text, epoch after epoch. Each sentence is the next 1,000
// words that subsampling keeps; a word's neighbours are those within a reach
// that is drawn for it, from 1 to window_size. Safe to use from many threads.
class PairStream {
 public:
  static absl::StatusOr<std::unique_ptr<PairStream>> Create(
      std::shared_ptr<const Corpus> corpus, int window_size, float subsample,
      int64_t seed);

  struct Progress {
    Position next;
    int64_t words_processed;  // raw words up to the last pair's word
    int64_t epoch;            // of the last pair's word
  };

  // Fills n examples (words) and labels (neighbours) from a position on.
  absl::StatusOr<Progress> Read(Position position, Shard shard, int64_t n,
                                int32_t* examples, int32_t* labels);

 private:
  struct Pair {
    int32_t example;
    int32_t label;
    int64_t word;  // the number of the example in its shard
  };
  struct Sentence {
    int64_t begin, end;  // numbers of raw words in the shard
    std::vector<Pair> pairs;
  };

  PairStream(std::shared_ptr<const Corpus> corpus, int window_size,
             std::vector<float> keep, int64_t seed);
  absl::StatusOr<std::shared_ptr<const Sentence>> SentenceAt(int64_t word,
                                                             Shard shard);
  absl::StatusOr<std::shared_ptr<const Sentence>> MakeSentence(
      int64_t word, Shard shard) const;

  const std::shared_ptr<const Corpus> corpus_;
  const int window_size_;
  const std::vector<float> keep_;
  const Draws keeps_, reaches_;
  std::mutex mutex_;
  // The sentence that each shard was last read from: a batch is much shorter.
  std::map<std::pair<int64_t, int64_t>, std::shared_ptr<const Sentence>> last_;
};

}  // namespace word2vec

#endif  // ESTIMATORS_OPS_WORD2VEC_PAIRS_H_
