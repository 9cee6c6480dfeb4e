//! The wire: bytes to values and back, strictly HTTP/1.1 (RFC 9110, RFC 9112). Knows nothing of webhooks.
//!
//! `httparse` tokenises a head; what it lets pass that two servers could read differently is refused by our own pass
//! over the same bytes. Past attacks and what stops them here:
//!
//! | attack | what stops it |
//! |---|---|
//! | CL.TE, TE.CL, TE.TE smuggling | [`framing`]: one length or one `chunked`, or refused; nothing is repaired |
//! | bare LF, bare CR, obs-fold, blank before the colon | [`fields`]: what `httparse` is lenient in is refused |
//! | empty or signed chunk sizes, `0x`, blanks, overflow | [`chunked`]: a digit comes first, at most 16 of them |
//! | Host games, absolute-form that contradicts Host | [`target`] |
//! | encoded slashes, dot segments, double encoding | [`target`] |
//!
//! Deliberately absent: HTTP/2, trailers as data, repair of any kind.

pub mod body;
pub mod buffer;
pub mod chunked;
pub mod encode;
pub mod fields;
pub mod forwarded;
pub mod framing;
pub mod head;
pub mod response;
pub mod target;
pub mod write;

pub use buffer::{Buffer, Span};
pub use framing::Framing;
pub use head::{Head, Message, Version};
