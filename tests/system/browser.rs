//! A browser without a window, asked over a pipe in its `DevTools` protocol
//! (<https://chromedevtools.github.io/devtools-protocol/>): what it has loaded, how it lays that out, and what it prints.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::GUARD;

/// The browser, with one page open, until it is dropped.
pub(crate) struct Browser {
    child: Child,
    questions: ChildStdin,
    answers: Receiver<Value>,
    asked: u64,
    /// What it has told unasked, in order, since the last [`Browser::open`].
    events: Vec<Value>,
    session: Option<String>,
    /// Its own, and gone with it.
    _profile: TempDir,
}

impl Browser {
    /// Starts it, with an empty page and without a way to any host.
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("sh");
        // It is asked at descriptor 3 and answers at 4, to which the shell moves the two that a test can give it.
        command.args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#, "chromium-headless-shell"]);
        command.args(["--remote-debugging-pipe", "--host-resolver-rules=MAP * ~NOTFOUND"]);
        // Root has no sandbox, containers little shared memory; and the page is of our own making.
        command.args(["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).env("HOME", profile.path());
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.expect("a shell");
        let questions = child.stdin.take().expect("a pipe");
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, answers) = channel();
        let read = move || {
            let mut message = Vec::new();
            // Each message ends with a zero byte.
            while matches!(said.read_until(0, &mut message), Ok(1..)) {
                let value = serde_json::from_slice(message.strip_suffix(b"\0").unwrap_or(&message));
                if value.is_ok_and(|value| sender.send(value).is_err()) {
                    break;
                }
                message.clear();
            }
        };
        std::thread::Builder::new().name("browser".to_owned()).spawn(read).expect("a thread");
        let (events, session) = (Vec::new(), None);
        let mut browser = Self { child, questions, answers, asked: 0, events, session, _profile: profile };
        let page = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }));
        let attached = browser.ask("Target.attachToTarget", &json!({ "targetId": page["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Network", "Log"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.asked += 1;
        let mut question = json!({ "id": self.asked, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            question["sessionId"] = session.as_str().into();
        }
        let sent = self.questions.write_all(format!("{question}\0").as_bytes());
        sent.unwrap_or_else(|error| panic!("no browser ({error}): run tests/run, which installs it"));
        loop {
            let mut answer = self.next(method);
            if answer["id"] == self.asked {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    /// Opens a URL in a window of that width, and waits until all of it is there.
    pub(crate) fn open(&mut self, url: &str, width: usize) {
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.ask("Emulation.setDeviceMetricsOverride", &size);
        self.events.clear();
        self.ask("Page.navigate", &json!({ "url": url }));
        while self.told("Page.loadEventFired").is_empty() {
            let event = self.next(url);
            self.events.push(event);
        }
    }

    /// What it has told of that kind since the page was opened.
    pub(crate) fn told(&self, method: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["method"] == method).map(|event| &event["params"]).collect()
    }

    /// What an expression of JavaScript comes to in the page, once it is settled. The page's own policy binds what it does.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.ask("Runtime.evaluate", &asked);
        assert!(answer["exceptionDetails"].is_null(), "{answer}");
        answer["result"]["value"].take()
    }

    /// The page as PNG, all of it.
    pub(crate) fn picture(&mut self) -> Vec<u8> {
        decoded(&self.ask("Page.captureScreenshot", &json!({ "captureBeyondViewport": true })))
    }

    /// The page as PDF, on A4 (in inches), as somebody prints it who leaves the dialogue as it is.
    pub(crate) fn print(&mut self) -> Vec<u8> {
        decoded(&self.ask("Page.printToPDF", &json!({ "paperWidth": 8.27, "paperHeight": 11.69 })))
    }

    fn next(&self, waiting_for: &str) -> Value {
        self.answers.recv_timeout(GUARD).unwrap_or_else(|error| {
            panic!("the browser said nothing to {waiting_for} ({error}): run tests/run, which installs it")
        })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn decoded(answer: &Value) -> Vec<u8> {
    BASE64.decode(answer["data"].as_str().expect("text").as_bytes()).expect("base64")
}
