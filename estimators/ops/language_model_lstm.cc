#include "language_model_lstm.h"

#include <algorithm>
#include <memory>

namespace language_model {
namespace {

// Rows of a batch that go through time together, on one thread: a tile.
void ForRows(const Simd& simd, const Parallel& parallel, int batch_size,
             const std::function<void(int first, int num_rows)>& f) {
  const int size = simd.tile_rows;
  parallel((batch_size + size - 1) / size, [&](int64_t i) {
    const int first = static_cast<int>(i) * size;
    f(first, std::min(size, batch_size - first));
  });
}

// c = a b for the rows of some examples of a batch, at all steps.
void MultiplyAllSteps(const Lstm& lstm, int first, int num_rows, const View& a,
                      const Panels& b, float* c, ptrdiff_t c_row) {
  for (int panel = 0; panel < b.num_panels(); ++panel) {
    for (int t = 0; t < lstm.num_steps; ++t) {
      const ptrdiff_t row = static_cast<ptrdiff_t>(t) * lstm.batch_size + first;
      b.Multiply(num_rows, {a.data + row * a.row, a.row, a.column}, 0,
                 b.depth(), panel, c + row * c_row, c_row, false);
    }
  }
}

// The state before step t.
const float* Before(const float* first, const float* states, int t,
                    ptrdiff_t size) {
  return t ? states + (t - 1) * size : first;
}

}  // namespace

void RunLstm(const Simd& simd, const Parallel& parallel, const Lstm& lstm,
             const float* bias, const LstmOutputs& outputs) {
  const int units = lstm.num_units;
  const ptrdiff_t num_gates = 4 * static_cast<ptrdiff_t>(units);
  const ptrdiff_t state_size = lstm.batch_size * static_cast<ptrdiff_t>(units);
  Panels kernel(simd, lstm.input_dim, num_gates);
  Panels recurrent(simd, units, num_gates);
  PackAll({{RowMajor(lstm.kernel, num_gates), &kernel},
           {RowMajor(lstm.recurrent_kernel, num_gates), &recurrent}},
          parallel);

  ForRows(simd, parallel, lstm.batch_size, [&](int first, int num_rows) {
    MultiplyAllSteps(lstm, first, num_rows,
                     RowMajor(lstm.inputs, lstm.input_dim), kernel,
                     outputs.gates, num_gates);
    const ptrdiff_t offset = static_cast<ptrdiff_t>(first) * units;
    for (int t = 0; t < lstm.num_steps; ++t) {
      const float* const h =
          Before(lstm.first_h, outputs.h, t, state_size) + offset;
      const float* const c =
          Before(lstm.first_c, outputs.c, t, state_size) + offset;
      const ptrdiff_t now = t * state_size + offset;
      float* const gates = outputs.gates + 4 * now;
      for (int r = 0; r < num_rows; ++r) {
        for (int i = 0; i < num_gates; ++i) gates[r * num_gates + i] += bias[i];
      }
      recurrent.Multiply(num_rows, RowMajor(h, units), gates, num_gates, true);
      for (int r = 0; r < num_rows; ++r) {
        simd.cell({units, gates + r * num_gates, c + r * units,
                   outputs.c + now + r * units, outputs.h + now + r * units});
      }
    }
  });
}

namespace {

// Sets the gradients of the sums of all gates, of the inputs and of the first
// state.
void SetGateGradients(const Simd& simd, const Parallel& parallel,
                      const Lstm& lstm, const LstmOutputs& outputs,
                      const LstmOutputGradients& output_gradients,
                      float* dgates, const LstmGradients& gradients) {
  const int units = lstm.num_units;
  const ptrdiff_t num_gates = 4 * static_cast<ptrdiff_t>(units);
  const ptrdiff_t state_size = lstm.batch_size * static_cast<ptrdiff_t>(units);
  Panels kernel(simd, num_gates, lstm.input_dim);
  Panels recurrent(simd, num_gates, units);
  PackAll({{Transposed(lstm.kernel, num_gates), &kernel},
           {Transposed(lstm.recurrent_kernel, num_gates), &recurrent}},
          parallel);
  std::fill_n(gradients.first_h, state_size, 0.0f);
  std::fill_n(gradients.first_c, state_size, 0.0f);

  ForRows(simd, parallel, lstm.batch_size, [&](int first, int num_rows) {
    const ptrdiff_t offset = static_cast<ptrdiff_t>(first) * units;
    const ptrdiff_t size = static_cast<ptrdiff_t>(num_rows) * units;
    // By the state after the step at hand; in the end by the first one.
    float* const dh = gradients.first_h + offset;
    float* const dc = gradients.first_c + offset;
    for (int t = lstm.num_steps - 1; t >= 0; --t) {
      const float* const previous_c =
          Before(lstm.first_c, outputs.c, t, state_size) + offset;
      const ptrdiff_t now = t * state_size + offset;
      for (ptrdiff_t i = 0; i < size; ++i) {
        dh[i] += output_gradients.h[now + i];
        dc[i] += output_gradients.c[now + i];
      }
      for (int r = 0; r < num_rows; ++r) {
        const ptrdiff_t row = r * static_cast<ptrdiff_t>(units);
        simd.cell_gradient({units, outputs.gates + 4 * (now + row),
                            previous_c + row, outputs.c + now + row, dh + row,
                            dc + row, dgates + 4 * (now + row)});
      }
      recurrent.Multiply(num_rows, RowMajor(dgates + 4 * now, num_gates), dh,
                         units, false);
    }
    MultiplyAllSteps(lstm, first, num_rows, RowMajor(dgates, num_gates), kernel,
                     gradients.inputs, lstm.input_dim);
  });
}

}  // namespace

void DifferentiateLstm(const Simd& simd, const Parallel& parallel,
                       const Lstm& lstm, const LstmOutputs& outputs,
                       const LstmOutputGradients& output_gradients,
                       const LstmGradients& gradients) {
  const int units = lstm.num_units;
  const int batch_size = lstm.batch_size;
  const int num_rows = lstm.num_steps * batch_size;
  const ptrdiff_t num_gates = 4 * static_cast<ptrdiff_t>(units);
  const std::unique_ptr<float[]> dgates(new float[num_rows * num_gates]);
  SetGateGradients(simd, parallel, lstm, outputs, output_gradients,
                   dgates.get(), gradients);
  Panels panels(simd, num_rows, num_gates);
  const View all = RowMajor(dgates.get(), num_gates);
  const int width = kTileVectors * simd.width;
  parallel(panels.num_panels(), [&](int64_t i) {
    const int panel = static_cast<int>(i);
    panels.Pack(all, panel, panel + 1);
    panels.Multiply(lstm.input_dim, Transposed(lstm.inputs, lstm.input_dim), 0,
                    num_rows, panel, gradients.kernel, num_gates, false);
    // The state before the first step, then those before the others.
    panels.Multiply(units, Transposed(lstm.first_h, units), 0, batch_size,
                    panel, gradients.recurrent_kernel, num_gates, false);
    panels.Multiply(units, Transposed(outputs.h, units), batch_size,
                    num_rows - batch_size, panel, gradients.recurrent_kernel,
                    num_gates, true);
    const ptrdiff_t first = i * width;
    const ptrdiff_t last = std::min(first + width, num_gates);
    std::fill(gradients.bias + first, gradients.bias + last, 0.0f);
    for (int row = 0; row < num_rows; ++row) {
      for (ptrdiff_t j = first; j < last; ++j) {
        gradients.bias[j] += dgates[row * num_gates + j];
      }
    }
  });
}

}  // namespace language_model
