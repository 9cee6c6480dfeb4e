//! `sign`: a request as a provider would send it, made by the one signing path, and printed or sent.

use std::fmt::Write;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use data_encoding::BASE64;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::auth::jwt::Required;
use crate::auth::keys::{Key, KeyText};
use crate::auth::scheme::{Proof, Scheme};
use crate::auth::sign::{Draft, sample_body, sign};
use crate::clock::Now;
use crate::config;
use crate::providers::{self, CustomFields};

use super::http::{Response, Url};
use super::terminal::FormatFlag;
use super::{Exit, Failure, curl, draft, generate_key, terminal};

/// How long an answer may take: longer than a sidecar waits for its service.
const PATIENCE: Duration = Duration::from_secs(60);

/// The largest secret or body that is read; what a provider sends stays far below.
const MAX_INPUT: u64 = 64 << 20;

#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 signed, or sent and answered with 2xx; 1 answered with another status; 2 the
arguments or the key make no sense; 69 no answer.

Examples:
  hookwarden sign --provider github --secret-file key --url https://example.com/hooks/github
  hookwarden sign --provider stripe --secret-file key --output raw | nc 127.0.0.1 8443
  hookwarden sign --provider slack --secret-file key --send http://127.0.0.1:8443/hooks/slack
  hookwarden sign --provider custom --secret-file key --signature-header X-Signature
  hookwarden sign --provider discord --generate-key key.pem")]
pub(super) struct Sign {
    #[command(flatten)]
    sender: SenderFlags,
    #[command(flatten)]
    secret: SecretFlags,
    /// The URL that the provider would call [default: that of `--send`, else `http://127.0.0.1:8443/hooks/ID`]
    #[arg(long)]
    url: Option<String>,
    /// The method
    #[arg(long, default_value = "POST")]
    method: String,
    /// A header field; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    #[command(flatten)]
    body: BodyFlags,
    /// When it is signed, in RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Send the request to this `http://` URL and print the answer
    #[arg(long, value_name = "URL", conflicts_with = "output")]
    send: Option<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Output::Curl)]
    output: Output,
    #[command(flatten)]
    format: FormatFlag,
}

/// Whose part is played.
#[derive(clap::Args)]
pub(super) struct SenderFlags {
    /// The provider's id, or `custom`
    #[arg(long, value_name = "ID")]
    pub(super) provider: String,
    #[command(flatten)]
    token: TokenFlags,
    #[command(flatten)]
    own: super::providers::OwnProviders,
    #[command(flatten)]
    custom: CustomFlags,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Secrets {
    /// The secret itself; it shows in the process list and the shell's history, so a file is better
    #[arg(long, value_name = "TEXT")]
    secret: Option<String>,
    /// The secret's file, as `SECRET_FILE`: one key a line, or a directory of keys; - is standard input. Where the
    /// provider signs with a private key, that key: PEM, DER in base64, a JWK, or a bare Ed25519 seed
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Sign nothing: write a new private key to this file, and print the public key to configure
    #[arg(long, value_name = "FILE")]
    generate_key: Option<PathBuf>,
}

#[derive(clap::Args)]
struct SecretFlags {
    #[command(flatten)]
    source: Secrets,
    /// Which key of the file: its line's number among the keys, or its file's name [default: the first]
    #[arg(long, value_name = "ID")]
    key_id: Option<String>,
}

#[derive(clap::Args)]
struct BodyFlags {
    /// The body [default: a small sample that has what the provider's scheme reads]
    #[arg(long, value_name = "TEXT", conflicts_with = "body_file")]
    body: Option<String>,
    /// The body's file; - is standard input
    #[arg(long, value_name = "FILE")]
    body_file: Option<PathBuf>,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A curl command for a POSIX shell
    Curl,
    /// The bytes of the HTTP/1.1 request
    Raw,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Where the provider sends a signed token")]
struct TokenFlags {
    /// Who issued it (iss), as the route's ISSUER
    #[arg(long)]
    issuer: Option<String>,
    /// Whom it is for (aud), as the route's AUDIENCE
    #[arg(long)]
    audience: Option<String>,
    /// A further claim, as in the route's `REQUIRED_CLAIMS`; may be given several times
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<String>,
}

#[derive(clap::Args)]
#[command(next_help_heading = "With --provider custom")]
struct CustomFlags {
    /// hmac, token, ed25519, ecdsa or rsa
    #[arg(long)]
    scheme: Option<String>,
    /// The hash of the HMAC, or the signature's algorithm
    #[arg(long)]
    algorithm: Option<String>,
    /// How an ECDSA signature is written
    #[arg(long, value_name = "FORM")]
    ecdsa_form: Option<String>,
    /// The header field of the signature or token
    #[arg(long, value_name = "NAME")]
    signature_header: Option<String>,
    /// The grammar of its value
    #[arg(long, value_name = "FORMAT")]
    signature_format: Option<String>,
    /// How the signature is written
    #[arg(long, value_name = "ENCODING")]
    signature_encoding: Option<String>,
    /// A template of the bytes that are signed
    #[arg(long, value_name = "TEMPLATE")]
    signed_content: Option<String>,
    /// The header field of the signed time
    #[arg(long, value_name = "NAME")]
    timestamp_header: Option<String>,
    /// How that time is written
    #[arg(long, value_name = "UNIT")]
    timestamp_unit: Option<String>,
    /// How the secret is written
    #[arg(long, value_name = "ENCODING")]
    secret_encoding: Option<String>,
}

impl Sign {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let is_stdin = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
        if is_stdin(&self.secret.source.secret_file) && is_stdin(&self.body.body_file) {
            return Err(Failure::usage("standard input can be the secret or the body, not both"));
        }
        let scheme = self.sender.scheme()?;
        if let Some(file) = &self.secret.source.generate_key {
            return generate_key::run(&self.sender.provider, &scheme, file, self.format);
        }
        let key = Key::for_signing(&scheme, &self.secret.read()?).map_err(Failure::usage)?;
        let now = self.now()?;
        let mut draft = self.draft(&scheme, now)?;
        draft::complete(&scheme, &mut draft);
        let draft = sign(&scheme, &key, draft, now).map_err(Failure::usage)?;
        let bytes = draft::to_bytes(&draft).map_err(Failure::usage)?;
        match (&self.send, self.output) {
            (Some(to), _) => self.send(to, draft),
            (None, _) if self.format.is_json() => Ok(terminal::print_json(&as_json(&draft), Exit::Fine)),
            (None, Output::Curl) => Ok(terminal::print(&curl::command(&draft), Exit::Fine)),
            (None, Output::Raw) => Ok(terminal::print_bytes(&bytes, Exit::Fine)),
        }
    }

