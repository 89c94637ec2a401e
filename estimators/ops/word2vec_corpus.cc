#include "word2vec_corpus.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>
#include <numeric>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "absl/log/log.h"
#include "absl/strings/str_cat.h"

namespace word2vec {
namespace {

constexpr std::string_view kUnknown = "UNK";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool IsSpace(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

absl::Status CannotRead(const std::string& filename, const std::string& why) {
  return absl::NotFoundError(
      absl::StrCat("the corpus must be a readable text file, but ", filename,
                   " ", why, "; check the path"));
}

// A file mapped into memory for reading.
class MappedFile {
 public:
  ~MappedFile() {
    if (data_ != nullptr) munmap(data_, size_);
    if (file_ >= 0) close(file_);
  }

  absl::Status Open(const std::string& filename) {
    // Without O_NONBLOCK a pipe would be waited for.
    file_ = open(filename.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file_ < 0 || fstat(file_, &status_) != 0) {
      return CannotRead(filename, absl::StrCat("failed: ", strerror(errno)));
    }
    if (!S_ISREG(status_.st_mode)) return CannotRead(filename, "is no file");
    size_ = static_cast<size_t>(status_.st_size);
    if (size_ == 0) return absl::OkStatus();
    void* data = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file_, 0);
    if (data == MAP_FAILED) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the ", size_, " bytes of ", filename,
                       " must fit into the memory of this process, but mapping "
                       "them failed: ",
                       strerror(errno), "; give it more, or a shorter text"));
    }
    data_ = data;
    madvise(data_, size_, MADV_SEQUENTIAL);
    return absl::OkStatus();
  }

  std::string_view text() const {
    return {static_cast<const char*>(data_), size_};
  }
  const struct stat& status() const { return status_; }

 private:
  int file_ = -1;
  struct stat status_ = {};
  void* data_ = nullptr;
  size_t size_ = 0;
};

// The offset of the first byte that is not UTF-8 (RFC 3629) or is NUL, which
// text has in UTF-16 only, or npos.
size_t FindInvalidUtf8(std::string_view text) {
  const auto byte = [&](size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  for (size_t i = 0; i < text.size();) {
    const unsigned lead = byte(i);
    if (lead > 0 && lead < 0x80) {
      ++i;
      continue;
    }
    const int more = lead >= 0xC2 && lead < 0xE0   ? 1
                     : lead >= 0xE0 && lead < 0xF0 ? 2
                     : lead >= 0xF0 && lead < 0xF5 ? 3
                                                   : 0;
    if (more == 0) return i;
    for (int k = 1; k <= more; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return i;
    }
    const unsigned second = byte(i + 1);
    const bool overlong =
        (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    const bool surrogate = lead == 0xED && second >= 0xA0;
    const bool too_high = lead == 0xF4 && second >= 0x90;
    if (overlong || surrogate || too_high) return i;
    i += more + 1;
  }
  return std::string_view::npos;
}

// The words of a text by their first appearance.
struct Tokens {
  std::vector<std::string_view> words;
  std::vector<int64_t> counts;
  std::vector<int32_t> ids;  // of all words of the text
};

// Ids are of 31 bits: no more words are read than these have room for.
constexpr size_t kMaxWords = std::numeric_limits<int32_t>::max();

Tokens Tokenize(std::string_view text) {
  Tokens tokens;
  std::unordered_map<std::string_view, int32_t> known;
  const char* const end = text.data() + text.size();
  for (const char* p = text.data();
       p < end && tokens.ids.size() <= kMaxWords;) {
    if (IsSpace(*p)) {
      ++p;
      continue;
    }
    const char* const begin = p;
    while (p < end && !IsSpace(*p)) ++p;
    const std::string_view word(begin, p - begin);
    const auto [entry, is_new] =
        known.try_emplace(word, static_cast<int32_t>(tokens.words.size()));
    if (is_new) {
      tokens.words.push_back(word);
      tokens.counts.push_back(0);
    }
    ++tokens.counts[entry->second];
    tokens.ids.push_back(entry->second);
  }
  return tokens;
}

// The frequent words of a text by descending count, then by their bytes. The
// word UNK of the text itself is not among them: it is id 0 in any case.
std::vector<int32_t> FrequentWords(const Tokens& tokens, int min_count) {
  std::vector<int32_t> order;
  for (size_t i = 0; i < tokens.words.size(); ++i) {
    if (tokens.counts[i] >= min_count && tokens.words[i] != kUnknown) {
      order.push_back(static_cast<int32_t>(i));
    }
  }
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return std::make_tuple(-tokens.counts[a], tokens.words[a]) <
           std::make_tuple(-tokens.counts[b], tokens.words[b]);
  });
  return order;
}

