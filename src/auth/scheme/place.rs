//! Where in a message its signature, its time and its facts stand, and how they are written.

use super::Encoding;
use crate::auth::extract::Format;
use crate::auth::http_signature::Rules;

/// Where the signature or token stands, and how it is written.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The header field that carries it, the first where there are several; empty where it is no header field.
    pub header: Box<str>,
    /// Where it stands.
    pub place: SignaturePlace,
    /// The grammar of its value.
    pub format: Format,
    /// Further grammars: the first that fits is taken.
    pub other_formats: Box<[Format]>,
    /// The members of a JSON object in base64 that the whole value is: what the grammar reads is those, joined by `;`.
    pub envelope: Box<[JsonPath]>,
    /// How the signature is written; unused for tokens.
    pub encoding: Encoding,
    /// The grammars as they were written.
    pub written: Box<str>,
    /// The names of the grammar's captures that templates read.
    pub captures: Box<[Box<str>]>,
}

impl Signature {
    /// What an HTTP message signature must be to count, where it is one.
    #[must_use]
    pub fn rules(&self) -> Option<&Rules> {
        if let SignaturePlace::HttpSignature(rules) = &self.place { Some(rules) } else { None }
    }
}

/// Where a signature or token stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignaturePlace {
    /// In one header field.
    Header,
    /// In one or more header fields of the same name.
    RepeatedHeader,
    /// In one or more of several header fields.
    Headers {
        /// Their names.
        names: Box<[Box<str>]>,
        /// Whether each must be there and match; else one match is enough.
        all: bool,
    },
    /// In header fields whose names are this text and a number.
    NumberedHeaders(Box<str>),
    /// In a parameter of the query.
    Query(Box<str>),
    /// In a member of the JSON body.
    Json(JsonPath),
    /// In a field of the form.
    Form(Box<str>),
    /// It is the path's last segment.
    PathSegment,
    /// In `Signature`, as `Signature-Input` announces it (RFC 9421).
    HttpSignature(Box<Rules>),
    /// It is the whole body.
    Body,
    /// Nowhere: the connection itself is the proof.
    Nowhere,
}

impl SignaturePlace {
    /// Whether it is known before the body is.
    #[must_use]
    pub fn is_in_head(&self) -> bool {
        !matches!(self, Self::Json(_) | Self::Form(_) | Self::Body)
    }
}

/// The signed time.
#[derive(Debug, Clone)]
pub struct Timestamp {
    /// Where it stands.
    pub from: TimestampFrom,
    /// How it is written.
    pub unit: TimeUnit,
    /// What the sender's clock is ahead of UTC, in seconds, where a written time does not say.
    pub offset: i32,
}

/// Where the signed time stands.
#[derive(Debug, Clone)]
pub enum TimestampFrom {
    /// In a header field of its own.
    Header(Box<str>),
    /// In the signature's own value.
    Signature,
    /// In a member of the signed JSON body.
    Json(JsonPath),
    /// In a parameter of the query.
    Query(Box<str>),
    /// In a field of the form.
    Form(Box<str>),
    /// In a claim of the token.
    Claim(JsonPath),
    /// In a member of the token's header.
    Jose(JsonPath),
}

impl TimestampFrom {
    /// Whether it is known before the body is. A token is looked at once that is there.
    #[must_use]
    pub fn is_in_head(&self) -> bool {
        !matches!(self, Self::Json(_) | Self::Form(_) | Self::Claim(_) | Self::Jose(_))
    }
}

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// Whole seconds since the Unix epoch.
    Seconds,
    /// Whole milliseconds since the Unix epoch.
    Milliseconds,
    /// Whole microseconds since the Unix epoch.
    Microseconds,
    /// Seconds or milliseconds since the Unix epoch: what would be after the year 5000 in seconds is milliseconds.
    SecondsOrMilliseconds,
    /// RFC 3339.
    Rfc3339,
    /// The date of HTTP (RFC 9110 section 5.6.7).
    HttpDate,
    /// `2023-11-14 22:13:20`, with a blank, `T` or `.` between date and time, and perhaps a fraction.
    DateTime,
}

/// Where a fact about the message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// In a header field.
    Header(Box<str>),
    /// In a member of the JSON body.
    Json(JsonPath),
    /// In a field of the form.
    Form(Box<str>),
    /// In a parameter of the query.
    Query(Box<str>),
    /// In a claim of the token.
    Claim(JsonPath),
}

/// A member of a JSON document, by its names (or an element's number) from the outermost inwards; written `event.type`
/// or `/event/type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath(pub Box<[Box<str>]>);
