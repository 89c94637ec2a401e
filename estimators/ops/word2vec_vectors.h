// Products of rows of floats; see shared_vectors.h for the template arguments.
#ifndef ESTIMATORS_OPS_WORD2VEC_VECTORS_H_
#define ESTIMATORS_OPS_WORD2VEC_VECTORS_H_

#include <tuple>

#include "shared_vectors.h"

// Vectors never pass between functions, as all here are inlined.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

namespace word2vec {

using vectors::Float16;
using vectors::Float4;
using vectors::Float8;
using vectors::ForColumns;
using vectors::kWidth;
using vectors::Load;
using vectors::Store;

// Most rows that a function takes at once: what registers have room for.
inline constexpr int kMaxRows = 8;

// A half of a vector; 0 is the first.
template <typename Half, typename V>
VECTORS_INLINE Half HalfOf(const V& v, int which) {
  return Load<Half>(reinterpret_cast<const float*>(&v) + which * kWidth<Half>);
}

// The lanes of a vector added up into those of a narrower one.
template <typename To, typename From>
VECTORS_INLINE To Folded(const From& v) {
  if constexpr (kWidth<From> == kWidth<To>) {
    return v;
  } else if constexpr (kWidth<From> == 16) {
    return Folded<To>(HalfOf<Float8>(v, 0) + HalfOf<Float8>(v, 1));
  } else if constexpr (kWidth<From> == 8) {
    return Folded<To>(HalfOf<Float4>(v, 0) + HalfOf<Float4>(v, 1));
  } else {
    return (v[0] + v[2]) + (v[1] + v[3]);
  }
}

// products[i] = rows[i] . row, for M rows.
//
// sums: what wider types have found in the columns before `column`, M of them.
template <int M, typename V, typename... Narrower>
VECTORS_INLINE void Dots(const float* const* rows, const float* row, int column,
                         int dim, V* sums, float* products) {
  for (; column + kWidth<V> <= dim; column += kWidth<V>) {
    const V value = Load<V>(row + column);
    for (int i = 0; i < M; ++i) sums[i] += value * Load<V>(rows[i] + column);
  }
  if constexpr (sizeof...(Narrower) == 0) {
    for (int i = 0; i < M; ++i) products[i] = sums[i];
  } else {
    using Next = std::tuple_element_t<0, std::tuple<Narrower...>>;
    Next next[M];
    for (int i = 0; i < M; ++i) next[i] = Folded<Next>(sums[i]);
    Dots<M, Narrower...>(rows, row, column, dim, next, products);
  }
}

template <int M, typename V, typename... Narrower>
VECTORS_INLINE void Dots(const float* const* rows, const float* row, int dim,
                         float* products) {
  V sums[M] = {};
  Dots<M, V, Narrower...>(rows, row, 0, dim, sums, products);
}

}  // namespace word2vec

#pragma GCC diagnostic pop

#endif  // ESTIMATORS_OPS_WORD2VEC_VECTORS_H_
