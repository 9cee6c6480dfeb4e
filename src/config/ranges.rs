//! Networks by name: what providers publish of where they send from, kept by the user in one file that routes refer to.
//!
//! The file is JSON, so that a program can make it of what a provider publishes: `{"github": ["192.30.252.0/22"]}`. Nothing
//! is fetched here, and no range comes with the binary: an old list would keep genuine senders out.

use std::fmt;

use ipnet::IpNet;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::suggest;

use super::reader::Reader;
use super::values::{self, Parsed};

/// The named networks; `None` after a fault.
#[derive(Debug)]
pub(super) struct Ranges(Option<Vec<(String, Vec<IpNet>)>>);

/// Asks for `SOURCES_FILE`.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> Ranges {
    if !reader.is_set("SOURCES_FILE") {
        return Ranges(Some(Vec::new()));
    }
    let Some((path, content)) = reader.file("SOURCES_FILE") else { return Ranges(None) };
    let ranges = parse(&content.bytes);
    Ranges(ranges.map_err(|problem| reader.fault("SOURCES_FILE", format!("{} {problem}", path.display()))).ok())
}

impl Ranges {
    /// The networks of a `SOURCES` value: some written out, some by name as in `@github`. One of them at least, since
    /// none would permit everybody.
    pub(super) fn resolve(&self, text: &str) -> Parsed<Vec<IpNet>> {
        let networks = values::list(text, |element| match element.strip_prefix('@') {
            Some(name) => self.named(name).map(<[IpNet]>::to_vec),
            None => values::network(element).map(|network| vec![network]),
        });
        networks.map(|networks| networks.concat())
    }

    fn named(&self, name: &str) -> Parsed<&[IpNet]> {
        let Some(ranges) = &self.0 else { return Ok(&[]) };
        if let Some((_, networks)) = ranges.iter().find(|(known, _)| known == name) {
            return Ok(networks);
        }
        let near = suggest::nearest(name, ranges.iter().map(|(known, _)| known.as_str()));
        let hint = near.map(|near| format!("; did you mean @{near}?")).unwrap_or_default();
        Err(format!("@{name} is no name in SOURCES_FILE{hint}"))
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<(String, Vec<IpNet>)>, String> {
    let Written(written) = serde_json::from_slice(bytes).map_err(|error| format!("cannot be read: {error}"))?;
    let mut ranges = Vec::with_capacity(written.len());
    for (name, networks) in written {
        if ranges.iter().any(|(known, _)| *known == name) {
            return Err(format!("names {name:?} twice"));
        }
        if networks.is_empty() {
            return Err(format!("has no network for {name:?}"));
        }
        let networks: Parsed<Vec<_>> = networks.iter().map(|text| values::network(text)).collect();
        ranges.push((name, networks?));
    }
    Ok(ranges)
}

/// An object's members as they are written: a map would take the last of two with one name.
struct Written(Vec<(String, Vec<String>)>);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of names with lists of networks")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Written(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_their_networks() {
        let ranges = parse(br#"{"github": ["192.30.252.0/22", "2a0a:a440::/29"], "own": ["10.0.0.7"]}"#);
        let ranges = Ranges(Some(ranges.expect("a good file")));
        let check = |text: &str, expected: Result<&str, &str>| {
            let shown = |networks: Vec<IpNet>| networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let found = ranges.resolve(text).map(shown);
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
        };
        check("@own", Ok("10.0.0.7/32"));
        check("@github, 192.0.2.0/24,@own", Ok("192.30.252.0/22 2a0a:a440::/29 192.0.2.0/24 10.0.0.7/32"));
        check("@gihtub", Err("@gihtub is no name in SOURCES_FILE; did you mean @github?"));
        check("@", Err("@ is no name in SOURCES_FILE"));
        check("github", Err("\"github\" is not a network such as 192.0.2.0/24 or 2001:db8::/32"));
        assert_eq!(Ranges(None).resolve("@any").expect("the fault is told already"), []);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, problem) in [
            (
                "[]",
                "cannot be read: invalid type: sequence, expected an object of names with lists of networks at line 1 column 0",
            ),
            (
                r#"{"a": "10.0.0.0/8"}"#,
                "cannot be read: invalid type: string \"10.0.0.0/8\", expected a sequence at line 1 column 18",
            ),
            (r#"{"a": []}"#, "has no network for \"a\""),
            (r#"{"a": ["10.0.0.1/8"]}"#, "10.0.0.1/8 has host bits; 10.0.0.0/8 is meant?"),
            (r#"{"a": ["10.0.0.1"], "a": ["10.0.0.2"]}"#, "names \"a\" twice"),
        ] {
            assert_eq!(parse(text.as_bytes()).expect_err(text), problem);
        }
    }
}
