import contextlib
import functools
import hashlib
import http.server
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import threading
import zipfile
from concurrent import futures
from unittest import mock

import tensorflow as tf
from absl import app

from input_pipelines import cifar10, data_sets, downloads, mnist, svhn
from tools import download

_CONTENT = bytes(range(256)) * 40  # 10,240 bytes


class _Handler(http.server.BaseHTTPRequestHandler):
  """Serves /good, /wrong (other bytes), /cut (half), /no_ranges; logs Range."""

  def __init__(self, log, *args):
    self._log = log
    super().__init__(*args)

  def do_GET(self):
    kind = self.path.split("/")[1]
    start = self.headers.get("Range")
    self._log.append((self.path, start))
    if kind == "down":
      self.send_error(503)
      return
    content = _CONTENT if kind != "wrong" else _CONTENT[::-1]
    if kind == "endless":
      content *= 1000
    if start and kind != "no_ranges":
      content = content[int(start.removeprefix("bytes=").rstrip("-")) :]
      self.send_response(206)
    else:
      self.send_response(200)
    self.send_header("Content-Length", str(len(content)))
    self.end_headers()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
      self.wfile.write(content[: len(content) // 2 if kind == "cut" else None])

  def log_message(self, *args):
    pass


class DownloadTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.requests = []
    server = http.server.ThreadingHTTPServer(
      ("127.0.0.1", 0), functools.partial(_Handler, self.requests)
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    self.addCleanup(thread.join)
    self.addCleanup(server.server_close)
    self.addCleanup(server.shutdown)
    self.url = f"http://127.0.0.1:{server.server_port}"
    self.data_dir = os.path.join(
      self.get_temp_dir(), self.id().split(".")[-1], "new"
    )
    self.path = os.path.join(self.data_dir, "a.gz")
    self.output = io.StringIO()

  @contextlib.contextmanager
  def toy(self, *kinds):
    """Makes a data set `toy` with these mirrors; takes what is printed."""
    file = data_sets.File(
      "a.gz",
      len(_CONTENT),
      hashlib.sha256(_CONTENT).hexdigest(),
      tuple(f"{self.url}/{kind}/a.gz" for kind in kinds),
    )
    with contextlib.ExitStack() as stack:
      stack.enter_context(mock.patch.dict(downloads.DATASETS, toy=(file,)))
      stack.enter_context(contextlib.redirect_stdout(self.output))
      yield

  def download(self, *kinds):
    with self.toy(*kinds):
      return downloads.download("toy", self.data_dir)

  def put(self, name, content):
    os.makedirs(self.data_dir, exist_ok=True)
    with open(os.path.join(self.data_dir, name), "wb") as stream:
      stream.write(content)

  def assert_downloaded(self):
    with open(self.path, "rb") as stream:
      self.assertEqual(_CONTENT, stream.read())
    self.assertEqual(["a.gz"], os.listdir(self.data_dir))

  def assert_requests(self, *expected):
    self.assertEqual(
      [(f"/{kind}/a.gz", start) for kind, start in expected], self.requests
    )

  def test_fetches_into_a_new_folder(self):
    self.assertEqual([self.path], self.download("good"))
    self.assert_downloaded()
    self.assert_requests(("good", None))
    self.assertIn(
      f"Successfully downloaded {self.path}, 10240 bytes.",
      self.output.getvalue(),
    )

  def test_a_second_time_fetches_nothing(self):
    self.download("good")
    self.download("good")
    self.assert_requests(("good", None))

  def test_several_at_once_fetch_once(self):
    with self.toy("good"), futures.ThreadPoolExecutor() as pool:
      results = pool.map(downloads.download, ["toy"] * 3, [self.data_dir] * 3)
      self.assertEqual([[self.path]] * 3, list(results))
    self.assert_downloaded()
    self.assert_requests(("good", None))

  def test_a_wrong_file_is_fetched_again(self):
    self.put("a.gz", b"something else")
    self.download("good")
    self.assert_downloaded()

  def test_goes_on_where_it_stopped(self):
    self.put("a.gz.part", _CONTENT[:1000])
    self.download("good")
    self.assert_downloaded()
    self.assert_requests(("good", "bytes=1000-"))

  def test_a_broken_transfer_goes_on_from_the_next_mirror(self):
    self.download("cut", "good")
    self.assert_downloaded()
    self.assert_requests(("cut", None), ("good", "bytes=5120-"))

  def test_a_server_without_ranges_sends_all_again(self):
    self.put("a.gz.part", _CONTENT[:1000])
    self.download("no_ranges")
    self.assert_downloaded()

  def test_a_whole_part_needs_no_transfer(self):
    self.put("a.gz.part", _CONTENT)
    self.download("good")
    self.assert_downloaded()
    self.assert_requests()

  def test_a_part_that_is_too_long_is_thrown_away(self):
    self.put("a.gz.part", _CONTENT + b"?")
    self.download("good")
    self.assert_downloaded()
    self.assert_requests(("good", None))

  def test_a_server_that_does_not_stop(self):
    with self.toy("endless", "good"):
      downloads.download("toy", self.data_dir)
    self.assert_downloaded()
    self.assertIn("got 10241 bytes", self.output.getvalue())

  def test_a_full_disk_leaves_a_part_that_goes_on(self):
    with mock.patch("os.fsync", side_effect=OSError(28, "No space left")):
      with self.assertRaisesRegex(downloads.DownloadError, "No space left"):
        self.download("good")
    self.assertEqual(["a.gz.part"], os.listdir(self.data_dir))
    self.download("good")
    self.assert_downloaded()

  def test_a_wrong_part_is_thrown_away(self):
    self.put("a.gz.part", b"?" * 1000)
    self.download("good", "good")
    self.assert_downloaded()
    self.assert_requests(("good", "bytes=1000-"), ("good", None))

  def test_the_next_mirror_is_tried(self):
    self.download("down", "wrong", "good")
    self.assert_downloaded()
    self.assertIn("/down/a.gz: HTTP Error 503", self.output.getvalue())
    self.assertIn("/wrong/a.gz: the file must have", self.output.getvalue())

  def test_no_mirror_left(self):
    with self.assertRaises(downloads.DownloadError) as caught:
      self.download("down", "wrong")
    message = str(caught.exception)
    self.assertRegex(message, "(?s)a.gz must come.*503.*sha256.*Try again")
    self.assertIn(hashlib.sha256(_CONTENT[::-1]).hexdigest(), message)
    self.assertEqual([], os.listdir(self.data_dir))

  def test_refused_connection(self):
    file = data_sets.File("a.gz", 1, "0", ("http://127.0.0.1:1/a.gz",))
    with self.assertRaisesRegex(downloads.DownloadError, "refused"):
      with contextlib.redirect_stdout(self.output):
        downloads.fetch(file, self.get_temp_dir())

  def test_unknown_data_set(self):
    with self.assertRaisesRegex(
      ValueError,
      r"one of \['census', 'cifar10', .*'word2vec'\]; got 'nist'",
    ):
      downloads.download("nist", self.data_dir)

  def test_the_table_names_the_files_of_the_pipeline(self):
    names = [file.name for file in downloads.DATASETS["mnist"]]
    self.assertEqual(list(mnist.FILES), names)
    for file in downloads.DATASETS["mnist"]:
      self.assertTrue(all(url.endswith("/" + file.name) for url in file.urls))

  def test_the_table_against_the_published_files(self):
    data_dir = os.path.join(os.environ.get("TEST_DATA_DIR", ""), "mnist")
    if mnist.missing_files(data_dir):
      self.skipTest("needs the MNIST files in $TEST_DATA_DIR/mnist")
    with contextlib.redirect_stdout(self.output):
      downloads.download("mnist", data_dir)
    self.assertEqual(4, self.output.getvalue().count("is there and right"))


class UnpackTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = self.new_folder()
    self.file = data_sets.File("a.zip", 1, "0", (), {"text": 5})
    self.path = os.path.join(self.folder, "text")

  def new_folder(self):
    folder = os.path.join(self.get_temp_dir(), self.id().split(".")[-1])
    os.makedirs(folder)
    return folder

  def archive(self, **members):
    with zipfile.ZipFile(os.path.join(self.folder, "a.zip"), "w") as archive:
      for name, content in members.items():
        archive.writestr(name.replace("__", "/"), content)

  def unpack(self):
    with contextlib.redirect_stdout(io.StringIO()) as output:
      path = downloads.unpack(self.file, self.folder)
    self.assertEqual(path, [self.path])
    return output.getvalue()

  def content(self):
    with open(self.path) as stream:
      return stream.read()

  def assert_files(self):
    names = ["a.zip", "a.zip.sha256", "text"]
    self.assertCountEqual(os.listdir(self.folder), names)

  def test_unpacks_beside_the_archive(self):
    self.archive(text="words")
    self.assertIn(f"Unpacked {self.path}, 5 bytes", self.unpack())
    self.assertEqual(self.content(), "words")
    self.assert_files()

  def test_a_second_time_unpacks_nothing(self):
    self.archive(text="words")
    self.unpack()
    self.archive(text="WORDS")
    self.assertIn("is there", self.unpack())
    self.assertEqual(self.content(), "words")

  def test_what_is_not_as_it_was_noted_is_unpacked_again(self):
    self.archive(text="words")
    self.unpack()
    sums = self.path.replace("text", "a.zip.sha256")
    digest = hashlib.sha256(b"words").hexdigest()
    with open(sums) as stream:
      self.assertEqual(stream.read(), f"{digest}  text\n")
    for path, content in (
      (self.path, "wordr"), (sums, ""), (sums, "\0\n"), (sums, None),
    ):  # fmt: skip
      with self.subTest(path=path, content=content):
        os.remove(path)
        if content is not None:
          with open(path, "w") as stream:
            stream.write(content)
        self.assertIn("Unpacked", self.unpack())
        self.assertEqual(self.content(), "words")
        self.assertIn("is there", self.unpack())

  def test_half_a_file_is_unpacked_again(self):
    self.archive(text="words")
    for name in ("text", "text.part"):
      with open(os.path.join(self.folder, name), "w") as stream:
        stream.write("wo")
    self.unpack()
    self.assertEqual(self.content(), "words")
    self.assert_files()

  def test_a_failure_leaves_no_file_of_the_name(self):
    self.archive(text="words")
    with mock.patch("os.fsync", side_effect=OSError("full")):
      with self.assertRaisesRegex(OSError, "full"):
        self.unpack()
    self.assertEqual(os.listdir(self.folder), ["a.zip"])

  def damage(self, change):
    """Changes the bytes of the archive; it must be refused, and leave none."""
    path = os.path.join(self.folder, "a.zip")
    content = bytearray(pathlib.Path(path).read_bytes())
    pathlib.Path(path).write_bytes(change(content))
    with self.assertRaisesRegex(
      downloads.DownloadError, f"{path} must be a wh"
    ):
      self.unpack()
    self.assertEqual(os.listdir(self.folder), ["a.zip"])

  def test_a_damaged_archive_is_named(self):
    def flip(content):
      content[content.index(b"words")] ^= 1  # its checksum is of others
      return content

    for change in (flip, lambda c: c[:20], lambda c: b"", lambda c: b"?" * 100):
      with self.subTest():
        self.archive(text="words")
        self.damage(change)

  def test_more_than_it_says(self):
    # Both sizes in the archive are 5, and the stream makes 100,000 of them.
    path = os.path.join(self.folder, "a.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
      archive.writestr("text", bytes(100_000))
    content = pathlib.Path(path).read_bytes()
    size = (100_000).to_bytes(4, "little")
    self.assertEqual(2, content.count(size))
    pathlib.Path(path).write_bytes(
      content.replace(size, (5).to_bytes(4, "little"))
    )
    with self.assertRaises(downloads.DownloadError):
      self.unpack()
    self.assertEqual(os.listdir(self.folder), ["a.zip"])

  def test_a_name_twice(self):
    with zipfile.ZipFile(os.path.join(self.folder, "a.zip"), "w") as archive:
      archive.writestr("text", "words")
      with self.assertWarns(UserWarning):
        archive.writestr("text", "WORDS")
    with self.assertRaisesRegex(downloads.DownloadError, "it has text again"):
      self.unpack()

  def test_other_contents_are_refused(self):
    for members in (
      {"text": "words of more"},
      {"other": "words"},
      {"..__text": "words"},
    ):
      with self.subTest(members):
        self.archive(**members)
        with self.assertRaisesRegex(
          downloads.DownloadError, "must hold text of 5 bytes; got .* bytes"
        ):
          self.unpack()
        self.assertEqual(os.listdir(self.folder), ["a.zip"])

  def test_what_else_is_in_it_stays_there(self):
    self.archive(text="words", more="?")
    self.unpack()
    self.assert_files()

  def test_download_fetches_and_unpacks(self):
    self.archive(text="words")
    with open(os.path.join(self.folder, "a.zip"), "rb") as stream:
      digest = hashlib.sha256(stream.read()).hexdigest()
    with open(os.path.join(self.folder, "b.txt"), "w"):
      pass
    empty = hashlib.sha256().hexdigest()
    files = (
      data_sets.File("a.zip", 1, digest, (), {"text": 5}),
      data_sets.File("b.txt", 0, empty, ()),
    )
    with mock.patch.dict(downloads.DATASETS, toy=files):
      with contextlib.redirect_stdout(io.StringIO()):
        paths = downloads.download("toy", self.folder)
    self.assertEqual(paths, [self.path, os.path.join(self.folder, "b.txt")])

  def test_the_questions_against_the_published_file(self):
    folder = os.path.join(os.environ.get("TEST_DATA_DIR", ""), "word2vec")
    if not os.path.exists(os.path.join(folder, "questions-words.txt")):
      self.skipTest("needs questions-words.txt in $TEST_DATA_DIR/word2vec")
    _, questions = downloads.DATASETS["word2vec"]
    with contextlib.redirect_stdout(io.StringIO()) as output:
      path = downloads.fetch(questions, folder)
    self.assertIn("is there and right", output.getvalue())
    self.assertEqual(os.path.getsize(path), questions.size)


class UnpackTarTest(tf.test.TestCase):
  def setUp(self):
    super().setUp()
    self.folder = os.path.join(
      self.get_temp_dir(), self.id().rsplit(".", maxsplit=1)[-1]
    )
    os.makedirs(self.folder)
    self.file = data_sets.File(
      "a.tar.gz", 1, "0", (), {"data/one.bin": 3, "data/two.bin": 4}
    )

  def archive(self, members):
    """Makes the archive of (name, content), or (name, its fields)."""
    path = os.path.join(self.folder, "a.tar.gz")
    with tarfile.open(path, "w:gz") as archive:
      for name, content in members:
        info = tarfile.TarInfo(name)
        if isinstance(content, dict):
          for field, value in content.items():
            setattr(info, field, value)
          archive.addfile(info)
        else:
          info.size = len(content)
          archive.addfile(info, io.BytesIO(content))

  def unpack(self):
    with contextlib.redirect_stdout(io.StringIO()) as output:
      paths = downloads.unpack(self.file, self.folder)
    self.assertEqual(
      [os.path.join(self.folder, f"data/{n}.bin") for n in ("one", "two")],
      paths,
    )
    return output.getvalue(), [
      pathlib.Path(path).read_bytes() for path in paths
    ]

  def test_unpacks_what_the_table_names(self):
    self.archive(
      [
        ("data", {"type": tarfile.DIRTYPE}),
        ("data/two.bin", b"four"),
        ("../outside", b"?"),
        ("/tmp/outside", b"?"),
        ("data/link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("data/one.bin", b"one"),
      ]
    )
    output, contents = self.unpack()
    self.assertEqual([b"one", b"four"], contents)
    self.assertRegex(output, "Unpacked .*/data/one.bin, 3 bytes")
    self.assertCountEqual(
      ["a.tar.gz", "a.tar.gz.sha256", "data"], os.listdir(self.folder)
    )
    self.assertCountEqual(
      ["one.bin", "two.bin"], os.listdir(os.path.join(self.folder, "data"))
    )
    self.assertNotIn("outside", os.listdir(self.get_temp_dir()))

  def test_unpacks_only_what_is_missing(self):
    self.archive([("data/one.bin", b"one"), ("data/two.bin", b"four")])
    self.unpack()
    os.remove(os.path.join(self.folder, "data/two.bin"))
    self.archive([("data/one.bin", b"ONE"), ("data/two.bin", b"FOUR")])
    output, contents = self.unpack()
    self.assertEqual([b"one", b"FOUR"], contents)
    self.assertRegex(output, "one.bin is there")

  def test_other_contents_are_refused(self):
    link = {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd", "size": 4}
    hard = {"type": tarfile.LNKTYPE, "linkname": "data/one.bin", "size": 4}
    for members in (
      [("data/one.bin", b"one")],
      [("data/one.bin", b"one"), ("data/two.bin", b"five!")],
      [("data/one.bin", b"one"), ("data/two.bin", link)],
      [("data/one.bin", b"one"), ("data/two.bin", hard)],
      [("data/one.bin", b"one"), ("../data/two.bin", b"four")],
    ):
      with self.subTest(members):
        self.archive(members)
        with self.assertRaisesRegex(
          downloads.DownloadError, "must hold data/one.bin of 3 bytes, data/two"
        ):
          self.unpack()
        self.assertEqual(["a.tar.gz"], os.listdir(self.folder))

  def test_the_tables_name_the_files_of_the_pipelines(self):
    (file,) = downloads.DATASETS["cifar10"]
    names = sum(cifar10.FILES.values(), ())
    self.assertEqual([f"{cifar10.FOLDER}/{n}" for n in names], [*file.unpacked])
    names = [file.name for file in downloads.DATASETS["svhn"]]
    self.assertEqual(list(svhn.FILES.values()), names)


class ProgramTest(tf.test.TestCase):
  def run_program(self, *args):
    return subprocess.run(
      [sys.executable, "-m", "tools.download", *args],
      cwd=os.path.dirname(os.path.dirname(download.__file__)),
      capture_output=True,
      text=True,
    )

  def test_unknown_data_set_fails(self):
    result = self.run_program("nist", f"--data_dir={self.get_temp_dir()}")
    self.assertEqual(1, result.returncode)
    self.assertIn(
      "one of ['census', 'cifar10', 'mnist', 'ptb', 'svhn', 'word2vec']; got "
      "'nist'",
      result.stderr,
    )

  def test_data_dir_is_required(self):
    result = self.run_program("mnist")
    self.assertNotEqual(0, result.returncode)
    self.assertIn("--data_dir", result.stderr)

  def test_names_one_data_set(self):
    with self.assertRaisesRegex(
      app.UsageError,
      r"\['census', 'cifar10', 'mnist', 'ptb', 'svhn', 'word2vec'\]; "
      r"got \[\]",
    ):
      download.main(["download"])

  @mock.patch.object(download, "FLAGS", mock.Mock(data_dir="/the/folder"))
  def test_says_what_it_made_or_exits(self):
    with mock.patch.object(downloads, "download") as fetch:
      fetch.return_value = ["a", "b"]
      with contextlib.redirect_stdout(io.StringIO()) as output:
        download.main(["download", "mnist"])
      self.assertEqual("mnist: 2 files in /the/folder\n", output.getvalue())
      fetch.assert_called_once_with("mnist", "/the/folder")

      fetch.side_effect = downloads.DownloadError("no mirror")
      with self.assertRaisesRegex(SystemExit, "tools.download: no mirror"):
        download.main(["download", "mnist"])


if __name__ == "__main__":
  tf.test.main()
