//! A document is made to say something else by changing as little of its text as can be: lines and parts that stay the
//! same are not touched, so comments, order, quotes and indentation stay.
//!
//! What is put in stands at the end of the mapping or sequence that it belongs to, in lines of its own where that is a
//! block, and taking it out takes just those lines: that is why undoing gives the very bytes that were there.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::inject::json_patch::escaped;

use super::emit;
use super::tree::{Key, Kind, Node};

/// A change of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    range: Range<usize>,
    text: String,
}

/// How values that were changed are to be written, by their JSON pointers.
pub(super) type Spellings = Map<String, Value>;

/// The text of all documents, with one of them saying `wanted`.
///
/// # Errors
/// What stands there is written in a way that cannot be edited, and where.
pub(super) fn edit(text: &str, changes: &[(&Node, &Value, &Spellings)]) -> Result<String, String> {
    let mut all = Vec::new();
    for (node, wanted, spellings) in changes {
        let mut editor = Editor { text, newline: newline(text), spellings, changes: Vec::new() };
        editor.compare(node, wanted, &mut String::new())?;
        all.append(&mut editor.changes);
    }
    Ok(applied(text, all))
}

fn newline(text: &str) -> &'static str {
    let first = text.find('\n').map(|at| text.get(..at).unwrap_or_default());
    if first.is_some_and(|line| line.ends_with('\r')) { "\r\n" } else { "\n" }
}

/// Changes do not overlap; those at the same place come in the order in which they were found, inner ones first.
fn applied(text: &str, mut changes: Vec<Change>) -> String {
    changes.sort_by_key(|change| change.range.start);
    let (mut result, mut done) = (String::with_capacity(text.len() + 4096), 0);
    for change in changes {
        result.push_str(text.get(done..change.range.start).unwrap_or_default());
        result.push_str(&change.text);
        done = done.max(change.range.end);
    }
    result.push_str(text.get(done..).unwrap_or_default());
    // A last line without an end stays one, whichever line it is now. A lone CR is an end to YAML.
    if !text.ends_with(['\r', '\n']) {
        let end = result.trim_end_matches(['\r', '\n']).len();
        result.truncate(end);
    }
    result
}

struct Editor<'t> {
    text: &'t str,
    newline: &'static str,
    spellings: &'t Spellings,
    changes: Vec<Change>,
}

