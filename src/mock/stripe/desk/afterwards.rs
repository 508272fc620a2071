//! What becomes of money that was authorized or taken: capture, cancellation, refunds, disputes (Stripe sheet §9, 2026-11-23).

use std::collections::BTreeMap;

use super::Desk;
use crate::mock::stripe::error::ApiError;
use crate::mock::stripe::objects::{Dispute, Refund, Word};

impl Desk<'_> {
    /// Takes authorized money, all of it or part.
    pub(in crate::mock::stripe) fn capture(&mut self, id: &str, amount: Option<u64>) -> Result<(), ApiError> {
        let intent = self.intent(id)?;
        if intent.status != "requires_capture" {
            let message = format!(
                "This PaymentIntent could not be captured because it has a status of {}. Only a PaymentIntent with one \
                 of the following statuses may be captured: requires_capture.",
                intent.status
            );
            return Err(ApiError::state("payment_intent_unexpected_state", message));
        }
        let amount = amount.unwrap_or(intent.capturable);
        if amount == 0 {
            return Err(
                ApiError::coded("parameter_invalid_integer", "Invalid positive integer").at("amount_to_capture")
            );
        }
        if amount > intent.capturable {
            return Err(ApiError::state(
                "amount_too_large",
                "The amount is greater than the amount that can be captured.",
            )
            .at("amount_to_capture"));
        }
        intent.status = "succeeded";
        intent.capturable = 0;
        intent.received = amount;
        intent.authorized_at = None;
        let (session, charge) = (intent.session.clone(), intent.charge.clone());
        if let Some(charge) = charge.and_then(|charge| self.account.books.charges.find_mut(&charge)) {
            charge.captured = true;
            charge.captured_amount = amount;
        }
        // Unconfirmed in the sheet (§8): after a capture the session counts as paid.
        self.session(&session)?.paid = Word::Paid;
        self.tell_intent("payment_intent.succeeded", id);
        Ok(())
    }

    /// Gives authorized money back. Only in `requires_capture`: before that, the session is expired instead.
    pub(in crate::mock::stripe) fn cancel(&mut self, id: &str, reason: Option<&'static str>) -> Result<(), ApiError> {
        let intent = self.intent(id)?;
        if intent.status != "requires_capture" {
            let message = format!(
                "You cannot cancel this PaymentIntent because it has a status of {}. A PaymentIntent of a Checkout \
                 Session can be canceled only in requires_capture.",
                intent.status
            );
            return Err(ApiError::state("payment_intent_unexpected_state", message));
        }
        self.drop_intent(id, reason);
        Ok(())
    }

    /// Sends money back; returns the refund's id.
    pub(in crate::mock::stripe) fn refund(
        &mut self,
        charge: &str,
        amount: Option<u64>,
        reason: Option<&'static str>,
        metadata: BTreeMap<String, String>,
    ) -> Result<String, ApiError> {
        let Some(found) = self.account.books.charges.find_mut(charge) else {
            return Err(ApiError::no_such("charge", charge, "charge"));
        };
        if found.status != "succeeded" || !found.captured {
            return Err(ApiError::state(
                "payment_intent_unexpected_state",
                "This charge has not been captured.",
            ));
        }
        let left = found.captured_amount.saturating_sub(found.refunded_amount);
        if left == 0 {
            return Err(ApiError::state(
                "charge_already_refunded",
                format!("Charge {charge} has already been refunded."),
            ));
        }
        let amount = amount.unwrap_or(left);
        if amount == 0 {
            return Err(ApiError::coded("parameter_invalid_integer", "Invalid positive integer").at("amount"));
        }
        if amount > left {
            // The sheet (§9) names this code for asking more than is left.
            let message = "Refund amount is greater than unrefunded amount on charge";
            return Err(ApiError::state("charge_already_refunded", message).at("amount"));
        }
        found.refunded_amount += amount;
        let id = self.ids.make("re_3", 23);
        let refund = Refund {
            id: id.clone(),
            charge: charge.to_owned(),
            intent: found.intent.clone(),
            created: self.now,
            amount,
            currency: found.currency.clone(),
            reason,
            status: "succeeded",
            failure_reason: None,
            metadata,
        };
        self.account.books.refunds.add(id.clone(), refund);
        self.tell_refund("refund.created", &id);
        self.tell_charge("charge.refunded", charge);
        Ok(id)
    }

    /// The bank sends a refund back: it failed after all.
    pub(in crate::mock::stripe) fn fail_refund(&mut self, id: &str) -> Result<(), ApiError> {
        let Some(refund) = self.account.books.refunds.find_mut(id) else {
            return Err(ApiError::no_such("refund", id, "refund"));
        };
        if refund.status != "succeeded" {
            return Err(ApiError::refused("This refund has ended already."));
        }
        refund.status = "failed";
        refund.failure_reason = Some("unknown");
        let (charge, amount) = (refund.charge.clone(), refund.amount);
        if let Some(charge) = self.account.books.charges.find_mut(&charge) {
            charge.refunded_amount = charge.refunded_amount.saturating_sub(amount);
        }
        self.tell_refund("refund.updated", id);
        self.tell_refund("refund.failed", id);
        Ok(())
    }

    /// The card holder disputes the payment; returns the dispute's id.
    pub(in crate::mock::stripe) fn dispute(&mut self, charge: &str) -> Result<String, ApiError> {
        let Some(found) = self.account.books.charges.find_mut(charge) else {
            return Err(ApiError::no_such("charge", charge, "charge"));
        };
        if found.status != "succeeded" || !found.captured || found.disputed {
            return Err(ApiError::refused("This charge cannot be disputed."));
        }
        found.disputed = true;
        let id = self.ids.make("du_1", 23);
        let dispute = Dispute {
            id: id.clone(),
            charge: charge.to_owned(),
            intent: found.intent.clone(),
            created: self.now,
            amount: found.captured_amount,
            currency: found.currency.clone(),
            status: "needs_response",
        };
        self.account.books.disputes.add(id.clone(), dispute);
        self.tell_dispute("charge.dispute.created", &id);
        self.tell_dispute("charge.dispute.funds_withdrawn", &id);
        Ok(id)
    }

    /// The dispute is decided. A won one gives the money back; the charge stays marked as disputed either way.
    pub(in crate::mock::stripe) fn close_dispute(&mut self, id: &str, won: bool) -> Result<(), ApiError> {
        let Some(dispute) = self.account.books.disputes.find_mut(id) else {
            return Err(ApiError::no_such("dispute", id, "dispute"));
        };
        if dispute.status != "needs_response" {
            return Err(ApiError::refused("This dispute is closed already."));
        }
        dispute.status = if won { "won" } else { "lost" };
        self.tell_dispute("charge.dispute.closed", id);
        if won {
            self.tell_dispute("charge.dispute.funds_reinstated", id);
        }
        Ok(())
    }
}
