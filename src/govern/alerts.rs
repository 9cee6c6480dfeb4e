//! The alerts that deploy/monitoring/rules.yaml raises, a row each: the runbook that `explain` shows.
//!
//! A test holds the rules file against this table, so that no alert comes without a word on what to do. Deliberately
//! absent: the expressions, which stand in the rules alone.

use super::lesson::Lesson;

/// What is known of an alert.
#[derive(Debug)]
pub struct Row {
    /// Its name in Prometheus.
    pub name: &'static str,
    /// The annotation of the same name.
    pub summary: &'static str,
    /// What was measured.
    pub what: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// Where to look.
    pub see: &'static str,
    /// What to do now.
    pub fix: &'static str,
    /// What keeps it from happening again.
    pub prevent: &'static str,
}

impl Row {
    /// What is to be learnt of it.
    #[must_use]
    pub fn lesson(&self) -> Lesson {
        let &Self { what, why, see, fix, prevent, .. } = self;
        Lesson { what: what.into(), why: why.into(), see: see.into(), now: fix.into(), prevent: prevent.into() }
    }
}

/// All alerts, in the order of the rules file.
pub static ALERTS: &[Row] = &[
    Row {
        name: "HookwardenWebhooksFailing",
        summary: "Authentic webhooks do not reach the service.",
        what: "More than 5 % of the webhooks that nothing speaks against did not reach the service for five minutes.",
        why: "Orders, payments and pushes that the provider believes delivered late or never; after days of failures many providers disable the endpoint.",
        see: "namespace_route_decision_reason:hookwarden_requests:rate5m by reason, and the records with those reasons.",
        fix: "Go by the reason: upstream_* is the service, replay_store_* the shared store, keys_unavailable the provider's keys, overloaded a budget. Senders retry what got 5xx or 429.",
        prevent: "Run two replicas of the service and of the store, and set MAX_IN_FLIGHT to what the service can take.",
    },
    Row {
        name: "HookwardenRouteRefusesAll",
        summary: "A route refuses every webhook that comes.",
        what: "A route that is sent webhooks let none through for a quarter of an hour and refused all for their credential or signed time.",
        why: "Either the secret here is not the sender's any more, or only strangers call: in both cases nothing genuine gets in.",
        see: "The records of the route: reason, source and key_id; whether the source is the provider's.",
        fix: "Compare the secret with the provider's page and add the right one to SECRET_FILE: it is live within seconds. For timestamp_* compare the clocks.",
        prevent: "Rotate with both secrets in the directory, and take the old one out when hookwarden_credential_last_used_timestamp_seconds stands still.",
    },
    Row {
        name: "HookwardenUpstreamFailing",
        summary: "The service behind a sidecar does not answer.",
        what: "More than 10 % of a route's admitted webhooks got no valid answer from the service for five minutes.",
        why: "The sidecar holds nothing back for later: what the service does not answer, the sender has to send again.",
        see: "hookwarden_upstream_duration_seconds, the records' reason (unreachable, timeout, invalid response), and the service's own log.",
        fix: "Bring the service back, or roll it back. Nothing needs to be done here: a webhook that failed may be sent again, since its claim was released.",
        prevent: "A readiness probe on the service, work moved out of the request, UPSTREAM_TIMEOUT below the sender's patience.",
    },
    Row {
        name: "HookwardenDown",
        summary: "A sidecar or the injector cannot be scraped.",
        what: "Prometheus could not scrape a sidecar or the injector for five minutes.",
        why: "What cannot be scraped cannot be alerted on either: every other alert of this pod is blind.",
        see: "kubectl describe pod, the container's last log lines, and whether a NetworkPolicy lets the monitoring namespace reach the admin port.",
        fix: "If it does not start, its log lists every fault in the configuration at once. If it runs, mend the way to the admin port.",
        prevent: "Roll settings out with hookwarden check in CI; keep the admin port in the NetworkPolicy.",
    },
    Row {
        name: "HookwardenReplayStoreDown",
        summary: "The shared replay store does not answer.",
        what: "A sidecar has asked its shared replay store in vain for two minutes.",
        why: "With REPLAY_UNAVAILABLE=deny every signed webhook gets 503 until it is back; with local, a captured message could be replayed to another pod meanwhile.",
        see: "hookwarden_replay_store_errors_total, hookwarden_replay_store_duration_seconds, and the store's own health.",
        fix: "Bring the store back: sidecars find it by themselves. If that takes longer than senders retry, set REPLAY_UNAVAILABLE=local knowingly.",
        prevent: "A replicated store (Sentinel or Cluster), a PodDisruptionBudget on it, noeviction as its policy.",
    },
    Row {
        name: "HookwardenReplayStoreFull",
        summary: "The store of claims is full, or nearly so.",
        what: "More than nine tenths of the claims that can be remembered are taken, or claims gave way before their time, for ten minutes.",
        why: "When it is full, new webhooks get replay_store_full, or the window in which a replay is noticed shrinks.",
        see: "hookwarden_replay_entries against hookwarden_replay_capacity_entries, hookwarden_replay_window_seconds by route.",
        fix: "Raise REPLAY_MAX_ENTRIES (32 MiB a million) or shorten REPLAY_WINDOW on the route that fills it.",
        prevent: "Size it by the busiest hour times the longest window; prefer providers that sign the time.",
    },
    Row {
        name: "HookwardenSidecarMissing",
        summary: "A pod that asked for the sidecar runs without it.",
        what: "A running pod is opted in, by its label or its namespace's, and has no container named hookwarden.",
        why: "Its webhooks are checked by nobody: whoever reaches its port can send what he likes.",
        see: "kubectl get pod -o yaml: labels, and the annotation hookwarden.io/status; when the pod was made, and whether the injector was up then.",
        fix: "Restart the workload so that it is injected; if it is not, the injector's log says why.",
        prevent: "Keep the ValidatingAdmissionPolicy on: it refuses such a pod while the injector is down.",
    },
    Row {
        name: "HookwardenInjectorDown",
        summary: "No injector is available.",
        what: "The injector's Deployment has no available replica for five minutes.",
        why: "New pods of opted-in namespaces come up without a sidecar, or, with the admission policy on, not at all.",
        see: "kubectl -n hookwarden get pods,events and the injector's log.",
        fix: "Bring it back. If the cluster must scale meanwhile, run hookwarden inject on the manifest: it makes the same patch.",
        prevent: "Two replicas, a PodDisruptionBudget and a PriorityClass: the overlay ha has all three.",
    },
    Row {
        name: "HookwardenInjectorUnanswered",
        summary: "The injector left admission reviews unanswered.",
        what: "Within a quarter of an hour the injector could not answer some of the API server's reviews.",
        why: "With failurePolicy Ignore those pods come without a sidecar and are refused by the guard rail; with Fail they are refused.",
        see: "hookwarden_injector_unanswered_total by reason, and the injector's log.",
        fix: "namespace_unknown: see whether it reaches the API server and may get namespaces. slow and too_large: look at its resources and at the pod. Then have the pod made again.",
        prevent: "Two replicas, the ClusterRole as it is shipped, and egress to the API server in the NetworkPolicy.",
    },
    Row {
        name: "HookwardenRotationMissed",
        summary: "A provider's secret was changed and is not known here.",
        what: "Senders that a route has known as authentic now fail with wrong signatures, and none succeeds.",
        why: "The secret was changed at the provider and not here: every webhook is being lost until it is.",
        see: "hookwarden explain rotation_missed; the records' source and key_id.",
        fix: "Add the new secret to the route's SECRET_FILE, then have the provider send again what was refused.",
        prevent: "Rotate here first: both secrets are accepted while both files are there.",
    },
    Row {
        name: "HookwardenLockoutStorm",
        summary: "Many addresses are being locked out.",
        what: "More than twenty addresses were locked out within ten minutes in a namespace.",
        why: "Somebody tries secrets from many addresses, or a change made genuine senders fail.",
        see: "GET /lockouts on the admin port, and the locked addresses in the records.",
        fix: "If they are strangers, nothing has passed: keep them out in front. If they are the provider's, mend the secret and lift the locks with DELETE /lockouts.",
        prevent: "SOURCES for providers that publish their networks, so that strangers never get as far as a credential.",
    },
    Row {
        name: "HookwardenReplays",
        summary: "Messages that were accepted before are sent again.",
        what: "More than ten messages within a quarter of an hour had been accepted before.",
        why: "Nobody genuine sends the same signed bytes again after a success: somebody has captured traffic, or a proxy in front repeats requests.",
        see: "The records with reason replayed: source, delivery_id, and the record of the first time.",
        fix: "If one proxy is the source, switch its retries off. Else find where requests are being read (logs, a debugging proxy) and rotate the secret.",
        prevent: "TLS up to the sidecar, no request bodies or signature headers in other systems' logs.",
    },
    Row {
        name: "HookwardenAnomaly",
        summary: "Something unusual was seen.",
        what: "The sidecar saw something unusual; the label kind says what.",
        why: "Each request was answered as it should be, and yet a person should look: a stolen secret looks authentic.",
        see: "hookwarden explain KIND, and the audit line with kind anomaly: what was seen and what is usual.",
        fix: "What the kind's own explanation says.",
        prevent: "SOURCES, EVENTS and RATE as narrow as hookwarden review proposes.",
    },
    Row {
        name: "HookwardenMonitorModePasses",
        summary: "A route in monitor mode forwards what it would refuse.",
        what: "A route in monitor mode forwarded requests within the last hour that it would have refused.",
        why: "What it would refuse may be an attack, and reaches the service all the same, marked X-Hookwarden-Verified: false.",
        see: "hookwarden_requests_total{decision=\"monitored\"} by reason.",
        fix: "When the reasons are understood, set MODE=enforce. Until then the service must honour the mark.",
        prevent: "Give monitor mode an end: EXPIRES on the route.",
    },
    Row {
        name: "HookwardenCertificateExpiring",
        summary: "A serving certificate ends soon.",
        what: "The serving certificate of a sidecar ends in less than fourteen days, or the injector's in less than seven.",
        why: "From that moment on no sender connects; an injector's expired certificate stops injection.",
        see: "hookwarden_tls_certificate_expiry_timestamp_seconds, or hookwarden_injector_certificate_expiry_timestamp_seconds, and who renews it (cert-manager, or by hand).",
        fix: "Renew it and write the files: a changed certificate is live within seconds, without a restart.",
        prevent: "cert-manager with renewBefore of a month; this alert is for when it fails.",
    },
    Row {
        name: "HookwardenPermissionExpiring",
        summary: "A route's permission ends within 14 days, or has ended.",
        what: "The EXPIRES date of a route is less than fourteen days away, or past.",
        why: "Then the route answers 403 permission_expired, and a sender that is still needed is cut off.",
        see: "hookwarden_permission_expiry_timestamp_seconds and the route's OWNER.",
        fix: "Ask the owner: still needed, then set a new date; else remove the route and revoke its secret at the provider.",
        prevent: "Review permissions every quarter: hookwarden review lists what is unused.",
    },
    Row {
        name: "HookwardenSecretOld",
        summary: "A secret has not been rotated for 90 days.",
        what: "A key's file is older than ninety days.",
        why: "Whoever has seen it in that time, in a backup, a log or a former job, can still send.",
        see: "hookwarden_credential_age_seconds by route and key_id; hookwarden_credential_last_used_timestamp_seconds.",
        fix: "Make a new secret at the provider, add it beside the old one, and remove the old one when it is not used any more.",
        prevent: "Rotation on a calendar; SECRET_MAX_AGE makes the sidecar insist.",
    },
    Row {
        name: "HookwardenReloadFailed",
        summary: "A changed file could not be loaded.",
        what: "A watched file changed and could not be loaded within the last quarter of an hour.",
        why: "The sidecar goes on with the old one: a revoked key may still be accepted, a renewed certificate is not served.",
        see: "The log line of the failure names the file and what is wrong with it.",
        fix: "Mend the file. The next successful load shows as result=\"success\".",
        prevent: "Validate keys and certificates before they are written; write files whole, by a rename.",
    },
    Row {
        name: "HookwardenKeysNotFetched",
        summary: "A provider's keys cannot be fetched.",
        what: "All attempts of half an hour to fetch a provider's keys failed.",
        why: "The keys at hand are used on; when the provider changes its keys, genuine tokens fail, and past SECRET_MAX_AGE all do.",
        see: "hookwarden_keys_age_seconds, the log's warnings, egress NetworkPolicies.",
        fix: "Open the way to the JWKS_URL, or mount the keys as JWKS_FILE meanwhile.",
        prevent: "Permit egress to the provider by name where the network can; FETCH_CA_FILE for authorities of your own.",
    },
    Row {
        name: "HookwardenAuditRecordsLost",
        summary: "Audit records are being lost.",
        what: "Audit records were dropped within the last quarter of an hour.",
        why: "What was let in can no longer be shown: to an investigator it looks like a record that somebody removed.",
        see: "hookwarden_audit_records_dropped_total; whether standard output or the log's volume is slow or full.",
        fix: "Make room, or speed up whoever reads the log. Note when records were lost.",
        prevent: "AUDIT_LOG on a volume of its own with room for a day.",
    },
    Row {
        name: "HookwardenAuditFindings",
        summary: "The self-audit finds something grave in the configuration.",
        what: "The self-audit has found something of high or critical severity for a quarter of an hour.",
        why: "A setting leaves a door open that an attacker can use now.",
        see: "hookwarden audit with the same environment, or the audit lines of the log: each finding with its evidence.",
        fix: "Do what the finding's remedy says, or accept it in the baseline with a reason, an owner and an end.",
        prevent: "hookwarden audit --fail-on high in CI, before it is rolled out.",
    },
    Row {
        name: "HookwardenScheduleFailed",
        summary: "A scheduled audit, assessment or review failed or found something.",
        what: "A Job of the CronJobs hookwarden-audit, hookwarden-assess or hookwarden-review failed.",
        why: "Either it found something at or above its --fail-on, or it could not run, and nobody looks any more.",
        see: "kubectl logs job/NAME: exit code 1 are findings, 69 and 78 are a service or settings that it could not use.",
        fix: "Deal with the findings, or mend the job; then run it again with kubectl create job --from=cronjob/NAME.",
        prevent: "Run the same commands in CI, so that the schedule only confirms.",
    },
    Row {
        name: "HookwardenScheduleOverdue",
        summary: "A scheduled audit, assessment or review has not told a result for too long.",
        what: "No sidecar of the namespace was told by --report-to of an audit for two days, of an assessment for nine, or of a review for thirty-five.",
        why: "Nobody looks any more: what goes wrong from now on is found by whoever makes use of it.",
        see: "hookwarden_job_last_success_timestamp_seconds by command; kubectl get cronjobs,jobs: suspended, never started, failed, or ended with 69 since no sidecar could be told.",
        fix: "Mend the job and run it with kubectl create job --from=cronjob/NAME. With 69: the Service hookwarden-report, its NetworkPolicies, and the token on both sides. One that was taken out on purpose falls silent when Prometheus has forgotten it; silence the alert until then.",
        prevent: "Keep the schedules in the same kustomization as the service, with the component job-metrics.",
    },
    Row {
        name: "HookwardenOldVersion",
        summary: "Sidecars of another version than the injector's are running.",
        what: "Sidecars of another version than any injector's have been running for three days: older ones, or those of \
               hookwarden.io/image.",
        why: "A fault that was mended stays open in pods that were not restarted.",
        see: "count by (namespace, version) (hookwarden_build_info).",
        fix: "Restart the workloads: kubectl rollout restart. The injector puts the current version in.",
        prevent: "Restart opted-in workloads as a part of each upgrade.",
    },
];