impl Editor<'_> {
    fn compare(&mut self, node: &Node, wanted: &Value, pointer: &mut String) -> Result<(), String> {
        if node.value() == *wanted {
            return Ok(());
        }
        match (&node.kind, wanted) {
            (Kind::Mapping(entries, block), Value::Object(wanted)) if keeps_some(entries, wanted) => {
                self.mapping(node, entries, *block, wanted, pointer)
            }
            (Kind::Sequence(items, block), Value::Array(wanted)) if !items.is_empty() && !wanted.is_empty() => {
                self.sequence(node, items, *block, wanted, pointer)
            }
            (Kind::Mapping(entries, false), Value::Object(wanted)) if entries.is_empty() => {
                self.fill(node, &Value::Object(wanted.clone()));
                Ok(())
            }
            (Kind::Sequence(items, false), Value::Array(wanted)) if items.is_empty() => {
                self.fill(node, &Value::Array(wanted.clone()));
                Ok(())
            }
            _ => {
                self.replace(node, wanted, pointer);
                Ok(())
            }
        }
    }

    /// Puts all that a collection holds behind the bracket that opens it, so that what stood inside of it stays.
    fn fill(&mut self, node: &Node, wanted: &Value) {
        let text = wanted.to_string();
        let inside = text.get(1..text.len().saturating_sub(1)).unwrap_or_default().to_owned();
        let at = node.span.start + 1;
        self.changes.push(Change { range: at..at, text: inside });
    }

    fn replace(&mut self, node: &Node, wanted: &Value, pointer: &str) {
        let spelling = self.spellings.get(pointer).and_then(Value::as_str);
        let whole = self.text.get(node.span.clone()).unwrap_or_default();
        let written = match wanted {
            _ if spelling.is_some() => spelling.unwrap_or_default().to_owned(),
            // Emptied, and nothing but blanks was inside before it was filled.
            Value::Object(map) if map.is_empty() => emptied(whole, '{', '}'),
            Value::Array(items) if items.is_empty() => emptied(whole, '[', ']'),
            // JSON is YAML, wherever it stands.
            Value::Object(_) | Value::Array(_) => wanted.to_string(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => spelt(self.text, node, wanted),
        };
        let mut range = node.span.clone();
        // What is not there has no blank before it either.
        if written.is_empty() && self.text.get(..range.start).is_some_and(|before| before.ends_with(' ')) {
            range.start -= 1;
        }
        let gap = if node.span.is_empty() { " " } else { "" };
        self.changes.push(Change { range, text: format!("{gap}{written}") });
    }

    fn below(&mut self, node: &Node, wanted: &Value, pointer: &mut String, token: &str) -> Result<(), String> {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(token);
        self.compare(node, wanted, pointer)?;
        pointer.truncate(length);
        Ok(())
    }

    fn mapping(
        &mut self,
        node: &Node,
        entries: &[(Key, Node)],
        block: bool,
        wanted: &Map<String, Value>,
        pointer: &mut String,
    ) -> Result<(), String> {
        for (at, (key, value)) in entries.iter().enumerate() {
            match wanted.get(&key.name) {
                Some(wanted) => self.below(value, wanted, pointer, &escaped(&key.name))?,
                None if block => self.remove_lines(key.span.start, value.span.end, "a key")?,
                None => {
                    let parts: Vec<_> = entries.iter().map(|(key, value)| key.span.start..value.span.end).collect();
                    self.remove_part(&parts, at);
                }
            }
        }
        let is_new = |(key, _): &(&String, &Value)| entries.iter().all(|(there, _)| there.name != **key);
        let new = wanted.iter().filter(is_new).map(|(key, value)| (key.clone(), value.clone()));
        let new: Map<_, _> = new.collect();
        if new.is_empty() {
            return Ok(());
        }
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        if block {
            let indent = self.column(first.0.span.start);
            self.add_lines(node.span.end, &emit::block(&Value::Object(new), indent, self.newline));
        } else {
            for (key, value) in &new {
                let written = format!("{}: {}", Value::from(key.as_str()), self.part(value, last.0.span.start));
                self.add_part(last.0.span.start, last.1.span.end, &written);
            }
        }
        Ok(())
    }

    fn sequence(
        &mut self,
        node: &Node,
        items: &[Node],
        block: bool,
        wanted: &[Value],
        pointer: &mut String,
    ) -> Result<(), String> {
        let values: Vec<_> = items.iter().map(Node::value).collect();
        let parts: Vec<_> = items.iter().map(|item| item.span.clone()).collect();
        if are_pairs(&values, wanted) {
            for (at, (item, wanted)) in items.iter().zip(wanted).enumerate() {
                self.below(item, wanted, pointer, &at.to_string())?;
            }
            return Ok(());
        }
        let mut next = 0;
        for (at, item) in items.iter().enumerate() {
            let found = wanted.get(next..).unwrap_or_default().iter().position(|wanted| is_same(&values[at], wanted));
            let Some(skipped) = found else {
                if block {
                    self.remove_lines(self.dash(item)?, item.span.end, "an item")?;
                } else {
                    self.remove_part(&parts, at);
                }
                continue;
            };
            if skipped > 0 {
                return Err(self.told(item.span.start, "has an item in whose place another would have to stand"));
            }
            self.below(item, &wanted[next], pointer, &next.to_string())?;
            next += 1;
        }
        let (Some(first), Some(last)) = (items.first(), items.last()) else { return Ok(()) };
        let new = wanted.get(next..).unwrap_or_default();
        if new.is_empty() {
            return Ok(());
        }
        if block {
            let indent = self.column(self.dash(first)?);
            self.add_lines(node.span.end, &emit::block(&Value::Array(new.to_vec()), indent, self.newline));
        } else {
            for value in new {
                let written = self.part(value, last.span.start);
                self.add_part(last.span.start, last.span.end, &written);
            }
        }
        Ok(())
    }

    /// Puts lines behind the line in which something ends. Where that is the last one and has no end, neither have they.
    fn add_lines(&mut self, behind: usize, lines: &str) {
        let rest = self.text.get(behind..).unwrap_or_default();
        let (at, text) = if let Some(newline) = rest.find('\n') {
            (behind + newline + 1, lines.to_owned())
        } else {
            let whole = lines.strip_suffix(self.newline).unwrap_or(lines);
            (self.text.len(), format!("{}{whole}", self.newline))
        };
        self.changes.push(Change { range: at..at, text });
    }

    /// Takes out the lines from where something begins to where it ends.
    fn remove_lines(&mut self, start: usize, end: usize, what: &str) -> Result<(), String> {
        let line = self.line_start(start);
        if !self.text.get(line..start).unwrap_or_default().bytes().all(|byte| byte == b' ') {
            return Err(self.told(start, &format!("has {what} to take out that does not begin its line")));
        }
        let rest = self.text.get(end..).unwrap_or_default();
        let range = match rest.find('\n') {
            Some(newline) => line..end + newline + 1,
            None => line..self.text.len(),
        };
        self.changes.push(Change { range, text: String::new() });
        Ok(())
    }

    /// Puts a part behind the last one in brackets: on a line of its own where that one is.
    fn add_part(&mut self, last_start: usize, last_end: usize, written: &str) {
        let text = match self.margin(last_start) {
            Some(margin) => format!(",{}{margin}{written}", self.newline),
            None => format!(", {written}"),
        };
        self.changes.push(Change { range: last_end..last_end, text });
    }

    /// A value as a part in brackets, in lines where its neighbours are.
    fn part(&self, value: &Value, neighbour: usize) -> String {
        self.margin(neighbour).map_or_else(|| value.to_string(), |margin| emit::pretty(value, margin))
    }

    /// Takes a part in brackets out, with the comma before it, or behind it if it is the first.
    fn remove_part(&mut self, parts: &[Range<usize>], at: usize) {
        let own = parts[at].clone();
        let range = match (at.checked_sub(1).and_then(|before| parts.get(before)), parts.get(at + 1)) {
            (Some(before), _) => before.end..own.end,
            (None, Some(next)) => own.start..next.start,
            (None, None) => own,
        };
        self.changes.push(Change { range, text: String::new() });
    }

    /// What stands before something that begins its line; `None`: it does not.
    fn margin(&self, start: usize) -> Option<&str> {
        let line = self.line_start(start);
        let margin = self.text.get(line..start)?;
        (line > 0 && margin.bytes().all(|byte| matches!(byte, b' ' | b'\t'))).then_some(margin)
    }

    /// Where the dash of an item is.
    fn dash(&self, item: &Node) -> Result<usize, String> {
        let before = self.text.get(self.line_start(item.span.start)..item.span.start).unwrap_or_default();
        let trimmed = before.trim_end_matches(' ');
        match trimmed.strip_suffix('-') {
            Some(indent) if indent.bytes().all(|byte| byte == b' ') => {
                Ok(self.line_start(item.span.start) + indent.len())
            }
            _ => Err(self.told(item.span.start, "has an item that does not stand beside a dash of its own line")),
        }
    }

    fn column(&self, at: usize) -> usize {
        self.text.get(self.line_start(at)..at).unwrap_or_default().chars().count()
    }

    fn line_start(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or_default().rfind('\n').map_or(0, |newline| newline + 1)
    }

    fn told(&self, at: usize, what: &str) -> String {
        let line = 1 + self.text.get(..at).unwrap_or_default().matches('\n').count();
        format!("line {line}: {what}; write it as kubectl does")
    }
}

