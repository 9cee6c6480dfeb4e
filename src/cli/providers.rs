//! `providers`: the catalogue as a table, and one provider with what to set for it.

use std::fmt::Write;

use serde::Serialize;

use crate::auth::scheme::{
    Encoding, Field, ItemValue, Scheme, SecretEncoding, Signature, TimeUnit, Timestamp, TimestampFrom,
};
use crate::auth::template::{Piece, Template};
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
  hookwarden providers --format json | jq -r '.[] | select(.timestamp == null) | .id'")]
pub(super) struct Providers {
    /// A provider's id; without one, all are listed
    id: Option<String>,
    #[command(flatten)]
    format: FormatFlag,
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
    header: &'a str,
    format: String,
    signed: Option<String>,
    timestamp: Option<String>,
    tolerance_seconds: Option<u64>,
    delivery_id: Option<String>,
    delivery_id_signed: bool,
    event: Option<String>,
    challenge: bool,
    retry: &'a str,
    setup: &'a str,
    limits: &'a str,
}

impl Providers {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        match (&self.id, self.format.is_json()) {
            (None, false) => Ok(terminal::print(&all(), Exit::Fine)),
            (None, true) => {
                let views: Vec<_> = providers::all().iter().map(View::new).collect();
                Ok(terminal::print_json(&views, Exit::Fine))
            }
            (Some(id), false) => Ok(terminal::print(&details(find(id)?, Paint::for_stdout()), Exit::Fine)),
            (Some(id), true) => Ok(terminal::print_json(&View::new(find(id)?), Exit::Fine)),
        }
    }
}

/// The provider with that id.
pub(super) fn find(id: &str) -> Result<&'static Provider, Failure> {
    providers::find(id).ok_or_else(|| {
        let ids = providers::all().iter().flat_map(|provider| provider.aliases.iter().chain([&provider.id]));
        let hint = match suggest::nearest(id, ids.map(String::as_str)) {
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
            header: &scheme.signature.header,
            format: format(&scheme.signature),
            signed: scheme.signed().map(template),
            timestamp: scheme.timestamp.as_ref().map(timestamp),
            tolerance_seconds: scheme.timestamp.as_ref().map(|_| scheme.tolerance.as_secs()),
            delivery_id: scheme.delivery_id.as_ref().map(field),
            delivery_id_signed: scheme.delivery_id.as_ref().is_some_and(|field| scheme.signs(field)),
            event: scheme.event.as_ref().map(field),
            challenge: scheme.challenge.is_some(),
            retry: &provider.retry,
            setup: &provider.setup,
            limits: &provider.limits,
        }
    }
}

fn all() -> String {
    let row = |provider: &Provider| {
        [
            provider.id.clone(),
            provider.name.clone(),
            provider.kind().to_owned(),
            or_dash(provider.algorithm()),
            provider.docs.clone(),
        ]
    };
    let rows: Vec<_> = providers::all().iter().map(row).collect();
    let count = rows.len();
    let hint = "`hookwarden providers ID` says how to set one up; what is not listed may be PROVIDER=custom";
    format!("{}\n{count} providers. {hint}.\n", table(["ID", "NAME", "KIND", "HASH", "DOCUMENTATION"], &rows))
}

