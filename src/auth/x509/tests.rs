//! Chains that hold and chains that do not, made on the spot; Apple's test chain; what is kept of them.

use data_encoding::BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::certificates::{Certificates, MOST};
use super::roots::RootsFault;
use super::*;

/// 2023-11-14.
const NOW: Duration = Duration::from_secs(1_700_000_000);

const NAME: &str = "sns.amazonaws.com";

fn now() -> Now {
    Now { wall: NOW, ..Now::read() }
}

/// An authority.
struct Authority {
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

fn authority_params(name: &str, most_below: Option<u8>) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).expect("no names");
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(most_below.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

impl Authority {
    fn root() -> Self {
        let (params, key) = (authority_params("root", None), KeyPair::generate().expect("a key"));
        let der = params.self_signed(&key).expect("a certificate").der().to_vec();
        Self { der, issuer: Issuer::new(params, key) }
    }

    fn below(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = (authority_params(name, None), KeyPair::generate().expect("a key"));
        change(&mut params);
        let der = params.signed_by(&key, &self.issuer).expect("a certificate").der().to_vec();
        Self { der, issuer: Issuer::new(params, key) }
    }

    fn leaf(&self, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let key = KeyPair::generate().expect("a key");
        leaf_params(change).signed_by(&key, &self.issuer).expect("a certificate").der().to_vec()
    }
}

/// A server's certificate, as SNS and `PayPal` sign with.
fn leaf_params(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(vec![NAME.to_owned()]).expect("a name");
    params.not_before = date_time_ymd(2023, 1, 1);
    params.not_after = date_time_ymd(2024, 1, 1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    change(&mut params);
    params
}

fn rules(vouched: Vouched) -> Rules {
    let names = ["sns.amazonaws.com", "sns-signing.{region}.amazonaws.com"];
    Rules { names: names.iter().filter_map(|name| Pattern::parse(name)).collect(), purpose: Purpose::Server, vouched }
}

fn pem(chain: &[&[u8]]) -> String {
    let one = |der: &&[u8]| format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(der));
    chain.iter().map(one).collect()
}

fn trusting(roots: &[&Authority]) -> Roots {
    let ders: Vec<&[u8]> = roots.iter().map(|root| &*root.der).collect();
    Roots::from_pem(pem(&ders).as_bytes()).expect("good roots")
}

#[test]
fn chains() {
    let root = Authority::root();
    let middle = root.below("middle", |_| {});
    let roots = trusting(&[&root]);
    let check = |what: &str, chain: &[&[u8]], expected: Result<(), &str>| {
        let got = verify_chain(chain, &roots, &rules(Vouched::ByChain), now());
        let told = got.as_ref().map(|_| ()).map_err(ToString::to_string);
        match expected {
            Ok(()) => assert!(got.is_ok(), "{what}: {told:?}"),
            Err(part) => assert!(told.as_ref().is_err_and(|told| told.contains(part)), "{what}: {told:?}"),
        }
    };
    let good = middle.leaf(|_| {});
    check("with its middle", &[&good, &middle.der], Ok(()));
    check("with its root too", &[&good, &middle.der, &root.der], Ok(()));
    check("in another order", &[&good, &root.der, &middle.der], Ok(()));
    check("from the root itself", &[&root.leaf(|_| {})], Ok(()));
    check("without its middle", &[&good], Err("UnknownIssuer"));
    check("none", &[], Err("no certificate"));
    check("no certificate", &[b"0"], Err("its DER"));
    check("cut off", &[&good[..good.len() - 1], &middle.der], Err("its DER"));
    check("with a tail", &[&[&good[..], b"x"].concat(), &middle.der], Err("bytes follow it"));
    check("too many", &[&good, &middle.der, &middle.der, &middle.der, &middle.der, &root.der], Err("more than 5"));
    check("too large", &[&good, &vec![b'0'; MAX_CERTIFICATE + 1]], Err("8192 bytes"));
    let ended = middle.leaf(|params| params.not_after = date_time_ymd(2023, 11, 14));
    check("expired", &[&ended, &middle.der], Err("no longer valid"));
    let begins = middle.leaf(|params| params.not_before = date_time_ymd(2023, 11, 15));
    check("not yet", &[&begins, &middle.der], Err("not valid yet"));
    let other = middle.leaf(|params| {
        params.subject_alt_names =
            CertificateParams::new(vec!["sns.amazonaws.com.evil.com".into()]).expect("a name").subject_alt_names;
    });
    check("another name", &[&other, &middle.der], Err("without a name"));
    let nameless = middle.leaf(|params| {
        params.subject_alt_names.clear();
        params.distinguished_name.push(rcgen::DnType::CommonName, NAME);
    });
    check("a common name alone", &[&nameless, &middle.der], Err("without a name"));
    let client = middle.leaf(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    check("for clients", &[&client, &middle.der], Err("not for servers"));
    let any = middle.leaf(|params| params.extended_key_usages.clear());
    check("for whatever", &[&any, &middle.der], Ok(()));
    let agrees = middle.leaf(|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]);
    check("not for signatures", &[&agrees, &middle.der], Err("not for signatures"));
    check(
        "an authority",
        &[&root.below("ca", |params| params.subject_alt_names = leaf_params(|_| {}).subject_alt_names).der],
        Err("authority's"),
    );
    let own = leaf_params(|_| {}).self_signed(&KeyPair::generate().expect("a key")).expect("a certificate");
    check("signed by itself", &[own.der()], Err("UnknownIssuer"));
    let stranger = Authority::root();
    check("of another root with the same name", &[&stranger.leaf(|_| {})], Err("InvalidSignature"));
    let leaf_as_issuer =
        Authority { der: good.clone(), issuer: Issuer::new(leaf_params(|_| {}), KeyPair::generate().expect("a key")) };
    check("a leaf that issues", &[&leaf_as_issuer.leaf(|_| {}), &good, &middle.der], Err("trusted root"));
    let bounded = root.below("bounded", |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let below = bounded.below("below", |_| {});
    check("longer than its authority lets it be", &[&below.leaf(|_| {}), &below.der, &bounded.der], Err("PathLen"));
    let ended = root.below("ended", |params| params.not_after = date_time_ymd(2023, 1, 1));
    check("an authority that has ended", &[&ended.leaf(|_| {}), &ended.der], Err("CertExpired"));
}

/// What a place vouches for is checked all the same, but for its issuer; a chain that is there must hold.
#[test]
fn a_place_that_vouches() {
    let (root, stranger) = (Authority::root(), Authority::root().below("stranger", |_| {}));
    let roots = trusting(&[&root]);
    let check = |chain: &[&[u8]]| verify_chain(chain, &roots, &rules(Vouched::ByPlace), now()).map(|_| ());
    let alone = stranger.leaf(|_| {});
    assert_eq!(check(&[&alone]), Ok(()));
    assert!(matches!(check(&[&alone, &stranger.der]), Err(Fault::Untrusted(_))));
    assert_eq!(check(&[&root.leaf(|_| {}), &root.der]), Ok(()));
    assert_eq!(check(&[&stranger.leaf(|params| params.not_after = date_time_ymd(2023, 2, 1))]), Err(Fault::Expired));
    assert_eq!(check(&[&stranger.leaf(|params| params.subject_alt_names.clear())]), Err(Fault::Name));
    assert_eq!(check(&[&stranger.der]), Err(Fault::Authority));
}

/// A leaf that is signed with RSA over SHA-1, and its root, both valid for long; made with openssl.
const SHA1: [&str; 2] = [
    "MIIDDjCCAfagAwIBAgIUFcCXHL3W9R6Bu2gA6p0DYsdxALwwDQYJKoZIhvcNAQEFBQAwDzENMAsGA1UEAwwEcm9vdDAgFw0yNjExMjUxMjU4NTlaGA8yMTAwMTAyODEyNTg1OVowDzENMAsGA1UEAwwEbGVhZjCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBALo79sekldT7GF8MnWcmm+B9yaYkmDKn5oMLIXnnO0qKF5+OjdGwr5+2iw34UgT7lc6dzewtoNPV0QD+RLXb8EvdLIeCHXnvu1uTew62VKrYaa0KAQMaj+bH9MhSsNYRoO1fHyKkSndQlrT++i9/4TjBlwRL28ZQH/U/L8MzMy5bIbdk+aDEJfI5HuLb8BH4RndFbfDPkMJQGxh6Bus/9sXGwB7fNgskcwWT+aFklItd0Rs9t5/8IKMB0w+sOZD0rTMX9QItxZuUMpuchKvzHP4cwXvw6mfTaH/NLeUUBEK/7fXaNQat2h4kPAsnXT2CPmZoKOJsDxzu61K3ktPzmKcCAwEAAaNgMF4wHAYDVR0RBBUwE4IRc25zLmFtYXpvbmF3cy5jb20wHQYDVR0OBBYEFEIlz+VXLAii9VGiXJ/5CRJu1Q5AMB8GA1UdIwQYMBaAFI82YnLETF3mudzgzvzuwIRU73RAMA0GCSqGSIb3DQEBBQUAA4IBAQBoyfoZVnlaNPqgvvT8aO5TwLSrVztqmoyhTo4ehrmdFw2QWseZZWzJgb1LmjfdS33yPpLP4yfcZJN/K1gk/Q2Vl7ojQRoNMyCd7WSVdSiQv9uotzGvRmTuQyaj8uCG/L1GvziijJG2OCducJv69h+PHp6uz9EITC5GfaULnpTlKzd9xQ1SLID27lmCdBCZHizwgMNMTd9mqc0TioM1+WnnDCCbcsOVAnJ7ytHWZ8KquGBIL2ZU5exlSTbMspK0zVMrBgVLSkAKGsrKmMdHO9brT8jTswpHWu0jOzVmNr/J5mc3WnGgCIAdtUNOH54SQ9qd9CkGhQgtByegREr7PBmt",
    "MIIDATCCAemgAwIBAgIUJKmOPKqcLApluolIti2521On0MIwDQYJKoZIhvcNAQELBQAwDzENMAsGA1UEAwwEcm9vdDAgFw0yNjExMjUxMjU4NThaGA8yMTAwMTAyODEyNTg1OFowDzENMAsGA1UEAwwEcm9vdDCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBAKEVMsEzMFaqj+cmsZ13BcpwH6YgQJtLqRQUDD3WH2b9WifGWKSOge2vjSj1PN/jDhFRPB3iqoN5vVkYuYj+vvkxNlDyY/3uERQBvNY0BbmXYZR4sO581nRqu+98t+0CpfINCPPadeUei7IF1ElRasOZU1d9bu0zYxsUVz08bUkGSE0WLXg50dt9VE5wHm/gq/HzwyHFmDFYSEi9RL30x6BgYG7c2mh3Eqxt1WkTxYlLuHOosKmyLHdativ4+3BzYvuFzFMXqW8+zafDWot/5DsCQCA3MwOZCBprrU6gfNzcMpyjRtFv67LcPVRESp5+d3QSE6eZt0Wvuga2j4EEeJsCAwEAAaNTMFEwHQYDVR0OBBYEFI82YnLETF3mudzgzvzuwIRU73RAMB8GA1UdIwQYMBaAFI82YnLETF3mudzgzvzuwIRU73RAMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADggEBAHPvXIxtx3f+uE/dWBOaoGlX5rq637sQWAsTVl6iuUJ5233bWkGw14BFj61V/zERqfrAas002YqISDFP6CYGLkglcm+QLtOjpfZ7RZ8x6N9GvgMFc+/JuvAng9X3KEmMUpR56qljn2UWa2Gy+6oaqkwo2+I+O+c/oG9JrXvTNXISwCWPEe5rFk9uD42T2bquecLlMZyjdsXiORZQzjtcaR+PF7h8wgMJaHalYTViLV9QYWhRmlCImZthy0wy7PyEo4PD9Fx/vaasAK3vXhXsIoooHLESCym2ZrXBfdGEJ4xH/JgveMdkl74lfZk03xIuWNOKD+Pv73Tf9Zm5UDyFJI8=",
];

#[test]
fn a_chain_over_sha1_is_none() {
    let [leaf, root] = SHA1.map(|text| BASE64.decode(text.as_bytes()).expect("base64"));
    let roots = Roots::from_pem(pem(&[&root]).as_bytes()).expect("a root");
    let later = Now { wall: Duration::from_secs(1_900_000_000), ..Now::read() };
    let told = verify_chain(&[&leaf], &roots, &rules(Vouched::ByChain), later).expect_err("SHA-1").to_string();
    assert!(told.contains("UnsupportedSignatureAlgorithm"), "{told}");
}

/// The chain of `testNotification`, and the root that it leads to, of Apple's App Store Server Library.
const APPLE: [&str; 3] = [
    "MIIBoDCCAUagAwIBAgIBCzAKBggqhkjOPQQDAjBNMQswCQYDVQQGEwJVUzETMBEGA1UECAwKQ2FsaWZvcm5pYTESMBAGA1UEBwwJQ3VwZXJ0aW5vMRUwEwYDVQQKDAxJbnRlcm1lZGlhdGUwHhcNMjMwMTA0MTYzNzMxWhcNMzIxMjMxMTYzNzMxWjBFMQswCQYDVQQGEwJVUzETMBEGA1UECAwKQ2FsaWZvcm5pYTESMBAGA1UEBwwJQ3VwZXJ0aW5vMQ0wCwYDVQQKDARMZWFmMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE4rWBxGmFbnPIPQI0zsBKzLxsj8pD2vqbr0yPISUx2WQyxmrNql9fhK8YEEyYFV7++p5i4YUSR/o9uQIgCPIhrKMfMB0wCQYDVR0TBAIwADAQBgoqhkiG92NkBgsBBAITADAKBggqhkjOPQQDAgNIADBFAiEAkiEZkoFMkj4gXn+Q9jXQZMjZ2gnjZ3aM8NYrgfTUivQCIDJYZ0FaLe7nSIU2LWLTk5tXTCc4E8GJSYf/sYRxEFie",
    "MIIBlzCCAT2gAwIBAgIBBjAKBggqhkjOPQQDAjA2MQswCQYDVQQGEwJVUzETMBEGA1UECAwKQ2FsaWZvcm5pYTESMBAGA1UEBwwJQ3VwZXJ0aW5vMB4XDTIzMDEwNDE2MjYwMVoXDTMyMTIzMTE2MjYwMVowTTELMAkGA1UEBhMCVVMxEzARBgNVBAgMCkNhbGlmb3JuaWExEjAQBgNVBAcMCUN1cGVydGlubzEVMBMGA1UECgwMSW50ZXJtZWRpYXRlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEFQ3lX2sqN9GIwAiiMQDQC/kynSgX47RwviDOtMXXvyKdQe6CPsS3jo2uRDuEqAxWeOiCrjlDWsyz5wwdU0gtaqMlMCMwDwYDVR0TBAgwBgEB/wIBADAQBgoqhkiG92NkBgIBBAITADAKBggqhkjOPQQDAgNIADBFAiEAvnzMcV268cRb1/FpyV1EhT3WFvOzrBUWP6/ToThFavMCIFba5t6YKy0R2JDtxqtOjJy66l6V7d/PrADNpkmIPW+i",
    "MIIBXDCCAQICCQCfjTUGLDnR9jAKBggqhkjOPQQDAzA2MQswCQYDVQQGEwJVUzETMBEGA1UECAwKQ2FsaWZvcm5pYTESMBAGA1UEBwwJQ3VwZXJ0aW5vMB4XDTIzMDEwNDE2MjAzMloXDTMzMDEwMTE2MjAzMlowNjELMAkGA1UEBhMCVVMxEzARBgNVBAgMCkNhbGlmb3JuaWExEjAQBgNVBAcMCUN1cGVydGlubzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHPvwZfoKLKaOrX/We4qObXSna5TdWHVZ6hIRA1w0oc3QCT0Io2plyDB3/MVlk2tc4KGE8TiqW7ibQ6Zc9V64k0wCgYIKoZIzj0EAwMDSAAwRQIhAMTHhWtbAQN0hSxIXcP4CKrDCH/gsxWpx6jTZLTeZ+FPAiB35nwk5q0zcIpefvYJ0MU/yGGHSWez0bq0pDYUO/nmDw==",
];
const APPLE_ROOT: &str = "MIIBgjCCASmgAwIBAgIJALUc5ALiH5pbMAoGCCqGSM49BAMDMDYxCzAJBgNVBAYTAlVTMRMwEQYDVQQIDApDYWxpZm9ybmlhMRIwEAYDVQQHDAlDdXBlcnRpbm8wHhcNMjMwMTA1MjEzMDIyWhcNMzMwMTAyMjEzMDIyWjA2MQswCQYDVQQGEwJVUzETMBEGA1UECAwKQ2FsaWZvcm5pYTESMBAGA1UEBwwJQ3VwZXJ0aW5vMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEc+/Bl+gospo6tf9Z7io5tdKdrlN1YdVnqEhEDXDShzdAJPQijamXIMHf8xWWTa1zgoYTxOKpbuJtDplz1XriTaMgMB4wDAYDVR0TBAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwCgYIKoZIzj0EAwMDRwAwRAIgemWQXnMAdTad2JDJWng9U4uBBL5mA7WI05H7oH7c6iQCIHiRqMjNfzUAyiu9h6rOU/K+iTR0I/3Y/NSWsXHX+acc";

#[test]
fn apples_chain() {
    let decode = |text: &str| BASE64.decode(text.as_bytes()).expect("base64");
    let [leaf, middle, _] = APPLE.map(decode);
    let root = decode(APPLE_ROOT);
    let roots = Roots::from_pem(pem(&[&root]).as_bytes()).expect("a root");
    let rules = Rules { purpose: Purpose::AppStore, ..Rules::default() };
    let signed = Now { wall: Duration::from_secs(1_681_312_846), ..Now::read() };
    assert!(verify_chain(&[&leaf, &middle], &roots, &rules, signed).is_ok());
    let whole: Vec<_> = APPLE.map(decode).to_vec();
    let whole: Vec<&[u8]> = whole.iter().map(|der| &**der).collect();
    assert!(verify_chain(&whole, &roots, &rules, signed).is_ok(), "the root that comes along is not asked");
    assert!(verify_chain(&[&leaf, &middle], &Roots::public(), &rules, signed).is_err());
    // The same shape without Apple's markers.
    let own = Authority::root();
    let marker = |oid: &[u64]| CustomExtension::from_oid_content(oid, vec![5, 0]);
    let (issues, signs) = ([1, 2, 840, 113_635, 100, 6, 2, 1], [1, 2, 840, 113_635, 100, 6, 11, 1]);
    for (marked_issuer, marked_leaf, expected) in [(true, true, true), (true, false, false), (false, true, false)] {
        let middle = own.below("middle", |params| {
            if marked_issuer {
                params.custom_extensions.push(marker(&issues));
            }
        });
        let leaf = middle.leaf(|params| {
            if marked_leaf {
                params.custom_extensions.push(marker(&signs));
            }
        });
        let verdict = verify_chain(&[&leaf, &middle.der], &trusting(&[&own]), &rules, now());
        assert_eq!(verdict.is_ok(), expected, "{marked_issuer} {marked_leaf}: {verdict:?}");
    }
}

#[test]
fn roots_of_files() {
    let root = Authority::root();
    let text = pem(&[&root.der]);
    assert!(Roots::from_pem(text.as_bytes()).is_ok());
    assert!(!Roots::public().anchors().is_empty());
    for (text, expected) in [
        (String::new(), RootsFault::None),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n".to_owned(), RootsFault::Pem),
        (pem(&[b"0"]), RootsFault::Malformed(1)),
        (text.repeat(257), RootsFault::TooMany),
    ] {
        assert_eq!(Roots::from_pem(text.as_bytes()).err(), Some(expected));
    }
}

fn source(kind: Kind) -> Source {
    let pin = Pattern::parse("https://sns.{region}.amazonaws.com/SimpleNotificationService-*.pem").expect("good");
    Source { addresses: Box::new([]), kind, pins: Box::new([pin]), rules: rules(Vouched::ByPlace) }
}

fn address(index: usize) -> String {
    format!("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-{index}.pem")
}

#[test]
fn what_is_kept_is_bounded() {
    let root = Authority::root();
    let good = pem(&[&root.leaf(|_| {})]);
    let certificates = Certificates::new(source(Kind::Certificate), Roots::public(), None);
    let there = |index| certificates.find(&address(index), now()).is_some();
    assert!(certificates.permits(&address(0)) && !certificates.permits("https://sns.evil.com/a.pem"));
    assert!(certificates.find(&address(0), now()).is_none());
    let expired = pem(&[&root.leaf(|params| params.not_after = date_time_ymd(2023, 2, 1))]);
    assert_eq!(certificates.put(&address(0), expired.as_bytes(), now()).err(), Some(Fault::Expired));
    assert_eq!(certificates.put(&address(0), &vec![b'a'; 100_000], now()).err(), Some(Fault::TooLarge));
    assert_eq!(certificates.put(&address(0), b"<html>", now()).err(), Some(Fault::Empty));
    assert_eq!(certificates.count(), 0);
    for index in 0..MOST {
        certificates.put(&address(index), good.as_bytes(), now()).expect("good");
    }
    assert!(there(0));
    certificates.put(&address(MOST), good.as_bytes(), now()).expect("good");
    assert!(there(0) && !there(1) && there(MOST), "the one that was used least recently has gone");
    certificates.put(&address(0), good.as_bytes(), now()).expect("good");
    assert_eq!(certificates.count(), MOST, "an address is kept once");
    let later = Now { wall: NOW + Duration::from_secs(100 * 86_400), ..Now::read() };
    assert!(certificates.find(&address(0), later).is_none(), "what has ended is asked for anew");
}

#[test]
fn a_directory_asks_nobody() {
    let root = Authority::root();
    let leaf = root.leaf(|_| {});
    let files = vec![
        ("SimpleNotificationService-1.pem".to_owned(), pem(&[&leaf]).into_bytes()),
        ("SimpleNotificationService-2.pem".to_owned(), b"none".to_vec()),
    ];
    let certificates = Certificates::new(source(Kind::Certificate), Roots::public(), Some(files));
    assert!(certificates.is_offline());
    assert!(certificates.find(&address(1), now()).is_some());
    assert!(certificates.find(&address(2), now()).is_none());
    assert!(certificates.find(&address(3), now()).is_none());
}

#[test]
fn bare_keys_are_kept_for_a_day() {
    let key = KeyPair::generate().expect("a key");
    let certificates = Certificates::new(source(Kind::PublicKey), Roots::public(), None);
    certificates.put(&address(1), key.public_key_pem().as_bytes(), now()).expect("a key");
    let after = |seconds| Now { wall: NOW + Duration::from_secs(seconds), ..Now::read() };
    assert!(certificates.find(&address(1), after(86_400)).is_some());
    assert!(certificates.find(&address(1), after(86_401)).is_none());
    assert!(certificates.put(&address(1), b"-----BEGIN PUBLIC KEY-----", now()).is_err());
}
