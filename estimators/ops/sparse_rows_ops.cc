// What the op of sparse rows takes and gives; see sparse_rows.py.
#include "absl/status/status.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace sparse_rows {
namespace {

using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

absl::Status GatherShape(InferenceContext* c) {
  ShapeHandle columns, unused;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 1, &columns));
  TF_RETURN_IF_ERROR(c->Merge(c->input(1), columns, &unused));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 1, &unused));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(3), 1, &unused));
  c->set_output(0, c->Matrix(c->UnknownDim(), 2));
  c->set_output(1, c->Vector(c->UnknownDim()));
  return absl::OkStatus();
}

}  // namespace

REGISTER_OP("Estimators>GatherSparseRows")
    .Input("columns: int32")
    .Input("values: float")
    .Input("row_splits: int64")
    .Input("rows: int64")
    .Output("indices: int64")
    .Output("gathered: float")
    .SetShapeFn(GatherShape)
    .Doc(R"doc(Some rows of a sparse matrix, with the indices of a SparseTensor.

columns: of all numbers, row after row.
values: the numbers.
row_splits: where each row begins, and at last where the last one ends.
rows: which to gather.
)doc");

}  // namespace sparse_rows
