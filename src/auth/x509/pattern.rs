//! What an address or a name must look like: a text with a few open places, each of a narrow class.
//!
//! A pin is compared with the whole text as it was sent, byte by byte, and nothing is parsed: so user names, ports,
//! fragments, escapes and other spellings of a host have no way in. An open place never takes a dot, a slash, a colon or
//! an at sign.

/// A text with open places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Box<[Piece]>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// As it stands.
    Text(Box<str>),
    /// `*`: one to [`MOST`] of `A-Z a-z 0-9 _ -`.
    Any,
    /// `{region}`: a region of AWS, such as `eu-west-1` or `us-gov-east-1`. Narrower than it might be, since a name such
    /// as `s3-us-west-2` is a place where anybody can put files.
    Region,
    /// `{query}`: one to 2048 of what stands in a query, escaped or not; only at the end.
    Query,
}

/// The longest query.
const MOST_OF_QUERY: usize = 2048;

/// The longest text in an open place.
const MOST: usize = 128;

impl Pattern {
    /// Compiles a pattern. `None`: two open places follow each other, or a brace is none that is known.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let end = rest.find(['*', '{', '}']).unwrap_or(rest.len());
            let (literal, after) = rest.split_at(end);
            if !literal.is_empty() {
                pieces.push(Piece::Text(literal.into()));
            }
            let known = [("*", Piece::Any), ("{region}", Piece::Region), ("{query}", Piece::Query)];
            let open = known.into_iter().find_map(|(text, piece)| Some((piece, after.strip_prefix(text)?)));
            let ends_early = matches!(&open, Some((Piece::Query, after)) if !after.is_empty());
            if ends_early || open.is_none() && !after.is_empty() {
                return None;
            }
            rest = open.as_ref().map_or("", |(_, after)| *after);
            if let Some((piece, _)) = open {
                if pieces.last().is_some_and(|last| !matches!(last, Piece::Text(_))) {
                    return None;
                }
                pieces.push(piece);
            }
        }
        (!pieces.is_empty()).then(|| Self(pieces.into()))
    }

    /// A text that fits.
    #[must_use]
    pub fn sample(&self) -> String {
        let sample = |piece: &Piece| match piece {
            Piece::Text(text) => text.to_string(),
            Piece::Any => "sample".to_owned(),
            Piece::Region => "us-east-1".to_owned(),
            Piece::Query => "Action=Sample".to_owned(),
        };
        self.0.iter().map(sample).collect()
    }

    /// Whether a text fits, from its first to its last byte.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        fits(&self.0, text)
    }
}

impl std::fmt::Display for Pattern {
    /// As a definition writes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.to_string(),
            Piece::Any => "*".to_owned(),
            Piece::Region => "{region}".to_owned(),
            Piece::Query => "{query}".to_owned(),
        };
        self.0.iter().try_for_each(|piece| f.write_str(&text(piece)))
    }
}

/// The rest of a pattern against the rest of a text. Open places are few and far apart, and each is tried with what its
/// class takes at most: the text that follows it is not of that class, or ends it.
fn fits(pieces: &[Piece], text: &str) -> bool {
    let Some((piece, after)) = pieces.split_first() else { return text.is_empty() };
    if let Piece::Text(literal) = piece {
        return text.strip_prefix(&**literal).is_some_and(|rest| fits(after, rest));
    }
    if *piece == Piece::Query {
        let is_query = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/=&%+".contains(&byte);
        return (1..=MOST_OF_QUERY).contains(&text.len()) && text.bytes().all(is_query);
    }
    let is_any = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let most = text.bytes().take(MOST).take_while(|byte| is_any(*byte)).count();
    (1..=most).rev().any(|len| {
        let (open, rest) = text.split_at(len);
        (*piece == Piece::Any || is_region(open)) && fits(after, rest)
    })
}