    fn now(&self) -> Result<Now, Failure> {
        let now = Now::read();
        let Some(text) = &self.time else { return Ok(now) };
        let since_1970 = |time: jiff::Timestamp| Duration::try_from(time.as_duration()).ok();
        let wall = text.parse().ok().and_then(since_1970);
        let wall = wall.ok_or_else(|| Failure::usage(format!("--time {text:?} is not like 2026-01-31T12:00:00Z")))?;
        Ok(Now { wall, ..now })
    }

    fn draft(&self, scheme: &Scheme, now: Now) -> Result<Draft, Failure> {
        let url = self.url.clone().or_else(|| self.send.clone());
        let url = url.unwrap_or_else(|| format!("http://127.0.0.1:8443/hooks/{}", self.sender.provider));
        Url::parse(&url).map_err(Failure::usage)?;
        let body = match (&self.body.body, &self.body.body_file) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(path)) => read(path)?.to_vec(),
            (None, None) => sample_body(scheme, now),
        };
        let headers = self.headers.iter().map(|text| header(text)).collect::<Result<_, _>>()?;
        Ok(Draft { method: self.method.clone(), url, headers, body })
    }

    /// The signed URL may be the public one; the request goes to where it is to be sent.
    fn send(&self, to: &str, mut draft: Draft) -> Result<Exit, Failure> {
        to.clone_into(&mut draft.url);
        let bytes = draft::to_bytes(&draft).map_err(Failure::usage)?;
        let url = Url::parse(to).map_err(Failure::usage)?;
        if !url.is_plain() {
            return Err(Failure::usage(format!(
                "--send {to}: only http:// can be sent to; --output curl works for https://"
            )));
        }
        let response = url.exchange(&draft.method, &bytes, PATIENCE);
        let response = response.map_err(|error| Failure::unavailable(format!("{to}: {error}")))?;
        let exit = if (200..300).contains(&response.status) { Exit::Fine } else { Exit::Negative };
        if self.format.is_json() {
            let mut sent = as_json(&draft);
            sent["response"] = json!({
                "status": response.status,
                "headers": headers_as_json(&response.headers),
                "body": String::from_utf8_lossy(&response.body),
            });
            return Ok(terminal::print_json(&sent, exit));
        }
        Ok(terminal::print(&as_text(&response), exit))
    }
}

impl SenderFlags {
    /// The scheme, with what its tokens are to say.
    pub(super) fn scheme(&self) -> Result<std::sync::Arc<Scheme>, Failure> {
        let scheme = self.provider_scheme()?;
        if self.token.issuer.is_none() && self.token.audience.is_none() && self.token.claims.is_empty() {
            return Ok(scheme);
        }
        let mut scheme = Scheme::clone(&scheme);
        let Proof::Jwt(jwt) = &mut scheme.proof else {
            return Err(Failure::usage("--issuer, --audience and --claim are for providers that send signed tokens"));
        };
        let Some(mut rules) = jwt.rules().cloned() else {
            return Err(Failure::usage("this provider's tokens carry no claims"));
        };
        let one = |text: &Option<String>| text.iter().map(|text| text.as_str().into()).collect::<Box<[Box<str>]>>();
        if self.token.issuer.is_some() {
            rules.issuers = one(&self.token.issuer);
        }
        if self.token.audience.is_some() {
            rules.audiences = one(&self.token.audience);
        }
        let claims: Result<Vec<_>, _> = self.token.claims.iter().map(|text| Required::parse(text)).collect();
        let claims = claims.map_err(|fault| Failure::usage(format!("--claim {fault}")))?;
        rules.required = rules.required.into_iter().chain(claims).collect();
        jwt.set_rules(rules);
        Ok(scheme.into())
    }

