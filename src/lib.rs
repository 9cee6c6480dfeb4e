//! Hookwarden: only authentic, fresh, permitted webhooks reach the service beside it.
//!
//! The rooms, in the order in which a request meets them:
//!
//! ```text
//!   listen     the door       a permit, a task, the PROXY header, TLS
//!   pipeline   the spine      every gate, in order, one line each
//!   http1      the wire       bytes <-> values; knows nothing of webhooks
//!   route      the map        path -> route
//!   auth       who sent it    schemes as data, templates, keys, challenges
//!   providers  the catalogue  one file a provider
//!   inspect    what is in it  event and payload rules
//!   replay     is it new      claim and settle
//!   limits     how much       budgets, rates, lock-outs
//!   forward    the app        pool, relay, re-signing
//!   respond    the answer     a denial or an answer as bytes
//!   observe    what happened  one record an exchange
//! ```
//!
//! Beside the way: `deny` (the closed list of outcomes), `clock` (the only reader of clocks), `json`, `policy` (what is
//! permitted), `config` (what we were told), `fetch` (keys from the network), `drain` (stopping without loss), `admin`
//! (health, metrics, status), `serve` (composition), `assess` (attacks that an owner wants tried), `inject` (the sidecar put
//! into pods), `injector` (the same as an admission webhook), `govern` (explanations, the audit, the audit log's chain),
//! `suggest` (what was meant), `cli`.
//!
//! What always holds:
//! 1. Nothing reaches the service before the last gate has said yes; the forward room takes nothing but an
//!    [`forward::Admission`].
//! 2. What is ambiguous is refused, never repaired.
//! 3. A claim is settled by the service's answer, or stays pending until its deadline: nothing is delivered twice after
//!    a success, nothing is refused after a failure.
//! 4. Each request leaves one record, which moves the counters and writes the log line.
//! 5. Everything that grows has a bound, and a stated answer when it is full.

pub mod admin;
pub mod assess;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod deny;
pub mod drain;
pub mod fetch;
pub mod forward;
pub mod govern;
pub mod http1;
pub mod inject;
pub mod injector;
pub mod inspect;
pub mod json;
pub mod limits;
pub mod listen;
pub mod observe;
pub mod pipeline;
pub mod policy;
pub mod providers;
pub mod replay;
pub mod respond;
pub mod route;
pub mod serve;
pub mod suggest;
