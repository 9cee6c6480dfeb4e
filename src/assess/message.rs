//! A request before it becomes bytes, and the bytes that are sent. Nothing here is checked: that is the point.

use std::fmt::Write as _;

/// A request in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) version: &'static str,
    pub(super) host: String,
    /// All fields but `Host`, those of framing and `Connection`.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Whether it asks for the connection's end.
    pub(super) closes: bool,
}

/// Bytes to send, on a connection of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shot {
    /// What it is, for the evidence.
    pub(super) label: String,
    pub(super) bytes: Vec<u8>,
    /// The method, which tells how an answer ends.
    pub(super) head: bool,
    /// Whether nothing more is sent afterwards, and the peer is told so.
    pub(super) ends: bool,
    /// Texts that no answer may hold.
    pub(super) secrets: Vec<String>,
}

impl Message {
    /// The values of a field.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// With one more field.
    pub(super) fn and(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a field of that name and no other of it.
    pub(super) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    pub(super) fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn to(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    pub(super) fn by(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// One after which the connection may go on.
    pub(super) fn kept(mut self) -> Self {
        self.closes = false;
        self
    }

    /// With a parameter more in the query.
    pub(super) fn and_query(mut self, parameter: &str) -> Self {
        self.target.push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(parameter);
        self
    }

    /// The path, without the query.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The bytes of the request as it should be.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.framed(&format!("Content-Length: {}\r\n", self.body.len()), &self.body)
    }

    /// The bytes with these lines for framing, and this after the head.
    pub(super) fn framed(&self, framing: &str, rest: &[u8]) -> Vec<u8> {
        let mut bytes = self.head(framing, &format!("Host: {}\r\n", self.host)).into_bytes();
        bytes.extend_from_slice(rest);
        bytes
    }

    /// The head, with these lines for framing and for the host.
    pub(super) fn head(&self, framing: &str, host: &str) -> String {
        let mut head = format!("{} {} {}\r\n{host}", self.method, self.target, self.version);
        for (name, value) in &self.fields {
            // Writing to a text does not fail.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str(framing);
        head.push_str(if self.closes { "Connection: close\r\n\r\n" } else { "\r\n" });
        head
    }

    /// As it should be, to be sent.
    pub(super) fn shot(&self, label: &str) -> Shot {
        Shot { head: self.method == "HEAD", ..Shot::raw(label, self.bytes()) }
    }

    /// With these lines for framing, and this after the head.
    pub(super) fn shot_framed(&self, label: &str, framing: &str, rest: &[u8]) -> Shot {
        Shot::raw(label, self.framed(framing, rest))
    }

    /// The body as one chunk, whose size is written so, and the end.
    pub(super) fn chunked(&self, size: &str) -> Vec<u8> {
        [size.as_bytes(), b"\r\n", &self.body, b"\r\n0\r\n\r\n"].concat()
    }
}

impl Shot {
    pub(super) fn raw(label: &str, bytes: Vec<u8>) -> Self {
        Self { label: label.to_owned(), bytes, head: false, ends: false, secrets: Vec::new() }
    }

    /// After which nothing comes any more.
    pub(super) fn ending(mut self) -> Self {
        self.ends = true;
        self
    }

    pub(super) fn telling(mut self, secrets: Vec<String>) -> Self {
        self.secrets = secrets;
        self
    }
}
