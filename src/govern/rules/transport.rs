//! How webhooks get here and on to the service: encryption, certificates, and whose word on the sender is taken.

use crate::config::survey::CertificateFacts;
use crate::govern::subject::Subject;
use crate::policy::Upstream;

use super::{Critical, DAY, High, Hits, Info, Low, Medium, Row, Settings, row, span};

pub(super) static ROWS: &[Row] = &[
    row(
        "HW001",
        Critical,
        "Webhooks are served in plaintext",
        "Whoever is on the way reads bodies and tokens, and with a static token can then send webhooks of his own.",
        "Set HOOKWARDEN_TLS=terminate with HOOKWARDEN_TLS_CERT_FILE and HOOKWARDEN_TLS_KEY_FILE, or HOOKWARDEN_TLS=forwarded behind a proxy that ends TLS; unset HOOKWARDEN_ALLOW_PLAINTEXT.",
        &["OWASP API8:2023", "NIST SP 800-53 SC-8", "CWE-319"],
        Settings(plaintext),
    ),
    row(
        "HW002",
        Low,
        "The last hop before the sidecar is not encrypted",
        "Between the proxy that ends TLS and the sidecar anybody on the network reads webhooks and their tokens.",
        "Set HOOKWARDEN_TLS=terminate and have the proxy pass TLS through or encrypt anew; or make sure that the network between encrypts.",
        &["NIST SP 800-53 SC-8", "CWE-319"],
        Settings(forwarded),
    ),
    row(
        "HW003",
        Info,
        "TLS 1.2 is still spoken",
        "TLS 1.2 has no known break with the suites that are offered here, but 1.3 leaves an attacker less to work with.",
        "When all senders speak it: HOOKWARDEN_TLS_MIN_VERSION=1.3.",
        &["NIST SP 800-53 SC-13", "CWE-327"],
        Settings(tls_version),
    ),
    row(
        "HW004",
        Medium,
        "A certificate ends soon, or has ended",
        "Senders refuse an ended certificate, and every webhook is lost; in a hurry people then switch verification off.",
        "Renew the certificate in HOOKWARDEN_TLS_CERT_FILE; a changed file is live within seconds. Automate it, as with cert-manager or certbot.",
        &["NIST SP 800-53 SC-17", "NIST SP 800-53 SC-12"],
        Settings(certificate_end),
    ),
    row(
        "HW005",
        High,
        "A certificate's key or signature is weak",
        "Who can factor the key of the certificate or of an authority behind it, or make a second certificate of the same hash, can stand in for this endpoint and read every webhook.",
        "Put a certificate and its chain with RSA keys of at least 2048 bits or EC keys of at least 256, signed over SHA-256 or better, into HOOKWARDEN_TLS_CERT_FILE.",
        &["NIST SP 800-53 SC-13", "CWE-326"],
        Settings(certificate_key),
    ),
    row(
        "HW006",
        High,
        "No certificate is for the name that senders call",
        "Senders that verify refuse the connection; those that were told not to verify can be led to anybody.",
        "Have the certificate in HOOKWARDEN_TLS_CERT_FILE issued for the host of HOOKWARDEN_ROUTE_<NAME>_PUBLIC_URL, or correct that URL.",
        &["NIST SP 800-53 SC-17", "NIST SP 800-53 SC-23"],
        Settings(certificate_name),
    ),
    row(
        "HW007",
        Medium,
        "A certificate is signed by itself",
        "Providers cannot verify it. Where their verification was switched off for that, anybody on the way can pose as this endpoint.",
        "Put a certificate of an authority that the senders trust into HOOKWARDEN_TLS_CERT_FILE, and switch verification on at the provider.",
        &["NIST SP 800-53 SC-17", "OWASP API8:2023"],
        Settings(self_signed),
    ),
    row(
        "HW008",
        High,
        "Too many are trusted as proxies",
        "Whoever connects from a trusted network can claim any source address: he passes SOURCES, escapes rates and lock-outs, and leaves a false trace.",
        "Set HOOKWARDEN_TRUSTED_PROXIES to the addresses of the proxies alone, such as 10.0.3.17/32.",
        &["ASVS 5.0 15.3.4", "ASVS 5.0 4.1.3", "NIST SP 800-53 SC-7", "CWE-1188"],
        Settings(proxies),
    ),
    row(
        "HW009",
        Low,
        "The admin port can be reached from elsewhere",
        "Metrics tell the names of routes, their traffic, and how often authentication fails: an attacker sees how his attempts do.",
        "Set HOOKWARDEN_ADMIN_LISTEN=127.0.0.1:9464 where the scraper is in the pod; else let a NetworkPolicy admit the scraper and the kubelet alone.",
        &["OWASP API8:2023", "NIST SP 800-53 SC-7"],
        Settings(admin),
    ),
    row(
        "HW010",
        High,
        "The service is called over the network without TLS",
        "What was checked here can be read and changed on the way to the service, and whoever reaches the service can leave the sidecar out.",
        "Have the service listen on loopback and set HOOKWARDEN_UPSTREAM=127.0.0.1:8080, or call it with HOOKWARDEN_UPSTREAM=https://….",
        &["NIST SP 800-53 SC-8", "ASVS 5.0 12.3.5", "CWE-319"],
        Settings(upstream),
    ),
    row(
        "HW011",
        Medium,
        "Revoked client certificates are still accepted",
        "A sender's stolen certificate is good until it ends, whatever its authority says.",
        "Set HOOKWARDEN_TLS_CLIENT_CRL_FILE to a current revocation list of each authority.",
        &["NIST SP 800-53 IA-5", "NIST SP 800-53 SC-17", "CWE-613"],
        Settings(no_revocation),
    ),
    row(
        "HW012",
        Low,
        "Client certificates are asked for, and nobody is asked by name",
        "Any certificate of that authority opens the route, also one that was made for another purpose.",
        "Set HOOKWARDEN_ROUTE_<NAME>_CLIENT_SANS to the names that the sender's certificate has.",
        &["NIST SP 800-53 IA-3", "ASVS 5.0 12.3.5"],
        Settings(unnamed_clients),
    ),
    row(
        "HW013",
        Medium,
        "Keys and tokens may be asked for at any private address",
        "Who can change such an address, or its DNS, has the sidecar call into the network that it stands in.",
        "Set HOOKWARDEN_FETCH_ALLOW_PRIVATE to the one network that is meant, such as 10.96.0.0/12, or unset it.",
        &["OWASP API7:2023", "CWE-918", "NIST SP 800-53 AC-4"],
        Settings(private_fetch),
    ),
];

