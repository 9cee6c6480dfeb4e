//! What is in it: are this content, event and payload permitted? Pure rules; the order in which they are asked is the
//! pipeline's.

use std::sync::Arc;

/// A compiled JSON Schema. References to other documents are refused: they would be fetched.
#[derive(Clone)]
pub struct Schema(Arc<jsonschema::Validator>);

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn compile(text: &str) -> Result<Self, String> {
        let schema = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
        let validator = jsonschema::validator_for(&schema).map_err(|error| format!("is not a JSON Schema: {error}"))?;
        Ok(Self(Arc::new(validator)))
    }

    /// Whether a body is JSON that the schema permits.
    #[must_use]
    pub fn is_valid(&self, body: &[u8]) -> bool {
        serde_json::from_slice(body).is_ok_and(|document| self.0.is_valid(&document))
    }
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Schema(…)")
    }
}

/// Whether a body of that Content-Type may come; an empty list permits all.
#[must_use]
pub fn content_type_permitted(permitted: &[Box<str>], content_type: Option<&[u8]>) -> bool {
    if permitted.is_empty() || permitted.iter().any(|known| content_type == Some(known.as_bytes())) {
        return true;
    }
    let media_type = media_type(content_type.unwrap_or_default());
    permitted.iter().any(|known| media_type.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether a Content-Type says that the body is JSON.
#[must_use]
pub fn declares_json(content_type: Option<&[u8]>) -> bool {
    if content_type == Some(b"application/json") {
        return true;
    }
    let media_type = media_type(content_type.unwrap_or_default());
    let ends_in = |suffix: &[u8]| {
        media_type.len().checked_sub(suffix.len()).is_some_and(|at| media_type[at..].eq_ignore_ascii_case(suffix))
    };
    media_type.eq_ignore_ascii_case(b"application/json") || ends_in(b"+json")
}

/// Whether an event of that type may come; an empty list permits all. `invoice.*` permits all that start with `invoice.`.
#[must_use]
pub fn event_permitted(permitted: &[Box<str>], event: Option<&[u8]>) -> bool {
    permitted.is_empty()
        || event.is_some_and(|event| {
            permitted.iter().any(|known| match known.strip_suffix('*') {
                Some(prefix) => event.starts_with(prefix.as_bytes()),
                None => event == known.as_bytes(),
            })
        })
}

/// Type and subtype of a Content-Type, without parameters.
#[must_use]
pub fn media_type(content_type: &[u8]) -> &[u8] {
    content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> Vec<Box<str>> {
        items.iter().map(|item| (*item).into()).collect()
    }

    #[test]
    fn content_types() {
        let json = list(&["application/json"]);
        for (content_type, permitted, is_json) in [
            (Some("application/json"), true, true),
            (Some("Application/JSON ; charset=utf-8"), true, true),
            (Some("application/vnd.api+json"), false, true),
            (Some("application/jsonp"), false, false),
            (Some("text/plain; application/json"), false, false),
            (Some(""), false, false),
            (None, false, false),
        ] {
            let content_type = content_type.map(str::as_bytes);
            assert_eq!(content_type_permitted(&json, content_type), permitted, "{content_type:?}");
            assert_eq!(declares_json(content_type), is_json, "{content_type:?}");
            assert!(content_type_permitted(&[], content_type));
        }
    }

    #[test]
    fn events() {
        let permitted = list(&["push", "invoice.*"]);
        for (event, expected) in [
            (Some("push"), true),
            (Some("pushed"), false),
            (Some("invoice.paid"), true),
            (Some("invoice"), false),
            (None, false),
        ] {
            assert_eq!(event_permitted(&permitted, event.map(str::as_bytes)), expected, "{event:?}");
        }
        assert!(event_permitted(&[], None));
    }

    #[test]
    fn schemas() {
        let schema = Schema::compile(r#"{"type":"object","required":["id"]}"#).expect("a schema");
        assert!(schema.is_valid(br#"{"id":1}"#));
        assert!(!schema.is_valid(br"{}") && !schema.is_valid(b"x"));
        assert!(Schema::compile("{").expect_err("no JSON").starts_with("is not JSON"));
        assert!(Schema::compile(r#"{"type":"objekt"}"#).is_err());
        assert!(Schema::compile(r#"{"$ref":"https://example.com/schema.json"}"#).is_err(), "nothing is fetched");
    }
}
