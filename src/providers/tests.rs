//! Every catalogue file is its own test: its published vectors, its signature made and broken.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::auth::keys::{KeyText, Keys};
use crate::auth::{Site, Verified, Verifier};
use crate::deny::{Denial, Reason};
use crate::http1::{Head, Message};

/// A request as the provider's own example writes it.
struct Example {
    head: Vec<u8>,
    body: Vec<u8>,
    public_url: Option<String>,
}

impl Example {
    fn of(vector: &Vector) -> Self {
        let url = vector.url.clone();
        let (authority, target) = match &url {
            Some(url) => {
                let rest = url.split_once("://").expect("a full URL").1;
                rest.split_at(rest.find('/').expect("a path"))
            }
            None => ("example.com", "/hook"),
        };
        let mut head = format!("{} {target} HTTP/1.1\r\nHost: {authority}\r\n", vector.method);
        for (name, value) in &vector.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        let public_url = url.as_ref().map(|url| url.split_at(url.find(target).expect("its target")).0.to_owned());
        Self { head: head.into_bytes(), body: vector.body.clone().into_bytes(), public_url }
    }

    fn verify(&self, provider: &Provider, secret: &str) -> Result<Verified, Denial> {
        let secrets = [KeyText::new("key-1", secret.as_bytes())];
        let keys = Keys::new(&provider.scheme, &secrets).expect("a published secret is a good one");
        let site = Site {
            scheme: &provider.scheme,
            keys: &keys,
            public_url: self.public_url.as_deref(),
            route_path: "/hook",
            prefix: false,
        };
        let head = Head::parse(&self.head)?;
        let mut verifier = Verifier::default();
        verifier.begin(&site, &Message { head: &head, bytes: &self.head, body: b"" })?;
        self.body.chunks(7).for_each(|part| verifier.update(part));
        verifier.finish(&site, &Message { head: &head, bytes: &self.head, body: &self.body })
    }
}

#[test]
fn the_list_is_the_folder() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/providers/catalogue");
    let names = std::fs::read_dir(folder).expect("the catalogue").map(|entry| entry.expect("a file").file_name());
    let there: BTreeSet<_> = names.map(|name| name.into_string().expect("ASCII")).collect();
    let listed: Vec<_> = CATALOGUE.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert!(listed.is_sorted(), "the list is sorted");
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), there);
}

#[test]
fn every_file_compiles_and_ids_are_unique() {
    let mut ids = BTreeSet::new();
    for (file, text) in CATALOGUE {
        let provider = parse(file, text).unwrap_or_else(|errors| panic!("{errors:?}"));
        assert_eq!(format!("{}.toml", provider.id), *file);
        for id in provider.aliases.iter().chain([&provider.id]) {
            assert!(ids.insert(id.clone()), "{id} stands twice");
        }
        assert!(["docs", "source", "unconfirmed"].contains(&provider.confidence.as_str()), "{file}");
        assert!(provider.docs.starts_with("https://") && !provider.setup.is_empty() && !provider.limits.is_empty());
    }
}

#[test]
fn published_vectors() {
    let mut checked = 0;
    for provider in all() {
        for vector in &provider.vectors {
            let example = Example::of(vector);
            let verified = example.verify(provider, &vector.secret);
            let verified = verified.unwrap_or_else(|denial| panic!("{}: {denial:?}", provider.id));
            if let Some(now) = vector.now {
                assert_eq!(verified.signed_time(), Some(Duration::from_secs(now)), "{}", provider.id);
            }
            let mut tampered = Example::of(vector);
            tampered.body[0] ^= 1;
            let denial = tampered.verify(provider, &vector.secret).expect_err("a changed body");
            assert_eq!(denial.reason, Reason::CredentialInvalid, "{}", provider.id);
            checked += 1;
        }
    }
    assert!(checked >= 9, "only {checked} vectors");
}

#[test]
fn a_bad_file_says_where_and_what() {
    let check = |text: &str, expected: &str| {
        let errors = parse("x.toml", text).expect_err("a fault");
        let told = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told.contains(expected), "{told}");
    };
    let good = CATALOGUE.iter().find(|(file, _)| *file == "stripe.toml").expect("stripe").1;
    check(&good.replace("sha256", "sha3"), "x.toml: algorithm: \"sha3\" is not known; accepted are sha1");
    check(&good.replace("tolerance =", "tolerence ="), "x.toml: line 10: unknown field `tolerence`");
    check(&good.replace("{timestamp}.{body}", "{body}"), "timestamp: a time that is not signed proves nothing");
    check(&good.replace("t={timestamp},v1={signature}", "v1={signature}"), "go together");
    check(&good.replace("\"{timestamp}.{body}\"", "\"{timestamp}.{bod}\""), "unknown placeholder {bod}");
    check("id = 1", "line 1");
    let zoom = CATALOGUE.iter().find(|(file, _)| *file == "zoom.toml").expect("zoom").1;
    check(&zoom.replace("\"v0:{timestamp}:{body}\"", "\"{timestamp}{body}\""), "signing oracle");
}
