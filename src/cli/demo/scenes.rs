//! What the demo sends, a row each: genuine webhooks, and attacks that begin with a genuine one. How an attack is made
//! stands here; whether it succeeds is the sidecar's business.

use std::time::Duration;

use crate::auth::sign::Draft;
use crate::clock::Now;
use crate::deny::Reason;

use super::super::Failure;
use super::super::draft;
use super::stage::Stage;

/// A request, and what should become of it.
pub(super) struct Scene {
    pub(super) kind: Kind,
    /// What is sent, in words.
    pub(super) sent: &'static str,
    /// How the bytes are made.
    pub(super) bytes: Maker,
    /// What should become of it.
    pub(super) outcome: Reason,
}

/// Makes the bytes of a request, and says its method.
type Maker = fn(&mut Stage) -> Result<Vec<u8>, Failure>;

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Genuine,
    Attack,
}

impl Kind {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Genuine => "Genuine webhooks",
            Self::Attack => "Attacks; each begins with a genuine webhook of Stripe's",
        }
    }
}

const fn genuine(sent: &'static str, bytes: Maker) -> Scene {
    Scene { kind: Kind::Genuine, sent, bytes, outcome: Reason::Forwarded }
}

const fn attack(sent: &'static str, outcome: Reason, bytes: Maker) -> Scene {
    Scene { kind: Kind::Attack, sent, bytes, outcome }
}

/// All scenes, in order: some replay what went before.
pub(super) const ALL: &[Scene] = &[
    genuine("GitHub", |stage| to_bytes(&stage.genuine("github")?)),
    genuine("Slack", |stage| to_bytes(&stage.genuine("slack")?)),
    genuine("Shopify", |stage| to_bytes(&stage.genuine("shopify")?)),
    genuine("Standard Webhooks", |stage| to_bytes(&stage.genuine("standard_webhooks")?)),
    genuine("Stripe", |stage| to_bytes(&first_of_stripe(stage)?)),
    Scene {
        kind: Kind::Genuine,
        sent: "Stripe tries the same event again, signed anew",
        bytes: |stage| to_bytes(&retried(stage)?),
        outcome: Reason::Duplicate,
    },
    attack("the very same bytes again", Reason::Replayed, |stage| to_bytes(&first_of_stripe(stage)?)),
    attack("no signature", Reason::CredentialMissing, |stage| to_bytes(&unsigned(stage)?)),
    attack("no signature, but X-Hookwarden-Verified: true", Reason::CredentialMissing, |stage| {
        let mut draft = unsigned(stage)?;
        draft.headers.push(("X-Hookwarden-Verified".into(), "true".into()));
        to_bytes(&draft)
    }),
    attack("signed with another key", Reason::CredentialInvalid, |stage| to_bytes(&stage.forged("stripe")?)),
    attack("the body changed on the way", Reason::CredentialInvalid, |stage| {
        let mut draft = stage.genuine("stripe")?;
        // One member more: still JSON, and no longer what was signed.
        draft.body.splice(..1, *b"{\"amount\":1,");
        to_bytes(&draft)
    }),
    attack("signed an hour ago", Reason::TimestampStale, |stage| {
        let now = Now::read();
        let then = Now { wall: now.wall.saturating_sub(HOUR), ..now };
        to_bytes(&stage.genuine_at("stripe", then)?)
    }),
    attack("signed an hour from now", Reason::TimestampFuture, |stage| {
        to_bytes(&stage.genuine_at("stripe", Now::read().plus(HOUR))?)
    }),
    attack("to a path that nobody permitted", Reason::RouteUnknown, |stage| redirected(stage, "/admin")),
    attack("to a path that hides another", Reason::MalformedRequest, |stage| {
        Ok(replaced(&to_bytes(&stage.genuine("stripe")?)?, "/hooks/stripe", "/hooks/stripe/../../admin"))
    }),
    attack("with GET", Reason::MethodNotAllowed, |stage| {
        Ok(replaced(&to_bytes(&stage.genuine("stripe")?)?, "POST ", "GET "))
    }),
    attack("a body of 8 MiB announced", Reason::BodyTooLarge, |stage| {
        let draft = stage.genuine("stripe")?;
        let length = format!("Content-Length: {}", draft.body.len());
        Ok(replaced(&to_bytes(&draft)?, &length, "Content-Length: 8388608"))
    }),
    attack("two lengths, to smuggle a second request", Reason::MalformedRequest, |stage| {
        let bytes = to_bytes(&stage.genuine("stripe")?)?;
        Ok(replaced(&bytes, "Connection: close", "Transfer-Encoding: chunked\r\nConnection: close"))
    }),
];

/// Far outside every tolerance.
const HOUR: Duration = Duration::from_secs(3600);

/// Stripe's first webhook, the same each time.
fn first_of_stripe(stage: &mut Stage) -> Result<Draft, Failure> {
    if let Some(first) = &stage.first {
        return Ok(first.clone());
    }
    let first = stage.genuine("stripe")?;
    stage.first = Some(first.clone());
    Ok(first)
}

/// The event of the first webhook as a sender tries it again: the same body, signed at another second.
fn retried(stage: &mut Stage) -> Result<Draft, Failure> {
    let body = first_of_stripe(stage)?.body;
    let now = Now::read();
    let earlier = Now { wall: now.wall.saturating_sub(Duration::from_secs(30)), ..now };
    stage.signed("stripe", body, earlier)
}

fn unsigned(stage: &mut Stage) -> Result<Draft, Failure> {
    let mut draft = stage.genuine("stripe")?;
    draft.headers.retain(|(name, _)| name != "Stripe-Signature");
    Ok(draft)
}

fn redirected(stage: &mut Stage, path: &str) -> Result<Vec<u8>, Failure> {
    let mut draft = stage.genuine("stripe")?;
    draft.url = format!("http://{}{path}", stage.listen);
    to_bytes(&draft)
}

fn to_bytes(draft: &Draft) -> Result<Vec<u8>, Failure> {
    draft::to_bytes(draft).map_err(Failure::unavailable)
}

/// The request with the first occurrence of one text replaced: what no honest client would write.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    String::from_utf8_lossy(bytes).replacen(from, to, 1).into_bytes()
}
