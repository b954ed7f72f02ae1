/**
 * Remarks on variables of OpenTelemetry that are set, and that nothing in Waggle reads. A misspelt name is among them. A variable that asks for what
 * Waggle does anyway gets no remark.
 */
export function unreadVariables(env: { readonly [name: string]: string | undefined }): readonly string[] {
  const unread = Object.entries(env).filter(([name]) => /^OTEL_[A-Z0-9_]+$/.test(name) && !isRead.test(name) && !isForOthers.test(name))
  return unread
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([name, value]) => {
      const text = value?.trim() ?? ''
      const only = onlyValues.get(name)
      if (text === '' || (only !== undefined && wordsOf(text) === wordsOf(only))) return []
      const why = only === undefined ? 'Waggle does not read it; docs/telemetry.md lists the variables that it reads' : `Waggle has ${only} alone`
      return [`${name} is ignored, because ${why}`]
    })
}

/** The words of a list, in an order that does not depend on how the list was written. */
function wordsOf(list: string): string {
  const words = list
    .toLowerCase()
    .split(',')
    .map((word) => word.trim())
  return [...new Set(words)].sort().join(',')
}

/** The variables that otlp-settings.ts reads, and those that the packages of OpenTelemetry read. */
const isRead = new RegExp(
  `^OTEL_(${[
    'SDK_DISABLED|SERVICE_NAME|RESOURCE_ATTRIBUTES',
    '(TRACES|METRICS|LOGS)_EXPORTER',
    'TRACES_SAMPLER|TRACES_SAMPLER_ARG|SPAN_LINK_COUNT_LIMIT',
    '(BSP|BLRP)_(MAX_QUEUE_SIZE|MAX_EXPORT_BATCH_SIZE|SCHEDULE_DELAY|EXPORT_TIMEOUT)',
    'METRIC_EXPORT_INTERVAL|METRIC_EXPORT_TIMEOUT',
    'EXPORTER_OTLP_((TRACES|METRICS|LOGS)_)?(ENDPOINT|PROTOCOL|HEADERS|TIMEOUT|COMPRESSION|CERTIFICATE|CLIENT_KEY|CLIENT_CERTIFICATE|INSECURE)',
  ].join('|')})$`,
)

/** The variables of SDKs for other languages, and the parts from which Kubernetes puts OTEL_RESOURCE_ATTRIBUTES together. */
const isForOthers = /^OTEL_(CPP|DOTNET|ERLANG|GO|JAVA|JAVAAGENT|PHP|PYTHON|RUBY|RUST|SWIFT|RESOURCE_ATTRIBUTES)_/

/** The only value that holds in Waggle, of variables that choose among several in other programs. */
const onlyValues = new Map([
  ['OTEL_PROPAGATORS', 'tracecontext,baggage'],
  ['OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE', 'cumulative'],
  ['OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION', 'explicit_bucket_histogram'],
])
