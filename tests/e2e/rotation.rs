//! Certificates that are rotated under load: not one request fails, on connections that are kept or made anew.

use std::sync::atomic::{AtomicBool, Ordering};

use super::harness::{Authority, Request, Sidecar, Signer, Upstream};

const ROTATIONS: usize = 3;

/// Senders at a time.
const SENDERS: usize = 3;

/// Requests that each sender makes at most: what the test may cost, whatever a look at the files takes.
const MOST: usize = 3_000;

#[test]
fn no_request_fails_while_certificates_are_rotated() {
    let (authority, folder) = (Authority::new("servers"), tempfile::tempdir().expect("a folder"));
    authority.issue(&["hooks.test"]).put(folder.path(), "tls");
    // Thousands of requests are counted, not held against their records one by one.
    let (upstream, idle) = (Upstream::start(), Upstream::start());
    let builder = Sidecar::before(&idle).set("UPSTREAM", upstream.address()).set("AUDIT_LOG", "off");
    let proxy = builder.provider("github").unset("TLS").set("TLS_CERT_FILE", folder.path()).start();
    let (address, over) = (proxy.address(), AtomicBool::new(false));
    let counts: Vec<_> = std::thread::scope(|scope| {
        let send = |sender: usize| {
            let (authority, over) = (&authority, &over);
            move || {
                let mut sent = 0;
                let client = authority.client().ready();
                let mut kept = client.connect_to(address, "hooks.test").expect("a handshake").0;
                while sent < MOST && !over.load(Ordering::Relaxed) {
                    // A client without sessions shakes hands in full, and so sees the certificate of the moment.
                    let fresh = authority.client().ready();
                    let mut anew = fresh.connect_to(address, "hooks.test").expect("a handshake").0;
                    for connection in [&mut kept, &mut anew] {
                        let body = format!(r#"{{"sender":{sender},"request":{sent}}}"#);
                        let response = connection.send(&Signer::new("github").sign(body).bytes()).read();
                        assert_eq!(response.status, 200, "{response:?}");
                        sent += 1;
                    }
                }
                sent
            }
        };
        let senders: Vec<_> = (0..SENDERS).map(|sender| scope.spawn(send(sender))).collect();
        for _ in 0..ROTATIONS {
            authority.issue(&["hooks.test"]).put(folder.path(), "tls");
            proxy.wait_for_log("the new policy is in force");
        }
        over.store(true, Ordering::Relaxed);
        senders.into_iter().map(|sender| sender.join().expect("every request is answered with 200")).collect()
    });
    assert!(counts.iter().all(|count| *count > 0));
    let all: usize = counts.iter().sum();
    // A request is counted just after it was answered: once a later one has been, on the one worker, all of them are.
    let mut last = authority.client().ready().connect_to(address, "hooks.test").expect("a handshake").0;
    let unknown = Request::post("/unknown", "{}").bytes();
    assert_eq!(last.send(&unknown).read().status, 404);
    let metrics = proxy.metrics();
    let told = metrics
        .value("hookwarden_requests_total", &[r#"decision="forwarded""#, r#"reason="forwarded""#, r#"route="github""#]);
    assert_eq!(format!("{told}"), format!("{all}"));
    assert_eq!(upstream.received().len(), all);
    proxy.finish();
}