/// How a value without parts is written in a place, unless somebody has written it in his own way.
pub(super) fn spelt(text: &str, node: &Node, value: &Value) -> String {
    // In brackets, where a comma or a bracket follows, all text is quoted: there it may be JSON.
    let rest = text.get(node.span.end..).unwrap_or_default().trim_start();
    if rest.starts_with([',', '}', ']']) { value.to_string() } else { emit::scalar(value) }
}

/// Whether at least one entry stays: what is taken out and what is put in have a place between them.
fn keeps_some(entries: &[(Key, Node)], wanted: &Map<String, Value>) -> bool {
    entries.iter().any(|(key, _)| wanted.contains_key(&key.name))
}

/// Whether two items are the same thing, if not the same value: by their names, where they have some.
fn is_same(there: &Value, wanted: &Value) -> bool {
    match (there["name"].as_str(), wanted["name"].as_str()) {
        (Some(one), Some(other)) => one == other,
        _ => there == wanted,
    }
}

/// Whether two lists hold the same things one by one: things without a name, or ports, whose names may change.
fn are_pairs(there: &[Value], wanted: &[Value]) -> bool {
    let pair = |(there, wanted): (&Value, &Value)| {
        let nameless = there["name"].is_null() && wanted["name"].is_null();
        let port = there["containerPort"].is_number() && there["containerPort"] == wanted["containerPort"];
        nameless || port || is_same(there, wanted)
    };
    there.len() == wanted.len() && there.iter().zip(wanted).all(pair)
}

/// A collection without what was put behind its opening bracket.
fn emptied(whole: &str, open: char, close: char) -> String {
    let blanks = whole.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).map(|inside| {
        let kept = inside.trim_end();
        inside.get(kept.len()..).unwrap_or_default()
    });
    format!("{open}{}{close}", blanks.unwrap_or_default())
}
