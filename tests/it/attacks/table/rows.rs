//! The cells. A row fills the cell of one entry in the named columns, at all gateways or at those it names.
//!
//! Columns: `O` what the store does on its own before and after (redirect, settings, records), `C` callback, `B` the browser's
//! return, `Q` status query, `S` sweep. `{gw}` in the name of a test stands for the gateway.

use super::super::Gw::{self, Gmopg, Komoju, Sbps, Stripe};
use super::Cell::{self, NotHere, Shown};

pub struct Row {
    pub pay: u8,
    pub columns: &'static str,
    pub gateways: &'static [Gw],
    pub cell: Cell,
}

const fn on(pay: u8, columns: &'static str, tests: &'static [&'static str]) -> Row {
    at(pay, columns, Gw::ALL, tests)
}

const fn at(pay: u8, columns: &'static str, gateways: &'static [Gw], tests: &'static [&'static str]) -> Row {
    Row {
        pay,
        columns,
        gateways,
        cell: Shown(tests),
    }
}

const fn not(pay: u8, columns: &'static str, reason: &'static str) -> Row {
    not_at(pay, columns, Gw::ALL, reason)
}

const fn not_at(pay: u8, columns: &'static str, gateways: &'static [Gw], reason: &'static str) -> Row {
    Row {
        pay,
        columns,
        gateways,
        cell: NotHere(reason),
    }
}

const CALLBACKS: &str = "attacks::{gw}::every_changed_callback_is_refused";
const RETURNS: &str = "attacks::{gw}::every_changed_return_pays_nothing";
const ANSWERS: &str = "attacks::{gw}::every_changed_answer_pays_only_what_was_expected";
const ORDER: &str = "attacks::{gw}::messages_in_any_order_pay_once";
const AGAIN: &str = "attacks::{gw}::a_message_that_comes_again_pays_once";
const OTHER_PAYMENT: &str = "attacks::{gw}::messages_of_another_payment_pay_nothing";
const OTHER_MERCHANT: &str = "attacks::{gw}::messages_of_another_merchant_pay_nothing";
const W01: &str = "attacks::{gw}::w11_pay_01_a_price_chosen_in_the_browser";
const W07: &str = "attacks::{gw}::w11_pay_07_a_return_address_chosen_in_the_browser";
const W13: &str = "attacks::{gw}::w11_pay_13_a_paid_order_named_for_another_in_the_last_step";
const W23: &str = "attacks::{gw}::w11_pay_23_a_certificate_address_in_the_message";
const W25: &str = "attacks::{gw}::w11_pay_25_a_genuine_payment_of_a_lower_amount";
const W26: &str = "attacks::{gw}::w11_pay_26_the_right_amount_to_the_shoppers_own_account";
const W27: &str = "attacks::{gw}::w11_pay_27_one_payment_for_many_orders";
const ORDER_ID: &str = "attacks::{gw}::s14_order_id";
const TOTAL: &str = "attacks::{gw}::s14_order_total";
const CURRENCY: &str = "attacks::{gw}::s14_currency";
const MERCHANT: &str = "attacks::{gw}::s14_merchant_id";
const FAULT_C: &str = "attacks::{gw}::a_fault_at_each_step_of_a_callback_pays_once";
const FAULT_B: &str = "attacks::{gw}::a_fault_at_each_step_of_a_return_pays_once";
const FAULT_S: &str = "attacks::{gw}::a_fault_at_each_step_of_a_sweep_pays_once";
const FAULT_O: &str = "attacks::{gw}::a_fault_at_each_step_of_fulfilling_ships_under_one_key";
const KILLS: &str = "cashier_crash::sixty_kills_of_a_store_lose_no_acknowledged_message_and_ship_under_one_key";
const REPORTED: &str = "attacks::{gw}::pay_48_held_money_is_in_the_report";
const ORIGINAL: &str = "attacks::{gw}::pay_59_an_original_that_was_kept_is_matched_with_its_record_and_another_is_not";
const STOPPED: &str = "attacks::{gw}::pay_67_messages_returns_sweeps_and_fulfilment_go_on_while_stopped";
const CROSSED: &str = "attacks::{gw}::pay_42_crossed_create_answers_lead_nobody_to_anothers_page";
const P12: &str = "attacks::{gw}::pay_12_a_return_without_a_payment_pays_nothing";
const P17: &str = "attacks::{gw}::pay_17_bad_news_without_proof_changes_nothing";
const P18: &str = "attacks::{gw}::pay_18_a_callback_without_proof_pays_nothing";
const P19: &str = "attacks::{gw}::pay_19_a_tag_that_is_not_whole_proves_nothing";
const P24: &str = "attacks::verdicts::pay_24_sbps_a_keyed_sha1_is_asked_about_before_anything_is_paid";
/// Where nobody can be asked, and the hash alone decides.
const SETTLING: &str = "attacks::settling::most_of_what_comes_is_refused";
const SETTLING_TAGS: &str = "attacks::settling::a_tag_that_is_not_whole_proves_nothing";
const P32: &str = "attacks::{gw}::pay_32_another_gateways_messages_pay_nothing";
const P33: &str = "attacks::{gw}::pay_33_a_thousand_replays_pay_once";
const P34: &str = "attacks::{gw}::pay_34_a_message_days_later_pays_nothing_more";
const P39: &str = "attacks::verdicts::pay_39_gmopg_an_unsigned_notification_is_asked_about_before_anything_is_paid";
const P40: &str = "attacks::{gw}::pay_40_refusals_look_alike";
const P41: &str = "attacks::{gw}::pay_41_a_message_cannot_change_a_setting";
const P43: &str = "attacks::{gw}::pay_43_no_usable_answer_decides_nothing";
const P10: &str = "attacks::{gw}::pay_10_news_of_an_attempt_that_was_given_up_moves_no_other";
const P14: &str = "attacks::{gw}::pay_14_a_return_again_late_or_of_another_shows_a_page_and_moves_nothing";
const W46: &str = "attacks::{gw}::w11_pay_46_an_order_changed_after_the_redirect";
const P48: &str = "attacks::{gw}::pay_48_money_that_comes_late_or_twice_is_held_and_listed";
const P57: &str = "attacks::{gw}::pay_57_one_envelope_is_read_in_one_way";
const P57_SOCKET: &str = "attacks::{gw}::pay_57_over_a_socket_the_tag_comes_once_and_whole";
const P64: &str = "attacks::{gw}::pay_64_returns_and_sweeps_ask_within_their_bounds";
const P66: &str = "attacks::{gw}::pay_66_declined_cards_are_told";
const P67: &str = "attacks::{gw}::pay_67_a_stop_stops_checkouts_and_no_evidence";
const P70: &str = "attacks::{gw}::pay_70_a_sink_that_fails_changes_no_verdict";
const CONTRADICTING: &str = "attacks::{gw}::contradicting_news_in_any_order_pays_once_at_most";
const ORDERED: &str = "attacks::{gw}::changed_answers_to_orders_are_no_success_of_something_else";
const DRILL: &str = "incident_drill::the_incident_drill_finds_no_card_in_the_store_and_all_of_them_in_the_leaky_one";
const LEAKS: &str = "leaks::flows::a_whole_flow_of_every_gateway_shows_nothing_of_what_outsiders_put_in";
const FLOOD: &str = "bounds::flood::a_flood_at_{gw}_leaves_nothing_behind";
const P45: &str = "attacks::{gw}::pay_45_callback_return_and_sweep_at_once_pay_once";

