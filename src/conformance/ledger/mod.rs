//! What every [`Ledger`] has to do, as cases that anybody can run against their own.
//!
//! ```
//! use std::sync::Arc;
//! use kessai::conformance::ledger::{LedgerSource, run_all};
//! use kessai::transport::BoxFuture;
//! use kessai::{Ledger, ledgers::MemoryLedger};
//!
//! struct InMemory;
//!
//! impl LedgerSource for InMemory {
//!     fn fresh(&self) -> BoxFuture<'_, Result<Arc<dyn Ledger>, String>> {
//!         Box::pin(async { Ok(Arc::new(MemoryLedger::new()) as Arc<dyn Ledger>) })
//!     }
//!
//!     fn reopen(&self, _: Arc<dyn Ledger>) -> BoxFuture<'_, Result<Option<Arc<dyn Ledger>>, String>> {
//!         Box::pin(async { Ok(None) }) // it forgets
//!     }
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! run_all(&InMemory).await
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod applying;
mod asking;
mod chaining;
mod desk;
mod expecting;
mod fulfilling;
mod holding;
mod keeping;
mod opening;
mod switching;
mod windows;

use std::sync::Arc;

use crate::ledger::Ledger;
use crate::transport::BoxFuture;

/// Where the ledgers under test come from.
pub trait LedgerSource: Send + Sync {
    /// A new, empty one. Each case asks for its own.
    fn fresh(&self) -> BoxFuture<'_, Result<Arc<dyn Ledger>, String>>;

    /// Ends this one as the end of a process would, and opens what it kept; `None` if it keeps nothing.
    fn reopen(&self, ledger: Arc<dyn Ledger>) -> BoxFuture<'_, Result<Option<Arc<dyn Ledger>>, String>>;
}

/// One case of the suite.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Case {
    /// What has to be true, as a sentence.
    pub name: &'static str,
    /// Tries it. The error says what was found instead.
    pub run: for<'a> fn(&'a dyn LedgerSource) -> BoxFuture<'a, Result<(), String>>,
}

/// Runs every case and tells all that fail, not only the first.
pub async fn run_all(source: &dyn LedgerSource) -> Result<(), String> {
    let mut failures = Vec::new();
    for case in cases() {
        if let Err(found) = (case.run)(source).await {
            failures.push(format!("{}: {found}", case.name));
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(failures.join("\n"))
}

macro_rules! cases {
    ($($topic:ident: $($name:ident),+;)+) => {
        /// Every case, by name.
        #[must_use]
        pub fn cases() -> Vec<Case> {
            vec![$($(Case {
                name: stringify!($name),
                run: |source| Box::pin($topic::$name(source)),
            }),+),+]
        }

        $($(
            #[doc = concat!("The case `", stringify!($name), "`.")]
            pub async fn $name(source: &dyn LedgerSource) -> Result<(), String> {
                $topic::$name(source).await
            }
        )+)+
    };
}

cases! {
    expecting:
        what_was_expected_is_read_back_as_it_was_written,
        a_second_attempt_is_refused_while_one_is_open,
        a_second_attempt_is_refused_once_the_order_is_paid,
        of_many_callers_that_expect_one_order_one_writes,
        an_attempt_without_a_page_stops_blocking_an_hour_after_its_end,
        an_attempt_that_the_gateway_knows_never_stops_blocking_by_itself,
        an_attempt_that_ended_blocks_nothing,
        an_attempt_is_never_written_twice,
        a_time_that_cannot_be_kept_is_refused_and_leaves_nothing;
    opening:
        a_checkout_is_bound_once_and_for_ever,
        a_link_that_comes_only_once_is_kept,
        a_name_of_one_account_says_nothing_about_another,
        an_attempt_is_found_by_each_of_its_names,
        closing_ends_only_what_was_never_opened,
        a_page_that_comes_after_the_end_is_not_bound,
        nothing_can_be_done_to_an_attempt_that_is_not_there;
    applying:
        the_same_event_pays_once,
        sixty_four_at_once_pay_once,
        callback_return_and_sweep_at_once_pay_once,
        older_news_changes_nothing,
        an_authorization_pays_where_the_store_captures_later,
        a_refund_after_payment_moves_the_state_and_keeps_the_right,
        evidence_may_come_before_the_answer_to_the_checkout,
        what_says_too_little_is_asked_about,
        every_order_of_events_ends_as_the_rules_say;
    holding:
        a_second_paid_attempt_of_an_order_is_held,
        one_transaction_pays_one_of_a_hundred_orders,
        one_page_pays_one_of_a_hundred_orders,
        money_after_the_end_is_held,
        money_that_went_back_before_is_held,
        every_difference_is_held_once_and_pays_nothing,
        a_second_payment_of_one_page_is_held_even_if_judged_too_early,
        an_expectation_changed_in_the_callers_hands_pays_nothing,
        held_evidence_is_listed_newest_first;
    fulfilling:
        nothing_is_handed_out_before_payment,
        a_right_is_handed_out_until_it_is_done_and_always_with_the_same_key,
        rights_are_handed_out_oldest_first_and_none_twice_at_once,
        many_callers_never_get_the_same_right;
    asking:
        what_is_due_is_handed_out_in_order_and_once,
        many_sweeps_never_get_the_same_attempt,
        a_lease_that_ran_out_hands_the_attempt_out_again,
        asking_counts_until_the_state_moves_and_ends_with_it,
        a_gateway_that_is_not_asked_holds_nothing_of_the_others_back,
        an_older_question_takes_back_neither_a_message_nor_a_lease,
        what_was_proven_is_asked_about_at_once_and_a_hint_after_a_wait,
        an_attempt_that_is_over_is_asked_about_after_a_message,
        an_attempt_is_due_by_itself_from_the_start;
    keeping:
        a_note_is_taken_once,
        records_follow_each_other_without_a_gap_and_never_change,
        everything_is_still_there_after_a_restart;
    chaining:
        every_record_follows_the_one_before_it,
        the_state_is_the_one_that_the_records_tell,
        a_checkpoint_of_another_ledger_is_noticed;
    switching:
        a_stop_refuses_new_attempts_and_nothing_else,
        a_stop_outlasts_a_restart_and_ends_by_reopening,
        of_checkouts_and_a_stop_at_once_none_is_written_after_it;
    windows:
        a_window_hands_out_each_attempt_once_and_no_other,
        open_attempts_are_those_that_are_not_over;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledgers::MemoryLedger;

    struct InMemory;

    impl LedgerSource for InMemory {
        fn fresh(&self) -> BoxFuture<'_, Result<Arc<dyn Ledger>, String>> {
            Box::pin(async { Ok(Arc::new(MemoryLedger::new()) as Arc<dyn Ledger>) })
        }

        fn reopen(&self, _: Arc<dyn Ledger>) -> BoxFuture<'_, Result<Option<Arc<dyn Ledger>>, String>> {
            Box::pin(async { Ok(None) })
        }
    }

    /// All ledgers are held to the suite from outside. Here it is for the rules that they share, so that unit tests alone notice
    /// a change in one of them.
    #[tokio::test]
    async fn the_rules_that_all_ledgers_share_pass_every_case() {
        assert_eq!(run_all(&InMemory).await, Ok(()));
    }
}
