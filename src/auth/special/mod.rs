//! The few rules of providers that no sane template expresses: small functions, each named after who asks for it.
//!
//! A definition that uses one says so: `{special:plivo_v3}`. What a rule cannot bind it refuses.

pub(super) mod json;
mod parameters;
mod sns;

use std::borrow::Cow;

use crate::http1::Message;
use crate::json as scan;

use super::feed::Sources;
use super::form;
use super::scheme::JsonPath;

/// A provider's own rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// Plivo V3: the URL, its parameters and the form's, without the nonce.
    PlivoV3,
    /// `MessageBird`: the query sorted by name and encoded.
    MessagebirdQuery,
    /// Vonage SMS: `&name=value` sorted by name, without `sig`.
    Vonage,
    /// `NOWPayments`: the body as compact JSON with sorted names.
    JsonSorted,
    /// `TrustPay`: every scalar but the signature, sorted and joined.
    Trustpay,
    /// `WeChat`: token, time and nonce, sorted.
    Wechat,
    /// Tap: the amount with as many decimals as its currency has.
    Tap,
    /// Unisender Go: the body with the secret in the place of the signature.
    UnisenderGo,
    /// Paddle Classic: the form's fields but the signature, sorted, as PHP's `serialize` writes an array of strings.
    PaddleClassic,
    /// Amazon SNS: names and values of the signed members, a line each.
    Sns,
    /// Atlassian Connect: method, path and query in canonical form, as `qsh` hashes them.
    AtlassianQsh,
}

impl Special {
    /// The rule of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "plivo_v3" => Self::PlivoV3,
            "messagebird_query" => Self::MessagebirdQuery,
            "vonage" => Self::Vonage,
            "json_sorted" => Self::JsonSorted,
            "trustpay" => Self::Trustpay,
            "wechat" => Self::Wechat,
            "tap" => Self::Tap,
            "unisender_go" => Self::UnisenderGo,
            "paddle_classic" => Self::PaddleClassic,
            "sns" => Self::Sns,
            "atlassian_qsh" => Self::AtlassianQsh,
            _ => return None,
        })
    }

    /// Whether it reads the URL that the provider calls.
    pub(super) fn reads_url(self) -> bool {
        matches!(self, Self::PlivoV3)
    }

    /// Whether it reads the secret.
    pub(super) fn reads_secret(self) -> bool {
        matches!(self, Self::Wechat | Self::UnisenderGo)
    }

    /// Whether it binds the whole body.
    pub(super) fn binds_body(self) -> bool {
        match self {
            Self::PlivoV3 | Self::Vonage | Self::JsonSorted | Self::UnisenderGo | Self::PaddleClassic => true,
            // TrustPay's values are signed without their names.
            Self::MessagebirdQuery | Self::AtlassianQsh | Self::Trustpay | Self::Wechat | Self::Tap | Self::Sns => {
                false
            }
        }
    }

    /// Whether every message's content holds that member.
    pub(crate) fn signs(self, member: &JsonPath) -> bool {
        let always = ["Message", "MessageId", "Timestamp", "TopicArn", "Type"];
        self == Self::Sns && matches!(&*member.0, [name] if always.contains(&&**name))
    }

    /// The members of the JSON document that it reads.
    pub(crate) fn members(self) -> &'static [&'static str] {
        match self {
            Self::Tap => &["amount", "currency"],
            Self::UnisenderGo => &["auth"],
            Self::Sns => &sns::MEMBERS,
            Self::PlivoV3
            | Self::MessagebirdQuery
            | Self::Vonage
            | Self::JsonSorted
            | Self::Trustpay
            | Self::Wechat
            | Self::PaddleClassic
            | Self::AtlassianQsh => &[],
        }
    }

    /// Feeds what the rule makes of a message. `None`: it cannot be had, or would not bind the body.
    pub(super) fn feed(self, sources: &Sources<'_>, sink: &mut dyn FnMut(&[u8])) -> Option<()> {
        let message = sources.message?;
        match self {
            Self::PlivoV3 => parameters::plivo_v3(message, sources.url, sink),
            Self::MessagebirdQuery => parameters::messagebird_query(message, sink),
            Self::AtlassianQsh => parameters::atlassian_qsh(message, sink),
            Self::Vonage => parameters::vonage(message, sink),
            Self::JsonSorted => json::sorted(message.body, sink),
            Self::Trustpay => json::trustpay(message.body, sink),
            Self::Wechat => wechat(message, sources.secret?.text(), sink),
            Self::Tap => tap(sources, sink),
            Self::UnisenderGo => unisender_go(message, sources, sink),
            Self::PaddleClassic => parameters::paddle_classic(message, sink),
            Self::Sns => sns::feed(&sources.members, sink),
        }
    }
}

