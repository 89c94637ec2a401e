#include "language_model_simd.h"

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#pragma GCC diagnostic ignored "-Wpsabi"

namespace language_model {
namespace {

using vectors::Float16;
using vectors::Float4;
using vectors::Float8;
using vectors::ForColumns;
using vectors::InstructionSet;
using vectors::kWidth;
using vectors::Load;
using vectors::Store;

typedef uint32_t Int4 __attribute__((vector_size(16)));
typedef uint32_t Int8 __attribute__((vector_size(32)));
typedef uint32_t Int16 __attribute__((vector_size(64)));

// As many uint32 as V has floats.
template <typename V>
using Ints = std::conditional_t<
    kWidth<V> == 16, Int16,
    std::conditional_t<kWidth<V> == 8, Int8,
                       std::conditional_t<kWidth<V> == 4, Int4, uint32_t>>>;

template <typename To, typename From>
VECTORS_INLINE To BitsOf(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof(to));
  return to;
}

template <typename V>
VECTORS_INLINE V All(float value) {
  return V{} + value;
}

// exp(x) to about 2 units of the last place; NaN stays NaN. Below -86 and above
// 88 it is that of these, near the ends of what float has.
//
// Source: expf of the Cephes library (S. L. Moshier): x = n log 2 + r, where
// log 2 is taken in two parts, and a polynomial of degree 7 in r.
template <typename V>
VECTORS_INLINE V Exp(V x) {
  x = x < All<V>(-86.0f) ? All<V>(-86.0f) : x;
  x = x > All<V>(88.0f) ? All<V>(88.0f) : x;
  // Adding 1.5 * 2^23 rounds: the integer is in the low bits of the sum.
  const V rounded = x * 1.44269504088896341f + All<V>(12582912.0f);
  const V n = rounded - All<V>(12582912.0f);
  const V r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  V p = r * 1.9875691500e-4f + All<V>(1.3981999507e-3f);
  p = p * r + All<V>(8.3334519073e-3f);
  p = p * r + All<V>(4.1665795894e-2f);
  p = p * r + All<V>(1.6666665459e-1f);
  p = p * r + All<V>(5.0000001201e-1f);
  p = (p * (r * r) + r) + All<V>(1.0f);
  // 2^n, by its exponent. A product, as NaN must stay NaN whatever its bits.
  const Ints<V> power = (BitsOf<Ints<V>>(rounded) + 127u) << 23;
  return p * BitsOf<V>(power);
}

template <typename V>
VECTORS_INLINE V Sigmoid(const V& x) {
  return 1.0f / (Exp<V>(-x) + All<V>(1.0f));
}

// To about 1e-7, absolutely: what is that small comes out as 0.
template <typename V>
VECTORS_INLINE V Tanh(const V& x) {
  return All<V>(1.0f) - 2.0f / (Exp<V>(2.0f * x) + All<V>(1.0f));
}

template <typename V, int kRows, int kVectors>
VECTORS_INLINE void ComputeTile(const Tile& tile) {
  V sums[kRows][kVectors] = {};
  const float* a = tile.a;
  const float* b = tile.b;
  for (int k = 0; k < tile.depth; ++k) {
    V row[kVectors];
    for (int j = 0; j < kVectors; ++j) row[j] = Load<V>(b + j * kWidth<V>);
    for (int r = 0; r < kRows; ++r) {
      for (int j = 0; j < kVectors; ++j) {
        sums[r][j] += a[r * tile.a_row] * row[j];
      }
    }
    a += tile.a_column;
    b += tile.b_row;
  }
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kVectors; ++j) {
      float* const c = tile.c + r * tile.c_row + j * kWidth<V>;
      Store<V>(c, tile.add ? Load<V>(c) + sums[r][j] : sums[r][j]);
    }
  }
}

