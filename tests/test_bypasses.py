"""The known ways past gates like this one: each has tests, or a reason why it has none.

Numbers and techniques up to 45 are those of the list that the design was made from, the rest
our own. `bypasses/places.py` and `bypasses/answers.py` say what `all` surfaces are.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Row:
    """One technique."""

    technique: str
    tests: tuple[str, ...] = ()
    """`FILE::TEST`, below this folder; `test_` is left out."""
    open: str = ""
    """What of it is not stopped, and why."""


def row(technique: str, tests: str = "", open: str = "") -> Row:
    return Row(technique, tuple(tests.split()), open)


ROWS: Mapping[int, Row] = {
    1: row(
        "`stream: true` skips the check",
        "bypasses/everywhere::call_is_denied_and_can_be_withheld_at_every_place "
        "e2e/calling::withheld_call_is_not_seen_and_its_siblings_go_on "
        "e2e/streams::withheld_call_is_in_no_byte "
        "wayback::results_are_judged_whether_their_answer_is_streamed_or_not",
    ),
    2: row(
        "another endpoint or pass-through path",
        "e2e/hostile_http::result_of_a_denied_call_does_not_reach_the_api "
        "bypasses/ways_in::call_on_a_path_of_another_maker_is_judged "
        "surfaces/assistants::operations_are_found_behind_any_base_path "
        "surfaces/assistants::no_verb_leads_past_the_gate "
        "surfaces/chat::operation_is_told_by_the_end_of_the_path "
        "surfaces/responses::operations_are_found_behind_any_base_path "
        "enforcement::path_that_may_mean_a_run_or_not_is_refused_but_observed",
        "results that an app sends to a path that no surface knows are not read; "
        "`unknown_endpoints: refuse` closes it",
    ),
    3: row(
        "check at `[DONE]` only, after delivery",
        "surfaces/chat_events::text_goes_at_once_and_calls_wait_for_their_finish "
        "surfaces/response_events::text_before_a_call_goes_at_once_and_what_follows_it_waits "
        "surfaces/run_events::calls_are_held_and_text_is_not "
        "surfaces/realtime_events::"
        "calls_are_held_until_their_arguments_are_whole_and_text_is_not",
    ),
    4: row(
        "JSON or `[DONE]` cut by network chunks",
        "surfaces/sse::every_cut_gives_the_same_events_and_all_the_bytes "
        "surfaces/chat_events::stream_byte_by_byte_is_the_same "
        "surfaces/response_events::stream_byte_by_byte_and_without_names_is_the_same "
        "surfaces/run_events::unchanged_stream_keeps_its_bytes_wherever_it_is_cut",
    ),
    5: row(
        "sensitive text split across events",
        "bypasses/everywhere::secret_is_redacted_at_every_place "
        "bypasses/ways_in::secret_that_comes_in_pieces_is_redacted "
        "surfaces/realtime_events::arguments_are_replaced_wherever_they_are_told",
        "what the model says to people is no call, and is not searched",
    ),
    6: row(
        "odd event framing: CRLF, BOM, multi-line data",
        "surfaces/sse::event_that_only_clients_with_other_line_ends_would_find_is_refused "
        "surfaces/sse::fields_are_read_as_the_standard_says "
        "surfaces/sse::whatever_the_sdk_dispatches_was_seen "
        "surfaces/sse::bare_json_is_no_stream_of_events "
        "surfaces/sse::mark_before_a_line_is_refused_for_some_clients_drop_it_and_some_the_line "
        "surfaces/sse::json_in_another_encoding_is_no_stream_of_events "
        "surfaces/sse::event_that_sdks_take_for_one_of_another_api_is_refused",
    ),
    7: row(
        "duplicate JSON keys, parser differentials",
        "bypasses/everywhere::call_is_denied_and_can_be_withheld_at_every_place "
        "bypasses/ways_in::body_with_a_key_twice_is_refused_both_ways "
        "bypasses/ways_in::event_with_a_key_twice_ends_the_stream "
        "bypasses/ways_in::arguments_with_two_readings_are_denied_everywhere "
        "bypasses/ways_in::field_in_other_letters_is_refused "
        "bypasses/names::condition_is_in_doubt_where_parsers_see_different_fields "
        "canonical::text_with_more_than_one_reading_is_refused",
    ),
    8: row(
        "name first-wins or last-wins across deltas",
        "surfaces/chat_events::what_clients_would_read_in_different_ways_is_refused "
        "surfaces/response_events::what_clients_would_read_in_different_ways_is_refused "
        "surfaces/run_events::step_whose_end_differs_from_its_deltas_is_judged_twice "
        "surfaces/realtime_calls::call_is_learnt_bit_by_bit_and_never_changes",
    ),
    9: row(
        "name's case, blanks, homoglyphs, decoration",
        "bypasses/everywhere::call_is_denied_and_can_be_withheld_at_every_place "
        "bypasses/names::look_alike_of_a_guarded_tool_is_guarded "
        "bypasses/names::look_alike_of_an_allowed_tool_is_not_allowed "
        "bypasses/names::name_that_a_client_has_decorated_is_caught_by_a_glob",
        "a rule for `pay` does not cover `mcp__shop__pay`: what a client puts before a name "
        "is its own; write `*pay`, or deny by default",
    ),
    10: row(
        "dispatcher tool hides the real target",
        "bypasses/names::what_a_dispatcher_is_to_do_is_seen "
        "bypasses/names::target_of_a_dispatcher_can_be_ruled_on",
        "rules by tool name do not look inside a dispatcher: rule on `args` with `when`",
    ),
    11: row(
        "interleaved calls",
        "bypasses/everywhere::sibling_of_a_denied_call_is_all_that_is_left "
        "surfaces/chat_events::each_choice_has_its_own_calls_and_all_are_released_together "
        "surfaces/response_events::interleaved_calls_are_told_apart "
        "surfaces/realtime_events::interleaved_calls_are_groups_of_their_own",
    ),
    12: row(
        "all arguments in the start event",
        "surfaces/realtime_events::item_that_begins_whole_is_judged_at_once "
        "surfaces/run_events::step_told_in_one_piece_is_judged_at_once "
        "surfaces/response_group::"
        "first_event_that_tells_the_arguments_at_once_is_redacted_too",
    ),
    13: row(
        "arguments and finish in one event",
        "surfaces/chat_events::calls_and_finish_in_one_chunk_are_found",
    ),
    14: row(
        "text and call in one chunk",
        "surfaces/chat_events::chunk_with_text_or_usage_stays_when_its_call_goes",
    ),
    15: row(
        "last event repeats the call, or is empty",
        "bypasses/everywhere::sibling_of_a_denied_call_is_all_that_is_left "
        "surfaces/response_events::empty_output_at_the_end_hides_nothing "
        "surfaces/response_events::hidden_calls_give_way_to_messages_with_the_notice "
        "surfaces/realtime_events::hidden_call_becomes_a_message_wherever_it_is_told",
    ),
    16: row(
        "malformed or cut-off arguments dropped silently",
        "bypasses/everywhere::call_is_denied_and_can_be_withheld_at_every_place "
        "bypasses/ways_in::call_that_was_cut_off_is_denied_and_recorded "
        "bypasses/ways_in::call_of_an_incomplete_response_is_denied_and_recorded "
        "e2e/bad_input::call_whose_arguments_are_no_clear_json_is_denied",
    ),
    17: row(
        "what fails to parse passes through",
        "e2e/hostile_http::denied_call_does_not_reach_the_app "
        "enforcement::body_that_can_not_be_read_is_refused "
        "stream::stream_that_can_not_be_read_ends_with_an_error "
        "sockets::what_can_not_be_read_ends_the_connection",
    ),
    18: row(
        "`finish_reason: stop` on forced calls",
        "bypasses/ways_in::call_that_was_cut_off_is_denied_and_recorded "
        "surfaces/chat::no_reason_to_finish_hides_a_call "
        "surfaces/chat_events::calls_without_a_finish_are_released_at_the_end",
    ),
    19: row(
        "n > 1: only the first choice",
        "bypasses/everywhere::second_call_under_the_id_of_an_allowed_one_is_withheld "
        "surfaces/chat::every_choice_with_calls_is_a_turn "
        "surfaces/chat::ids_that_mean_different_calls_in_two_choices_are_refused "
        "surfaces/chat_events::each_choice_has_its_own_calls_and_all_are_released_together",
    ),
    20: row(
        "legacy, custom, shell, patch, computer calls",
        "surfaces/chat_events::custom_and_legacy_calls_are_found "
        "surfaces/items::every_kind_of_call_is_read "
        "surfaces/items::the_sdk_knows_every_kind_of_call",
    ),
    21: row(
        "`incomplete` or `failed` ends carry calls",
        "surfaces/response_events::every_end_of_a_response_shows_its_calls "
        "surfaces/runs::calls_of_a_run_that_does_not_wait_are_found_and_not_settled",
    ),
    22: row(
        "tools defined at the server, none in the request",
        "bypasses/ways_in::call_of_a_tool_that_no_request_named_is_judged",
        "hosted tools inside a stored prompt run at the API without a call that could be seen",
    ),
    23: row(
        "compressed bodies, streams, WebSocket messages",
        "e2e/hostile_http::result_of_a_denied_call_does_not_reach_the_api "
        "e2e/hostile_http::denied_call_does_not_reach_the_app "
        "enforcement::compressed_bodies_are_read "
        "stream::compressed_streams_are_read "
        "bodies::unknown_and_combined_encodings_are_refused "
        "e2e/bypasses::compressed_and_fragmented_messages_are_read",
    ),
    24: row(
        "over-size body falls back to no check",
        "addon::body_beyond_the_limit_is_refused_as_such "
        "stream::what_is_held_is_bounded "
        "bodies::a_bomb_is_refused_without_being_unpacked "
        "scanners/local::arguments_too_large_to_inspect_are_denied",
    ),
    25: row(
        "calls in unusual slots",
        "bypasses/ways_in::calls_in_a_slot_that_the_api_has_not_are_refused "
        "bypasses/ways_in::item_of_a_type_spelled_otherwise_is_an_unknown_call "
        "surfaces/item_carriers::a_call_in_an_unknown_place_is_refused",
        "what no client of these APIs executes, as a call-shaped part of a message's content, "
        "is text",
    ),
    26: row(
        "cached answers skip the check",
        "bypasses/ways_in::cached_answer_is_judged_for_everybody_who_gets_it "
        "addon::rewritten_response_loses_what_described_the_old_bytes",
    ),
    27: row(
        "`role: user` beside a result",
        "bypasses/ways_back::role_does_not_make_a_result_something_else "
        "bypasses/ways_back::role_beside_an_output_item_is_ignored",
    ),
    28: row(
        "ephemeral secrets connect around the gate",
        "enforcement::sessions_that_no_proxy_sees_are_refused "
        "e2e/realtime::sessions_that_no_proxy_sees_are_refused",
    ),
    29: row(
        "bypass header of the client",
        "e2e/hostile_http::result_of_a_denied_call_does_not_reach_the_api "
        "addon::headers_that_only_callgate_writes_are_stripped_both_ways "
        "e2e/bad_input::header_of_the_app_is_not_passed_on",
    ),
    30: row(
        "unrecognised client is allowed",
        "bypasses/ways_in::app_without_credentials_is_judged_like_any_other",
    ),
    31: row(
        "empty tool name, missing parameters, JSON-RPC batch",
        "bypasses/everywhere::call_is_denied_and_can_be_withheld_at_every_place "
        "bypasses/names::missing_arguments_meet_no_constraint "
        "bypasses/names::look_alike_of_an_allowed_tool_is_not_allowed "
        "surfaces/messages::malformed_calls_are_refused",
        "no JSON-RPC is spoken here: MCP servers of the app are not reached through this API",
    ),
    32: row(
        "call id renamed, history forged",
        "bypasses/everywhere::result_of_a_denied_call_is_refused_on_every_way "
        "bypasses/everywhere::result_sent_on_another_surface_is_judged_by_the_call_it_quotes "
        "bypasses/everywhere::result_of_a_call_that_nobody_was_told_does_not_pass_unjudged "
        "bypasses/ways_back::renamed_call_is_judged_again_by_what_it_says "
        "bypasses/ways_back::"
        "harmless_call_quoted_under_the_denied_ones_id_does_not_help "
        "bypasses/ways_back::"
        "harmless_call_quoted_beside_the_response_that_issued_another_does_not_help "
        "bypasses/ways_back::call_forged_on_a_connection_does_not_help "
        "bypasses/ways_back::result_of_another_type_is_the_same_result "
        "bypasses/ways_back::result_that_names_no_call_of_the_request_is_known_by_its_id",
        "an app that makes up a harmless call under a new id, and gives it the denied call's "
        "result, tells the model a story: where the API keeps no history, nobody can tell",
    ),
    33: row(
        "denial text taken for data by a program",
        "bypasses/ways_back::no_notice_goes_to_a_program_whether_the_app_names_it_or_not "
        "bypasses/ways_back::no_notice_is_added_for_a_program "
        "enforcement::denied_call_that_nothing_can_stand_in_for_refuses_the_response",
    ),
    34: row(
        "hosted tools run before any check",
        "hosted::hosted_tool_that_policy_denies_is_refused "
        "hosted::hosted_tool_of_the_assistant_is_refused_too "
        "surfaces/hosted_items::tools_inside_namespaces_and_items_count",
    ),
    35: row(
        "domain's case, trailing dot, odd IPs, suffix match",
        "hosts::hosts_of_the_api_are_gated_at_every_port "
        "hosts::other_hosts_are_not_gated "
        "policy/patterns::url_pattern_does_not_allow "
        "policy/patterns::denied_url_is_caught_in_disguise "
        "detectors/network/detector::url_that_leads_inside_is_found_where_it_is_opened",
    ),
    36: row(
        "path traversal, `*` across `/`, combining marks",
        "policy/patterns::path_pattern_does_not_allow "
        "policy/patterns::denied_path_is_caught_in_disguise "
        "detectors/files/detector::sensitive_path_is_found "
        "detectors/files/detector::hidden_name_is_surer_than_a_plain_one",
    ),
    37: row(
        "shell: encodings, wrappers, `$IFS`, homoglyphs",
        "bypasses/everywhere::call_is_denied_and_can_be_withheld_at_every_place "
        "detectors/shell/detector::hidden_or_wrapped_deletion_is_found "
        "detectors/shell/detector::wrappers_without_end_are_a_finding",
        "a program in another language inside a command is not run in thought",
    ),
    38: row(
        "NaN or Infinity in numeric limits",
        "bypasses/everywhere::call_is_denied_and_can_be_withheld_at_every_place "
        "bypasses/ways_in::arguments_with_two_readings_are_denied_everywhere "
        "policy/checks::what_is_no_plain_number_cannot_be_told "
        "policy/checks::a_second_spelling_does_not_hide_a_large_number",
    ),
    39: row(
        "WebSocket over HTTP/2 (extended CONNECT)",
        "e2e/bypasses::websocket_over_http2_is_not_offered_and_not_opened",
    ),
    40: row(
        "client goes around the proxy",
        "cli/environment::no_proxy_entries_that_lead_around_the_gate_are_dropped "
        "hosts::a_no_proxy_entry_that_some_client_takes_for_a_gated_host_is_found",
        "an app that ignores the proxy, brings its own trust store or speaks QUIC is out of "
        "sight: block direct egress in the firewall",
    ),
    41: row(
        "the same call by GET, background, webhook, batch",
        "bypasses/everywhere::call_is_denied_and_can_be_withheld_at_every_place "
        "surfaces/responses::a_response_in_the_background_is_polled "
        "surfaces/responses::one_item_of_a_conversation_is_read "
        "surfaces/response_events::stream_that_begins_in_the_middle_of_a_call_is_held "
        "surfaces/chat::lists_of_stored_completions_are_read_and_messages_are_told "
        "delivery::steps_show_what_the_run_shows",
        "files, such as a batch's results, are not read, and that they were used is recorded; "
        "webhooks do not come through a proxy, and carry ids only",
    ),
    42: row(
        "approval reused, arguments changed after it",
        "bypasses/everywhere::call_that_changes_after_its_verdict_is_judged_anew "
        "bypasses/everywhere::result_of_a_call_that_waits_for_a_person_is_refused_on_every_way "
        "bypasses/ways_back::approval_is_not_good_for_anything_else "
        "bypasses/ways_back::"
        "quoting_other_arguments_under_an_approved_id_does_not_help "
        "bypasses/ways_back::approved_call_that_is_asked_again_needs_another_approval "
        "bypasses/ways_back::approved_call_passes_and_is_not_asked_about_again "
        "gate::approval_of_one_call_is_not_good_for_other_arguments",
        "a server that gives one agent the same ids and arguments twice has said one call",
    ),
    43: row(
        "a gateway behind forges calls",
        "bypasses/ways_in::call_of_a_tool_that_no_request_named_is_judged "
        "e2e/bad_input::header_written_by_the_api_is_not_believed",
        "a forged call is judged like any other; that it is forged nobody can tell",
    ),
    44: row(
        "open approval endpoint, logs of others",
        "console/app::nothing_else_is_told_or_done_without_signing_in "
        "addon::console_can_not_be_reached_through_the_proxy "
        "settings::the_console_is_on_other_addresses_only_with_tls",
    ),
    45: row(
        "ReDoS, deep nesting, huge integers",
        "bypasses/everywhere::call_is_denied_and_can_be_withheld_at_every_place "
        "bypasses/ways_in::"
        "hostile_arguments_are_decided_soon_and_never_allowed_by_a_limit "
        "policy/names::glob_with_many_stars_is_quick_on_long_names "
        "policy/patterns::long_values_take_linear_time "
        "policy/document::billion_laughs_are_refused_before_they_grow "
        "detectors/shell/detector::script_nested_too_deeply_to_read_is_a_finding",
    ),
    46: row(
        "a call that opens the gate itself",
        "bypasses/everywhere::call_is_denied_and_can_be_withheld_at_every_place "
        "detectors/doors::the_gates_own_command_is_found "
        "detectors/doors::an_end_put_to_the_gate_is_found "
        "detectors/doors::a_policy_that_is_written_is_found "
        "detectors/doors::a_way_around_the_gate_asks_a_person "
        "addon::console_can_not_be_reached_through_the_proxy",
        "found by the names of things: a process by its number, a file under another name, or a "
        "program that does it is not seen; run the gate as another user",
    ),
    47: row(
        "redirect or `Alt-Svc` leads the app around",
        "hosts::redirect_that_some_client_may_follow_elsewhere_does_not "
        "addon::redirect_to_a_host_that_is_not_gated_is_refused "
        "addon::other_addresses_of_the_api_are_not_told",
    ),
    48: row(
        "request lengths, verbs, paths that two servers read differently",
        "e2e/hostile_http::result_of_a_denied_call_does_not_reach_the_api "
        "flows::own_headers_are_stripped_in_any_case_and_set_once "
        "bounds::trailers_are_dropped_both_ways",
    ),
    49: row(
        "answer of another type, encoding, status or length than told",
        "e2e/hostile_http::denied_call_does_not_reach_the_app",
    ),
    50: row(
        "consent to arguments that only the app saw redacted",
        "judgement::"
        "what_the_api_runs_with_its_own_arguments_is_not_made_harmless_by_redaction "
        "delivery::consent_is_to_the_arguments_as_the_api_knows_them "
        "delivery::consent_to_denied_calls_alone_is_declined_so_that_the_run_goes_on",
    ),
    51: row(
        "one id for two calls, or told otherwise at the next look",
        "bypasses/everywhere::second_call_under_the_id_of_an_allowed_one_is_withheld "
        "bypasses/everywhere::call_that_changes_after_its_verdict_is_judged_anew",
    ),
    52: row(
        "approval answered twice, late, or at two gates at once",
        "approvals::answer_can_not_be_changed "
        "approvals::expired_approval_can_not_be_given "
        "approvals::of_two_people_one_decides",
    ),
}


@cache
def names_in(file: Path) -> frozenset[str]:
    """Names of the tests that a file defines."""
    return frozenset(_defined(ast.parse(file.read_text())))


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


def is_there(named: str) -> bool:
    module, _, name = named.partition("::")
    folder, _, stem = module.rpartition("/")
    file = HERE / folder / f"test_{stem}.py"
    return file.is_file() and f"test_{name}" in names_in(file)


SURFACES: Mapping[str, str] = {
    "assistants": "assistants runs run_events",
    "chat": "chat chat_events messages",
    "responses": "responses response_events response_group items item_carriers hosted_items",
    "conversations": "items item_carriers",
    "agents": "agents agent_items agent_sessions agent_events",
    "realtime": "realtime realtime_calls realtime_events",
}
"""Surface → modules of `tests/surfaces` that are about it."""


def surfaces_of(one: Row) -> str:
    """Where a row's technique is tried; `all` also where no surface plays a part."""
    modules = {named.partition("::")[0] for named in one.tests}
    tried = {m.partition("/")[2] for m in modules if m.startswith("surfaces/")}
    found = [name for name, about in SURFACES.items() if tried & set(about.split())]
    is_all = "bypasses/everywhere" in modules or not found or len(found) == len(SURFACES)
    return "all" if is_all else ", ".join(found)


def test_page_says_on_which_surfaces_each_row_is_tried() -> None:
    page = (HERE.parent / "docs" / "bypasses.md").read_text()
    told = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| ")]
    said = {int(cells[0]): cells[-1].strip() for cells in told if cells[0].strip().isdigit()}
    assert said == {number: surfaces_of(one) for number, one in ROWS.items()}


def test_every_known_bypass_has_its_row() -> None:
    assert sorted(ROWS) == list(range(1, 53))


@pytest.mark.parametrize("number", ROWS)
def test_row_names_tests_that_exist(number: int) -> None:
    assert ROWS[number].tests
    assert [named for named in ROWS[number].tests if not is_there(named)] == []


@pytest.mark.parametrize("named", ["stream::no_such_test", "no_such_file::x", "bypasses"])
def test_missing_test_is_noticed(named: str) -> None:
    assert not is_there(named)