fn plaintext(subject: &Subject<'_>, hits: &mut Hits) {
    let (process, policy) = (subject.process, subject.policy);
    if policy.tls.is_some() || policy.front.https_by_proxy {
        return;
    }
    if process.listen.ip().to_canonical().is_loopback() {
        hits.global("TLS", format!("it is off; {} can be reached from this machine alone", process.listen)).severity =
            Low;
    } else {
        hits.global("TLS", format!("it is off, and {} can be reached from elsewhere", process.listen));
    }
}

fn forwarded(subject: &Subject<'_>, hits: &mut Hits) {
    if subject.policy.front.https_by_proxy && !subject.process.listen.ip().to_canonical().is_loopback() {
        hits.global("TLS", "it is forwarded: a proxy ends TLS elsewhere");
    }
}

fn tls_version(subject: &Subject<'_>, hits: &mut Hits) {
    if subject.policy.tls.is_some() && subject.text("TLS_MIN_VERSION").unwrap_or("1.2") == "1.2" {
        hits.global("TLS_MIN_VERSION", "it is 1.2");
    }
}

/// Certificates of 90 days are usually renewed 30 days before, so that fewer days left mean that this did not work.
const SOON: u64 = 21 * DAY;

/// When it is urgent.
const VERY_SOON: u64 = 7 * DAY;

fn certificate_end(subject: &Subject<'_>, hits: &mut Hits) {
    for certificate in &subject.survey.certificates {
        let left = u64::try_from(certificate.ends).unwrap_or_default().checked_sub(subject.now);
        let (evidence, severity) = match left {
            None | Some(0) => ("has ended".to_owned(), Critical),
            Some(left) if left < VERY_SOON => (format!("ends in {}", span(left)), High),
            Some(left) if left < SOON => (format!("ends in {}", span(left)), Medium),
            Some(_) => continue,
        };
        of_certificate(hits, certificate, &evidence).severity = severity;
    }
}

/// Of the whole chain. A sidecar does not start with a weak key of its own, as far as the TLS library knows, but shows what
/// authority it is told to. A certificate that is signed with its own key is believed for itself, not for its signature.
fn certificate_key(subject: &Subject<'_>, hits: &mut Hits) {
    let survey = subject.survey;
    let own = survey.certificates.iter().map(|certificate| (certificate, String::new()));
    let issuers = survey.issuers.iter().map(|issuer| (issuer, format!("for {:?} ", issuer.subject)));
    for (certificate, who) in own.chain(issuers) {
        let CertificateFacts { kind, bits, .. } = certificate;
        if *kind == "RSA" && *bits < 2048 || *bits < 224 {
            of_certificate(hits, certificate, &format!("{who}has a key of {kind} with {bits} bits"));
        }
        if certificate.weak_hash && !certificate.self_signed {
            of_certificate(hits, certificate, &format!("{who}is signed over SHA-1 or MD5"));
        }
    }
}

