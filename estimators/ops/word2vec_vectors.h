// Arithmetic on rows of floats, written once for all instruction sets.
//
// Functions take the vector types to use as template arguments, widest first
// and `float` last: a row is gone through with the first type as far as it
// reaches, from there with the second, and so on, so that no length needs
// padding. They are inlined into functions that are compiled for one
// instruction set.
#ifndef ESTIMATORS_OPS_WORD2VEC_VECTORS_H_
#define ESTIMATORS_OPS_WORD2VEC_VECTORS_H_

#include <tuple>

// Vectors never pass between functions, as all here are inlined.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

#define W2V_INLINE inline __attribute__((always_inline))
#define W2V_INLINE_LAMBDA __attribute__((always_inline))

namespace word2vec {

// Vectors of the compiler (GCC and Clang).
typedef float Float4 __attribute__((vector_size(16)));
typedef float Float8 __attribute__((vector_size(32)));
typedef float Float16 __attribute__((vector_size(64)));

// Most rows that a function takes at once: what registers have room for.
inline constexpr int kMaxRows = 8;

template <typename V>
inline constexpr int kWidth = sizeof(V) / sizeof(float);

// Columns of a row, which need not be aligned.
template <typename V>
W2V_INLINE V Load(const float* columns) {
  V v;
  __builtin_memcpy(&v, columns, sizeof(v));
  return v;
}

template <typename V>
W2V_INLINE void Store(float* columns, const V& v) {
  __builtin_memcpy(columns, &v, sizeof(v));
}

// Calls f(null pointer to V, column) for each V of a row of dim floats.
template <typename V, typename... Narrower, typename F>
W2V_INLINE void ForColumns(int column, int dim, const F& f) {
  for (; column + kWidth<V> <= dim; column += kWidth<V>) {
    f(static_cast<V*>(nullptr), column);
  }
  if constexpr (sizeof...(Narrower) > 0) {
    ForColumns<Narrower...>(column, dim, f);
  }
}

// A half of a vector; 0 is the first.
template <typename Half, typename V>
W2V_INLINE Half HalfOf(const V& v, int which) {
  return Load<Half>(reinterpret_cast<const float*>(&v) + which * kWidth<Half>);
}

// The lanes of a vector added up into those of a narrower one.
template <typename To, typename From>
W2V_INLINE To Folded(const From& v) {
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
W2V_INLINE void Dots(const float* const* rows, const float* row, int column,
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
W2V_INLINE void Dots(const float* const* rows, const float* row, int dim,
                     float* products) {
  V sums[M] = {};
  Dots<M, V, Narrower...>(rows, row, 0, dim, sums, products);
}

}  // namespace word2vec

#pragma GCC diagnostic pop

#endif  // ESTIMATORS_OPS_WORD2VEC_VECTORS_H_
