//! Who the client is by its certificate, where TLS has checked one: the names in it, and nothing else of it.
//!
//! Whoever makes one has verified the chain and that the client holds the key; a route's own list of names is another
//! gate's.

/// A client that TLS has checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The names in its certificate (RFC 5280 section 4.2.1.6): hosts, URIs and mailboxes, as [`san`](super::san) reads
    /// them.
    pub sans: Box<[Box<str>]>,
}
