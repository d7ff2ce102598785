"""What fails, and where: every part against every hook, with the promise that a test keeps.

docs/faults.md is made from this table; `python -m tests.test_faults` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from callgate.addon import Guard
from tests.test_bypasses import is_there

PAGE = Path(__file__).parent.parent / "docs" / "faults.md"

HOOKS: Mapping[str, str] = {
    "a connection is made": "`client_connected`, `server_connect`, `server_disconnected`",
    "a tunnel is asked for": "`http_connect`, `next_layer`",
    "a request comes": "`requestheaders`, `request`",
    "a response comes": "`responseheaders`, `callgate_judge`, `response`",
    "a stream flows": "`callgate_wait`",
    "a WebSocket is open": "`websocket_start`, `websocket_message`, `websocket_end`",
    "the gate starts, runs, ends": "`load`, `running`, `error`, `done`",
}
"""Phases, and the hooks in which Callgate sees them."""

OTHER_HOOKS = frozenset(("load", "running", "done", "client_connected"))
"""Of other addons than the guard."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault in one phase."""

    phase: str
    fault: str
    promise: str
    tests: tuple[str, ...]


def cell(phase: str, fault: str, promise: str, tests: str) -> Cell:
    return Cell(phase, fault, promise, tuple(tests.split()))


_CONNECTION, _TUNNEL, _REQUEST, _RESPONSE, _STREAM, _SOCKET, _LIFE = HOOKS

