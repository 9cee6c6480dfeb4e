//! An API that gives a sender's public keys one by one, by their ids, to whoever has an account there: where it is, how
//! it is asked, and where the key stands in its answer. Data alone; `fetch` asks.

/// The longest id. Providers name keys by UUIDs.
pub const MAX_ID: usize = 128;

/// How an API of keys is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyApi {
    /// The beginning of its addresses, without a slash at the end; a route may have another one.
    pub base: Box<str>,
    /// What is asked there.
    pub question: Question,
    /// What proves that we may ask.
    pub credential: Credential,
    /// Where the key stands in an answer.
    pub key: KeyIn,
    /// Where an answer says when the key ends or has ended, in seconds since the Unix epoch (a pointer, RFC 6901).
    pub ends: Option<Box<str>>,
    /// What ids look like. One that looks otherwise is nobody's, and is never asked for.
    pub ids: IdShape,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// GET of this path, in which `{kid}` stands for the id.
    Get(Box<str>),
    /// POST to this path of a JSON object with `key_id`.
    Post(Box<str>),
}

/// What proves that we may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Nothing: the keys are public.
    None,
    /// A key of the account, as a bearer token.
    Bearer,
    /// A token that is asked for with an id and a secret (RFC 6749 section 4.4).
    ClientCredentials {
        /// The path of that question.
        token: Box<str>,
        /// The scope that it names.
        scope: Option<Box<str>>,
    },
    /// An id and a secret, `client_id` and `secret` of the JSON object that is sent.
    InBody,
}

/// Where a key stands in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyIn {
    /// It is the answer: PEM or DER in base64.
    Whole,
    /// The same, in a member of a JSON object (a pointer, RFC 6901).
    Text(Box<str>),
    /// In such a member, as a JWK.
    Jwk(Box<str>),
}

/// What ids look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdShape {
    /// One to [`MAX_ID`] of `A-Z a-z 0-9 _ -`, so that an id in an address stays a part of its path.
    Word,
    /// A UUID (RFC 9562 section 4), in lower or upper case.
    Uuid,
}

impl IdShape {
    /// The id, where it looks so.
    #[must_use]
    pub fn read(self, id: &[u8]) -> Option<&str> {
        let fits = match self {
            Self::Word => {
                (1..=MAX_ID).contains(&id.len())
                    && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte))
            }
            Self::Uuid => is_uuid(id),
        };
        std::str::from_utf8(id).ok().filter(|_| fits)
    }
}

fn is_uuid(id: &[u8]) -> bool {
    let fits = |(index, byte): (usize, &u8)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    id.len() == 36 && id.iter().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        let uuid = "9936261a-7d7b-4621-a0f1-96ccb428af49";
        for (id, word, is_uuid) in [
            (uuid, true, true),
            (&*uuid.to_uppercase(), true, true),
            ("key_1", true, false),
            ("", false, false),
            (&uuid[1..], true, false),
            (&uuid.replace('-', "0"), true, false),
            (&uuid.replacen('a', "g", 1), true, false),
            ("9936261a/7d7b-4621-a0f1-96ccb428af49", false, false),
            ("..", false, false),
            ("a?b", false, false),
            ("a%2f", false, false),
            ("a\r\n", false, false),
            ("\u{e4}", false, false),
        ] {
            let found = [IdShape::Word, IdShape::Uuid].map(|shape| shape.read(id.as_bytes()).is_some());
            assert_eq!(found, [word, is_uuid], "{id:?}");
        }
        let longest = [b'a'; MAX_ID + 1];
        assert!(IdShape::Word.read(&longest).is_none() && IdShape::Word.read(&longest[1..]).is_some());
        assert!(IdShape::Word.read(b"\xff").is_none());
    }
}