const OUTBOUND: &str = "The attack is on what leaves the store for the gateway. Nothing of it is in this message.";
const AT_REST: &str = "The attack is on records that were written already. No message takes part in it.";
const NO_TAG: &str =
    "This gateway signs no notification, so there is no tag to play with: a notification is a hint (PAY-39).";
const BARE_RETURN: &str =
    "The return of this gateway carries no tag and is believed in nothing, so there is none to forge.";
const ANSWER_BY_TLS: &str =
    "An answer carries no tag of its own: it is proven by the connection and the key it was asked with (PAY-55).";
const ASKED_ONLY: &str = "An answer comes only to a question of ours: nobody outside can send one.";
const NO_AMOUNT: &str = "The answer of this gateway repeats no amount. The signed notification did, and it was compared before anything could be asked.";
const UNASKABLE: &str = "Before a notification has named a payment here there is nothing to ask with (the sheet's \"Status query\"; PayPay alone could be asked by order, unconfirmed). It stays open and is seen: `attacks::unheard::a_payment_that_no_notification_named_stays_open_and_is_seen`.";
const NO_BROWSER: &str = "No browser takes part in this: there is no session, no login and no page in it.";
const TYPED: &str =
    "The types decide this once for every channel, and the first column shows it: nothing is left to try here.";

