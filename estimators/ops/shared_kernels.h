// What the kernels of all ops unpack and check with.
#ifndef ESTIMATORS_OPS_SHARED_KERNELS_H_
#define ESTIMATORS_OPS_SHARED_KERNELS_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "shared_vectors.h"
#include "tensorflow/core/framework/tensor.h"

namespace kernels {

// The numbers of a tensor, of which nothing is asked: not even, as Tensor's own
// functions do, that they be aligned.
template <typename T>
const T* Data(const tensorflow::Tensor& tensor) {
  return static_cast<const T*>(tensor.data());
}

template <typename T>
T* MutableData(tensorflow::Tensor* tensor) {
  return const_cast<T*>(Data<T>(*tensor));
}

template <typename... Args>
absl::Status Invalid(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

// Sets what an attribute `instructions` asks for.
inline absl::Status Choose(const std::string& name,
                           vectors::InstructionSet* chosen) {
  using vectors::InstructionSet;
  for (const auto& [known, instructions] :
       {std::make_pair("avx512", InstructionSet::kAvx512),
        std::make_pair("avx2", InstructionSet::kAvx2),
        std::make_pair("scalar", InstructionSet::kScalar)}) {
    if ((name == known || name == "best") &&
        vectors::IsSupported(instructions)) {
      *chosen = instructions;
      return absl::OkStatus();
    }
  }
  return absl::UnimplementedError(
      absl::StrCat("this machine has no ", name, "; use 'best'"));
}

}  // namespace kernels

#endif  // ESTIMATORS_OPS_SHARED_KERNELS_H_
