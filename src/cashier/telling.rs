//! What the cashier decides, told as security events. Nothing here decides anything.

use std::error::Error as StdError;

use super::{Cashier, Checked, LimitedBy, OpenError, SelfCheck};
use crate::callback::{Callback, CallbackError};
use crate::error::{Error, VerifyError};
use crate::form::Params;
use crate::gateway::Gateway;
use crate::guard::{CardDataSighted, check_name};
use crate::ledger::{
    Applied, Break, BreakReason, ChainCheck, ExpectedPayment, HeldReason, ModeChange, PlanError, StoreError,
    StoredAttempt, Switch, SwitchText,
};
use crate::payment::PaymentStatus;
use crate::reference::{GatewayId, MerchantAccount, MerchantReference};
use crate::security_event::{
    AboutPayment, AtGateway, EventText, Reason, SecurityEvent, SecurityHealth, Step, Turn, untrusted,
};
use crate::verified::{Trust, Verified};
use crate::{CardDataKind, Environment, EventId, PaymentEvent, RequestError};

/// What has to be remembered of evidence while it is applied.
pub(super) struct Heard {
    trust: Trust,
    says: PaymentStatus,
    environment: Environment,
    id: EventId,
}

impl Heard {
    pub(super) fn of(event: &Verified<PaymentEvent>) -> Self {
        Self {
            trust: event.trust(),
            says: event.value().snapshot.status,
            environment: event.value().environment,
            id: event.value().id.clone(),
        }
    }
}

impl Cashier {
    /// How the telling of security events is: for a health page and for an alarm of its own.
    #[must_use]
    pub fn security_health(&self) -> SecurityHealth {
        self.0.events.health()
    }

    /// Tells that card data was seen in a text of the store's: hand over what [`check_text`](crate::check_text), or building a
    /// request, refused. The place is told, never the value. Requests handed to [`open`](Self::open) tell by themselves.
    pub fn card_data_sighted(&self, sighted: &CardDataSighted) {
        self.tell(SecurityEvent::CardDataSighted {
            place: sighted.field,
            reason: sighted.kind.into(),
        });
    }

    /// Tells any event. The one door for everything that is built on top of the cashier.
    pub(crate) fn tell(&self, event: SecurityEvent) {
        self.0.events.emit(event);
    }

    // ----- open -----

    pub(super) fn tell_issued(&self, expected: &ExpectedPayment, again: bool) {
        self.0.events.opened(expected, again);
    }

    pub(super) fn tell_not_opened(&self, error: &OpenError, gateway: &dyn Gateway, order: &MerchantReference) {
        match error {
            OpenError::TooMany { by, .. } => {
                let limits = self.0.limits.policy();
                let (reason, limit) = match by {
                    LimitedBy::Order => (Reason::SameOrder, limits.per_order),
                    LimitedBy::Client => (Reason::SameClient, limits.per_client),
                };
                self.tell(SecurityEvent::CheckoutLimited {
                    at: at(gateway),
                    order: order.clone(),
                    reason,
                    limit: limit.into(),
                    window_seconds: limits.window.as_secs(),
                });
            }
            OpenError::Plan(PlanError::Request(RequestError::CardData(sighted))) => self.card_data_sighted(sighted),
            OpenError::Gateway(error) => {
                self.tell_untrusted(error, gateway, Step::Open);
                self.tell(SecurityEvent::CheckoutFailed {
                    at: at(gateway),
                    order: order.clone(),
                    reason: error.kind().into(),
                });
            }
            OpenError::Store(_) => self.tell(SecurityEvent::LedgerFailed { during: Step::Open }),
            _ => {}
        }
    }

    pub(super) fn tell_reference_taken(&self, expected: &ExpectedPayment) {
        self.tell(SecurityEvent::ApplyConflict {
            payment: expected.into(),
            reason: Reason::Reference,
        });
    }

    // ----- callbacks -----

    /// Tells that a message was refused before it could become a [`Callback`]: too large, encoded, or not arrived whole. It is
    /// counted and sampled like a message whose proof fails. Without effect for a gateway that is not configured.
    pub fn refused(&self, gateway: &GatewayId, error: &CallbackError) {
        if let Some(gateway) = self.gateway(gateway) {
            self.tell(SecurityEvent::CallbackRefused {
                at: at(gateway.as_ref()),
                reason: (*error).into(),
            });
        }
    }

    pub(super) fn tell_refused(&self, gateway: &dyn Gateway, error: VerifyError) {
        self.tell(SecurityEvent::CallbackRefused {
            at: at(gateway),
            reason: error.into(),
        });
    }

