// The word2vec ops on a CPU: these unpack and check, and call the functions of
// word2vec_corpus.h, word2vec_pairs.h and word2vec_train.h.
#include <algorithm>
#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shared_kernels.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/resource_mgr.h"
#include "tensorflow/core/framework/resource_var.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/lib/core/threadpool.h"
#include "word2vec_corpus.h"
#include "word2vec_pairs.h"
#include "word2vec_random.h"
#include "word2vec_train.h"

namespace word2vec {
namespace {

using kernels::Data;
using kernels::Invalid;
using kernels::MutableData;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::tstring;
using tensorflow::Var;

// The seed's programs wanted this much of a text.
constexpr int64_t kWindowsInCorpus = 10;

// More than anybody wants, and little enough that what a window needs fits into
// memory.
constexpr int64_t kMaxDim = 1 << 16;
constexpr int kMaxWindow = 1000;
constexpr int kMaxNegatives = 10000;

absl::Status CheckScalar(const Tensor& tensor, const char* name) {
  if (tensor.dims() == 0) return absl::OkStatus();
  return Invalid(name, " must be a scalar, but its shape is ",
                 tensor.shape().DebugString(), "; give one number");
}

// Checks that a tensor is a vector of some length.
absl::Status CheckVector(const Tensor& tensor, const char* name,
                         int64_t length) {
  if (tensor.dims() == 1 && tensor.dim_size(0) == length) {
    return absl::OkStatus();
  }
  return Invalid(name, " must be a vector of ", length,
                 " numbers, but its shape is ", tensor.shape().DebugString(),
                 "; is it of another batch or vocabulary?");
}

// Checks the number of negatives: millions would seem to hang.
absl::Status CheckNegatives(int num_negatives) {
  if (num_negatives <= kMaxNegatives) return absl::OkStatus();
  return Invalid("num_negatives must be at most ", kMaxNegatives, ", but is ",
                 num_negatives, "; 5 to 25 are usual");
}

// Checks that ids are those of words.
absl::Status CheckIds(const int32_t* ids, int64_t num_ids, const char* name,
                      int64_t vocab_size) {
  for (int64_t i = 0; i < num_ids; ++i) {
    if (ids[i] < 0 || ids[i] >= vocab_size) {
      return Invalid(name, " must be ids of words, 0 to ", vocab_size - 1,
                     ", but number ", i, " is ", ids[i],
                     "; were they made with another vocabulary?");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<NoiseTable> ToNoiseTable(const Tensor& thresholds,
                                        const Tensor& aliases,
                                        int64_t vocab_size) {
  TF_RETURN_IF_ERROR(CheckVector(thresholds, "noise_thresholds", vocab_size));
  TF_RETURN_IF_ERROR(CheckVector(aliases, "noise_aliases", vocab_size));
  const int64_t* const threshold = Data<int64_t>(thresholds);
  const int32_t* const alias = Data<int32_t>(aliases);
  TF_RETURN_IF_ERROR(CheckIds(alias, vocab_size, "noise_aliases", vocab_size));
  std::vector<NoiseTable::Bucket> buckets(vocab_size);
  for (int64_t i = 0; i < vocab_size; ++i) {
    if (threshold[i] < 0 || threshold[i] > int64_t{1} << 32) {
      return Invalid("noise_thresholds must be in 0 to 2^32, but number ", i,
                     " is ", threshold[i], "; make them by noise_table()");
    }
    // A bucket that is the word's alone has it for its alias as well.
    const bool is_full = threshold[i] == int64_t{1} << 32;
    buckets[i] = {static_cast<uint32_t>(is_full ? 0 : threshold[i]),
                  is_full ? static_cast<int32_t>(i) : alias[i]};
  }
  return NoiseTable(std::move(buckets));
}

// The two variables that an op trains, locked while this lives.
class LockedEmbeddings {
 public:
  // Nobody else reads or writes the variables between the steps of training.
  absl::Status Lock(OpKernelContext* context) {
    TF_RETURN_IF_ERROR(Find(context, 0, &in_));
    TF_RETURN_IF_ERROR(Find(context, 1, &out_));
    if (in_.get() == out_.get()) {
      return Invalid(
          "w_in and w_out must be two variables, but are one; make another");
    }
    // In the order of their addresses, so that two ops cannot lock each other.
    const bool in_first = std::less<Var*>()(in_.get(), out_.get());
    first_.emplace(*(in_first ? in_ : out_)->mu());
    second_.emplace(*(in_first ? out_ : in_)->mu());
    TF_RETURN_IF_ERROR(Check("w_in", in_.get()));
    TF_RETURN_IF_ERROR(Check("w_out", out_.get()));
    if (in_->tensor()->shape() != out_->tensor()->shape()) {
      return Invalid("w_in and w_out must have one shape, but have ",
                     in_->tensor()->shape().DebugString(), " and ",
                     out_->tensor()->shape().DebugString(),
                     "; make both of one vocabulary");
    }
    TF_RETURN_IF_ERROR(MakeOwner(context, in_.get()));
    return MakeOwner(context, out_.get());
  }

  Embeddings get() const {
    return {MutableData<float>(in_->tensor()),
            MutableData<float>(out_->tensor()),
            static_cast<int>(in_->tensor()->dim_size(1))};
  }
  int64_t vocab_size() const { return in_->tensor()->dim_size(0); }

 private:
  static absl::Status Find(OpKernelContext* context, int input,
                           tensorflow::core::RefCountPtr<Var>* var) {
    tensorflow::ResourceHandle handle;
    TF_RETURN_IF_ERROR(tensorflow::HandleFromInput(context, input, &handle));
    return tensorflow::LookupResource(context, handle, var);
  }

  static absl::Status Check(const char* name, Var* var) {
    const Tensor& tensor = *var->tensor();
    if (!tensor.IsInitialized() || tensor.dtype() != tensorflow::DT_FLOAT ||
        tensor.dims() != 2 || tensor.dim_size(0) < 1 ||
        tensor.dim_size(0) > std::numeric_limits<int32_t>::max() ||
        tensor.dim_size(1) < 1 || tensor.dim_size(1) > kMaxDim) {
      return Invalid(name,
                     " must be an initialised float32 variable of shape "
                     "[vocabulary, numbers of a vector], of which there may be "
                     "1 to ",
                     kMaxDim, ", but is ",
                     tensorflow::DataTypeString(tensor.dtype()), " ",
                     tensor.shape().DebugString(), "; make it so");
    }
    return absl::OkStatus();
  }

  // A tensor that was read from the variable may share its memory: then the
  // variable gets memory of its own, so that the other does not change.
  static absl::Status MakeOwner(OpKernelContext* context, Var* var) {
    if (var->tensor()->RefCountIsOne()) return absl::OkStatus();
    Tensor copy;
    TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_FLOAT,
                                              var->tensor()->shape(), &copy));
    std::copy_n(Data<float>(*var->tensor()), copy.NumElements(),
                MutableData<float>(&copy));
    *var->tensor() = copy;
    return absl::OkStatus();
  }

  tensorflow::core::RefCountPtr<Var> in_, out_;
  std::optional<tensorflow::mutex_lock> first_, second_;
};

// The vocabulary as the two tensors that ops give out.
struct Vocabulary {
  explicit Vocabulary(const Corpus& corpus)
      : words(tensorflow::DT_STRING,
              TensorShape({static_cast<int64_t>(corpus.words.size())})),
        counts(tensorflow::DT_INT32, words.shape()) {
    std::copy(corpus.words.begin(), corpus.words.end(),
              MutableData<tstring>(&words));
    std::copy(corpus.counts.begin(), corpus.counts.end(),
              MutableData<int32_t>(&counts));
  }

  Tensor words, counts;
};

class CorpusOp : public OpKernel {
 public:
  explicit CorpusOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("filename", &filename_));
    OP_REQUIRES_OK(context, context->GetAttr("min_count", &min_count_));
    OP_REQUIRES_OK(context, context->GetAttr("window_size", &window_size_));
  }

