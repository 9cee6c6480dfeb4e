//! What an answer means. Pure.
//!
//! Only a 2xx says that a message was taken, and only a refusal that has to do with the attack says that it held: an
//! endpoint that is busy, that fails, that sends us elsewhere or says nothing has proven neither.

use crate::deny::Reason;

use super::Verdict;
use super::answer::Answer;
use super::attack::Attack;
use super::message::Shot;
use super::wire::Seen;

/// What is known of the endpoint.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// What it says to genuine messages.
    pub(super) genuine: Vec<Answer>,
    /// Whether it answers as Hookwarden does.
    pub(super) hookwarden: bool,
    /// Whether it answers what it has had before with 2xx.
    pub(super) acknowledges: bool,
}

/// A verdict, and what it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    pub(super) evidence: String,
}

impl Ruling {
    pub(super) fn held(evidence: impl Into<String>) -> Self {
        Self { verdict: Verdict::Held, evidence: evidence.into() }
    }

    pub(super) fn broken(evidence: impl Into<String>) -> Self {
        Self { verdict: Verdict::Broken, evidence: evidence.into() }
    }

    pub(super) fn open(evidence: impl Into<String>) -> Self {
        Self { verdict: Verdict::Inconclusive, evidence: evidence.into() }
    }

    /// With something said before and after what was seen.
    fn said(self, label: &str) -> Self {
        Self { evidence: format!("{label}: {}", self.evidence), ..self }
    }
}

/// How a message fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was taken.
    Taken,
    /// It was known already, and not acted on.
    Known,
    /// It was refused.
    Refused,
    /// Nothing can be said, for this reason.
    Unclear(&'static str),
}

/// How the message fared that has the answer of that number.
pub(super) fn fate(seen: &Seen, number: usize) -> Fate {
    if seen.fault.is_some() {
        return Fate::Unclear("it could not be sent");
    }
    let Some(answer) = seen.answers.get(number) else {
        return match (seen.bytes, seen.closed) {
            (0, true) => Fate::Refused,
            (0, false) => Fate::Unclear("no answer came in time"),
            _ if number > 0 && seen.closed => Fate::Refused,
            _ => Fate::Unclear("what came is no answer"),
        };
    };
    match (answer.known_reason(), answer.status) {
        (Some(Reason::Duplicate | Reason::Replayed), _) => Fate::Known,
        (_, 101 | 200..=299) => Fate::Taken,
        (_, 300..=399) => Fate::Unclear("it is sent elsewhere"),
        (_, 429 | 503) => Fate::Unclear("the endpoint is busy, or has had enough of us: a lower --rate may help"),
        (_, 501 | 505) => Fate::Refused,
        (_, 500..) => Fate::Unclear("the endpoint failed, and whether it acted on it is not known"),
        _ => Fate::Refused,
    }
}

/// One message that must be refused.
pub(super) fn refused(attack: &Attack, known: &Known, seen: &Seen) -> Ruling {
    match fate(seen, 0) {
        Fate::Taken => Ruling::broken(format!("accepted: {}", seen.told())),
        Fate::Known | Fate::Refused | Fate::Unclear(_) => not_taken(attack, known, seen, 0),
    }
}

/// The same, where another page may have answered.
pub(super) fn alike(attack: &Attack, known: &Known, seen: &Seen) -> Ruling {
    match (fate(seen, 0), seen.first()) {
        (Fate::Taken, Some(answer)) if known.is_like_genuine(answer) => {
            Ruling::broken(format!("accepted, and answered as a genuine message is: {}", seen.told()))
        }
        (Fate::Taken, _) => Ruling::open(format!(
            "answered, but not as a genuine message is: another page may have done that: {}",
            seen.told()
        )),
        _ => not_taken(attack, known, seen, 0),
    }
}

/// One that two programs could read as different messages.
pub(super) fn ambiguous(attack: &Attack, known: &Known, seen: &Seen) -> Ruling {
    if seen.answers.len() > 1 {
        return Ruling::broken(format!("read as several messages: {}", seen.told()));
    }
    refused(attack, known, seen)
}

/// A genuine one and another behind it.
pub(super) fn second(attack: &Attack, known: &Known, seen: &Seen) -> Ruling {
    match (fate(seen, 0), fate(seen, 1)) {
        (Fate::Taken, Fate::Taken) => Ruling::broken(format!("the second was accepted too: {}", seen.told())),
        (Fate::Taken, _) => not_taken(attack, known, seen, 1),
        (Fate::Refused, _) => Ruling::held(format!("both were refused: {}", seen.told())),
        _ => Ruling::open(format!("the first, which is genuine, was not answered as such: {}", seen.told())),
    }
}

