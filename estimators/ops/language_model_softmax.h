// The losses of a softmax over words, together with the product that makes its
// logits, forwards and backwards; knows no TensorFlow.
#ifndef ESTIMATORS_OPS_LANGUAGE_MODEL_SOFTMAX_H_
#define ESTIMATORS_OPS_LANGUAGE_MODEL_SOFTMAX_H_

#include "language_model_product.h"

namespace language_model {

// The vocabulary is gone through in blocks of so many words, so that the logits
// of a block are still in the cache when they are needed again.
inline constexpr int kSoftmaxBlock = 256;

// A row of logits of a block has room for whole vectors, and the distance of
// two is no power of two, which would put them in the same place of the cache.
inline constexpr int kSoftmaxStride = kSoftmaxBlock + 32;

inline int NumSoftmaxBlocks(int vocab_size) {
  return (vocab_size + kSoftmaxBlock - 1) / kSoftmaxBlock;
}

// N rows of D floats, V words. All are row-major.
struct Softmax {
  int num_rows;
  int dim;
  int vocab_size;
  const float* hidden;     // [N, D]
  const float* weights;    // [D, V]
  const int32_t* targets;  // [N], in 0..V-1
};

// What the gradient needs of the forward pass.
struct SoftmaxMemory {
  // [number of blocks, N, kSoftmaxStride], exp(logit - the block's maximum)
  float* exponentials;
  float* maxima;    // [number of blocks, N]
  float* log_sums;  // [N], log of the sum of exp(logit)
};

// Sets losses[n] = log_sums[n] - the logit of the target of n. Without room for
// exponentials (null) these are forgotten.
void RunSoftmax(const Simd& simd, const Parallel& parallel,
                const Softmax& softmax, const float* bias,
                const SoftmaxMemory& memory, float* losses);

// Gradients of a loss by what the losses were made of.
struct SoftmaxGradients {
  float* hidden;
  float* weights;
  float* bias;
};

void DifferentiateSoftmax(const Simd& simd, const Parallel& parallel,
                          const Softmax& softmax, const SoftmaxMemory& memory,
                          const float* loss_gradients,
                          const SoftmaxGradients& gradients);

}  // namespace language_model

#endif  // ESTIMATORS_OPS_LANGUAGE_MODEL_SOFTMAX_H_
