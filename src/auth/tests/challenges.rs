//! Endpoint verifications: what is answered, what is refused, and that no answer is the signature of a message.

use super::*;
use crate::auth::challenge::{Reply, answer, may_be_open};
use crate::auth::keys::Key;
use crate::providers;

struct Ask<'a> {
    method: &'a str,
    target: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
    proven: bool,
    verify_token: Option<&'a str>,
}

const POST: Ask<'_> = Ask { method: "POST", target: "/hook", headers: &[], body: "", proven: true, verify_token: None };
const GET: Ask<'_> = Ask { method: "GET", proven: false, ..POST };

fn ask(scheme: &Scheme, keys: &Keys, ask: &Ask<'_>) -> Option<Result<Reply, Denial>> {
    let mut raw = format!("{} {} HTTP/1.1\r\nHost: example.com\r\n", ask.method, ask.target);
    ask.headers.iter().for_each(|(name, value)| raw.extend([name, ": ", value, "\r\n"]));
    raw.push_str("\r\n");
    let head = Head::parse(raw.as_bytes()).expect("a good head");
    let message = Message { head: &head, bytes: raw.as_bytes(), body: ask.body.as_bytes() };
    let site = site(scheme, keys);
    let key = keys.at(0).filter(|_| ask.proven);
    let reply = answer(&site, ask.verify_token.map(str::as_bytes), ask.proven, key, &message);
    if !ask.proven && reply.is_some() {
        assert!(may_be_open(&site, &message), "what is answered unproven is looked at unproven");
    }
    reply
}

const HMAC: &str = "scheme = \"hmac\"\nsignature = { header = \"X-Sig\" }\n";

/// Status, body, and one header field; or why not.
type Answer<'a> = Result<(u16, &'a str, Option<&'a str>), Reason>;

/// What a challenge answers; `None` where the request is none.
fn check(challenge: &str, question: &Ask<'_>, expected: Option<Answer<'_>>) {
    let scheme = scheme(&format!("{HMAC}challenge = {{ {challenge} }}"));
    let keys = keys(&scheme, &[1]);
    let reply = ask(&scheme, &keys, question);
    let said = reply.map(|reply| {
        let reply = reply.map_err(|denial| denial.reason)?;
        let header = reply.headers.first().map(|(_, value)| String::from_utf8(value.clone()).expect("text"));
        Ok((reply.status, String::from_utf8(reply.body).expect("text"), header))
    });
    let said =
        said.as_ref().map(|said| said.as_ref().map(|(status, body, header)| (*status, &**body, header.as_deref())));
    assert_eq!(said.map(|said| said.map_err(|reason| *reason)), expected, "{challenge}");
}

#[test]
fn meta() {
    let meta = "method = \"GET\", when = \"query:hub.mode\", equals = \"subscribe\", verify = \"query:hub.verify_token\", token = \"query:hub.challenge\", reply = \"{{token}}\"";
    let target = "/hook?hub.mode=subscribe&hub.verify_token=v&hub.challenge=1158201444";
    let good = Some(Ok((200, "1158201444", None)));
    check(meta, &Ask { target, ..GET }, good);
    check(meta, &Ask { target, verify_token: Some("v"), ..GET }, good);
    check(meta, &Ask { target, verify_token: Some("w"), ..GET }, Some(Err(Reason::CredentialInvalid)));
    check(meta, &Ask { target: "/hook?hub.mode=unsubscribe&hub.challenge=1", ..GET }, None);
    check(
        meta,
        &Ask { target: "/hook?hub.mode=subscribe&hub.challenge=1&hub.challenge=2", ..GET },
        Some(Err(Reason::PayloadInvalid)),
    );
    check(
        meta,
        &Ask { target: "/hook?hub.mode=subscribe&hub.challenge=%3Cb%3E", ..GET },
        Some(Err(Reason::PayloadInvalid)),
    );
    check(meta, &Ask { target, method: "POST", ..GET }, None);
}

