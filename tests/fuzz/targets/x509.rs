//! Chains of certificates, the PEM that holds them, and the addresses that are pinned: judged without a panic, and nothing
//! leads to a public root that it was not issued by.
#![no_main]

use std::time::Duration;

use hookwarden::auth::x509::certificates::Certificates;
use hookwarden::auth::x509::pattern::Pattern;
use hookwarden::auth::x509::roots::Roots;
use hookwarden::auth::x509::{Kind, Purpose, Rules, Source, Vouched, verify_chain};
use hookwarden::clock::Now;
use libfuzzer_sys::fuzz_target;

const PINS: [&str; 2] =
    ["https://sns.{region}.amazonaws.com/SimpleNotificationService-*.pem", "https://sns.{region}.amazonaws.com/?{query}"];

fuzz_target!(|input: (Vec<&[u8]>, &str, &[u8])| {
    let (chain, address, pem) = input;
    let now = Now { wall: Duration::from_secs(1_700_000_000), ..Now::read() };
    for purpose in [Purpose::Signing, Purpose::Server, Purpose::AppStore] {
        let names = Pattern::parse("*.example.com").into_iter().collect();
        let rules = Rules { names, purpose, vouched: Vouched::ByChain };
        // Whoever finds one has broken more than this.
        assert!(verify_chain(&chain, &Roots::public(), &rules, now).is_err());
        let alone = Rules { vouched: Vouched::ByPlace, ..rules };
        let certified = verify_chain(&chain, &Roots::public(), &alone, now);
        assert!(certified.is_err() || chain.len() == 1 && certified.is_ok_and(|certified| certified.is_valid(now)));
    }
    check_address(address);
    let _ = Roots::from_pem(pem);
    for kind in [Kind::Certificate, Kind::PublicKey] {
        let source = Source { addresses: Box::new([]), kind, pins: Box::new([]), rules: Rules::default() };
        let certificates = Certificates::new(source, Roots::public(), None);
        let kept = certificates.put("https://h/a.pem", pem, now);
        assert_eq!(certificates.count(), usize::from(kept.is_ok()));
    }
});

/// What is pinned begins with its host, and is no other reader's other host.
fn check_address(address: &str) {
    for pin in PINS {
        let pin = Pattern::parse(pin).expect("a good pattern");
        if pin.fits(address) {
            let rest = address.strip_prefix("https://sns.").expect("the start");
            let (host, rest) = rest.split_once('/').expect("a path");
            let region = host.strip_suffix(".amazonaws.com").expect("the end");
            assert!(region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
            assert!(!region.starts_with("s3") && !rest.contains(['@', '#', '\\', ' ', '\r', '\n']));
        }
    }
}
