// What the word2vec ops are: names, types, shapes. Their Python face,
// word2vec.py, says what they mean in full.
#include "tensorflow/core/framework/common_shape_fns.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace word2vec {
namespace {

using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// Checks that input i is a vector of the given length, if that is known.
absl::Status CheckVector(InferenceContext* c, int i, DimensionHandle length) {
  ShapeHandle vector;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(i), 1, &vector));
  return c->Merge(c->Dim(vector, 0), length, &length);
}

absl::Status CheckScalar(InferenceContext* c, int i) {
  ShapeHandle scalar;
  return c->WithRank(c->input(i), 0, &scalar);
}

}  // namespace

REGISTER_OP("Estimators>CorpusWord2vec")
    .Output("vocab_word: string")
    .Output("vocab_freq: int32")
    .Output("ids: int32")
    .Attr("filename: string")
    .Attr("min_count: int >= 0 = 5")
    .Attr("window_size: int >= 1 = 5")
    // Reads a file: it is not to be run while a graph is optimised.
    .SetIsStateful()
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      const DimensionHandle vocab_size = c->UnknownDim();
      c->set_output(0, c->Vector(vocab_size));
      c->set_output(1, c->Vector(vocab_size));
      c->set_output(2, c->Vector(c->UnknownDim()));
      return absl::OkStatus();
    })
    .Doc(R"doc(Reads a text as word ids, with its vocabulary.)doc");

// Not stateful, since the position of an iterator that runs a stateful op is
// not saved: what comes is a function of the position and of a file that must
// stay as it is.
REGISTER_OP("Estimators>SkipgramWord2vec")
    .Input("position: int64")
    .Input("shard: int64")
    .Output("vocab_word: string")
    .Output("vocab_freq: int32")
    .Output("words_per_epoch: int64")
    .Output("current_epoch: int32")
    .Output("total_words_processed: int64")
    .Output("examples: int32")
    .Output("labels: int32")
    .Output("next_position: int64")
    .Attr("filename: string")
    .Attr("batch_size: int >= 1")
    .Attr("window_size: int >= 1 = 5")
    .Attr("min_count: int >= 0 = 5")
    .Attr("subsample: float = 1e-3")
    .Attr("seed: int = 0")
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      TF_RETURN_IF_ERROR(CheckVector(c, 0, c->MakeDim(2)));
      TF_RETURN_IF_ERROR(CheckVector(c, 1, c->MakeDim(2)));
      int64_t batch_size;
      TF_RETURN_IF_ERROR(c->GetAttr("batch_size", &batch_size));
      const DimensionHandle vocab_size = c->UnknownDim();
      c->set_output(0, c->Vector(vocab_size));
      c->set_output(1, c->Vector(vocab_size));
      for (const int scalar : {2, 3, 4}) c->set_output(scalar, c->Scalar());
      c->set_output(5, c->Vector(batch_size));
      c->set_output(6, c->Vector(batch_size));
      c->set_output(7, c->Vector(2));
      return absl::OkStatus();
    })
    .Doc(
        R"doc(Pairs of a word and a neighbour, from a place in a text on.)doc");

REGISTER_OP("Estimators>NegTrainWord2vec")
    .Input("w_in: resource")
    .Input("w_out: resource")
    .Input("examples: int32")
    .Input("labels: int32")
    .Input("learning_rate: float")
    .Input("noise_thresholds: int64")
    .Input("noise_aliases: int32")
    .Input("first_example: int64")
    .Attr("num_negative_samples: int >= 0")
    .Attr("seed: int = 0")
    .SetIsStateful()
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      TF_RETURN_IF_ERROR(CheckScalar(c, 0));
      TF_RETURN_IF_ERROR(CheckScalar(c, 1));
      TF_RETURN_IF_ERROR(CheckVector(c, 2, c->UnknownDim()));
      TF_RETURN_IF_ERROR(CheckVector(c, 3, c->NumElements(c->input(2))));
      TF_RETURN_IF_ERROR(CheckScalar(c, 4));
      TF_RETURN_IF_ERROR(CheckVector(c, 5, c->UnknownDim()));
      TF_RETURN_IF_ERROR(CheckVector(c, 6, c->NumElements(c->input(5))));
      return CheckScalar(c, 7);
    })
    .Doc(R"doc(Trains pairs by negative sampling, one after another.)doc");

REGISTER_OP("Estimators>TrainSentencesWord2vec")
    .Input("w_in: resource")
    .Input("w_out: resource")
    .Input("sentences: int32")
    .Input("positions: int64")
    .Input("learning_rates: float")
    .Input("keep: float")
    .Input("noise_thresholds: int64")
    .Input("noise_aliases: int32")
    .Output("loss: float")
    .Attr("window_size: int >= 1 = 5")
    .Attr("num_negative_samples: int >= 0")
    .Attr("seed: int = 0")
    .Attr("num_threads: int >= 0 = 0")
    .Attr("instructions: {'best', 'scalar', 'avx2', 'avx512'} = 'best'")
    .SetIsStateful()
    .SetShapeFn([](InferenceContext* c) -> absl::Status {
      TF_RETURN_IF_ERROR(CheckScalar(c, 0));
      TF_RETURN_IF_ERROR(CheckScalar(c, 1));
      ShapeHandle sentences;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 2, &sentences));
      TF_RETURN_IF_ERROR(CheckVector(c, 3, c->Dim(sentences, 0)));
      TF_RETURN_IF_ERROR(CheckVector(c, 4, c->Dim(sentences, 0)));
      TF_RETURN_IF_ERROR(CheckVector(c, 5, c->UnknownDim()));
      TF_RETURN_IF_ERROR(CheckVector(c, 6, c->NumElements(c->input(5))));
      TF_RETURN_IF_ERROR(CheckVector(c, 7, c->NumElements(c->input(5))));
      c->set_output(0, c->Scalar());
      return absl::OkStatus();
    })
    .Doc(R"doc(Trains sentences by negative sampling, on several threads.)doc");

}  // namespace word2vec