/// One whose answer must not hold certain texts.
pub(super) fn tells(shot: &Shot, seen: &Seen, html: bool) -> Ruling {
    let holds = |answer: &Answer| {
        let fields = answer.fields.iter().map(|(_, value)| value.as_bytes());
        let place = answer.value("content-type");
        let shown = !html || place.is_empty() || place.contains("html") || place.contains("svg");
        shown && fields.chain([&answer.body[..]]).any(|text| holds_any(text, &shot.secrets))
    };
    if let Some(fault) = &seen.fault {
        return Ruling::open(fault.clone());
    }
    if seen.answers.iter().any(holds) {
        return Ruling::broken(format!("the answer holds what it must not: {}", seen.told()));
    }
    match fate(seen, 0) {
        Fate::Unclear(why) if seen.answers.is_empty() => Ruling::open(format!("{why}: {}", seen.told())),
        Fate::Taken | Fate::Known | Fate::Refused | Fate::Unclear(_) => Ruling::held(seen.told()),
    }
}

fn holds_any(text: &[u8], secrets: &[String]) -> bool {
    secrets.iter().any(|secret| !secret.is_empty() && memchr::memmem::find(text, secret.as_bytes()).is_some())
}

/// One that came before.
pub(super) fn replayed(attack: &Attack, known: &Known, seen: &Seen) -> Ruling {
    match (fate(seen, 0), seen.first()) {
        (Fate::Taken, _) if known.acknowledges => Ruling::open(format!(
            "answered with success, as --acknowledges-replays says it is where it is known and not acted on; look for a \
             second effect: {}",
            seen.told()
        )),
        (Fate::Taken, Some(answer)) if known.is_like_genuine(answer) => {
            Ruling::broken(format!("accepted as if it were new: {}", seen.told()))
        }
        (Fate::Taken, _) => Ruling::open(format!(
            "answered with success, but otherwise than at first: it may be known and not acted on: {}",
            seen.told()
        )),
        _ => not_taken(attack, known, seen, 0),
    }
}

/// One that was not taken: whether it was for what it is.
pub(super) fn not_taken(attack: &Attack, known: &Known, seen: &Seen, number: usize) -> Ruling {
    match fate(seen, number) {
        Fate::Unclear(why) => Ruling::open(format!("{why}: {}", seen.told())),
        Fate::Taken => Ruling::open(seen.told()),
        Fate::Known | Fate::Refused => {
            let reason = seen.answers.get(number).and_then(Answer::known_reason);
            match reason.filter(|reason| known.hookwarden && !attack.expects(*reason)) {
                Some(reason) => Ruling::open(format!(
                    "refused, but as {}, which is not what this is about: {}",
                    reason.code(),
                    seen.told()
                )),
                None => Ruling::held(seen.told()),
            }
        }
    }
}

/// The worst of several, with what it stands on; of those that held, the first stands for all.
pub(super) fn worst(rulings: &[(String, Ruling)]) -> Ruling {
    for verdict in [Verdict::Broken, Verdict::Inconclusive] {
        let mut such = rulings.iter().filter(|(_, ruling)| ruling.verdict == verdict);
        if let Some((label, ruling)) = such.next() {
            let others: Vec<_> = such.map(|(label, _)| &**label).collect();
            let mut ruling = ruling.clone().said(label);
            if !others.is_empty() {
                ruling.evidence = format!("{}; likewise: {}", ruling.evidence, others.join(", "));
            }
            return ruling;
        }
    }
    match rulings {
        [] => Ruling::open("nothing was sent"),
        [(_, one)] => one.clone(),
        [(label, one), ..] => Ruling::held(format!("each of {} was refused; {label}: {}", rulings.len(), one.evidence)),
    }
}

