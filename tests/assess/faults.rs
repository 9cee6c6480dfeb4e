//! Each attack, and a receiver that falls to it; and receivers without faults, which fall to none.

use std::time::Duration;

use hookwarden::assess::target::Target;
use hookwarden::assess::{self, Assessment, Options, Subject, Verdict};
use hookwarden::auth::jwt::ClaimRules;
use hookwarden::auth::keys::{Key, KeyText};
use hookwarden::auth::scheme::{Proof, Scheme};
use hookwarden::auth::sign::{sample_private, sample_secret};
use hookwarden::providers;

use crate::receiver::{AUDIENCE, Fault, ISSUER, Receiver};

/// The seed of the key that all receivers have.
const SEED: u8 = 7;

/// `(attack, provider, fault)`: the receiver of that provider's messages with that fault falls to the attack.
const FALLS: &[(&str, &str, Fault)] = &[
    ("HA001", "github", Fault::NoVerification),
    ("HA002", "github", Fault::EmptySkipped),
    ("HA003", "github", Fault::FormOnly),
    ("HA004", "github", Fault::EmptySecret),
    ("HA005", "github", Fault::DefaultSecret),
    ("HA006", "github", Fault::Loose),
    ("HA007", "github", Fault::FromQuery),
    ("HA008", "plaid", Fault::AlgNone),
    ("HA009", "plaid", Fault::PublicAsSecret),
    ("HA010", "plaid", Fault::DecodesOnly),
    ("HA011", "plaid", Fault::DecodesOnly),
    ("HA012", "github", Fault::Prefix),
    ("HA013", "github", Fault::FirstEight),
    ("HA014", "github", Fault::LastEight),
    ("HA015", "github", Fault::StartsWith),
    ("HA016", "standard_webhooks", Fault::IgnoresCase),
    ("HA017", "github", Fault::FoldsWidth),
    ("HA018", "github", Fault::AnyHash),
    ("HA019", "github", Fault::AnyLabel),
    ("HA020", "github", Fault::FirstField),
    ("HA021", "standard_webhooks", Fault::LastField),
    ("HA022", "github", Fault::FormOnly),
    ("HA023", "github", Fault::Reserialised),
    ("HA024", "standard_webhooks", Fault::Reserialised),
    ("HA025", "github", Fault::EmptyBodySkipped),
    ("HA026", "github", Fault::Trimmed),
    ("HA027", "standard_webhooks", Fault::FormOnly),
    ("HA028", "twilio", Fault::NoVerification),
    ("HA029", "standard_webhooks", Fault::FormOnly),
    ("HA030", "standard_webhooks", Fault::NoTimestamp),
    ("HA031", "standard_webhooks", Fault::UnlimitedWindow),
    ("HA032", "standard_webhooks", Fault::UnlimitedWindow),
    ("HA033", "standard_webhooks", Fault::NoFuture),
    ("HA034", "standard_webhooks", Fault::NoMemory),
    ("HA035", "github", Fault::MemoryOfIds),
    ("HA036", "github", Fault::MemoryOfBytes),
    ("HA037", "standard_webhooks", Fault::WritesBehind),
    ("HA038", "github", Fault::BelievesVerdicts),
    ("HA039", "github", Fault::FoldsNames),
    ("HA040", "github", Fault::BelievesSource),
    ("HA041", "github", Fault::Override),
    ("HA042", "github", Fault::AnyMethod),
    ("HA043", "github", Fault::NormalisesPath),
    ("HA044", "github", Fault::DebugSwitch),
    ("HA045", "github", Fault::JsonOnly),
    ("HA046", "github", Fault::SignsChallenges),
    ("HA047", "github", Fault::EchoesHtml),
    ("HA048", "github", Fault::TellsSignature),
    ("HA049", "github", Fault::Traces),
    ("HA050", "github", Fault::Upgrades),
    ("HA051", "github", Fault::LengthOverChunks),
    ("HA052", "github", Fault::ChunksOverLength),
    ("HA053", "github", Fault::LaxCoding),
    ("HA054", "github", Fault::FirstLength),
    ("HA054", "standard_webhooks", Fault::LastLength),
    ("HA055", "github", Fault::LaxLength),
    ("HA056", "github", Fault::BareLineEnds),
    ("HA057", "github", Fault::LaxChunks),
    ("HA058", "github", Fault::MergesTrailers),
    ("HA059", "github", Fault::OnceAConnection),
    ("HA060", "github", Fault::ShortBody),
    ("HA061", "github", Fault::AnyHost),
    ("HA062", "github", Fault::AnyVersion),
    ("HA063", "github", Fault::NoLimit),
    ("HA064", "github", Fault::NoLimit),
    ("HA065", "github", Fault::NoLimit),
    ("HA066", "github", Fault::NoTimeout),
    ("HA067", "github", Fault::NoTimeout),
    ("HA071", "oauth", Fault::AnyEnd),
    ("HA072", "oauth", Fault::NoEnd),
    ("HA073", "oauth", Fault::AnyAudience),
    ("HA074", "oauth", Fault::AnyIssuer),
    ("HA075", "plaid", Fault::BelievesKey),
    ("HA075", "oauth", Fault::BelievesKey),
    ("HA076", "plaid", Fault::FindsKey),
    ("HA077", "github", Fault::Unpacks),
    ("HA078", "standard_webhooks", Fault::UnpacksAll),
];

