// The language model's ops on a CPU: these unpack and check, and call the
// functions of language_model_lstm.h and language_model_softmax.h.
#include <algorithm>
#include <atomic>
#include <functional>
#include <limits>
#include <new>
#include <string>

#include "absl/strings/str_cat.h"
#include "language_model_lstm.h"
#include "language_model_softmax.h"
#include "shared_kernels.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/lib/core/threadpool.h"

namespace language_model {
namespace {

using kernels::Invalid;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using vectors::InstructionSet;

const float* Data(const Tensor& tensor) { return kernels::Data<float>(tensor); }

// Makes sure that input `index` has a shape.
absl::Status CheckShape(OpKernelContext* context, int index,
                        const TensorShape& shape) {
  if (context->input(index).shape() == shape) return absl::OkStatus();
  return Invalid("input ", index, " must have the shape ", shape.DebugString(),
                 ", but has ", context->input(index).shape().DebugString(),
                 "; see estimators/ops/language_model.py for the shapes.");
}

absl::Status CheckRank(OpKernelContext* context, int index, int rank) {
  const TensorShape& shape = context->input(index).shape();
  if (shape.dims() == rank && shape.num_elements() > 0) {
    return absl::OkStatus();
  }
  return Invalid("input ", index, " must have ", rank,
                 " dimensions, none of them 0, but has the shape ",
                 shape.DebugString(),
                 "; see estimators/ops/language_model.py for the shapes.");
}

// An op that computes with vectors, on TensorFlow's threads.
class VectorKernel : public OpKernel {
 public:
  explicit VectorKernel(OpKernelConstruction* context) : OpKernel(context) {
    std::string name;
    InstructionSet instructions;
    OP_REQUIRES_OK(context, context->GetAttr("instructions", &name));
    OP_REQUIRES_OK(context, kernels::Choose(name, &instructions));
    simd_ = &SimdOf(instructions);
  }

  void Compute(OpKernelContext* context) final {
    try {
      Run(context);
    } catch (const std::bad_alloc&) {
      context->SetStatus(absl::ResourceExhaustedError(absl::StrCat(
          name(),
          " needs more memory than there is; take a smaller batch, or "
          "fewer steps at a time.")));
    }
  }

 protected:
  const Simd& simd() const { return *simd_; }

  // Computes what `Compute` is to.
  virtual void Run(OpKernelContext* context) = 0;

  static Parallel ParallelOf(OpKernelContext* context) {
    using Scheduling = tensorflow::thread::ThreadPool::SchedulingParams;
    tensorflow::thread::ThreadPool* const pool =
        context->device()->tensorflow_cpu_worker_threads()->workers;
    return [pool](int64_t n, const std::function<void(int64_t)>& f) {
      if (n == 1) return f(0);
      std::atomic<int64_t> next = 0;
      std::atomic<bool> lacks_memory = false;
      const auto work = [&](int64_t, int64_t) {
        try {
          for (int64_t i = next++; i < n; i = next++) f(i);
        } catch (const std::bad_alloc&) {
          // TensorFlow's threads know no exceptions.
          lacks_memory = true;
        }
      };
      // No more than there are threads, of which this is one: with more the
      // pool would leave it idle, and let it wait for another to wake up.
      const int64_t num_workers = std::min<int64_t>(n, pool->NumThreads());
      pool->ParallelFor(num_workers, Scheduling::Fixed(1), work);
      if (lacks_memory) throw std::bad_alloc();
    };
  }

  // Makes output `index`; null, with an error in the context, if there is no
  // memory.
  static float* Output(OpKernelContext* context, int index,
                       const TensorShape& shape) {
    Tensor* output = nullptr;
    const absl::Status status = context->allocate_output(index, shape, &output);
    if (!status.ok()) {
      context->SetStatus(status);
      return nullptr;
    }
    return kernels::MutableData<float>(output);
  }