Corpus ToCorpus(Tokens tokens, int min_count) {
  Corpus corpus;
  corpus.words.emplace_back(kUnknown);
  corpus.counts.push_back(static_cast<int32_t>(tokens.ids.size()));
  std::vector<int32_t> new_ids(tokens.words.size(), 0);
  for (const int32_t id : FrequentWords(tokens, min_count)) {
    new_ids[id] = static_cast<int32_t>(corpus.words.size());
    corpus.words.emplace_back(tokens.words[id]);
    corpus.counts.push_back(static_cast<int32_t>(tokens.counts[id]));
    corpus.counts[0] -= corpus.counts.back();
  }
  for (int32_t& id : tokens.ids) id = new_ids[id];
  corpus.ids = std::move(tokens.ids);
  return corpus;
}

absl::StatusOr<Corpus> Parse(const std::string& filename, std::string_view text,
                             int min_count) {
  const size_t invalid = FindInvalidUtf8(text);
  if (invalid != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the corpus must be text in UTF-8 without NUL, but byte ", invalid,
        " of ", filename, " is not; convert the file (iconv), or unpack it"));
  }
  // A byte order mark is no part of the first word.
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
    text.remove_prefix(kByteOrderMark.size());
  }
  Tokens tokens = Tokenize(text);
  const size_t num_words = tokens.ids.size();
  if (num_words > kMaxWords) {
    return absl::InvalidArgumentError(
        absl::StrCat("the corpus must have less than 2^31 words, but ",
                     filename, " has more; split the file"));
  }
  const size_t unique = tokens.words.size();
  Corpus corpus = ToCorpus(std::move(tokens), min_count);
  LOG(INFO) << "Data file: " << filename << " contains " << text.size()
            << " bytes, " << num_words << " words, " << unique
            << " unique words, " << corpus.words.size() - 1
            << " unique frequent words.";
  return corpus;
}

absl::Status CheckLength(const Corpus& corpus, const std::string& filename,
                         int64_t min_words) {
  if (corpus.num_words() >= min_words) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the corpus must have at least ", min_words, " words, but ",
                   filename, " contains too little data: ", corpus.num_words(),
                   " words; give a longer text, or a smaller window_size"));
}

// What tells one file from another, or from what it was before.
using FileKey = std::tuple<std::string, int, dev_t, ino_t, off_t, time_t, long>;

FileKey KeyOf(const std::string& filename, int min_count,
              const struct stat& status) {
#if defined(__APPLE__)
  const struct timespec& changed = status.st_mtimespec;
#else
  const struct timespec& changed = status.st_mtim;
#endif
  return {filename,       min_count,      status.st_dev,  status.st_ino,
          status.st_size, changed.tv_sec, changed.tv_nsec};
}

}  // namespace

absl::StatusOr<Corpus> ReadCorpus(const std::string& filename, int min_count,
                                  int64_t min_words) {
  MappedFile file;
  absl::Status status = file.Open(filename);
  if (!status.ok()) return status;
  absl::StatusOr<Corpus> corpus = Parse(filename, file.text(), min_count);
  if (corpus.ok()) status = CheckLength(*corpus, filename, min_words);
  if (!status.ok()) return status;
  return corpus;
}

absl::StatusOr<std::shared_ptr<const Corpus>> SharedCorpus(
    const std::string& filename, int min_count, int64_t min_words) {
  static std::mutex* const mutex = new std::mutex;
  static auto* const known = new std::map<FileKey, std::weak_ptr<const Corpus>>;
  MappedFile file;
  absl::Status status = file.Open(filename);
  if (!status.ok()) return status;
  const FileKey key = KeyOf(filename, min_count, file.status());
  // Held while it is read, so that several instances read it once.
  std::lock_guard<std::mutex> lock(*mutex);
  const auto entry = known->find(key);
  std::shared_ptr<const Corpus> corpus;
  if (entry != known->end()) corpus = entry->second.lock();
  if (corpus == nullptr) {
    absl::StatusOr<Corpus> read = Parse(filename, file.text(), min_count);
    if (!read.ok()) return read.status();
    corpus = std::make_shared<const Corpus>(*std::move(read));
    (*known)[key] = corpus;
  }
  status = CheckLength(*corpus, filename, min_words);
  if (!status.ok()) return status;
  return corpus;
}

}  // namespace word2vec
