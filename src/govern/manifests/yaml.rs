//! YAML and JSON documents as a tree in which every value knows its line. JSON is a subset of YAML 1.2.
//!
//! Bounded: an alias copies what it stands for, so that copies count as values of their own. What has more values or is
//! nested deeper than any manifest is refused. Deliberately absent: types. A scalar is a text, and whoever reads it knows
//! what it must be; Kubernetes itself reads YAML 1.1 in places where 1.2 says something else.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span};

/// The most values in one file: the objects of a large cluster.
const MAX_NODES: usize = 2_000_000;

/// The deepest that values are nested.
const MAX_DEPTH: usize = 100;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its line, from 1.
    pub line: usize,
    /// What it is.
    pub value: Value,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, number or truth, as it is written.
    Scalar(String),
    /// Nothing: `null`, `~` or no text at all.
    Null,
    /// A list.
    List(Vec<Node>),
    /// Members by name, with the line of the name.
    Map(Vec<(String, usize, Node)>),
}

impl Node {
    /// A member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(known, ..)| known == name).map(|(.., node)| node)
    }

    /// A member of a member.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| node.get(name))
    }

    /// A member's text.
    #[must_use]
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path)?.text()
    }

    /// All members, where it has any.
    #[must_use]
    pub fn members(&self) -> &[(String, usize, Self)] {
        if let Value::Map(members) = &self.value { members } else { &[] }
    }

    /// All elements, where it has any.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The elements of a member.
    #[must_use]
    pub fn items_at(&self, path: &[&str]) -> &[Self] {
        self.at(path).map_or(&[], Self::items)
    }

    /// Its text, where it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Value::Scalar(text) = &self.value { Some(text) } else { None }
    }

    /// Whether it is true.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.text() == Some("true")
    }

    /// Whether it is false.
    #[must_use]
    pub fn is_false(&self) -> bool {
        self.text() == Some("false")
    }

    /// It as a whole number.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.text()?.parse().ok()
    }
}

/// The documents of a text, empty ones left out.
///
/// # Errors
/// It is no YAML, or larger than any manifest; with the line.
pub fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut tree = Tree::default();
    let mut documents = Vec::new();
    // What Windows' editors put in front is no part of it (YAML 1.2.2 section 5.2).
    for event in Parser::new_from_str(text.trim_start_matches('\u{feff}')) {
        let (event, span) = event.map_err(|error| format!("line {}: {}", error.marker().line(), error.info()))?;
        if let Some(document) = tree.take(event, span)? {
            documents.push(document);
        }
    }
    documents.retain(|document| document.value != Value::Null);
    Ok(documents)
}

/// What is open while a text is read.
#[derive(Default)]
struct Tree {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

/// A list or map that is not at its end.
struct Open {
    anchor: usize,
    line: usize,
    items: Vec<Node>,
    is_map: bool,
}

impl Tree {
    /// Takes an event. Gives a document that is at its end.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<Option<Node>, String> {
        let line = span.start.line();
        match event {
            Event::MappingStart(_, anchor, _) => self.open(anchor, line, true),
            Event::SequenceStart(_, anchor, _) => self.open(anchor, line, false),
            Event::Scalar(text, style, anchor, _) => {
                let is_null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if is_null { Value::Null } else { Value::Scalar(text.into_owned()) };
                self.close(anchor, Node { line, value })
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| format!("line {line}: an alias of something that is not at its end"))?;
                self.nodes += size(&node);
                self.close(0, node)
            }
            Event::MappingEnd | Event::SequenceEnd => match self.open.pop() {
                Some(open) => self.close(open.anchor, open.into_node()?),
                None => Ok(None),
            },
            Event::DocumentStart(..) => {
                self.anchors.clear();
                Ok(None)
            }
            Event::UnresolvedAlias(name) => Err(format!("line {line}: nothing is called {name:?}")),
            // What else there is, or will be, says nothing of a value.
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Anchor(..) | _ => Ok(None),
        }
    }

    fn open(&mut self, anchor: usize, line: usize, is_map: bool) -> Result<Option<Node>, String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("line {line}: nested more than {MAX_DEPTH} deep"));
        }
        self.open.push(Open { anchor, line, items: Vec::new(), is_map });
        Ok(None)
    }

    fn close(&mut self, anchor: usize, node: Node) -> Result<Option<Node>, String> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(format!("line {}: more than {MAX_NODES} values", node.line));
        }
        if anchor > 0 {
            self.nodes += size(&node);
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => {
                open.items.push(node);
                Ok(None)
            }
            None => Ok(Some(node)),
        }
    }
}

impl Open {
    fn into_node(self) -> Result<Node, String> {
        let line = self.line;
        if !self.is_map {
            return Ok(Node { line, value: Value::List(self.items) });
        }
        let mut members: Vec<(String, usize, Node)> = Vec::with_capacity(self.items.len() / 2);
        let mut items = self.items.into_iter();
        while let (Some(name), Some(node)) = (items.next(), items.next()) {
            let name_line = name.line;
            let Value::Scalar(name) = name.value else {
                return Err(format!("line {name_line}: a member's name is no text"));
            };
            members.push((name, name_line, node));
        }
        Ok(Node { line, value: Value::Map(members) })
    }
}

/// How many values a value is.
fn size(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(_) | Value::Null => 1,
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(members) => 1 + members.iter().map(|(.., node)| size(node)).sum::<usize>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let text = "# a comment\na: 1\nb:\n  - x\n  - c: true\n---\n{\"d\": null,\n \"e\": \"null\"}\n---\n";
        let documents = parse(text).expect("good");
        assert_eq!(documents.len(), 2);
        let first = &documents[0];
        assert_eq!((first.text_at(&["a"]), first.get("a").map(|node| node.line)), (Some("1"), Some(2)));
        let list = first.items_at(&["b"]);
        assert_eq!((list[0].line, list[1].line, list[1].get("c").is_some_and(Node::is_true)), (4, 5, true));
        assert_eq!(documents[1].get("d").map(|node| &node.value), Some(&Value::Null));
        assert_eq!(
            (documents[1].text_at(&["e"]), documents[1].get("e").map(|node| node.line)),
            (Some("null"), Some(8))
        );
    }

    #[test]
    fn aliases_are_copies_that_count() {
        let documents = parse("a: &x {b: 1}\nc: *x\n").expect("good");
        assert_eq!(documents[0].text_at(&["c", "b"]), Some("1"));
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for step in 1..9 {
            let before = step - 1;
            let copies = vec![format!("*a{before}"); 10].join(",");
            bomb = format!("{bomb}a{step}: &a{step} [{copies}]\n");
        }
        assert!(parse(&bomb).is_err_and(|fault| fault.contains("more than")));
    }

    #[test]
    fn what_is_no_manifest_is_refused_with_its_line() {
        let deep = ["[", "]"].map(|bracket| bracket.repeat(200)).concat();
        for (text, expected) in [
            (&*deep, "line 1: nested"),
            ("a: 1\n b: 2\n", "line 2"),
            ("a: *b\n", "line 1"),
            ("? [a]\n: 1\n", "line 1: a member's name"),
        ] {
            assert!(parse(text).is_err_and(|fault| fault.starts_with(expected)), "{text}: {:?}", parse(text));
        }
    }
}
