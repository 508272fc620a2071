//! What every [`Gateway`](crate::Gateway) has to do, as cases that anybody can run against their own.
//!
//! The author of a gateway writes a [`Bench`]: how the gateway is built, what its genuine messages look like, how it signs.
//! The suite changes, cuts, doubles, forges and replays them, loses answers, and reports what came of each case. It plays
//! the network itself: nothing is sent, no runtime is needed.
//!
//! ```no_run
//! use kessai::conformance::gateway::{Bench, suite};
//!
//! # async fn run(bench: &dyn Bench) -> Result<(), String> {
//! let report = suite(bench).await;
//! println!("{report}");
//! report.result()
//! # }
//! ```
//!
//! `examples/own_gateway` is a whole gateway with its bench.
//!
//! A case that does not apply is skipped with a written reason ([`Bench::skip`]); a case for which the bench has nothing and
//! no reason fails. A report in which fewer than thirty messages were refused, or fewer refused than accepted, fails too.

mod alter;
mod asking;
mod bench;
mod doing;
mod knowing;
mod line;
mod opening;
mod planning;
mod receiving;
mod replying;
mod report;
mod returning;
mod stand;
mod tampering;

pub use self::bench::{Ability, Asked, Bench, Message, Reply, Returns, Says, Shape, Style, Wrong, arrives};
pub use self::line::Answer;
use self::report::Tally;
pub use self::report::{Counts, Report, Verdict};
use self::stand::{Found, Stand};
use crate::transport::BoxFuture;

/// Runs every case and tells of all of them.
pub async fn suite(bench: &dyn Bench) -> Report {
    let tally = Tally::default();
    let mut cases = Vec::with_capacity(Case::ALL.len());
    for case in Case::ALL.iter().copied() {
        cases.push((case, verdict(bench, &tally, case).await));
    }
    Report {
        cases,
        counts: tally.counts(),
    }
}

/// Runs one case alone.
pub async fn one(bench: &dyn Bench, case: Case) -> Verdict {
    verdict(bench, &Tally::default(), case).await
}

async fn verdict(bench: &dyn Bench, tally: &Tally, case: Case) -> Verdict {
    match bench.skip(case) {
        Some(why) if why.trim().len() >= SHORTEST_REASON => return Verdict::Skipped(why),
        Some(_) => return Verdict::Failed("it is skipped without a reason worth the name".to_owned()),
        None => {}
    }
    let found = match Stand::new(bench, tally) {
        Ok(stand) => run(case, &stand).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(()) => Verdict::Held,
        Err(found) => Verdict::Failed(found),
    }
}

/// "does not apply" is no reason.
const SHORTEST_REASON: usize = 20;

macro_rules! cases {
    ($($topic:ident: $($case:ident = $name:ident),+;)+) => {
        /// One case of the suite.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Case {
            $($(
                #[doc = concat!("`", stringify!($name), "`")]
                $case
            ),+),+
        }

        impl Case {
            /// Every case, in the order in which they are run.
            pub const ALL: &'static [Self] = &[$($(Self::$case),+),+];

            /// What has to be true, as a sentence.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $($(Self::$case => stringify!($name)),+),+
                }
            }
        }

        fn run<'a>(case: Case, stand: &'a Stand<'_>) -> BoxFuture<'a, Found> {
            match case {
                $($(Case::$case => Box::pin($topic::$name(stand))),+),+
            }
        }
    };
}

cases! {
    knowing:
        Names = its_name_account_and_environment_are_in_every_event,
        SelfCheck = it_still_tells_a_genuine_message_from_another,
        Clock = it_tells_the_gateways_clock_by_its_last_answer,
        Secrets = nothing_that_prints_holds_a_secret,
        Https = everything_is_sent_over_https_and_no_secret_in_an_address;
    planning:
        ReferenceFits = a_reference_fits_the_gateways_grammar_and_is_drawn_anew,
        RequestLimits = what_it_cannot_take_is_refused_before_anything_is_sent,
        ForeignCurrency = a_foreign_currency_is_refused;
    opening:
        OtherRequest = a_request_other_than_the_one_written_down_is_refused,
        CheckoutCarries = a_checkout_carries_its_attempt_and_leads_to_the_gateways_pages,
        PageElsewhere = a_page_elsewhere_is_never_led_to,
        CheckoutLost = a_lost_reply_to_a_checkout_is_an_unknown_outcome,
        CheckoutNotSent = without_a_connection_nothing_was_sent,
        CheckoutAgain = the_same_checkout_again_sends_the_same;
    receiving:
        Genuine = genuine_messages_say_what_they_must,
        Redelivered = the_same_message_again_is_the_same_fact,
        PaysItsAttempt = proven_money_is_accepted_for_its_attempt_and_no_other,
        NoMessage = what_is_no_message_is_refused,
        ForeignKey = a_foreign_key_signs_nothing,
        KeyOfThePast = a_key_whose_time_is_over_signs_nothing,
        OtherMerchant = another_merchants_message_is_none_of_ours,
        OldMessage = an_old_message_is_refused,
        OtherEnvironment = a_message_of_the_other_environment_is_none_of_ours;
    tampering:
        FlippedBytes = every_flipped_byte_is_refused,
        CutOrGrown = every_cut_and_every_addition_is_refused,
        ChangedHeaders = every_changed_header_is_refused,
        ChangedFields = every_changed_field_is_refused,
        LackingFields = a_signed_message_that_lacks_something_says_no_more_than_the_whole,
        LackingAmount = a_signed_message_without_its_amount_tells_none,
        FieldOrder = fields_in_another_order_are_taken_as_the_gateway_says;
    replying:
        ReplyExact = the_reply_is_exact,
        RefusalExact = a_refusal_is_exact_and_gives_no_reason;
    returning:
        ReturnHint = a_return_is_a_hint_about_its_own_attempt,
        ReturnForged = a_forged_return_leads_to_nothing,
        ReturnChanged = every_change_to_a_signed_return_is_refused,
        ReturnReplayed = a_message_is_no_return_and_a_return_is_no_message;
    asking:
        PaidWord = only_the_documented_word_is_paid,
        UnknownWord = a_word_that_is_in_no_document_is_unknown,
        MissingAmount = an_amount_that_is_missing_stays_missing,
        OtherAmount = another_amount_is_told_and_does_not_pay,
        OtherOrder = an_answer_about_another_order_is_an_error,
        NoAnswer = what_is_no_answer_is_an_error_of_unknown_outcome,
        WrongStatus = the_right_words_under_a_wrong_status_are_an_error,
        CutAnswer = an_answer_that_was_cut_says_nothing_new;
    doing:
        Abilities = the_listed_abilities_are_those_that_work,
        AbilityLost = a_lost_reply_to_an_ability_is_an_unknown_outcome,
        NoPart = what_is_no_part_of_the_payment_is_neither_captured_nor_given_back;
}
