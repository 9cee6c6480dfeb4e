//! What is asked, and how.

/// One question with its answers.
pub(super) struct Question {
    pub(super) asked: &'static str,
    pub(super) answers: [&'static str; 4],
    /// The right answer's place, from 0.
    pub(super) right: usize,
    /// Why it is that one, and not another.
    pub(super) because: &'static str,
}
