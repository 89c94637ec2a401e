"""Fetching data sets, with downloads that can resume, and unpacking them.

Pipelines never download; `python -m tools.download` and the experiments'
main.py do, with `download`.
"""

import contextlib
import gzip
import hashlib
import http.client
import io
import os
import tarfile
import urllib.request
import zipfile
import zlib

import tqdm

from input_pipelines import locks
from input_pipelines.data_sets import DATASETS

_CHUNK_BYTES = 1 << 18
_TIMEOUT_SECS = 30
_ARCHIVE_ERRORS = (
  EOFError,
  gzip.BadGzipFile,
  NotImplementedError,  # an unknown way to compress, in a zip file
  RuntimeError,  # an encrypted one
  tarfile.TarError,
  zipfile.BadZipFile,
  zlib.error,
)


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
    file: data_sets.File.
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
    _rename(path + ".part", path)
    print(f"Successfully downloaded {path}, {file.size} bytes.")
    return path
  raise DownloadError(
    f"{file.name} must come from one of its mirrors; got\n  "
    + "\n  ".join(failures)
    + f"\nTry again later, or put the file into {data_dir} yourself."
  )


def unpack(file, data_dir):
  """Makes sure that the files in an archive lie beside it, and whole.

  What they must be is noted in `ARCHIVE.sha256` once they are unpacked, which
  `sha256sum -c` reads, too. Those of which it says nothing are unpacked again.

  Nothing is written but the names and the sizes that the table gives, each to
  `NAME.part`, which is then renamed: an archive cannot choose a path.

  Args:
    file: data_sets.File whose `unpacked` is given, and which was fetched.
    data_dir: str, the folder of the archive.

  Returns:
    list of str, the paths of the unpacked files.

  Raises:
    DownloadError: the archive lacks one of them, or has another size of it.
  """
  paths = {name: os.path.join(data_dir, name) for name in file.unpacked}
  noted = os.path.join(data_dir, file.name + ".sha256")
  sums = _read_sums(noted)
  missing = [
    name
    for name, path in paths.items()
    if _size(path) != file.unpacked[name] or sums.get(name) != _sha256(path)
  ]
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
        _write(open_file(name), paths[name], file.unpacked[name])
        sums[name] = _sha256(paths[name])
        print(f"Unpacked {paths[name]}, {file.unpacked[name]} bytes.")
    lines = "".join(f"{sums[name]}  {name}\n" for name in paths).encode()
    _write(io.BytesIO(lines), noted, len(lines))
  return list(paths.values())


def _read_sums(path):
  """Returns {name: digest} of a file of checksums; {} without one."""
  try:
    with open(path, errors="replace") as stream:
      lines = [line.rstrip("\n").partition("  ") for line in stream]
  except FileNotFoundError:
    return {}
  return {name: digest for digest, _, name in lines}


@contextlib.contextmanager
def _open_archive(path):
  """Gives {name: size} of the plain files in it, and a function to open one.

  Raises:
    DownloadError: also within: the archive is damaged, or has a name twice.
  """
  try:
    if path.endswith(".zip"):
      with zipfile.ZipFile(path) as archive:
        # A link is a file here, whose content would be its target's name.
        members = [i for i in archive.infolist() if not i.is_dir()]
        sizes = [(i.filename, i.file_size) for i in members]
        yield _once(path, sizes), archive.open
      return
    with tarfile.open(path, "r:gz") as archive:
      # Neither links nor devices.
      members = [member for member in archive if member.isreg()]
      sizes = _once(path, [(member.name, member.size) for member in members])
      by_name = {member.name: member for member in members}
      yield sizes, lambda name: archive.extractfile(by_name[name])
  except DownloadError:
    raise
  except _ARCHIVE_ERRORS as error:
    raise DownloadError(
      f"{path} must be a whole archive; unpacking it fails with: {error}. "
      "Delete it, and fetch it again."
    ) from error


def _once(path, sizes):
  """Returns a dictionary of (name, size); a name twice is an error."""
  found = dict(sizes)
  if len(found) < len(sizes):
    names = [name for name, _ in sizes]
    twice = next(name for name in names if names.count(name) > 1)
    raise DownloadError(
      f"{path} must have each file once; it has {twice} again, so that which "
      "one is meant is not known. Fetch it again."
    )
  return found


def _sizes(files):
  return ", ".join(f"{name} of {size} bytes" for name, size in files.items())


def _write(source, path, size):
  """Writes `size` bytes, all that a source must have, to a path."""
  os.makedirs(os.path.dirname(path), exist_ok=True)
  part, left = path + ".part", size
  try:
    with source, open(part, "wb") as output:
      while chunk := source.read(min(_CHUNK_BYTES, left + 1)):
        left -= len(chunk)
        if left < 0:
          break
        output.write(chunk)
      output.flush()
      os.fsync(output.fileno())
    if left:
      raise DownloadError(
        f"{path} must have {size} bytes, as its archive says; it has "
        + ("more." if left < 0 else f"{size - left}.")
        + " Delete the archive, and fetch it again."
      )
    _rename(part, path)
  except BaseException:
    # Unlike a download it cannot be continued.
    with contextlib.suppress(FileNotFoundError):
      os.remove(part)
    raise


def _rename(part, path):
  """Gives a file that is on the disk its name, and puts that there, too."""
  os.replace(part, path)
  folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
  try:
    os.fsync(folder)
  finally:
    os.close(folder)


def _fetch_from(url, file, part):
  """Fills `part` from a URL, going on from the bytes that are there."""
  if _size(part) > file.size:
    os.remove(part)  # It is of another file, or of a server that did not stop.
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
    # A byte more than there should be is enough to see that it is wrong.
    left = file.size + 1 - output.tell()
    while chunk := response.read(min(_CHUNK_BYTES, left)):
      output.write(chunk)
      bar.update(len(chunk))
      left -= len(chunk)
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
