//! What a template does to a value before it is signed: encodings, digests and a few providers' own rules.

use std::io::Read;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE, HEXUPPER};
use flate2::read::MultiGzDecoder;
use zeroize::Zeroizing;

use super::mac::{Mac, hash};
use super::scheme::Algorithm;
use super::{form, special};

/// The most bytes that a compressed body may grow to: what the largest senders of compressed events state, and far
/// below what would hurt. The bytes are hashed in parts and never held together where they are signed as they are.
pub const MAX_INFLATED: u64 = 16 << 20;

/// One step from a value to what is signed of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Lower-case hexadecimal.
    Hex,
    /// Upper-case hexadecimal.
    HexUpper,
    /// Base64.
    Base64,
    /// Base64url without padding.
    Base64Url,
    /// From hexadecimal.
    Unhex,
    /// From base64, padded or not.
    Unbase64,
    /// From base64url, padded or not.
    Unbase64Url,
    /// The raw digest.
    Hash(Algorithm),
    /// The CRC-32 of zip and PNG, as a decimal number.
    Crc32,
    /// ASCII lower case.
    Lower,
    /// ASCII upper case.
    Upper,
    /// Without blanks around it.
    Trim,
    /// Its characters from last to first.
    Reverse,
    /// Percent-encoded (RFC 3986).
    UrlEncode,
    /// Percent-decoded, `+` as a blank.
    UrlDecode,
    /// Nothing of nothing, whatever filters follow.
    UnlessEmpty,
    /// Decompressed where it starts as gzip does.
    Gunzip,
    /// A JSON string, as `JSON.stringify` writes it.
    JsonString,
    /// JSON as PHP's `json_encode` writes it.
    PhpJson,
    /// `HubSpot`'s decoding of a URL.
    HubspotUri,
    /// `PayU` Latam's amounts.
    PayuDecimal,
    /// Contentful's encoding of a request target.
    ContentfulTarget,
    /// The HMAC under the route's key; in replies alone.
    Hmac,
}

impl Filter {
    /// The filter of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "hex" => Self::Hex,
            "hex_upper" => Self::HexUpper,
            "base64" => Self::Base64,
            "base64url" => Self::Base64Url,
            "unhex" => Self::Unhex,
            "unbase64" => Self::Unbase64,
            "crc32" => Self::Crc32,
            "unbase64url" => Self::Unbase64Url,
            "lower" => Self::Lower,
            "upper" => Self::Upper,
            "trim" => Self::Trim,
            "reverse" => Self::Reverse,
            "urlencode" => Self::UrlEncode,
            "urldecode" => Self::UrlDecode,
            "unless_empty" => Self::UnlessEmpty,
            "gunzip" => Self::Gunzip,
            "json_string" => Self::JsonString,
            "php_json" => Self::PhpJson,
            "hubspot_uri" => Self::HubspotUri,
            "payu_decimal" => Self::PayuDecimal,
            "contentful_target" => Self::ContentfulTarget,
            "hmac" => Self::Hmac,
            other => Self::Hash(Algorithm::named(other)?),
        })
    }

    /// What it makes of a value; `None` where the value is none that it can take.
    fn apply(self, value: &[u8], key: Option<&Mac>) -> Option<Vec<u8>> {
        Some(match self {
            Self::Hex => HEXLOWER.encode(value).into_bytes(),
            Self::HexUpper => HEXUPPER.encode(value).into_bytes(),
            Self::Base64 => BASE64.encode(value).into_bytes(),
            Self::Base64Url => BASE64URL_NOPAD.encode(value).into_bytes(),
            Self::Unhex => HEXLOWER_PERMISSIVE.decode(value).ok()?,
            Self::Unbase64 => BASE64.decode(value).or_else(|_| BASE64_NOPAD.decode(value)).ok()?,
            Self::Unbase64Url => BASE64URL.decode(value).or_else(|_| BASE64URL_NOPAD.decode(value)).ok()?,
            Self::Hash(algorithm) => hash(algorithm, value).as_bytes().to_vec(),
            Self::Crc32 => {
                let mut crc = flate2::Crc::new();
                crc.update(value);
                crc.sum().to_string().into_bytes()
            }
            Self::Lower => value.to_ascii_lowercase(),
            Self::Upper => value.to_ascii_uppercase(),
            Self::Trim => value.trim_ascii().to_vec(),
            Self::Reverse => str::from_utf8(value).ok()?.chars().rev().collect::<String>().into_bytes(),
            Self::UrlEncode => form::encode(value, form::is_unreserved),
            Self::UrlDecode => form::decode(value).into_owned(),
            Self::UnlessEmpty => value.to_vec(),
            Self::Gunzip => {
                let mut whole = Vec::new();
                gunzip(value, &mut |part| whole.extend_from_slice(part)).then_some(whole)?
            }
            Self::JsonString => serde_json::to_vec(str::from_utf8(value).ok()?).ok()?,
            Self::PhpJson => special::json::php(value)?,
            Self::HubspotUri => special::hubspot_uri(value),
            Self::PayuDecimal => special::payu_decimal(value),
            Self::ContentfulTarget => special::contentful_target(value),
            Self::Hmac => {
                let mut mac = key?.clone();
                mac.update(value);
                mac.finish().as_bytes().to_vec()
            }
        })
    }
}