template <typename V>
VECTORS_INLINE float Exponentials(const float* bias, int n, float* x,
                                  float* sum) {
  const int whole = n - n % kWidth<V>;
  V maxima = All<V>(-std::numeric_limits<float>::infinity());
  ForColumns<V>(0, n, [&](auto*, int i) VECTORS_INLINE_LAMBDA {
    const V value = Load<V>(x + i) + Load<V>(bias + i);
    Store<V>(x + i, value);
    maxima = value > maxima ? value : maxima;
  });
  float lanes[kWidth<V>];
  Store<V>(lanes, maxima);
  float maximum = lanes[0];
  for (const float lane : lanes) maximum = lane > maximum ? lane : maximum;
  for (int i = whole; i < n; ++i) {
    x[i] += bias[i];
    maximum = x[i] > maximum ? x[i] : maximum;
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (maximum == -kInfinity) {
    // All are -inf, of which nothing may be subtracted, or not numbers.
    *sum = 0;
    for (int i = 0; i < n; ++i) *sum += x[i] = x[i] == -kInfinity ? 0 : x[i];
    return std::numeric_limits<float>::lowest();
  }
  V sums = {};
  ForColumns<V>(0, n, [&](auto*, int i) VECTORS_INLINE_LAMBDA {
    const V value = Exp<V>(Load<V>(x + i) - All<V>(maximum));
    Store<V>(x + i, value);
    sums += value;
  });
  Store<V>(lanes, sums);
  float total = 0;
  for (const float lane : lanes) total += lane;
  for (int i = whole; i < n; ++i) {
    x[i] = Exp<float>(x[i] - maximum);
    total += x[i];
  }
  *sum = total;
  return maximum;
}

template <typename V>
VECTORS_INLINE void Scaled(const float* x, float factor, int n, float* y,
                           float* sums) {
  ForColumns<V, float>(0, n, [&](auto* type, int i) VECTORS_INLINE_LAMBDA {
    using W = std::remove_pointer_t<decltype(type)>;
    const W value = Load<W>(x + i) * factor;
    Store<W>(y + i, value);
    Store<W>(sums + i, Load<W>(sums + i) + value);
  });
}

template <typename V>
VECTORS_INLINE void ComputeCell(const Cell& cell) {
  const int n = cell.num_units;
  ForColumns<V, float>(0, n, [&](auto* type, int u) VECTORS_INLINE_LAMBDA {
    using W = std::remove_pointer_t<decltype(type)>;
    float* const gates = cell.gates + u;
    const W i = Sigmoid<W>(Load<W>(gates));
    const W f = Sigmoid<W>(Load<W>(gates + n));
    const W g = Tanh<W>(Load<W>(gates + 2 * n));
    const W o = Sigmoid<W>(Load<W>(gates + 3 * n));
    const W c = f * Load<W>(cell.previous_c + u) + i * g;
    Store<W>(gates, i);
    Store<W>(gates + n, f);
    Store<W>(gates + 2 * n, g);
    Store<W>(gates + 3 * n, o);
    Store<W>(cell.c + u, c);
    Store<W>(cell.h + u, o * Tanh<W>(c));
  });
}

template <typename V>
VECTORS_INLINE void ComputeCellGradient(const CellGradient& cell) {
  const int n = cell.num_units;
  ForColumns<V, float>(0, n, [&](auto* type, int u) VECTORS_INLINE_LAMBDA {
    using W = std::remove_pointer_t<decltype(type)>;
    const float* const gates = cell.gates + u;
    float* const dgates = cell.dgates + u;
    const W one = All<W>(1.0f);
    const W i = Load<W>(gates);
    const W f = Load<W>(gates + n);
    const W g = Load<W>(gates + 2 * n);
    const W o = Load<W>(gates + 3 * n);
    const W tanh_c = Tanh<W>(Load<W>(cell.c + u));
    const W dh = Load<W>(cell.dh + u);
    const W dc = Load<W>(cell.dc + u) + dh * o * (one - tanh_c * tanh_c);
    Store<W>(dgates, dc * g * i * (one - i));
    Store<W>(dgates + n, dc * Load<W>(cell.previous_c + u) * f * (one - f));
    Store<W>(dgates + 2 * n, dc * i * (one - g * g));
    Store<W>(dgates + 3 * n, dh * tanh_c * o * (one - o));
    Store<W>(cell.dc + u, dc * f);
  });
}

// Makes the functions `NAMETile`, `NAMEExponentials`, ... for the vectors V and
// the instructions of a target, and the table NAME of them. Rows beyond what
// registers have room for are left out.
#define LANGUAGE_MODEL_SIMD(NAME, TARGET, V, ROWS)                        \
  template <int kRows, int kVectors>                                      \
  TARGET void NAME##Tile(const Tile& tile) {                              \
    ComputeTile<V, kRows, kVectors>(tile);                                \
  }                                                                       \
  TARGET float NAME##Exponentials(const float* bias, int n, float* x,     \
                                  float* sum) {                           \
    return Exponentials<V>(bias, n, x, sum);                              \
  }                                                                       \
  TARGET void NAME##Scaled(const float* x, float factor, int n, float* y, \
                           float* sums) {                                 \
    Scaled<V>(x, factor, n, y, sums);                                     \
  }                                                                       \
  TARGET void NAME##Cell(const Cell& cell) { ComputeCell<V>(cell); }      \
  TARGET void NAME##CellGradient(const CellGradient& cell) {              \
    ComputeCellGradient<V>(cell);                                         \
  }                                                                       \
  template <int... kLess>                                                 \
  constexpr Simd NAME##Table(std::integer_sequence<int, kLess...>) {      \
    return {kWidth<V>,                                                    \
            ROWS,                                                         \
            {{NAME##Tile<kLess + 1, 1>, NAME##Tile<kLess + 1, 2>}...},    \
            NAME##Exponentials,                                           \
            NAME##Scaled,                                                 \
            NAME##Cell,                                                   \
            NAME##CellGradient};                                          \
  }                                                                       \
  constexpr Simd NAME = NAME##Table(std::make_integer_sequence<int, ROWS>());

LANGUAGE_MODEL_SIMD(kPlain, , Float4, 6)
#if defined(__x86_64__)
LANGUAGE_MODEL_SIMD(kAvx2, VECTORS_AVX2, Float8, 6)
LANGUAGE_MODEL_SIMD(kAvx512, VECTORS_AVX512, Float16, 10)
#endif

}  // namespace

const Simd& SimdOf([[maybe_unused]] InstructionSet instructions) {
#if defined(__x86_64__)
  if (instructions == InstructionSet::kAvx512) return kAvx512;
  if (instructions == InstructionSet::kAvx2) return kAvx2;
#endif
  return kPlain;
}

}  // namespace language_model
