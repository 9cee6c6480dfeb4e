//! The audit's page in the eyes of a browser: on a desk, on a telephone and on paper it can be read, and it asks nobody
//! for anything. The pictures are left among the build's files, for who wants to look.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::programs::run;

/// What in the page cannot be read: elements that leave the window or are cut, letters too small, and texts too faint
/// for their ground (WCAG 2.2, 1.4.3: 4.5 to 1).
const UNREADABLE: &str = r"
(() => {
  const faults = [], width = document.documentElement.clientWidth;
  const parts = text => text.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = element => {
    for (; element; element = element.parentElement) {
      const color = parts(getComputedStyle(element).backgroundColor);
      if (color[3] === undefined || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  for (const element of document.body.querySelectorAll('*')) {
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    const name = element.tagName + ' ' + element.className + ': ' + element.textContent.slice(0, 60);
    if (box.left < -0.5 || box.right > width + 0.5) faults.push('outside: ' + name);
    if (style.display !== 'inline' && element.scrollWidth > element.clientWidth + 1) faults.push('cut: ' + name);
    const text = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!text || !box.width) continue;
    if (parseFloat(style.fontSize) < 12) faults.push('small, ' + style.fontSize + ': ' + name);
    const [high, low] = [light(parts(style.color)), light(ground(element))].sort((a, b) => b - a);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) faults.push('faint, ' + contrast.toFixed(2) + ': ' + name);
  }
  return faults;
})()";

/// Tries what a page could be made to do that shows an attacker's text; which directive of its policy stopped it.
const CALLING: &str = "
new Promise(stopped => {
  addEventListener('securitypolicyviolation', event => stopped(event.effectiveDirective));
  const image = document.createElement('img');
  image.src = 'https://hooks.test/seen.png';
  document.body.append(image);
})";

/// A name as long as any that somebody has chosen, in a configuration that much is wrong with.
const SETTINGS: &[(&str, &str)] = &[
    ("HOOKWARDEN_LISTEN", "127.0.0.1:0"),
    ("HOOKWARDEN_TLS", "off"),
    ("HOOKWARDEN_UPSTREAM", "a-service-with-a-very-long-name.the-namespace-of-a-team.svc.cluster.local:8080"),
    ("HOOKWARDEN_ROUTE_PAYMENTS_OF_THE_OTHER_COMPANY_IN_PRODUCTION_PATH", "/hooks/*"),
    ("HOOKWARDEN_ROUTE_PAYMENTS_OF_THE_OTHER_COMPANY_IN_PRODUCTION_PROVIDER", "gitlab_token"),
    ("HOOKWARDEN_ROUTE_PAYMENTS_OF_THE_OTHER_COMPANY_IN_PRODUCTION_SECRET", "changeme"),
    ("HOOKWARDEN_ROUTE_A_PATH", "/a"),
    ("HOOKWARDEN_ROUTE_A_PROVIDER", "github"),
    ("HOOKWARDEN_ROUTE_A_SECRET", "changeme"),
];

/// What the page must say and show: every finding's code, title, place and evidence.
fn texts(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().expect("findings");
    let texts = findings.iter().flat_map(|finding| {
        ["rule", "title", "place", "evidence"].map(|name| finding[name].as_str().expect("text").to_owned())
    });
    texts
        .chain(["Posture", "Trend", "Findings", "Accepted for a time", "Controls covered"].map(str::to_owned))
        .collect()
}

/// Writes the page of an audit into a folder, with a trend and an accepted finding; the same report as JSON.
fn audit(folder: &Path, page: &Path) -> Value {
    let run = |more: &[(&str, &str)], arguments: &[&str]| -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookwarden"));
        let command = command.env_clear().envs(SETTINGS.iter().chain(more).copied()).current_dir(folder);
        let output = run(command.args(["audit", "--format", "json"]).args(arguments), b"");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    };
    let before = run(&[("HOOKWARDEN_ROUTE_A_MODE", "monitor"), ("HOOKWARDEN_ERROR_DETAIL", "full")], &[]);
    fs::write(folder.join("before.json"), before.to_string()).expect("a file");
    let id = "HW010 HOOKWARDEN_UPSTREAM";
    let accepted = json!({ "accepted": [
        { "id": id, "reason": "a mesh has TLS on the way", "owner": "payments", "expires": "2199-12-31" }
    ]});
    fs::write(folder.join("accepted.json"), accepted.to_string()).expect("a file");
    let report = ["--report", "html", page.to_str().expect("UTF-8")];
    let report = run(&[], &[&["--since", "before.json", "--baseline", "accepted.json"], &report[..]].concat());
    assert_eq!(report["accepted"].as_array().map(Vec::len), Some(1), "{report:#}");
    report
}

#[test]
fn it_is_read_on_a_desk_on_a_telephone_and_on_paper() {
    let (folder, left) = (tempfile::tempdir().expect("a folder"), Path::new(env!("CARGO_TARGET_TMPDIR")));
    let page = left.join("audit.html");
    let texts = texts(&audit(folder.path(), &page));
    assert!(texts.len() > 80, "{texts:#?}");
    let url = format!("file://{}", page.display());
    let mut browser = Browser::start();
    for width in [1280, 390] {
        browser.open(&url, width);
        // A scroll bar takes some of the width; a page that is too wide makes a telephone's window wider than it is.
        let fits = "[innerWidth, document.documentElement.scrollWidth <= document.documentElement.clientWidth]";
        assert_eq!(browser.value(fits), json!([width, true]), "nothing is beside the window");
        assert_eq!(browser.value(UNREADABLE), json!([]), "at {width}");
        let shown = plain(browser.value("document.body.innerText").as_str().expect("text"));
        let missing: Vec<_> = texts.iter().filter(|text| !shown.contains(&plain(text))).collect();
        assert!(missing.is_empty(), "at {width}: {missing:#?}");
        let asked = browser.told("Network.requestWillBeSent");
        assert!(matches!(&asked[..], [one] if one["request"]["url"] == url), "at {width}: {asked:#?}");
        assert!(browser.told("Log.entryAdded").is_empty(), "at {width}: {:#?}", browser.told("Log.entryAdded"));
        fs::write(left.join(format!("audit-{width}.png")), browser.picture()).expect("a file");
    }
    let printed = browser.print();
    fs::write(left.join("audit.pdf"), &printed).expect("a file");
    let read = run(Command::new("pdftotext").args(["-", "-"]), &printed);
    assert!(read.status.success(), "{read:?}");
    let read = String::from_utf8(read.stdout).expect("UTF-8");
    let missing: Vec<_> = texts.iter().filter(|text| !plain(&read).contains(&plain(text))).collect();
    assert!(missing.is_empty(), "on paper: {missing:#?}");
    assert_eq!(browser.value(CALLING), "img-src");
    // The look is not one that takes everything.
    let spoiled = "{ const of = document.querySelector('h1').style; of.color = '#aaa'; of.width = '2000px'; of.fontSize = '9px' }";
    browser.value(spoiled);
    let faults = browser.value(UNREADABLE).to_string();
    assert!(["outside: H1", "faint, ", "small, 9px: H1"].iter().all(|fault| faults.contains(fault)), "{faults}");
}

/// A text without its line breaks and blanks, which are as the lines fall. What a phone's list puts before each cell and
/// what CSS writes in other letters does not come in between.
fn plain(text: &str) -> String {
    text.split_whitespace().collect()
}