/// What only a receiver of another protocol can fall to: see `lax_tls`. And what takes its time: see below.
const ELSEWHERE: &[&str] = &["HA068", "HA069", "HA070", "HA079"];

/// The provider's messages to that URL, with the key that all receivers have.
pub(crate) fn subject(provider: &str, url: &str, connect: Option<&str>) -> Subject {
    let mut scheme = Scheme::clone(&providers::find(provider).expect("in the catalogue").scheme);
    if let ("oauth", Proof::Jwt(jwt)) = (provider, &mut scheme.proof) {
        let (issuers, audiences) = ([ISSUER.into()].into(), [AUDIENCE.into()].into());
        jwt.set_rules(ClaimRules { issuers, audiences, ..ClaimRules::default() });
    }
    let secret = KeyText::new("1", sample_private(&scheme, SEED).as_bytes());
    Subject {
        provider: provider.into(),
        key: Key::for_signing(&scheme, &secret).expect("a key"),
        secret,
        public: Some(sample_secret(&scheme, SEED)),
        scheme: scheme.into(),
        target: Target::resolve(url, connect).expect("an address"),
        signed_url: None,
        headers: Vec::new(),
        body: None,
    }
}

/// On this machine nobody minds how fast.
pub(crate) fn options() -> Options {
    Options { rate: 1000, oversize: 2 << 20, patience: Duration::from_secs(180), ..Options::default() }
}

/// What came of each attack, by its code.
pub(crate) fn told(assessment: &Assessment) -> Vec<(&'static str, Verdict, String)> {
    let outcomes = assessment.outcomes.iter();
    outcomes.map(|outcome| (outcome.attack.rule.code, outcome.verdict, outcome.evidence.clone())).collect()
}

fn receiver(provider: &'static str, fault: Fault) -> Receiver {
    let scheme = &providers::find(provider).expect("in the catalogue").scheme;
    Receiver::start(provider, &sample_secret(scheme, SEED), fault)
}

fn attack(provider: &'static str, fault: Fault, options: &Options) -> Assessment {
    let receiver = receiver(provider, fault);
    let url = format!("http://{}/hooks", receiver.address);
    assess::run(&subject(provider, &url, None), options, &mut |_| {}).expect("an assessment")
}

