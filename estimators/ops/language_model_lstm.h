// An LSTM layer over a whole sequence, forwards and backwards; knows no
// TensorFlow.
#ifndef ESTIMATORS_OPS_LANGUAGE_MODEL_LSTM_H_
#define ESTIMATORS_OPS_LANGUAGE_MODEL_LSTM_H_

#include "language_model_product.h"

namespace language_model {

// T steps of a batch of B, inputs of D floats, H units. All are row-major, with
// the time first; gates come in the order i, f, g, o.
struct Lstm {
  int num_steps;
  int batch_size;
  int input_dim;
  int num_units;
  const float* inputs;            // [T, B, D]
  const float* kernel;            // [D, 4 H]
  const float* recurrent_kernel;  // [H, 4 H]
  const float* first_h;           // [B, H]
  const float* first_c;           // [B, H]
};

// What the forward pass finds.
struct LstmOutputs {
  float* h;      // [T, B, H]
  float* c;      // [T, B, H]
  float* gates;  // [T, B, 4 H], the activations
};

// Gradients of a loss by the outputs, ...
struct LstmOutputGradients {
  const float* h;  // [T, B, H]
  const float* c;  // [T, B, H]
};

// ... and by what the outputs were made of.
struct LstmGradients {
  float* inputs;
  float* kernel;
  float* recurrent_kernel;
  float* bias;  // [4 H]
  float* first_h;
  float* first_c;
};

void RunLstm(const Simd& simd, const Parallel& parallel, const Lstm& lstm,
             const float* bias, const LstmOutputs& outputs);

void DifferentiateLstm(const Simd& simd, const Parallel& parallel,
                       const Lstm& lstm, const LstmOutputs& outputs,
                       const LstmOutputGradients& output_gradients,
                       const LstmGradients& gradients);

}  // namespace language_model

#endif  // ESTIMATORS_OPS_LANGUAGE_MODEL_LSTM_H_
