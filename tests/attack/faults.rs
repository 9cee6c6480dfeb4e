//! Short of what it needs: descriptors, the audit log's disk, a reader at its pipe.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::{Sidecar, Signer, Upstream};
use crate::world::{alone, connect, exchange, plain, send_honestly, signed, under_attack};

#[test]
fn out_of_descriptors() {
    let _alone = alone();
    let upstream = Upstream::start();
    let proxy = Sidecar::before(&upstream)
        .with_shipped_deadlines()
        .set("AUDIT_LOG", "off")
        .after("ulimit -n 64")
        .provider("github")
        .start();
    // Those who hold the last descriptors say nothing; what is over is refused or waits.
    let held: Vec<_> = (0..120).map(|_| connect(proxy.address()).expect("the kernel's queue takes it")).collect();
    proxy.wait_for_log("could not be accepted");
    drop(held);
    send_honestly(&signed(50), &plain(proxy.address())).check("descriptors");
    proxy.end();
}

#[test]
fn the_audit_logs_disk_is_full() {
    let _alone = alone();
    let upstream = Upstream::start();
    let proxy =
        Sidecar::before(&upstream).with_shipped_deadlines().set("AUDIT_LOG", "/dev/full").provider("github").start();
    send_honestly(&signed(200), &plain(proxy.address())).check("a full disk");
    proxy.wait_for_log("HOOKWARDEN_AUDIT_LOG cannot be written");
    proxy.wait_for_log("audit records were lost");
    assert!(proxy.metrics().value("hookwarden_audit_records_dropped_total", &[]) > 0.0);
    proxy.end();
}

#[test]
fn nobody_reads_the_audit_logs_pipe() {
    let _alone = alone();
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("audit.pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).expect("a pipe");
    let proxy = Sidecar::before(&upstream).with_shipped_deadlines().set("AUDIT_LOG", &path).provider("github").start();
    let mut reader: File = OpenOptions::new().read(true).custom_flags(0o4000).open(&path).expect("opens");
    let forged = Signer::new("github").sample().body("{}").bytes();
    let address = proxy.address();
    // Far more than the pipe and the queue hold, and honest senders beside it.
    let attack = |_: usize, begun: &Barrier, over: &AtomicBool| {
        let mut stream = connect(address).expect("let in");
        begun.wait();
        let mut sent = 0;
        while sent < 6000 || !over.load(Ordering::Relaxed) {
            exchange(&mut stream, &forged).expect("an answer");
            sent += 1;
        }
    };
    under_attack(1, attack, &plain(proxy.address())).check("a blocked pipe");
    assert!(proxy.metrics().value("hookwarden_audit_records_dropped_total", &[]) > 0.0);
    // Somebody reads again: what was kept comes, whole lines all of them, and the writer goes on.
    let mut text = Vec::new();
    let mut part = vec![0; 64 * 1024];
    while text.len() < 1 << 20 {
        match reader.read(&mut part) {
            Ok(count) => text.extend_from_slice(&part[..count]),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
    let whole = text.iter().rposition(|byte| *byte == b'\n').expect("lines");
    for line in text[..whole].split(|byte| *byte == b'\n') {
        let _: serde_json::Value = serde_json::from_slice(line).expect("a whole line");
    }
    send_honestly(&[Signer::new("github").sample().bytes()], &plain(proxy.address()))
        .check("a pipe that is read again");
    drop(proxy_end(proxy, reader));
}

/// Stops it while its pipe is still there to take the last lines.
fn proxy_end(proxy: Sidecar, reader: File) -> File {
    proxy.end();
    reader
}
