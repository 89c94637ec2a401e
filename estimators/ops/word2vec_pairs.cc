#include "word2vec_pairs.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace word2vec {
namespace {

constexpr int kSentenceWords = 1000;
// The least share of the text that subsampling has to leave; with less, making
// a sentence would seem to hang.
constexpr double kLeastKept = 1e-3;
constexpr int64_t kMostScanned = 100 * 1000 * 1000;
// Positions beyond it are none: no training reads so many words.
constexpr int64_t kMostWords = int64_t{1} << 50;
// Of so many shards the last sentence is remembered.
constexpr size_t kMostShards = 64;

absl::Status TooFewKept(double kept) {
  return absl::InvalidArgumentError(absl::StrCat(
      "subsampling must leave at least 0.1 % of the words, but it leaves ",
      100 * kept, " %; raise subsample, or turn it off by 0"));
}

absl::Status NoPosition(Position position) {
  return absl::InvalidArgumentError(absl::StrCat(
      "position must be [0, 0] or the next_position of a call with the same "
      "arguments, but is [",
      position.word, ", ", position.pair, "]"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<PairStream>> PairStream::Create(
    std::shared_ptr<const Corpus> corpus, int window_size, float subsample,
    int64_t seed) {
  if (!(subsample >= 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "subsample must be a share of the corpus, or 0 to keep all, but is ",
        subsample, "; 1e-3 is usual"));
  }
  const double total = static_cast<double>(corpus->num_words());
  std::vector<float> keep;
  double kept = 0;
  for (const int32_t count : corpus->counts) {
    keep.push_back(KeepProbability(count, total, subsample));
    kept += keep.back() * count;
  }
  if (kept < kLeastKept * total) return TooFewKept(kept / total);
  return std::unique_ptr<PairStream>(
      new PairStream(std::move(corpus), window_size, std::move(keep), seed));
}

PairStream::PairStream(std::shared_ptr<const Corpus> corpus, int window_size,
                       std::vector<float> keep, int64_t seed)
    : corpus_(std::move(corpus)),
      window_size_(window_size),
      keep_(std::move(keep)),
      keeps_(seed, kKeep),
      reaches_(seed, kReach) {}

absl::StatusOr<PairStream::Progress> PairStream::Read(Position position,
                                                      Shard shard, int64_t n,
                                                      int32_t* examples,
                                                      int32_t* labels) {
  const int64_t num_words = corpus_->num_words();
  if (shard.count < 1 || shard.count > num_words || shard.index < 0 ||
      shard.index >= shard.count) {
    return absl::InvalidArgumentError(absl::StrCat(
        "shard must be (index, count) with 0 <= index < count <= ", num_words,
        ", the words of the corpus, but is (", shard.index, ", ", shard.count,
        ")"));
  }
  Progress progress = {position, 0, 0};
  Position& next = progress.next;
  const int64_t shard_words = num_words * (shard.index + 1) / shard.count -
                              num_words * shard.index / shard.count;
  if (next.word < 0 || next.word > kMostWords) return NoPosition(position);
  for (int64_t filled = 0; filled < n;) {
    auto found = SentenceAt(next.word, shard);
    if (!found.ok()) return found.status();
    const Sentence& sentence = **found;
    const int64_t num_pairs = static_cast<int64_t>(sentence.pairs.size());
    if (next.pair < 0 || next.pair > num_pairs) return NoPosition(position);
    for (; filled < n && next.pair < num_pairs; ++filled, ++next.pair) {
      const Pair& pair = sentence.pairs[next.pair];
      examples[filled] = pair.example;
      labels[filled] = pair.label;
      progress.words_processed = pair.word + 1;
      progress.epoch = pair.word / shard_words;
    }
    if (progress.epoch > std::numeric_limits<int32_t>::max()) {
      return NoPosition(position);
    }
    if (next.pair == num_pairs) next = {sentence.end, 0};
  }
  return progress;
}

absl::StatusOr<std::shared_ptr<const PairStream::Sentence>>
PairStream::SentenceAt(int64_t word, Shard shard) {
  const auto key = std::make_pair(shard.index, shard.count);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto known = last_.find(key);
    if (known != last_.end() && known->second->begin == word) {
      return known->second;
    }
  }
  auto sentence = MakeSentence(word, shard);
  if (!sentence.ok()) return sentence;
  std::lock_guard<std::mutex> lock(mutex_);
  if (last_.size() >= kMostShards) last_.clear();
  last_[key] = *sentence;
  return sentence;
}

absl::StatusOr<std::shared_ptr<const PairStream::Sentence>>
PairStream::MakeSentence(int64_t word, Shard shard) const {
  struct Kept {
    int32_t id;
    int64_t word;
    uint64_t number;  // in the whole training, for the draws
  };
  const int64_t num_words = corpus_->num_words();
  const int64_t begin = num_words * shard.index / shard.count;
  const int64_t size = num_words * (shard.index + 1) / shard.count - begin;
  std::vector<Kept> kept;
  auto sentence = std::make_shared<Sentence>();
  sentence->begin = word;
  for (; kept.size() < kSentenceWords; ++word) {
    if (word - sentence->begin > kMostScanned) return TooFewKept(0);
    const int64_t place = begin + word % size;
    const uint64_t number =
        static_cast<uint64_t>(word / size) * num_words + place;
    const int32_t id = corpus_->ids[place];
    if (Uniform(keeps_(number)) < keep_[id]) kept.push_back({id, word, number});
  }
  sentence->end = word;
  for (int i = 0; i < kSentenceWords; ++i) {
    const int reach =
        1 + static_cast<int>(Below(reaches_(kept[i].number), window_size_));
    const int end = std::min(kSentenceWords, i + reach + 1);
    for (int j = std::max(0, i - reach); j < end; ++j) {
      if (j != i) {
        sentence->pairs.push_back({kept[i].id, kept[j].id, kept[i].word});
      }
    }
  }
  return std::shared_ptr<const Sentence>(std::move(sentence));
}

}  // namespace word2vec
