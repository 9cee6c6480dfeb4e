//! What a person should learn of one thing, in the five parts that every explanation has.

use std::borrow::Cow;

/// An explanation. Each part is one paragraph of plain text; commands and settings in it can be pasted as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// What happened, or what it is.
    pub what: Cow<'static, str>,
    /// Why it matters: the attack or the outage, as it has happened to others.
    pub why: Cow<'static, str>,
    /// How to see it: the line of the log, the metric, the query.
    pub see: Cow<'static, str>,
    /// What to do now.
    pub now: Cow<'static, str>,
    /// How to keep it from happening.
    pub prevent: Cow<'static, str>,
}

impl Lesson {
    /// The parts in their order, each with what it is called by machines and with the heading that people read.
    #[must_use]
    pub fn parts(&self) -> [(&'static str, &'static str, &str); 5] {
        [
            ("what", "What happened", &self.what),
            ("why", "Why it matters", &self.why),
            ("see", "How to see it", &self.see),
            ("now", "What to do now", &self.now),
            ("prevent", "How to prevent it", &self.prevent),
        ]
    }
}