  void Compute(OpKernelContext* context) override {
    const absl::StatusOr<Corpus> corpus = ReadCorpus(
        filename_, min_count_, kWindowsInCorpus * int64_t{window_size_});
    OP_REQUIRES_OK(context, corpus.status());
    const Vocabulary vocabulary(*corpus);
    context->set_output(0, vocabulary.words);
    context->set_output(1, vocabulary.counts);
    Tensor* ids;
    OP_REQUIRES_OK(context, context->allocate_output(
                                2, TensorShape({corpus->num_words()}), &ids));
    std::copy(corpus->ids.begin(), corpus->ids.end(),
              MutableData<int32_t>(ids));
  }

 private:
  std::string filename_;
  int min_count_, window_size_;
};

class SkipgramOp : public OpKernel {
 public:
  explicit SkipgramOp(OpKernelConstruction* context) : OpKernel(context) {
    std::string filename;
    int min_count, window_size;
    int64_t seed;
    float subsample;
    OP_REQUIRES_OK(context, context->GetAttr("filename", &filename));
    OP_REQUIRES_OK(context, context->GetAttr("min_count", &min_count));
    OP_REQUIRES_OK(context, context->GetAttr("window_size", &window_size));
    OP_REQUIRES_OK(context, context->GetAttr("seed", &seed));
    OP_REQUIRES_OK(context, context->GetAttr("subsample", &subsample));
    OP_REQUIRES_OK(context, context->GetAttr("batch_size", &batch_size_));
    auto corpus = SharedCorpus(filename, min_count,
                               kWindowsInCorpus * int64_t{window_size});
    OP_REQUIRES_OK(context, corpus.status());
    vocabulary_.emplace(**corpus);
    num_words_ = (*corpus)->num_words();
    auto stream = PairStream::Create(*corpus, window_size, subsample, seed);
    OP_REQUIRES_OK(context, stream.status());
    stream_ = *std::move(stream);
  }

