//! One page that a security officer can read and print: posture, trend, findings, controls, what is accepted and what
//! could not be judged. It needs nothing beside itself, and its policy permits nothing else: no script, no font, no image
//! from elsewhere, and no style but its own, by hash.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

use crate::govern::finding::{Finding, Report, Rule, Severity, time};
use crate::govern::trend::Trend;

const STYLE: &str = include_str!("style.css");

/// The page.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut page = Page(String::with_capacity(64 * 1024));
    // Writing to a text does not fail.
    let _ = page.write(report);
    page.0
}

struct Page(String);

type Written = fmt::Result;

impl Page {
    fn write(&mut self, report: &Report) -> Written {
        let hash = BASE64.encode(&Sha256::digest(STYLE));
        let title = format!("Hookwarden {}", report.kind);
        write!(
            self.0,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
             <title>{title}, {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n",
            date(report.at)
        )?;
        self.head(report, &title)?;
        self.posture(report)?;
        if let Some(trend) = &report.trend {
            self.trend(report, trend)?;
        }
        self.findings(report)?;
        self.accepted(report)?;
        self.controls(report)?;
        self.judged(report)?;
        writeln!(
            self.0,
            "<footer>Made by hookwarden {} at {}. <code>hookwarden explain CODE</code> says more of each rule.</footer>\n</main>\n</body>\n</html>",
            env!("CARGO_PKG_VERSION"),
            time(report.at)
        )
    }

    fn head(&mut self, report: &Report, title: &str) -> Written {
        let verdict = match report.worst() {
            None => "Nothing found.".to_owned(),
            Some(Severity::Critical) => "An attacker can get in. Act today.".to_owned(),
            Some(Severity::High) => "Precautions that matter are missing. Act this week.".to_owned(),
            Some(Severity::Medium) => "Sound, with precautions missing. Plan them.".to_owned(),
            Some(Severity::Low | Severity::Info) => "Sound. What is left is hardening.".to_owned(),
        };
        let worst = report.worst().map_or("none", Severity::name);
        write!(
            self.0,
            "<header>\n<h1>{title}</h1>\n<p class=\"subject\">{} <span>on {}</span></p>\n<p class=\"verdict {worst}\">{verdict}</p>\n</header>\n",
            escape(&report.subject),
            date(report.at)
        )
    }

    /// The counts, as tiles and as one bar.
    fn posture(&mut self, report: &Report) -> Written {
        self.0
            .push_str("<section aria-labelledby=\"posture\">\n<h2 id=\"posture\">Posture</h2>\n<ul class=\"tiles\">\n");
        for severity in Severity::ALL {
            let (name, count) = (severity.name(), report.count(severity));
            let class = if count == 0 { "empty" } else { name };
            writeln!(self.0, "<li class=\"{class}\"><strong>{count}</strong> {name}</li>")?;
        }
        writeln!(self.0, "<li class=\"empty\"><strong>{}</strong> accepted</li>\n</ul>", report.accepted.len())?;
        self.bar(report)?;
        let judged = report.rules().len();
        let passed = report.passed.len();
        writeln!(self.0, "<p>{judged} rules were judged; {passed} of them found nothing.</p>")?;
        for note in &report.notes {
            writeln!(self.0, "<p class=\"note\">{}</p>", escape(note))?;
        }
        self.0.push_str("</section>\n");
        Ok(())
    }

    /// How the rules that were judged fared, to scale.
    fn bar(&mut self, report: &Report) -> Written {
        let rules = report.rules();
        let worst = |rule: &&Rule| {
            let of_rule = report.findings.iter().filter(|finding| finding.rule.code == rule.code);
            of_rule.map(|finding| finding.severity).max()
        };
        let (total, mut at) = (rules.len().max(1), 0);
        self.0.push_str("<svg class=\"bar\" viewBox=\"0 0 1000 24\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Rules by the worst that they found\">");
        for severity in Severity::ALL.into_iter().map(Some).chain([None]) {
            let count = rules.iter().filter(|rule| worst(rule) == severity).count();
            let (x, width) = (at * 1000 / total, (at + count) * 1000 / total - at * 1000 / total);
            let name = severity.map_or("fine", Severity::name);
            if width > 0 {
                write!(
                    self.0,
                    "<rect class=\"{name}\" x=\"{x}\" y=\"0\" width=\"{width}\" height=\"24\"><title>{name}: {count} rules</title></rect>"
                )?;
            }
            at += count;
        }
        self.0.push_str("</svg>\n");
        Ok(())
    }

    fn trend(&mut self, report: &Report, trend: &Trend) -> Written {
        write!(
            self.0,
            "<section aria-labelledby=\"trend\">\n<h2 id=\"trend\">Trend</h2>\n<p>Since {}: {} new, {} gone.</p>\n<table>\n<thead><tr><th>Severity</th><th class=\"number\">Then</th><th class=\"number\">Now</th><th class=\"number\">Change</th></tr></thead>\n<tbody>\n",
            escape(&trend.since),
            trend.new.len(),
            trend.gone.len()
        )?;
        for (severity, before) in Severity::ALL.iter().zip(trend.before) {
            let now = report.count(*severity);
            let (class, change) = match now.cmp(&before) {
                std::cmp::Ordering::Less => ("better", format!("\u{2212}{}", before - now)),
                std::cmp::Ordering::Equal => ("same", "0".to_owned()),
                std::cmp::Ordering::Greater => ("worse", format!("+{}", now - before)),
            };
            writeln!(
                self.0,
                "<tr><th scope=\"row\">{}</th><td class=\"number\">{before}</td><td class=\"number\">{now}</td><td class=\"number {class}\">{change}</td></tr>",
                severity.name()
            )?;
        }
        self.0.push_str("</tbody>\n</table>\n");
        if !trend.gone.is_empty() {
            self.0.push_str("<h3>Gone</h3>\n<ul>\n");
            for gone in &trend.gone {
                let code = gone.id.split(' ').next().unwrap_or_default();
                writeln!(
                    self.0,
                    "<li>{} {} <span class=\"place\">{}</span></li>",
                    escape(code),
                    escape(&gone.title),
                    escape(&gone.place)
                )?;
            }
            self.0.push_str("</ul>\n");
        }
        self.0.push_str("</section>\n");
        Ok(())
    }

    /// The findings, those of a rule together, the worst first.
    fn findings(&mut self, report: &Report) -> Written {
        self.0.push_str("<section aria-labelledby=\"findings\">\n<h2 id=\"findings\">Findings</h2>\n");
        if report.findings.is_empty() {
            self.0.push_str("<p>None.</p>\n");
        }
        for group in report.groups() {
            self.group(report, &group)?;
        }
        self.0.push_str("</section>\n");
        Ok(())
    }

    fn group(&mut self, report: &Report, group: &[&Finding]) -> Written {
        let Some(first) = group.first() else { return Ok(()) };
        let (rule, name) = (first.rule, first.severity.name());
        write!(
            self.0,
            "<article class=\"{name}\">\n<h3><span class=\"mark {name}\">{name}</span> <span class=\"code\">{}</span> {}</h3>\n<p>{}</p>\n<ul class=\"places\">\n",
            escape(rule.code),
            escape(rule.title),
            escape(rule.why)
        )?;
        for finding in group {
            let is_new = report.trend.as_ref().is_some_and(|trend| trend.new.contains(&finding.identity()));
            let new = if is_new { " <span class=\"new\">new</span>" } else { "" };
            writeln!(
                self.0,
                "<li><code>{}</code>{new}<br>{}</li>",
                breakable(&finding.place.to_string()),
                escape(&finding.evidence)
            )?;
        }
        self.0.push_str("</ul>\n");
        let mut remedies: Vec<_> = group.iter().map(|finding| &finding.remedy).collect();
        remedies.dedup();
        // Many places of one kind have many remedies that differ in a name.
        let remedy = if remedies.len() == 1 { remedies[0].as_ref() } else { rule.remedy };
        write!(
            self.0,
            "<p class=\"remedy\"><strong>Remedy.</strong> {}</p>\n<p class=\"references\">{}</p>\n</article>\n",
            breakable(remedy),
            escape(&rule.references.join(" · "))
        )
    }

    fn accepted(&mut self, report: &Report) -> Written {
        if report.accepted.is_empty() {
            return Ok(());
        }
        self.0.push_str("<section aria-labelledby=\"accepted\">\n<h2 id=\"accepted\">Accepted for a time</h2>\n<table class=\"stacks\">\n<thead><tr><th>Finding</th><th>Reason</th><th>Owner</th><th>Until</th></tr></thead>\n<tbody>\n");
        for accepted in &report.accepted {
            let finding = &accepted.finding;
            writeln!(
                self.0,
                "<tr><td data-name=\"Finding\">{} {}<br><code>{}</code></td><td data-name=\"Reason\">{}</td><td data-name=\"Owner\">{}</td><td data-name=\"Until\">{}</td></tr>",
                escape(finding.rule.code),
                escape(finding.rule.title),
                breakable(&finding.place.to_string()),
                escape(&accepted.reason),
                escape(&accepted.owner),
                escape(&accepted.until)
            )?;
        }
        self.0.push_str("</tbody>\n</table>\n</section>\n");
        Ok(())
    }

    /// The controls of published catalogues that rules speak of, and how they stand.
    fn controls(&mut self, report: &Report) -> Written {
        let mut controls: BTreeMap<(u8, &str), (Vec<&str>, usize)> = BTreeMap::new();
        for rule in report.rules() {
            let open = report.findings.iter().filter(|finding| finding.rule.code == rule.code).count();
            for reference in rule.references {
                let (rules, found) = controls.entry((catalogue(reference), reference)).or_default();
                rules.push(rule.code);
                *found += open;
            }
        }
        self.0.push_str("<section aria-labelledby=\"controls\">\n<h2 id=\"controls\">Controls covered</h2>\n<p>What the rules that were judged say on controls of published catalogues. An open finding is a sign against a control; none is no proof of it.</p>\n<table class=\"stacks\">\n<thead><tr><th>Control</th><th>Rules</th><th>Open findings</th></tr></thead>\n<tbody>\n");
        for ((_, control), (rules, open)) in &controls {
            let class = if *open > 0 { "open" } else { "fine" };
            writeln!(
                self.0,
                "<tr><th scope=\"row\" data-name=\"Control\">{}</th><td data-name=\"Rules\">{}</td><td data-name=\"Open findings\" class=\"{class}\">{open}</td></tr>",
                escape(control),
                escape(&rules.join(" "))
            )?;
        }
        self.0.push_str("</tbody>\n</table>\n</section>\n");
        Ok(())
    }

    fn judged(&mut self, report: &Report) -> Written {
        let list = |rules: &mut dyn Iterator<Item = (&Rule, &str)>| -> String {
            let line = |(rule, why): (&Rule, &str)| {
                let why = if why.is_empty() {
                    String::new()
                } else {
                    format!(" <span class=\"place\">{}</span>", escape(why))
                };
                format!("<li><span class=\"code\">{}</span> {}{why}</li>\n", escape(rule.code), escape(rule.title))
            };
            rules.map(line).collect()
        };
        let passed = list(&mut report.passed.iter().map(|rule| (*rule, "")));
        let skipped = list(&mut report.skipped.iter().map(|(rule, why)| (*rule, why.as_str())));
        if !passed.is_empty() {
            write!(
                self.0,
                "<section aria-labelledby=\"passed\">\n<h2 id=\"passed\">Looked for, and not found</h2>\n<ul class=\"rules\">\n{passed}</ul>\n</section>\n"
            )?;
        }
        if !skipped.is_empty() {
            write!(
                self.0,
                "<section aria-labelledby=\"skipped\">\n<h2 id=\"skipped\">Not judged</h2>\n<ul class=\"rules\">\n{skipped}</ul>\n</section>\n"
            )?;
        }
        Ok(())
    }
}

/// The catalogues in the order in which they are shown.
fn catalogue(reference: &str) -> u8 {
    let names = ["OWASP API", "ASVS", "NIST", "CWE"];
    let at = names.iter().position(|name| reference.starts_with(name)).unwrap_or(names.len());
    u8::try_from(at).unwrap_or(u8::MAX)
}

/// The day of a time.
fn date(second: u64) -> String {
    time(second).split('T').next().unwrap_or_default().to_owned()
}

/// Text for an element or an attribute (HTML Standard section 13.1.2). Control characters become visible.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(' '),
            _ if char.is_control() => out.push('\u{fffd}'),
            // What turns the direction of text makes it read as something else.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            _ => out.push(char),
        }
    }
    out
}