    fn provider_scheme(&self) -> Result<std::sync::Arc<Scheme>, Failure> {
        let fields = self.custom.fields();
        let told = |faults: Vec<providers::Fault>| {
            let flag = |key| format!("--{}", providers::custom_field(key).to_ascii_lowercase().replace('_', "-"));
            let told: Vec<_> = faults.iter().map(|fault| format!("{}: {}", flag(fault.key), fault.problem)).collect();
            Failure::usage(told.join("\n"))
        };
        if self.provider != "custom" {
            let own = self.own.load()?;
            let provider = super::providers::find(&self.provider, &own)?;
            if fields.names().any(|name| !provider.configurable.iter().any(|open| open == name)) {
                return Err(Failure::usage("the flags of a scheme need --provider custom"));
            }
            return provider.scheme_with(&fields).map_err(told);
        }
        Ok(providers::custom(&fields).map_err(told)?.into())
    }
}

impl SecretFlags {
    /// The one key that is asked for.
    fn read(&self) -> Result<KeyText, Failure> {
        read_key(self.source.secret.as_deref(), self.source.secret_file.as_deref(), self.key_id.as_deref())
    }
}

/// The key of that id, or the first, of a secret's text or file.
pub(super) fn read_key(text: Option<&str>, file: Option<&Path>, id: Option<&str>) -> Result<KeyText, Failure> {
    let keys = match (text, file) {
        (Some(text), _) => vec![KeyText::new("1", text.as_bytes())],
        (None, Some(path)) if path.as_os_str() == "-" => config::keys_of_lines(&read(path)?),
        (None, Some(path)) => config::keys_at(path).map_err(Failure::usage)?,
        (None, None) => Vec::new(),
    };
    let ids: Vec<_> = keys.iter().map(|key| key.id.clone()).collect();
    let wanted = |key: &KeyText| id.is_none_or(|id| *id == key.id);
    keys.into_iter().find(wanted).ok_or_else(|| match id {
        Some(id) => Failure::usage(format!("there is no key {id:?}; there are {}", ids.join(", "))),
        None => Failure::usage("--secret-file holds no key"),
    })
}

impl CustomFlags {
    fn fields(&self) -> CustomFields {
        CustomFields {
            scheme: self.scheme.clone(),
            algorithm: self.algorithm.clone(),
            ecdsa_form: self.ecdsa_form.clone(),
            signature_header: self.signature_header.clone(),
            signature_format: self.signature_format.clone(),
            signature_encoding: self.signature_encoding.clone(),
            signed_content: self.signed_content.clone(),
            timestamp_header: self.timestamp_header.clone(),
            timestamp_unit: self.timestamp_unit.clone(),
            secret_encoding: self.secret_encoding.clone(),
        }
    }
}

/// A bounded file, or standard input.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let source: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?)
    };
    let mut bytes = Zeroizing::new(Vec::new());
    let read = source.take(MAX_INPUT + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(Failure::usage(format!("{} is larger than 64 MiB", path.display())));
    }
    Ok(bytes)
}

pub(super) fn header(text: &str) -> Result<(String, String), Failure> {
    let Some((name, value)) = text.split_once(':') else {
        return Err(Failure::usage(format!("--header {text:?} is not like 'Name: value'")));
    };
    if draft::is_made(name.trim()) {
        return Err(Failure::usage(format!("--header {name}: it is made from the URL and the body")));
    }
    // A line's end would begin another field.
    if value.contains(char::is_control) {
        return Err(Failure::usage(format!("--header {name}: its value has a control character")));
    }
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn as_json(draft: &Draft) -> Value {
    let text = std::str::from_utf8(&draft.body).ok();
    json!({
        "method": draft.method,
        "url": draft.url,
        "headers": headers_as_json(&draft.headers),
        "body": text,
        "body_base64": BASE64.encode(&draft.body),
        "curl": curl::command(draft),
    })
}

fn headers_as_json(headers: &[(String, String)]) -> Vec<Value> {
    headers.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

fn as_text(response: &Response) -> String {
    let mut text = format!("{}\n", response.status);
    for (name, value) in &response.headers {
        let _ = writeln!(text, "{name}: {value}");
    }
    let _ = writeln!(text, "\n{}", String::from_utf8_lossy(&response.body).trim_end_matches('\n'));
    // A terminal must not obey what a server sends it.
    text.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "\u{fffd}")
}