  void Compute(OpKernelContext* context) override {
    const Tensor& position = context->input(0);
    const Tensor& shard = context->input(1);
    OP_REQUIRES_OK(context, CheckVector(position, "position", 2));
    OP_REQUIRES_OK(context, CheckVector(shard, "shard", 2));
    Tensor* examples = Allocate(context, 5, TensorShape({batch_size_}));
    Tensor* labels = Allocate(context, 6, TensorShape({batch_size_}));
    if (examples == nullptr || labels == nullptr) return;
    const auto progress = stream_->Read(
        {Data<int64_t>(position)[0], Data<int64_t>(position)[1]},
        {Data<int64_t>(shard)[0], Data<int64_t>(shard)[1]}, batch_size_,
        MutableData<int32_t>(examples), MutableData<int32_t>(labels));
    OP_REQUIRES_OK(context, progress.status());
    context->set_output(0, vocabulary_->words);
    context->set_output(1, vocabulary_->counts);
    context->set_output(2, Tensor(num_words_));
    context->set_output(3, Tensor(static_cast<int32_t>(progress->epoch)));
    context->set_output(4, Tensor(progress->words_processed));
    if (Tensor* next = Allocate(context, 7, TensorShape({2}))) {
      MutableData<int64_t>(next)[0] = progress->next.word;
      MutableData<int64_t>(next)[1] = progress->next.pair;
    }
  }

 private:
  // An output's tensor; null when there is no room, which the context knows.
  static Tensor* Allocate(OpKernelContext* context, int i,
                          const TensorShape& shape) {
    Tensor* tensor = nullptr;
    const absl::Status status = context->allocate_output(i, shape, &tensor);
    if (!status.ok()) context->SetStatus(status);
    return tensor;
  }

  int64_t num_words_, batch_size_;
  std::optional<Vocabulary> vocabulary_;
  std::unique_ptr<PairStream> stream_;
};

class NegTrainOp : public OpKernel {
 public:
  explicit NegTrainOp(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context,
                   context->GetAttr("num_negative_samples", &num_negatives_));
    OP_REQUIRES_OK(context, CheckNegatives(num_negatives_));
    OP_REQUIRES_OK(context, context->GetAttr("seed", &seed_));
  }

  void Compute(OpKernelContext* context) override {
    LockedEmbeddings embeddings;
    OP_REQUIRES_OK(context, embeddings.Lock(context));
    const int64_t vocab_size = embeddings.vocab_size();
    const Tensor& examples = context->input(2);
    const Tensor& labels = context->input(3);
    const int64_t num_pairs = examples.NumElements();
    OP_REQUIRES_OK(context, CheckVector(examples, "examples", num_pairs));
    OP_REQUIRES_OK(context, CheckVector(labels, "labels", num_pairs));
    OP_REQUIRES_OK(context, CheckScalar(context->input(4), "learning_rate"));
    OP_REQUIRES_OK(context, CheckScalar(context->input(7), "first_example"));
    const int32_t* const example_ids = Data<int32_t>(examples);
    const int32_t* const label_ids = Data<int32_t>(labels);
    OP_REQUIRES_OK(context,
                   CheckIds(example_ids, num_pairs, "examples", vocab_size));
    OP_REQUIRES_OK(context,
                   CheckIds(label_ids, num_pairs, "labels", vocab_size));
    const auto noise =
        ToNoiseTable(context->input(5), context->input(6), vocab_size);
    OP_REQUIRES_OK(context, noise.status());
    TrainPairs(embeddings.get(), example_ids, label_ids, num_pairs,
               *Data<float>(context->input(4)), *noise, num_negatives_, seed_,
               *Data<int64_t>(context->input(7)));
  }

 private:
  int num_negatives_;
  int64_t seed_;
};

class TrainSentencesOp : public OpKernel {
 public:
  explicit TrainSentencesOp(OpKernelConstruction* context) : OpKernel(context) {
    std::string instructions;
    OP_REQUIRES_OK(context, context->GetAttr("window_size", &window_size_));
    OP_REQUIRES_OK(context,
                   context->GetAttr("num_negative_samples", &num_negatives_));
    OP_REQUIRES_OK(context, context->GetAttr("seed", &seed_));
    OP_REQUIRES_OK(context, context->GetAttr("num_threads", &num_threads_));
    OP_REQUIRES_OK(context, context->GetAttr("instructions", &instructions));
    OP_REQUIRES_OK(context, CheckNegatives(num_negatives_));
    OP_REQUIRES(context, window_size_ <= kMaxWindow,
                Invalid("window_size must be at most ", kMaxWindow, ", but is ",
                        window_size_, "; 5 is usual"));
    OP_REQUIRES_OK(context, kernels::Choose(instructions, &instructions_));
  }

