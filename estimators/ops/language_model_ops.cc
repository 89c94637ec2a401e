// What the ops of a language model take and give; see language_model.py.
#include "absl/status/status.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace language_model {
namespace {

using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// Makes sure that input `index` has a shape, as far as both are known.
absl::Status Check(InferenceContext* c, int index, const ShapeHandle& shape) {
  ShapeHandle merged;
  return c->Merge(c->input(index), shape, &merged);
}

absl::Status LstmShape(InferenceContext* c) {
  ShapeHandle inputs, h;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 3, &inputs));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(4), 2, &h));
  const DimensionHandle units = c->Dim(h, 1);
  DimensionHandle gates, batch;
  TF_RETURN_IF_ERROR(c->Multiply(units, 4, &gates));
  TF_RETURN_IF_ERROR(c->Merge(c->Dim(inputs, 1), c->Dim(h, 0), &batch));
  TF_RETURN_IF_ERROR(Check(c, 1, c->Matrix(c->Dim(inputs, 2), gates)));
  TF_RETURN_IF_ERROR(Check(c, 2, c->Matrix(units, gates)));
  TF_RETURN_IF_ERROR(Check(c, 3, c->Vector(gates)));
  TF_RETURN_IF_ERROR(Check(c, 5, c->Matrix(batch, units)));
  const DimensionHandle time = c->Dim(inputs, 0);
  const ShapeHandle states = c->MakeShape({time, batch, units});
  c->set_output(0, states);
  c->set_output(1, states);
  c->set_output(2, c->MakeShape({time, batch, gates}));
  return absl::OkStatus();
}

// Each gradient has the shape of what it is of.
absl::Status LstmGradShape(InferenceContext* c) {
  for (int i = 0; i < 6; ++i) c->set_output(i, c->input(i));
  return absl::OkStatus();
}

absl::Status SoftmaxShape(InferenceContext* c) {
  ShapeHandle hidden, weights;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 2, &hidden));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(1), 2, &weights));
  const DimensionHandle rows = c->Dim(hidden, 0);
  const DimensionHandle vocab_size = c->Dim(weights, 1);
  TF_RETURN_IF_ERROR(
      Check(c, 1, c->Matrix(c->Dim(hidden, 1), c->UnknownDim())));
  TF_RETURN_IF_ERROR(Check(c, 2, c->Vector(vocab_size)));
  TF_RETURN_IF_ERROR(Check(c, 3, c->Vector(rows)));
  c->set_output(0, c->Vector(rows));
  c->set_output(1, c->UnknownShapeOfRank(3));
  c->set_output(2, c->Matrix(c->UnknownDim(), rows));
  c->set_output(3, c->Vector(rows));
  return absl::OkStatus();
}

absl::Status SoftmaxGradShape(InferenceContext* c) {
  for (int i = 0; i < 3; ++i) c->set_output(i, c->input(i));
  return absl::OkStatus();
}

}  // namespace

REGISTER_OP("Estimators>Lstm")
    .Input("inputs: float")
    .Input("kernel: float")
    .Input("recurrent_kernel: float")
    .Input("bias: float")
    .Input("first_h: float")
    .Input("first_c: float")
    .Output("h: float")
    .Output("c: float")
    .Output("gates: float")
    .Attr("instructions: {'best', 'scalar', 'avx2', 'avx512'} = 'best'")
    .SetShapeFn(LstmShape)
    .Doc(R"doc(An LSTM layer over a sequence, with the time first.)doc");

REGISTER_OP("Estimators>LstmGrad")
    .Input("inputs: float")
    .Input("kernel: float")
    .Input("recurrent_kernel: float")
    .Input("bias: float")
    .Input("first_h: float")
    .Input("first_c: float")
    .Input("h: float")
    .Input("c: float")
    .Input("gates: float")
    .Input("h_gradient: float")
    .Input("c_gradient: float")
    .Output("inputs_gradient: float")
    .Output("kernel_gradient: float")
    .Output("recurrent_kernel_gradient: float")
    .Output("bias_gradient: float")
    .Output("first_h_gradient: float")
    .Output("first_c_gradient: float")
    .Attr("instructions: {'best', 'scalar', 'avx2', 'avx512'} = 'best'")
    .SetShapeFn(LstmGradShape)
    .Doc(R"doc(The gradients of Lstm.)doc");

REGISTER_OP("Estimators>SoftmaxLosses")
    .Input("hidden: float")
    .Input("weights: float")
    .Input("bias: float")
    .Input("targets: int32")
    .Output("losses: float")
    .Output("exponentials: float")
    .Output("maxima: float")
    .Output("log_sums: float")
    .Attr("differentiable: bool = true")
    .Attr("instructions: {'best', 'scalar', 'avx2', 'avx512'} = 'best'")
    .SetShapeFn(SoftmaxShape)
    .Doc(R"doc(Cross entropies of a product with weights.

differentiable: whether exponentials are kept, which the gradient needs.
)doc");

REGISTER_OP("Estimators>SoftmaxLossesGrad")
    .Input("hidden: float")
    .Input("weights: float")
    .Input("bias: float")
    .Input("targets: int32")
    .Input("exponentials: float")
    .Input("maxima: float")
    .Input("log_sums: float")
    .Input("loss_gradients: float")
    .Output("hidden_gradient: float")
    .Output("weights_gradient: float")
    .Output("bias_gradient: float")
    .Attr("instructions: {'best', 'scalar', 'avx2', 'avx512'} = 'best'")
    .SetShapeFn(SoftmaxGradShape)
    .Doc(R"doc(The gradients of SoftmaxLosses.)doc");

}  // namespace language_model
