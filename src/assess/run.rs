//! In which order: a genuine message twice, a look at who answers, the attacks one by one, a genuine message last. One
//! request at a time, at a bounded rate, and a bounded number in all.

use std::time::Duration;

use data_encoding::HEXLOWER;
use tokio::time::{Instant, sleep_until};

use crate::clock::Now;

use super::attack::{Attack, Maker, Probe, Skip};
use super::forge::Forge;
use super::judge::{self, Fate, Known, Ruling, fate, worst};
use super::message::Shot;
use super::table;
use super::trials;
use super::wire::{Line, Seen, Wire};
use super::witness::{Counts, Witness};
use super::{Assessment, Fault, Options, Outcome, Subject, Verdict};

/// An assessment on its way.
pub(super) struct Run<'a> {
    pub(super) subject: &'a Subject,
    pub(super) options: &'a Options,
    pub(super) wire: Wire,
    pub(super) known: Known,
    witness: Option<Witness>,
    nonce: String,
    next: Instant,
    sent: u32,
    /// How many messages were taken, and how many answers came, since that was last asked for.
    tally: Tally,
    notes: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    taken: u64,
    answers: u64,
}

/// Attacks an endpoint, and says what came of each attack as soon as it is known.
///
/// # Errors
/// A [`Fault`]: nothing was attacked.
pub fn run(subject: &Subject, options: &Options, told: &mut dyn FnMut(&Outcome)) -> Result<Assessment, Fault> {
    let attacks = selected(&options.only)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Fault::System(error.to_string()))?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| Fault::System(error.to_string()))?;
    let witness = options.metrics.as_ref();
    let witness = witness.map(|target| Witness::new(target, &options.authorities, options.patience)).transpose();
    let now = Now::read();
    let run = Run {
        subject,
        options,
        wire: Wire::new(&subject.target, &options.authorities, options.patience).map_err(Fault::Name)?,
        known: Known { acknowledges: options.acknowledges, ..Known::default() },
        witness: witness.map_err(Fault::Name)?,
        nonce: HEXLOWER.encode(&random),
        next: Instant::from_std(now.instant),
        sent: 0,
        tally: Tally::default(),
        notes: Vec::new(),
    };
    runtime.block_on(run.whole(attacks, now, told))
}

fn selected(only: &[String]) -> Result<Vec<&'static Attack>, Fault> {
    let last = table::all().last().map_or("", |attack| attack.rule.code);
    for code in only {
        table::find(code).ok_or_else(|| Fault::NoAttack(code.clone(), last))?;
    }
    let wanted =
        |attack: &&Attack| only.is_empty() || only.iter().any(|code| code.eq_ignore_ascii_case(attack.rule.code));
    Ok(table::all().filter(wanted).collect())
}

impl<'a> Run<'a> {
    async fn whole(
        mut self,
        attacks: Vec<&'static Attack>,
        began: Now,
        told: &mut dyn FnMut(&Outcome),
    ) -> Result<Assessment, Fault> {
        let unheard = self.control().await?;
        if unheard.is_none() {
            self.recognise().await;
        }
        let mut outcomes = Vec::new();
        for attack in attacks {
            let outcome = match &unheard {
                Some(_) => Outcome {
                    attack,
                    verdict: Verdict::Inconclusive,
                    evidence: "not tried: the endpoint does not take a genuine message".into(),
                    requests: 0,
                },
                None => Box::pin(self.one(attack)).await,
            };
            told(&outcome);
            outcomes.push(outcome);
        }
        if unheard.is_none() {
            self.last_look(&mut outcomes).await;
        }
        Ok(Assessment {
            subject: self.subject.target.shown(),
            at: began.unix_seconds(),
            nonce: self.nonce,
            hookwarden: self.known.hookwarden,
            unheard,
            outcomes,
            requests: self.sent,
            notes: self.notes,
        })
    }

