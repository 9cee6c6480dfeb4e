//! An end without warning in the middle of many webhooks, and what the next start knows of it.
#![allow(clippy::expect_used, clippy::panic, reason = "in a test a surprise ends the test")]

#[path = "../e2e/harness.rs"]
mod harness;
mod pod;

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use harness::{Client, OK, Signer, Step, Upstream};
use pod::Pod;

/// Webhooks in flight, and how many of them have had their answer when the end comes.
const MESSAGES: usize = 1000;
const SENDERS: usize = 1000;

#[test]
fn after_a_kill_nothing_that_was_accepted_passes_again_and_all_else_does() {
    let directory = tempfile::tempdir().expect("a folder");
    // It holds some of them, so that the end comes in the middle however late.
    let held = || vec![Step::Read, Step::Wait, Step::write(OK), Step::Serve(OK.to_vec())];
    let upstream = Upstream::scripted((0..MESSAGES / 10).map(|_| held()));
    let journal = directory.path().to_str().expect("UTF-8");
    let start = || Pod::before(&upstream, &[("REPLAY_JOURNAL", journal), ("UPSTREAM_TIMEOUT", "3m")]);
    let pod = start();
    let signer = Signer::new("svix");
    let message = |number: usize| signer.sign_with(&[("svix-id", &format!("msg_{number}"))], "{\"a\":1}").bytes();
    let messages: Vec<_> = (0..MESSAGES).map(message).collect();

    // Senders go on until the process is gone; the one that has a tenth of all answers kills it.
    let (accepted, at_once) = (std::sync::Mutex::new(BTreeSet::new()), Barrier::new(SENDERS));
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (accepted, at_once, messages, pod) = (&accepted, &at_once, &messages, &pod);
            let send = move || {
                at_once.wait();
                for number in (sender..MESSAGES).step_by(SENDERS) {
                    let Ok(mut client) = Client::try_connect(pod.address()) else { return };
                    let answer = client.offer(&messages[number]).ok().and_then(|()| client.read_if_any());
                    let Some(answer) = answer else { return };
                    assert_eq!(answer.status, 200, "{answer:?}");
                    let mut accepted = accepted.lock().expect("no sender has panicked");
                    accepted.insert(number);
                    if accepted.len() == MESSAGES / 10 {
                        pod.kill();
                    }
                }
            };
            thread::Builder::new().spawn_scoped(scope, send).expect("a thread");
        }
    });
    let accepted = accepted.into_inner().expect("no sender has panicked");
    assert!((MESSAGES / 10..MESSAGES).contains(&accepted.len()), "{} were answered", accepted.len());
    drop(pod);
    (0..MESSAGES).for_each(|_| upstream.go());

    let again = start();
    for (number, bytes) in messages.iter().enumerate() {
        let answer = Client::connect(again.address()).send(bytes).read();
        if accepted.contains(&number) {
            assert_eq!((answer.status, answer.problem()["reason"].as_str()), (409, Some("replayed")), "{number}");
        } else if answer.status != 200 {
            // The service had accepted it, and the sender has not heard of it any more.
            assert_eq!(answer.problem()["reason"], "replayed", "{number}: {answer:?}");
            let seen =
                upstream.received().iter().filter(|seen| seen.values("svix-id") == [format!("msg_{number}")]).count();
            assert_eq!(seen, 1, "{number}");
        }
    }
    for (number, bytes) in messages.iter().enumerate() {
        let answer = Client::connect(again.address()).send(bytes).read();
        assert_eq!(answer.status, 409, "{number} a second time: {answer:?}");
    }
}

#[test]
fn a_journal_that_cannot_be_used_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, b"").expect("a file");
    let upstream = Upstream::start();
    let said = Pod::refused(&upstream, &[("REPLAY_JOURNAL", file.to_str().expect("UTF-8"))]);
    assert!(said.contains("HOOKWARDEN_REPLAY_JOURNAL") && said.contains("cannot be made"), "{said}");
}
