//! `demo`: the whole on loopback, with nothing to install: a service, a sidecar in front of it with keys made for this
//! run alone, genuine webhooks and one of each attack. What happened to each is compared with what should.

use std::fmt::Write;
use std::process;

mod scenes;
pub(super) mod stage;

use crate::deny::Reason;

use super::layout::wrap;
use super::terminal::Paint;
use super::{Exit, Failure, curl, terminal};

use scenes::{Kind, Scene};
use stage::{Stage, Witnessed};

#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 every outcome was the expected one, 1 one was not, 69 the system refused a port or a thread.

Examples:
  hookwarden demo --once
  hookwarden demo")]
pub(super) struct Demo {
    /// Leave when all is shown, instead of staying up for trials by hand
    #[arg(long)]
    once: bool,
}

impl Demo {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let mut stage = Stage::set()?;
        let paint = Paint::for_stdout();
        terminal::print(&introduction(&stage, paint), Exit::Fine);
        let (mut shown, mut expected) = (0, 0);
        for kind in [Kind::Genuine, Kind::Attack] {
            terminal::print(&heading(kind, paint), Exit::Fine);
            for scene in scenes::ALL.iter().filter(|scene| scene.kind == kind) {
                let witnessed = stage.play(scene)?;
                shown += 1;
                expected += usize::from(witnessed.is_expected(scene));
                terminal::print(&describe(scene, &witnessed, paint), Exit::Fine);
            }
        }
        let exit = if shown == expected { Exit::Fine } else { Exit::Negative };
        terminal::print(&summary(shown, expected, stage.reached(), paint), exit);
        if self.once {
            return Ok(exit);
        }
        terminal::print(&invitation(&mut stage, paint)?, exit);
        stage.wait()?;
        Ok(exit)
    }
}

fn introduction(stage: &Stage, paint: Paint) -> String {
    format!(
        "{}\n\n  senders  ->  hookwarden http://{}  ->  a service http://{}\n\n{}",
        paint.strong("hookwarden demo: all on this machine, with keys made for this run alone"),
        stage.listen,
        stage.service,
        wrap(
            "A trial, not an example of how to run it: plaintext on loopback, no audit log, and ERROR_DETAIL=full, so \
             that a sender is told the reason. By default each 401 says no more than unauthorized.",
            2
        )
    )
}

fn heading(kind: Kind, paint: Paint) -> String {
    let columns = format!("     {:<46} {:<24} {}", "sent", "answer", "what became of it");
    format!("\n{}\n{}\n", paint.strong(kind.title()), paint.faint(&columns))
}

/// A line of what happened to a request, and where it went no further, why.
fn describe(scene: &Scene, witnessed: &Witnessed, paint: Paint) -> String {
    let Witnessed { status, reason, reached } = witnessed;
    let answer = format!("{status} {reason}");
    let place = match (*reached, *status) {
        (true, _) => "reached the service",
        (false, 200) => "answered, not forwarded",
        (false, _) => "stopped",
    };
    let line = format!("{:<46} {answer:<24} {place}", scene.sent);
    if !witnessed.is_expected(scene) {
        let expected = format!("expected: {}", scene.outcome);
        return format!("  {} {line}\n     {}\n", paint.bad("NO"), paint.bad(&expected));
    }
    let mut why = String::new();
    if scene.outcome != Reason::Forwarded {
        why = paint.faint(wrap(scene.outcome.row().what, 5).trim_end()) + "\n";
    }
    format!("  {} {line}\n{why}", paint.good("ok"))
}

fn summary(shown: usize, expected: usize, reached: usize, paint: Paint) -> String {
    let text = format!(
        "{expected} of {shown} outcomes as expected; {reached} requests reached the service, {} did not.",
        shown - reached.min(shown)
    );
    format!("\n{}\n", if shown == expected { paint.good(&text) } else { paint.bad(&text) })
}

/// Commands to paste.
fn invitation(stage: &mut Stage, paint: Paint) -> Result<String, Failure> {
    let github = format!("http://{}/hooks/github", stage.listen);
    let genuine = curl::command(&stage.genuine("github")?);
    let sign = format!("hookwarden sign --provider stripe --secret {} \\\n", stage.secret("stripe")?);
    let sections = [
        ("An unsigned request is refused:", format!("curl -i {github} --data-binary '{{}}'\n")),
        ("A genuine one is let through; paste it twice, and the second is a replay:", genuine),
        (
            "A new one, signed at each call; without --send it prints a curl command:",
            format!("{sign}  --send http://{}/hooks/stripe\n", stage.listen),
        ),
        ("What the sidecar counted:", format!("curl -s http://{}/metrics\n", stage.admin)),
        ("What an outcome means, and what to do:", format!("hookwarden explain {}\n", Reason::CredentialMissing)),
    ];
    let mut text = format!("\n{}\n", paint.strong("Try it"));
    for (title, commands) in sections {
        let _ = writeln!(text, "\n  {title}");
        for line in commands.lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    Ok(format!("{text}\nCtrl-C ends it (process {}).\n", process::id()))
}
