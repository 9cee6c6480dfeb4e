//! The APIs that give a provider's public keys one by one, as their pages describe them: which question, with which
//! credentials, and what the answer looks like. A question with other credentials is answered with 401.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use data_encoding::BASE64;
use hookwarden::auth::signature::PublicKey;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::keys::{Answer, KeyServer};
use super::sidecar::Builder;

/// The account that every such API knows.
const ID: &str = "an-account";

/// What that account has to know.
pub(crate) const SECRET: &str = "hunter2-of-the-account";

/// What stands for eBay's account for a while; theirs look like that.
const TOKEN: &str = "v^1.1#i^1#p^1#r^0";

/// A provider's API on loopback.
pub(crate) struct KeyApi {
    /// What it answers can be changed, as any server's, and changed back.
    pub(crate) server: KeyServer,
    provider: &'static str,
    state: Arc<Mutex<State>>,
    directory: TempDir,
}

struct State {
    keys: Vec<(String, PublicKey)>,
    secret: String,
    /// When Plaid's keys end.
    ends: Option<u64>,
}

impl KeyApi {
    /// That provider's, with no keys yet.
    pub(crate) fn of(provider: &'static str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("secret"), format!("{SECRET}\n")).expect("a file");
        let state = State { keys: Vec::new(), secret: SECRET.to_owned(), ends: None };
        let server = KeyServer::answering(Answer::Refuse);
        let api = Self { server, provider, state: Arc::new(Mutex::new(state)), directory };
        api.recover();
        api
    }

    /// Answers as the provider does, after something else.
    pub(crate) fn recover(&self) {
        let (provider, state) = (self.provider, self.state.clone());
        self.server.answer(Answer::Hang);
        self.server.answer_by(move |request| answer(provider, &state.lock().expect("no thread has panicked"), request));
    }

    /// Has a key from now on.
    pub(crate) fn put(&self, kid: &str, key: PublicKey) {
        self.state().keys.push((kid.to_owned(), key));
    }

    /// Has a key no longer.
    pub(crate) fn take_back(&self, kid: &str) {
        self.state().keys.retain(|(known, _)| known != kid);
    }

    /// Says of all keys that they ended then.
    pub(crate) fn ended(&self, at: u64) {
        self.state().ends = Some(at);
    }

    /// Knows another secret from now on, and the old one no longer.
    pub(crate) fn change_secret(&self, secret: &str) {
        secret.clone_into(&mut self.state().secret);
    }

    /// The file that the route's secret stands in.
    pub(crate) fn secret_file(&self) -> PathBuf {
        self.directory.path().join("secret")
    }

    /// Lets a route of a sidecar ask it, and reach it.
    pub(crate) fn on(&self, builder: Builder, route: &str) -> Builder {
        let path = if self.provider == "circle" { "/v2" } else { "" };
        let name = |field: &str| format!("ROUTE_{}_{field}", route.to_uppercase());
        let builder = self.server.on(builder).set(&name("KEYS_API_URL"), self.server.url(path));
        match self.provider {
            "circle" => builder.set(&name("API_KEY_FILE"), self.secret_file()),
            "ebay" | "plaid" => {
                builder.set(&name("CLIENT_ID"), ID).set(&name("CLIENT_SECRET_FILE"), self.secret_file())
            }
            _ => builder,
        }
    }

    /// How many keys it was asked for so far: the other questions are for tokens.
    pub(crate) fn questions(&self) -> usize {
        self.server.asked().iter().filter(|request| !request.starts_with("POST /identity/")).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread has panicked")
    }
}

fn answer(provider: &str, state: &State, request: &str) -> Answer {
    let (head, body) = request.split_once("\r\n\r\n").expect("a whole request");
    let field = |name: &str| {
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect::<Vec<_>>()
    };
    let authorization = field("Authorization");
    let line: Vec<_> = head.lines().next().unwrap_or_default().split(' ').collect();
    let refused = Answer::status(401, "");
    match (provider, line.as_slice()) {
        ("ebay", ["POST", "/identity/v1/oauth2/token", _]) => {
            let pair = BASE64.encode(format!("{ID}:{}", state.secret).as_bytes());
            let form = "grant_type=client_credentials&scope=https%3A%2F%2Fapi.ebay.com%2Foauth%2Fapi_scope";
            let typed = field("Content-Type") == ["application/x-www-form-urlencoded"];
            if authorization != [format!("Basic {pair}")] || body != form || !typed {
                return refused;
            }
            let kind = "Application Access Token";
            Answer::ok(json!({ "access_token": TOKEN, "expires_in": 7200, "token_type": kind }).to_string())
        }
        ("ebay", ["GET", path, _]) if authorization == [format!("Bearer {TOKEN}")] => {
            found(state, path.strip_prefix("/commerce/notification/v1/public_key/"), |_, key| {
                // In one line, as eBay writes it.
                let pem: String = key.to_pem().lines().collect();
                json!({ "algorithm": "ECDSA", "digest": "SHA1", "key": pem })
            })
        }
        ("circle", ["GET", path, _]) if authorization == [format!("Bearer {}", state.secret)] => {
            found(state, path.strip_prefix("/v2/notifications/publicKey/"), |kid, key| {
                let pem = key.to_pem();
                let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
                let date = "2023-06-01T18:18:06.931526Z";
                let data = json!({ "id": kid, "algorithm": "ECDSA_SHA_256", "publicKey": base64, "createDate": date });
                json!({ "data": data })
            })
        }
        ("plaid", ["POST", "/webhook_verification_key/get", _]) => {
            let typed = field("Content-Type") == ["application/json"];
            let asked: Value = serde_json::from_str(body).unwrap_or_default();
            let kid = asked["key_id"].as_str();
            if !typed || asked != json!({ "client_id": ID, "secret": state.secret, "key_id": kid }) {
                return Answer::status(400, "");
            }
            match found(state, kid, |kid, key| {
                let mut jwk = Value::Object(key.clone().labelled(Some(kid), None).to_jwk());
                jwk["alg"] = "ES256".into();
                (jwk["created_at"], jwk["expired_at"]) = (1_560_466_150.into(), state.ends.into());
                json!({ "key": jwk, "request_id": "RZ6Omi1bzzwDaLo" })
            }) {
                // Plaid calls an id that it does not have invalid input.
                none if none == Answer::status(404, "") => Answer::status(400, ""),
                found => found,
            }
        }
        ("atlassian_connect_lifecycle", ["GET", path, _]) if authorization.is_empty() => {
            let known = state.keys.iter().find(|(known, _)| path.strip_prefix('/') == Some(known));
            known.map_or_else(|| Answer::status(404, ""), |(_, key)| Answer::ok(key.to_pem()))
        }
        _ => refused,
    }
}

fn found(state: &State, kid: Option<&str>, write: impl Fn(&str, &PublicKey) -> Value) -> Answer {
    match state.keys.iter().find(|(known, _)| Some(known.as_str()) == kid) {
        Some((kid, key)) => Answer::ok(write(kid, key).to_string()),
        None => Answer::status(404, ""),
    }
}
