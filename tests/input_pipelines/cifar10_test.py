import gzip
import os

import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from input_pipelines import cifar10


def _record(label, colour):
  """A record as in the tutorial's test: one colour all over."""
  return bytes([label]) + b"".join(bytes([value] * 1024) for value in colour)


def _context(count, index):
  return tf.distribute.InputContext(count, index, count)


def _take(input_fn, count, *args):
  batches = input_fn(*args).take(count).as_numpy_iterator()
  return [(features["images"], labels) for features, labels in batches]


class RecordsTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.data_dir = os.path.join(
      self.get_temp_dir(), self.id().rsplit(".", maxsplit=1)[-1]
    )
    os.makedirs(self.data_dir)

  def write(self, content, name="test_batch.bin", folder=""):
    path = os.path.join(self.data_dir, folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as stream:
      stream.write(content)
    return path

  def test_the_three_records_of_the_tutorial(self):
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    records = map(_record, (9, 3, 0), colours)
    path = self.write(b"".join(records))

    pictures, labels = cifar10.read_records(path)

    self.assertAllEqual([9, 3, 0], labels)
    self.assertEqual(np.int32, labels.dtype)
    self.assertEqual(np.uint8, pictures.dtype)
    for picture, colour in zip(pictures, colours, strict=True):
      self.assertAllEqual(np.tile(colour, [32, 32, 1]), picture)

  def test_planes_are_row_by_row(self):
    values = np.arange(3072) % 251
    path = self.write(bytes([1]) + bytes(values.tolist()))
    ((picture,), _) = cifar10.read_records(path)
    self.assertEqual((32, 32, 3), picture.shape)
    for channel, row, column in [(0, 0, 1), (1, 0, 0), (2, 31, 30), (1, 7, 9)]:
      expected = (channel * 1024 + row * 32 + column) % 251
      self.assertEqual(expected, picture[row, column, channel])

  def test_refuses_a_cut_record(self):
    path = self.write(_record(9, (1, 2, 3)) * 2 + b"\x01" * 70)
    with self.assertRaisesRegex(
      ValueError, f"{path}: a record must have 3073 bytes; got 70 at byte 6146"
    ):
      cifar10.read_records(path)

  def test_refuses_an_empty_file(self):
    path = self.write(b"")
    with self.assertRaisesRegex(
      ValueError, f"{path} .*the file is empty. Fetch"
    ):
      cifar10.read_records(path)

  def test_refuses_a_folder_for_a_file(self):
    path = os.path.join(self.data_dir, "test_batch.bin")
    os.mkdir(path)
    with self.assertRaisesRegex(ValueError, f"{path} must be a.*got a folder"):
      cifar10.load(self.data_dir, "test")

  def test_refuses_a_label(self):
    path = self.write(_record(9, (1, 2, 3)) + _record(10, (1, 2, 3)))
    with self.assertRaisesRegex(
      ValueError, f"{path}: a label must be in 0..9; got 10 at byte 3073"
    ):
      cifar10.read_records(path)

  def test_loads_all_files_in_order(self):
    for folder in ("", "cifar-10-batches-bin"):
      # Numbers of records are free; the second folder goes first.
      for number in range(1, 6):
        records = _record(number, (len(folder), 0, 0)) * number
        self.write(records, f"data_batch_{number}.bin", folder)
      self.write(_record(0, (7, 0, 0)), "test_batch.bin", folder)
      pictures, labels = cifar10.load(self.data_dir, "train")
      self.assertAllEqual(np.repeat(range(1, 6), range(1, 6)), labels)
      self.assertAllEqual([len(folder)] * 15, pictures[:, 4, 5, 0])
      pictures, labels = cifar10.load(self.data_dir, "test")
      self.assertAllEqual([0], labels)
      self.assertEqual((1, 32, 32, 3), pictures.shape)
      self.assertFalse(cifar10.is_missing(self.data_dir))

  def test_a_missing_file(self):
    self.write(_record(0, (1, 2, 3)), "data_batch_1.bin")
    path = os.path.join(self.data_dir, "data_batch_2.bin")
    with self.assertRaisesRegex(
      ValueError, f"Failed to find file: {path}. Fetch.*tools.download cifar10"
    ):
      cifar10.load(self.data_dir, "train")
    with self.assertRaisesRegex(ValueError, "Failed to find file: /no"):
      cifar10.read_records("/no/file.bin")

  def test_missing_until_the_last_file_is_there(self):
    for names in cifar10.FILES.values():
      for name in names:
        self.assertTrue(cifar10.is_missing(self.data_dir))
        self.write(_record(0, (1, 2, 3)), name)
    self.assertFalse(cifar10.is_missing(self.data_dir))

  def test_a_folder_of_some_files_hides_no_whole_one(self):
    for number in range(1, 6):
      self.write(_record(number, (1, 2, 3)), f"data_batch_{number}.bin")
    self.write(
      _record(9, (1, 2, 3)), "data_batch_1.bin", "cifar-10-batches-bin"
    )
    _, labels = cifar10.load(self.data_dir, "train")
    self.assertAllEqual(range(1, 6), labels)

  def test_nothing_there(self):
    self.assertTrue(cifar10.is_missing(self.data_dir))
    with self.assertRaisesRegex(
      ValueError, "Failed to find file: .*cifar-10-batches-bin/test_batch.bin"
    ):
      cifar10.load(self.data_dir, "test")
    with self.assertRaisesRegex(ValueError, r"split must be.*'train'.*'eval'"):
      cifar10.load(self.data_dir, "eval")


class FolderTest(tf.test.TestCase):
  def make(self, class_names):
    folder = os.path.join(
      self.get_temp_dir(), self.id().rsplit(".", maxsplit=1)[-1]
    )
    for split in ("train", "test"):
      for value, name in enumerate(class_names):
        os.makedirs(os.path.join(folder, split, name))
        picture = np.full([32, 32, 3], value, np.uint8)
        tf.io.write_file(
          os.path.join(folder, split, name, "a.png"),
          tf.io.encode_png(picture),
        )
    return folder

  def test_loads_folders(self):
    data_dir = self.make(cifar10.CLASS_NAMES[::-1])
    self.assertFalse(cifar10.is_missing(data_dir))
    pictures, labels = cifar10.load(data_dir, "test")
    self.assertAllEqual(range(10), labels)
    self.assertAllEqual(range(9, -1, -1), pictures[:, 3, 4, 1])
    self.assertEqual(np.uint8, pictures.dtype)
    self.assertEqual(np.int32, labels.dtype)

  def test_missing_until_both_folders_have_a_class(self):
    data_dir = self.get_temp_dir()
    for folder in ("train", "test", "train/cat", "test/.hidden"):
      os.mkdir(os.path.join(data_dir, folder))
      self.assertTrue(cifar10.is_missing(data_dir))
    with self.assertRaisesRegex(ValueError, "Failed to find file.*test_batch"):
      cifar10.load(data_dir, "test")
    os.mkdir(os.path.join(data_dir, "test", "cat"))
    self.assertFalse(cifar10.is_missing(data_dir))

  def test_whole_images_go_before_records_in_part(self):
    data_dir = self.make(cifar10.CLASS_NAMES)
    path = os.path.join(data_dir, "data_batch_1.bin")
    tf.io.write_file(path, _record(0, (1, 2, 3)))
    self.assertAllEqual(range(10), cifar10.load(data_dir, "train")[1])

  def test_refuses_other_classes(self):
    data_dir = self.make(("cat", "dog"))
    with self.assertRaisesRegex(
      ValueError, r"train must have a folder for each.*got \['cat', 'dog'\]"
    ):
      cifar10.load(data_dir, "train")


class TrainInputFnTest(tf.test.TestCase, parameterized.TestCase):
  def test_batches(self):
    input_fn = cifar10.train_input_fn(*cifar10.fake_separable(30), 8)
    features, labels = input_fn().element_spec
    self.assertEqual(tf.TensorSpec([8, 24, 24, 3]), features["images"])
    self.assertEqual(tf.TensorSpec([8], tf.int32), labels)
    batches = _take(input_fn, 15)
    # 15 batches of 8 are 4 epochs of 30: three times each class in each.
    for epoch in np.concatenate([y for _, y in batches]).reshape(4, 30):
      self.assertAllEqual([3] * 10, np.bincount(epoch))
    pictures = np.concatenate([x for x, _ in batches])
    self.assertAllClose(np.zeros(120), pictures.mean((1, 2, 3)), atol=1e-5)
    self.assertAllClose(np.ones(120), pictures.std((1, 2, 3)), atol=1e-4)

  def test_each_time_another_distortion(self):
    pictures, labels = cifar10.fake_separable(1)
    input_fn = cifar10.train_input_fn(pictures, labels, 1, seed=3)
    batches = [x.tobytes() for x, _ in _take(input_fn, 20)]
    self.assertLen(set(batches), 20)

  def test_without_distortion(self):
    pictures, labels = cifar10.fake_separable(4)
    input_fn = cifar10.train_input_fn(pictures, labels, 4, 1, distort=False)
    ((got, got_labels),) = _take(input_fn, 1)
    for picture, label in zip(got, got_labels, strict=True):
      expected = pictures[label, 4:28, 4:28].astype(np.float64)
      expected = (expected - expected.mean()) / expected.std()
      self.assertAllClose(expected, picture, atol=1e-4)

  def test_without_mirror_nothing_is_flipped(self):
    # Brighter from left to right in every crop.
    pictures = np.tile(np.arange(32, dtype=np.uint8), [1, 32, 3, 1])
    pictures = pictures.transpose(0, 1, 3, 2)
    for mirror, expected in ((False, {True}), (True, {False, True})):
      input_fn = cifar10.train_input_fn(
        pictures, np.zeros(1, np.int32), 20, seed=1, mirror=mirror
      )
      ((batch, _),) = _take(input_fn, 1)
      rising = batch[:, 5, -1, 0] > batch[:, 5, 0, 0]
      self.assertEqual(expected, set(rising.tolist()))

  def test_a_seed_fixes_all(self):
    data = cifar10.fake_separable(30)

    def batches(seed):
      return _take(cifar10.train_input_fn(*data, 8, seed), 6)

    tf.random.set_seed(1)
    first = batches(5)
    tf.random.set_seed(2)
    self.assertAllEqual(
      [x.tobytes() for x, _ in first], [x.tobytes() for x, _ in batches(5)]
    )
    self.assertNotAllEqual(first[0][1], batches(6)[0][1])
    self.assertNotAllEqual(batches(None)[0][1], batches(None)[0][1])

  @parameterized.parameters(None, 11)
  def test_restored_amid_an_epoch_goes_on_the_same(self, seed):
    input_fn = cifar10.train_input_fn(*cifar10.fake_separable(30), 8, seed)
    iterator = iter(input_fn())
    for _ in range(5):
      next(iterator)
    path = os.path.join(self.get_temp_dir(), "place")
    tf.train.Checkpoint(iterator=iterator).write(path)
    tf.random.set_seed(1)
    again = iter(input_fn())
    next(again)
    tf.train.Checkpoint(iterator=again).read(path)
    for _ in range(9):
      features, labels = next(again)
      expected_features, expected_labels = next(iterator)
      self.assertAllEqual(expected_labels, labels)
      self.assertAllEqual(expected_features["images"], features["images"])

  @parameterized.parameters((2, 8), (3, 8), (1, 4))
  def test_pipelines_together_see_what_one_would(self, count, batch_size):
    data = cifar10.fake_separable(30)
    input_fn = cifar10.train_input_fn(*data, batch_size, seed=5)
    whole = _take(input_fn, 7)
    parts = [_take(input_fn, 7, _context(count, i)) for i in range(count)]
    for number, (pictures, labels) in enumerate(whole):
      together = [part[number] for part in parts]
      self.assertAllEqual(labels, np.concatenate([y for _, y in together]))
      self.assertAllClose(
        pictures, np.concatenate([x for x, _ in together]), atol=1e-6
      )
    sizes = [
      input_fn(_context(count, i)).element_spec[1].shape[0]
      for i in range(count)
    ]
    self.assertEqual([len(part[0][1]) for part in parts], sizes)

  def test_unseeded_pipelines_agree(self):
    input_fn = cifar10.train_input_fn(*cifar10.fake_separable(30), 30)
    first, second = (_take(input_fn, 1, _context(2, i)) for i in range(2))
    labels = np.concatenate([first[0][1], second[0][1]])
    self.assertAllEqual([3] * 10, np.bincount(labels))

  @parameterized.named_parameters(
    ("floats", np.zeros([2, 32, 32, 3]), np.zeros(2), "uint8.*got float64"),
    (
      "flat",
      np.zeros([2, 3072], np.uint8),
      np.zeros(2),
      r"got uint8 \(2, 3072",
    ),
    ("small", np.zeros([2, 32, 20, 3], np.uint8), np.zeros(2), "24x24"),
    ("lengths", np.zeros([2, 32, 32, 3], np.uint8), np.zeros(3), "of 2 images"),
    ("none", np.zeros([0, 32, 32, 3], np.uint8), np.zeros(0), "at least one"),
    ("grey", np.zeros([2, 32, 32, 1], np.uint8), np.zeros(2), r"W, 3\].*, 1\)"),
    (
      "float_labels",
      np.zeros([2, 32, 32, 3], np.uint8),
      np.zeros(2),
      "must be integers; got float64",
    ),
    (
      "negative_label",
      np.zeros([2, 32, 32, 3], np.uint8),
      np.array([0, -1]),
      r"in 0\.\.9; got -1 in row 1",
    ),
    (
      "label_of_10",
      np.zeros([2, 32, 32, 3], np.uint8),
      np.array([10, 0], np.uint8),
      r"in 0\.\.9; got 10 in row 0",
    ),
  )
  def test_refuses(self, pictures, labels, message):
    with self.assertRaisesRegex(ValueError, message):
      cifar10.train_input_fn(pictures, labels, 2)
    with self.assertRaisesRegex(ValueError, message):
      cifar10.evaluation_input_fn(pictures, labels, 2)

  def test_refuses_lists(self):
    pictures, labels = cifar10.fake_separable(2)
    for make in (cifar10.train_input_fn, cifar10.evaluation_input_fn):
      with self.assertRaisesRegex(TypeError, "Images must be.*got list"):
        make(pictures.tolist(), labels, 2)
      with self.assertRaisesRegex(TypeError, "Labels must be.*got list"):
        make(pictures, labels.tolist(), 2)

  def test_labels_of_any_integers_become_int32(self):
    pictures, labels = cifar10.fake_separable(2)
    for make in (cifar10.train_input_fn, cifar10.evaluation_input_fn):
      ((_, batch_labels),) = _take(
        make(pictures, labels.astype(np.uint8), 2), 1
      )
      self.assertEqual(np.int32, batch_labels.dtype)
      self.assertCountEqual([0, 1], batch_labels)

  def test_refuses_arguments(self):
    data = cifar10.fake_separable(2)
    with self.assertRaisesRegex(ValueError, "batch_size must be.*got 0"):
      cifar10.train_input_fn(*data, 0)
    with self.assertRaisesRegex(ValueError, "seed must be.*'a'"):
      cifar10.train_input_fn(*data, 2, "a")
    with self.assertRaisesRegex(ValueError, "batch_size must be.*got 0"):
      cifar10.evaluation_input_fn(*data, 0)


class EvaluationInputFnTest(tf.test.TestCase):
  def test_gives_the_middle_of_every_image_once(self):
    pictures, labels = cifar10.fake_separable(7)
    input_fn = cifar10.evaluation_input_fn(pictures, labels, 3)
    for _ in range(2):
      batches = _take(input_fn, -1)
      self.assertEqual([3, 3, 1], [len(y) for _, y in batches])
      self.assertAllEqual(labels, np.concatenate([y for _, y in batches]))
      middles = pictures[:, 4:28, 4:28].astype(np.float64)
      means = middles.mean((1, 2, 3), keepdims=True)
      expected = (middles - means) / middles.std((1, 2, 3), keepdims=True)
      got = np.concatenate([x for x, _ in batches])
      self.assertAllClose(expected, got, atol=1e-4)
      self.assertEqual(np.float32, got.dtype)


class FakeSeparableTest(tf.test.TestCase):
  def test_nearest_mean_of_a_class_finds_it(self):
    pictures, labels = cifar10.fake_separable(200)
    self.assertEqual((200, 32, 32, 3), pictures.shape)
    self.assertEqual(np.uint8, pictures.dtype)
    means = np.stack([pictures[labels == c].mean(0) for c in range(10)])
    others = cifar10.fake_separable(100, seed=1)
    distances = np.square(others[0][:, np.newaxis] - means).sum((2, 3, 4))
    self.assertAllEqual(others[1], distances.argmin(1))


class RealDataTest(tf.test.TestCase):
  def test_published_records(self):
    path = os.path.join(
      os.environ.get("TEST_DATA_DIR", ""),
      "cifar10/data_batch_1_first4000.bin.gz",
    )
    if not os.path.exists(path):
      self.skipTest("needs CIFAR-10's records in $TEST_DATA_DIR/cifar10")
    unpacked = os.path.join(self.get_temp_dir(), "data_batch_1.bin")
    with gzip.open(path) as source, open(unpacked, "wb") as output:
      output.write(source.read())
    pictures, labels = cifar10.read_records(unpacked)
    self.assertEqual((4000, 32, 32, 3), pictures.shape)
    # The published beginning, and the mean of each colour over all images.
    self.assertAllEqual([6, 9, 9, 4, 1, 1, 2, 7, 8, 3], labels[:10])
    self.assertAllClose(
      [0.4914, 0.4822, 0.4465], pictures.mean((0, 1, 2)) / 255, atol=5e-3
    )


if __name__ == "__main__":
  tf.test.main()