    pub(super) fn tell_unmatched(&self, gateway: &dyn Gateway) {
        self.tell(SecurityEvent::CallbackUnmatched { at: at(gateway) });
    }

    pub(super) fn tell_environment(&self, gateway: &dyn Gateway, environment: Environment) {
        self.tell(SecurityEvent::EnvironmentMismatch {
            at: at(gateway),
            environment,
        });
    }

    pub(super) fn tell_failed_try(&self, attempt: &StoredAttempt) {
        self.0.events.turned(&attempt.expected, Turn::FailedTry);
    }

    /// Says if a key that is on its way out made the signature.
    pub(super) fn tell_key<T>(&self, gateway: &dyn Gateway, proven: &Verified<T>) {
        if let Some(key) = proven.key().filter(|key| key.is_retiring()) {
            self.tell(SecurityEvent::KeyRetiredUsed {
                at: at(gateway),
                slot: u64::try_from(key.index()).unwrap_or(u64::MAX),
            });
        }
    }

    // ----- evidence, whichever way it came -----

    pub(super) fn tell_applied(&self, attempt: &StoredAttempt, heard: &Heard, applied: Applied) {
        let Heard {
            trust,
            says,
            environment,
            ref id,
        } = *heard;
        let expected = &attempt.expected;
        let payment = || AboutPayment::from(expected);
        match applied {
            Applied::Now => {
                let payment = payment();
                self.tell(SecurityEvent::Accepted { payment, trust });
                self.0.events.turned(expected, Turn::Paid);
            }
            Applied::Moved => {
                if let Some(turn) = turn(says) {
                    self.0.events.turned(expected, turn);
                }
            }
            // An answer that says the same as before is what an answer is for; a message that does was sent twice.
            Applied::Already | Applied::Older if trust == Trust::StatusQuery => {}
            Applied::Already | Applied::Older => self.tell(SecurityEvent::CallbackReplayed {
                payment: payment(),
                reason: if applied == Applied::Already {
                    Reason::Already
                } else {
                    Reason::Older
                },
                trust,
            }),
            Applied::Held(_) if !self.0.events.held_first(attempt.reference(), id) => {
                if trust != Trust::StatusQuery {
                    self.tell(SecurityEvent::CallbackReplayed {
                        payment: payment(),
                        reason: Reason::Already,
                        trust,
                    });
                }
            }
            Applied::Held(why) => {
                let reason = Reason::from(why);
                if reason == Reason::Environment {
                    let at = payment().at;
                    self.tell(SecurityEvent::EnvironmentMismatch { at, environment });
                }
                if matches!(why, HeldReason::TransactionBound | HeldReason::Excess) {
                    let payment = payment();
                    self.tell(SecurityEvent::ApplyConflict { payment, reason });
                }
                let payment = payment();
                self.tell(SecurityEvent::EvidenceHeld { payment, reason, trust });
            }
            Applied::Ask(why) => self.tell(SecurityEvent::StatusUnknown {
                payment: payment(),
                reason: why.into(),
                trust,
            }),
        }
    }

    // ----- questions -----

    pub(super) fn tell_unanswered(&self, attempt: &StoredAttempt, gateway: &dyn Gateway, error: &Error) {
        self.tell_untrusted(error, gateway, Step::Query);
        self.tell(SecurityEvent::QueryUnanswered {
            payment: (&attempt.expected).into(),
            reason: error.kind().into(),
        });
    }

