//! Dictionaries of structured fields (RFC 9651), as the fields of RFC 9421 are written: a strict parser that keeps every
//! value as the text that it was, and writes it back in the one form that the RFC calls serialised.
//!
//! What the RFC lets a parser repair is refused here: a name that stands twice (the last would win), numbers and base64
//! that are not written as they would be serialised. So a value's own text is its serialisation, and what two parsers
//! could read in two ways is read by neither. Blanks are the exception: they may stand where the RFC lets them, and are
//! written once. Not here: display strings, which no sender signs.

use data_encoding::BASE64;

/// The most members, items of a list and parameters of an item, each: what is signed in practice has under twenty.
const MOST: usize = 64;

/// A dictionary: names with what they stand for, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dictionary<'t>(pub Vec<Member<'t>>);

/// A member of a dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'t> {
    /// Its name.
    pub name: &'t str,
    /// What it stands for.
    pub value: Value<'t>,
    /// The parameters of the value.
    pub parameters: Parameters<'t>,
}

/// An item, or a list of them in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'t> {
    /// One bare item.
    Item(Bare<'t>),
    /// An inner list.
    List(Vec<Item<'t>>),
}

/// An item of an inner list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<'t> {
    /// The item itself.
    pub bare: Bare<'t>,
    /// Its parameters.
    pub parameters: Parameters<'t>,
}

/// Parameters, in order, each name once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters<'t>(pub Vec<(&'t str, Bare<'t>)>);

/// A bare item, by its kind; each holds its own text as it is serialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bare<'t> {
    /// An integer or a decimal.
    Number(&'t str),
    /// A string, with its quotes and escapes.
    Text(&'t str),
    /// A token.
    Token(&'t str),
    /// A byte sequence, with its colons: base64, padded.
    Bytes(&'t str),
    /// True or false.
    Boolean(bool),
    /// A date, with its `@`.
    Date(&'t str),
}

impl<'t> Dictionary<'t> {
    /// Parses a field's value. `None`: it is none, or not written in the one way.
    #[must_use]
    pub fn parse(text: &'t [u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
        let mut scan = Scan(text.trim_matches(' '));
        let mut members: Vec<Member<'t>> = Vec::new();
        while !scan.0.is_empty() {
            let member = scan.member()?;
            if members.len() == MOST || members.iter().any(|known| known.name == member.name) {
                return None;
            }
            members.push(member);
            scan.skip(&[' ', '\t']);
            if scan.0.is_empty() {
                break;
            }
            scan.expect(',')?;
            scan.skip(&[' ', '\t']);
            // A comma is followed by a member.
            scan.0.chars().next()?;
        }
        Some(Self(members))
    }

    /// The member of that name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Member<'t>> {
        self.0.iter().find(|member| member.name == name)
    }

    /// Writes it as it is serialised.
    pub fn write(&self, out: &mut Vec<u8>) {
        for (index, member) in self.0.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(member.name.as_bytes());
            if member.value == Value::Item(Bare::Boolean(true)) {
                member.parameters.write(out);
            } else {
                out.push(b'=');
                member.write_value(out);
            }
        }
    }
}

impl Member<'_> {
    /// Writes the value with its parameters.
    pub fn write_value(&self, out: &mut Vec<u8>) {
        match &self.value {
            Value::Item(bare) => bare.write(out),
            Value::List(items) => {
                out.push(b'(');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b' ');
                    }
                    item.write(out);
                }
                out.push(b')');
            }
        }
        self.parameters.write(out);
    }
}

impl Item<'_> {
    /// Writes the item with its parameters.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.bare.write(out);
        self.parameters.write(out);
    }
}

impl<'t> Parameters<'t> {
    /// The parameter of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Bare<'t>> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, bare)| *bare)
    }

    fn write(&self, out: &mut Vec<u8>) {
        for (name, bare) in &self.0 {
            out.push(b';');
            out.extend_from_slice(name.as_bytes());
            if *bare != Bare::Boolean(true) {
                out.push(b'=');
                bare.write(out);
            }
        }
    }
}

