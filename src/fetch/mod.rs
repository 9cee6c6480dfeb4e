//! Keys from the network: what public-key proofs and tokens are checked with, fetched before a message asks for it.
//!
//! | attack or trouble | what stops it |
//! |---|---|
//! | a URL or a name that leads inside the network (SSRF, DNS rebinding) | [`address`]: every address is looked at, and only one that was is connected to |
//! | a server that points elsewhere | redirects are not followed |
//! | somebody between us and the server | TLS alone, the certificate is the URL's host's |
//! | answers that are huge, slow, endless or no HTTP | [`client`]: bounds on bytes and time, the proxy's own strict parser |
//! | a flood of unknown key ids | [`schedule`], [`by_id`]: they have a server asked every 30 s at most |
//! | an outage of the server | what is known stays in use; it is asked again, later and later |
//!
//! Deliberately absent: proxies of the environment, redirects, plaintext to other machines, and any decision about a
//! message: that is `auth`'s, which does not know this room.

pub mod address;
pub mod by_id;
pub mod client;
pub mod discovery;
pub mod introspect;
pub mod keeper;
mod kept;
pub mod named;
pub mod schedule;
pub mod source;
pub mod url;

#[cfg(test)]
mod tests;
