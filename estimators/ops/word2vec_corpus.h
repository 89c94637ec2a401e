// A text as word ids, and its vocabulary.
#ifndef ESTIMATORS_OPS_WORD2VEC_CORPUS_H_
#define ESTIMATORS_OPS_WORD2VEC_CORPUS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace word2vec {

struct Corpus {
  // By id. Id 0 is UNK, which stands for all words that are too rare; then come
  // the others by descending count, those of the same count by their bytes.
  std::vector<std::string> words;
  std::vector<int32_t> counts;
  // The text, word after word.
  std::vector<int32_t> ids;

  int64_t num_words() const { return static_cast<int64_t>(ids.size()); }
};

// Reads a text of words between white space; UTF-8 or ASCII. The file is mapped
// into memory meanwhile: nobody may shorten it, which would end the process.
//
// min_count: words with fewer occurrences become UNK.
// min_words: the least number of words that are enough.
absl::StatusOr<Corpus> ReadCorpus(const std::string& filename, int min_count,
                                  int64_t min_words);

// As ReadCorpus, but hands out one Corpus of a file as long as somebody holds
// it, unless the file has changed since.
absl::StatusOr<std::shared_ptr<const Corpus>> SharedCorpus(
    const std::string& filename, int min_count, int64_t min_words);

}  // namespace word2vec

#endif  // ESTIMATORS_OPS_WORD2VEC_CORPUS_H_
