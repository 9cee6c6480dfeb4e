//! The table of libraries: a row for each provider that a library of its own is installed for.

use crate::sdks::{Language, Library};

/// Python's.
pub(crate) const PYTHON: Language = Language {
    program: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/.venv/bin/python"),
    script: "sdk.py",
    libraries: &[
        Library {
            fields: &[("BOX-SIGNATURE-VERSION", "1"), ("BOX-SIGNATURE-ALGORITHM", "HmacSHA256")],
            ..library("box")
        },
        // The text is base64 of a notification in XML, as the library's own sample begins.
        Library {
            body: concat!(
                "bt_payload=CiAgICA8bm90aWZpY2F0aW9uPjx0aW1lc3RhbXAgdHlwZT0iZGF0ZXRpbWUiPjIwMjYtMDEtMDFUMDA6MDA6M",
                "DBaPC90aW1lc3RhbXA%2BPGtpbmQ%2BY2hlY2s8L2tpbmQ%2BPHN1YmplY3Q%2BPGNoZWNrIHR5cGU9ImJvb2xlYW4iPnRyd",
                "WU8L2NoZWNrPjwvc3ViamVjdD48L25vdGlmaWNhdGlvbj4K"
            ),
            tampered: ("CiAg", "CgoK"),
            ..library("braintree")
        },
        library("castle"),
        Library {
            body: r#"{"id":1,"event":{"id":"e1","resource":"event","type":"charge:created","data":{"amount":"1010"}}}"#,
            ..library("coinbase_commerce")
        },
        Library {
            body: concat!(
                "json=%7B%22event%22%3A%7B%22event_time%22%3A%221348171010%22%2C%22event_type%22%3A%22",
                "signature_request_sent%22%2C%22event_hash%22%3A%22%22%7D%7D"
            ),
            ..verifier("dropbox_sign")
        },
        verifier("easypost"),
        Library {
            body: r#"{"events":[{"id":"EV1","amount":1010}],"meta":{"webhook_id":"WB1"}}"#,
            ..verifier("gocardless")
        },
        library("hubspot"),
        library("hubspot_v1"),
        library("hubspot_v2"),
        // It signs neither body nor query.
        Library {
            fields: &[("X-Plivo-Signature-V2-Nonce", "5566770001")],
            body: FORM,
            tampered: ("556677", "999999"),
            ..verifier("plivo_v2")
        },
        Library { fields: &[("X-Plivo-Signature-V3-Nonce", "12341010")], body: FORM, ..library("plivo_v3") },
        verifier("razorpay"),
        library("slack"),
        library("smartcar"),
        verifier("square"),
        library("standard_webhooks"),
        library("stripe"),
        library("svix"),
        Library { body: FORM, ..library("twilio") },
    ],
};

