//! The lesson of an annotation of a pod: its row, and beside it what goes wrong where it is set carelessly, and where its
//! effect shows.

use crate::govern::lesson::Lesson;
use crate::inject::annotations::Row;

/// What a lesson adds to a row: the annotation's name, why it matters, and where its effect shows.
type More = (&'static str, &'static str, &'static str);

const ROWS: &[More] = &[
    (
        "take-port",
        "A Service that still leads to the service itself leads past every check, and nobody notices: webhooks arrive either way.",
        "`kubectl get pod POD -o yaml` shows the port's name at the sidecar, and `kubectl get endpoints SERVICE` the sidecar's number.",
    ),
    (
        "upstream-port",
        "A wrong port is a sidecar that accepts webhooks and cannot deliver one: senders retry, and then give up.",
        "Records with the reason upstream_unreachable, and HOOKWARDEN_UPSTREAM in the sidecar's environment.",
    ),
    (
        "listen-port",
        "Services, NetworkPolicies and ingresses name this number: one that they do not know is an endpoint that nobody reaches.",
        "The sidecar's first log line names the address; `kubectl describe pod POD` shows the port.",
    ),
    (
        "admin-port",
        "Probes and scrapes go there. Open to more than them, it tells strangers what the routes are.",
        "`kubectl describe pod POD` shows the probes' port; Prometheus shows its target as up.",
    ),
    (
        "config",
        "Settings that stand in the pod's own template change with the service's releases; a ConfigMap changes by itself, and who may change it can be said.",
        "`kubectl get configmap NAME -o yaml`; the sidecar refuses to start where something in it is wrong, and its log says all of it.",
    ),
    (
        "config-secret",
        "A URL with a password in a ConfigMap is read by everybody who may read ConfigMaps, which are many more than may read Secrets.",
        "`kubectl describe pod POD` names the Secret and none of its values.",
    ),
    (
        "env",
        "Annotations are read by whoever may read pods: no place for a secret. They are good for one setting that differs between two pods with the same ConfigMap.",
        "The sidecar's environment in `kubectl get pod POD -o yaml`.",
    ),
    (
        "secret",
        "A secret in a variable shows in the pod's specification and in crash reports, and a new one needs a restart; a mounted one is live within a minute and stays in its file.",
        "`hookwarden_credential_age_seconds` by route and key id; the key ids are the names of the Secret's entries.",
    ),
    (
        "config-files",
        "Public keys and schemas are no secrets: in a ConfigMap who may read a Secret need not be asked, and who changes one shows in its history.",
        "The files below /run/hookwarden/config/NAME, and what `hookwarden check` says of the route.",
    ),
    (
        "tls-secret",
        "Without TLS in the pod, whoever is on the cluster's network reads what the events say; an expired certificate stops every sender at once.",
        "`hookwarden_tls_certificate_expiry_timestamp_seconds`, and the alert on it.",
    ),
    (
        "image",
        "A tag that moves is another program tomorrow, in the place where all webhooks pass; and one version in the injector, another in a pod, is hard to see.",
        "`hookwarden_build_info` by pod; `hookwarden audit -f` finds a tag that moves.",
    ),
    (
        "image-pull-policy",
        "Never, on a node that lacks the image, is a pod that does not start; Always makes each start wait for the registry.",
        "`kubectl describe pod POD` shows the pull, or why there was none.",
    ),
    (
        "cpu-request",
        "With nothing set aside, a busy node slows every webhook, and senders time out and retry into the same node.",
        "`hookwarden_request_duration_seconds`, and the pod's class in `kubectl get pod POD -o yaml`.",
    ),
    (
        "cpu-limit",
        "A limit stops the sidecar for the rest of a period when it is reached: verification that takes microseconds then takes tenths of a second.",
        "`container_cpu_cfs_throttled_periods_total` of the sidecar's container.",
    ),
    (
        "memory-request",
        "A pod that uses more than it asked for is the first to be evicted when the node's memory ends.",
        "`container_memory_working_set_bytes` of the sidecar's container beside what it asked for.",
    ),
    (
        "memory-limit",
        "A limit below what the budgets can take is a sidecar that is killed by large bodies at the wrong moment, with claims and connections in its hands.",
        "OOMKilled in `kubectl describe pod POD`; `hookwarden_buffered_bytes`.",
    ),
    (
        "sidecar",
        "A plain container may start after the service and stop before it, and a Job with one never ends; native ones do neither, and older clusters do not know them.",
        "`kubectl get pod POD -o yaml`: it stands among initContainers with restartPolicy Always, or among containers.",
    ),
    (
        "drain-seconds",
        "Endpoints are updated some seconds after a pod was told to stop: who stops at once refuses webhooks that are still on their way.",
        "Connections that are refused while pods are replaced; `/readyz` says no while it drains.",
    ),
    (
        "shutdown-seconds",
        "An exchange that is cut off after the service has acted is sent again: the event happens twice, or is refused as one in flight.",
        "Records of the last second before a pod ends, and the pod's terminationGracePeriodSeconds, which the injector raises to fit.",
    ),
];

/// The lesson of an annotation with that full name.
pub(super) fn lesson(row: &'static Row, name: &str) -> Lesson {
    let (why, shows) =
        ROWS.iter().find(|(known, ..)| *known == row.name).map_or((row.help, ""), |(_, why, shows)| (*why, *shows));
    let default = match row.default {
        "" => "Without it nothing holds in its place.".to_owned(),
        default => format!("Without it `{default}` holds."),
    };
    Lesson {
        what: row.help.into(),
        why: why.into(),
        see: format!("{shows} `hookwarden inject -f FILE` shows what a manifest becomes with it.").into(),
        now: format!(
            "Write `{name}` among the annotations of the pod's template, or of its namespace for all pods there that say \
             nothing else. Accepted: {}. {default} Pods take it up when they are made anew.",
            row.accepts
        )
        .into(),
        prevent: "Run `hookwarden inject -f` over manifests before they are applied: it lists every wrong annotation at \
                  once, with the words that the injector would refuse the pod with."
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::annotations::ANNOTATIONS;

    #[test]
    fn every_annotation_has_its_row_and_every_row_its_annotation() {
        let known: Vec<_> = ANNOTATIONS.iter().map(|row| row.name).collect();
        let told: Vec<_> = ROWS.iter().map(|(name, ..)| *name).collect();
        assert_eq!(told, known);
    }
}
