"""Tests of how the workers of a cluster wait for each other."""

import socket
import threading

import tensorflow as tf

from estimators import rendezvous


def free_addresses(number):
  sockets = [socket.socket() for _ in range(number)]
  for one in sockets:
    one.bind(("127.0.0.1", 0))
  addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
  for one in sockets:
    one.close()
  return addresses


class WaitForAllTest(tf.test.TestCase):
  def test_all_come(self):
    # Each is reached while it waits, or by the program that listens afterwards.
    addresses = free_addresses(3)
    done = []

    def come(own):
      others = [a for a in addresses if a != own]
      rendezvous.wait_for_all(own, others, wait_secs=20)
      port = int(own.split(":")[1])
      with socket.create_server(("127.0.0.1", port)):  # as TensorFlow does
        done.append(own)
        everybody.wait(20)

    everybody = threading.Barrier(3)
    threads = [threading.Thread(target=come, args=[a]) for a in addresses]
    for thread in threads:
      thread.start()
    for thread in threads:
      thread.join()
    self.assertCountEqual(done, addresses)

  def test_one_does_not_come(self):
    own, missing = free_addresses(2)
    message = rf"the workers \['{missing}'\].* in 0.3 seconds; start all"
    with self.assertRaisesRegex(TimeoutError, message):
      rendezvous.wait_for_all(own, [missing], wait_secs=0.3)

  def test_the_port_is_taken(self):
    with socket.create_server(("127.0.0.1", 0)) as server:
      port = server.getsockname()[1]
      with self.assertRaisesRegex(OSError, f"port, {port} in TF_CONFIG, must"):
        rendezvous.wait_for_all(f"127.0.0.1:{port}", [])

  def test_both_families(self):
    if not socket.has_dualstack_ipv6():
      self.skipTest("There is no IPv6 here.")
    port = free_addresses(1)[0].split(":")[1]
    with rendezvous._listening(f"[::1]:{port}"):
      for host in ("127.0.0.1", "[::1]"):
        self.assertTrue(rendezvous._reached(f"{host}:{port}"))


if __name__ == "__main__":
  tf.test.main()
