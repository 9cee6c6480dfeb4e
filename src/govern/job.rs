//! What a scheduled `audit`, `assess` or `review` tells a sidecar of its end, so that Prometheus hears of it: which command
//! it was, and how many findings of each severity there are.
//!
//! That is all it can say: the commands and the severities are closed lists, every member has to be there once, and none
//! may be there beside them. Deliberately absent: the time, which is the sidecar's own, and anything about what was found.

use serde::{Deserialize, Serialize};

use super::finding::{Report, Severity};

/// The longest text that is read, in bytes; the longest that is written has some 120.
pub const LONGEST: usize = 1024;

/// A command that runs on a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "each is named for its command")]
pub enum Job {
    Audit,
    Assess,
    Review,
}

impl Job {
    /// The command's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Assess => "assess",
            Self::Review => "review",
        }
    }
}

/// How a job has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// Which it was.
    pub job: Job,
    /// How many findings there are.
    findings: Counts,
}

/// One count a severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counts {
    critical: u32,
    high: u32,
    medium: u32,
    low: u32,
    info: u32,
}

impl Ended {
    /// With the findings of a report.
    #[must_use]
    pub fn with(job: Job, report: &Report) -> Self {
        Self::counted(job, |severity| report.count(severity))
    }

    /// With as many findings of each severity.
    #[must_use]
    pub fn counted(job: Job, count: impl Fn(Severity) -> usize) -> Self {
        let of = |severity| u32::try_from(count(severity)).unwrap_or(u32::MAX);
        let findings = Counts {
            critical: of(Severity::Critical),
            high: of(Severity::High),
            medium: of(Severity::Medium),
            low: of(Severity::Low),
            info: of(Severity::Info),
        };
        Self { job, findings }
    }

    /// Reads what [`Self::write`] wrote, and nothing else.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        // Serde takes a list of the members for an object of them.
        if text.contains(&b'[') {
            return Err("there is no list in it".to_owned());
        }
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }

    /// As one object of JSON.
    #[must_use]
    pub fn write(&self) -> String {
        // Names and numbers are written without fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The counts, the worst first.
    #[must_use]
    pub fn findings(&self) -> [(&'static str, usize); Severity::ALL.len()] {
        let Counts { critical, high, medium, low, info } = self.findings;
        Severity::ALL.map(|severity| {
            let count = match severity {
                Severity::Critical => critical,
                Severity::High => high,
                Severity::Medium => medium,
                Severity::Low => low,
                Severity::Info => info,
            };
            (severity.name(), count as usize)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"job":"assess","findings":{"critical":0,"high":1,"medium":2,"low":3,"info":4}}"#;

    #[test]
    fn what_is_written_is_read() {
        let ended = Ended::read(WHOLE.as_bytes()).expect("an end");
        assert_eq!((ended.job.name(), ended.write().as_str()), ("assess", WHOLE));
        assert_eq!(ended.findings(), [("critical", 0), ("high", 1), ("medium", 2), ("low", 3), ("info", 4)]);
        let most = Ended::counted(Job::Review, |_| usize::MAX);
        assert!(
            most.write().len() < LONGEST / 8 && Ended::read(most.write().as_bytes()) == Ok(most),
            "{}",
            most.write()
        );
    }

    #[test]
    fn nothing_else_is_read() {
        for (from, to, problem) in [
            ("assess", "drill", "unknown variant `drill`"),
            ("assess", "Assess", "unknown variant"),
            ("\"assess\"", "7", "expected value"),
            ("\"job\":\"assess\",", "", "missing field `job`"),
            ("\"job\"", "\"at\":1,\"job\"", "unknown field `at`"),
            ("\"job\"", "\"job\":\"audit\",\"job\"", "duplicate field `job`"),
            ("\"info\":4", "\"info\":4,\"grave\":1", "unknown field `grave`"),
            ("\"info\":4", "\"info\":4,\"info\":4", "duplicate field `info`"),
            (",\"info\":4", "", "missing field `info`"),
            (":4", ":-4", "invalid value"),
            (":4", ":4.5", "invalid type"),
            (":4", ":4294967296", "invalid value"),
            (":4", ":\"4\"", "invalid type"),
            (":4", ":null", "invalid type"),
            ("}}", "}} {}", "trailing characters"),
            ("}}", "}", "EOF"),
            (WHOLE, "", "EOF"),
            (WHOLE, r#"["audit",[0,0,0,0,0]]"#, "no list"),
        ] {
            let text = WHOLE.replacen(from, to, 1);
            let told = Ended::read(text.as_bytes()).expect_err(&text);
            assert!(told.contains(problem), "{text}: {told}");
        }
    }
}
