//! The injector's own authority and certificate: made here, kept in a Secret that all replicas read, renewed long before
//! they end, and never with a gap.
//!
//! | what could go wrong | what stops it |
//! |---|---|
//! | two replicas make one each | the Secret is written by its `resourceVersion`: the slower one reads the faster one's |
//! | API servers do not know a new authority yet | it is put before the old one, and signs only once it is known: [`SETTLE`] |
//! | an old certificate is still shown somewhere | its authority stays in the bundle until it ends |
//! | a clock is a little slow | what is made now is good from an hour ago |
//!
//! `rcgen` makes the certificates: it is the rustls project's own, signs with ring as all else here, and needs no C.
//! Only the Secret's owner sees the authority's key; it signs nothing but this one Service's name.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, date_time_ymd,
};
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::clock::Now;

use super::certificates::Shown;
use super::cluster::{Cluster, Put, segment};
use super::metrics::Metrics;
use super::{Settings, Source};

const DAY: u64 = 24 * 60 * 60;

/// How long an authority lives.
const AUTHORITY: u64 = 365 * DAY;

/// When it is renewed: so long before its end that no certificate outlives its authority.
const RENEW_AUTHORITY: u64 = 120 * DAY;

/// How long a certificate lives.
const CERTIFICATE: u64 = 30 * DAY;

/// When it is renewed.
const RENEW_CERTIFICATE: u64 = 10 * DAY;

/// How long a new authority is known before it signs what is shown: API servers read webhook configurations by a watch,
/// which takes seconds.
const SETTLE: u64 = 10 * 60;

/// How long before it was made something is good.
const BACKDATED: u64 = 60 * 60;

/// How often a change is tried that others keep being faster with.
const TRIES: usize = 5;

/// What the Secret holds, as PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stored {
    /// The authorities, the one that signs first.
    pub(super) authorities: String,
    /// The key of the first.
    pub(super) authority_key: String,
    /// The certificate.
    pub(super) certificate: String,
    /// Its key.
    pub(super) key: String,
}

/// The fields of the Secret.
const FIELDS: [&str; 4] = ["ca.crt", "ca.key", "tls.crt", "tls.key"];

impl Stored {
    /// What an object holds. What is not there, or cannot be read, is made anew.
    pub(super) fn of(secret: &Value) -> Self {
        let text = |field: &str| {
            let bytes = BASE64.decode(secret["data"][field].as_str().unwrap_or_default().as_bytes());
            bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
        };
        let [authorities, authority_key, certificate, key] = FIELDS.map(text);
        Self { authorities, authority_key, certificate, key }
    }

    /// Puts it into an object.
    pub(super) fn put_into(&self, secret: &mut Value) {
        let values = [&self.authorities, &self.authority_key, &self.certificate, &self.key];
        for (field, value) in FIELDS.iter().zip(values) {
            secret["data"][field] = json!(BASE64.encode(value.as_bytes()));
        }
    }

    /// What is to be kept instead; `None`: all is well.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(super) fn renewed(&self, names: &[String], now: u64) -> Result<Option<Self>, rcgen::Error> {
        let authorities = authorities(&self.authorities, now);
        let Some((authority, key)) = authorities.first().and_then(|first| Some((first, self.signing_key(first)?)))
        else {
            // Nothing to go on with: what is there may still be in use by others, so it stays trusted.
            return Self::made(names, now, &authorities).map(Some);
        };
        if authority.ends.saturating_sub(now) < RENEW_AUTHORITY {
            let (certificate, authority_key) = new_authority(now)?;
            let authorities = bundle(&certificate, &authorities);
            return Ok(Some(Self { authorities, authority_key, ..self.clone() }));
        }
        let trusted: Vec<_> = authorities.iter().map(|authority| authority.der.clone()).collect();
        let good = |by: &[CertificateDer<'static>], at: u64| self.is_good(by, names, at);
        let settled = now.saturating_sub(authority.begins) >= SETTLE + BACKDATED;
        let works = good(&trusted, now);
        let lasts = good(&trusted, now + RENEW_CERTIFICATE) && good(&trusted[..1], now);
        if lasts || (works && !settled) {
            return Ok(None);
        }
        let (certificate, serving_key) = new_certificate(names, now, key)?;
        Ok(Some(Self { certificate, key: serving_key, ..self.clone() }))
    }

