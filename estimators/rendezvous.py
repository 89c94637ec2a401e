"""Waiting for all workers of a cluster before TensorFlow connects them.

TensorFlow's own wait has no end, names nobody and cannot be interrupted. So
each worker first listens at its own address and connects to those of the
others, until it has reached them all.
"""

import contextlib
import socket
import time

import tensorflow as tf

_logger = tf.get_logger()

# How long workers wait for each other.
WAIT_SECS = 300.0
_POLL_SECS = 0.2
_LOG_SECS = 10.0
_CONNECT_SECS = 2.0


def wait_for_all(own, others, wait_secs=None):
  """Returns when every other worker was reached.

  Args:
    own: str, this worker's address, `host:port`; nobody else may listen there.
    others: list of str, the addresses of the others.
    wait_secs: float, how long to wait; None for WAIT_SECS.

  Raises:
    TimeoutError: some worker did not come.
    OSError: this worker's port is taken.
  """
  wait_secs = WAIT_SECS if wait_secs is None else wait_secs
  missing = list(others)
  start = logged = time.monotonic()
  with _listening(own):
    while missing:
      missing = [address for address in missing if not _reached(address)]
      now = time.monotonic()
      if missing and now - start > wait_secs:
        raise TimeoutError(
          f"the workers {missing} of TF_CONFIG were needed, but could not be "
          f"reached from {own} in {wait_secs:g} seconds; start all workers, "
          "with the same cluster in TF_CONFIG, and let them reach each other."
        )
      if missing and now - logged > _LOG_SECS:
        _logger.info("Waiting for the workers %s.", missing)
        logged = now
      if missing:
        time.sleep(_POLL_SECS)


@contextlib.contextmanager
def _listening(address):
  """Within this context other workers can reach this one."""
  _, port = _host_and_port(address)
  has_both = socket.has_dualstack_ipv6()
  family = socket.AF_INET6 if has_both else socket.AF_INET
  with socket.socket(family) as server:
    # TensorFlow is to listen there as soon as this socket is closed.
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if has_both:  # One socket for both families.
      server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
      server.bind(("", port))
    except OSError as error:
      raise OSError(
        error.errno,
        f"this worker's port, {port} in TF_CONFIG, must be free, but is not "
        f"({error.strerror}); has a run before not ended, or another program "
        "the port? End it, or take another port in all tasks.",
      ) from error
    # The system answers for it: nobody needs to accept the connections.
    server.listen(128)
    yield


def _reached(address):
  try:
    with socket.create_connection(_host_and_port(address), _CONNECT_SECS):
      return True
  except OSError:
    return False


def _host_and_port(address):
  host, _, port = address.rpartition(":")
  return host.strip("[]"), int(port)
