{{- define "waggle.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "waggle.labels" -}}
app.kubernetes.io/name: waggle
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "waggle.selector" -}}
app.kubernetes.io/name: waggle
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* The names of the Service. The pod itself knows its namespace, so that an overlay of the Kustomize base may choose another one. */ -}}
{{- define "waggle.hosts" -}}
{{- $name := include "waggle.name" . -}}
{{- concat (list $name (printf "%s.$(POD_NAMESPACE)" $name) (printf "%s.$(POD_NAMESPACE).svc" $name) (printf "%s.$(POD_NAMESPACE).svc.cluster.local" $name)) .Values.hosts | join "," -}}
{{- end -}}

{{- /* A value of `env` as text. A large number must not become 1e+10. */ -}}
{{- define "waggle.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}
