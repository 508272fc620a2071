//! The attack catalogue as a table of tests: which test shows what stops each attack, at every gateway and on every channel.
//!
//! `cargo test --test it attacks -- --nocapture` prints the table and what was refused and accepted.

mod afterwards;
pub mod alter;
mod arena;
mod crossed;
mod desk;
mod envelope;
mod fates;
mod faults;
mod findings;
mod generators;
mod orders;
mod settling;
mod table;
mod unheard;
mod verdicts;

macro_rules! tests {
    ($gateway:ident $($module:ident: $($test:ident),+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $module::$test($gateway).await;
            }
        )+)+
    };
}
use tests;

/// One test of each per gateway, under the gateway's name.
macro_rules! gateways {
    ($($variant:ident = $name:ident),+ $(,)?) => {
        /// The gateways of this crate. Everything here goes over all of them, so that another one does not build, or does not
        /// pass, until it has its arena and its cells.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        enum Gw { $($variant),+ }

        impl Gw {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($name)),+ }
            }
        }

        $(mod $name {
            use super::Gw::$variant as GATEWAY;
            use super::{afterwards, crossed, desk, envelope, fates, faults, findings, generators, orders, verdicts};
            super::tests! { GATEWAY
                generators: every_changed_callback_is_refused, every_changed_return_pays_nothing,
                    every_changed_answer_pays_only_what_was_expected, messages_in_any_order_pay_once, contradicting_news_in_any_order_pays_once_at_most,
                    messages_of_another_payment_pay_nothing, messages_of_another_merchant_pay_nothing,
                    a_message_that_comes_again_pays_once, most_of_what_comes_is_refused;
                fates: messages_of_every_end_are_refused_when_changed, messages_of_every_end_pay_once_or_never_in_any_order,
                    messages_of_every_end_pay_for_nothing_else;
                afterwards: pay_48_held_money_is_in_the_report,
                    pay_59_an_original_that_was_kept_is_matched_with_its_record_and_another_is_not,
                    pay_67_messages_returns_sweeps_and_fulfilment_go_on_while_stopped;
                crossed: pay_42_crossed_create_answers_lead_nobody_to_anothers_page;
                faults: a_fault_at_each_step_of_a_callback_pays_once, a_fault_at_each_step_of_a_return_pays_once,
                    a_fault_at_each_step_of_a_sweep_pays_once, a_fault_at_each_step_of_fulfilling_ships_under_one_key;
                findings: w11_pay_01_a_price_chosen_in_the_browser, w11_pay_07_a_return_address_chosen_in_the_browser,
                    w11_pay_13_a_paid_order_named_for_another_in_the_last_step,
                    w11_pay_23_a_certificate_address_in_the_message, w11_pay_25_a_genuine_payment_of_a_lower_amount,
                    w11_pay_26_the_right_amount_to_the_shoppers_own_account, w11_pay_27_one_payment_for_many_orders,
                    w11_pay_46_an_order_changed_after_the_redirect,
                    s14_order_id, s14_order_total, s14_currency, s14_merchant_id;
                desk: pay_10_news_of_an_attempt_that_was_given_up_moves_no_other,
                    pay_14_a_return_again_late_or_of_another_shows_a_page_and_moves_nothing,
                    pay_48_money_that_comes_late_or_twice_is_held_and_listed, pay_64_returns_and_sweeps_ask_within_their_bounds,
                    pay_66_declined_cards_are_told, pay_67_a_stop_stops_checkouts_and_no_evidence,
                    pay_70_a_sink_that_fails_changes_no_verdict;
                envelope: pay_57_one_envelope_is_read_in_one_way, pay_57_over_a_socket_the_tag_comes_once_and_whole;
                orders: changed_answers_to_orders_are_no_success_of_something_else;
                verdicts: pay_12_a_return_without_a_payment_pays_nothing, pay_17_bad_news_without_proof_changes_nothing,
                    pay_18_a_callback_without_proof_pays_nothing, pay_19_a_tag_that_is_not_whole_proves_nothing,
                    pay_32_another_gateways_messages_pay_nothing,
                    pay_33_a_thousand_replays_pay_once, pay_34_a_message_days_later_pays_nothing_more,
                    pay_40_refusals_look_alike, pay_41_a_message_cannot_change_a_setting, pay_43_no_usable_answer_decides_nothing,
                    pay_45_callback_return_and_sweep_at_once_pay_once;
            }
        })+
    };
}

gateways! {
    Stripe = stripe,
    Komoju = komoju,
    Sbps = sbps,
    Gmopg = gmopg,
}
