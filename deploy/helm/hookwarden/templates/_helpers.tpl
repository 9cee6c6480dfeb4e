{{/* The recommended labels; call with (list . COMPONENT). */}}
{{- define "hookwarden.labels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: hookwarden
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/part-of: hookwarden
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end }}

{{- define "hookwarden.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: hookwarden
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "hookwarden.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Pod Security's `restricted`, in every field. */}}
{{- define "hookwarden.restricted" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Namespaces that are never injected nor judged. */}}
{{- define "hookwarden.excluded" -}}
{{ concat (list .Release.Namespace "kube-system" "kube-public" "kube-node-lease") .Values.webhook.excludedNamespaces | uniq | toJson }}
{{- end }}
