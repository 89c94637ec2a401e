#include "language_model_softmax.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

namespace language_model {
namespace {

// Rows whose logits of a block fit into the cache.
constexpr int kRows = 400;
// The gradient of hidden is a sum over the blocks. So many sums are made side
// by side, on as many threads at most: a number that must not depend on that of
// the threads, or the bits would.
constexpr int kParts = 8;

// Words of the vocabulary.
struct Block {
  int index;
  int first;
  int size;
};

Block BlockAt(const Softmax& softmax, int index) {
  const int first = index * kSoftmaxBlock;
  return {index, first, std::min(kSoftmaxBlock, softmax.vocab_size - first)};
}

// Sets the maxima and the exponentials of one block for some rows, the sums of
// these, and the logits of the targets that are in the block.
void RunBlock(const Simd& simd, const Softmax& softmax, const float* bias,
              const Block& block, int first_row, int num_rows,
              const SoftmaxMemory& memory, float* sums, float* target_logits) {
  const ptrdiff_t place =
      static_cast<ptrdiff_t>(block.index) * softmax.num_rows + first_row;
  std::unique_ptr<float[]> scratch;
  float* logits;
  if (memory.exponentials != nullptr) {
    logits = memory.exponentials + place * kSoftmaxStride;
  } else {
    scratch.reset(new float[static_cast<size_t>(num_rows) * kSoftmaxStride]);
    logits = scratch.get();
  }
  const View hidden =
      RowMajor(softmax.hidden + static_cast<ptrdiff_t>(first_row) * softmax.dim,
               softmax.dim);
  Panels weights(simd, softmax.dim, block.size);
  const View columns =
      RowMajor(softmax.weights + block.first, softmax.vocab_size);
  weights.Pack(columns, 0, weights.num_panels());
  weights.Multiply(num_rows, hidden, logits, kSoftmaxStride, false);
  for (int r = 0; r < num_rows; ++r) {
    float* const row = logits + r * kSoftmaxStride;
    const int target = softmax.targets[first_row + r] - block.first;
    if (target >= 0 && target < block.size) {
      target_logits[first_row + r] = row[target] + bias[block.first + target];
    }
    memory.maxima[place + r] = simd.exponentials(bias + block.first, block.size,
                                                 row, &sums[place + r]);
  }
}

}  // namespace

void RunSoftmax(const Simd& simd, const Parallel& parallel,
                const Softmax& softmax, const float* bias,
                const SoftmaxMemory& memory, float* losses) {
  const int rows = softmax.num_rows;
  const int num_blocks = NumSoftmaxBlocks(softmax.vocab_size);
  std::vector<float> sums(static_cast<size_t>(num_blocks) * rows);
  std::vector<float> target_logits(rows);
  const int num_chunks = (rows + kRows - 1) / kRows;
  parallel(static_cast<int64_t>(num_chunks) * num_blocks, [&](int64_t i) {
    const int first_row = static_cast<int>(i / num_blocks) * kRows;
    RunBlock(simd, softmax, bias, BlockAt(softmax, i % num_blocks), first_row,
             std::min(kRows, rows - first_row), memory, sums.data(),
             target_logits.data());
  });
  for (int n = 0; n < rows; ++n) {
    float maximum = memory.maxima[n];
    for (int block = 1; block < num_blocks; ++block) {
      maximum = std::max(
          maximum, memory.maxima[static_cast<ptrdiff_t>(block) * rows + n]);
    }
    double sum = 0;
    for (int block = 0; block < num_blocks; ++block) {
      const ptrdiff_t place = static_cast<ptrdiff_t>(block) * rows + n;
      sum += sums[place] * std::exp(memory.maxima[place] - maximum);
    }
    memory.log_sums[n] = maximum + static_cast<float>(std::log(sum));
    losses[n] = memory.log_sums[n] - target_logits[n];
  }
}

namespace {

// Room for the gradients of the logits of a block, one for each thread's work.
class BlockGradient {
 public:
  BlockGradient(const Simd& simd, const Softmax& softmax)
      : simd_(simd),
        softmax_(softmax),
        dlogits_(new float[static_cast<size_t>(softmax.num_rows) *
                           kSoftmaxStride]()) {}

