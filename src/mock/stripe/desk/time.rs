//! What becomes due: sessions end, money arrives, authorizations lapse.

use super::{AUTHORIZED_FOR, Desk};
use crate::mock::stripe::objects::{Intent, Session, SessionStatus};

impl Desk<'_> {
    /// Does what has become due.
    pub(in crate::mock::stripe) fn pass_time(&mut self) {
        let now = self.now;
        let sessions = &self.account.books.sessions;
        let over = |session: &&Session| session.status == SessionStatus::Open && session.ask.expires_at <= now;
        let expired: Vec<String> = sessions.iter().filter(over).map(|session| session.id.clone()).collect();
        let arrived: Vec<(String, bool)> = sessions
            .iter()
            .filter_map(|session| {
                Some((
                    session.id.clone(),
                    session.delayed.as_ref().filter(|wait| wait.due <= now)?.arrives,
                ))
            })
            .collect();
        let lapsed = |intent: &&Intent| {
            let until = intent.authorized_at.map(|at| at.saturating_add(AUTHORIZED_FOR));
            intent.status == "requires_capture" && until.is_some_and(|until| until <= now)
        };
        let lapsed: Vec<(String, Option<String>)> = self
            .account
            .books
            .intents
            .iter()
            .filter(lapsed)
            .map(|intent| (intent.id.clone(), intent.charge.clone()))
            .collect();
        // Each was found in the state that the call wants, so none can be refused.
        for id in expired {
            drop(self.expire(&id));
        }
        for (id, arrives) in arrived {
            drop(self.settle(&id, arrives));
        }
        for (intent, charge) in lapsed {
            self.drop_intent(&intent, Some("automatic"));
            if let Some(charge) = charge {
                self.tell_charge("charge.expired", &charge);
            }
        }
        let time = self.time;
        for endpoint in &mut self.account.endpoints {
            endpoint
                .secrets
                .retain(|(_, until)| until.is_none_or(|until| time < until));
        }
    }
}
