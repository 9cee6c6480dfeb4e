//! The incidents, a row each: what happened to whoever is on call, what is sent for real, and what is asked.

use crate::clock::Now;

use super::super::Failure;
use super::super::demo::stage::Stage;
use super::script::Question;
use super::theatre::{HOUR, Sending, at_path, earlier, from, stripe, with_another_key};

/// Something that happens.
pub(super) struct Incident {
    /// Its name in records.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What the learner is told.
    pub(super) story: &'static str,
    /// What is sent.
    pub(super) sends: fn(&mut Stage) -> Result<Vec<Sending>, Failure>,
    /// What becomes of the last request that is sent: its reason.
    pub(super) outcome: &'static str,
    /// What the lesson at the end is about.
    pub(super) topic: &'static str,
    pub(super) questions: [Question; 2],
}

/// Where the senders of these stories send from: networks for documentation (RFC 5737).
const PROVIDER: &str = "192.0.2.10";
const STRANGER: &str = "203.0.113.66";
const OTHER: &str = "198.51.100.23";

pub(super) const ALL: &[Incident] = &[
    Incident {
        id: "replay",
        title: "Paid once, credited four times",
        story: "Support calls: a customer's account shows a credit that nobody can explain, and the customer says that it will show more soon. The payment provider's page lists one event for it, delivered once, from 192.0.2.10.",
        sends: |stage| {
            let first = stripe(stage, "invoice.paid")?;
            let again = |_| from(OTHER, first.clone());
            std::iter::once(from(PROVIDER, first.clone())).chain((0..3).map(again)).collect()
        },
        outcome: "replayed",
        topic: "replayed",
        questions: [
            Question {
                asked: "What is going on?",
                answers: [
                    "The provider retries because our answers come too late",
                    "Somebody recorded a genuine message and sends it again",
                    "Somebody guesses the secret",
                    "The service handles events twice by itself",
                ],
                right: 1,
                because: "The signature is right each time and the bytes are the same, but the source is another one than the provider's. A retry by this provider is signed anew, and would be a duplicate.",
            },
            Question {
                asked: "Three copies were refused here. What do you do first?",
                answers: [
                    "Rotate the secret: it must have leaked",
                    "Nothing at all: they were refused",
                    "Find where the recording came from, and see that every way to the service leads through here",
                    "Set REPLAY=off until the provider has answered",
                ],
                right: 2,
                because: "A replay needs no secret, only a copy of the request: from a log, a proxy, an error tracker. And a credit that did happen twice came by a way that nothing guards.",
            },
        ],
    },
    Incident {
        id: "forged_sender",
        title: "An order that nobody paid",
        story: "The shop's queue is full of refused payment events. The provider says that it has sent none of them.",
        sends: |stage| {
            let mut sendings = Vec::new();
            for _ in 0..3 {
                sendings.push(from(STRANGER, with_another_key(stage, "stripe")?)?);
            }
            let mut unsigned = stripe(stage, "invoice.paid")?;
            unsigned.headers.retain(|(name, _)| name != "Stripe-Signature");
            sendings.push(from(STRANGER, unsigned)?);
            Ok(sendings)
        },
        outcome: "credential_missing",
        topic: "credential_missing",
        questions: [
            Question {
                asked: "What is going on?",
                answers: [
                    "The provider has rotated its secret",
                    "A proxy strips the signature",
                    "Somebody without the key sends forged events",
                    "Our clock is wrong",
                ],
                right: 2,
                because: "All come from one address that is none of the provider's; some have a wrong signature and one has none. After a rotation the provider's own addresses would fail, and each request alike.",
            },
            Question {
                asked: "What do you do?",
                answers: [
                    "Nothing passed: keep the address out in front, and set SOURCES to the provider's networks",
                    "Set MODE=monitor to see what they want",
                    "Rotate the secret at once",
                    "Set ERROR_DETAIL=full so that they see that it is hopeless",
                ],
                right: 0,
                because: "The forger does not have the key, so a rotation changes nothing. Monitoring would let the forged events through, and detail would tell the forger which check to work on.",
            },
        ],
    },
    Incident {
        id: "leaked_secret",
        title: "All green, and yet",
        story: "No alert fires. A colleague mentions over lunch that a repository was public for an hour yesterday, with an .env file in it. The payment provider publishes its networks: 192.0.2.0/24.",
        sends: |stage| {
            let mut sendings = vec![from(PROVIDER, stripe(stage, "invoice.paid")?)?];
            for _ in 0..3 {
                sendings.push(from(STRANGER, stripe(stage, "payout.paid")?)?);
            }
            Ok(sendings)
        },
        outcome: "forwarded",
        topic: "new_source",
        questions: [
            Question {
                asked: "What is going on?",
                answers: [
                    "Nothing: every request was authentic",
                    "The provider has a new network",
                    "Somebody replays old messages",
                    "Somebody else has the secret, and uses it",
                ],
                right: 3,
                because: "Correctly signed, new messages from outside the published networks, of a kind that was not seen before: a signature says that the key was used, not by whom.",
            },
            Question {
                asked: "What do you do first?",
                answers: [
                    "Delete the file from the repository",
                    "Make a new secret at the provider, add it here, and take the old one out as soon as the provider uses the new one",
                    "Set a lower RATE on the route",
                    "Wait for the anomaly new_source to be sure",
                ],
                right: 1,
                because: "A secret that was public stays known, whatever is deleted. Take the old key out within minutes here: a few refused genuine events are retried. Then set SOURCES, and look at what the stranger's events have done.",
            },
        ],
    },
    Incident {
        id: "missed_rotation",
        title: "Friday, 17:02",
        story: "Since 17:00 no order is marked as paid. At the provider, somebody from finance has pressed a button this afternoon that said: roll signing secret.",
        sends: |stage| {
            let mut sendings = vec![from(PROVIDER, stripe(stage, "invoice.paid")?)?];
            for _ in 0..4 {
                sendings.push(from(PROVIDER, with_another_key(stage, "stripe")?)?);
            }
            Ok(sendings)
        },
        outcome: "credential_invalid",
        topic: "rotation_missed",
        questions: [
            Question {
                asked: "Which sign tells this from an attack?",
                answers: [
                    "The status is 401",
                    "The route's events are payment events",
                    "Since one moment everything fails, from the addresses that were authentic before",
                    "There are only a few requests",
                ],
                right: 2,
                because: "An attacker comes from elsewhere, and beside the genuine traffic. Here the genuine traffic itself has turned, all at once.",
            },
            Question {
                asked: "What do you do?",
                answers: [
                    "Set REPLAY=off and MODE=monitor over the weekend",
                    "Add the new secret to SECRET_FILE beside the old one, then have the provider send again what was refused",
                    "Restart the sidecar",
                    "Ask the provider to switch signing off",
                ],
                right: 1,
                because: "A changed SECRET_FILE is live within seconds, without a restart; both keys are accepted for a while. Monitoring would let everybody in for the weekend.",
            },
        ],
    },
    Incident {
        id: "misrouted_path",
        title: "A new endpoint that hears nothing",
        story: "A team has set up its GitHub webhook this morning. GitHub's page of deliveries shows a red mark on each; the team says that the secret is right.",
        sends: |stage| {
            let mut sendings = Vec::new();
            for _ in 0..3 {
                sendings.push(from(PROVIDER, at_path(stage, "github", "/hook/github")?)?);
            }
            Ok(sendings)
        },
        outcome: "route_unknown",
        topic: "route_unknown",
        questions: [
            Question {
                asked: "What is going on?",
                answers: [
                    "The path at GitHub is not the one that is permitted here",
                    "The secret is wrong after all",
                    "Somebody scans for endpoints",
                    "The service is down",
                ],
                right: 0,
                because: "The path is /hook/github, and the route's is /hooks/github. The secret was not even looked at: there is no route yet when the path is unknown. A scanner would try many paths.",
            },
            Question {
                asked: "What do you do?",
                answers: [
                    "Permit /* so that this never happens again",
                    "Add a second route for the wrong path",
                    "Send the service's own port to GitHub instead",
                    "Correct the payload URL at GitHub, and redeliver from its page",
                ],
                right: 3,
                because: "The permission is right and the sender's setting is wrong. Each wider path is a way into the service that nobody asked for.",
            },
        ],
    },
    Incident {
        id: "flood",
        title: "The loop",
        story: "The shop's inventory service was released ten minutes ago: it now updates a product whenever it hears that a product was updated.",
        sends: |stage| {
            let mut sendings = Vec::new();
            for number in 0..9 {
                let body = format!("{{\"id\":{number},\"title\":\"a product\"}}").into_bytes();
                sendings.push(from(PROVIDER, stage.signed("shopify", body, Now::read())?)?);
            }
            Ok(sendings)
        },
        outcome: "rate_limited",
        topic: "rate_limited",
        questions: [
            Question {
                asked: "What is going on?",
                answers: [
                    "A stranger floods the endpoint",
                    "Authentic events come faster than the route's RATE: our own service causes them",
                    "The replay store is full",
                    "The provider sends everything twice",
                ],
                right: 1,
                because: "They are proven (each has a key_id), come from the provider, and are all different. What began with a release of ours is most likely ours.",
            },
            Question {
                asked: "What do you do first?",
                answers: [
                    "Raise RATE until nothing is refused",
                    "Block the provider's network",
                    "Roll the release back: the limit holds meanwhile, and what was refused is sent again",
                    "Delete the webhook at the provider",
                ],
                right: 2,
                because: "The limit is what keeps the service up. A 429 is not lost: the provider tries again later. Raising the limit makes the loop faster.",
            },
        ],
    },
    Incident {
        id: "stale_clock",
        title: "Everything is late",
        story: "Since a node was resumed from a snapshot, every payment event on it is refused. On the other nodes all is well.",
        sends: |stage| {
            let mut sendings = Vec::new();
            for _ in 0..4 {
                sendings.push(from(PROVIDER, earlier(stage, "stripe", HOUR)?)?);
            }
            Ok(sendings)
        },
        outcome: "timestamp_stale",
        topic: "clock_skew",
        questions: [
            Question {
                asked: "What is going on?",
                answers: [
                    "Somebody replays a recording",
                    "The provider's queue is an hour behind",
                    "TOLERANCE is too small",
                    "The clock of this node is wrong",
                ],
                right: 3,
                because: "All are off by the same hour, on one node alone. Recordings and queues are late by different times, and on all nodes.",
            },
            Question {
                asked: "What do you do?",
                answers: [
                    "Set the node's clock by NTP, and alert on its offset",
                    "Set TOLERANCE=2h on the route",
                    "Switch replay protection off until tomorrow",
                    "Ask the provider to sign without a time",
                ],
                right: 0,
                because: "A larger tolerance would hide the fault, and let recordings of two hours pass. The clock is also wrong for certificates, tokens and logs.",
            },
        ],
    },
    Incident {
        id: "forgotten_route",
        title: "Who is that?",
        story: "An alert says that an endpoint refuses requests: /hooks/staging. Nobody on the team has heard of it. The configuration names an owner who left two years ago.",
        sends: |stage| {
            let mut sendings = Vec::new();
            for _ in 0..3 {
                sendings.push(from(OTHER, at_path(stage, "github", "/hooks/staging")?)?);
            }
            Ok(sendings)
        },
        outcome: "permission_expired",
        topic: "permission_expired",
        questions: [
            Question {
                asked: "What is going on?",
                answers: [
                    "A permission has ended, and somebody still uses or tries the endpoint",
                    "The certificate has ended",
                    "The secret was rotated",
                    "The route is in monitor mode",
                ],
                right: 0,
                because: "permission_expired: the route's EXPIRES is past. That is what an end date is for: without it, the endpoint would still be open, with a secret that people who left know.",
            },
            Question {
                asked: "What do you do?",
                answers: [
                    "Set EXPIRES ten years ahead, so that the alert stops",
                    "Set MODE=monitor and look again in a month",
                    "Find out who sends; without a new owner, take the route out, delete the webhook and revoke its secret",
                    "Ignore it: it is refused",
                ],
                right: 2,
                because: "Renewing needs an owner who says why. What nobody needs is taken out at both ends: `hookwarden review` lists such routes every quarter.",
            },
        ],
    },
    Incident {
        id: "probing",
        title: "Knocking at every door",
        story: "One line in the log has another shape than the rest.",
        sends: |stage| {
            let words = ["admin", "api", "webhook", "hooks", "callback", "stripe", "github", "debug", "test", "status"];
            let paths = words.iter().flat_map(|word| ["", "/v1", "/v2"].map(|end| format!("/{word}{end}")));
            paths.map(|path| from(STRANGER, at_path(stage, "github", &path)?)).collect()
        },
        outcome: "route_unknown",
        topic: "probing",
        questions: [
            Question {
                asked: "What is going on?",
                answers: [
                    "A team has set the wrong path",
                    "Somebody looks for endpoints that are there",
                    "The provider verifies our endpoint",
                    "A browser asks for its icon",
                ],
                right: 1,
                because: "Thirty different paths from one address within moments: the anomaly is `probing`. A wrong setting asks for the same wrong path each time.",
            },
            Question {
                asked: "What do you do?",
                answers: [
                    "Rotate all secrets",
                    "Answer 200 to everything to confuse them",
                    "Set LOCKOUT=1/1h for 24h on every route",
                    "Nothing has passed: see that no other way leads to the service, and keep the address out in front if it goes on",
                ],
                right: 3,
                because: "What is not permitted is refused before any secret is looked at. The worth of the finding is the question what they would have found beside the sidecar.",
            },
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::deny::Reason;
    use crate::govern::explain::Topic;

    #[test]
    fn incidents_are_whole_and_different() {
        let ids: BTreeSet<_> = ALL.iter().map(|incident| incident.id).collect();
        assert!(ids.len() == ALL.len() && ALL.len() >= 8);
        for Incident { id, topic, outcome, questions, .. } in ALL {
            assert!(Topic::find(topic).is_some() && Reason::from_code(outcome).is_some(), "{id}");
            for Question { answers, right, .. } in questions {
                let different: BTreeSet<_> = answers.iter().collect();
                assert!(*right < answers.len() && different.len() == answers.len(), "{id}");
            }
        }
        // Whoever always presses the same key does not pass.
        for key in 0..4 {
            let right = ALL.iter().flat_map(|incident| &incident.questions).filter(|question| question.right == key);
            assert!(right.count() * 2 < ALL.len() * 2, "{key}");
        }
    }
}