impl Known {
    /// Whether an answer is what genuine messages get. Where these differ from each other (an id in the text), their
    /// length and kind must do.
    pub(super) fn is_like_genuine(&self, answer: &Answer) -> bool {
        let same_status = |genuine: &&Answer| genuine.status == answer.status;
        let constant = self.genuine.windows(2).all(|pair| pair[0].body == pair[1].body);
        self.genuine.iter().filter(same_status).any(|genuine| {
            let kind = genuine.value("content-type") == answer.value("content-type");
            kind && if constant { genuine.body == answer.body } else { genuine.body.len() == answer.body.len() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::table::find;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, fields: Vec::new(), body: body.into() }
    }

    fn seen(answers: &[Answer], closed: bool) -> Seen {
        Seen { answers: answers.to_vec(), bytes: answers.len() * 10, closed, fault: None }
    }

    fn problem(reason: &str) -> Answer {
        let body = format!(r#"{{"type":"urn:hookwarden:reason:{reason}","reason":"{reason}"}}"#);
        let fields = vec![("Content-Type".to_owned(), "application/problem+json".to_owned())];
        let status = Reason::from_code(reason).map_or(401, Reason::status);
        Answer { status, fields, body: body.into() }
    }

    #[test]
    fn what_a_status_says_of_an_unsigned_message() {
        let (attack, known) = (find("HA001").expect("the first"), Known { hookwarden: true, ..Known::default() });
        for (seen, expected) in [
            (seen(&[answer(200, "")], false), Verdict::Broken),
            (seen(&[answer(204, "")], true), Verdict::Broken),
            (seen(&[answer(101, "")], true), Verdict::Broken),
            (seen(&[answer(401, "")], true), Verdict::Held),
            (seen(&[answer(501, "")], true), Verdict::Held),
            (seen(&[], true), Verdict::Held),
            (seen(&[], false), Verdict::Inconclusive),
            (seen(&[answer(302, "")], true), Verdict::Inconclusive),
            (seen(&[answer(429, "")], true), Verdict::Inconclusive),
            (seen(&[answer(502, "")], true), Verdict::Inconclusive),
            (seen(&[problem("credential_missing")], true), Verdict::Held),
            (seen(&[problem("unauthorized")], true), Verdict::Held),
            (seen(&[problem("route_unknown")], true), Verdict::Inconclusive),
            (Seen { fault: Some("x".into()), ..Seen::default() }, Verdict::Inconclusive),
        ] {
            assert_eq!(refused(attack, &known, &seen).verdict, expected, "{seen:?}");
        }
    }

    #[test]
    fn two_answers_to_one_message_are_two_messages() {
        let (attack, known) = (find("HA001").expect("the first"), Known::default());
        let two = seen(&[answer(401, ""), answer(404, "")], true);
        assert_eq!(ambiguous(attack, &known, &two).verdict, Verdict::Broken);
        assert_eq!(second(attack, &known, &seen(&[answer(200, ""), answer(200, "")], true)).verdict, Verdict::Broken);
        assert_eq!(second(attack, &known, &seen(&[answer(200, ""), answer(401, "")], true)).verdict, Verdict::Held);
        assert_eq!(second(attack, &known, &seen(&[answer(200, "")], true)).verdict, Verdict::Held);
        assert_eq!(second(attack, &known, &seen(&[answer(200, "")], false)).verdict, Verdict::Inconclusive);
    }

    #[test]
    fn a_repeated_success_is_one_only_when_it_reads_the_same() {
        let attack = find("HA001").expect("the first");
        let mut known = Known { genuine: vec![answer(200, "ok"), answer(200, "ok")], ..Known::default() };
        let judged = |known: &Known, body: &str| replayed(attack, known, &seen(&[answer(200, body)], true)).verdict;
        assert_eq!(judged(&known, "ok"), Verdict::Broken);
        assert_eq!(judged(&known, "seen before"), Verdict::Inconclusive);
        known.acknowledges = true;
        assert_eq!(judged(&known, "ok"), Verdict::Inconclusive);
        let known = Known { genuine: vec![answer(200, "id 17"), answer(200, "id 18")], ..Known::default() };
        assert_eq!(judged(&known, "id 19"), Verdict::Broken);
        assert_eq!(replayed(attack, &known, &seen(&[problem("duplicate")], true)).verdict, Verdict::Held);
    }

    #[test]
    fn the_worst_counts() {
        let one = |verdict| ("x".to_owned(), Ruling { verdict, evidence: "y".into() });
        for (verdicts, expected) in [
            (&[Verdict::Held, Verdict::Broken, Verdict::Inconclusive][..], Verdict::Broken),
            (&[Verdict::Held, Verdict::Inconclusive], Verdict::Inconclusive),
            (&[Verdict::Held, Verdict::Held], Verdict::Held),
            (&[], Verdict::Inconclusive),
        ] {
            assert_eq!(worst(&verdicts.iter().map(|verdict| one(*verdict)).collect::<Vec<_>>()).verdict, expected);
        }
    }
}
