//! `providers`: the catalogue as a table, and one provider with what to set for it.

use std::fmt::Write;
use std::path::PathBuf;

use serde::Serialize;

use crate::auth::challenge::Challenge;
use crate::auth::key_api::Credential;
use crate::auth::scheme::{
    Binding, Encoding, Field, Jwks, KeyIdFrom, Proof, Scheme, SecretEncoding, Signature, SignaturePlace, TimeUnit,
    Timestamp, TimestampFrom,
};
use crate::auth::signature::Strength;
use crate::config;
use crate::providers::{self, Provider};
use crate::suggest;

use super::check::field;
use super::layout::{self, list, or_dash, table, wrap};
use super::terminal::{FormatFlag, Paint};
use super::{Exit, Failure, terminal};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  hookwarden providers
  hookwarden providers github
  hookwarden providers --kind token --search calendar
  hookwarden providers --format json | jq -r '.[] | select(.timestamp == null) | .id'")]
pub(super) struct Providers {
    /// A provider's id; without one, all are listed
    #[arg(conflicts_with_all = ["kind", "search"])]
    id: Option<String>,
    /// List only those of a kind: hmac, digest, token, basic, ed25519, ecdsa or rsa
    #[arg(long, value_parser = ["hmac", "digest", "token", "basic", "ed25519", "ecdsa", "rsa"])]
    kind: Option<String>,
    /// List only those whose id, name or category holds this text
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    own: OwnProviders,
    #[command(flatten)]
    format: FormatFlag,
}

/// The user's own definitions.
#[derive(clap::Args)]
pub(super) struct OwnProviders {
    /// A directory with provider definitions beside the catalogue's
    #[arg(long, value_name = "DIR", env = "HOOKWARDEN_PROVIDERS_DIR")]
    providers_dir: Option<PathBuf>,
}

impl OwnProviders {
    /// Reads them.
    pub(super) fn load(&self) -> Result<Vec<Provider>, Failure> {
        let own = self.providers_dir.as_deref().map(config::providers_at);
        own.unwrap_or(Ok(Vec::new())).map_err(|problems| Failure::usage(problems.join("\n")))
    }
}

/// A provider as programs read it.
#[derive(Serialize)]
struct View<'a> {
    id: &'a str,
    aliases: &'a [String],
    name: &'a str,
    kind: &'static str,
    algorithm: Option<&'static str>,
    docs: &'a str,
    confidence: &'a str,
    category: &'a str,
    header: &'a str,
    place: String,
    format: &'a str,
    signed: Option<String>,
    binding: &'static str,
    repeats: bool,
    configurable: &'a [String],
    timestamp: Option<String>,
    tolerance_seconds: Option<u64>,
    delivery_id: Option<String>,
    delivery_id_signed: bool,
    event: Option<String>,
    challenge: bool,
    challenges: Vec<String>,
    retry: &'a str,
    setup: &'a str,
    limits: &'a str,
}

impl Providers {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let own = self.own.load()?;
        let find = |id| find(id, &own);
        match (&self.id, self.format.is_json()) {
            (None, false) => Ok(terminal::print(&table_of(&self.listed(&own)), Exit::Fine)),
            (None, true) => {
                let views: Vec<_> = self.listed(&own).into_iter().map(View::new).collect();
                Ok(terminal::print_json(&views, Exit::Fine))
            }
            (Some(id), false) => Ok(terminal::print(&details(find(id)?, Paint::for_stdout()), Exit::Fine)),
            (Some(id), true) => Ok(terminal::print_json(&View::new(find(id)?), Exit::Fine)),
        }
    }

    /// The providers that are asked for.
    fn listed<'p>(&self, own: &'p [Provider]) -> Vec<&'p Provider> {
        let of_kind = |provider: &&Provider| self.kind.as_ref().is_none_or(|kind| provider.kind() == kind);
        let found = |provider: &&Provider| {
            self.search.as_ref().map(|text| text.to_lowercase()).is_none_or(|text| {
                let texts = provider.aliases.iter().chain([&provider.id, &provider.name, &provider.category]);
                texts.into_iter().any(|known| known.to_lowercase().contains(&text))
            })
        };
        let mut all: Vec<&Provider> = providers::all().iter().chain(own).collect();
        all.sort_by(|one, other| one.id.cmp(&other.id));
        all.into_iter().filter(of_kind).filter(found).collect()
    }
}