#[test]
fn each_attack_succeeds_where_its_fault_is() {
    let mut faults = Vec::new();
    for (code, provider, fault) in FALLS {
        let slow = (*fault == Fault::NoTimeout).then(|| Duration::from_secs(1));
        let options = Options { only: vec![(*code).to_owned()], slow, ..options() };
        let assessment = attack(provider, *fault, &options);
        match assessment.outcomes.as_slice() {
            [one] if one.verdict == Verdict::Broken && assessment.notes.is_empty() => {}
            other => faults.push(format!("{code} {provider} {fault:?}: {other:#?} {:?}", assessment.unheard)),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_attack_has_a_receiver_that_falls_to_it() {
    let has = |code: &str| FALLS.iter().any(|(other, ..)| *other == code) || ELSEWHERE.contains(&code);
    let without: Vec<_> = assess::all().map(|attack| attack.rule.code).filter(|code| !has(code)).collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn no_attack_succeeds_on_a_receiver_without_faults() {
    let mut faults = Vec::new();
    let receivers =
        [("github", OF_GITHUB), ("standard_webhooks", OF_STANDARD), ("plaid", OF_PLAID), ("oauth", OF_OAUTH)];
    for (provider, open) in receivers {
        let options = Options { slow: Some(Duration::from_secs(30)), ..options() };
        let assessment = attack(provider, Fault::None, &options);
        assert!(assessment.unheard.is_none() && assessment.notes.is_empty(), "{provider}: {assessment:#?}");
        for (code, verdict, evidence) in told(&assessment) {
            let expected = if open.contains(&code) { Verdict::Inconclusive } else { Verdict::Held };
            if verdict != expected {
                faults.push(format!("{provider} {code} is {verdict:?}: {evidence}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What does not apply to a scheme, and over plaintext on loopback.
const OF_GITHUB: &[&str] = &[
    "HA008", "HA009", "HA010", "HA011", "HA016", "HA027", "HA028", "HA029", "HA030", "HA031", "HA032", "HA033",
    "HA068", "HA069", "HA070", "HA071", "HA072", "HA073", "HA074", "HA075", "HA076",
];
const OF_STANDARD: &[&str] = &[
    "HA008", "HA009", "HA010", "HA011", "HA028", "HA068", "HA069", "HA070", "HA071", "HA072", "HA073", "HA074",
    "HA075", "HA076",
];
const OF_PLAID: &[&str] = &[
    "HA004", "HA005", "HA018", "HA019", "HA027", "HA028", "HA029", "HA030", "HA046", "HA068", "HA069", "HA070",
    "HA071", "HA072", "HA073", "HA074", "HA079",
];
pub(crate) const OF_OAUTH: &[&str] = &[
    "HA004", "HA005", "HA018", "HA019", "HA022", "HA023", "HA024", "HA025", "HA026", "HA027", "HA028", "HA029",
    "HA030", "HA031", "HA032", "HA033", "HA034", "HA035", "HA036", "HA037", "HA046", "HA048", "HA068", "HA069",
    "HA070", "HA077", "HA078", "HA079",
];

/// A busy machine can hide a difference, and what it hides is not there to be found: a few tries, of which one suffices.
#[test]
fn a_comparison_that_takes_the_longer_the_more_is_right_is_found() {
    let options = Options { only: vec!["HA079".to_owned()], ..options() };
    let found = (0..5).any(|_| {
        let assessment = attack("github", Fault::ByteByByte, &options);
        assert!(assessment.unheard.is_none() && assessment.notes.is_empty(), "{assessment:#?}");
        assessment.outcomes.iter().all(|outcome| outcome.verdict == Verdict::Broken)
    });
    assert!(found, "none of five assessments saw it");
}

#[test]
fn an_endpoint_that_takes_nothing_is_not_praised() {
    let receiver = receiver("github", Fault::None);
    let mut subject = subject("github", &format!("http://{}/elsewhere", receiver.address), None);
    subject.body = Some(br#"{"zen":"x"}"#.to_vec());
    let assessment = assess::run(&subject, &options(), &mut |_| {}).expect("an assessment");
    assert!(assessment.unheard.as_deref().is_some_and(|seen| seen.contains("status 404")), "{assessment:#?}");
    assert_eq!(assessment.requests, 1);
    assert!(assessment.outcomes.iter().all(|outcome| outcome.verdict == Verdict::Inconclusive));
    let report = assess::report(&assessment);
    assert!(report.findings.is_empty() && report.passed.is_empty() && !report.notes.is_empty());
}

#[test]
fn requests_are_bounded_in_number() {
    let receiver = receiver("github", Fault::None);
    let subject = subject("github", &format!("http://{}/hooks", receiver.address), None);
    let options = Options { most: 7, ..options() };
    let assessment = assess::run(&subject, &options, &mut |_| {}).expect("an assessment");
    assert_eq!(assessment.requests, 7);
    // What was refused while there were requests left proves nothing without the last look.
    assert!(assessment.outcomes.iter().all(|outcome| outcome.verdict == Verdict::Inconclusive));
    assert!(assessment.notes.iter().any(|note| note.contains("--max-requests")), "{:?}", assessment.notes);
}