  void Compute(OpKernelContext* context) override {
    LockedEmbeddings embeddings;
    OP_REQUIRES_OK(context, embeddings.Lock(context));
    const int64_t vocab_size = embeddings.vocab_size();
    std::vector<Sentence> sentences;
    OP_REQUIRES_OK(context, ReadSentences(context, vocab_size, &sentences));
    const Tensor& keep = context->input(5);
    OP_REQUIRES_OK(context, CheckVector(keep, "keep", vocab_size));
    const auto noise =
        ToNoiseTable(context->input(6), context->input(7), vocab_size);
    OP_REQUIRES_OK(context, noise.status());
    const Settings settings = {window_size_, num_negatives_, seed_,
                               Data<float>(keep), &*noise};
    const Loss loss = Train(context, embeddings.get(), settings, sentences);
    Tensor* output;
    OP_REQUIRES_OK(context,
                   context->allocate_output(0, TensorShape({}), &output));
    *MutableData<float>(output) =
        loss.num_pairs > 0 ? static_cast<float>(loss.sum / loss.num_pairs) : 0;
  }

 private:
  // Takes the inputs apart, and checks them.
  static absl::Status ReadSentences(OpKernelContext* context,
                                    int64_t vocab_size,
                                    std::vector<Sentence>* sentences) {
    const Tensor& words = context->input(2);
    if (words.dims() != 2 ||
        words.dim_size(1) > std::numeric_limits<int32_t>::max()) {
      return Invalid("sentences must have the shape [batch, words], but have ",
                     words.shape().DebugString(),
                     "; put -1 after the words of shorter ones");
    }
    const int64_t batch_size = words.dim_size(0);
    const int64_t length = words.dim_size(1);
    const Tensor& positions = context->input(3);
    const Tensor& learning_rates = context->input(4);
    TF_RETURN_IF_ERROR(CheckVector(positions, "positions", batch_size));
    TF_RETURN_IF_ERROR(
        CheckVector(learning_rates, "learning_rates", batch_size));
    for (int64_t i = 0; i < batch_size; ++i) {
      const int32_t* const begin = Data<int32_t>(words) + i * length;
      const int32_t* const end = std::find(begin, begin + length, -1);
      const std::string name = absl::StrCat("sentences[", i, "]");
      TF_RETURN_IF_ERROR(
          CheckIds(begin, end - begin, name.c_str(), vocab_size));
      sentences->push_back({begin, static_cast<int>(end - begin),
                            Data<int64_t>(positions)[i],
                            Data<float>(learning_rates)[i]});
    }
    return absl::OkStatus();
  }

  // Each thread takes the next sentence that nobody has taken yet.
  Loss Train(OpKernelContext* context, const Embeddings& embeddings,
             const Settings& settings,
             const std::vector<Sentence>& sentences) const {
    std::atomic<size_t> next(0);
    std::mutex mutex;
    Loss total;
    const auto train = [&](int64_t, int64_t) {
      SentenceTrainer trainer(instructions_, embeddings, settings);
      Loss loss;
      for (size_t i = next++; i < sentences.size(); i = next++) {
        trainer.Train(sentences[i], &loss);
      }
      std::lock_guard<std::mutex> lock(mutex);
      total.sum += loss.sum;
      total.num_pairs += loss.num_pairs;
    };
    auto* const pool =
        context->device()->tensorflow_cpu_worker_threads()->workers;
    int64_t threads = pool->NumThreads();
    if (num_threads_ > 0) threads = std::min<int64_t>(threads, num_threads_);
    if (threads <= 1) {
      train(0, 1);
    } else {
      using Scheduling = tensorflow::thread::ThreadPool::SchedulingParams;
      pool->ParallelFor(threads, Scheduling::Fixed(1), train);
    }
    return total;
  }

  int window_size_, num_negatives_, num_threads_;
  int64_t seed_;
  InstructionSet instructions_;
};

#define REGISTER(op, kernel) \
  REGISTER_KERNEL_BUILDER(Name(op).Device(tensorflow::DEVICE_CPU), kernel)

REGISTER("Estimators>CorpusWord2vec", CorpusOp);
REGISTER("Estimators>SkipgramWord2vec", SkipgramOp);
REGISTER("Estimators>NegTrainWord2vec", NegTrainOp);
REGISTER("Estimators>TrainSentencesWord2vec", TrainSentencesOp);

}  // namespace
}  // namespace word2vec