/// The provider with that id, the user's own or the catalogue's.
pub(super) fn find<'p>(id: &str, own: &'p [Provider]) -> Result<&'p Provider, Failure> {
    let own = own.iter().find(|provider| provider.id == id || provider.aliases.iter().any(|alias| alias == id));
    own.or_else(|| providers::find(id)).ok_or_else(|| {
        if let Some(known) = providers::unsupported().iter().find(|known| known.id == id) {
            return Failure::usage(format!("{} is not supported: {}", known.name, known.why));
        }
        let hint = match suggest::nearest(id, providers::ids()) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => "`hookwarden providers` lists all".to_owned(),
        };
        Failure::usage(format!("{id:?} is no provider's id; {hint}"))
    })
}

impl<'a> View<'a> {
    fn new(provider: &'a Provider) -> Self {
        let scheme = &provider.scheme;
        Self {
            id: &provider.id,
            aliases: &provider.aliases,
            name: &provider.name,
            kind: provider.kind(),
            algorithm: provider.algorithm(),
            docs: &provider.docs,
            confidence: &provider.confidence,
            category: &provider.category,
            header: &scheme.signature.header,
            place: place(&scheme.signature),
            format: &scheme.signature.written,
            signed: signed(scheme),
            binding: scheme.binding.word(),
            repeats: scheme.repeats,
            configurable: &provider.configurable,
            timestamp: scheme.timestamp.as_ref().map(timestamp),
            tolerance_seconds: scheme.timestamp.as_ref().map(|_| scheme.tolerance.as_secs()),
            delivery_id: scheme.delivery_id.as_ref().map(field),
            delivery_id_signed: scheme.delivery_id.as_ref().is_some_and(|field| scheme.signs(field)),
            event: scheme.event.as_ref().map(field),
            challenge: !scheme.challenges.is_empty(),
            challenges: scheme.challenges.iter().map(challenge).collect(),
            retry: &provider.retry,
            setup: &provider.setup,
            limits: &provider.limits,
        }
    }
}

fn table_of(listed: &[&Provider]) -> String {
    let row = |provider: &&Provider| {
        [
            provider.id.clone(),
            provider.name.clone(),
            provider.kind().to_owned(),
            or_dash(provider.algorithm()),
            provider.scheme.binding.word().to_owned(),
            provider.docs.clone(),
        ]
    };
    let rows: Vec<_> = listed.iter().map(row).collect();
    let count = rows.len();
    let hint = "`hookwarden providers ID` says how to set one up; what is not listed may be PROVIDER=custom";
    format!("{}\n{count} providers. {hint}.\n", table(["ID", "NAME", "KIND", "HASH", "BINDS", "DOCUMENTATION"], &rows))
}