    /// Whether those who trust a bundle would believe it at a time.
    #[cfg(test)]
    pub(super) fn is_trusted_by(&self, bundle: &str, names: &[String], at: u64) -> bool {
        let trusted: Vec<_> = authorities(bundle, at).into_iter().map(|authority| authority.der).collect();
        self.is_good(&trusted, names, at)
    }

    fn made(names: &[String], now: u64, before: &[Authority]) -> Result<Self, rcgen::Error> {
        let (authority, authority_key) = new_authority(now)?;
        let (certificate, key) = new_certificate(names, now, KeyPair::from_pem(&authority_key)?)?;
        Ok(Self { authorities: bundle(&authority, before), authority_key, certificate, key })
    }

    /// The key of an authority, if it is the one that is kept.
    fn signing_key(&self, authority: &Authority) -> Option<KeyPair> {
        key_of(&authority.der, &self.authority_key)
    }

    /// Whether the certificate would be believed at a time by those who trust these authorities.
    fn is_good(&self, trusted: &[CertificateDer<'static>], names: &[String], at: u64) -> bool {
        let anchors: Vec<_> = trusted.iter().filter_map(|der| webpki::anchor_from_trusted_cert(der).ok()).collect();
        let Some(Ok(certificate)) = CertificateDer::pem_slice_iter(self.certificate.as_bytes()).next() else {
            return false;
        };
        let Ok(parsed) = EndEntityCert::try_from(&certificate) else { return false };
        let time = UnixTime::since_unix_epoch(Duration::from_secs(at));
        let (algorithms, usage) = (webpki::ALL_VERIFICATION_ALGS, KeyUsage::server_auth());
        let believed = parsed.verify_for_usage(algorithms, &anchors, &[], time, usage, None, None).is_ok();
        let named = |name: &String| {
            ServerName::try_from(name.as_str()).is_ok_and(|name| parsed.verify_is_valid_for_subject_name(&name).is_ok())
        };
        believed && key_of(&certificate, &self.key).is_some() && names.iter().all(named)
    }
}

/// A key, if it is a certificate's.
fn key_of(certificate: &[u8], pem: &str) -> Option<KeyPair> {
    let key = KeyPair::from_pem(pem).ok()?;
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    (certificate.public_key().subject_public_key.data.as_ref() == key.der_bytes()).then_some(key)
}

/// An authority that has not ended.
struct Authority {
    der: CertificateDer<'static>,
    begins: u64,
    ends: u64,
}

/// The authorities of a bundle. What cannot be read is left out, and so is what has ended.
fn authorities(pem: &str, now: u64) -> Vec<Authority> {
    let read = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).filter_map(|der| {
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let second = |time: i64| u64::try_from(time).unwrap_or_default();
        let validity = parsed.validity();
        let (begins, ends) = (second(validity.not_before.timestamp()), second(validity.not_after.timestamp()));
        drop(parsed);
        Some((begins, ends, der.into_owned()))
    });
    let live = read.filter(|(_, ends, _)| *ends > now);
    // Two are there while one follows the other; more would be a fault, and not to grow without end.
    live.take(4).map(|(begins, ends, der)| Authority { der, begins, ends }).collect()
}

fn bundle(first: &str, others: &[Authority]) -> String {
    let block = |authority: &Authority| {
        let body = BASE64.encode(&authority.der);
        let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    };
    let others = others.iter().take(3).map(block);
    let first = first.replace("\r\n", "\n");
    format!("{}\n{}", first.trim_end(), others.collect::<String>())
}

/// The parameters of every authority of ours.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "hookwarden-injector authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn lasting(params: &mut CertificateParams, now: u64, long: u64) {
    let at = |second: u64| date_time_ymd(1970, 1, 1) + Duration::from_secs(second);
    (params.not_before, params.not_after) = (at(now.saturating_sub(BACKDATED)), at(now + long));
}

