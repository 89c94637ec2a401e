#include "language_model_product.h"

#include <algorithm>
#include <cstring>

namespace language_model {
namespace {

// Most floats of a vector.
constexpr int kMaxWidth = 16;

// One tile of at most kTileVectors vectors; columns beyond num_columns are not
// written.
void ComputeTile(const Simd& simd, int num_rows, int num_columns,
                 const Tile& tile) {
  const int vectors = num_columns > simd.width ? 2 : 1;
  const auto compute = simd.tile[num_rows - 1][vectors - 1];
  if (num_columns == vectors * simd.width) return compute(tile);
  const int width = vectors * simd.width;
  float whole[kMaxTileRows * kTileVectors * kMaxWidth];
  Tile padded = tile;
  padded.c = whole;
  padded.c_row = width;
  padded.add = false;
  compute(padded);
  for (int r = 0; r < num_rows; ++r) {
    float* const c = tile.c + r * tile.c_row;
    for (int j = 0; j < num_columns; ++j) {
      c[j] = whole[r * width + j] + (tile.add ? c[j] : 0.0f);
    }
  }
}

}  // namespace

void MultiplyPadded(const Simd& simd, int num_rows, int num_columns, int depth,
                    const View& a, const float* b, ptrdiff_t b_row, float* c,
                    ptrdiff_t c_row, bool add) {
  const int width = kTileVectors * simd.width;
  for (int column = 0; column < num_columns; column += width) {
    for (int row = 0; row < num_rows; row += simd.tile_rows) {
      ComputeTile(simd, std::min(simd.tile_rows, num_rows - row),
                  std::min(width, num_columns - column),
                  {depth, a.data + row * a.row, a.row, a.column, b + column,
                   b_row, c + row * c_row + column, c_row, add});
    }
  }
}

Panels::Panels(const Simd& simd, int depth, int num_columns)
    : simd_(simd),
      width_(kTileVectors * simd.width),
      depth_(depth),
      num_columns_(num_columns),
      data_(static_cast<size_t>(num_panels()) * depth * width_) {}

void Panels::Pack(const View& b, int panel) {
  const int column = panel * width_;
  const int columns = std::min(width_, num_columns_ - column);
  float* to = data_.data() + static_cast<ptrdiff_t>(panel) * depth_ * width_;
  const float* from = b.data + column * b.column;
  for (int k = 0; k < depth_; ++k, to += width_, from += b.row) {
    if (b.column == 1) {
      std::memcpy(to, from, columns * sizeof(float));
    } else {
      for (int j = 0; j < columns; ++j) to[j] = from[j * b.column];
    }
    std::fill(to + columns, to + width_, 0.0f);
  }
}

void Panels::Multiply(int num_rows, const View& a, int first, int depth,
                      int panel, float* c, ptrdiff_t c_row, bool add) const {
  const int column = panel * width_;
  const ptrdiff_t row = static_cast<ptrdiff_t>(panel) * depth_ + first;
  MultiplyPadded(simd_, num_rows, std::min(width_, num_columns_ - column),
                 depth, a, data_.data() + row * width_, width_, c + column,
                 c_row, add);
}

void Panels::Multiply(int num_rows, const View& a, float* c, ptrdiff_t c_row,
                      bool add) const {
  for (int panel = 0; panel < num_panels(); ++panel) {
    Multiply(num_rows, a, 0, depth_, panel, c, c_row, add);
  }
}

void PackAll(const View& b, const Parallel& parallel, Panels* panels) {
  parallel(panels->num_panels(),
           [&](int64_t panel) { panels->Pack(b, static_cast<int>(panel)); });
}

}  // namespace language_model
