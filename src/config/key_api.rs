//! The account of a route at a provider that gives its public keys one by one.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::auth::key_api::{Credential, KeyApi};
use crate::auth::scheme::Scheme;
use crate::fetch::by_id::{Account, ById, is_credential};
use crate::fetch::source::Known;

use super::fetch::{self, KEYS, Trust};
use super::reader::Reader;
use super::values::Parsed;

/// What only means something for such a provider.
const ALONE: [&str; 2] = ["API_KEY_FILE", "KEYS_API_URL"];

/// The settings that an account is made of.
const ACCOUNT: [&str; 3] = ["CLIENT_ID", "CLIENT_SECRET_FILE", "API_KEY_FILE"];

/// The provider's API of keys, as the route's account, where no keys are set.
pub(super) fn by_id(
    reader: &mut Reader<'_, '_>,
    scheme: Option<&Scheme>,
    trust: &Trust,
    known: &mut Known,
) -> Option<Arc<ById>> {
    let api = api(scheme);
    if api.is_none() && scheme.is_some() {
        for name in ALONE.into_iter().filter(|name| reader.is_set(name)).collect::<Vec<_>>() {
            reader.fault(name, "is set, but this provider gives its keys to no account");
        }
    }
    if !is_wanted(reader, scheme) {
        // It is read all the same, for its faults and for the watch.
        base(reader, trust);
        credential(reader, "API_KEY_FILE", false);
        refuse_both(reader, scheme);
        return None;
    }
    let api = api?;
    for name in ACCOUNT.into_iter().filter(|name| !asks_for(scheme, name)) {
        // What is said of the others is said where tokens are asked about.
        if name == "API_KEY_FILE" && reader.is_set(name) {
            reader.fault(name, "is set, but this provider's keys are given to CLIENT_ID, or to anybody");
        }
    }
    let (base, account) = (base(reader, trust), account(reader, &api.credential));
    let base = if reader.is_set("KEYS_API_URL") { base? } else { api.base.clone() };
    let strength = scheme?.key_source.strength;
    Some(known.by_id(ById::new(Box::new(api.clone()), base, account?, strength)))
}

/// Whether keys come from such an API: no others are set, and an account is, or none is needed.
pub(super) fn is_wanted(reader: &Reader<'_, '_>, scheme: Option<&Scheme>) -> bool {
    let Some(api) = api(scheme) else { return false };
    let is_set = ACCOUNT.iter().chain(&ALONE).any(|name| reader.is_set(name));
    let others = KEYS.iter().chain(&["INTROSPECTION_URL"]).any(|name| reader.is_set(name));
    !others && (is_set || api.credential == Credential::None)
}

/// Whether the provider's API of keys wants this setting.
pub(super) fn asks_for(scheme: Option<&Scheme>, name: &str) -> bool {
    let wanted: &[&str] = match api(scheme).map(|api| &api.credential) {
        Some(Credential::ClientCredentials { .. } | Credential::InBody) => &["CLIENT_ID", "CLIENT_SECRET_FILE"],
        Some(Credential::Bearer) => &["API_KEY_FILE"],
        Some(Credential::None) | None => &[],
    };
    wanted.contains(&name)
}

/// What may stand in the place of a secret, for the fault that says that there is none.
pub(super) fn hint(scheme: Option<&Scheme>) -> &'static str {
    match api(scheme).map(|api| &api.credential) {
        Some(Credential::ClientCredentials { .. } | Credential::InBody) => {
            "; with CLIENT_ID and CLIENT_SECRET_FILE this provider is asked for its keys instead"
        }
        Some(Credential::Bearer) => "; with API_KEY_FILE this provider is asked for its keys instead",
        Some(Credential::None) | None => "",
    }
}

fn api(scheme: Option<&Scheme>) -> Option<&KeyApi> {
    scheme?.key_source.api.as_deref()
}

/// An account of which nothing comes, since keys are set.
fn refuse_both(reader: &mut Reader<'_, '_>, scheme: Option<&Scheme>) {
    let others = KEYS.iter().any(|name| reader.is_set(name));
    if !others || reader.is_set("INTROSPECTION_URL") || api(scheme).is_none() {
        return;
    }
    for name in ACCOUNT.into_iter().chain(["KEYS_API_URL"]) {
        if reader.is_set(name) && (asks_for(scheme, name) || name == "KEYS_API_URL") {
            reader.fault(name, "is set, and keys too; only one of them is accepted");
        }
    }
}

fn account(reader: &mut Reader<'_, '_>, credential: &Credential) -> Option<Account> {
    match credential {
        Credential::None => Some(Account::None),
        Credential::Bearer => self::credential(reader, "API_KEY_FILE", true).map(Account::Key),
        Credential::ClientCredentials { .. } | Credential::InBody => {
            let id = reader.required("CLIENT_ID", |text| Ok(text.into()));
            let secret = self::credential(reader, "CLIENT_SECRET_FILE", true);
            Some(Account::Client(id?, secret?))
        }
    }
}

/// A text that a header field could carry.
fn credential(reader: &mut Reader<'_, '_>, name: &str, required: bool) -> Option<Zeroizing<String>> {
    if !required && !reader.is_set(name) {
        return None;
    }
    let bytes = fetch::secret_of_file(reader, name)?;
    let text = std::str::from_utf8(&bytes).ok().filter(|text| is_credential(text));
    if text.is_none() {
        reader.fault(
            name,
            "names a file with more than one word: blanks, line ends or characters that no credential has",
        );
    }
    text.map(|text| Zeroizing::new(text.to_owned()))
}

fn base(reader: &mut Reader<'_, '_>, trust: &Trust) -> Option<Box<str>> {
    let base = |text: &str| -> Parsed<Box<str>> {
        fetch::url(text, &trust.reach)?;
        if text.ends_with('/') || text.contains('?') {
            return Err("has a slash at its end, or a query".into());
        }
        Ok(text.into())
    };
    reader.value("KEYS_API_URL", base)
}
