import os
from pathlib import Path

import pytest

from callgate.demo.certificates import Certificates
from callgate.demo.launch import LaunchError, serve, start_server
from callgate.demo.server import create_app


def test_server_process_ends_with_the_block(certificates: Certificates) -> None:
    with start_server(certificates) as server:
        assert server.url.startswith("https://127.0.0.1:")
        os.kill(server.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


def test_server_process_ends_when_the_block_raises(certificates: Certificates) -> None:
    with pytest.raises(RuntimeError, match="inside"), start_server(certificates) as server:
        raise RuntimeError("inside")
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


def test_server_process_that_can_not_start_is_an_error(
    certificates: Certificates, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = Certificates(certificates.ca, certificates.cert, tmp_path / "none.pem")
    with pytest.raises(LaunchError, match="exit code 1"), start_server(broken):
        pass
    assert "No such file" in capfd.readouterr().err


def test_unusable_certificate_is_an_error_in_the_thread_form(
    certificates: Certificates, tmp_path: Path
) -> None:
    broken = Certificates(certificates.ca, certificates.cert, tmp_path / "none.pem")
    with pytest.raises(FileNotFoundError), serve(create_app(), broken):
        pass