/// Senders with private keys, as an independent implementation makes them.
pub(crate) const PUBLIC_KEYS: Language = Language {
    program: PYTHON.program,
    script: "public_keys.py",
    libraries: &[
        Library { fields: &[("BinancePay-Nonce", "0123456789abcdef0123456789abcdef")], ..library("binance_pay") },
        library("bridge_xyz"),
        library("chip_collect"),
        library("circle"),
        library("coinbase"),
        library("discord"),
        library("ebay"),
        Library {
            fields: &[("X-Fal-Webhook-Request-Id", "0ab1"), ("X-Fal-Webhook-User-Id", "user|1")],
            ..library("fal")
        },
        library("fireblocks_legacy"),
        Library {
            fields: &[
                ("X-Webhook-Event-Id", "e1"),
                ("X-Webhook-Event-Timestamp", "2026-01-31T12:00:00Z"),
                ("X-Webhook-Request-Id", "r1"),
                ("X-Webhook-Key-Version", "1"),
            ],
            ..library("integrated_finance")
        },
        Library { body: "b=caf%C3%A9+au+lait&amount=1010&alert_name=a%22b&alert_id=1", ..library("paddle_classic") },
        library("postal"),
        Library { body: r#"[{"event":"open","amount":1010,"by":"café"}]"#, ..library("sendgrid") },
        library("shipstation"),
        library("standard_webhooks_v1a"),
        library("telnyx"),
        Library { body: "payload=%7B%22id%22%3A1010%2C%22by%22%3A%22caf%C3%A9+au+lait%22%7D", ..library("travis_ci") },
        library("utila"),
        library("videosdk"),
        library("wise"),
    ],
};

/// Senders of signed tokens, as independent implementations of the tokens make them.
pub(crate) const TOKENS: Language = Language {
    program: PYTHON.program,
    script: "tokens.py",
    libraries: &[
        // It signs the query and not the body: parameters to be sorted, one of them twice, and escapes of either case.
        Library {
            body: r#"{"webhookEvent":"jira:issue_updated"}"#,
            query: "?zee_last=param&repeated=parameter%202&first=1010&repeated=parameter%201&q=a%2fb~c%2Bd*&empty=",
            ..library("atlassian_connect")
        },
        library("constant_contact"),
        body_token("dialpad"),
        library("fireblocks"),
        library("fusionauth"),
        library("fusionauth_hmac"),
        library("gong"),
        body_token("kinde"),
        library("livekit"),
        library("messagebird"),
        library("netlify"),
        library("plaid"),
        library("saleor"),
        library("truelayer"),
        library("upstash_qstash"),
        library("vonage"),
        body_token("wix"),
    ],
};

/// HTTP message signatures by a library of their own, and senders who sign under certificates.
pub(crate) const MESSAGES: Language = Language {
    program: PYTHON.program,
    script: "messages.py",
    libraries: &[
        library("adobe_commerce"),
        Library { body: r#"{"event_id":"1010","recipient_client_id":"1","by":"café"}"#, ..library("adobe_io_events") },
        Library { body: SNS, tampered: ("1010", "9999"), ..library("aws_sns") },
        library("paypal"),
        library("rfc9421_ecdsa"),
        library("rfc9421_ed25519"),
        library("rfc9421_hmac"),
        library("rfc9421_rsa"),
        library("woodpecker_extensions"),
    ],
};

/// What the signer leaves open is 1.
const SNS: &str = concat!(
    r#"{"Type":"Notification","MessageId":"22b80b92-1010","TopicArn":"1","Subject":"A é","Message":"a\nTopicArn\nb\"1010","#,
    r#""Timestamp":"{rfc3339}","SignatureVersion":"2","SigningCertURL":"1","Signature":"","MessageAttributes":{}}"#
);

/// Node's.
pub(crate) const NODE: Language = Language {
    program: "node",
    script: "sdk.mjs",
    libraries: &[
        Library {
            body: concat!(
                r#"{"live":"false","notificationItems":[{"NotificationRequestItem":{"amount":{"currency":"EUR","#,
                r#""value":1010},"eventCode":"AUTHORISATION","merchantAccountCode":"Shop","#,
                r#""merchantReference":"Order 7","pspReference":"7914073381342284","success":"true"}},"#,
                r#"{"NotificationRequestItem":{"amount":{"currency":"EUR","value":1130},"eventCode":"CAPTURE","#,
                r#""merchantAccountCode":"Shop","originalReference":"7914073381342284","#,
                r#""pspReference":"7914073381342285","success":"false"}}]}"#
            ),
            ..library("adyen")
        },
        library("adyen_platform"),
        Library { body: SNS, ..verifier("aws_sns") },
        library("cloudinary"),
        Library {
            fields: &[("X-Contentful-Topic", "ContentManagement.Entry.save")],
            query: "?a=b%20c&d=1",
            ..library("contentful")
        },
        verifier("dodo_payments"),
        library("finch"),
        library("github"),
        verifier("line"),
        Library { body: r#"{"amount":1010,"webhookTimestamp":{ms}}"#, ahead: true, ..verifier("linear") },
        verifier("lithic"),
        // It signs the id in the query, and not the body.
        Library {
            body: r#"{"type":"payment"}"#,
            query: "?data.id=1010&type=payment",
            fields: &[("x-request-id", "bb56a2f1-6aae-46ac-982e-9dcd3581d08e")],
            ..verifier("mercadopago")
        },
        library("metronome"),
        library("modern_treasury"),
        library("mux"),
        library("notion"),
        verifier("openai"),
        library("orb"),
        Library { ahead: true, ..verifier("paddle") },
        Library {
            body: r#"{"time_ms":{ms},"events":[{"name":"channel_occupied","channel":"c1010"}]}"#,
            tampered: ("channel_occupied", "channel_vacated"),
            fields: &[("X-Pusher-Key", "1234")],
            ..library("pusher")
        },
        verifier("replicate"),
        verifier("resend"),
        library("retell"),
        library("sanity"),
        // The fields that the library requires, none of which is signed.
        Library {
            fields: &[
                ("X-Shopify-Topic", "orders/create"),
                ("X-Shopify-Shop-Domain", "shop.myshopify.com"),
                ("X-Shopify-API-Version", "2026-01"),
                ("X-Shopify-Webhook-Id", "b54557e4"),
            ],
            ..library("shopify")
        },
        library("standard_webhooks"),
        library("stripe"),
        library("svix"),
        library("workos"),
    ],
};

/// The same senders of tokens by another independent implementation.
pub(crate) const NODE_TOKENS: Language = Language {
    program: NODE.program,
    script: "tokens.mjs",
    libraries: &[
        library("fireblocks"),
        library("fusionauth"),
        body_token("kinde"),
        library("netlify"),
        library("plaid"),
        library("saleor"),
        library("truelayer"),
        library("vonage"),
    ],
};

/// Parameters that a sorting scheme has to put in order, one of them twice.
const FORM: &str = "From=%2B15550100&Digits=2&Digits=1010&Body=caf%C3%A9+au+lait";

/// A sender whose message is a token as a whole.
const fn body_token(provider: &'static str) -> Library {
    Library { tampered: ("eyJ", "eyK"), ..library(provider) }
}

/// A library that signs and verifies a JSON body.
const fn library(provider: &'static str) -> Library {
    Library {
        provider,
        signs: true,
        verifies: true,
        // What is signed is remembered whoever signed it: each says who it is.
        body: r#"{"type":"sample.created","amount":1010,"by":"café","for":"{provider}"}"#,
        query: "",
        fields: &[],
        tampered: ("1010", "9999"),
        ahead: false,
    }
}

/// A library that only verifies.
const fn verifier(provider: &'static str) -> Library {
    Library { signs: false, ..library(provider) }
}