#[test]
fn echoes() {
    check("method = \"HEAD\"", &Ask { method: "HEAD", ..GET }, Some(Ok((200, "", None))));
    let asana =
        "authenticated = false, token = \"header:X-Hook-Secret\", headers = { \"X-Hook-Secret\" = \"{{token}}\" }";
    let headers = &[("X-Hook-Secret", "b537207f20cbfa02")];
    check(asana, &Ask { headers, proven: false, ..POST }, Some(Ok((200, "", Some("b537207f20cbfa02")))));
    check(asana, &Ask { proven: false, ..POST }, None);
    let graph = "authenticated = false, token = \"query:validationToken\", shape = \"visible\", reply = \"{{token}}\"";
    let target = "/hook?validationToken=Validation%3a+Testing+client";
    check(graph, &Ask { target, proven: false, ..POST }, Some(Ok((200, "Validation: Testing client", None))));
    let target = "/hook?validationToken=%3Cscript%3E";
    check(graph, &Ask { target, proven: false, ..POST }, Some(Err(Reason::PayloadInvalid)));
    let events = "method = \"OPTIONS\", token = \"header:WebHook-Request-Origin\", shape = \"visible\", headers = { \"WebHook-Allowed-Origin\" = \"{{token}}\", \"WebHook-Allowed-Rate\" = \"*\" }";
    let headers = &[("WebHook-Request-Origin", "events.example.com")];
    check(events, &Ask { method: "OPTIONS", headers, ..GET }, Some(Ok((200, "", Some("events.example.com")))));
    let grid = "when = \"header:aeg-event-type\", equals = \"SubscriptionValidation\", token = \"json:/0/data/validationCode\", reply = '{\"validationResponse\":\"{{token}}\"}'";
    let headers = &[("aeg-event-type", "SubscriptionValidation")];
    let body = r#"[{"data":{"validationCode":"512d38b6-c7b8"}}]"#;
    check(grid, &Ask { headers, body, ..POST }, Some(Ok((200, r#"{"validationResponse":"512d38b6-c7b8"}"#, None))));
    check(grid, &Ask { headers, body, proven: false, ..POST }, None);
    let woo = "authenticated = false, when = \"form:webhook_id\"";
    let headers = &[("Content-Type", "application/x-www-form-urlencoded")];
    check(woo, &Ask { headers, body: "webhook_id=7", proven: false, ..POST }, Some(Ok((200, "", None))));
}

#[test]
fn verify_tokens() {
    let fitbit = "method = \"GET\", when = \"query:verify\", verify = \"query:verify\", verify_required = true, status = 204, refused_status = 404";
    let target = "/hook?verify=code";
    check(fitbit, &Ask { target, verify_token: Some("code"), ..GET }, Some(Ok((204, "", None))));
    check(fitbit, &Ask { target, verify_token: Some("other"), ..GET }, Some(Ok((404, "", None))));
    check(fitbit, &Ask { target, ..GET }, Some(Ok((404, "", None))));
    let vercel = "method = \"GET\", headers = { \"x-vercel-verify\" = \"{{verify_token}}\" }";
    check(vercel, &Ask { verify_token: Some("abc"), ..GET }, Some(Ok((200, "", Some("abc")))));
    check(vercel, &GET, Some(Err(Reason::PayloadInvalid)));
}

#[test]
fn replies_that_are_signed() {
    let x = "method = \"GET\", token = \"query:crc_token\", shape = \"base64\", reply = 'sha256={{token|hmac|base64}}'";
    let scheme = scheme(&format!("{HMAC}challenge = {{ {x} }}"));
    let keys = keys(&scheme, &[1]);
    let reply = ask(&scheme, &keys, &Ask { target: "/hook?crc_token=abc", ..GET }).expect("a challenge").expect("good");
    let expected = data_encoding::BASE64.encode(&tag(keys.at(0).expect("a key"), b"abc"));
    assert_eq!(reply.body, format!("sha256={expected}").into_bytes());
    let ebay = "scheme = \"hmac\"\nsignature = { header = \"X\" }\nlet = { ebay = \"{token}{verify_token}{url_base}\" }\nchallenge = { method = \"GET\", token = \"query:c\", reply = '{{let:ebay|sha256|hex}}' }";
    let scheme = super::scheme(ebay);
    let question = Ask { target: "/hook?c=a", verify_token: Some("b"), ..GET };
    let reply = ask(&scheme, &keys, &question).expect("a challenge").expect("good");
    let expected = mac::hash(scheme::Algorithm::Sha256, b"abhttps://example.com/hook");
    assert_eq!(reply.body, data_encoding::HEXLOWER.encode(expected.as_bytes()).into_bytes());
}

fn tag(key: &Key, content: &[u8]) -> Vec<u8> {
    let mut mac = key.mac().expect("an HMAC key");
    mac.update(content);
    mac.finish().as_bytes().to_vec()
}

#[test]
fn zoom() {
    let scheme = &providers::find("zoom").expect("in the catalogue").scheme;
    let keys = keys(scheme, &[1]);
    let asked = |token: &str| {
        let body =
            serde_json::json!({"event": "endpoint.url_validation", "payload": {"plainToken": token}}).to_string();
        ask(scheme, &keys, &Ask { body: &body, ..POST }).expect("a challenge")
    };
    let reply = asked("qgg8vlvZRS6UYooatFL8Aw").expect("an answer");
    assert_eq!(&*reply.content_type, "application/json");
    let said: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    let expected = tag(keys.at(0).expect("a key"), b"qgg8vlvZRS6UYooatFL8Aw");
    assert_eq!(said["encryptedToken"], data_encoding::HEXLOWER.encode(&expected));
    for oracle in ["v0:1700000000:{}", "", "a b", "a.b", "{\"a\":1}", &"a".repeat(257)] {
        assert_eq!(asked(oracle).map(|_| ()), Err(Reason::PayloadInvalid.into()), "{oracle}");
    }
    let message = Ask { body: r#"{"event":"meeting.started"}"#, ..POST };
    assert!(ask(scheme, &keys, &message).is_none());
}

/// Whoever has a token signed, and sends it as a message with the answer as its signature, is refused; so is such a
/// message with its own right signature, so that the two can never meet.
#[test]
fn no_answer_is_the_signature_of_a_message() {
    let mut asked = 0;
    let of_catalogue = providers::all().iter().map(|provider| Scheme::clone(&provider.scheme));
    let rows = ["{body}", "{timestamp}{body}", "{body|lower}", "{header:X-Id}", "{json:/a}"].map(|signed| {
        let time = if signed.contains("timestamp") { "timestamp = { from = \"header:X-Time\" }\n" } else { "" };
        scheme(&format!("{HMAC}signed = \"{signed}\"\n{time}challenge = {{ method = \"GET\", token = \"query:t\", reply = \"{{{{token|hmac|hex}}}}\" }}"))
    });
    for scheme in of_catalogue.chain(rows) {
        let signs =
            scheme.challenges.iter().any(|challenge| challenge.templates().any(|reply| reply.text().contains("hmac")));
        if !signs {
            continue;
        }
        asked += 1;
        let shape = scheme.challenges.iter().map(|challenge| challenge.shape).max().expect("a challenge");
        let max = scheme.challenges.iter().map(|challenge| challenge.max).max().expect("a challenge");
        let keys = keys(&scheme, &[1]);
        let key = keys.at(0).expect("a key");
        for token in ["a", "1700000000", "abcDEF-_019", &"a".repeat(max)] {
            // As any message whose one signed part is the token.
            let body = if scheme.members.is_empty() { token.to_owned() } else { format!("{{\"a\":\"{token}\"}}") };
            let mut draft = draft(&scheme, Some(body.into_bytes()));
            draft.headers.extend([("X-Id".into(), token.into()), ("X-Time".into(), "1700000000".into())]);
            if let Ok(signed) = sign::sign(&scheme, key, draft.clone(), now()) {
                let excluded = scheme.contents().first().is_some_and(|content| content.excludes_tokens(shape));
                assert!(excluded || verify(&scheme, &keys, &signed, 9).is_err(), "{signed:?}");
            }
            let answer = data_encoding::HEXLOWER.encode(&tag(key, token.as_bytes()));
            draft.headers.push((scheme.signature.header.to_string(), answer));
            assert!(verify(&scheme, &keys, &draft, 9).is_err(), "{draft:?}");
        }
    }
    assert!(asked >= 6, "zoom and the rows");
}