 private:
  const Simd* simd_ = nullptr;
};

// The LSTM of the first six inputs.
absl::Status LstmOf(OpKernelContext* context, Lstm* lstm) {
  TF_RETURN_IF_ERROR(CheckRank(context, 0, 3));
  TF_RETURN_IF_ERROR(CheckRank(context, 4, 2));
  const TensorShape& inputs = context->input(0).shape();
  const int64_t batch_size = inputs.dim_size(1);
  const int64_t units = context->input(4).dim_size(1);
  TF_RETURN_IF_ERROR(
      CheckShape(context, 1, TensorShape({inputs.dim_size(2), 4 * units})));
  TF_RETURN_IF_ERROR(CheckShape(context, 2, TensorShape({units, 4 * units})));
  TF_RETURN_IF_ERROR(CheckShape(context, 3, TensorShape({4 * units})));
  TF_RETURN_IF_ERROR(CheckShape(context, 4, TensorShape({batch_size, units})));
  TF_RETURN_IF_ERROR(CheckShape(context, 5, TensorShape({batch_size, units})));
  constexpr int64_t kMost = std::numeric_limits<int>::max();
  if (inputs.dim_size(0) * batch_size > kMost || 4 * units > kMost ||
      inputs.dim_size(2) > kMost) {
    return Invalid(
        "T x B, D and 4 H must be below 2^31: inputs have the shape ",
        inputs.DebugString(), ", and H is ", units,
        "; take fewer steps at a time.");
  }
  *lstm = {static_cast<int>(inputs.dim_size(0)),
           static_cast<int>(batch_size),
           static_cast<int>(inputs.dim_size(2)),
           static_cast<int>(units),
           Data(context->input(0)),
           Data(context->input(1)),
           Data(context->input(2)),
           Data(context->input(4)),
           Data(context->input(5))};
  return absl::OkStatus();
}

class LstmKernel : public VectorKernel {
 public:
  using VectorKernel::VectorKernel;

  void Run(OpKernelContext* context) override {
    Lstm lstm;
    OP_REQUIRES_OK(context, LstmOf(context, &lstm));
    const TensorShape states({lstm.num_steps, lstm.batch_size, lstm.num_units});
    const TensorShape gates(
        {lstm.num_steps, lstm.batch_size, 4 * lstm.num_units});
    const LstmOutputs outputs = {Output(context, 0, states),
                                 Output(context, 1, states),
                                 Output(context, 2, gates)};
    if (!context->status().ok()) return;
    RunLstm(simd(), ParallelOf(context), lstm, Data(context->input(3)),
            outputs);
  }
};

class LstmGradKernel : public VectorKernel {
 public:
  using VectorKernel::VectorKernel;

  void Run(OpKernelContext* context) override {
    Lstm lstm;
    OP_REQUIRES_OK(context, LstmOf(context, &lstm));
    const TensorShape states({lstm.num_steps, lstm.batch_size, lstm.num_units});
    for (const int index : {6, 7, 9, 10}) {
      OP_REQUIRES_OK(context, CheckShape(context, index, states));
    }
    OP_REQUIRES_OK(context,
                   CheckShape(context, 8,
                              TensorShape({lstm.num_steps, lstm.batch_size,
                                           4 * lstm.num_units})));
    float* gradients[6];
    for (int i = 0; i < 6; ++i) {
      gradients[i] = Output(context, i, context->input(i).shape());
    }
    if (!context->status().ok()) return;
    // These are only read.
    const LstmOutputs outputs = {const_cast<float*>(Data(context->input(6))),
                                 const_cast<float*>(Data(context->input(7))),
                                 const_cast<float*>(Data(context->input(8)))};
    DifferentiateLstm(simd(), ParallelOf(context), lstm, outputs,
                      {Data(context->input(9)), Data(context->input(10))},
                      {gradients[0], gradients[1], gradients[2], gradients[3],
                       gradients[4], gradients[5]});
  }
};

// The softmax of the first four inputs.
absl::Status SoftmaxOf(OpKernelContext* context, Softmax* softmax) {
  TF_RETURN_IF_ERROR(CheckRank(context, 0, 2));
  TF_RETURN_IF_ERROR(CheckRank(context, 1, 2));
  const int64_t rows = context->input(0).dim_size(0);
  const int64_t dim = context->input(0).dim_size(1);
  const int64_t vocab_size = context->input(1).dim_size(1);
  TF_RETURN_IF_ERROR(CheckShape(context, 1, TensorShape({dim, vocab_size})));
  TF_RETURN_IF_ERROR(CheckShape(context, 2, TensorShape({vocab_size})));
  TF_RETURN_IF_ERROR(CheckShape(context, 3, TensorShape({rows})));
  constexpr int64_t kMost = std::numeric_limits<int>::max() - kSoftmaxBlock;
  if (rows > kMost || vocab_size > kMost || dim > kMost) {
    return Invalid("N, D and V must be below 2^31 - ", kSoftmaxBlock,
                   ", but are ", rows, ", ", dim, " and ", vocab_size,
                   "; take fewer rows at a time.");
  }
  const int32_t* const targets = kernels::Data<int32_t>(context->input(3));
  for (int64_t n = 0; n < rows; ++n) {
    if (targets[n] < 0 || targets[n] >= vocab_size) {
      return Invalid("targets must be in 0..", vocab_size - 1, ", but target ",
                     n, " is ", targets[n],
                     "; the vocabulary must have all words.");
    }
  }
  *softmax = {static_cast<int>(rows),       static_cast<int>(dim),
              static_cast<int>(vocab_size), Data(context->input(0)),
              Data(context->input(1)),      targets};
  return absl::OkStatus();
}

TensorShape ExponentialsShape(const Softmax& softmax) {
  return TensorShape(
      {NumSoftmaxBlocks(softmax.vocab_size), softmax.num_rows, kSoftmaxStride});
}

class SoftmaxLossesKernel : public VectorKernel {
 public:
  explicit SoftmaxLossesKernel(OpKernelConstruction* context)
      : VectorKernel(context) {
    OP_REQUIRES_OK(context,
                   context->GetAttr("differentiable", &differentiable_));
  }

