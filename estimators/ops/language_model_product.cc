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
      data_(new float[static_cast<size_t>(num_panels()) * depth * width_]) {}

void Panels::Pack(const View& b, int first_panel, int last_panel) {
  const int first = first_panel * width_;
  const int last = std::min(last_panel * width_, num_columns_);
  const ptrdiff_t size = static_cast<ptrdiff_t>(depth_) * width_;
  // In the order in which b lies in memory, for the sake of the cache.
  if (b.column == 1) {
    for (ptrdiff_t k = 0; k < depth_; ++k) {
      for (int column = first; column < last; column += width_) {
        std::memcpy(data_.get() + column / width_ * size + k * width_,
                    b.data + k * b.row + column,
                    std::min(width_, last - column) * sizeof(float));
      }
    }
  } else {
    // Some rows at a time: what is written must not fill the cache.
    constexpr int kRows = 64;
    for (ptrdiff_t k = 0; k < depth_; k += kRows) {
      const ptrdiff_t rows = std::min<ptrdiff_t>(kRows, depth_ - k);
      for (int column = first; column < last; ++column) {
        const float* const from = b.data + column * b.column + k * b.row;
        float* const to =
            data_.get() + column / width_ * size + k * width_ + column % width_;
        for (ptrdiff_t i = 0; i < rows; ++i) to[i * width_] = from[i * b.row];
      }
    }
  }
  const int beyond = num_columns_ % width_;
  if (last == num_columns_ && beyond) {
    float* const to = data_.get() + num_columns_ / width_ * size;
    for (ptrdiff_t k = 0; k < depth_; ++k) {
      std::fill(to + k * width_ + beyond, to + (k + 1) * width_, 0.0f);
    }
  }
}

void Panels::Multiply(int num_rows, const View& a, int first, int depth,
                      int panel, float* c, ptrdiff_t c_row, bool add) const {
  const int column = panel * width_;
  const ptrdiff_t row = static_cast<ptrdiff_t>(panel) * depth_ + first;
  MultiplyPadded(simd_, num_rows, std::min(width_, num_columns_ - column),
                 depth, a, data_.get() + row * width_, width_, c + column,
                 c_row, add);
}

void Panels::Multiply(int num_rows, const View& a, float* c, ptrdiff_t c_row,
                      bool add) const {
  for (int panel = 0; panel < num_panels(); ++panel) {
    Multiply(num_rows, a, 0, depth_, panel, c, c_row, add);
  }
}

void PackAll(const std::vector<Packing>& packings, const Parallel& parallel) {
  constexpr int kParts = 4;
  parallel(kParts * static_cast<int64_t>(packings.size()), [&](int64_t i) {
    const Packing& packing = packings[i / kParts];
    const int64_t part = i % kParts;
    const int64_t num_panels = packing.panels->num_panels();
    packing.panels->Pack(packing.b,
                         static_cast<int>(part * num_panels / kParts),
                         static_cast<int>((part + 1) * num_panels / kParts));
  });
}

}  // namespace language_model
