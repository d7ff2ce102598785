"""The API of `transparent.sh`: `transparent_api.py FOLDER`, at 192.0.2.1:443, until it is ended."""

import socket
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme


class Api(BaseHTTPRequestHandler):
    """Lists no models."""

    def do_GET(self) -> None:
        body = b'{"object":"list","data":[]}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def main(folder: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("api.openai.com", "other.example").configure_cert(context)
    server = ThreadingHTTPServer(("192.0.2.1", 443), Api)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # what listens is not unreachable
    udp.bind(("192.0.2.1", 443))
    authority.cert_pem.write_to_path(str(folder / "api-ca.pem"))
    (folder / "api.ready").touch()
    with udp:
        server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