/// Takes a value through filters. What they pass on may be the secret, so it is wiped.
pub(super) fn apply(
    filters: &[Filter],
    mut value: Zeroizing<Vec<u8>>,
    key: Option<&Mac>,
) -> Option<Zeroizing<Vec<u8>>> {
    for filter in filters {
        if *filter == Filter::UnlessEmpty && value.is_empty() {
            return Some(value);
        }
        value = Zeroizing::new(filter.apply(&value, key)?);
    }
    Some(value)
}

/// Feeds what is compressed in `bytes`, or `bytes` themselves where they do not start as gzip does (RFC 1952). False: the
/// stream is broken, or grows beyond [`MAX_INFLATED`].
pub(super) fn gunzip(bytes: &[u8], sink: &mut dyn FnMut(&[u8])) -> bool {
    if !bytes.starts_with(b"\x1f\x8b") {
        sink(bytes);
        return true;
    }
    let (mut decoder, mut part, mut left) = (MultiGzDecoder::new(bytes), [0; 8 * 1024], MAX_INFLATED);
    loop {
        match decoder.read(&mut part) {
            Ok(0) => return true,
            Ok(count) => {
                let Some(rest) = left.checked_sub(count as u64) else { return false };
                left = rest;
                sink(part.get(..count).unwrap_or_default());
            }
            Err(_) => return false,
        }
    }
}

impl Algorithm {
    /// The hash of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "md5" => Self::Md5,
            "sha1" => Self::Sha1,
            "sha256" => Self::Sha256,
            "sha384" => Self::Sha384,
            "sha512" => Self::Sha512,
            "sha3_256" => Self::Sha3,
            "keccak256" => Self::Keccak256,
            _ => return None,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha3 => "sha3_256",
            Self::Keccak256 => "keccak256",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn check(names: &str, value: &[u8], expected: Option<&[u8]>) {
        let filters: Vec<_> = names.split('|').map(|name| Filter::named(name).expect(name)).collect();
        let made = apply(&filters, Zeroizing::new(value.to_vec()), None);
        assert_eq!(made.as_deref().map(Vec::as_slice), expected, "{names} {value:?}");
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn steps() {
        check("hex", b"\x01\xfe", Some(b"01fe"));
        check("hex_upper", b"\x01\xfe", Some(b"01FE"));
        check("base64", b"\x01\xfe", Some(b"Af4="));
        check("base64url", b"\xfb\xff", Some(b"-_8"));
        check("unhex", b"01FE", Some(b"\x01\xfe"));
        check("unhex", b"01f", None);
        check("unbase64", b"Af4", Some(b"\x01\xfe"));
        check("unbase64", b"A", None);
        check("md5|hex", b"abc", Some(b"900150983cd24fb0d6963f7d28e17f72"));
        check("crc32", b"123456789", Some(b"3421780262"));
        check("crc32", b"", Some(b"0"));
        check("reverse", "aä".as_bytes(), Some("äa".as_bytes()));
        check("reverse", b"\xff", None);
        check("unless_empty|md5|hex", b"", Some(b""));
        check("unless_empty|md5|hex", b"abc", Some(b"900150983cd24fb0d6963f7d28e17f72"));
        check("trim|upper", b" ab ", Some(b"AB"));
        check("urlencode", b"a b/\xc3\xa4~", Some(b"a%20b%2F%C3%A4~"));
        check("urldecode", b"a+b%2f", Some(b"a b/"));
        check("json_string", b"a\"\\\n\x01/\xc3\xa4", Some("\"a\\\"\\\\\\n\\u0001/ä\"".as_bytes()));
        check("json_string", b"\xff", None);
        check("hmac", b"a", None);
    }

    #[test]
    fn compressed_values_are_bounded() {
        check("gunzip", b"plain", Some(b"plain"));
        check("gunzip", &gzip(b"packed"), Some(b"packed"));
        check("gunzip", &gzip(b"packed")[..12], None);
        check("gunzip", b"\x1f\x8bno gzip", None);
        let largest = vec![0; usize::try_from(MAX_INFLATED).expect("small")];
        assert!(gunzip(&gzip(&largest), &mut |_| {}));
        assert!(!gunzip(&gzip(&[&largest[..], b"x"].concat()), &mut |_| {}), "a bomb");
    }

    #[test]
    fn names_are_known_both_ways() {
        for name in ["md5", "sha1", "sha256", "sha384", "sha512", "sha3_256", "keccak256"] {
            assert_eq!(Algorithm::named(name).map(Algorithm::name), Some(name));
        }
        assert_eq!(Filter::named("sha224"), None);
    }
}