/// The same, where a narrow page may break the line: after what joins the words of a long name.
fn breakable(text: &str) -> String {
    escape(text).replace('_', "_<wbr>").replace('/', "/<wbr>").replace('=', "=<wbr>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::govern::finding::tests::report;

    #[test]
    fn nothing_of_the_text_is_markup() {
        let mut report = report();
        report.subject = "</main><script>alert(1)</script>".into();
        report.findings[0].evidence = "<img src=x onerror=alert(1)> \u{202e}\u{1}".into();
        report.notes.push("\"><b>".into());
        let page = render(&report);
        for bad in ["<script", "<img", "<b>", "onerror=alert(1)>", "\u{202e}", "\u{1}"] {
            assert!(!page.contains(bad), "{bad}");
        }
        assert!(page.contains("&lt;script&gt;"));
    }

    #[test]
    fn it_needs_nothing_beside_itself() {
        let page = render(&report());
        for bad in ["http://", "https://", "url(", "@import", "<link", "<script", "src=", " style="] {
            assert!(!page.contains(bad), "{bad}");
        }
        let hash = BASE64.encode(&Sha256::digest(STYLE));
        assert!(
            page.contains(&format!("style-src 'sha256-{hash}'")) && page.contains(&format!("<style>{STYLE}</style>"))
        );
    }

    #[test]
    fn every_element_is_closed_in_order() {
        let mut report = report();
        let earlier = report.as_json().to_string();
        report.findings.remove(0);
        report.trend = Some(Trend::of(&report, &earlier).expect("a report"));
        let page = render(&report);
        let mut open = Vec::new();
        for tag in page.split('<').skip(1).filter_map(|part| part.split('>').next()) {
            let name = tag.split([' ', '\n']).next().expect("a name");
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "{tag}"),
                None if ["!doctype", "meta", "br", "wbr"].contains(&name) => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
        for heading in ["Posture", "Trend", "Findings", "Accepted for a time", "Controls covered", "Gone"] {
            assert!(page.contains(&format!(">{heading}</h")), "{heading}");
        }
    }
}
