//! The audit: every rule over a configuration in effect, over Kubernetes objects, and over the records of what people have
//! done. What a sidecar in a manifest is told is audited like one's own, with the manifest's line as the place.
//!
//! Deliberately absent: the network, and any judgement that is no row of [`rules`].

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{self, Config, Fault};

use super::finding::{Finding, Place, Report, Rule};
use super::manifests::settings::{self, Setting};
use super::manifests::{Cluster, Container, Manifests, Workload};
use super::rules;
use super::subject::{Practice, Subject};

/// What is looked at; each part may be absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope<'a> {
    /// A configuration in effect here.
    pub subject: Option<Subject<'a>>,
    /// Kubernetes objects.
    pub manifests: Option<&'a Manifests>,
    /// What people have done.
    pub practice: Option<&'a Practice>,
    /// The time, in seconds since the Unix epoch.
    pub now: u64,
}

/// Looks at all of it.
#[must_use]
pub fn audit(what: &str, scope: Scope<'_>) -> Report {
    let mut report = Report { kind: "audit", subject: what.to_owned(), at: scope.now, ..Report::default() };
    let mut cluster = scope.manifests.map(Cluster::of);
    let mut sidecars = Vec::new();
    if let Some(cluster) = &mut cluster {
        sidecars = Sidecar::all(cluster, &mut report.notes);
        let refused = sidecars.iter().flat_map(Sidecar::refused).collect();
        cluster.refused = refused;
    }
    for row in rules::all() {
        let own = scope.subject.as_ref().and_then(|subject| row.of_settings(subject));
        let theirs = sidecars.iter().filter_map(|sidecar| sidecar.findings(row, scope.now));
        let objects = cluster.as_ref().and_then(|cluster| row.of_objects(cluster));
        let practice = scope.practice.and_then(|practice| row.of_practice(practice));
        let looks: Vec<_> = own.into_iter().chain(theirs).chain(objects).chain(practice).collect();
        match (looks.is_empty(), looks.concat()) {
            (true, _) => report.skipped.push((&row.rule, row.needs().to_owned())),
            (false, found) if found.is_empty() => report.passed.push(&row.rule),
            (false, found) => report.findings.extend(found),
        }
    }
    report.sort();
    report
}

/// The rule on secrets that stand in the environment.
const IN_ENVIRONMENT: &str = "HW024";

/// A sidecar in a manifest.
struct Sidecar<'m> {
    workload: Workload<'m>,
    line: usize,
    settings: BTreeMap<String, Setting>,
    environment: config::Environment,
    survey: config::Survey,
    unknown: BTreeSet<String>,
    replicas: Option<u64>,
    config: Result<Config, Vec<Fault>>,
}

impl<'m> Sidecar<'m> {
    fn all(cluster: &Cluster<'m>, notes: &mut Vec<String>) -> Vec<Self> {
        let mut all = Vec::new();
        for (workload, container) in cluster.sidecars() {
            let settings = settings::of(cluster, workload, &container);
            if !settings.keys().any(|name| name.starts_with("HOOKWARDEN_ROUTE_")) {
                let at = workload.object.place(container.node.line);
                notes.push(format!(
                    "{at}: the sidecar's routes are set elsewhere; give the ConfigMap too, to have them audited"
                ));
                continue;
            }
            all.push(Self::new(cluster, workload, &container, settings, notes));
        }
        all
    }

    fn new(
        cluster: &Cluster<'m>,
        workload: &Workload<'m>,
        container: &Container<'m>,
        settings: BTreeMap<String, Setting>,
        notes: &mut Vec<String>,
    ) -> Self {
        let variables = settings.iter().map(|(name, setting)| (name.clone(), setting.value.clone())).collect();
        let (environment, unknown) = config::stand_in(&variables);
        let config = config::load(&environment).map(|(config, _)| config);
        let is_made_up =
            |fault: &&Fault| concerns(&unknown, &fault.variable) || needs_what_is_not_here(&unknown, fault);
        if let Err(faults) = &config
            && let Some(fault) = faults.iter().find(is_made_up)
        {
            let at = workload.object.place(container.node.line);
            notes.push(format!("{at}: the configuration cannot be judged without its files ({})", fault.variable));
        }
        let config = config.map_err(|faults| faults.into_iter().filter(|fault| !is_made_up(&fault)).collect());
        let survey = config::survey(&environment);
        let (workload, line) = (workload.clone(), container.node.line);
        let replicas = most_replicas(cluster, &workload);
        Self { workload, line, settings, environment, survey, unknown, replicas, config }
    }