  // Sets the block's gradients of weights and bias, and adds to `dhidden`.
  void Run(const Block& block, const SoftmaxMemory& memory,
           const float* loss_gradients, const SoftmaxGradients& gradients,
           float* dhidden, bool add) {
    SetLogits(block, memory, loss_gradients, gradients.bias + block.first);
    const int rows = softmax_.num_rows;
    const int dim = softmax_.dim;
    for (int d = 0; d < dim; ++d) {
      const float* const row = softmax_.weights + block.first +
                               static_cast<ptrdiff_t>(d) * softmax_.vocab_size;
      for (int i = 0; i < block.size; i += 16)
        __builtin_prefetch(row + i, 0, 2);
    }
    MultiplyPadded(simd_, dim, block.size, rows,
                   Transposed(softmax_.hidden, dim), dlogits_.get(),
                   kSoftmaxStride, gradients.weights + block.first,
                   softmax_.vocab_size, false);
    Panels weights(simd_, block.size, dim);
    const View columns =
        Transposed(softmax_.weights + block.first, softmax_.vocab_size);
    weights.Pack(columns, 0, weights.num_panels());
    weights.Multiply(rows, RowMajor(dlogits_.get(), kSoftmaxStride), dhidden,
                     dim, add);
  }

 private:
  void SetLogits(const Block& block, const SoftmaxMemory& memory,
                 const float* loss_gradients, float* dbias) {
    std::fill_n(dbias, block.size, 0.0f);
    const int rows = softmax_.num_rows;
    const ptrdiff_t place = static_cast<ptrdiff_t>(block.index) * rows;
    for (ptrdiff_t n = 0; n < rows; ++n) {
      const float gradient = loss_gradients[n];
      const float factor =
          gradient * std::exp(memory.maxima[place + n] - memory.log_sums[n]);
      float* const row = dlogits_.get() + n * kSoftmaxStride;
      simd_.scaled(memory.exponentials + (place + n) * kSoftmaxStride, factor,
                   block.size, row, dbias);
      const int target = softmax_.targets[n] - block.first;
      if (target >= 0 && target < block.size) {
        row[target] -= gradient;
        dbias[target] -= gradient;
      }
    }
  }

  const Simd& simd_;
  const Softmax& softmax_;
  std::unique_ptr<float[]> dlogits_;
};

}  // namespace

void DifferentiateSoftmax(const Simd& simd, const Parallel& parallel,
                          const Softmax& softmax, const SoftmaxMemory& memory,
                          const float* loss_gradients,
                          const SoftmaxGradients& gradients) {
  const int num_blocks = NumSoftmaxBlocks(softmax.vocab_size);
  const int num_parts = std::min(kParts, num_blocks);
  const ptrdiff_t size = static_cast<ptrdiff_t>(softmax.num_rows) * softmax.dim;
  // The first part's sum is made in place.
  std::vector<float> sums((num_parts - 1) * size);
  parallel(num_parts, [&](int64_t part) {
    float* const dhidden =
        part ? sums.data() + (part - 1) * size : gradients.hidden;
    BlockGradient gradient(simd, softmax);
    for (int block = part; block < num_blocks; block += num_parts) {
      gradient.Run(BlockAt(softmax, block), memory, loss_gradients, gradients,
                   dhidden, block != part);
    }
  });
  parallel(softmax.num_rows, [&](int64_t n) {
    float* const total = gradients.hidden + n * softmax.dim;
    for (int part = 1; part < num_parts; ++part) {
      const float* const sum =
          sums.data() + (part - 1) * size + n * softmax.dim;
      for (int i = 0; i < softmax.dim; ++i) total[i] += sum[i];
    }
  });
}

}  // namespace language_model
