# SPDX-License-Identifier: MIT
"""A RabbitMQ of one's own: in a temporary folder, on free loopback ports, with its own port mapper; ended by its pids.

Debian's /usr/sbin/rabbitmq-server is not used: it insists on the system's user and folders.
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HOME = pathlib.Path("/usr/lib/rabbitmq/bin")
START = 180  # seconds; 6 on an idle machine


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


class Broker:
    def __init__(self, tls=False):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="leat-rabbitmq-"))
        self.port, self.mapper_port, distribution, self.tls_port = free_ports(4)
        for name in ("home", "mnesia", "log"):
            (self.folder / name).mkdir()
        self.environment = dict(
            PATH=os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/lib/erlang/bin:/usr/sbin",
            HOME=str(self.folder / "home"),
            LC_ALL="C.UTF-8",
            ERL_EPMD_PORT=str(self.mapper_port),
            ERL_EPMD_ADDRESS="127.0.0.1",
            RABBITMQ_NODENAME=f"leat{self.port}@localhost",
            RABBITMQ_NODE_IP_ADDRESS="127.0.0.1",
            RABBITMQ_NODE_PORT=str(self.port),
            RABBITMQ_DIST_PORT=str(distribution),
            RABBITMQ_MNESIA_BASE=str(self.folder / "mnesia"),
            RABBITMQ_LOG_BASE=str(self.folder / "log"),
            RABBITMQ_PID_FILE=str(self.folder / "pid"),
            RABBITMQ_CONFIG_FILE=str(self.folder / "rabbitmq"),
            RABBITMQ_ADVANCED_CONFIG_FILE=str(self.folder / "advanced"),
            RABBITMQ_CONF_ENV_FILE=str(self.folder / "environment"),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(self.folder / "plugins"),
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}",
        )
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(self.tls_settings() if tls else "")
        self.mapper = self.server = None
        self.pid = 0

    def tls_settings(self):
        """A certificate for localhost that signs itself."""
        key, certificate = self.folder / "key.pem", self.folder / "certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)
        return (f"listeners.ssl.default = 127.0.0.1:{self.tls_port}\nssl_options.cacertfile = {certificate}\n"
                f"ssl_options.certfile = {certificate}\nssl_options.keyfile = {key}\nssl_options.verify = verify_none\n")

    def start(self):
        for old in (self.folder / "log").glob("*.log"):
            old.unlink()
        (self.folder / "pid").unlink(missing_ok=True)
        null = subprocess.DEVNULL
        if not self.mapper:
            self.mapper = subprocess.Popen(["epmd", "-port", str(self.mapper_port), "-address", "127.0.0.1"], stdin=null,
                                           stdout=null, stderr=null, env=self.environment, cwd=self.folder)
        with open(self.folder / "output", "ab") as output:
            # Its database writes crash dumps into the current folder.
            self.server = subprocess.Popen([HOME / "rabbitmq-server"], stdin=null, stdout=output, stderr=output,
                                           env=self.environment, cwd=self.folder)
        end = time.monotonic() + START
        while not any(b"Server startup complete" in log.read_bytes() for log in (self.folder / "log").glob("*.log")):
            assert self.server.poll() is None and time.monotonic() < end, "RabbitMQ did not start:\n" + (
                self.folder / "output").read_text(errors="replace")[-2000:]
            time.sleep(0.05)
        self.pid = int((self.folder / "pid").read_text())
        return self

    def stop(self, number=signal.SIGTERM):
        if self.pid and not gone(self.pid):
            os.kill(self.pid, number)
        if self.server:
            self.server.wait(START)
        while self.pid and not gone(self.pid):
            time.sleep(0.02)
        self.pid, self.server = 0, None

    def ctl(self, *words):
        run = subprocess.run([HOME / "rabbitmqctl", "-q", *words], env=self.environment, stdin=subprocess.DEVNULL,
                             capture_output=True, timeout=START)
        assert run.returncode == 0, (words, run.stdout, run.stderr)
        return run.stdout.decode()

    def url(self, port=None):
        return f"amqp://guest:guest@127.0.0.1:{port or self.port}"

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)
        if self.mapper:
            self.mapper.terminate()
            self.mapper.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
