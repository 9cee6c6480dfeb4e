//! Attacks that take more than single requests: what comes again, what comes at once, what comes slowly, and what comes
//! over another protocol.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::clock::Now;

use super::attack::{Attack, Skip};
use super::forge::Forge;
use super::hello::{Hello, Said, said};
use super::judge::{Fate, Known, Ruling, fate, not_taken, refused, replayed, worst};
use super::message::{Message, Shot};
use super::run::Run;
use super::stopwatch::measure;
use super::wire::{Line, Seen};

/// What takes more than single requests.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trial {
    /// A genuine message is sent, and then these.
    Again(fn(&Forge<'_>, &Message) -> Result<Vec<Shot>, Skip>),
    /// One message several times at once.
    Together,
    /// A request that arrives byte by byte: its head, or its body.
    Slow(Part),
    /// First messages of TLS that ought to be refused.
    Hello(&'static [Hello]),
    /// HTTP without TLS.
    Plaintext,
    /// How long wrong signatures take.
    Stopwatch,
}

/// What of a request arrives slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Head,
    Body,
}

/// How many times a message is sent at once.
const TOGETHER: usize = 4;

/// The longest pause between two bytes of a slow request: shorter than what servers wait for the next.
const DRIP: Duration = Duration::from_secs(1);

/// How much a slow request announces, in bytes: more than ever arrives.
const ANNOUNCED: usize = 100_000;

/// Makes it and judges it. `None`: the requests are used up.
pub(super) async fn attempt(run: &mut Run<'_>, attack: &'static Attack, trial: Trial) -> Result<Option<Ruling>, Skip> {
    match trial {
        Trial::Again(variations) => again(run, attack, variations).await,
        Trial::Together => together(run, attack).await,
        Trial::Slow(part) => slow(run, part).await,
        Trial::Hello(hellos) => hello(run, hellos).await,
        Trial::Plaintext => plaintext(run, attack).await,
        Trial::Stopwatch => measure(run, attack).await,
    }
}

async fn again(
    run: &mut Run<'_>,
    attack: &'static Attack,
    variations: fn(&Forge<'_>, &Message) -> Result<Vec<Shot>, Skip>,
) -> Result<Option<Ruling>, Skip> {
    let forge = run.forge();
    forge.needs_own_proof()?;
    let message = forge.genuine()?;
    let shots = variations(&forge, &message)?;
    let Some(first) = run.send(&message.shot("the first"), 1).await else { return Ok(None) };
    if fate(&first, 0) != Fate::Taken {
        return Ok(Some(Ruling::open(format!("the genuine message before it was not taken: {}", first.told()))));
    }
    let mut rulings = Vec::new();
    for shot in shots {
        let Some(seen) = run.send(&shot, 1).await else { return Ok(None) };
        let ruling = replayed(attack, &run.known, &seen);
        rulings.push((shot.label, ruling));
    }
    Ok(Some(worst(&rulings)))
}

/// All are written but for their last byte before any is whole, so that they are in work at once.
async fn together(run: &mut Run<'_>, attack: &'static Attack) -> Result<Option<Ruling>, Skip> {
    let forge = run.forge();
    forge.needs_own_proof()?;
    let bytes = forge.genuine()?.bytes();
    let Some((last, most)) = bytes.split_last() else { return Ok(None) };
    let mut lines = Vec::new();
    for _ in 0..TOGETHER {
        if !run.pace().await {
            return Ok(None);
        }
        match begin(run, most).await {
            Ok(line) => lines.push(line),
            Err(error) => return Ok(Some(Ruling::open(error.to_string()))),
        }
    }
    for line in &mut lines {
        let _ = line.write_all(std::slice::from_ref(last)).await;
        let _ = line.flush().await;
    }
    let mut seen = Vec::new();
    for line in lines {
        seen.push(run.listen(line).await);
    }
    Ok(Some(of_several(attack, &run.known, &seen)))
}

async fn begin(run: &Run<'_>, bytes: &[u8]) -> std::io::Result<Box<dyn Line>> {
    let mut line = run.wire.open().await?;
    line.write_all(bytes).await?;
    line.flush().await?;
    Ok(line)
}

fn of_several(attack: &Attack, known: &Known, seen: &[Seen]) -> Ruling {
    let taken: Vec<_> = seen.iter().filter(|seen| fate(seen, 0) == Fate::Taken).collect();
    let told: Vec<_> = seen.iter().map(Seen::told).collect();
    let told = told.join("; ");
    // One of them is the first, whichever it was; where known ones are acknowledged, that reads otherwise.
    let as_new = taken.iter().filter(|seen| seen.first().is_some_and(|answer| known.is_like_genuine(answer))).count();
    let told = format!("{} of {} were taken: {told}", taken.len(), seen.len());
    match taken.len() {
        0 => Ruling::open(told),
        1 => {
            let others = seen.iter().filter(|seen| fate(seen, 0) != Fate::Taken);
            let rulings: Vec<_> =
                others.map(|seen| ("another".to_owned(), not_taken(attack, known, seen, 0))).collect();
            worst(&rulings)
        }
        _ if as_new > 1 && !known.acknowledges => Ruling::broken(told),
        _ => Ruling::open(format!("the others may be known and not acted on: {told}")),
    }
}

async fn slow(run: &mut Run<'_>, part: Part) -> Result<Option<Ruling>, Skip> {
    let bound = run.options.slow.ok_or_else(|| Skip::because("not tried: say with --slow how long is too long"))?;
    let mut message = run.forge().genuine()?;
    let (start, filler) = match part {
        Part::Head => {
            message = message.and("X-Filler", "");
            let head = message.framed("", b"");
            (head.get(..head.len().saturating_sub(4)).unwrap_or_default().to_vec(), b'a')
        }
        Part::Body => (message.framed(&format!("Content-Length: {ANNOUNCED}\r\n"), b""), b' '),
    };
    if !run.pace().await {
        return Ok(None);
    }
    let line = match begin(run, &start).await {
        Ok(line) => line,
        Err(error) => return Ok(Some(Ruling::open(error.to_string()))),
    };
    let until = Instant::from_std(Now::read().plus(bound).instant);
    let cut = drip(line, filler, (bound / 20).min(DRIP), until).await;
    Ok(Some(match cut {
        Some(how) => Ruling::held(format!("cut off: {how}")),
        None => Ruling::broken(format!("still open after {} seconds", bound.as_secs_f32())),
    }))
}

/// Sends a byte now and then; how it was cut off, if it was.
async fn drip(mut line: Box<dyn Line>, byte: u8, pause: Duration, until: Instant) -> Option<String> {
    let mut part = [0; 1024];
    let mut next = Instant::from_std(Now::read().plus(pause).instant);
    while next < until {
        match timeout_at(next, line.read(&mut part)).await {
            Ok(Ok(count)) if count > 0 => return Some(format!("answered with {count} bytes before all was sent")),
            Ok(_) => return Some("the connection was closed".into()),
            Err(_) => {}
        }
        sleep_until(next).await;
        if line.write_all(&[byte]).await.is_err() || line.flush().await.is_err() {
            return Some("the connection was closed".into());
        }
        next += pause;
    }
    None
}

async fn hello(run: &mut Run<'_>, hellos: &[Hello]) -> Result<Option<Ruling>, Skip> {
    if !run.wire.is_tls() {
        return Err(Skip::because("the endpoint is reached without TLS"));
    }
    let mut rulings = Vec::new();
    for hello in hellos {
        if !run.pace().await {
            return Ok(None);
        }
        let ruling = match greet(run, *hello).await {
            Ok(Said::Hello) => Ruling::broken("the server goes on with it"),
            Ok(Said::No) => Ruling::held("the server refuses it"),
            Ok(Said::Other) => Ruling::open("the server says something that is no TLS"),
            Err(error) => Ruling::open(error.to_string()),
        };
        rulings.push((hello.label.to_owned(), ruling));
    }
    Ok(Some(worst(&rulings)))
}

async fn greet(run: &Run<'_>, hello: Hello) -> std::io::Result<Said> {
    let mut stream = run.wire.plain().await?;
    stream.write_all(&hello.bytes(&run.subject.target.host)).await?;
    let (mut start, mut filled) = ([0; 6], 0);
    while filled < start.len() {
        let read = timeout(run.wire.patience(), stream.read(&mut start[filled..])).await;
        match read {
            Ok(Ok(count)) if count > 0 => filled += count,
            // A reset is a refusal.
            Ok(_) => break,
            Err(_) => return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer came in time")),
        }
    }
    Ok(said(start.get(..filled).unwrap_or_default()))
}

async fn plaintext(run: &mut Run<'_>, attack: &'static Attack) -> Result<Option<Ruling>, Skip> {
    if !run.wire.is_tls() {
        if run.subject.target.is_loopback() {
            return Err(Skip::because(
                "the endpoint is on this machine, where plaintext stays; assess it as senders reach it, too",
            ));
        }
        return Ok(Some(Ruling::broken(
            "genuine messages were accepted over plain http, which anybody on the way reads",
        )));
    }
    let shot = run.forge().genuine()?.shot("plaintext");
    if !run.pace().await {
        return Ok(None);
    }
    let seen = match run.wire.plain().await {
        Ok(stream) => run.wire.converse(Box::new(stream), &shot, 1).await,
        Err(error) => return Ok(Some(Ruling::open(error.to_string()))),
    };
    let is_moved = seen.first().is_some_and(|answer| answer.value("location").starts_with("https://"));
    // An alert of TLS is no HTTP, and says no.
    let is_alert = seen.answers.is_empty() && seen.closed;
    let held = is_moved || is_alert;
    let ruling = if held { Ruling::held(seen.told()) } else { refused(attack, &run.known, &seen) };
    Ok(Some(ruling))
}