/// The three texts, sorted and joined.
fn wechat(message: &Message<'_>, token: &[u8], sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    let parameter = |name| form::query_parameter(message, name).ok().flatten();
    let mut texts = [Cow::Borrowed(token), parameter("timestamp")?, parameter("nonce")?];
    texts.sort();
    for text in &texts {
        sink(text);
    }
    Some(())
}

/// The amount with the decimals of its currency (ISO 4217); one that has more of them is none.
fn tap(sources: &Sources<'_>, sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    let member = |name: &str| sources.members.text(&JsonPath::parse(name)?).and_then(scan::scalar);
    let (amount, currency) = (member("amount")?, member("currency")?);
    let decimals = match &*currency {
        b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
        b"CLP" | b"ISK" | b"JPY" | b"KRW" | b"UGX" | b"VND" | b"XAF" | b"XOF" => 0,
        _ => 2,
    };
    let amount = str::from_utf8(&amount).ok()?;
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let (kept, rest) = fraction.split_at(fraction.len().min(decimals));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(kept) || !rest.bytes().all(|byte| byte == b'0') {
        return None;
    }
    sink(whole.as_bytes());
    if decimals > 0 {
        sink(format!(".{kept:0<decimals$}").as_bytes());
    }
    Some(())
}

fn unisender_go(message: &Message<'_>, sources: &Sources<'_>, sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    let text = sources.members.text(&JsonPath::parse("auth")?).filter(|text| text.first() == Some(&b'"'))?;
    let at = crate::http1::Span::of(text, message.body);
    sink(message.body.get(..at.start() + 1)?);
    sink(sources.secret?.text());
    sink(message.body.get(at.start() + text.len() - 1..)?);
    Some(())
}

/// `HubSpot`'s list of escapes that are decoded before a URL is signed; all others stay.
pub(super) fn hubspot_uri(url: &[u8]) -> Vec<u8> {
    let (mut decoded, mut at) = (Vec::with_capacity(url.len()), 0);
    while let Some(&byte) = url.get(at) {
        let escaped = url.get(at + 1..at + 3).filter(|_| byte == b'%').and_then(form::hex_pair);
        let known = escaped.filter(|byte| b":/?@!$'()*,;".contains(byte));
        decoded.push(known.unwrap_or(byte));
        at += if known.is_some() { 3 } else { 1 };
    }
    decoded
}

/// `PayU` Latam: `150.00` is signed as `150.0`, `150.25` as it is.
pub(super) fn payu_decimal(amount: &[u8]) -> Vec<u8> {
    match amount {
        [rest @ .., b'0'] if rest.len() > 1 && rest[rest.len() - 2] == b'.' => rest.to_vec(),
        _ => amount.to_vec(),
    }
}

/// Contentful's SDK: the query escaped once more as a whole, then the target as `encodeURI` does.
pub(super) fn contentful_target(target: &[u8]) -> Vec<u8> {
    let (path, query) = target.split_at(memchr::memchr(b'?', target).unwrap_or(target.len()));
    let mut whole = path.to_vec();
    if let Some(query) = query.strip_prefix(b"?") {
        whole.push(b'?');
        whole.extend(form::encode(query, |byte| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte)));
    }
    form::encode(&whole, |byte| byte.is_ascii_alphanumeric() || b";,/?:@&=+$-_.!~*'()#".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_own_filters() {
        assert_eq!(hubspot_uri(b"https://a/%3Ax%2f?b=%20%40"), b"https://a/:x/?b=%20@");
        for (amount, expected) in
            [("150.00", "150.0"), ("150.25", "150.25"), ("150.20", "150.2"), ("150.0", "150.0"), ("150", "150")]
        {
            assert_eq!(payu_decimal(amount.as_bytes()), expected.as_bytes(), "{amount}");
        }
        assert_eq!(contentful_target(b"/a%20b?c=d&e"), b"/a%2520b?c%253Dd%2526e");
        assert_eq!(contentful_target(b"/a"), b"/a");
    }

    #[test]
    fn names() {
        for name in [
            "plivo_v3",
            "messagebird_query",
            "vonage",
            "json_sorted",
            "trustpay",
            "wechat",
            "tap",
            "unisender_go",
            "paddle_classic",
            "sns",
            "atlassian_qsh",
        ] {
            assert!(Special::named(name).is_some(), "{name}");
        }
        assert_eq!(Special::named("plivo"), None);
    }
}
