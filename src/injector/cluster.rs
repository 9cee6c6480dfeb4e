//! The API server, asked as the injector's service account: what a namespace says, the Secret with the own certificate, and
//! the webhook configuration that names its authority.
//!
//! Token and authority are read from their files for each question: the kubelet renews the one each hour, and the other
//! changes when a cluster's does.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::clock::Now;
use crate::fetch::address::Reach;
use crate::fetch::client::call::Reply;
use crate::fetch::client::{Ask, Client};
use crate::fetch::url::Url;
use crate::inject::review::Namespace;

/// The largest answer: a webhook configuration, with an authority's certificates for each webhook.
const MAX_ANSWER: u64 = 4 << 20;

/// How long an answer may take: an API server waits for ours for ten seconds by default, and may be told five.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long what a namespace says is believed: a label that was just set counts for pods that come a little later.
const BELIEVED: Duration = Duration::from_secs(5);

/// The most namespaces that are remembered; when there are more, all are forgotten.
const MAX_NAMESPACES: usize = 4096;

/// The API server.
#[derive(Debug)]
pub(super) struct Cluster {
    base: String,
    account: PathBuf,
    namespaces: Mutex<HashMap<String, (Instant, Arc<Namespace>)>>,
}

/// What a change came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It was made.
    Done,
    /// Somebody else was faster.
    Conflict,
}

impl Cluster {
    /// `None`: this runs in no cluster, or without a service account.
    pub(super) fn new(base: &str, account: &Path) -> Result<Option<Arc<Self>>, String> {
        if !account.join("token").exists() {
            return Ok(None);
        }
        let base = base.trim_end_matches('/').to_owned();
        Url::parse(&format!("{base}/")).map_err(|problem| format!("the API server's address {problem}"))?;
        Ok(Some(Arc::new(Self { base, account: account.to_owned(), namespaces: Mutex::default() })))
    }

    /// What a namespace says. One that may not be looked up, or is not there, says nothing.
    pub(super) async fn namespace(&self, name: &str) -> Result<Arc<Namespace>, String> {
        let now = Now::read().instant;
        if let Some((since, known)) = self.namespaces().get(name)
            && now.saturating_duration_since(*since) < BELIEVED
        {
            return Ok(known.clone());
        }
        let path = format!("/api/v1/namespaces/{}", segment(name)?);
        let reply = self.call(&path, Ask::get(MAX_ANSWER, PATIENCE)).await?;
        let found = match reply.status {
            200 => Namespace::of(&json(&reply)?),
            status @ (401 | 403 | 404) => {
                tracing::warn!(
                    namespace = name,
                    status,
                    "a namespace cannot be looked up: its pods' own labels decide"
                );
                Namespace::default()
            }
            status => return Err(format!("the API server answered {status}")),
        };
        let found = Arc::new(found);
        let mut all = self.namespaces();
        if all.len() >= MAX_NAMESPACES {
            all.clear();
        }
        all.insert(name.to_owned(), (now, found.clone()));
        Ok(found)
    }

    fn namespaces(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, Arc<Namespace>)>> {
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object.
    pub(super) async fn get(&self, path: &str) -> Result<Value, String> {
        self.object(path, Ask::get(MAX_ANSWER, PATIENCE)).await
    }

    /// The same within other bounds.
    pub(super) async fn object(&self, path: &str, ask: Ask<'_>) -> Result<Value, String> {
        let reply = self.call(path, ask).await?;
        if reply.status == 200 { json(&reply) } else { Err(format!("GET {path}: {}", told(&reply))) }
    }

    /// Writes an object that was read, if nobody else has since: its `resourceVersion` goes with it.
    pub(super) async fn put(&self, path: &str, object: &Value) -> Result<Put, String> {
        let body = Zeroizing::new(serde_json::to_vec(object).map_err(|error| error.to_string())?);
        let body = Some((body.as_slice(), "application/json"));
        let reply = self.call(path, Ask { method: "PUT", body, ..Ask::get(MAX_ANSWER, PATIENCE) }).await?;
        match reply.status {
            200 | 201 => Ok(Put::Done),
            409 => Ok(Put::Conflict),
            _ => Err(format!("PUT {path}: {}", told(&reply))),
        }
    }

    /// Any answer: its status is the caller's to judge.
    pub(super) async fn call(&self, path: &str, ask: Ask<'_>) -> Result<Reply, String> {
        let token = read(&self.account.join("token"))?;
        let token = std::str::from_utf8(&token).map_err(|_| "the service account's token is no text")?.trim();
        let authorities = read(&self.account.join("ca.crt"))?;
        let authorities: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&authorities).collect();
        let authorities = authorities.map_err(|error| format!("the cluster's authority is not valid PEM: {error}"))?;
        // Wherever the cluster's own service is: its address is the cluster's choice, not a stranger's.
        let everywhere = ["0.0.0.0/0", "::/0"].iter().filter_map(|network| network.parse().ok()).collect();
        let client = Client::new(Some(&authorities), Reach::Networks(everywhere)).map_err(|error| error.to_string())?;
        let url = Url::parse(&format!("{}{path}", self.base))?;
        let bearer = Zeroizing::new(format!("Bearer {token}"));
        let ask = Ask { authorization: Some(&bearer), ..ask };
        client.call(&url, ask).await.map_err(|fault| format!("the API server at {}: {fault}", self.base))
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let bytes: io::Result<_> = fs::read(path);
    bytes.map(Zeroizing::new).map_err(|error| format!("{}: {error}", path.display()))
}

fn json(reply: &Reply) -> Result<Value, String> {
    serde_json::from_slice(&reply.body).map_err(|error| format!("the API server's answer is no JSON: {error}"))
}

/// What an API server says is wrong.
pub(super) fn told(reply: &Reply) -> String {
    let message = json(reply).ok().and_then(|status| status["message"].as_str().map(str::to_owned));
    format!("status {}: {}", reply.status, message.unwrap_or_default())
}

/// A name as a part of a path: nothing in it leads elsewhere.
pub(super) fn segment(name: &str) -> Result<&str, String> {
    let plain = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
    let good = plain && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.len() <= 253;
    good.then_some(name).ok_or_else(|| format!("{name:?} is no object's name"))
}
