//! The string that Amazon SNS signs: of a message's members the signed ones, in the order of their names, each as two
//! lines.
//!
//! Lines are no boundary by themselves: a publisher chooses `Message`, and may write lines there that look like members.
//! What is read here reads back in one way only: no other value may hold a line's end (SNS allows none), the type is one
//! of three, and the topic is compared with the configured ones. So a string that was signed for one topic is never that
//! of another.
//!
//! `MessageAttributes`, `UnsubscribeURL`, `SigningCertURL` and `SignatureVersion` are not signed.

use crate::auth::feed::Members;
use crate::auth::scheme::JsonPath;
use crate::json;

/// The members that may be signed, in order.
pub(super) const MEMBERS: [&str; 8] =
    ["Message", "MessageId", "SubscribeURL", "Subject", "Timestamp", "Token", "TopicArn", "Type"];

/// Feeds the string. `None`: a member is missing, is no text, or could be read as another.
pub(super) fn feed(members: &Members<'_>, sink: &mut dyn FnMut(&[u8])) -> Option<()> {
    if members.broken {
        return None;
    }
    let text = |name: &str| {
        let text = members.text(&JsonPath::parse(name)?).filter(|text| text.first() == Some(&b'"'))?;
        json::scalar(text).filter(|text| name == "Message" || !text.iter().any(|byte| matches!(byte, b'\n' | b'\r')))
    };
    let is_there = |name: &str| Some(members.text(&JsonPath::parse(name)?).is_some_and(|text| text != b"null"));
    let signed: &[&str] = match &*text("Type")? {
        b"Notification" if is_there("Subject")? => {
            &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        }
        b"Notification" => &["Message", "MessageId", "Timestamp", "TopicArn", "Type"],
        b"SubscriptionConfirmation" | b"UnsubscribeConfirmation" => {
            &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        }
        _ => return None,
    };
    for name in signed {
        sink(name.as_bytes());
        sink(b"\n");
        sink(&text(name)?);
        sink(b"\n");
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::feed::find_members;

    fn check(document: &str, expected: Option<&str>) {
        let paths: Vec<_> = MEMBERS.iter().filter_map(|name| JsonPath::parse(name)).collect();
        let mut found = Vec::new();
        let broken = !find_members(document.as_bytes(), &paths, &mut found);
        let members = Members { document: document.as_bytes(), paths: &paths, found: &found, broken };
        let mut out = Vec::new();
        let fed = feed(&members, &mut |bytes| out.extend_from_slice(bytes));
        let got = fed.map(|()| String::from_utf8(out).expect("text"));
        assert_eq!(got.as_deref(), expected, "{document}");
    }

    fn notification(more: &str) -> String {
        format!(r#"{{"Type":"Notification","MessageId":"i","TopicArn":"arn","Timestamp":"t"{more}}}"#)
    }

    #[test]
    fn notifications() {
        check(
            &notification(r#","Message":"m""#),
            Some("Message\nm\nMessageId\ni\nTimestamp\nt\nTopicArn\narn\nType\nNotification\n"),
        );
        let with_subject =
            Some("Message\nm\nMessageId\ni\nSubject\ns\nTimestamp\nt\nTopicArn\narn\nType\nNotification\n");
        check(&notification(r#","Message":"m","Subject":"s""#), with_subject);
        check(&notification(r#","Message":"m","Subject":"s","Token":"x","SubscribeURL":"u""#), with_subject);
        check(
            &notification(r#","Message":"m","Subject":null"#),
            Some("Message\nm\nMessageId\ni\nTimestamp\nt\nTopicArn\narn\nType\nNotification\n"),
        );
        // What is signed is the decoded text; in the message alone it may have lines.
        check(
            &notification(r#","Message":"a\nTopicArn\nb\u00e9\ud83d\ude00\/""#),
            Some("Message\na\nTopicArn\nbé😀/\nMessageId\ni\nTimestamp\nt\nTopicArn\narn\nType\nNotification\n"),
        );
    }

    #[test]
    fn confirmations() {
        for kind in ["SubscriptionConfirmation", "UnsubscribeConfirmation"] {
            let document = format!(
                r#"{{"Type":"{kind}","MessageId":"i","Token":"k","TopicArn":"arn","Message":"m","SubscribeURL":"u","Timestamp":"t","Subject":"s"}}"#
            );
            let expected = format!(
                "Message\nm\nMessageId\ni\nSubscribeURL\nu\nTimestamp\nt\nToken\nk\nTopicArn\narn\nType\n{kind}\n"
            );
            check(&document, Some(&expected));
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_read() {
        for more in [
            "", // No message.
            r#","Message":null"#,
            r#","Message":5"#,
            r#","Message":{"a":1}"#,
            r#","Message":"m","Subject":5"#,
            r#","Message":"m","Subject":"a\nb""#,
            r#","Message":"m","Subject":"a\rb""#,
            r#","Message":"m","Message":"n""#,
            r#","Message":"m","\u004dessage":"n""#,
            r#","Message":"m","Subject":"s","Subject":null"#,
        ] {
            check(&notification(more), None);
        }
        let good = notification(r#","Message":"m""#);
        for (from, to) in [
            ("\"arn\"", r#""arn\nType\nNotification""#),
            ("\"i\"", r#""i\nx""#),
            ("\"t\"", r#""t\nTopicArn\narn""#),
            ("\"Notification\"", r#""Notification\nMessageId""#),
            ("\"Notification\"", r#""notification""#),
            ("\"Notification\"", r#""Other""#),
            ("\"Type\"", r#""type""#),
        ] {
            check(&good.replace(from, to), None);
        }
        check("[]", None);
        check("", None);
    }
}
