//! Every catalogue file is its own test: its published vectors, its signature made and broken.

use std::collections::BTreeSet;

use super::*;
use crate::auth::keys::{KeyText, Keys};
use crate::auth::scheme::Binding;
use crate::auth::sign::sample_secret;
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
        let body = match &vector.body_base64 {
            Some(text) => data_encoding::BASE64.decode(text.as_bytes()).expect("base64"),
            None => vector.body.clone().into_bytes(),
        };
        Self { head: head.into_bytes(), body, public_url }
    }

    fn verify(&self, scheme: &Scheme, secret: &str) -> Result<Verified, Denial> {
        let secrets = [KeyText::new("key-1", secret.as_bytes())];
        let keys = Keys::new(scheme, &secrets).expect("a published secret is a good one");
        let public_url = self.public_url.as_deref();
        let site =
            Site { scheme, keys: &keys, key_ring: None, client: None, public_url, route_path: "/hook", prefix: false };
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
    let listed: Vec<_> = CATALOGUE.iter().map(|(file, ..)| (*file).to_owned()).collect();
    assert!(listed.is_sorted(), "the list is sorted");
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), there);
}

#[test]
fn every_file_compiles_and_ids_are_unique() {
    let mut ids = BTreeSet::new();
    let errors: Vec<_> = CATALOGUE.iter().filter_map(|(file, _, text)| parse(file, text).err()).flatten().collect();
    let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    for (file, aliases, text) in CATALOGUE {
        let provider = parse(file, text).expect("it compiled a moment ago");
        assert_eq!(format!("{}.toml", provider.id), *file);
        assert_eq!(provider.aliases, *aliases, "{file}: aliases stand on one line");
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
            let algorithm = CustomFields { algorithm: vector.algorithm.clone(), ..CustomFields::default() };
            let scheme =
                provider.scheme_with(&algorithm).unwrap_or_else(|faults| panic!("{}: {faults:?}", provider.id));
            let verified = example.verify(&scheme, &vector.secret);
            let verified = verified.unwrap_or_else(|denial| panic!("{}: {denial:?}: {}", provider.id, vector.source));
            if let Some(now) = vector.now {
                assert_eq!(verified.signed_time().map(|time| time.as_secs()), Some(now), "{}", provider.id);
            }
            if scheme.binding == Binding::Full && !example.body.is_empty() {
                let mut tampered = Example::of(vector);
                tampered.body[0] ^= 1;
                let denial = tampered.verify(&scheme, &vector.secret).expect_err("a changed body");
                assert_eq!(denial.reason, Reason::CredentialInvalid, "{}", provider.id);
            }
            if !scheme.contents().is_empty() && scheme.secret.parts.is_empty() {
                let other = match scheme.proof {
                    Proof::PublicKey { .. } | Proof::Jwt(_) | Proof::ClientCertificate => sample_secret(&scheme, 2),
                    Proof::Hmac { .. } | Proof::Digest { .. } | Proof::Token => {
                        data_encoding::HEXLOWER.encode(&[7; 32])
                    }
                };
                let denial = example.verify(&scheme, &other).expect_err("another secret");
                assert_eq!(denial.reason, Reason::CredentialInvalid, "{}", provider.id);
            }
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
    let good = text_of("stripe.toml");
    check(&good.replace("sha256", "sha3"), "x.toml: line 6: algorithm: \"sha3\" is not known; accepted are sha1");
    check(&good.replace("tolerance =", "tolerence ="), "x.toml: line 10: unknown field `tolerence`");
    check(&good.replace("{timestamp}.{body}", "{body}"), "timestamp: a time that is not signed proves nothing");
    check(&good.replace("t={timestamp},v1={signature}", "v1={signature}"), "go together");
    check(&good.replace("\"{timestamp}.{body}\"", "\"{timestamp}.{bod}\""), "unknown placeholder {bod}");
    check("id = 1", "line 1");
    for (keys, expected) in [
        ("scheme = \"digest\"\nsignature = { header = \"X\" }\nsigned = \"{body}\"", "proves nothing"),
        ("scheme = \"hmac\"\nalgorithm = \"keccak256\"\nsignature = { header = \"X\" }", "no provider makes HMACs"),
        ("scheme = \"token\"\nsigned = \"{body}\"\nsignature = { header = \"X\" }", "a token signs nothing"),
        ("scheme = \"token\"\nsignature = { header = \"X\", query = \"x\" }", "exactly one of header"),
        ("scheme = \"hmac\"\nsignature = { path = true }", "only a token stands in the path"),
        ("scheme = \"hmac\"\nsignature = { header = \"X Y\" }", "is not a header field's name"),
        ("scheme = \"hmac\"\nsignature = { header = \"X\", format = \"{sig}\" }", "is not an item"),
        ("scheme = \"hmac\"\nsignature = { header = \"X\", format = \"a\" }", "exactly one {signature}"),
        ("scheme = \"hmac\"\nsignature = { header = \"X\" }\nsigned = \"{item:h}{body}\"", "does not capture it"),
        (
            "scheme = \"hmac\"\nsignature = { header = \"X\" }\nbinding = \"all\"",
            "line 7: binding: \"all\" is not known",
        ),
        (
            "scheme = \"hmac\"\nsignature = { header = \"X\" }\nsigned = \"{url}\"\nbinding = \"full\"",
            "so it is not bound",
        ),
        ("scheme = \"token\"\nsignature = { header = \"X\" }\nbinding = \"full\"", "a token binds nothing"),
        ("scheme = \"hmac\"\nsignature = { header = \"X\" }\neach = \"/a\"", "goes with signature.json"),
        ("scheme = \"hmac\"\nsignature = { header = \"X\" }\nconfigurable = [\"PATH\"]", "accepted are ALGORITHM"),
        ("scheme = \"hmac\"\nsignature = { header = \"X\" }\nsecret = { parts = [\"a\"] }", "two or more"),
        (
            "scheme = \"token\"\nsignature = { header = \"X\" }\nchallenge = { token = \"query:a\", reply = \"{{token_hmac}}\" }",
            "the key of an HMAC can sign a token",
        ),
        (
            "scheme = \"hmac\"\nsignature = { header = \"X\" }\nchallenge = { token = \"query:a\", shape = \"visible\", reply = \"{{token_hmac}}\" }",
            "a token that the key signs is word or base64",
        ),
        (
            "scheme = \"hmac\"\nsignature = { header = \"X\" }\nchallenge = { reply = \"{{verify_token|hmac|hex}}\" }",
            "the only thing that the key signs",
        ),
        ("scheme = \"hmac\"\nsignature = { header = \"X\" }\nchallenge = { reply = \"{{token}}\" }", "where it stands"),
    ] {
        check(&format!("id = \"x\"\nname = \"X\"\ndocs = \"https://x\"\nconfidence = \"docs\"\n{keys}"), expected);
    }
}

fn text_of(file: &str) -> &'static str {
    CATALOGUE.iter().find(|(name, ..)| *name == file).expect("in the catalogue").2
}

#[test]
fn what_is_not_supported_says_why() {
    #[derive(Deserialize)]
    struct Table {
        #[serde(default)]
        unsupported: Vec<Unsupported>,
    }
    let table: Table = toml::from_str(include_str!("unsupported.toml")).expect("a good table");
    assert_eq!(table.unsupported, unsupported());
    for known in unsupported() {
        assert!(find(&known.id).is_none(), "{} is supported", known.id);
        assert!(!known.name.is_empty() && known.why.ends_with('.'), "{}", known.id);
    }
    let ids: Vec<_> = unsupported().iter().map(|known| &known.id).collect();
    assert!(ids.is_sorted() && ids.iter().collect::<BTreeSet<_>>().len() == ids.len());
}

#[test]
fn a_provider_is_found_by_each_of_its_names() {
    for provider in all() {
        for id in provider.aliases.iter().chain([&provider.id]) {
            assert_eq!(find(id).map(|found| &found.id), Some(&provider.id));
        }
    }
    assert!(find("").is_none() && find("github.toml").is_none());
    assert_eq!(ids().count(), all().iter().map(|provider| provider.aliases.len() + 1).sum::<usize>());
}