fn certificate_name(subject: &Subject<'_>, hits: &mut Hits) {
    let certificates = &subject.survey.certificates;
    let known: Vec<_> = certificates.iter().flat_map(|certificate| &certificate.hosts).collect();
    if certificates.is_empty() {
        return;
    }
    if known.is_empty() {
        hits.global("TLS_CERT_FILE", "the certificate names no host").severity = Medium;
    }
    for route in subject.policy.routes.iter() {
        let Some(host) = route.public_url.as_deref().and_then(host) else { continue };
        let is_for = |name: &&String| match name.strip_prefix('*') {
            Some(domain) => host.split_once('.').is_some_and(|(_, rest)| domain.strip_prefix('.') == Some(rest)),
            None => **name == host,
        };
        if !known.is_empty() && host.parse::<std::net::IpAddr>().is_err() && !known.iter().any(is_for) {
            hits.route(route, "PUBLIC_URL", format!("no certificate is for {host}"));
        }
    }
}

/// The host of a URL, in lower case and without the port.
fn host(url: &str) -> Option<String> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    Some(host.trim_matches(['[', ']']).to_ascii_lowercase())
}

fn self_signed(subject: &Subject<'_>, hits: &mut Hits) {
    for certificate in subject.survey.certificates.iter().filter(|certificate| certificate.self_signed) {
        of_certificate(hits, certificate, "was signed with its own key");
    }
}

fn of_certificate<'h>(
    hits: &'h mut Hits,
    certificate: &CertificateFacts,
    evidence: &str,
) -> &'h mut crate::govern::finding::Finding {
    hits.global("TLS_CERT_FILE", format!("the certificate in {} {evidence}", certificate.path.display()))
}

fn proxies(subject: &Subject<'_>, hits: &mut Hits) {
    for network in &subject.policy.front.proxies {
        let addresses = network.max_prefix_len() - network.prefix_len();
        let severity = match addresses {
            0..=8 => continue,
            9..=12 => Medium,
            // Sites of IPv6 have at least a /64 each.
            13..=64 if network.max_prefix_len() == 128 => continue,
            _ => High,
        };
        hits.global("TRUSTED_PROXIES", format!("{network} has 2^{addresses} addresses")).severity = severity;
    }
}

fn admin(subject: &Subject<'_>, hits: &mut Hits) {
    let address = subject.process.admin_listen;
    if address.ip().to_canonical().is_loopback() {
        return;
    }
    hits.global("ADMIN_LISTEN", format!("it is {address}"));
}

fn upstream(subject: &Subject<'_>, hits: &mut Hits) {
    let upstreams = &subject.policy.upstreams;
    if let Some(evidence) = upstreams.first().and_then(open_way)
        && subject.policy.routes.iter().any(|route| route.upstream == 0)
    {
        hits.global("UPSTREAM", evidence);
    }
    for route in subject.policy.routes.iter().filter(|route| route.upstream > 0) {
        if let Some(evidence) = upstreams.get(route.upstream).and_then(open_way) {
            hits.route(route, "UPSTREAM", evidence);
        }
    }
}

/// What is wrong with the way to a service.
fn open_way(upstream: &Upstream) -> Option<String> {
    match upstream {
        Upstream::Tcp(address) if !address.ip().to_canonical().is_loopback() => Some(format!("it is {address}")),
        Upstream::Name(name) if !is_local(name) => Some(format!("it is {name}")),
        Upstream::Tcp(_) | Upstream::Name(_) | Upstream::Unix(_) | Upstream::Tls(_) => None,
    }
}

/// Names that are loopback wherever they are looked up (RFC 6761 section 6.3).
fn is_local(name: &str) -> bool {
    let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
    host == "localhost" || host.ends_with(".localhost")
}

fn no_revocation(subject: &Subject<'_>, hits: &mut Hits) {
    if subject.policy.clients.is_some() && !subject.is_set("TLS_CLIENT_CRL_FILE") {
        hits.global("TLS_CLIENT_CRL_FILE", "it is not set, and client certificates are accepted");
    }
}

fn unnamed_clients(subject: &Subject<'_>, hits: &mut Hits) {
    if subject.policy.clients.is_none() {
        return;
    }
    for route in subject.policy.routes.iter().filter(|route| route.client_sans.is_empty()) {
        hits.route(route, "CLIENT_SANS", "it is not set");
    }
}

fn private_fetch(subject: &Subject<'_>, hits: &mut Hits) {
    if subject.text("FETCH_ALLOW_PRIVATE") == Some("true") {
        hits.global("FETCH_ALLOW_PRIVATE", "it is true");
    }
}