fn details(provider: &Provider, paint: Paint) -> String {
    let scheme = &provider.scheme;
    let aliases = match provider.aliases.as_slice() {
        [] => String::new(),
        aliases => format!("; also {}", aliases.join(", ")),
    };
    let kind = match provider.algorithm() {
        Some(algorithm) => format!("HMAC with {algorithm}"),
        None => "a token that is sent along; it signs nothing".to_owned(),
    };
    let time = scheme
        .timestamp
        .as_ref()
        .map(|time| format!("signed ({}), accepted within {}", timestamp(time), layout::duration(scheme.tolerance)));
    let facts = [
        ("scheme", kind),
        ("header", format!("{}: {}", scheme.signature.header, format(&scheme.signature))),
        ("encoding", scheme.signed().map_or("", |_| encoding(scheme.signature.encoding)).to_owned()),
        ("signed", scheme.signed().map(template).unwrap_or_default()),
        ("secret", secret(scheme)),
        ("time", time.unwrap_or_else(|| "not signed".to_owned())),
        ("delivery id", told(scheme, scheme.delivery_id.as_ref())),
        ("event", told(scheme, scheme.event.as_ref())),
        ("challenge", scheme.challenge.as_ref().map_or("", |_| "answered by the sidecar").to_owned()),
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
    let signs_url = provider.scheme.signed().is_some_and(|signed| signed.has(&Piece::Url));
    let variables = [
        ("PATH", format!("/hooks/{id}")),
        ("PROVIDER", id.clone()),
        ("SECRET_FILE", format!("/run/secrets/{id}")),
        ("PUBLIC_URL", if signs_url { "https://example.com".to_owned() } else { String::new() }),
    ];
    let mut text = wrap(&provider.setup, 2) + "\n";
    for (field, value) in variables.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "  HOOKWARDEN_ROUTE_{name}_{field}={value}");
    }
    let trial = format!("hookwarden sign --provider {id} --secret-file /run/secrets/{id}");
    let _ =
        writeln!(text, "\n  A signed request to try it with:\n  {trial} \\\n    --url https://example.com/hooks/{id}");
    text
}

/// The signature header's grammar, as a definition writes it.
fn format(signature: &Signature) -> String {
    let separator = signature.format.separator.map_or(',', char::from).to_string();
    let item = |item: &crate::auth::scheme::Item| match item.value {
        ItemValue::Signature => format!("{}{{signature}}", item.prefix),
        ItemValue::Timestamp => format!("{}{{timestamp}}", item.prefix),
    };
    signature.format.items.iter().map(item).collect::<Vec<_>>().join(&separator)
}

/// The signed content, as a definition writes it.
fn template(template: &Template) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Literal(text) => text.replace('{', "{{").replace('}', "}}").replace('\n', "\\n"),
        Piece::Timestamp => "{timestamp}".to_owned(),
        Piece::Body => "{body}".to_owned(),
        Piece::Header(name) => format!("{{header:{name}}}"),
        Piece::Method => "{method}".to_owned(),
        Piece::Url => "{url}".to_owned(),
        Piece::Path => "{path}".to_owned(),
        Piece::Query => "{query}".to_owned(),
        Piece::FormSorted => "{form_sorted}".to_owned(),
    };
    let body = template.has_body().then_some(&Piece::Body);
    template.before().iter().chain(body).chain(template.after()).map(piece).collect()
}

fn timestamp(timestamp: &Timestamp) -> String {
    let place = match &timestamp.from {
        TimestampFrom::Header(name) => format!("header:{name}"),
        TimestampFrom::Signature => "signature".to_owned(),
        TimestampFrom::Json(path) => field(&Field::Json(path.clone())),
    };
    let unit = match timestamp.unit {
        TimeUnit::Seconds => "s",
        TimeUnit::Milliseconds => "ms",
        TimeUnit::Rfc3339 => "rfc3339",
    };
    format!("{place}, {unit}")
}

/// A field of a message, and how far it can be trusted.
fn told(scheme: &Scheme, place: Option<&Field>) -> String {
    match place {
        None => String::new(),
        Some(place) if scheme.signs(place) => format!("{}, signed", field(place)),
        Some(place) => format!("{}, not signed", field(place)),
    }
}

fn secret(scheme: &Scheme) -> String {
    let form = match scheme.secret.encoding {
        SecretEncoding::Text => "text, used as it stands",
        SecretEncoding::Hex => "hexadecimal of the key",
        SecretEncoding::Base64 => "base64 of the key",
    };
    match &*scheme.secret.strip_prefix {
        "" => form.to_owned(),
        prefix => format!("{form}, after {prefix}"),
    }
}

fn encoding(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Hex => "hex",
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