fn details(provider: &Provider, paint: Paint) -> String {
    let scheme = &provider.scheme;
    let aliases = match provider.aliases.as_slice() {
        [] => String::new(),
        aliases => format!("; also {}", aliases.join(", ")),
    };
    let hash = provider.algorithm().unwrap_or_default();
    let kind = match &scheme.proof {
        Proof::PublicKey { algorithms, .. } => {
            let names: Vec<_> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
            format!("a signature that your copy of the sender's public key checks: {}", names.join(" or "))
        }
        Proof::Hmac { .. } => format!("HMAC with {hash}"),
        Proof::Digest { .. } => format!("a plain {hash} over content that holds the secret"),
        Proof::Jwt(jwt) => format!("a signed token, {}", jwt.algorithms.names().collect::<Vec<_>>().join(" or ")),
        Proof::ClientCertificate => "the client's certificate, which TLS checks".to_owned(),
        Proof::Token if provider.kind() == "basic" => "HTTP Basic: user and password are sent along".to_owned(),
        Proof::Token => "a token that is sent along; it signs nothing".to_owned(),
    };
    let challenges: Vec<_> = scheme.challenges.iter().map(challenge).collect();
    let checks = scheme.checks.iter().map(|check| format!("{} is {}", check.value.text(), check.equals.text()));
    let time = scheme
        .timestamp
        .as_ref()
        .map(|time| format!("signed ({}), accepted within {}", timestamp(time), layout::duration(scheme.tolerance)));
    let is_encoded = scheme.signed().filter(|_| !matches!(scheme.proof, Proof::Jwt(_)));
    let facts = [
        ("scheme", kind),
        ("where", place(&scheme.signature)),
        ("encoding", is_encoded.map_or("", |_| encoding(scheme.signature.encoding)).to_owned()),
        ("signed", signed(scheme).unwrap_or_default()),
        ("binds", binding(scheme.binding).to_owned()),
        (
            "replays",
            if scheme.repeats { "genuine messages may be alike, so REPLAY is off".into() } else { String::new() },
        ),
        ("each of", scheme.each.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("checked", checks.collect::<Vec<_>>().join("; ")),
        ("claims", claims(scheme)),
        ("secret", secret(scheme)),
        ("key set", key_set(scheme)),
        ("time", time.unwrap_or_else(|| "not signed".to_owned())),
        ("delivery id", told(scheme, scheme.delivery_id.as_ref())),
        ("event", told(scheme, scheme.event.as_ref())),
        ("challenge", challenges.join("; ")),
        ("retries", provider.retry.clone()),
        ("limits", provider.limits.clone()),
        ("facts from", confidence(&provider.confidence).to_owned()),
        ("docs", provider.docs.clone()),
    ];
    let title = paint.strong(&format!("{} ({}{aliases})", provider.name, provider.id));
    format!("{title}\n{}\n{}\n{}", list(&facts), paint.strong("To set it up"), setup(provider))
}

fn setup(provider: &Provider) -> String {
    let id = &provider.id;
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = id.chars().map(upper).collect();
    let signs_url = provider.scheme.needs_public_url();
    let required = provider.scheme.challenges.iter().any(|challenge| challenge.verify_required);
    let in_path = provider.scheme.signature.place == SignaturePlace::PathSegment;
    let asks = provider.asks();
    let claims: Vec<_> = asks.claims.iter().map(|claim| format!("{claim}=…")).collect();
    let or_none = |asked: bool, text: &str| if asked { text.to_owned() } else { String::new() };
    let variables = [
        ("PATH", if in_path { format!("/hooks/{id}/*") } else { format!("/hooks/{id}") }),
        ("PROVIDER", id.clone()),
        (key_variable(&provider.scheme), format!("/run/secrets/{id}")),
        ("ISSUER", or_none(asks.issuer, "https://id.example.com")),
        ("AUDIENCE", or_none(asks.audience, &format!("https://example.com/hooks/{id}"))),
        ("REQUIRED_CLAIMS", claims.join(",")),
        ("VERIFY_TOKEN_FILE", if required { format!("/run/secrets/{id}-verify") } else { String::new() }),
        ("PUBLIC_URL", if signs_url { "https://example.com".to_owned() } else { String::new() }),
    ];
    let mut text = wrap(&provider.setup, 2) + "\n";
    for (field, value) in variables.iter().filter(|(field, value)| !field.is_empty() && !value.is_empty()) {
        let _ = writeln!(text, "  HOOKWARDEN_ROUTE_{name}_{field}={value}");
    }
    if matches!(provider.scheme.proof, Proof::ClientCertificate) || provider.scheme.key_source.chain.is_some() {
        return text;
    }
    let mut flags = format!("--url https://example.com/hooks/{id}");
    for (field, value) in variables.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = match *field {
            "ISSUER" => write!(flags, " --issuer {value}"),
            "AUDIENCE" => write!(flags, " --audience {value}"),
            _ => Ok(()),
        };
    }
    for claim in &claims {
        flags.extend([" --claim ", claim]);
    }
    let sign = format!("hookwarden sign --provider {id}");
    let _ = if provider.scheme.public_algorithms().is_empty() {
        let trial = format!("{sign} --secret-file /run/secrets/{id}");
        writeln!(text, "\n  A signed request to try it with:\n  {trial} \\\n    {flags}")
    } else {
        writeln!(
            text,
            "\n  To try it with a key pair of your own:\n  {sign} --generate-key key.pem\n  {sign} --secret-file key.pem \\\n    {flags}"
        )
    };
    text
}

