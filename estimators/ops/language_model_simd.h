// What the language model computes most, for each set of machine instructions.
#ifndef ESTIMATORS_OPS_LANGUAGE_MODEL_SIMD_H_
#define ESTIMATORS_OPS_LANGUAGE_MODEL_SIMD_H_

#include <cstddef>

#include "shared_vectors.h"

namespace language_model {

// Most rows and vectors of a tile: what registers have room for.
inline constexpr int kMaxTileRows = 10;
inline constexpr int kTileVectors = 2;

// c[r, j] (+)= sum_k a[r, k] b[k, j], for all rows r of the tile, and as many
// columns j as its vectors have floats. Strides are in floats.
struct Tile {
  int depth;
  const float* a;
  ptrdiff_t a_row;
  ptrdiff_t a_column;
  const float* b;
  ptrdiff_t b_row;
  float* c;
  ptrdiff_t c_row;
  bool add;
};

// One row of an LSTM at one step. gates: i, f, g, o, of num_units each.
struct Cell {
  int num_units;
  float* gates;  // sums on entry, activations on return
  const float* previous_c;
  float* c;
  float* h;
};

// The same backwards. `dc` has the gradient of c from later steps on entry, and
// that of the previous c on return.
struct CellGradient {
  int num_units;
  const float* gates;  // activations
  const float* previous_c;
  const float* c;
  const float* dh;
  float* dc;
  float* dgates;  // of the sums
};

// Functions for one set of instructions.
struct Simd {
  int width;      // floats of a vector
  int tile_rows;  // most rows of a tile
  // By rows and vectors, each less one.
  void (*tile[kMaxTileRows][kTileVectors])(const Tile& tile);
  // x = exp(x + bias - max(x + bias)); returns the maximum, and the sum of x.
  float (*exponentials)(const float* bias, int n, float* x, float* sum);
  // y = x * factor; sums += y.
  void (*scaled)(const float* x, float factor, int n, float* y, float* sums);
  void (*cell)(const Cell& cell);
  void (*cell_gradient)(const CellGradient& cell);
};

// Returns the functions for a set of instructions that this machine has.
const Simd& SimdOf(vectors::InstructionSet instructions);

}  // namespace language_model

#endif  // ESTIMATORS_OPS_LANGUAGE_MODEL_SIMD_H_