fn new_authority(now: u64) -> Result<(String, String), rcgen::Error> {
    let (key, mut params) = (KeyPair::generate()?, authority());
    lasting(&mut params, now, AUTHORITY);
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn new_certificate(names: &[String], now: u64, authority_key: KeyPair) -> Result<(String, String), rcgen::Error> {
    let (key, mut params) = (KeyPair::generate()?, CertificateParams::new(names.to_vec())?);
    lasting(&mut params, now, CERTIFICATE);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "hookwarden-injector");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let issuer = Issuer::new(authority(), authority_key);
    Ok((params.signed_by(&key, &issuer)?.pem(), key.serialize_pem()))
}

/// Keeps the Secret, the webhook configuration and what is shown in step.
#[derive(Debug)]
pub(super) struct Keeper {
    cluster: Arc<Cluster>,
    secret: String,
    webhook: String,
    names: Vec<String>,
}

impl Keeper {
    /// `None`: the certificates are somebody else's.
    pub(super) fn new(settings: &Settings, cluster: Option<Arc<Cluster>>) -> Result<Option<Self>, String> {
        let Source::Own { secret, service, webhook } = &settings.certificates else { return Ok(None) };
        let account = settings.service_account.display();
        let cluster = cluster.ok_or_else(|| {
            format!("the own certificate is kept in the cluster, and there is no service account's token in {account}")
        })?;
        let namespace = segment(&settings.namespace)?;
        let service = segment(service)?;
        let names = ["svc", "svc.cluster.local"].map(|end| format!("{service}.{namespace}.{end}"));
        Ok(Some(Self {
            cluster,
            secret: format!("/api/v1/namespaces/{namespace}/secrets/{}", segment(secret)?),
            webhook: format!(
                "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{}",
                segment(webhook)?
            ),
            names: names.to_vec(),
        }))
    }

    /// One look, and what follows from it.
    pub(super) async fn keep(&self, shown: &Shown, metrics: &Metrics) {
        match self.look(shown).await {
            Ok(false) => {}
            Ok(true) => {
                metrics.reloaded(true);
                tracing::info!("another certificate is shown");
            }
            Err(problem) => {
                metrics.reloaded(false);
                tracing::error!(problem, "the own certificate cannot be kept; what was shown before is shown on");
            }
        }
    }

    /// The Secret first, then who trusts it, then what is shown: nobody is shown what nobody trusts.
    async fn look(&self, shown: &Shown) -> Result<bool, String> {
        let stored = self.stored().await?;
        self.write_bundle(&stored.authorities).await?;
        shown.show(stored.certificate.as_bytes(), stored.key.as_bytes())
    }

    async fn stored(&self) -> Result<Stored, String> {
        for _ in 0..TRIES {
            let mut secret = self.cluster.get(&self.secret).await?;
            let stored = Stored::of(&secret);
            let renewed = stored.renewed(&self.names, Now::read().unix_seconds());
            let Some(renewed) = renewed.map_err(|error| error.to_string())? else { return Ok(stored) };
            renewed.put_into(&mut secret);
            if self.cluster.put(&self.secret, &secret).await? == Put::Done {
                tracing::info!("the own certificate or its authority was renewed");
                return Ok(renewed);
            }
        }
        Err("others keep changing the Secret".to_owned())
    }

    async fn write_bundle(&self, authorities: &str) -> Result<(), String> {
        let bundle = json!(BASE64.encode(authorities.as_bytes()));
        for _ in 0..TRIES {
            let mut configuration = self.cluster.get(&self.webhook).await?;
            let webhooks = configuration["webhooks"].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
            let mut changed = false;
            for webhook in webhooks.iter_mut().filter(|webhook| webhook["clientConfig"]["caBundle"] != bundle) {
                webhook["clientConfig"]["caBundle"] = bundle.clone();
                changed = true;
            }
            if !changed || self.cluster.put(&self.webhook, &configuration).await? == Put::Done {
                return Ok(());
            }
        }
        Err("others keep changing the webhook configuration".to_owned())
    }
}