/// The setting that names the keys; empty where there are none.
fn key_variable(scheme: &Scheme) -> &'static str {
    match scheme.key_source.jwks {
        _ if matches!(scheme.proof, Proof::ClientCertificate) => "",
        _ if scheme.key_source.chain.is_some() => "TRUST_ROOTS_FILE",
        Jwks::Somewhere | Jwks::At(_) => "JWKS_FILE",
        Jwks::None => "SECRET_FILE",
    }
}

/// Where the signature stands, and its grammar as a definition writes it.
fn place(signature: &Signature) -> String {
    let place = match &signature.place {
        SignaturePlace::Header => signature.header.to_string(),
        SignaturePlace::RepeatedHeader => format!("{}, which may be repeated", signature.header),
        SignaturePlace::Headers { names, all } => names.join(if *all { " and " } else { " or " }),
        SignaturePlace::NumberedHeaders(prefix) => format!("{prefix}N"),
        SignaturePlace::Query(name) => format!("query parameter {name}"),
        SignaturePlace::Json(path) => format!("JSON member {path}"),
        SignaturePlace::Form(name) => format!("form field {name}"),
        SignaturePlace::PathSegment => "last segment of the path".to_owned(),
        SignaturePlace::HttpSignature(rules) => {
            let chosen = |what, text: &Option<Box<str>>| {
                text.as_ref().map_or_else(String::new, |text| format!(", {what} {text}"))
            };
            let (label, tag) = (chosen("label", &rules.label), chosen("tag", &rules.tag));
            format!("Signature and Signature-Input, covering at least {}{label}{tag}", rules.cover.join(", "))
        }
        SignaturePlace::Body => return "the whole body".to_owned(),
        SignaturePlace::Nowhere => return String::new(),
    };
    let members: Vec<_> = signature.envelope.iter().map(ToString::to_string).collect();
    let envelope = match members.as_slice() {
        [] => String::new(),
        members => format!(", of the members {} of JSON in base64", members.join(" and ")),
    };
    format!("{place}: {}{envelope}", signature.written)
}

/// What may be signed, as a definition writes it.
fn signed(scheme: &Scheme) -> Option<String> {
    let texts: Vec<_> = scheme.contents().iter().map(|content| content.text().replace('\n', "\\n")).collect();
    (!texts.is_empty()).then(|| texts.join(" or "))
}

/// What a token's claims must say.
fn claims(scheme: &Scheme) -> String {
    let Proof::Jwt(jwt) = &scheme.proof else { return String::new() };
    let Some(rules) = jwt.rules() else { return String::new() };
    let mut texts =
        vec![if rules.must_expire { "exp must be there" } else { "exp is heeded where it is there" }.to_owned()];
    for (name, accepted) in [("iss", &rules.issuers), ("aud", &rules.audiences)] {
        texts.extend((!accepted.is_empty()).then(|| format!("{name} is {}", accepted.join(" or "))));
    }
    for required in &rules.required {
        let says = required.says.as_ref().map(|says| format!(" is {says}"));
        texts.push(format!("{}{}", required.claim, says.unwrap_or_else(|| " must be there".to_owned())));
    }
    texts.join("; ")
}

fn timestamp(timestamp: &Timestamp) -> String {
    let place = match &timestamp.from {
        TimestampFrom::Header(name) => format!("header:{name}"),
        TimestampFrom::Signature => "signature".to_owned(),
        TimestampFrom::Json(path) => format!("json:{path}"),
        TimestampFrom::Query(name) => format!("query:{name}"),
        TimestampFrom::Form(name) => format!("form:{name}"),
        TimestampFrom::Claim(path) => format!("claim:{path}"),
        TimestampFrom::Jose(path) => format!("jose:{path}"),
    };
    let unit = match timestamp.unit {
        TimeUnit::Seconds => "s",
        TimeUnit::Milliseconds => "ms",
        TimeUnit::Microseconds => "us",
        TimeUnit::SecondsOrMilliseconds => "s_or_ms",
        TimeUnit::Rfc3339 => "rfc3339",
        TimeUnit::HttpDate => "http_date",
        TimeUnit::DateTime => "datetime",
    };
    format!("{place}, {unit}")
}