impl<'t> Bare<'t> {
    /// The content of a string without escapes; `None` for any other item, and for a string that has some: nothing that
    /// is named here needs one.
    #[must_use]
    pub fn plain_text(self) -> Option<&'t str> {
        let Self::Text(text) = self else { return None };
        text.strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('\\'))
    }

    /// The base64 of a byte sequence.
    #[must_use]
    pub fn base64(self) -> Option<&'t str> {
        if let Self::Bytes(text) = self { text.strip_prefix(':')?.strip_suffix(':') } else { None }
    }

    /// A whole number without a sign, as its digits.
    #[must_use]
    pub fn digits(self) -> Option<&'t str> {
        if let Self::Number(text) = self {
            text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text)
        } else {
            None
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self {
            Self::Number(text) | Self::Text(text) | Self::Token(text) | Self::Bytes(text) | Self::Date(text) => {
                text.as_bytes()
            }
            Self::Boolean(true) => b"?1",
            Self::Boolean(false) => b"?0",
        });
    }
}

/// What is left of the text. Its bytes are ASCII.
struct Scan<'t>(&'t str);

impl<'t> Scan<'t> {
    fn skip(&mut self, blanks: &[char]) {
        self.0 = self.0.trim_start_matches(blanks);
    }

    fn expect(&mut self, byte: char) -> Option<()> {
        self.0 = self.0.strip_prefix(byte)?;
        Some(())
    }

    /// Takes the first `len` bytes.
    fn take(&mut self, len: usize) -> Option<&'t str> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn take_while(&mut self, holds: impl Fn(u8) -> bool) -> &'t str {
        let len = self.0.bytes().position(|byte| !holds(byte)).unwrap_or(self.0.len());
        self.take(len).unwrap_or_default()
    }

