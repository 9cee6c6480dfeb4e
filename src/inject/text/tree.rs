//! A document of a YAML stream (or JSON, which is YAML) as a tree that knows where in the text each part stands.
//!
//! The positions are the parser's: `granit-parser` is a maintained YAML 1.2 parser in plain Rust without `unsafe`, which
//! passes the YAML test suite and tells the byte range and the notation of each part; `serde_yaml` is unmaintained, and
//! the others tell no bytes. Where a block ends is counted by what is in it: behind that come comments.

use std::borrow::Cow;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};
use serde_json::{Map, Number, Value};

/// How deeply a document may be nested. Manifests have some fifteen levels.
const DEEPEST: usize = 100;

/// A part of a document.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Where it stands. Of a block: from its first part to the end of its last.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a part is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// A value that has no parts.
    Scalar(Value),
    /// A mapping, and whether it is written as a block.
    Mapping(Vec<(Key, Node)>, bool),
    /// A sequence, and whether it is written as a block.
    Sequence(Vec<Node>, bool),
}

/// A mapping's key.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// Where it stands.
    pub(super) span: Range<usize>,
    /// What it is called.
    pub(super) name: String,
}

/// One document.
#[derive(Debug, Clone)]
pub(super) struct Document {
    /// What is in it; `None`: nothing.
    pub(super) root: Option<Node>,
    /// What keeps it from being edited: where, and what.
    pub(super) hindrance: Option<String>,
}

impl Node {
    /// As a value.
    pub(super) fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::Sequence(items, _) => items.iter().map(Self::value).collect(),
            Kind::Mapping(entries, _) => {
                let entries = entries.iter().map(|(key, value)| (key.name.clone(), value.value()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    /// What a JSON pointer points at.
    pub(super) fn at(&self, pointer: &str) -> Option<&Self> {
        pointer.split('/').skip(1).try_fold(self, |node, token| match &node.kind {
            Kind::Scalar(_) => None,
            Kind::Sequence(items, _) => items.get(token.parse::<usize>().ok()?),
            Kind::Mapping(entries, _) => {
                let name = token.replace("~1", "/").replace("~0", "~");
                entries.iter().find(|(key, _)| key.name == name).map(|(_, value)| value)
            }
        })
    }
}

/// Reads a stream.
///
/// # Errors
/// It is no YAML, and where.
pub(super) fn read(text: &str) -> Result<Vec<Document>, String> {
    let mut reader = Reader { text, events: Parser::new_from_str(text), hindrance: None };
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            Some((Event::DocumentStart(..), _)) => documents.push(reader.document()?),
            Some((Event::StreamEnd, _)) | None => return Ok(documents),
            Some(_) => {}
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    events: Parser<'t, granit_parser::StrInput<'t>>,
    hindrance: Option<String>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, String> {
        self.events.next().transpose().map_err(|error| format!("is no YAML: {error}"))
    }

    fn document(&mut self) -> Result<Document, String> {
        let mut root = None;
        loop {
            match self.next()? {
                Some((Event::DocumentEnd, _)) | None => break,
                Some((event, span)) => root = Some(self.node(event, span, 0)?),
            }
        }
        Ok(Document { root, hindrance: self.hindrance.take() })
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "of all other events only an alias can stand for a node")]
    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, String> {
        if depth > DEEPEST {
            return Err(format!("line {}: is nested too deeply", span.start.line()));
        }
        let range = span.byte_range().ok_or("has no positions")?;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.note(anchor > 0, "an anchor", &span);
                self.note(tag.is_some(), "a tag", &span);
                // Behind such a block nothing can be put in without taking the blank lines from it.
                let header = self.text.get(range.clone()).and_then(|text| text.lines().next()).unwrap_or_default();
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                self.note(is_block && header.contains('+'), "a block that keeps the blank lines behind it", &span);
                Ok(self.scalar(range, &text, style))
            }
            Event::MappingStart(style, anchor, tag) => {
                self.note(anchor > 0, "an anchor", &span);
                self.note(tag.is_some(), "a tag", &span);
                self.mapping(range, style == StructureStyle::Block, depth)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.note(anchor > 0, "an anchor", &span);
                self.note(tag.is_some(), "a tag", &span);
                self.sequence(range, style == StructureStyle::Block, depth)
            }
            _ => {
                self.note(true, "an alias", &span);
                Ok(Node { span: range, kind: Kind::Scalar(Value::Null) })
            }
        }
    }