CELLS = (
    cell(
        _CONNECTION,
        "more connections than `max_connections`",
        "`503` and closed; those that there are go on",
        "crowd::connection_too_many_is_told_so_and_closed "
        "e2e/faults::idle_connections_beyond_the_limit_get_503_and_the_gate_works_beside_them",
    ),
    cell(
        _CONNECTION,
        "no file descriptors, no memory to receive into",
        "nothing is taken until there are; said every ten seconds; clients are let go",
        "e2e/faults::gate_without_descriptors_goes_on_when_there_are_some "
        "crowd::shortage_is_said_once_in_a_while "
        "streaming::client_of_a_server_connection_that_nobody_reads_any_more_is_let_go",
    ),
    cell(
        _CONNECTION,
        "DNS fails",
        "`502` for the tunnel",
        "e2e/faults::api_that_refuses_or_has_no_name_can_not_be_reached "
        "addon::other_ports_and_unresolvable_names",
    ),
    cell(
        _CONNECTION,
        "DNS answers differently a moment later",
        "the address that was checked is the one connected to",
        "addon::same_port_elsewhere_is_reached_at_the_address_that_was_checked",
    ),
    cell(
        _TUNNEL,
        "the API refuses the connection",
        "`502` for the tunnel, a connection error of the SDK",
        "e2e/faults::api_that_refuses_or_has_no_name_can_not_be_reached",
    ),
    cell(
        _TUNNEL,
        "the API has another certificate",
        "nothing is sent to it",
        "e2e/tunnel::upstream_with_an_untrusted_certificate_is_refused",
    ),
    cell(
        _REQUEST,
        "an exception of Callgate's own",
        "`503 callgate_unavailable`, nothing is sent on",
        "addon::every_hook_that_can_let_a_flow_pass_is_wrapped "
        "addon::exception_while_checking_is_a_refusal_without_a_stack_trace",
    ),
    cell(
        _REQUEST,
        "the scanner fails, hangs or answers nonsense",
        "the call counts as denied, its result is refused; asked again next time",
        "gate::scanner_that_fails_or_answers_nonsense_denies_until_it_is_back "
        "gate::scanner_that_takes_too_long_denies "
        "e2e/scanners::gateway_that_fails_denies_says_why_and_heals_by_itself",
    ),
    cell(
        _REQUEST,
        "the store fails",
        "`503 callgate_unavailable`",
        "enforcement::everything_is_refused_while_the_store_is_down",
    ),
    cell(
        _REQUEST,
        "the API can not be asked about a call",
        "the result is refused",
        "upstream::an_answer_that_does_not_come_whole_in_time_is_an_upstream_error "
        "upstream::an_answer_that_drips_is_bounded_as_a_whole "
        "upstream::nobody_listening_is_an_upstream_error",
    ),
    cell(
        _REQUEST,
        "the app sends a head without end, or byte by byte",
        "`431`; `408` after a minute; slow bytes within it are one request",
        "bounds::request_head_without_end_is_refused "
        "bounds::request_head_that_drips_is_not_waited_for "
        "e2e/faults::head_byte_by_byte_is_one_request",
    ),
    cell(
        _REQUEST,
        "the app sends ahead, or a chunk's line without end",
        "the connection ends beyond 128 KiB",
        "bounds::what_is_no_body_is_bounded_behind_the_head",
    ),
    cell(
        _REQUEST,
        "the app closes, resets or half-closes in the head or body",
        "nothing is sent on, both connections end",
        "e2e/faults::app_that_goes_in_any_phase_leaves_nothing_behind "
        "e2e/bad_input::request_cut_on_the_wire_never_reaches_the_api",
    ),
    cell(
        _REQUEST,
        "a body beyond the limit, a bomb, deep JSON",
        "refused without being unpacked or kept",
        "streaming::larger_request_is_dropped_marked_and_can_be_answered "
        "bodies::a_bomb_is_refused_without_being_unpacked "
        "e2e/bad_input::request_that_can_not_be_read_is_refused_and_recorded",
    ),
    cell(
        _RESPONSE,
        "an exception of Callgate's own",
        "`503 callgate_unavailable` instead of the response",
        "addon::exception_in_responseheaders_refuses_when_the_body_has_come "
        "addon::failing_judge_refuses_the_body",
    ),
    cell(
        _RESPONSE,
        "the scanner fails",
        "denied for now; in `withhold` the run stays `in_progress`",
        "gate::scanner_that_fails_or_answers_nonsense_denies_until_it_is_back "
        "delivery::answer_that_is_given_once_does_not_wait_for_a_scanner_that_fails",
    ),
    cell(
        _RESPONSE,
        "the store raises, hangs, is locked, read-only, damaged or gone",
        "denied for now (`STORE_UNAVAILABLE`), or `503`",
        "gate::store_that_fails_denies_until_it_is_back "
        "store/sqlite::locked_database_fails_and_heals "
        "store/sqlite::disk_that_hangs_is_not_waited_for "
        "store/sqlite::read_only_file_fails_and_heals "
        "store/sqlite::missing_file_fails_and_heals "
        "store/sqlite::overwritten_file_fails "
        "e2e/faults::call_is_withheld_while_its_verdict_can_not_be_kept",
    ),
    cell(
        _RESPONSE,
        "the disk is full",
        "the same",
        "store/sqlite::full_disk_fails_and_heals "
        "e2e/faults::call_is_withheld_while_its_verdict_can_not_be_kept",
    ),
    cell(
        _RESPONSE,
        "the API closes, resets, says garbage, in the head or body",
        "`502 upstream_failed` in JSON, no byte of a call",
        "e2e/faults::api_that_breaks_gives_an_error_that_the_sdk_raises "
        "bounds::failed_api_is_told_over_http2 "
        "e2e/bad_input::response_cut_on_the_wire_gives_no_part_of_a_call",
    ),
    cell(
        _RESPONSE,
        "the API stalls",
        "hung up on when the app gives up",
        "e2e/faults::api_that_stalls_is_hung_up_on_when_the_app_gives_up",
    ),
    cell(
        _RESPONSE,
        "the API sends interim responses or trailers",
        "passed over",
        "bounds::interim_responses_are_passed_over bounds::trailers_are_dropped_both_ways",
    ),
    cell(
        _RESPONSE,
        "the app is gone",
        "the API is hung up on, nothing held is sent",
        "e2e/faults::app_that_goes_in_any_phase_leaves_nothing_behind "
        "streaming::held_body_of_a_client_that_is_gone_is_not_sent",
    ),
    cell(
        _STREAM,
        "the scanner or store fails",
        "held until it is back, text flows on",
        "release::scanner_that_fails_holds_the_stream_until_it_is_back",
    ),
    cell(
        _STREAM,
        "the API resets or closes",
        "an error event that the SDKs raise, without the call",
        "e2e/stream_faults::stream_whose_api_dies_ends_with_an_error_and_without_the_call "
        "e2e/stream_faults::sdk_raises_where_a_stream_breaks",
    ),
    cell(
        _STREAM,
        "the API says what can not be read or decoded",
        "an error event; `502` at once for an unknown encoding",
        "e2e/stream_faults::stream_that_can_not_be_read_ends_with_an_error_and_without_the_call "
        "e2e/faults::stream_that_can_not_be_decoded_is_refused_before_it_ends",
    ),
    cell(
        _STREAM,
        "the app leaves",
        "the API is hung up on",
        "e2e/stream_faults::api_is_hung_up_on_when_the_app_leaves_a_held_call "
        "e2e/stream_faults::reset_of_one_held_stream_leaves_the_others_of_its_connection_alone",
    ),
    cell(
        _STREAM,
        "the app reads slowly",
        "the API is not read from meanwhile, others are served",
        "e2e/faults::slow_reader_does_not_hold_up_others "
        "addon::crowded_stream_is_not_read_meanwhile",
    ),
    cell(
        _SOCKET,
        "an exception of Callgate's own",
        "the message is dropped",
        "addon::failing_message_hook_lets_nothing_through",
    ),
    cell(
        _SOCKET,
        "a message that can not be read",
        "refused, or the connection ends",
        "sockets::what_can_not_be_read_ends_the_connection "
        "sockets::message_of_the_app_that_can_not_be_read_is_refused",
    ),
    cell(
        _SOCKET,
        "either side leaves",
        "nothing more is judged, nothing held is sent",
        "sockets::closed_connection_judges_nothing_any_more",
    ),
    cell(
        _LIFE,
        "traffic before the gate is assembled",
        "`503 callgate_unavailable`",
        "addon::before_arming_everything_to_a_gated_host_is_refused "
        "addon::messages_are_dropped_before_arming",
    ),
    cell(
        _LIFE,
        "store not writable, signing key unreadable, port in use, broken policy",
        "it does not start, and says why",
        "assembly::store_that_can_not_be_written_stops_the_start "
        "audit/keys::unusable_files_are_an_error "
        "proxy::port_in_use_is_said_once_and_nothing_runs "
        "e2e/process::broken_policy_stops_the_start",
    ),
    cell(
        _LIFE,
        "a policy that breaks while it runs",
        "the one before stays in force",
        "proxy::changed_policy_is_read_and_a_broken_one_is_not",
    ),
    cell(
        _LIFE,
        "`kill -9`, or a stop with flows in flight",
        "what was acknowledged is kept; flows finish or break off",
        "e2e/process::denied_call_is_still_denied_after_kill_9 "
        "e2e/crashes::no_acknowledged_verdict_is_lost_by_kill_9 "
        "e2e/stream_faults::stream_that_outlives_the_gates_patience_breaks_off "
        "e2e/faults::stop_does_not_wait_for_a_scanner_that_hangs",
    ),
    cell(
        _LIFE,
        "the clock is put forward or back",
        "approvals that have run out are not good; certificates are made anew; waiting times, "
        "time limits and pauses do not notice",
        "approvals::expired_approval_can_not_be_given "
        "tls::leaf_of_a_clock_that_was_ahead_is_made_anew "
        "console/operators::ten_guesses_then_one_in_six_seconds "
        "scanners/breaker::pauses_grow_to_half_a_minute_while_it_stays_dead",
    ),
    cell(
        _LIFE,
        "everything at once",
        "nothing unjudged passes, the log verifies",
        "e2e/soak::nothing_unjudged_passes_while_everything_happens_at_once",
    ),
)

