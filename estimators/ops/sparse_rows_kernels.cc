// How rows of a sparse matrix are gathered; sparse_rows.py says what.
#include <cstdint>
#include <cstring>

#include "absl/status/status.h"
#include "shared_kernels.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace sparse_rows {
namespace {

using kernels::Data;
using kernels::Invalid;
using tensorflow::OpKernel;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;

// A batch's rows lie anywhere in memory: those that come soon are asked for.
constexpr int64_t kRowsAhead = 8;
constexpr int64_t kBytesOfALine = 64;

struct Matrix {
  const int32_t* columns;
  const float* values;
  const int64_t* row_splits;
};

template <typename T>
void Prefetch(const T* begin, const T* end) {
  for (const char* line = reinterpret_cast<const char*>(begin);
       line < reinterpret_cast<const char*>(end); line += kBytesOfALine) {
    __builtin_prefetch(line);
  }
}

// Counts the numbers of some rows, all of which must lie within the matrix.
absl::Status Count(const Tensor& values, const Tensor& row_splits,
                   const Tensor& rows, int64_t* count) {
  const int64_t num_rows = row_splits.NumElements() - 1;
  const int64_t* const splits = Data<int64_t>(row_splits);
  *count = 0;
  for (int64_t i = 0; i < rows.NumElements(); ++i) {
    const int64_t row = Data<int64_t>(rows)[i];
    if (row < 0 || row >= num_rows) {
      return Invalid("rows must be below the number of rows, ", num_rows,
                     ", and not negative, but rows[", i, "] is ", row,
                     "; gather others.");
    }
    const int64_t begin = splits[row], end = splits[row + 1];
    if (begin < 0 || end < begin || end > values.NumElements()) {
      return Invalid("row_splits must rise from 0 to the number of values, ",
                     values.NumElements(), ", but row ", row, " is from ",
                     begin, " to ", end, "; take those of a CSR matrix.");
    }
    *count += end - begin;
  }
  return absl::OkStatus();
}

void Gather(const Matrix& from, const int64_t* rows, int64_t num_rows,
            int64_t* indices, float* gathered) {
  for (int64_t i = 0; i < num_rows; ++i) {
    if (i + kRowsAhead < num_rows) {
      const int64_t* const split = from.row_splits + rows[i + kRowsAhead];
      Prefetch(from.columns + split[0], from.columns + split[1]);
      Prefetch(from.values + split[0], from.values + split[1]);
    }
    const int64_t begin = from.row_splits[rows[i]];
    const int64_t size = from.row_splits[rows[i] + 1] - begin;
    if (size == 0) continue;
    std::memcpy(gathered, from.values + begin, size * sizeof(float));
    for (int64_t j = 0; j < size; ++j) {
      indices[2 * j] = i;
      indices[2 * j + 1] = from.columns[begin + j];
    }
    gathered += size;
    indices += 2 * size;
  }
}

class GatherSparseRows : public OpKernel {
 public:
  using OpKernel::OpKernel;

  void Compute(OpKernelContext* context) override {
    for (int i = 0; i < context->num_inputs(); ++i) {
      OP_REQUIRES(
          context, context->input(i).dims() == 1,
          Invalid("columns, values, row_splits and rows must be "
                  "vectors, but input ",
                  i, " has the shape ", context->input(i).shape().DebugString(),
                  "; reshape it."));
    }
    const Tensor& columns = context->input(0);
    const Tensor& values = context->input(1);
    const Tensor& row_splits = context->input(2);
    const Tensor& rows = context->input(3);
    OP_REQUIRES(context, columns.NumElements() == values.NumElements(),
                Invalid("columns and values must be as many, but are ",
                        columns.NumElements(), " and ", values.NumElements(),
                        "; take those of one matrix."));
    OP_REQUIRES(context, row_splits.NumElements() > 0,
                Invalid("row_splits must have one number more than there are "
                        "rows, but has none; give [0] for no rows."));
    int64_t count = 0;
    OP_REQUIRES_OK(context, Count(values, row_splits, rows, &count));
    Tensor *indices, *gathered;
    OP_REQUIRES_OK(context, context->allocate_output(0, {count, 2}, &indices));
    OP_REQUIRES_OK(context, context->allocate_output(1, {count}, &gathered));
    Gather({Data<int32_t>(columns), Data<float>(values),
            Data<int64_t>(row_splits)},
           Data<int64_t>(rows), rows.NumElements(),
           kernels::MutableData<int64_t>(indices),
           kernels::MutableData<float>(gathered));
  }
};

REGISTER_KERNEL_BUILDER(
    Name("Estimators>GatherSparseRows").Device(tensorflow::DEVICE_CPU),
    GatherSparseRows);

}  // namespace
}  // namespace sparse_rows
