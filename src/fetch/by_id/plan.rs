//! Which id is asked about next, and when. Pure: the time and the dice are arguments, so that a test is a row.
//!
//! | what happened | what follows |
//! |---|---|
//! | messages named ids that nobody has asked for yet | one of them, taken at random, is asked for at once |
//! | there is such a key | the next id is asked for at once |
//! | there is none, or none of use | the next new id is asked for [`ASKED_EVERY`] later |
//! | no answer | all wait for a random part of 1 s, 2 s, 4 s … up to [`IMPATIENCE`], or [`PATIENCE`] while no new id is wished for |
//!
//! At random, since whoever makes up ids wishes for many: a genuine one, which its sender repeats, comes to its turn.
//! Bounded: [`MOST`] wishes, of which the oldest gives way, and each is over after [`WISH_FOR`].

use std::time::{Duration, Instant};

use crate::clock::Now;

use crate::fetch::schedule::{ASKED_EVERY, IMPATIENCE, PATIENCE, pause};

/// The most ids that are wished for at once.
pub(super) const MOST: usize = 32;

/// How long an id is wished for: its sender has sent it again by then.
pub(super) const WISH_FOR: Duration = Duration::from_secs(10 * 60);

/// What is to be asked for, and not before when.
#[derive(Debug, Default)]
pub(super) struct Plan {
    wishes: Vec<(Box<str>, Instant)>,
    /// For whatever it is.
    not_before: Option<Instant>,
    /// For an id that is new.
    no_stranger_before: Option<Instant>,
    failures: u32,
}

impl Plan {
    /// Takes an id that a message has named, and forgets those whose time is over.
    pub(super) fn wish(&mut self, id: Box<str>, now: Now) {
        if self.wishes.iter().any(|(known, _)| *known == id) {
            return;
        }
        if self.wishes.len() >= MOST {
            self.wishes.remove(0);
        }
        self.wishes.push((id, now.instant));
        // Somebody waits now.
        let latest = now.plus(IMPATIENCE).instant;
        self.not_before = self.not_before.map(|time| time.min(latest));
    }

    /// What is asked for now: an id that is new, else one whose key is due.
    pub(super) fn next(&mut self, now: Now, due: Option<Box<str>>, dice: u64) -> Option<Box<str>> {
        self.wishes.retain(|(_, since)| now.instant.saturating_duration_since(*since) < WISH_FOR);
        let is_over = |time: Option<Instant>| time.is_none_or(|time| now.instant >= time);
        if !is_over(self.not_before) {
            return None;
        }
        let count = u64::try_from(self.wishes.len()).unwrap_or(u64::MAX);
        let any = dice.checked_rem(count).and_then(|index| self.wishes.get(usize::try_from(index).ok()?));
        any.filter(|_| is_over(self.no_stranger_before)).map(|(id, _)| id.clone()).or(due)
    }

    /// There is such a key.
    pub(super) fn had(&mut self, id: &str) {
        self.forget(id);
    }

    /// There is none, or none of use. True: it was wished for.
    pub(super) fn had_none(&mut self, id: &str, now: Now) {
        if self.forget(id) {
            self.no_stranger_before = Some(now.plus(ASKED_EVERY).instant);
        }
    }

    /// There was no answer.
    pub(super) fn failed(&mut self, now: Now, dice: u64) {
        let longest = if self.wishes.is_empty() { PATIENCE } else { IMPATIENCE };
        self.not_before = Some(now.plus(pause(self.failures, longest, dice)).instant);
        self.failures = self.failures.saturating_add(1);
    }

    /// An operator wants everything asked for now.
    pub(super) fn hurry(&mut self) {
        (self.not_before, self.no_stranger_before, self.failures) = (None, None, 0);
    }

    /// How many ids are wished for.
    pub(super) fn wishes(&self) -> usize {
        self.wishes.len()
    }

    /// The server answers. Whether the id was wished for.
    fn forget(&mut self, id: &str) -> bool {
        (self.failures, self.not_before) = (0, None);
        let before = self.wishes.len();
        self.wishes.retain(|(known, _)| **known != *id);
        self.wishes.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(wishes: &[&str], now: Now) -> Plan {
        let mut plan = Plan::default();
        for id in wishes {
            plan.wish((*id).into(), now);
        }
        plan
    }

    fn next(plan: &mut Plan, now: Now, dice: u64) -> Option<String> {
        plan.next(now, Some("due".into()), dice).map(Into::into)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn ids_that_are_nobodys_have_it_asked_seldom_and_others_at_once() {
        let now = Now::read();
        let mut plan = plan(&["a", "b", "b", "c"], now);
        assert_eq!(plan.wishes(), 3);
        assert_eq!([0, 1, 2, 3].map(|dice| next(&mut plan, now, dice).expect("one")), ["a", "b", "c", "a"]);
        plan.had("a");
        assert_eq!(next(&mut plan, now, 0).as_deref(), Some("b"), "the next is asked for at once");
        plan.had_none("b", now);
        assert_eq!(next(&mut plan, now, 0).as_deref(), Some("due"), "what is known is asked for all the same");
        plan.wish("b".into(), now);
        assert_eq!(next(&mut plan, now.plus(seconds(29)), 0).as_deref(), Some("due"));
        assert_eq!(next(&mut plan, now.plus(ASKED_EVERY), 0).as_deref(), Some("c"));
        // A key that was known and is gone is no stranger's doing.
        plan.had_none("due", now.plus(ASKED_EVERY));
        assert_eq!(next(&mut plan, now.plus(ASKED_EVERY), 0).as_deref(), Some("c"));
        plan.had_none("c", now.plus(ASKED_EVERY));
        plan.hurry();
        assert_eq!(next(&mut plan, now.plus(ASKED_EVERY), 0).as_deref(), Some("b"), "an operator said so");
        assert_eq!(next(&mut plan, now.plus(WISH_FOR), 0).as_deref(), Some("due"), "its time is over");
        assert_eq!((plan.wishes(), plan.next(now, None, 7)), (0, None));
    }

    #[test]
    fn while_there_is_no_answer_all_wait_and_not_for_long_where_somebody_does() {
        let (now, last) = (Now::read(), u64::MAX);
        let longest = |plan: &mut Plan, now: Now| {
            (0..20).for_each(|_| plan.failed(now, last));
            (0..=600).find(|time| next(plan, now.plus(seconds(*time)), 0).is_some()).expect("some time")
        };
        let mut waiting = plan(&["a"], now);
        waiting.failed(now, 0);
        assert_eq!((next(&mut waiting, now, 0), next(&mut waiting, now.plus(seconds(1)), 0)), (None, Some("a".into())));
        assert!(longest(&mut waiting, now) <= IMPATIENCE.as_secs());
        let mut idle = Plan { failures: 9, not_before: Some(now.plus(PATIENCE).instant), ..Plan::default() };
        assert_eq!(next(&mut idle, now.plus(IMPATIENCE), 0), None);
        idle.wish("a".into(), now);
        assert_eq!(next(&mut idle, now.plus(IMPATIENCE), 0).as_deref(), Some("a"));
        idle.had("a");
        assert_eq!(next(&mut idle, now, 0).as_deref(), Some("due"), "it answers");
    }

    #[test]
    fn wishes_are_bounded() {
        let now = Now::read();
        let mut plan = Plan::default();
        (0..100).for_each(|number| plan.wish(number.to_string().into(), now));
        assert_eq!((plan.wishes(), next(&mut plan, now, 0).as_deref()), (MOST, Some("68")));
    }
}
