//! Certificates in a definition: where a message says that its own is, what it must be, and how a subscription is
//! confirmed.

use crate::auth::scheme::Confirm;
use crate::auth::template::{Names, Template};
use crate::auth::x509::pattern::Pattern;
use crate::auth::x509::{Kind, Purpose, Rules, Source, Vouched};

use super::definition::{Fault, fault, json_path, template, word};
use super::public_key::family;
use super::text::Definition;

/// Compiles where a message's certificate is.
pub(super) fn compile(definition: &Definition, names: &Names<'_>) -> Result<Option<Box<Source>>, Fault> {
    let Some(text) = &definition.certificate else { return Ok(None) };
    if family(&definition.scheme).is_none() {
        return Err(fault("certificate", "is for scheme = \"rsa\", \"ecdsa\" or \"ed25519\""));
    }
    let url = |text: &&str| Template::any(text, names).map_err(|error| template("certificate.url", &error));
    let addresses = text.url.texts().iter().map(url).collect::<Result<Box<[_]>, _>>()?;
    if addresses.is_empty() || addresses.len() > MOST {
        return Err(fault("certificate.url", format!("one to {MOST} are accepted")));
    }
    let kinds = [("certificate", Kind::Certificate), ("public_key", Kind::PublicKey)];
    let purposes = [("signing", Purpose::Signing), ("server", Purpose::Server)];
    let chains = [("required", Vouched::ByChain), ("if_present", Vouched::ByPlace)];
    let rules = Rules {
        names: text.names.iter().map(|name| pattern("certificate.names", name)).collect::<Result<_, _>>()?,
        purpose: word("certificate.purpose", text.purpose.as_deref().unwrap_or("signing"), &purposes)?,
        vouched: word("certificate.chain", text.chain.as_deref().unwrap_or("required"), &chains)?,
    };
    let kind = word("certificate.kind", text.kind.as_deref().unwrap_or("certificate"), &kinds)?;
    if kind == Kind::Certificate && rules.names.is_empty() {
        return Err(fault("certificate.names", "is missing: whoever has a certificate could sign"));
    }
    Ok(Some(Box::new(Source { addresses, kind, pins: pins("certificate.pin", &text.pin.texts())?, rules })))
}

/// Compiles the message that asks for a subscription to be confirmed.
pub(super) fn confirm(definition: &Definition) -> Result<Option<Confirm>, Fault> {
    let Some(text) = &definition.confirm else { return Ok(None) };
    Ok(Some(Confirm {
        when: member("confirm.when", &text.when)?,
        equals: text.equals.as_str().into(),
        address: member("confirm.url", &text.url)?,
        pins: pins("confirm.pin", &text.pin.texts())?,
    }))
}

fn member(key: &'static str, text: &str) -> Result<crate::auth::scheme::JsonPath, Fault> {
    let path = text.strip_prefix("json:").ok_or_else(|| fault(key, "accepted is json:/a/b"))?;
    json_path(key, path)
}

/// The most addresses that a message may name, and the most pins.
const MOST: usize = 4;

/// Addresses that are asked: over TLS, with a host that is written out but for a region.
fn pins(key: &'static str, texts: &[&str]) -> Result<Box<[Pattern]>, Fault> {
    if texts.is_empty() || texts.len() > MOST {
        return Err(fault(key, format!("one to {MOST} are accepted")));
    }
    let one = |text: &&str| {
        let host = text.strip_prefix("https://").and_then(|rest| rest.split_once('/')).map(|(host, _)| host);
        if !host.is_some_and(|host| !host.is_empty() && !host.contains('*') && !host.contains("{query}")) {
            return Err(fault(
                key,
                format!("{text:?} is not like https://host/path, with open places in the path alone"),
            ));
        }
        pattern(key, text)
    };
    texts.iter().map(one).collect()
}

fn pattern(key: &'static str, text: &str) -> Result<Pattern, Fault> {
    let places = "* (one part without dots), {region} and, at the end, {query}";
    Pattern::parse(text).ok_or_else(|| fault(key, format!("{text:?} has open places other than {places}")))
}
