//! What is known of tokens, and which are asked about now. Pure: the time is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::clock::Now;

use super::wire::Said;
use super::{BAD_FOR, Claims, GOOD_FOR, MOST_REMEMBERED, Verdict};

/// A token's SHA-256.
pub(super) type Fingerprint = [u8; 32];

/// What was said of tokens, and who asks.
#[derive(Default)]
pub(super) struct Table {
    active: HashMap<Fingerprint, (Instant, Claims)>,
    inactive: HashMap<Fingerprint, (Instant, ())>,
    /// One for each question that is open, which requests in flight bound.
    asked: HashMap<Fingerprint, watch::Receiver<Option<Verdict>>>,
}

/// What is to be done about a token.
pub(super) enum Step {
    /// Nothing: it is known.
    Known(Option<Claims>),
    /// Another request asks.
    Wait(watch::Receiver<Option<Verdict>>),
    /// To ask, and to tell those who wait.
    Ask(watch::Sender<Option<Verdict>>),
}

impl Table {
    pub(super) fn step(&mut self, token: Fingerprint, now: Now) -> Step {
        if let Some((_, claims)) = self.active.get(&token).filter(|(until, _)| *until > now.instant) {
            return Step::Known(Some(claims.clone()));
        }
        if self.inactive.get(&token).is_some_and(|(until, ())| *until > now.instant) {
            return Step::Known(None);
        }
        if let Some(asked) = self.asked.get(&token) {
            return Step::Wait(asked.clone());
        }
        let (sender, receiver) = watch::channel(None);
        self.asked.insert(token, receiver);
        Step::Ask(sender)
    }

    /// Nobody asks about it any more.
    pub(super) fn ended(&mut self, token: &Fingerprint) {
        self.asked.remove(token);
    }

    /// Remembers what was said; `None` for inactive.
    pub(super) fn remember(&mut self, token: Fingerprint, said: Option<&Said>, now: Now) {
        match said {
            Some(said) => {
                let left = said.expires.map_or(GOOD_FOR, |expires| expires.saturating_sub(now.wall)).min(GOOD_FOR);
                put(&mut self.active, token, left, said.claims.clone(), now);
            }
            None => put(&mut self.inactive, token, BAD_FOR, (), now),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.active.len() + self.inactive.len()
    }
}

/// Remembers something, where there is room: what is over goes first, then what would be over soonest.
fn put<V>(known: &mut HashMap<Fingerprint, (Instant, V)>, token: Fingerprint, left: Duration, value: V, now: Now) {
    let Some(until) = now.instant.checked_add(left).filter(|_| !left.is_zero()) else { return };
    if known.len() >= MOST_REMEMBERED {
        known.retain(|_, (until, _)| *until > now.instant);
    }
    if known.len() >= MOST_REMEMBERED
        && let Some(soonest) = known.iter().min_by_key(|(_, (until, _))| *until).map(|(known, _)| *known)
    {
        known.remove(&soonest);
    }
    known.insert(token, (until, value));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn token(name: u16) -> Fingerprint {
        let mut token = [0; 32];
        token[..2].copy_from_slice(&name.to_be_bytes());
        token
    }

    fn active(expires: Option<Duration>) -> Said {
        Said { claims: Arc::from(&b"{}"[..]), expires }
    }

    fn known(table: &mut Table, name: u16, now: Now) -> Option<bool> {
        match table.step(token(name), now) {
            Step::Known(claims) => Some(claims.is_some()),
            Step::Wait(_) => panic!("nobody asks"),
            Step::Ask(_) => {
                table.ended(&token(name));
                None
            }
        }
    }

    #[test]
    fn what_was_said_is_remembered_for_a_while() {
        let start = Now::read();
        let until = |seconds| active(Some(start.wall.saturating_add(Duration::from_secs(seconds))));
        let ended = active(Some(Duration::from_secs(1)));
        for (said, lasts) in [
            (Some(active(None)), 60),
            (Some(until(7)), 7),
            (Some(until(900)), 60),
            (Some(until(0)), 0),
            (Some(ended), 0),
            (None, 10),
        ] {
            let mut table = Table::default();
            table.remember(token(1), said.as_ref(), start);
            let mut seconds = 0..100;
            let lasting =
                seconds.find(|second| known(&mut table, 1, start.plus(Duration::from_secs(*second))).is_none());
            assert_eq!(lasting, Some(lasts), "{said:?}");
        }
    }

    #[test]
    fn tokens_of_strangers_do_not_drive_out_active_ones() {
        let (mut table, now) = (Table::default(), Now::read());
        table.remember(token(1), Some(&active(None)), now);
        for name in 10..4000 {
            table.remember(token(name), None, now.plus(Duration::from_millis(name.into())));
        }
        assert_eq!(table.len(), MOST_REMEMBERED + 1);
        assert_eq!(known(&mut table, 1, now), Some(true));
        assert_eq!(known(&mut table, 3999, now), Some(false), "the latest stays");
        assert_eq!(known(&mut table, 10, now), None, "the oldest has given way");
    }

    #[test]
    fn a_token_is_asked_about_by_one_at_a_time() {
        let (mut table, now) = (Table::default(), Now::read());
        assert!(matches!(table.step(token(1), now), Step::Ask(_)));
        assert!(matches!(table.step(token(1), now), Step::Wait(_)));
        assert!(matches!(table.step(token(2), now), Step::Ask(_)));
        table.ended(&token(1));
        assert!(matches!(table.step(token(1), now), Step::Ask(_)));
    }
}