    pub(super) fn forge(&self) -> Forge<'a> {
        let (nonce, oversize) = (self.nonce.clone(), self.options.oversize);
        Forge { subject: self.subject, nonce, now: Now::read(), oversize }
    }

    /// Two genuine messages, which must be taken; what was seen of the one that was not.
    async fn control(&mut self) -> Result<Option<String>, Fault> {
        for label in ["a genuine message", "a second one"] {
            let message = self.forge().genuine().map_err(|Skip(why)| Fault::Unsigned(why))?;
            let Some(seen) = self.send(&message.shot(label), 1).await else {
                return Ok(Some("--max-requests permits none".into()));
            };
            match seen.first().filter(|_| fate(&seen, 0) == Fate::Taken) {
                Some(answer) => self.known.genuine.push(answer.clone()),
                None => return Ok(Some(format!("{label}: {}", seen.told()))),
            }
        }
        Ok(None)
    }

    /// Whether the endpoint is Hookwarden: by what it says to a message without proof.
    async fn recognise(&mut self) {
        let Ok(message) = self.forge().unsigned() else { return };
        if let Some(seen) = self.send(&message.shot("who are you"), 1).await {
            self.known.hookwarden = seen.answers.iter().any(|answer| answer.reason().is_some());
        }
    }

    /// Whether it is still there: or else what was refused may have been refused for another reason.
    async fn last_look(&mut self, outcomes: &mut [Outcome]) {
        let Ok(message) = self.forge().genuine() else { return };
        let told = match self.send(&message.shot("a genuine message"), 1).await {
            Some(seen) if fate(&seen, 0) == Fate::Taken => return,
            Some(seen) => seen.told(),
            None => "--max-requests permits no more".into(),
        };
        self.notes.push(format!(
            "after the attacks a genuine message was not taken any more ({told}): something that was sent stops the \
             endpoint, or it has locked us out; what it refused proves nothing"
        ));
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.verdict == Verdict::Held) {
            outcome.verdict = Verdict::Inconclusive;
            outcome.evidence = format!("refused, but a genuine message is not taken any more: {}", outcome.evidence);
        }
    }

    async fn one(&mut self, attack: &'static Attack) -> Outcome {
        let (before, sent) = (self.counts().await, self.sent);
        self.tally = Tally::default();
        let made = match attack.probe {
            Probe::Trial(trial) => Box::pin(trials::attempt(self, attack, trial)).await,
            Probe::Refused(make) | Probe::Alike(make) | Probe::Ambiguous(make) | Probe::Second(make) => {
                self.shots(attack, make).await
            }
            Probe::Tells(make) | Probe::Reflects(make) => self.shots(attack, make).await,
        };
        let ruling = match made {
            Ok(Some(ruling)) => self.witnessed(attack, ruling, before).await,
            Ok(None) => Ruling::open("not tried: --max-requests permits no more"),
            Err(Skip(why)) => Ruling::open(format!("does not apply: {why}")),
        };
        Outcome { attack, verdict: ruling.verdict, evidence: ruling.evidence, requests: self.sent.saturating_sub(sent) }
    }

    async fn shots(&mut self, attack: &'static Attack, make: Maker) -> Result<Option<Ruling>, Skip> {
        let mut rulings = Vec::new();
        for shot in make(&self.forge())? {
            let wanted = if matches!(attack.probe, Probe::Ambiguous(_) | Probe::Second(_)) { 2 } else { 1 };
            let Some(seen) = self.send(&shot, wanted).await else { return Ok(None) };
            let ruling = self.judge(attack, &shot, &seen);
            rulings.push((shot.label, ruling));
        }
        Ok(Some(worst(&rulings)))
    }

    fn judge(&self, attack: &Attack, shot: &Shot, seen: &Seen) -> Ruling {
        match attack.probe {
            Probe::Alike(_) => judge::alike(attack, &self.known, seen),
            Probe::Ambiguous(_) => judge::ambiguous(attack, &self.known, seen),
            Probe::Second(_) => judge::second(attack, &self.known, seen),
            Probe::Tells(_) => judge::tells(shot, seen, false),
            Probe::Reflects(_) => judge::tells(shot, seen, true),
            Probe::Refused(_) | Probe::Trial(_) => judge::refused(attack, &self.known, seen),
        }
    }

    /// Waits for its turn; whether there is one.
    pub(super) async fn pace(&mut self) -> bool {
        if self.sent >= self.options.most {
            return false;
        }
        sleep_until(self.next).await;
        let interval = Duration::from_secs(1) / self.options.rate.max(1);
        self.next = Instant::from_std(Now::read().plus(interval).instant);
        self.sent += 1;
        true
    }

    /// Sends one in its turn. `None`: the requests are used up.
    pub(super) async fn send(&mut self, shot: &Shot, wanted: usize) -> Option<Seen> {
        if !self.pace().await {
            return None;
        }
        Some(self.answer(shot, wanted).await)
    }

    /// Sends one whose turn it is.
    pub(super) async fn answer(&mut self, shot: &Shot, wanted: usize) -> Seen {
        let seen = self.wire.send(shot, wanted).await;
        self.tally.add(&seen);
        seen
    }

    /// Reads what is answered on a connection that has been written to.
    pub(super) async fn listen(&mut self, line: Box<dyn Line>) -> Seen {
        let seen = self.wire.converse(line, &Shot::raw("", Vec::new()), 1).await;
        self.tally.add(&seen);
        seen
    }

    async fn counts(&mut self) -> Option<Counts> {
        let counts = self.witness.as_ref()?.counts().await;
        if counts.is_none() {
            self.notes.push("the metrics cannot be had, so nothing was held against them".into());
            self.witness = None;
        }
        counts
    }

    /// The ruling, held against what the sidecar has counted.
    async fn witnessed(&self, attack: &Attack, ruling: Ruling, before: Option<Counts>) -> Ruling {
        let (Some(witness), Some(before)) = (&self.witness, before) else { return ruling };
        let Some(risen) = witness.since(&before, self.tally.answers).await else { return ruling };
        compare(attack, &ruling, &risen, self.tally)
    }
}