/// `us-east-1`, `us-gov-west-1`, `ap-southeast-2`, `eusc-de-east-1`: words of letters and a number.
fn is_region(text: &str) -> bool {
    let words: Vec<_> = text.split('-').collect();
    let [first, middle @ .., last] = &words[..] else { return false };
    let letters =
        |word: &&str, most| (2..=most).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase());
    letters(first, 4)
        && (1..=2).contains(&middle.len())
        && middle.iter().all(|word| letters(word, 9))
        && (1..=2).contains(&last.len())
        && last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_sns() {
        let pattern =
            Pattern::parse("https://sns.{region}.amazonaws.com/SimpleNotificationService-*.pem").expect("good");
        let check = |text: &str, expected: bool| assert_eq!(pattern.fits(text), expected, "{text}");
        check("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b.pem", true);
        check("https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem", true);
        check("https://sns.ap-southeast-2.amazonaws.com/SimpleNotificationService-x_y.pem", true);
        let file = "/SimpleNotificationService-0a1b.pem";
        for host in [
            "http://sns.us-east-1.amazonaws.com",
            "HTTPS://sns.us-east-1.amazonaws.com",
            "https://SNS.us-east-1.amazonaws.com",
            "https://sns.US-EAST-1.amazonaws.com",
            "https://sns.evil.com",
            "https://sns.us-east-1.amazonaws.com.evil.com",
            "https://sns.us-east-1.amazonaws.com:443",
            "https://user@sns.us-east-1.amazonaws.com",
            "https://sns.us-east-1.amazonaws.com@evil.com",
            "https://evil.com/sns.us-east-1.amazonaws.com",
            "https://sns.us-east-1.amazonaws.com.",
            "https://xsns.us-east-1.amazonaws.com",
            "https://sns.amazonaws.com",
            // Places where anybody can have a bucket called sns.
            "https://sns.s3.amazonaws.com",
            "https://sns.s3-us-west-2.amazonaws.com",
            "https://sns.s3.us-west-2.amazonaws.com",
            "https://sns.bucket.us-west-2.amazonaws.com",
            " https://sns.us-east-1.amazonaws.com",
        ] {
            check(&format!("{host}{file}"), false);
        }
        for rest in [
            "/SimpleNotificationService-.pem",
            "/SimpleNotificationService-a.pem?x",
            "/SimpleNotificationService-a.pem#x",
            "/SimpleNotificationService-a/../x.pem",
            "/SimpleNotificationService-a%2f.pem",
            "/SimpleNotificationService-a.pem/",
            "//SimpleNotificationService-a.pem",
            "/x/SimpleNotificationService-a.pem",
            "/other.pem",
            "/",
            "",
        ] {
            check(&format!("https://sns.us-east-1.amazonaws.com{rest}"), false);
        }
        check(&format!("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-{}.pem", "a".repeat(MOST)), true);
        check(
            &format!("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-{}.pem", "a".repeat(MOST + 1)),
            false,
        );
    }

    #[test]
    fn open_places() {
        let check = |pattern: &str, text: &str, expected: Option<bool>| {
            assert_eq!(Pattern::parse(pattern).map(|pattern| pattern.fits(text)), expected, "{pattern} {text}");
        };
        check("*.paypal.com", "messageverificationcerts.paypal.com", Some(true));
        check("*.paypal.com", ".paypal.com", Some(false));
        check("*.paypal.com", "a.b.paypal.com", Some(false));
        check("*.paypal.com", "*.paypal.com", Some(false));
        check("*.paypal.com", "paypal.com", Some(false));
        check("a*b", "aab", Some(true));
        check("a-*-b", "a-x-b-b", Some(true));
        check("{region}", "eusc-de-east-1", Some(true));
        check("{region}", "us-east", Some(false));
        check("{region}", "us-east-123", Some(false));
        check("{region}", "us--1", Some(false));
        check("https://a/?{query}", "https://a/?Action=X&T=arn:aws:sns:us-east-1:1:t%20", Some(true));
        check("https://a/?{query}", "https://a/?", Some(false));
        check("https://a/?{query}", "https://a/?a#b", Some(false));
        check("https://a/?{query}", "https://a/?a@b", Some(false));
        for good in ["*.paypal.com", "https://sns.{region}.amazonaws.com/?{query}"] {
            let pattern = Pattern::parse(good).expect("good");
            assert!(pattern.fits(&pattern.sample()), "{good}");
        }
        for bad in ["{query}x", "", "**", "*{region}", "{x}", "a}", "a{"] {
            check(bad, "a", None);
        }
    }
}
