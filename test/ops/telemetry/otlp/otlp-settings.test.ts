import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { otlpSettings } from '../../../../ops/telemetry/otlp/otlp-settings.ts'

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }

describe('The variables of OpenTelemetry', () => {
  it('send nothing without an endpoint, or if the SDK is disabled', () => {
    assert.equal(otlpSettings({}), null)
    assert.equal(otlpSettings({ OTEL_SERVICE_NAME: 'shop', OTEL_TRACES_EXPORTER: 'otlp' }), null)
    assert.equal(otlpSettings({ ...endpoint, OTEL_SDK_DISABLED: 'TRUE' }), null)
    assert.equal(otlpSettings({ ...endpoint, OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' }), null)
  })

  it('choose the protocol of all signals, and of a single signal', () => {
    assert.deepEqual(otlpSettings(endpoint)?.protocols, { traces: 'http/protobuf', metrics: 'http/protobuf', logs: 'http/protobuf' })
    const chosen = otlpSettings({
      ...endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'http/json',
      OTEL_METRICS_EXPORTER: 'none',
    })
    assert.deepEqual(chosen?.protocols, { traces: 'grpc', metrics: null, logs: 'http/json' })
    const traces = otlpSettings({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:4318/v1/traces' })
    assert.deepEqual(traces?.protocols, { traces: 'http/protobuf', metrics: null, logs: null })
  })

  it('choose the sampler', () => {
    assert.deepEqual(otlpSettings(endpoint)?.sampler, { isParentBased: true, root: 'on', ratio: 1 })
    const some = otlpSettings({ ...endpoint, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' })
    assert.deepEqual(some?.sampler, { isParentBased: true, root: 'ratio', ratio: 0.25 })
    assert.deepEqual(otlpSettings({ ...endpoint, OTEL_TRACES_SAMPLER: 'always_off' })?.sampler, { isParentBased: false, root: 'off', ratio: 1 })
  })

  it('limit the queues, and no batch is larger than its queue', () => {
    assert.deepEqual(otlpSettings(endpoint)?.spans, {
      maxQueueSize: 2048,
      maxExportBatchSize: 512,
      scheduledDelayMillis: 5000,
      exportTimeoutMillis: 30_000,
    })
    const { spans } = otlpSettings({ ...endpoint, OTEL_BSP_MAX_QUEUE_SIZE: '100' }) ?? assert.fail()
    assert.deepEqual([spans.maxQueueSize, spans.maxExportBatchSize], [100, 100])
  })

  it('are ignored with a remark if their values are wrong', () => {
    const wrong = { OTEL_TRACES_SAMPLER: 'sometimes', OTEL_BSP_MAX_QUEUE_SIZE: '-1', OTEL_EXPORTER_OTLP_PROTOCOL: 'carrier-pigeon' }
    const settings = otlpSettings({ ...endpoint, ...wrong })
    assert.deepEqual([settings?.sampler.root, settings?.spans.maxQueueSize, settings?.protocols.traces], ['on', 2048, 'http/protobuf'])
    assert.deepEqual(
      settings?.remarks.map((remark) => remark.split(' ', 1)[0]),
      ['OTEL_EXPORTER_OTLP_PROTOCOL', 'OTEL_TRACES_SAMPLER', 'OTEL_BSP_MAX_QUEUE_SIZE'],
    )
  })

  it('name the service `waggle` if the name is unset or empty', () => {
    assert.deepEqual(
      [{}, { OTEL_SERVICE_NAME: '' }, { OTEL_SERVICE_NAME: ' ' }, { OTEL_SERVICE_NAME: 'shop' }].map(
        (env) => otlpSettings({ ...endpoint, ...env })?.serviceName,
      ),
      ['waggle', 'waggle', 'waggle', 'shop'],
    )
  })

  it('get a remark if nothing reads them, unless they ask for what holds anyway', () => {
    const remarks = (env: { readonly [name: string]: string }) => otlpSettings({ ...endpoint, ...env })?.remarks
    const unread = {
      OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '100',
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta',
      OTEL_LOG_LEVEL: 'debug',
      OTEL_PROPAGATORS: 'b3',
      OTEL_TRACE_SAMPLER: 'always_off',
    }
    assert.deepEqual(
      remarks(unread)?.map((remark) => remark.split(' is ignored, because ', 1)[0]),
      Object.keys(unread),
    )
    assert.match(remarks({ OTEL_PROPAGATORS: 'b3' })?.[0] ?? '', /Waggle has tracecontext,baggage alone$/)
    const fitting = { OTEL_PROPAGATORS: 'baggage, tracecontext', OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'CUMULATIVE' }
    const others = { OTEL_PYTHON_LOG_LEVEL: 'info', OTEL_RESOURCE_ATTRIBUTES_POD_NAME: 'pod', OTEL_LOG_LEVEL: '' }
    assert.deepEqual(remarks({ ...fitting, ...others }), [])
  })

  it('get no remark if the table in docs/telemetry.md has them', () => {
    const names = [
      ...['SDK_DISABLED', 'SERVICE_NAME', 'RESOURCE_ATTRIBUTES', 'TRACES_SAMPLER_ARG', 'SPAN_LINK_COUNT_LIMIT', 'METRIC_EXPORT_INTERVAL'],
      ...['METRIC_EXPORT_TIMEOUT', 'EXPORTER_OTLP_HEADERS', 'EXPORTER_OTLP_LOGS_TIMEOUT', 'EXPORTER_OTLP_TRACES_COMPRESSION', 'LOGS_EXPORTER'],
      ...['EXPORTER_OTLP_METRICS_CERTIFICATE', 'EXPORTER_OTLP_METRICS_PROTOCOL', 'BSP_SCHEDULE_DELAY', 'BLRP_MAX_EXPORT_BATCH_SIZE'],
    ].map((name) => `OTEL_${name}`)
    // The value is wrong for some, and each remark about a value says so.
    const remarks = otlpSettings({ ...Object.fromEntries(names.map((name) => [name, '1'])), ...endpoint })?.remarks ?? []
    assert.ok(
      remarks.every((remark) => remark.includes('because it is not ')),
      remarks.join('\n'),
    )
  })
})