impl Tally {
    fn add(&mut self, seen: &Seen) {
        let taken = (0..seen.answers.len()).filter(|at| fate(seen, *at) == Fate::Taken).count();
        self.taken += taken as u64;
        self.answers += seen.answers.len() as u64;
    }
}

/// What held by the answers may not have held by the counters.
fn compare(attack: &Attack, ruling: &Ruling, risen: &Counts, tally: Tally) -> Ruling {
    let told: Vec<_> = risen.iter().map(|(reason, count)| format!("{reason} +{count}")).collect();
    let told = if told.is_empty() { "nothing".to_owned() } else { told.join(", ") };
    let (verdict, evidence) = (ruling.verdict, format!("{}; counted: {told}", ruling.evidence));
    let forwarded = risen.get("forwarded").copied().unwrap_or(0);
    if verdict == Verdict::Held && forwarded > tally.taken {
        return Ruling::open(format!(
            "{evidence}: more was forwarded than was answered so: other traffic, or one got through"
        ));
    }
    let is_expected =
        |reason: &String| crate::deny::Reason::from_code(reason).is_some_and(|reason| attack.expects(reason));
    let others = ["forwarded", "challenge_answered"];
    let refused: Vec<_> = risen.keys().filter(|reason| !others.contains(&reason.as_str())).collect();
    if verdict == Verdict::Held
        && !attack.reasons.is_empty()
        && !refused.is_empty()
        && !refused.iter().any(|reason| is_expected(reason))
    {
        return Ruling::open(format!("{evidence}: refused, but not for what this is about"));
    }
    Ruling { verdict, evidence }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_can_gainsay_answers() {
        let attack = table::find("HA001").expect("the first");
        let check = |risen: &[(&str, u64)], taken, expected| {
            let risen = risen.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
            let ruling = compare(attack, &Ruling::held("x"), &risen, Tally { taken, answers: 1 });
            assert_eq!(ruling.verdict, expected, "{ruling:?}");
        };
        check(&[("credential_missing", 1)], 0, Verdict::Held);
        check(&[("credential_missing", 1), ("forwarded", 1)], 1, Verdict::Held);
        check(&[("credential_missing", 1), ("forwarded", 1)], 0, Verdict::Inconclusive);
        check(&[("route_unknown", 1)], 0, Verdict::Inconclusive);
        check(&[], 0, Verdict::Held);
    }

    #[test]
    fn attacks_are_selected_by_their_codes() {
        assert_eq!(selected(&[]).expect("all").len(), table::all().count());
        let some = selected(&["ha002".into(), "HA001".into()]).expect("two");
        assert_eq!(some.iter().map(|attack| attack.rule.code).collect::<Vec<_>>(), ["HA001", "HA002"]);
        assert!(matches!(selected(&["HA999".into()]), Err(Fault::NoAttack(..))));
    }
}
