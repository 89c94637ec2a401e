// Products of matrices of floats, tile by tile, on the calling thread.
//
// All functions add in an order that depends on the shapes alone: whatever the
// number of threads, the bits are the same.
#ifndef ESTIMATORS_OPS_LANGUAGE_MODEL_PRODUCT_H_
#define ESTIMATORS_OPS_LANGUAGE_MODEL_PRODUCT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "language_model_simd.h"

namespace language_model {

// Calls f(0), ..., f(n - 1) on whatever threads there are; returns when all are
// done.
using Parallel =
    std::function<void(int64_t n, const std::function<void(int64_t)>& f)>;

// A matrix, or its transpose, by its strides in floats.
struct View {
  const float* data;
  ptrdiff_t row;
  ptrdiff_t column;
};

inline View RowMajor(const float* data, ptrdiff_t num_columns) {
  return {data, num_columns, 1};
}

inline View Transposed(const float* data, ptrdiff_t num_columns) {
  return {data, 1, num_columns};
}

// Columns of the matrix on the right, as tiles want them: one panel of `width`
// columns after the other, each row by row, and zeros to the right of the last.
class Panels {
 public:
  // Room for depth x num_columns.
  Panels(const Simd& simd, int depth, int num_columns);

  int depth() const { return depth_; }
  int num_panels() const { return (num_columns_ + width_ - 1) / width_; }

  // Takes over the columns of some panels.
  void Pack(const View& b, int first_panel, int last_panel);

  // c[:, panel] (+)= a b[:, panel], for num_rows of a and c.
  //
  // first, depth: which rows of b take part; a has as many columns.
  void Multiply(int num_rows, const View& a, int first, int depth, int panel,
                float* c, ptrdiff_t c_row, bool add) const;

  // The same for all columns and all rows of b.
  void Multiply(int num_rows, const View& a, float* c, ptrdiff_t c_row,
                bool add) const;

 private:
  const Simd& simd_;
  int width_;
  int depth_;
  int num_columns_;
  std::unique_ptr<float[]> data_;  // as it comes, without zeros
};

// c[:, :num_columns] (+)= a b, where rows of b have room for whole vectors.
void MultiplyPadded(const Simd& simd, int num_rows, int num_columns, int depth,
                    const View& a, const float* b, ptrdiff_t b_row, float* c,
                    ptrdiff_t c_row, bool add);

// Packs all panels of some matrices.
struct Packing {
  View b;
  Panels* panels;
};
void PackAll(const std::vector<Packing>& packings, const Parallel& parallel);

}  // namespace language_model

#endif  // ESTIMATORS_OPS_LANGUAGE_MODEL_PRODUCT_H_