TEXT = """\
# Faults

What fails in which phase of an exchange, and what the app sees then. Everywhere: nothing denied or
unjudged passes, the app gets an error that its SDK raises, or its connection ends, and the next
request is served. Each row has tests, which `tests/test_faults.py` names; that table is where this
page comes from.

"""


def page() -> str:
    parts = [TEXT]
    for phase, hooks in HOOKS.items():
        rows = [f"| {c.fault} | {c.promise} |" for c in CELLS if c.phase == phase]
        parts.append(f"## When {phase}\n\nHooks: {hooks}\n\n| fault | promise |\n|---|---|\n")
        parts.append("\n".join(rows) + "\n\n")
    return "".join(parts).rstrip("\n") + "\n"


@pytest.mark.parametrize("number", range(len(CELLS)))
def test_every_fault_has_tests_that_exist(number: int) -> None:
    found = CELLS[number]
    assert found.phase in HOOKS
    assert found.tests
    assert [named for named in found.tests if not is_there(named)] == []


def test_every_hook_of_the_guard_belongs_to_a_phase() -> None:
    named = {hook.strip("` ") for hooks in HOOKS.values() for hook in hooks.split(",")}
    others = {"arm", "protect", "use", "idle", "shut"}
    hooks = {name for name in vars(Guard) if not name.startswith("_")} - others - {"name"}
    assert hooks == named - OTHER_HOOKS


def test_page_is_what_the_table_says() -> None:
    assert PAGE.read_text() == page()


if __name__ == "__main__":
    PAGE.write_text(page())
