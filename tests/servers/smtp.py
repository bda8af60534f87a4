# SPDX-License-Identifier: MIT
"""A mail server for tests (aiosmtpd), with TLS from the first byte, after STARTTLS, or none, with a login or without.

Receiver() listens at .url. `mails` has what was accepted, parsed by Python's email package: .message, .raw, .sender,
.recipients, .secure (came through TLS). `refuse` maps recipients to replies. `on_data` is called with each Mail before it
is answered, and may answer another reply than "250 OK"; what it says begins with 250 is accepted.
"""
import email
import email.policy
import logging
import socket
import ssl
import subprocess
import threading
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

warnings.simplefilter("ignore")  # what these tests do with it is not what it is for
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class Mail:
    def __init__(self, envelope, secure):
        self.raw, self.sender, self.recipients, self.secure = envelope.content, envelope.mail_from, envelope.rcpt_tos, secure
        self.message = email.message_from_bytes(self.raw, policy=email.policy.default)

    def part(self, kind):
        """The text of text/plain or text/html."""
        return self.message.get_body((kind,)).get_content().replace("\r\n", "\n")


def certificate(folder="."):
    """A certificate for localhost that signs itself, as (key, certificate)."""
    key, own = f"{folder}/key.pem", f"{folder}/certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", own], check=True, capture_output=True)
    return key, own


class Listening(Controller):
    def _trigger_server(self):
        """It makes its first session only for a connection, also of one who says nothing, in TLS or not."""
        socket.create_connection((self.hostname, self.port)).close()


class Receiver:
    def __init__(self, tls=None, login=None, authority=None):
        self.mails, self.seen, self.refuse, self.on_data, self.lock = [], [], {}, None, threading.Lock()
        self.sessions = 0
        options = {}
        if authority:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(authority[1], authority[0])
            options["ssl_context" if tls == "implicit" else "tls_context"] = context
        if login:
            def authenticate(_server, _session, _envelope, _mechanism, data):
                return AuthResult(success=(data.login.decode(), data.password.decode()) == login, handled=False)
            options.update(authenticator=authenticate, auth_required=True, auth_require_tls=tls == "starttls")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.controller = Listening(self, hostname="127.0.0.1", port=self.port, ready_timeout=60, **options)
        self.scheme = "smtps" if tls == "implicit" else "smtp"
        host = "localhost" if tls else "127.0.0.1"
        self.place = f"{host}:{self.port}"
        self.url = f"{self.scheme}://{self.place}"

    def __enter__(self):
        self.controller.start()
        return self

    def __exit__(self, *_):
        self.controller.stop()

    # ------------------------------------------------- called by aiosmtpd

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = Mail(envelope, session.ssl is not None or self.scheme == "smtps")
        with self.lock:
            self.seen.append(mail)
            reply = self.on_data(mail) if self.on_data else None
            reply = reply or "250 OK"
            if reply.startswith("250"):
                self.mails.append(mail)
        if reply == "250 and gone":  # accepted, but nobody learns of it
            server.transport.abort()
        return reply