    fn note(&mut self, there: bool, what: &str, span: &Span) {
        if there && self.hindrance.is_none() {
            self.hindrance = Some(format!("line {}: {what}", span.start.line()));
        }
    }

    fn scalar(&self, range: Range<usize>, text: &str, style: ScalarStyle) -> Node {
        let (value, range) = match style {
            ScalarStyle::Plain => (plain(text), range),
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let end = content_end(self.text, &range);
                (Value::String(text.to_owned()), range.start..end)
            }
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => (Value::String(text.to_owned()), range),
        };
        Node { span: range, kind: Kind::Scalar(value) }
    }

    fn mapping(&mut self, start: Range<usize>, block: bool, depth: usize) -> Result<Node, String> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?.ok_or("ends in the middle of a mapping")?;
            if matches!(event, Event::MappingEnd) {
                let ends = entries.first().zip(entries.last());
                let inside = ends.map(|((first, _), (_, last))| first.span.start..last.span.end);
                let span = self.collection(&start, &span, block, inside);
                return Ok(Node { span, kind: Kind::Mapping(entries, block) });
            }
            let line = span.start.line();
            let key = self.key(event, span)?;
            if entries.iter().any(|(other, _)| other.name == key.name) {
                return Err(format!("line {line}: has the key {:?} twice", key.name));
            }
            let (event, span) = self.next()?.ok_or("ends in the middle of a mapping")?;
            let mut value = self.node(event, span, depth + 1)?;
            if value.span.is_empty() {
                value.span = self.behind_colon(&key);
            }
            entries.push((key, value));
        }
    }

    fn key(&mut self, event: Event<'t>, span: Span) -> Result<Key, String> {
        let range = span.byte_range().ok_or("has no positions")?;
        let Event::Scalar(name, style, anchor, tag) = event else {
            return Err(format!("line {}: has a key that is no text", span.start.line()));
        };
        self.note(anchor > 0 || tag.is_some(), "a key with an anchor or a tag", &span);
        self.note(matches!(style, ScalarStyle::Literal | ScalarStyle::Folded), "a key that is a block", &span);
        Ok(Key { span: range, name: Cow::into_owned(name) })
    }

    fn sequence(&mut self, start: Range<usize>, block: bool, depth: usize) -> Result<Node, String> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            let (event, span) = self.next()?.ok_or("ends in the middle of a sequence")?;
            if matches!(event, Event::SequenceEnd) {
                let inside = items.first().zip(items.last()).map(|(first, last)| first.span.start..last.span.end);
                let span = self.collection(&start, &span, block, inside);
                return Ok(Node { span, kind: Kind::Sequence(items, block) });
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    /// A block has no mark at its end, so it ends where its last part does.
    fn collection(&self, start: &Range<usize>, end: &Span, block: bool, inside: Option<Range<usize>>) -> Range<usize> {
        match inside {
            Some(inside) if block => inside,
            _ => start.start..end.byte_range().map_or(start.end, |end| end.end).min(self.text.len()),
        }
    }

    /// Where a value would stand that is not there.
    fn behind_colon(&self, key: &Key) -> Range<usize> {
        let rest = self.text.get(key.span.end..).unwrap_or_default();
        let at = key.span.end + rest.find(':').map_or(0, |colon| colon + 1);
        at..at
    }
}

/// The end of the last line of a block scalar that says something.
fn content_end(text: &str, range: &Range<usize>) -> usize {
    let block = text.get(range.clone()).unwrap_or_default();
    range.start + block.trim_end_matches(['\n', '\r', ' ']).len()
}

/// A plain scalar by the core schema (YAML 1.2 section 10.3.2). What is not a number that JSON can write stays text: it is
/// compared with nothing here.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let number = text.bytes().next().is_some_and(|byte| byte.is_ascii_digit() || byte == b'-');
    let number = number.then(|| serde_json::from_str::<Number>(text).ok()).flatten();
    number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
}