/// A verification of the endpoint, in a line.
fn challenge(challenge: &Challenge) -> String {
    let proven = if challenge.authenticated { "once it has proven itself" } else { "unproven" };
    let verify = if challenge.verify.is_some() { ", against VERIFY_TOKEN" } else { "" };
    format!("{} answered by the sidecar, {proven}{verify}", challenge.method)
}

fn binding(binding: Binding) -> &'static str {
    match binding {
        Binding::None => "nothing: who has seen one request can make others",
        Binding::Partial => "a part of the message; the rest could be changed on the way",
        Binding::Full => "the whole body",
    }
}

/// A field of a message, and how far it can be trusted.
fn told(scheme: &Scheme, place: Option<&Field>) -> String {
    match place {
        None => String::new(),
        Some(place) if scheme.signs(place) => format!("{}, signed", field(place)),
        Some(place) => format!("{}, not signed", field(place)),
    }
}

/// Where a published set of keys is, and how a message names one of them.
fn key_set(scheme: &Scheme) -> String {
    let place = match &scheme.key_source.jwks {
        _ if scheme.key_source.api.is_some() => by_id(scheme),
        Jwks::None => return String::new(),
        Jwks::Somewhere => "published by the sender; in JWKS_FILE here".to_owned(),
        Jwks::At(url) => format!("published at {url}; in JWKS_FILE here"),
    };
    let named = match &scheme.key_source.key_id {
        None => String::new(),
        Some(KeyIdFrom::Field(place)) => format!("; a message names its key in {}", field(place)),
        Some(KeyIdFrom::Capture(_)) => "; a message names its key beside the signature".to_owned(),
    };
    place + &named
}

/// Who is given keys one by one, and where.
fn by_id(scheme: &Scheme) -> String {
    let Some(api) = &scheme.key_source.api else { return String::new() };
    let with = match &api.credential {
        Credential::None => "anybody",
        Credential::Bearer => "API_KEY_FILE",
        Credential::ClientCredentials { .. } | Credential::InBody => "CLIENT_ID and CLIENT_SECRET_FILE",
    };
    let or = if scheme.key_source.jwks == Jwks::None { "SECRET_FILE" } else { "JWKS_FILE" };
    format!("given one by one at {} to {with}; or in {or} here", api.base)
}

fn secret(scheme: &Scheme) -> String {
    if matches!(scheme.proof, Proof::ClientCertificate) {
        return "none: the client's certificate is the proof".to_owned();
    }
    if scheme.key_source.chain.is_some() {
        return "none: the certificates that come along lead to TRUST_ROOTS_FILE".to_owned();
    }
    if !scheme.public_algorithms().is_empty() {
        let weak = if scheme.key_source.strength == Strength::Legacy { "; RSA from 1024 bits" } else { "" };
        return format!("the sender's public key: PEM, DER in base64, a JWK, or bare{weak}");
    }
    let form = match scheme.secret.encoding {
        SecretEncoding::Text => "text, used as it stands",
        SecretEncoding::Hex => "hexadecimal of the key",
        SecretEncoding::Base64 => "base64 of the key",
    };
    let form = match &*scheme.secret.parts {
        [] => form.to_owned(),
        parts => parts.join(&scheme.secret.join.to_string()),
    };
    let form = match &*scheme.secret.strip_prefix {
        "" => form,
        prefix => format!("{form}, after {prefix}"),
    };
    match (&scheme.secret.key, &scheme.secret.sent) {
        (Some(made), _) => format!("{form}; the key is {}", made.text()),
        (None, Some(made)) => format!("{form}; what is sent is {}", made.text()),
        (None, None) => form,
    }
}

fn encoding(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Hex => "hex",
        Encoding::HexUpper => "hex_upper",
        Encoding::Base64Hex => "base64_hex",
        Encoding::Base64 => "base64",
        Encoding::Base64Url => "base64url",
    }
}

fn confidence(confidence: &str) -> &'static str {
    match confidence {
        "docs" => "the provider's documentation",
        "source" => "the source of the provider's server or SDK",
        _ => "hearsay; not confirmed",
    }
}
