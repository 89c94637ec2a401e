// Vectors of floats, for code that is written once for all instruction sets.
//
// Functions take the vector types to use as template arguments, widest first
// and `float` last: a row is gone through with the first type as far as it
// reaches, from there with the second, and so on, so that no length needs
// padding. They are inlined into functions that are compiled for one
// instruction set.
#ifndef ESTIMATORS_OPS_SHARED_VECTORS_H_
#define ESTIMATORS_OPS_SHARED_VECTORS_H_

// Vectors never pass between functions, as all here are inlined.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"

#define VECTORS_INLINE inline __attribute__((always_inline))
#define VECTORS_INLINE_LAMBDA __attribute__((always_inline))
#define VECTORS_AVX2 __attribute__((target("avx2,fma")))
#define VECTORS_AVX512 \
  __attribute__((target("avx512f,avx512vl,avx512dq,avx2,fma")))

namespace vectors {

// Which machine instructions to use.
enum class InstructionSet { kScalar, kAvx2, kAvx512 };

inline bool IsSupported(InstructionSet instructions) {
  switch (instructions) {
    case InstructionSet::kScalar:
      return true;
#if defined(__x86_64__)
    case InstructionSet::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case InstructionSet::kAvx512:
      return __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512dq") &&
             IsSupported(InstructionSet::kAvx2);
#endif
    default:
      return false;
  }
}

// Vectors of the compiler (GCC and Clang).
typedef float Float4 __attribute__((vector_size(16)));
typedef float Float8 __attribute__((vector_size(32)));
typedef float Float16 __attribute__((vector_size(64)));

template <typename V>
inline constexpr int kWidth = sizeof(V) / sizeof(float);

// Columns of a row, which need not be aligned.
template <typename V>
VECTORS_INLINE V Load(const float* columns) {
  V v;
  __builtin_memcpy(&v, columns, sizeof(v));
  return v;
}

template <typename V>
VECTORS_INLINE void Store(float* columns, const V& v) {
  __builtin_memcpy(columns, &v, sizeof(v));
}

// Calls f(null pointer to V, column) for each V of a row of dim floats.
template <typename V, typename... Narrower, typename F>
VECTORS_INLINE void ForColumns(int column, int dim, const F& f) {
  for (; column + kWidth<V> <= dim; column += kWidth<V>) {
    f(static_cast<V*>(nullptr), column);
  }
  if constexpr (sizeof...(Narrower) > 0) {
    ForColumns<Narrower...>(column, dim, f);
  }
}

}  // namespace vectors

#pragma GCC diagnostic pop

#endif  // ESTIMATORS_OPS_SHARED_VECTORS_H_