    fn key(&mut self) -> Option<&'t str> {
        let starts = self.0.starts_with(|first: char| first.is_ascii_lowercase() || first == '*');
        let key = self.take_while(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.' | b'*')
        });
        starts.then_some(key)
    }

    fn member(&mut self) -> Option<Member<'t>> {
        let name = self.key()?;
        let value = match self.expect('=') {
            None => Value::Item(Bare::Boolean(true)),
            Some(()) if self.0.starts_with('(') => Value::List(self.list()?),
            Some(()) => Value::Item(self.bare()?),
        };
        Some(Member { name, value, parameters: self.parameters()? })
    }

    fn list(&mut self) -> Option<Vec<Item<'t>>> {
        self.expect('(')?;
        let mut items = Vec::new();
        loop {
            let before = self.0.len();
            self.skip(&[' ']);
            if self.expect(')').is_some() {
                return Some(items);
            }
            // Items stand apart.
            if items.len() == MOST || !items.is_empty() && self.0.len() == before {
                return None;
            }
            items.push(Item { bare: self.bare()?, parameters: self.parameters()? });
        }
    }

    fn parameters(&mut self) -> Option<Parameters<'t>> {
        let mut parameters: Vec<(&str, Bare<'_>)> = Vec::new();
        while self.expect(';').is_some() {
            self.skip(&[' ']);
            let name = self.key()?;
            let bare = if self.expect('=').is_some() { self.bare()? } else { Bare::Boolean(true) };
            if parameters.len() == MOST || parameters.iter().any(|(known, _)| *known == name) {
                return None;
            }
            parameters.push((name, bare));
        }
        Some(Parameters(parameters))
    }

    fn bare(&mut self) -> Option<Bare<'t>> {
        match self.0.bytes().next()? {
            b'"' => self.text().map(Bare::Text),
            b':' => self.bytes().map(Bare::Bytes),
            b'?' => match self.take(2)? {
                "?1" => Some(Bare::Boolean(true)),
                "?0" => Some(Bare::Boolean(false)),
                _ => None,
            },
            b'@' => {
                let (whole, ()) = (self.0, self.expect('@')?);
                let number = self.number().filter(|number| !number.contains('.'))?;
                whole.get(..=number.len()).map(Bare::Date)
            }
            b'-' | b'0'..=b'9' => self.number().map(Bare::Number),
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => {
                let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte);
                Some(Bare::Token(self.take_while(is_token)))
            }
            _ => None,
        }
    }

    fn text(&mut self) -> Option<&'t str> {
        let mut bytes = self.0.bytes().enumerate().skip(1);
        loop {
            match bytes.next()? {
                (at, b'"') => return self.take(at + 1),
                (_, b'\\') => matches!(bytes.next()?.1, b'"' | b'\\').then_some(())?,
                (_, b' '..=b'~') => {}
                _ => return None,
            }
        }
    }

    fn bytes(&mut self) -> Option<&'t str> {
        let end = self.0.get(1..)?.find(':')? + 1;
        let text = self.take(end + 1)?;
        let base64 = text.get(1..end)?.as_bytes();
        // Padding between quads is what a decoder of several joined texts would take.
        let is_one = base64.iter().position(|byte| *byte == b'=').is_none_or(|at| at + 2 >= base64.len());
        (is_one && BASE64.decode(base64).is_ok()).then_some(text)
    }

    /// A number as it is serialised: no leading zeros, a fraction that does not end in one unless it is that alone.
    fn number(&mut self) -> Option<&'t str> {
        let text = self.take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(whole, rest)| (whole, Some(rest)));
        let digits =
            |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let good = match fraction {
            None => digits(whole, 15) && text != "-0",
            Some(fraction) => digits(whole, 12) && digits(fraction, 3) && (fraction == "0" || !fraction.ends_with('0')),
        };
        (good && (whole == "0" || !whole.starts_with('0'))).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is parsed is written back in one way.
    fn check(text: &str, expected: Option<&str>) {
        let written = Dictionary::parse(text.as_bytes()).map(|dictionary| {
            let mut out = Vec::new();
            dictionary.write(&mut out);
            String::from_utf8(out).expect("ASCII")
        });
        assert_eq!(written.as_deref(), expected, "{text}");
    }

    #[test]
    fn what_is_written_in_the_one_way_stays_as_it_is() {
        for text in [
            "",
            "a",
            "a=1, b=-15.5, c=\"x\\\"\\\\y\", d=tok/en:x, e=:AQL+:, f=?0, g=@1659578233",
            "sig1=(\"@method\" \"x\";sf \"y\";key=\"z\");created=1618884473;keyid=\"k\"",
            "sig1=();created=1",
            "a=();b=(\"x\")",
            "*a=*x",
        ] {
            check(text, if text == "a=();b=(\"x\")" { None } else { Some(text) });
        }
    }

    #[test]
    fn blanks_are_written_once() {
        check("  a=1 \t,\t b=( \"x\"   \"y\" );  c=1  ", Some("a=1, b=(\"x\" \"y\");c=1"));
        check("a=?1;b=?1", Some("a;b"));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "A=1",
            "1a=1",
            "a=1,",
            ",a=1",
            "a=1,,b=1",
            "a=1 b=1",
            "a =1",
            "a= 1",
            "a=1, a=2",
            "a;b;b",
            "a;B",
            "a=(\"x\"\"y\")",
            "a=(\"x\"",
            "a=(\"x\",\"y\")",
            "a=((\"x\"))",
            "a=\"x",
            "a=\"x\\n\"",
            "a=\"\u{e9}\"",
            "a=\"\t\"",
            "a=:AQL:",
            "a=:A===:",
            "a=:AR==:",
            "a=:AQ==AQ==:",
            "a=:AQ",
            "a=01",
            "a=-0",
            "a=-",
            "a=1.",
            "a=.1",
            "a=1.10",
            "a=1.1.1",
            "a=1-1",
            "a=1234567890123456",
            "a=?2",
            "a=?",
            "a=@1.5",
            "a=%\"x\"",
            "a=\t1",
        ] {
            check(text, None);
        }
        let many: Vec<_> = (0..=MOST).map(|index| format!("a{index}")).collect();
        check(&many.join(","), None);
        check(&format!("a;{}", many.join(";")), None);
        check(&format!("a=({})", "1 ".repeat(MOST + 1)), None);
    }
}