    /// What its configuration has of a rule. `None`: it cannot be judged.
    fn findings(&self, row: &'static rules::Row, now: u64) -> Option<Vec<Finding>> {
        let config = self.config.as_ref().ok()?;
        let subject = Subject {
            process: &config.process,
            policy: &config.policy,
            environment: &self.environment,
            survey: &self.survey,
            unknown: &self.unknown,
            replicas: self.replicas,
            built: None,
            now,
        };
        let found = row.of_settings(&subject)?.into_iter().filter(|finding| self.is_known(&finding.place));
        let found = found.map(|finding| self.placed(finding)).chain(self.by_reference(&row.rule));
        Some(found.collect())
    }

    /// A secret that a variable gets from a Secret is not known, but that it stands in the environment is.
    fn by_reference(&self, rule: &'static Rule) -> impl Iterator<Item = Finding> {
        let is_referred = |setting: &Setting| rule.code == IN_ENVIRONMENT && setting.value.is_none();
        let secrets =
            self.settings.iter().filter(move |(name, setting)| is_referred(setting) && config::is_secret(name));
        secrets.map(move |(name, _)| {
            let remedy = format!("Mount the secret as a file and name it in {name}_FILE.").into();
            Finding { remedy, ..Finding::new(rule, self.place(name), "it gets a secret from a Secret, as a variable") }
        })
    }

    /// Whether what is said of a place is said of what is known.
    fn is_known(&self, place: &Place) -> bool {
        !matches!(place, Place::Variable(name) if concerns(&self.unknown, name))
    }

    /// The same, where the manifest says it.
    fn placed(&self, finding: Finding) -> Finding {
        match &finding.place {
            Place::Variable(name) => Finding { place: self.place(name), ..finding },
            Place::Whole(_) | Place::File { .. } => finding,
        }
    }

    fn place(&self, variable: &str) -> Place {
        let written = [variable.to_owned(), format!("{variable}_FILE")];
        let line = written.iter().find_map(|name| self.settings.get(name)?.line).unwrap_or(self.line);
        match self.workload.object.place(line) {
            Place::File { path, line, object } => Place::File { path, line, object: format!("{object}, {variable}") },
            place @ (Place::Whole(_) | Place::Variable(_)) => place,
        }
    }

    fn refused(&self) -> Vec<(Place, String)> {
        let faults = self.config.as_ref().err().map_or(&[][..], Vec::as_slice);
        faults.iter().map(|fault| (self.place(&fault.variable), fault.to_string())).collect()
    }
}

/// Whether a variable is among those that something stands in for, in either form.
fn concerns(unknown: &BTreeSet<String>, variable: &str) -> bool {
    let bare = variable.strip_suffix("_FILE").unwrap_or(variable);
    unknown.contains(variable) || unknown.contains(bare) || unknown.contains(&format!("{variable}_FILE"))
}

/// A provider that is defined in files, or that TLS proves.
fn needs_what_is_not_here(unknown: &BTreeSet<String>, fault: &Fault) -> bool {
    let needs = |setting: &str| unknown.contains(&format!("{}{setting}", config::PREFIX));
    let is_setting = |name: &str| fault.variable.ends_with(name);
    is_setting("_PROVIDER") && (needs("PROVIDERS_DIR") || needs("TLS_CLIENT_CA_FILE"))
        || is_setting("_JWKS_URL")
        || is_setting("_SECRET_FILE")
}

/// In how many pods it runs at most: as an autoscaler says, or else itself.
fn most_replicas(cluster: &Cluster<'_>, workload: &Workload<'_>) -> Option<u64> {
    let object = &workload.object;
    let scaler = cluster.of_kind("HorizontalPodAutoscaler").find(|scaler| {
        let target = |field| scaler.node.text_at(&["spec", "scaleTargetRef", field]);
        scaler.namespace == object.namespace
            && target("kind") == Some(object.kind)
            && target("name") == Some(object.name)
    });
    let scaled = scaler.and_then(|scaler| scaler.node.at(&["spec", "maxReplicas"])?.number());
    scaled.or_else(|| workload.replicas())
}