/// The messages of these are covered by a keyed hash over every byte.
const SIGNED: &[Gw] = &[Stripe, Komoju];

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    // --- A. Redirect building
    on(1, "O", &["compile_fail::nothing_unproven_compiles", "storefront::prices_come_from_the_catalogue_whatever_the_form_says", W01]),
    on(1, "CB", &[W01, W25]),
    at(1, "QS", &[Stripe, Komoju, Gmopg], &[W01, ANSWERS]),
    at(1, "QS", &[Sbps], &[W01]),
    at(2, "O", &[Sbps], &["sbps::requests_that_sbps_cannot_take_are_refused_before_anything_is_written", "sbps::the_form_has_every_field_in_the_order_of_the_table_and_its_hash"]),
    at(2, "O", &[Gmopg], &["gmopg::a_parameter_link_is_built_without_a_call_and_is_safe_in_an_address"]),
    not_at(2, "O", SIGNED, "The page is opened through an API call over TLS: what is handed to the browser is a link without any signature of ours."),
    at(2, "C", SIGNED, &[CALLBACKS]),
    at(2, "C", &[Sbps], &["sbps::moving_characters_between_neighbouring_fields_never_pays", CALLBACKS]),
    not_at(2, "C", &[Gmopg], NO_TAG),
    not_at(2, "B", SIGNED, BARE_RETURN),
    at(2, "B", &[Sbps], &["sbps::a_return_names_its_attempt_if_its_own_hash_is_right_and_nothing_else", RETURNS]),
    at(2, "B", &[Gmopg], &["lib::gateways::gmopg::sign::only_a_text_and_its_own_whole_hash_are_opened", RETURNS]),
    not(2, "QS", ANSWER_BY_TLS),
    on(3, "O", &["lib::redirect::a_form_keeps_order_and_repeats_and_escapes_without_loss", "lib::checkout::parts::texts_that_could_break_out_are_refused", "properties::a_browser_reads_the_form_as_it_was_written"]),
    not(3, "CBQS", OUTBOUND),
    on(4, "O", &["lib::redirect::line_breaks_and_foreign_nonces_are_refused", "lib::redirect::a_form_keeps_order_and_repeats_and_escapes_without_loss", "storefront::no_page_has_a_card_field_or_a_script_and_every_page_has_its_headers"]),
    on(4, "B", &[W07, "cashier::a_return_is_sent_on_to_no_path_that_is_another_host"]),
    not(4, "CQS", OUTBOUND),
    at(5, "O", SIGNED, &["lib::redirect::only_exact_https_origins_of_the_gateway_are_followed", "{gw}::a_session_that_is_not_what_was_asked_for_leads_nowhere"]),
    at(5, "O", &[Sbps], &["lib::redirect::only_exact_https_origins_of_the_gateway_are_followed", "sbps::settings_that_cannot_be_right_are_refused"]),
    at(5, "O", &[Gmopg], &["lib::redirect::only_exact_https_origins_of_the_gateway_are_followed", "gmopg::answers_to_a_create_that_lead_nowhere_are_refused"]),
    on(5, "C", &[W23]),
    on(5, "B", &[W07]),
    on(5, "QS", &["transport::addresses::addresses_that_are_not_allowed_are_not_even_connected_to", "transport::addresses::a_redirect_is_an_answer_and_is_not_followed"]),
    on(6, "O", &["security_events::patterns::redirects_that_nobody_follows_are_told_once_until_it_is_better", "security_events::patterns::normal_traffic_raises_no_suspicion"]),
    not(6, "CBQS", "Nothing comes back from a page that imitates the gateway. That nobody follows the redirects is what is noticed, in the first column."),
    on(7, "O", &["lib::addresses::addresses_that_could_be_steered_or_overheard_are_refused", W07]),
    on(7, "CB", &[W07]),
    not(7, "QS", "A question goes to the configured address of the gateway and names no address of the store."),
    on(8, "O", &["lib::money::refuses_every_spelling_that_is_not_plain_digits", "lib::money::refuses_decimals_the_currency_does_not_have", "money::every_exponent_agrees_with_an_independent_table_of_iso_4217"]),
    on(8, "C", &[TOTAL, CURRENCY]),
    on(8, "B", &[RETURNS]),
    at(8, "QS", &[Stripe, Komoju], &[ANSWERS]),
    at(8, "QS", &[Gmopg], &[ANSWERS, "gmopg::amounts_count_with_their_tax_and_unreadable_ones_are_no_amounts"]),
    not_at(8, "QS", &[Sbps], NO_AMOUNT),
    on(9, "O", &["lib::redirect::a_link_is_answered_with_303_and_its_fragment_untouched", "lib::redirect::a_redirect_prints_no_token", "redaction::a_page_and_a_reply_hold_only_what_was_put_into_them"]),
    on(9, "B", &[W07, "cashier::a_cross_site_post_return_becomes_a_get_that_carries_only_our_own_values"]),
    not(9, "C", "A callback goes from server to server: there is no browser, no history and no referrer."),
    on(9, "QS", &["transport::secrets::a_gateways_error_and_debug_hold_no_key_and_no_address", "transport::secrets::no_failure_repeats_address_header_or_body"]),
    on(10, "O", &["lib::reference::a_hundred_thousand_attempts_never_repeat_and_share_no_prefix"]),
    on(10, "CQS", &[P10]),
    on(10, "B", &[P10, OTHER_PAYMENT, RETURNS]),
    at(11, "O", &[Stripe], &["cashier::a_lost_reply_blocks_the_order_until_the_same_call_was_repeated_under_the_same_key", "mock_stripe::idempotency::the_client_that_lost_a_reply_gets_the_same_page_again"]),
    at(11, "O", &[Komoju], &["mock_komoju::an_order_survives_every_fault_of_the_api", "mock_komoju::a_key_replays_its_answer_for_a_day_and_only_for_the_same_body"]),
    at(11, "O", &[Sbps], &["sbps_desk::an_abandoned_form_stops_blocking_its_order_an_hour_after_it_lapsed", "mock_sbps::refusals::a_good_request_is_taken_once"]),
    at(11, "O", &[Gmopg], &["gmopg::a_lost_link_is_closed_and_another_page_is_made", "mock_gmopg::flow::a_link_whose_reply_was_lost_is_closed_before_another_is_made"]),
    on(11, "CBQS", &[P48, "ledger::the_memory_ledger_passes_every_case", "ledger::the_sqlite_ledger_passes_every_case"]),

    // --- B. Browser return
    on(12, "O", &["compile_fail::nothing_unproven_compiles"]),
    on(12, "BQS", &[P12]),
    not(12, "C", "A return is made by the browser. What claims the same as a callback is PAY-18."),
    on(13, "B", &[W13, OTHER_PAYMENT, "cashier::two_tabs_cannot_swap_their_payments"]),
    on(13, "CQS", &[W13, ORDER_ID, OTHER_PAYMENT]),
    not(13, "O", "The binding of transaction and attempt is read from evidence, so there is something to try on the channels only."),
    on(14, "O", &[P14, "storefront::a_return_shows_an_order_only_to_the_browser_that_placed_it"]),
    on(14, "B", &[P14, RETURNS, "cashier::returns_with_a_wrong_token_all_look_alike_and_ask_nothing", "cashier::a_cross_site_post_return_becomes_a_get_that_carries_only_our_own_values"]),
    not(14, "CQS", NO_BROWSER),
    on(15, "O", &["storefront::a_return_shows_an_order_only_to_the_browser_that_placed_it"]),
    on(15, "B", &[P14, "storefront::a_return_shows_an_order_only_to_the_browser_that_placed_it", "storefront::a_return_with_anything_wrong_in_it_shows_nothing_and_changes_nothing"]),
    not(15, "CQS", NO_BROWSER),
    on(16, "O", &["storefront::orders_that_do_not_exist_and_orders_of_others_are_the_same_404"]),
    on(16, "B", &[P14, RETURNS, "cashier::returns_with_a_wrong_token_all_look_alike_and_ask_nothing", "lib::reference::a_return_token_matches_only_itself_whole"]),
    not(16, "CQS", NO_BROWSER),
    on(17, "CB", &[P17]),
    on(17, "QS", &[P43]),
    not(17, "O", "The store says by itself that an order failed only when it is asked to close a page, and that asks the gateway."),

    // --- C. Server callback
    on(18, "O", &["compile_fail::nothing_unproven_compiles"]),
    on(18, "C", &[P18, CALLBACKS]),
    on(18, "B", &[P12, RETURNS]),
    on(18, "QS", &["transport::tls::any_other_certificate_means_nothing_was_sent"]),
    on(19, "O", &["lib::sign::wycheproof::whole_tags_agree_and_shortened_ones_are_refused", "lib::sign::mac::every_shortened_lengthened_and_flipped_tag_is_refused"]),
    at(19, "C", &[Stripe, Komoju, Sbps], &[P19]),
    not_at(19, "C", &[Gmopg], NO_TAG),
    not_at(19, "B", SIGNED, BARE_RETURN),
    at(19, "B", &[Sbps], &["sbps::a_return_names_its_attempt_if_its_own_hash_is_right_and_nothing_else", RETURNS]),
    at(19, "B", &[Gmopg], &[P19]),
    not(19, "QS", ANSWER_BY_TLS),
    on(20, "O", &["lib::sign::mac::every_shortened_lengthened_and_flipped_tag_is_refused", "lib::reference::a_return_token_matches_only_itself_whole", "comparisons::no_tag_and_no_token_is_compared_with_an_operator", "comparisons::every_place_that_compares_is_known_and_measured"]),
    not(20, "CBQS", "There is one comparison for every channel. That it takes its time whatever it compares is measured by `benches/timing.rs`, and reported."),
    at(21, "C", &[Stripe], &["stripe::every_event_type_of_the_sheet_says_what_the_sheet_says", "security_events::flow::what_decides_nothing_is_told_without_the_value"]),
    at(21, "C", &[Komoju], &["komoju::every_event_type_says_what_the_sheet_says"]),
    at(21, "C", &[Sbps], &["sbps::every_result_means_what_the_table_says"]),
    at(21, "C", &[Gmopg], &["gmopg::a_notification_is_a_hint_whatever_it_says"]),
    on(21, "B", &[P12]),
    on(21, "QS", &[ANSWERS]),
    not(21, "O", TYPED),
    on(22, "O", &["lib::sign::mac::a_tag_of_another_hash_is_refused"]),
    at(22, "C", SIGNED, &["lib::sign::mac::a_tag_of_another_hash_is_refused", P19]),
    at(22, "C", &[Sbps], &["lib::sign::joined::every_shortened_lengthened_and_flipped_hash_is_refused", P19]),
    not_at(22, "C", &[Gmopg], NO_TAG),
    not_at(22, "B", SIGNED, BARE_RETURN),
    at(22, "B", &[Sbps], &["sbps::no_hash_that_a_browser_sees_pays_anything"]),
    at(22, "B", &[Gmopg], &["lib::gateways::gmopg::sign::every_flipped_bit_is_refused"]),
    not(22, "QS", ANSWER_BY_TLS),
    on(23, "C", &[W23]),
    on(23, "B", &[W07, RETURNS]),
    on(23, "QS", &["transport::tls::any_other_certificate_means_nothing_was_sent", "transport::addresses::a_redirect_is_an_answer_and_is_not_followed"]),
    not(23, "O", "No gateway of this crate fetches a key or a certificate: all of them are configured as secrets."),
    not_at(24, "C", SIGNED, "The tag of this gateway is an HMAC with SHA-256, which is no plain hash. Its key has a least length (PAY-50)."),
    at(24, "C", &[Sbps], &[P24, SETTLING, SETTLING_TAGS]),
    at(24, "C", &[Gmopg], &[P39]),
    not_at(24, "B", SIGNED, BARE_RETURN),
    at(24, "B", &[Sbps], &["sbps::no_hash_that_a_browser_sees_pays_anything", RETURNS]),
    at(24, "B", &[Gmopg], &[RETURNS]),
    not(24, "QS", ANSWER_BY_TLS),
    on(24, "O", &["lib::secret::blank_clipped_short_and_placeholder_secrets_are_refused"]),
    on(25, "CB", &[W25, TOTAL, CURRENCY]),
    at(25, "QS", &[Stripe, Komoju, Gmopg], &[W25, TOTAL, ANSWERS]),
    not_at(25, "QS", &[Sbps], NO_AMOUNT),
    not(25, "O", "What is expected is written down before the redirect. It is compared where evidence comes in."),
    on(26, "CBQS", &[W26, MERCHANT, OTHER_MERCHANT]),
    not(26, "O", "The account is written down before the redirect. It is compared where evidence comes in."),
    on(27, "O", &["ledger::the_memory_ledger_passes_every_case", "ledger::the_sqlite_ledger_passes_every_case"]),
    on(27, "CBQS", &[W27, OTHER_PAYMENT]),
    on(28, "O", &["lib::payment::only_captured_money_pays_an_automatic_attempt"]),
    at(28, "C", &[Stripe], &["stripe::every_event_type_of_the_sheet_says_what_the_sheet_says", "cashier::a_delayed_payment_is_pending_until_the_money_is_there"]),
    at(28, "C", &[Komoju], &["komoju::every_event_type_says_what_the_sheet_says", "komoju::a_slip_is_no_payment_and_the_money_days_later_is"]),
    at(28, "C", &[Sbps], &["sbps::every_result_means_what_the_table_says", "sbps_desk::a_slip_is_not_paid_until_the_deposit_is_reported_days_later"]),
    at(28, "C", &[Gmopg], &["gmopg::a_notification_is_a_hint_whatever_it_says"]),
    on(28, "B", &[P12]),
    at(28, "QS", SIGNED, &["{gw}::every_row_of_the_status_table_is_read_as_the_sheet_says"]),
    at(28, "QS", &[Sbps], &["sbps::every_row_of_the_status_tables_is_read_as_the_sheet_says"]),
    at(28, "QS", &[Gmopg], &["gmopg::every_word_of_the_status_table_is_read_as_the_sheet_says"]),
    on(29, "O", &["compile_fail::nothing_unproven_compiles", "self_check::every_gateway_knows_a_genuine_message_from_another_under_its_own_key"]),
    on(29, "C", &[FAULT_C, CALLBACKS, "security_events::faults::a_ledger_that_fails_is_told_with_the_step"]),
    on(29, "B", &[FAULT_B, RETURNS, "security_events::faults::a_ledger_that_fails_is_told_with_the_step"]),
    on(29, "Q", &[P43, FAULT_B]),
    on(29, "S", &[P43, FAULT_S]),
    at(30, "C", &[Stripe], &["bounds::unproven::ten_thousand_unproven_messages_at_stripe_ask_nothing_of_the_ledger", FLOOD, W23, "cashier::what_proves_nothing_is_refused_alike_and_leaves_no_trace"]),
    at(30, "C", &[Komoju], &["bounds::unproven::ten_thousand_unproven_messages_at_komoju_ask_nothing_of_the_ledger", FLOOD, W23]),
    at(30, "C", &[Sbps], &["bounds::unproven::ten_thousand_unproven_messages_at_sbps_ask_nothing_of_the_ledger", FLOOD, W23]),
    at(30, "C", &[Gmopg], &["bounds::unproven::an_unsigned_message_at_gmopg_costs_one_look_up_and_a_known_name_is_made_due_once", FLOOD]),
    on(30, "B", &["bounds::unproven::a_return_without_its_token_costs_one_look_up_at_most_and_writes_nothing", P14, "security_events::flow::a_flood_of_forged_returns_is_counted", "cashier::returns_with_a_wrong_token_all_look_alike_and_ask_nothing"]),
    not(30, "QS", ASKED_ONLY),
    on(30, "O", &["verify_cost::a_body_that_is_not_proven_is_not_read"]),
    on(31, "CB", &[OTHER_PAYMENT, OTHER_MERCHANT]),
    on(31, "QS", &[ANSWERS]),
    on(31, "O", &["attacks::table::every_cell_is_filled_once_and_every_test_in_it_exists"]),
    on(32, "CBQS", &[P32]),
    not(32, "O", "One cashier has one account per gateway, and all of one environment: a second of either is refused when it is built."),
    on(33, "CBQS", &[P33, AGAIN]),
    at(33, "O", &[Stripe], &["lib::gateways::stripe::sign::timestamps_that_are_not_plain_numbers_are_refused"]),
    not_at(33, "O", &[Komoju, Sbps, Gmopg], "No message of this gateway has a signed time that would limit its life. A replay is known already, whatever its age."),
    on(34, "CBQS", &[P34]),
    not(34, "O", "There is no memory of messages that could be shorter: what was paid is in the record of the order itself."),
    on(35, "CBQS", &[ORDER, CONTRADICTING]),
    on(35, "O", &["properties::a_payment_never_moves_backwards", "lib::payment::what_was_paid_is_never_undone_by_older_news", "model::exhaustive::every_order_of_five_messages_on_the_memory_ledger_goes_as_the_model_says", "model::exhaustive::every_order_of_five_messages_on_the_sqlite_ledger_goes_as_the_model_says"]),
    on(36, "C", &[CALLBACKS]),
    on(36, "B", &[RETURNS]),
    on(36, "QS", &[ANSWERS]),
    on(36, "O", &[ORDERED, "lib::form::ambiguous_and_broken_forms_are_refused"]),
    not(37, "CB", "No message of this kind is read as XML at any gateway of this crate: forms and JSON only."),
    at(37, "QS", &[Sbps], &["lib::xml::documents_that_could_expand_reach_out_or_exhaust_are_refused", "lib::xml::floods_and_parameter_entities_are_refused_or_bounded", "sbps::random_answers_never_panic"]),
    not_at(37, "QS", &[Stripe, Komoju, Gmopg], "The answers of this gateway are JSON or forms. No XML is read."),
    at(37, "O", &[Sbps], &["lib::xml::floods_and_parameter_entities_are_refused_or_bounded", "lib::xml::random_documents_never_panic"]),
    not_at(37, "O", &[Stripe, Komoju, Gmopg], "Nothing of this gateway is XML, in either direction."),
    on(38, "O", &["lib::report::tests::nothing_in_a_name_breaks_out_of_its_place", "lib::security_event::tests::a_line_of_json_is_one_ascii_line_and_holds_no_field_that_is_not_ours"]),
    on(38, "CQS", &["leaks::hostile::text_in_every_field_that_is_read_comes_out_as_text", "lib::payment::a_gateway_word_cannot_forge_a_log_line", "lib::security_event::words::a_text_is_one_short_visible_line_and_holds_no_card_data", "lib::reference::references_refuse_what_would_need_escaping"]),
    on(38, "B", &[LEAKS, "security_events::sinks::lines_hold_no_secret_no_token_and_nothing_of_the_shopper"]),
    not_at(39, "C", SIGNED, "A keyed hash covers every byte of the body. No token and no address proves anything at this gateway."),
    at(39, "C", &[Sbps], &[P24]),
    at(39, "C", &[Gmopg], &[P39, "gmopg::a_notification_alone_never_pays_and_the_answer_to_our_question_does"]),
    on(39, "B", &[P12, RETURNS]),
    not(39, "QS", ASKED_ONLY),
    on(39, "O", &["lib::secret::a_shared_token_matches_only_itself_whole", "compile_fail::nothing_unproven_compiles"]),
    on(40, "C", &[P40, FAULT_C, KILLS, "security_events::faults::a_ledger_that_fails_is_told_with_the_step"]),
    on(40, "B", &[P14, "cashier::returns_with_a_wrong_token_all_look_alike_and_ask_nothing"]),
    not(40, "QS", "The store gives no answer to anybody here: it is the one that asks."),
    on(40, "O", &["ledger_crash::two_hundred_kills_lose_no_acknowledged_payment_and_make_no_second_key"]),
    on(41, "CB", &[P41]),
    not(41, "OQS", "A gateway cannot be changed once it is built: no method takes settings, and no message reaches a builder."),

    // --- D. Status query
    at(42, "QS", &[Stripe], &["stripe::an_answer_about_another_session_is_no_answer", OTHER_PAYMENT, "attacks::crossed::crossed_answers_of_two_paid_orders_pay_neither_at_stripe", "attacks::crossed::a_crossed_answer_does_not_pay_for_somebody_who_did_not_at_stripe"]),
    at(42, "QS", &[Komoju], &["komoju::answers_about_something_else_are_no_answer", OTHER_PAYMENT, "attacks::crossed::crossed_answers_of_two_paid_orders_pay_neither_at_komoju", "attacks::crossed::a_crossed_answer_does_not_pay_for_somebody_who_did_not_at_komoju"]),
    at(42, "QS", &[Gmopg], &["gmopg::answers_that_are_not_about_this_order_or_not_readable_are_no_answer", OTHER_PAYMENT, "attacks::crossed::crossed_answers_about_other_amounts_pay_nothing_at_gmopg", "attacks::crossed::one_transaction_of_a_crossed_answer_pays_one_order_at_gmopg"]),
    not_at(42, "QS", &[Sbps], "The answer of this gateway repeats no order, no attempt and no amount. It is bound by its connection and by the tracking id in our question, which a signed notification had named for this attempt."),
    on(42, "B", &[W13]),
    not(42, "C", "A callback is no answer: nothing was asked. A genuine one about something else is PAY-13 and PAY-27."),
    on(42, "O", &[CROSSED, ORDERED]),
    on(43, "BQS", &[P43]),
    not(43, "C", "A callback that cannot be read is refused, and the absence of one is what the sweep is for (PAY-69)."),
    on(43, "O", &["cashier::no_usable_answer_is_neither_paid_nor_failed_and_is_asked_again_later"]),
    on(44, "QS", &["transport::answers::an_endless_answer_is_left_soon_after_its_limit", "transport::answers::compressed_answers_are_not_read", "transport::answers::nothing_outlives_the_deadline", P43, "bounds::outbound::an_answer_out_of_bounds_costs_bounded_time_and_memory_and_is_the_right_error"]),
    on(44, "O", &[ORDERED]),
    not(44, "CB", "The attack is on answers of the gateway. Bodies that come in are PAY-61 to PAY-63."),

    // --- E. Settlement
    on(45, "CBQS", &[P45, "ledger_race::sixty_four_tasks_a_return_and_a_sweep_at_once_fulfil_two_hundred_orders_once_each"]),
    on(45, "O", &["ledger_race::two_ledgers_on_one_file_behave_as_one", "postgres::nodes::sixty_four_callbacks_for_each_of_several_orders_on_two_nodes_fulfil_each_once", "model::histories::a_hundred_thousand_random_steps_on_the_memory_ledger_go_as_the_model_says", "model::histories::a_hundred_thousand_random_steps_on_the_sqlite_ledger_go_as_the_model_says"]),
    on(46, "O", &["lib::checkout::the_content_digest_changes_with_everything_that_is_sold", "cashier::a_changed_basket_closes_the_open_page_before_another_one_opens"]),
    on(46, "CBQS", &[W46, "storefront::an_order_that_was_edited_after_it_was_paid_for_is_not_shipped"]),
    on(47, "OC", &[FAULT_O, FAULT_C, KILLS, "ledger_crash::two_hundred_kills_lose_no_acknowledged_payment_and_make_no_second_key", "postgres::crash::workers_killed_at_random_lose_nothing_and_do_nothing_twice", "model::histories::a_hundred_thousand_random_steps_on_the_memory_ledger_go_as_the_model_says", "model::histories::a_hundred_thousand_random_steps_on_the_sqlite_ledger_go_as_the_model_says"]),
    not(47, "BQS", "Every channel ends in the same transaction of the ledger, and the crash is in there: the first column kills it."),
    on(48, "OC", &[P48, REPORTED, "cashier::money_after_expiry_is_held_and_listed", "ledger::the_memory_ledger_passes_every_case", "model::exhaustive::every_order_of_five_messages_on_the_memory_ledger_goes_as_the_model_says", "model::exhaustive::every_order_of_five_messages_on_the_sqlite_ledger_goes_as_the_model_says"]),
    on(48, "BQS", &[P48, "ledger::the_memory_ledger_passes_every_case", "ledger::the_sqlite_ledger_passes_every_case", "cashier::a_page_that_was_paid_meanwhile_is_found_out_and_no_second_one_opens"]),
    at(49, "C", &[Stripe], &[CALLBACKS, "cashier::a_refund_is_heard_as_a_sign_and_found_out_by_asking"]),
    at(49, "C", &[Komoju], &[CALLBACKS, "komoju::two_refunds_in_part_are_both_on_record_and_a_repeat_is_not"]),
    not_at(49, "C", &[Sbps], "No result of this gateway tells of a refund. What the store sends back goes through the API or the merchant screen, and an answer tells it."),
    at(49, "C", &[Gmopg], &["gmopg::a_notification_is_a_hint_whatever_it_says"]),
    not(49, "B", "Nothing in a return is read as a refund, or as anything else about money (PAY-12, PAY-17)."),
    at(49, "QS", &[Stripe], &["cashier::a_right_tells_that_the_money_went_back_before_anything_left_the_house"]),
    at(49, "QS", &[Komoju], &["komoju::two_refunds_in_part_are_told_apart"]),
    at(49, "QS", &[Sbps], &["mock_sbps::flow::money_is_sent_back_in_parts_and_never_more_than_was_taken"]),
    at(49, "QS", &[Gmopg], &["gmopg::capture_void_and_refund_ask_first_and_never_repeat"]),
    at(49, "O", &[Stripe, Komoju], &["{gw}::expire_capture_void_and_refund_send_what_the_sheet_says"]),
    at(49, "O", &[Sbps], &["sbps::capture_void_and_refund_send_what_the_sheet_says"]),
    at(49, "O", &[Gmopg], &["gmopg::capture_void_and_refund_ask_first_and_never_repeat"]),

    // --- F. Configuration and secrets
    at(50, "O", &[Stripe], &["lib::secret::blank_clipped_short_and_placeholder_secrets_are_refused", "lib::gateways::stripe::config::keys_of_the_wrong_kind_are_refused"]),
    at(50, "O", &[Komoju, Gmopg], &["lib::secret::blank_clipped_short_and_placeholder_secrets_are_refused", "lib::gateways::{gw}::config::settings_out_of_bounds_are_refused"]),
    at(50, "O", &[Sbps], &["lib::secret::blank_clipped_short_and_placeholder_secrets_are_refused", "sbps::settings_that_cannot_be_right_are_refused"]),
    not(50, "CBQS", "Without an adequate secret no gateway is built, so there is nobody whom a message could reach."),
    at(51, "O", &[Stripe], &["storefront::live_keys_are_refused", "mock_stripe::merchants::a_live_key_cannot_even_be_pointed_here"]),
    at(51, "O", &[Komoju], &["lib::gateways::komoju::config::settings_out_of_bounds_are_refused"]),
    at(51, "O", &[Sbps], &["sbps::settings_that_cannot_be_right_are_refused"]),
    at(51, "O", &[Gmopg], &["lib::gateways::gmopg::config::settings_out_of_bounds_are_refused"]),
    at(51, "CQS", &[Stripe], &["cashier::a_message_of_the_other_mode_is_acknowledged_and_ignored", "stripe::the_mode_and_the_account_are_read_from_what_was_signed", ANSWERS]),
    // Nothing in a message of these tells its environment: the other one has accounts, keys and hosts of its own, as another merchant has.
    at(51, "CQS", &[Komoju, Sbps, Gmopg], &[W26, OTHER_MERCHANT]),
    not(51, "B", "A return tells no environment that would be read: it leads to a question under the configured key."),
    on(52, "O", &["redaction::nothing_that_holds_a_secret_prints_it", "redaction::a_panic_over_any_of_it_says_nothing", "leaks::flows::the_password_of_the_database_and_the_other_secrets_print_nowhere"]),
    on(52, "CB", &["redaction::a_whole_flow_leaves_no_secret_in_the_log_the_replies_the_debug_output_or_the_file", LEAKS]),
    on(52, "QS", &["redaction::no_failed_call_repeats_what_was_sent_or_answered", "redaction::the_real_client_logs_no_secret", "leaks::answers::no_error_answer_of_any_gateway_brings_a_secret_or_a_card_into_an_error", "leaks::answers::no_good_answer_with_a_secret_or_a_card_in_a_word_brings_it_further"]),
    on(53, "O", &["lib::sign::mac::the_key_that_matched_is_told_and_an_expired_one_matches_nothing", "switch::a_change_of_keys_is_on_record_without_any_key"]),
    at(53, "C", &[Stripe], &["properties::a_rotation_under_load_refuses_nothing_genuine_and_takes_nothing_expired", "security_events::flow::a_key_on_its_way_out_is_told_and_works", "mock_stripe::deliveries::while_a_secret_is_rolled_both_sign"]),
    at(53, "C", &[Komoju], &["properties::a_rotation_under_load_refuses_nothing_genuine_and_takes_nothing_expired", "lib::sign::mac::the_key_that_matched_is_told_and_an_expired_one_matches_nothing"]),
    at(53, "CB", &[Sbps], &["properties::a_rotation_under_load_refuses_nothing_genuine_and_takes_nothing_expired", "sbps::a_retiring_hash_key_still_verifies_and_says_so"]),
    not_at(53, "C", &[Gmopg], NO_TAG),
    not_at(53, "B", SIGNED, BARE_RETURN),
    not_at(53, "B", &[Gmopg], "The tag of a return is made with the shop's one password, which the gateway changes at once and not by an overlap."),
    not(53, "QS", "A question is asked with one API key. A change of it is a change of the settings, and a wrong one is no answer (PAY-43)."),
    on(54, "O", &["comparisons::no_public_function_turns_a_check_off", "compile_fail::nothing_unproven_compiles", "self_check::one_changed_message_that_is_taken_outweighs_everything"]),
    on(54, "C", &["self_check::every_gateway_knows_a_genuine_message_from_another_under_its_own_key", CALLBACKS]),
    not(54, "BQS", "There is no setting that turns a check off, and the simulators take no live key: the first column shows it."),

    // --- G. Transport
    on(55, "QS", &["transport::tls::any_other_certificate_means_nothing_was_sent", "transport::tls::what_does_not_speak_tls_gets_no_request", "security_events::faults::a_peer_that_cannot_show_who_it_is_gets_no_request_and_is_told", "untrusted_peer::nobody_without_proof_of_being_the_gateway_gives_evidence"]),
    not(55, "CB", "Here others connect to the store. The certificate is the store's, and what arrives is judged by its own proof."),
    on(55, "O", &["transport::tls::roots_that_are_no_certificates_are_refused_when_building"]),
    on(56, "QS", &["transport::addresses::addresses_that_are_not_allowed_are_not_even_connected_to", "transport::addresses::a_redirect_is_an_answer_and_is_not_followed", "lib::form::a_path_segment_cannot_become_two"]),
    on(56, "C", &[W23]),
    on(56, "B", &[W07]),
    on(56, "O", &["transport::addresses::an_allowed_address_is_called_as_ourselves", "transport::addresses::proxies_of_the_environment_are_ignored"]),
    on(57, "C", &[P57, P57_SOCKET, "lib::callback::a_security_header_must_be_there_exactly_once", CALLBACKS, P40]),
    on(57, "B", &[RETURNS]),
    not(57, "QS", "Nobody stands between the client and the gateway: TLS ends at the gateway, and proxies are not used."),
    not(57, "O", "What leaves is written by one HTTP client from typed parts: there is no envelope of somebody else's to misread."),

    // --- H. Logging and data leakage
    on(58, "O", &["guard::any_card_number_is_refused_in_any_disguise", "lib::checkout::card_data_is_refused_in_every_text", DRILL, "leaks::entries::card_data_is_refused_at_every_way_in_and_told_by_its_place_alone"]),
    on(58, "B", &["leaks::entries::a_return_with_the_fields_of_a_card_form_is_told_once_and_shows_nothing", "security_events::flow::card_data_is_told_by_its_place_and_never_by_its_value", "security_events::flow::no_field_of_a_documented_return_is_taken_for_card_data"]),
    on(58, "CQS", &[DRILL, LEAKS, "leaks::answers::no_good_answer_with_a_secret_or_a_card_in_a_word_brings_it_further"]),
    on(59, "OCBQS", &[ORIGINAL, "redaction::a_whole_flow_leaves_no_secret_in_the_log_the_replies_the_debug_output_or_the_file", "security_events::sinks::lines_hold_no_secret_no_token_and_nothing_of_the_shopper", LEAKS, "leaks::flows::the_rows_of_a_database_hold_nothing_of_what_outsiders_put_in_either"]),
    on(60, "O", &["chain_tampering::records::every_flipped_bit_of_every_kind_of_record_is_named_by_its_position", "chain_tampering::rewriting::what_was_written_anew_before_the_last_checkpoint_is_shown_by_the_earlier_ones", "chain_tampering::records::every_removed_record_is_named_also_when_the_others_close_the_gap", "chain_tampering::rewriting::an_end_cut_off_at_any_length_is_shown_by_the_checkpoint_and_by_nothing_else"]),
    not(60, "CBQS", AT_REST),

    // --- I. Availability
    on(61, "CB", &["axum_intake::too_much_is_refused_with_and_without_a_length", "axum_intake::a_sender_that_stops_or_breaks_off_is_not_waited_for", "lib::callback::too_much_of_anything_is_refused_before_it_is_read", "bounds::inbound::a_body_without_end_is_refused_soon_after_its_limit", "bounds::inbound::memory_for_a_body_depends_on_the_limit_and_on_nothing_else"]),
    on(61, "QS", &["transport::answers::an_answer_within_the_limit_is_read_and_one_byte_more_is_not", "transport::answers::nothing_outlives_the_deadline", "bounds::outbound::an_answer_out_of_bounds_costs_bounded_time_and_memory_and_is_the_right_error"]),
    // What is read on the way out is the answer to a create call, by the same client under the same limits.
    on(61, "O", &["transport::answers::an_answer_within_the_limit_is_read_and_one_byte_more_is_not", "transport::answers::nothing_outlives_the_deadline"]),
    on(62, "CB", &["axum_intake::a_compressed_body_is_refused_as_it_stands", "lib::callback::compressed_bodies_are_refused_without_inflating_them"]),
    on(62, "QS", &["transport::answers::compressed_answers_are_not_read"]),
    on(62, "O", &["transport::answers::compressed_answers_are_not_read"]),
    at(63, "CB", &[Stripe], &["lib::callback::too_much_of_anything_is_refused_before_it_is_read", "stripe::a_deeply_nested_part_that_nobody_reads_costs_no_stack", "bounds::growth::callbacks_are_read_in_time_that_grows_with_their_size", "bounds::growth::returns_are_read_in_time_that_grows_with_their_size"]),
    at(63, "CB", &[Komoju], &["lib::callback::too_much_of_anything_is_refused_before_it_is_read", "bounds::growth::callbacks_are_read_in_time_that_grows_with_their_size", "bounds::growth::returns_are_read_in_time_that_grows_with_their_size"]),
    at(63, "CB", &[Sbps], &["lib::callback::too_much_of_anything_is_refused_before_it_is_read", "lib::form::ambiguous_and_broken_forms_are_refused", "bounds::growth::callbacks_are_read_in_time_that_grows_with_their_size", "bounds::growth::returns_are_read_in_time_that_grows_with_their_size"]),
    at(63, "CB", &[Gmopg], &["lib::callback::too_much_of_anything_is_refused_before_it_is_read", "lib::gateways::gmopg::wire::doubled_broken_and_endless_forms_are_refused", "bounds::growth::callbacks_are_read_in_time_that_grows_with_their_size", "bounds::growth::returns_are_read_in_time_that_grows_with_their_size"]),
    on(63, "QS", &["transport::answers::an_answer_within_the_limit_is_read_and_one_byte_more_is_not", "bounds::growth::answers_are_read_in_time_that_grows_with_their_size"]),
    on(63, "O", &["verify_cost::a_flood_of_tags_or_keys_is_bounded_before_anything_is_hashed"]),
    on(64, "C", &[FLOOD, "security_events::flow::a_flood_of_forged_messages_costs_no_record_no_question_and_few_events", "lib::security_event::tests::a_million_forged_messages_make_a_few_events_and_every_one_is_counted"]),
    on(64, "BQ", &[P64, "cashier::ten_thousand_returns_of_one_attempt_ask_within_the_budget", P12, "bounds::flood::ten_thousand_returns_of_one_attempt_are_one_question_at_a_time_within_the_budget"]),
    on(64, "S", &[P64, "sweep::one_gateways_share_and_the_whole_are_bounded_and_the_run_says_how_far_it_is", "cashier::a_sweep_stops_at_its_bound"]),
    not(64, "O", "What the store does of its own accord is not caused by outsiders. Checkouts that they open are PAY-66."),
    at(65, "CB", &[Stripe], &["properties::random_requests_never_verify_and_never_panic", "properties::random_returns_never_panic_and_say_no_more_than_a_session", "fuzz_smoke::every_target_is_run"]),
    at(65, "CB", &[Komoju, Gmopg], &["{gw}::random_messages_neither_prove_nor_panic", "fuzz_smoke::every_target_is_run"]),
    at(65, "CB", &[Sbps], &["sbps::nothing_that_comes_in_panics", "fuzz_smoke::every_target_is_run"]),
    at(65, "QS", &[Stripe], &["properties::random_answers_prove_nothing", ANSWERS, "fuzz_smoke::every_target_is_run"]),
    at(65, "QS", &[Sbps], &["sbps::random_answers_never_panic", ANSWERS, "fuzz_smoke::every_target_is_run"]),
    at(65, "QS", &[Komoju, Gmopg], &[ANSWERS, P43, "fuzz_smoke::every_target_is_run"]),
    on(65, "O", &["properties::a_checkout_request_of_any_texts_is_built_or_refused"]),
    on(66, "O", &["security_events::patterns::a_thousand_declined_attempts_are_told_once_per_sign", "security_events::patterns::normal_traffic_raises_no_suspicion", "card_testing::a_thousand_declined_attempts_of_one_client_reach_the_limit_and_are_told_once_per_sign", "card_testing::a_thousand_different_shoppers_notice_nothing_and_no_sign_is_told"]),
    on(66, "C", &[P66, "security_events::patterns::cards_that_are_tried_one_after_another_on_one_page_are_told"]),
    not(66, "BQS", "Cards are tried on the hosted page. What shows of it is the number of pages, and the declines that callbacks tell."),

    // --- J. Store operation
    on(67, "OCBS", &[P67, STOPPED, DRILL, "switch::a_stop_refuses_checkouts_at_once_and_a_hundred_open_ones_still_settle", "switch::while_asking_first_a_perfectly_signed_forgery_pays_nothing_and_an_answer_does"]),
    on(67, "Q", &[P67, STOPPED, "switch::while_asking_first_a_perfectly_signed_forgery_pays_nothing_and_an_answer_does"]),
    on(68, "O", &["ninety_days::a_report_over_ten_thousand_orders_equals_a_list_kept_beside_it", "switch::a_report_equals_the_reference_list_over_ninety_days_and_repeats_byte_for_byte", "switch::a_report_over_broken_records_says_so"]),
    not(68, "CBQS", AT_REST),
    at(69, "S", &[Stripe, Komoju, Gmopg], &["sweep::after_a_week_without_any_message_the_store_equals_the_gateways_and_asked_little", P43]),
    at(69, "BQ", &[Stripe, Komoju, Gmopg], &[RETURNS, P43, "cashier::what_callbacks_missed_is_found_by_asking"]),
    not_at(69, "BQS", &[Sbps], UNASKABLE),
    not(69, "C", "What was missed is not there to be tried. What comes late after all is PAY-35 and PAY-48."),
    not(69, "O", "What the gateway did and the store did not hear of is found by asking, and by nothing else."),
    on(70, "O", &["security_events::page::names_fields_and_reasons_are_those_of_the_version", "security_events::flow::a_heartbeat_comes_with_the_sweep_and_not_more_often_than_it_may"]),
    on(70, "CBQS", &[P70, "security_events::sinks::all_sinks_may_fail_at_once_and_payments_go_on", "security_events::sinks::a_sink_that_fails_changes_no_verdict_and_is_told_to_the_others"]),
];
