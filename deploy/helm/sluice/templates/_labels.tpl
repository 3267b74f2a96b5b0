{{- define "sluice.selector" -}}
app.kubernetes.io/name: sluice
app.kubernetes.io/component: controller
{{- end }}

{{- define "sluice.labels" -}}
{{ include "sluice.selector" . }}
{{ include "sluice.mark" . }}
{{- end }}

{{- define "sluice.mark" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* The objects of some of the chart's files, marked as this release's. */ -}}
{{- define "sluice.files" -}}
{{- $mark := include "sluice.mark" .root | fromYaml }}
{{- $annotations := .annotations }}
{{- range $path, $content := .root.Files.Glob .pattern }}
{{- range $document := regexSplit "(?m)^---$" (toString $content) -1 }}
{{- $object := $document | fromYaml }}
{{- if $object }}
{{- $metadata := $object.metadata }}
{{- $_ := set $metadata "labels" (merge (deepCopy $mark) (default dict $metadata.labels)) }}
{{- if $annotations }}{{ $_ := set $metadata "annotations" (merge (deepCopy $annotations) (default dict $metadata.annotations)) }}{{ end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