  void Run(OpKernelContext* context) override {
    Softmax softmax;
    OP_REQUIRES_OK(context, SoftmaxOf(context, &softmax));
    const int64_t rows = softmax.num_rows;
    float* const losses = Output(context, 0, TensorShape({rows}));
    SoftmaxMemory memory = {
        Output(context, 1,
               differentiable_ ? ExponentialsShape(softmax)
                               : TensorShape({0, 0, 0})),
        Output(context, 2,
               TensorShape({NumSoftmaxBlocks(softmax.vocab_size), rows})),
        Output(context, 3, TensorShape({rows}))};
    if (!context->status().ok()) return;
    if (!differentiable_) memory.exponentials = nullptr;
    RunSoftmax(simd(), ParallelOf(context), softmax, Data(context->input(2)),
               memory, losses);
  }

 private:
  bool differentiable_;
};

class SoftmaxLossesGradKernel : public VectorKernel {
 public:
  using VectorKernel::VectorKernel;

  void Run(OpKernelContext* context) override {
    Softmax softmax;
    OP_REQUIRES_OK(context, SoftmaxOf(context, &softmax));
    const int64_t rows = softmax.num_rows;
    const int64_t num_blocks = NumSoftmaxBlocks(softmax.vocab_size);
    OP_REQUIRES_OK(context, CheckShape(context, 4, ExponentialsShape(softmax)));
    OP_REQUIRES_OK(context,
                   CheckShape(context, 5, TensorShape({num_blocks, rows})));
    OP_REQUIRES_OK(context, CheckShape(context, 6, TensorShape({rows})));
    OP_REQUIRES_OK(context, CheckShape(context, 7, TensorShape({rows})));
    float* gradients[3];
    for (int i = 0; i < 3; ++i) {
      gradients[i] = Output(context, i, context->input(i).shape());
    }
    if (!context->status().ok()) return;
    // These are only read.
    const SoftmaxMemory memory = {const_cast<float*>(Data(context->input(4))),
                                  const_cast<float*>(Data(context->input(5))),
                                  const_cast<float*>(Data(context->input(6)))};
    DifferentiateSoftmax(simd(), ParallelOf(context), softmax, memory,
                         Data(context->input(7)),
                         {gradients[0], gradients[1], gradients[2]});
  }
};

REGISTER_KERNEL_BUILDER(Name("Estimators>Lstm").Device(tensorflow::DEVICE_CPU),
                        LstmKernel);
REGISTER_KERNEL_BUILDER(
    Name("Estimators>LstmGrad").Device(tensorflow::DEVICE_CPU), LstmGradKernel);
REGISTER_KERNEL_BUILDER(
    Name("Estimators>SoftmaxLosses").Device(tensorflow::DEVICE_CPU),
    SoftmaxLossesKernel);
REGISTER_KERNEL_BUILDER(
    Name("Estimators>SoftmaxLossesGrad").Device(tensorflow::DEVICE_CPU),
    SoftmaxLossesGradKernel);

}  // namespace
}  // namespace language_model
