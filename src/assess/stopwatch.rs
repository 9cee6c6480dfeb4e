//! Whether a comparison tells by its time how far it came: one message, with a signature that is wrong at its start or
//! near its end, many times in random order.
//!
//! Machines and networks are noisy, so what counts is not how long anything takes but which of two takes longer. Were
//! there no difference of [`LEAST`], each order of the sixty answers would be as likely as any other, however noisy the
//! way is, and so many pairs would be in favour of a difference less often than once in a million assessments. A few
//! answers that a busy machine held up do not hide a difference that is there.
//!
//! Deliberately absent: differences below [`LEAST`], which take thousands of requests to see, and a finding by degrees.

use std::time::Duration;

use crate::auth::scheme::Proof;
use crate::clock::Now;

use super::attack::{Attack, Skip};
use super::forge::Forge;
use super::judge::{Fate, Ruling, fate, not_taken};
use super::message::Shot;
use super::run::Run;

/// How many of each kind.
const EACH: usize = 30;

/// The least difference that counts: what attackers have measured over networks, with patience, is a hundredth.
const LEAST: Duration = Duration::from_millis(1);

/// How many of the pairs of one and the other must be in favour. Without a difference, the count is 450 on average with
/// a standard deviation of 67.6 (Mann and Whitney 1947): this is 4.77 of them above.
const ENOUGH: usize = 773;

/// How far from its end the signature is wrong: before any padding, and whole bytes before the end.
const FROM_END: usize = 8;

/// The shortest signature for which the start and the end are far from each other.
const SHORTEST: usize = 24;

/// Makes it and judges it. `None`: the requests are used up.
pub(super) async fn measure(run: &mut Run<'_>, attack: &'static Attack) -> Result<Option<Ruling>, Skip> {
    let shots = shots(&run.forge())?;
    let mut times = [Vec::new(), Vec::new()];
    for late in order()? {
        if !run.pace().await {
            return Ok(None);
        }
        let began = Now::read().instant;
        let seen = run.answer(&shots[usize::from(late)], 1).await;
        let took = Now::read().instant.saturating_duration_since(began);
        if fate(&seen, 0) != Fate::Refused {
            let told = seen.told();
            return Ok(Some(match fate(&seen, 0) {
                Fate::Taken => Ruling::broken(format!("a wrong signature was accepted: {told}")),
                Fate::Known | Fate::Refused | Fate::Unclear(_) => not_taken(attack, &run.known, &seen, 0),
            }));
        }
        times[usize::from(late)].push(took);
    }
    let [early, late] = &mut times;
    Ok(Some(judge(early, late)))
}

/// One that is wrong at its start, and one that is wrong near its end.
fn shots(forge: &Forge<'_>) -> Result<[Shot; 2], Skip> {
    match forge.scheme().proof {
        Proof::PublicKey { .. } => {
            return Err(Skip::because("the check is one with a public key, which compares nothing that is secret"));
        }
        Proof::Jwt(_) => return Err(Skip::because("a token is read before anything of it is compared")),
        Proof::Hmac { .. } | Proof::Digest { .. } | Proof::Token | Proof::ClientCertificate => {}
    }
    let message = forge.genuine()?;
    let signature = forge.signature(&message)?;
    let text = signature.text();
    if text.len() < SHORTEST || !text.is_ascii() {
        return Err(Skip::because("the proof is too short to tell its start from its end"));
    }
    let wrong_at = |at: usize, label: &str| {
        message.clone().with(&signature.field, &signature.replaced(&wrong(text, at))).shot(label)
    };
    Ok([wrong_at(0, "wrong at its start"), wrong_at(text.len().saturating_sub(FROM_END), "wrong near its end")])
}

/// The text with another character at a place: a digit in every alphabet that signatures have.
fn wrong(text: &str, at: usize) -> String {
    let other = if text.get(at..=at) == Some("1") { "2" } else { "1" };
    format!("{}{other}{}", text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default())
}

/// Whether the next is one that is wrong near its end.
fn order() -> Result<Vec<bool>, Skip> {
    let mut random = [[0; 8]; 2 * EACH];
    getrandom::fill(random.as_flattened_mut()).map_err(|error| Skip::because(error.to_string()))?;
    let mut drawn: Vec<_> = random.iter().enumerate().map(|(at, lot)| (lot, at % 2 == 1)).collect();
    drawn.sort_unstable();
    Ok(drawn.into_iter().map(|(_, late)| late).collect())
}

fn judge(early: &mut [Duration], late: &mut [Duration]) -> Ruling {
    let is_longer = |(early, late): (&Duration, &Duration)| *late >= early.saturating_add(LEAST);
    let pairs = early.iter().flat_map(|early| late.iter().map(move |late| (early, late)));
    let count = pairs.filter(|pair| is_longer(*pair)).count();
    early.sort_unstable();
    late.sort_unstable();
    let middle = |times: &[Duration]| times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    let told = format!(
        "{EACH} answers to each of two wrong signatures: wrong at its start {:.1} ms, near its end {:.1} ms (medians); \
         the latter took longer in {count} of {} pairs",
        middle(early),
        middle(late),
        early.len() * late.len()
    );
    if count >= ENOUGH { Ruling::broken(told) } else { Ruling::held(told) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assess::Verdict;

    fn judged(early: impl Fn(u64) -> u64, late: impl Fn(u64) -> u64) -> Verdict {
        let times = |of: &dyn Fn(u64) -> u64| (0..EACH as u64).map(|at| Duration::from_micros(of(at))).collect();
        let (mut early, mut late): (Vec<_>, Vec<_>) = (times(&early), times(&late));
        judge(&mut early, &mut late).verdict
    }

    #[test]
    fn a_difference_counts_only_where_chance_would_not_make_it() {
        // Milliseconds a byte, with a quiet way and with a tenth of all held up for seconds.
        assert_eq!(judged(|at| 900 + at, |at| 60_900 + at), Verdict::Broken);
        let held_up = |at: u64| if at % 10 == 3 { 3_000_000 } else { 0 };
        assert_eq!(judged(|at| 900 + held_up(at), |at| 60_900 + held_up(at)), Verdict::Broken);
        // None, a clear one that is small, and one that is as large as the noise.
        assert_eq!(judged(|at| 900 + at, |at| 900 + at), Verdict::Held);
        assert_eq!(judged(|_| 900, |_| 1_899), Verdict::Held);
        assert_eq!(judged(|_| 900, |_| 1_900), Verdict::Broken);
        assert_eq!(judged(|at| at * 2_000, |at| 8_000 + at * 2_000), Verdict::Held);
        // The other way round nothing is told.
        assert_eq!(judged(|_| 60_000, |_| 900), Verdict::Held);
        assert_eq!(judged(|_| 900, |at| if at % 2 == 0 { 900 } else { 900_000 }), Verdict::Held);
    }

    #[test]
    fn both_are_sent_as_often_and_in_no_order() {
        let [one, other] = [order(), order()].map(|order| order.map_err(|Skip(why)| why).expect("random numbers"));
        assert_eq!(one.iter().filter(|late| **late).count(), EACH);
        assert_eq!(one.len(), 2 * EACH);
        assert_ne!(one, other, "as seldom as once in 10^17");
    }

    #[test]
    fn one_character_is_wrong() {
        assert_eq!(wrong("1a=", 0), "2a=");
        assert_eq!(wrong("abcdef", 3), "abc1ef");
    }
}