    fn tell_untrusted(&self, error: &Error, gateway: &dyn Gateway, during: Step) {
        if let Some(reason) = untrusted(error as &(dyn StdError + 'static)) {
            self.tell(SecurityEvent::QueryUntrustedPeer {
                at: at(gateway),
                reason,
                during,
            });
        }
    }

    pub(super) fn tell_drift(&self, attempt: &StoredAttempt, after: PaymentStatus) {
        self.tell(SecurityEvent::DriftRepaired {
            payment: (&attempt.expected).into(),
            before: attempt.status,
            after,
        });
    }

    // ----- returns -----

    pub(super) fn tell_forged(&self, gateway: &dyn Gateway, reason: Reason) {
        self.tell(SecurityEvent::ReturnForged {
            at: at(gateway),
            reason,
        });
    }

    pub(super) fn tell_returned(&self, attempt: &StoredAttempt) {
        self.0.events.turned(&attempt.expected, Turn::Seen);
    }

    /// The store closes this page by itself: what becomes of it says nothing about a shopper.
    pub(super) fn closing(&self, attempt: &StoredAttempt) {
        self.0.events.closing(&attempt.expected);
    }

    /// A card form that was pointed at the return page shows by the names of its fields. Who shows an attempt's own token comes
    /// from a page of ours; of anybody else it is less to wonder at.
    pub(super) fn tell_card_fields(&self, gateway: &dyn Gateway, callback: &Callback, shows_token: bool) {
        let query = callback.query().unwrap_or_default().as_bytes();
        let card = |text| {
            let params = Params::parse(text).ok()?;
            let names = |(name, _)| matches!(check_name("a return's field", name), Err(sighted) if sighted.kind == CardDataKind::FieldName);
            params.iter().any(names).then_some(())
        };
        if card(query).is_some() || card(callback.body()).is_some() {
            let reason = Reason::FieldName;
            self.tell(if shows_token {
                SecurityEvent::CardDataSighted {
                    place: "a return's field",
                    reason,
                }
            } else {
                let at = at(gateway);
                SecurityEvent::CardFieldUnproven { at, reason }
            });
        }
    }

    // ----- the switch, the keys, the self-check -----

    pub(super) fn tell_turned(&self, change: &ModeChange) {
        let actor = EventText::new(change.actor.as_str());
        let purpose = EventText::new(change.reason.as_str());
        let reason = match change.switch {
            Switch::Stop => Reason::Stopped,
            Switch::AskBeforeApply => Reason::AskBeforeApply,
            Switch::Reopen => Reason::Normal,
        };
        match change.switch {
            Switch::Stop => self.tell(SecurityEvent::StopEngaged {
                actor: actor.clone(),
                purpose: purpose.clone(),
            }),
            Switch::Reopen => self.tell(SecurityEvent::StopReleased { actor: actor.clone() }),
            Switch::AskBeforeApply => {}
        }
        self.tell(SecurityEvent::ModeChanged { actor, reason, purpose });
    }

    pub(super) fn tell_keys_changed(&self, gateway: GatewayId, account: MerchantAccount, actor: &SwitchText) {
        self.tell(SecurityEvent::KeyRotated {
            at: AtGateway { gateway, account },
            actor: EventText::new(actor.as_str()),
        });
    }

    pub(super) fn tell_self_check(&self, check: &SelfCheck) {
        for failed in check.failed() {
            let reason = match failed.what {
                Checked::Keys => Reason::Keys,
                Checked::Vector => Reason::Vector,
                Checked::Environment => Reason::Environment,
                Checked::Hosts => Reason::Hosts,
                Checked::Clock => Reason::ClockSkew,
                Checked::Chain => Reason::Chain,
                Checked::Events => Reason::Sink,
            };
            self.tell(SecurityEvent::SelfCheckFailed { reason });
        }
    }

    // ----- the ledger -----

    pub(super) fn tell_chain(&self, check: ChainCheck) {
        if let ChainCheck::Broken(Break { position, why }) = check {
            let reason = match why {
                // Records are read in order, so another one in the place of this one is a later one.
                BreakReason::Position | BreakReason::Missing => Reason::Removed,
                BreakReason::Altered | BreakReason::Rewritten | BreakReason::State => Reason::Altered,
            };
            self.tell(SecurityEvent::LedgerBroken { position, reason });
        }
    }

    pub(super) fn tell_checkpoint(&self, position: u64) {
        self.tell(SecurityEvent::LedgerCheckpoint { position });
    }

    /// For `inspect_err`.
    pub(super) fn ledger_failed(&self, during: Step) -> impl FnOnce(&StoreError) {
        move |_| self.tell(SecurityEvent::LedgerFailed { during })
    }
}

fn at(gateway: &dyn Gateway) -> AtGateway {
    AtGateway {
        gateway: gateway.id(),
        account: gateway.account().clone(),
    }
}

/// What a state that was just reached says about the shopper.
fn turn(status: PaymentStatus) -> Option<Turn> {
    match status {
        PaymentStatus::Failed => Some(Turn::Declined),
        PaymentStatus::Expired => Some(Turn::Expired),
        PaymentStatus::Cancelled => Some(Turn::Cancelled),
        PaymentStatus::Created | PaymentStatus::Unknown => None,
        // Where money came, the order itself is told elsewhere.
        PaymentStatus::Pending
        | PaymentStatus::RequiresAction
        | PaymentStatus::Authorized
        | PaymentStatus::Captured
        | PaymentStatus::PartiallyRefunded
        | PaymentStatus::Refunded
        | PaymentStatus::Disputed => Some(Turn::Seen),
    }
}
